package sandbox_test

import (
	"context"
	"slices"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

const (
	helloName = "wasmworker:greeter/v1 hello"
	readName  = abi.ModuleActivity + " read"
	closeName = abi.ModuleActivity + " close"

	noHandle = -int64(abi.EBADF)
)

// A handle is good from the call that made it until it is closed or its activity ends,
// and no other number is.
func TestHostileHandles(t *testing.T) {
	for _, policy := range []sandbox.Isolation{sandbox.IsolationFresh, sandbox.IsolationPristine, sandbox.IsolationReuse} {
		t.Run(string(policy), func(t *testing.T) {
			s := startScripted(t, policy, scriptedGreeter(t))
			hello := s.call(helloName, room, 1)
			read := func(handle, offset, dst, capacity uint64) hostCall {
				return s.call(readName, handle, offset, dst, capacity)
			}
			closing := func(handle uint64) hostCall { return s.call(closeName, handle) }
			response := func(handle int64) int64 { return handle<<32 | int64(len(scriptResponse)) }

			forged := []uint64{0, 1, 2, 255, 256, 1<<31 - 1, 1 << 31, 1<<32 - 2, 1<<32 - 1}
			var calls []hostCall
			var want []int64
			add := func(call hostCall, result int64) { calls, want = append(calls, call), append(want, result) }
			for _, h := range forged { // before there is any
				add(read(h, 0, room, 16), noHandle)
				add(closing(h), noHandle)
			}
			add(hello, response(1))
			for _, h := range forged {
				if h != 1 {
					add(read(h, 0, room, 16), noHandle)
					add(closing(h), noHandle)
				}
			}
			for _, offset := range []uint64{0, 1, 15, 16, 17, 1 << 31, 1<<32 - 16, 1<<32 - 1} {
				left := max(int64(len(scriptResponse))-int64(offset), 0)
				add(read(1, offset, room, 16), left)
				add(read(1, offset, room, 1<<32-1), left) // there is not as much
				add(read(1, offset, room, 3), min(left, 3))
				add(read(1, offset, 1<<32-1, 0), 0) // nothing, to nowhere
				add(read(1, offset, scriptMemory-uint64(left), 1<<32-1), left)
			}
			add(closing(1), 0)
			add(read(1, 0, room, 16), noHandle)
			add(read(1, 16, room, 0), noHandle)
			add(closing(1), noHandle)
			add(hello, response(2)) // not 1 again
			add(read(1, 0, room, 16), noHandle)
			add(read(2, 0, room, 16), 16)
			equal(t, "results", s.mustDo(t, calls...), want)

			// Handle 2 was left open. The next activity has none, be it in the same
			// instance.
			calls, want = nil, nil
			for _, h := range forged {
				add(read(h, 0, room, 16), noHandle)
				add(closing(h), noHandle)
			}
			add(hello, response(1))
			equal(t, "results in the next activity", s.mustDo(t, calls...), want)

			// As many as there may be, not one more; and numbers are not used twice.
			calls, want = nil, nil
			for h := range int64(abi.MaxHandles) {
				add(hello, response(h+1))
			}
			add(hello, -int64(abi.EMFILE))
			add(hello, -int64(abi.EMFILE))
			add(closing(7), 0)
			add(hello, response(abi.MaxHandles+1))
			add(hello, -int64(abi.EMFILE))
			add(read(7, 0, room, 16), noHandle)
			equal(t, "results at the limit", s.mustDo(t, calls...), want)
			equal(t, "results after the limit", s.mustDo(t, hello), []int64{response(1)})
		})
	}
}

// The handles of an activity that is running are no other's, not even by their numbers.
func TestHostileHandlesOfAnother(t *testing.T) {
	for _, policy := range []sandbox.Isolation{sandbox.IsolationFresh, sandbox.IsolationPristine, sandbox.IsolationReuse} {
		holding, release := make(chan struct{}), make(chan struct{})
		s := startScripted(t, policy, greeter(t, func(_ context.Context, _ *passthrough.Call, request []byte) ([]byte, error) {
			if len(request) == 2 {
				close(holding)
				<-release
			}
			return slices.Clone(scriptResponse), nil
		}))
		done := make(chan []int64)
		go func() {
			results, err := s.do(t, s.call(helloName, room, 1), s.call(helloName, room, 2), s.call(readName, 1, 0, room, 16), s.call(closeName, 1), s.call(closeName, 2))
			if err != nil {
				t.Error(err)
			}
			done <- results
		}()
		<-holding // the other has handle 1 now
		equal(t, "another's handle", s.mustDo(t, s.call(readName, 1, 0, room, 16), s.call(closeName, 1), s.call(closeName, 2)), []int64{noHandle, noHandle, noHandle})
		close(release)
		equal(t, "its own", <-done, []int64{1<<32 | 16, 2<<32 | 16, 16, 0, 0})
	}
}
