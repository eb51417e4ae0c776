package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// startGreeter makes a sandbox of a fixture that imports greeter, and may.
func startGreeter(t *testing.T, name string, options sandbox.Options, hello passthrough.Func) *sandbox.Sandbox {
	t.Helper()
	options.Passthrough = []string{"greeter"}
	return start(t, sandbox.Config{Modules: files(t, name), Defaults: options, Passthrough: greeter(t, hello)})
}

func TestPassthrough(t *testing.T) {
	s := startGreeter(t, "passthrough", sandbox.Options{}, func(_ context.Context, _ *passthrough.Call, req []byte) ([]byte, error) {
		return append([]byte("hello, "), req...), nil
	})
	for _, name := range []string{"Ada", "", "\x00\xff", strings.Repeat("x", 60_000)} {
		equal(t, "response", text(run(t, s, "Ask", raw(name))), "hello, "+name)
	}
}

// What the guest sees of what a function returns: the number, and the sentence of
// last_error.
func TestPassthroughResults(t *testing.T) {
	type result = struct {
		response []byte
		err      error
		panics   any
	}
	tests := []struct {
		name     string
		result   result
		errno    abi.Errno // 0: none
		sentence string
	}{
		{"nothing", result{}, 0, ""},
		{"no bytes", result{response: []byte{}}, 0, ""},
		{"an errno", result{err: abi.EACCES}, abi.EACCES, "EACCES"},
		{"a wrapped errno", result{err: fmt.Errorf("%w: no such greeting", abi.ENOENT)}, abi.ENOENT, "no such greeting"},
		{"an errno deep inside", result{err: fmt.Errorf("asking: %w", errors.Join(errors.New("first"), abi.ETIMEDOUT))}, abi.ETIMEDOUT, "asking: first\nETIMEDOUT"},
		{"another error", result{err: errors.New("the tape is torn")}, abi.EIO, "the tape is torn"},
		{"an error beside a response", result{response: []byte("half"), err: abi.EAGAIN}, abi.EAGAIN, "EAGAIN"},
		{"an errno that is none", result{err: fmt.Errorf("odd: %w", abi.Errno(0))}, abi.EIO, "odd: errno 0"},
		{"a negative errno", result{err: abi.Errno(-5)}, abi.EIO, "errno -5"},
		{"text that is not UTF-8", result{err: errors.New("torn \xff")}, abi.EIO, "torn \uFFFD"},
		{"a panic", result{panics: "password=hunter2"}, abi.EIO, "wasmworker:greeter/v1 hello failed inside the host"},
		{"a panic with an errno", result{panics: abi.EACCES}, abi.EIO, "wasmworker:greeter/v1 hello failed inside the host"},
	}
	var next result
	hello := func(context.Context, *passthrough.Call, []byte) ([]byte, error) {
		if next.panics != nil {
			panic(next.panics)
		}
		return next.response, next.err
	}
	logged := &recorder{}
	s := start(t, sandbox.Config{
		Modules:     files(t, "passthrough", "handles"),
		Defaults:    sandbox.Options{Passthrough: []string{"greeter"}, Isolation: sandbox.IsolationReuse},
		Passthrough: greeter(t, hello),
		Logger:      logged.logger(),
	})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			next = tt.result
			equal(t, "result", results(t, run(t, s, "Raw", raw("x"))), []int64{-int64(tt.errno)})
			if tt.errno != 0 {
				equal(t, "last error", text(run(t, s, "Ask", raw("x"))), tt.sentence)
			}
			// none of this is the end of an instance
			equal(t, "idle instances", stats(s).Idle, live(s))
		})
	}
	// The host, unlike the guest, learns what the panic was about.
	found := 0
	for _, r := range logged.all() {
		if strings.Contains(r.attrs, "hunter2") {
			found++
		}
	}
	equal(t, "records of the panic", found, 2)
}

// The function gets a copy of the request: it may keep it, and change it.
func TestPassthroughRequestIsACopy(t *testing.T) {
	var kept [][]byte
	s := startGreeter(t, "passthrough", sandbox.Options{Isolation: sandbox.IsolationReuse}, func(_ context.Context, _ *passthrough.Call, req []byte) ([]byte, error) {
		kept = append(kept, req)
		return []byte("RESPONSE IN THE SAME PLACE"), nil // to which the guest copies it
	})
	arg := raw("request one")
	run(t, s, "Ask", arg)
	run(t, s, "Ask", raw("request two"))
	equal(t, "first request", string(kept[0]), "request one")
	equal(t, "second request", string(kept[1]), "request two")
	copy(kept[0], "XXXXXXX")
	equal(t, "argument", string(arg.Data), "request one")
}

func TestPassthroughIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var seen error
	s := startGreeter(t, "passthrough", sandbox.Options{}, func(ctx context.Context, call *passthrough.Call, _ []byte) ([]byte, error) {
		cancel(errStop)
		<-ctx.Done()
		seen = context.Cause(ctx)
		return []byte("too late"), nil
	})
	_, err := s.Run(ctx, sandbox.Task{Activity: "Ask", Args: []sandbox.Payload{raw("x")}})
	interrupted(t, err, errStop)
	equal(t, "cause that the function saw", seen, errStop)
}

// Before there is an activity nobody can be asked for anything.
func TestPassthroughBeforeTheActivity(t *testing.T) {
	calls := 0
	s := startGreeter(t, "handles", sandbox.Options{}, func(context.Context, *passthrough.Call, []byte) ([]byte, error) { calls++; return nil, nil })
	equal(t, "result", results(t, run(t, s, "Early")), []int64{-int64(abi.EINVAL)})
	equal(t, "calls", calls, 0)
}

func TestHandles(t *testing.T) {
	const ebadf = -int64(abi.EBADF)
	s := startGreeter(t, "handles", sandbox.Options{Isolation: sandbox.IsolationReuse}, func(context.Context, *passthrough.Call, []byte) ([]byte, error) {
		return []byte("12345"), nil
	})
	for range 2 { // numbers begin anew with each activity
		equal(t, "pieces", results(t, run(t, s, "Pieces", raw("x"))), []int64{1<<32 | 5, 3, 2, 0x3534333231, 0, 0, 0, ebadf})
	}
	for range 2 {
		equal(t, "hoard", results(t, run(t, s, "Hoard", raw("x"))), []int64{abi.MaxHandles, -int64(abi.EMFILE), 0, abi.MaxHandles + 1})
	}
	equal(t, "handle of the activity before", results(t, run(t, s, "Stale")), []int64{ebadf})
	equal(t, "live instances", live(s), 1)
}

func TestPassthroughRequestSize(t *testing.T) {
	var sizes []int
	s := startGreeter(t, "handles", sandbox.Options{}, func(_ context.Context, _ *passthrough.Call, req []byte) ([]byte, error) {
		sizes = append(sizes, len(req))
		return nil, nil
	})
	equal(t, "results", results(t, run(t, s, "Large")), []int64{0, -int64(abi.EMSGSIZE)})
	equal(t, "requests", sizes, []int{abi.MaxRequestSize})
	_, err := s.Run(t.Context(), sandbox.Task{Activity: "BadRequest"})
	if f := failure(t, err, abi.TypeWasmTrap); !strings.Contains(f.Message, "wasmworker:greeter/v1 hello: 100 bytes at 0xfffffff8 are outside") {
		t.Errorf("message %q", f.Message)
	}
}

// Only what is granted is linked: what the fence let through is all that there is.
func TestPassthroughModulesAreSeparate(t *testing.T) {
	calls := map[string]int{}
	count := func(name string) passthrough.Func {
		return func(context.Context, *passthrough.Call, []byte) ([]byte, error) {
			calls[name]++
			return []byte(name), nil
		}
	}
	set, err := passthrough.NewSet(
		passthrough.Module{Name: "greeter", Functions: map[string]passthrough.Func{"hello": count("v1"), "more": nil}},
		passthrough.Module{Name: "greeter", Version: 2, Functions: map[string]passthrough.Func{"hello": count("v2")}},
	)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, sandbox.Config{Modules: files(t, "passthrough"), Passthrough: set, Defaults: sandbox.Options{Passthrough: []string{"greeter"}}})
	equal(t, "response", text(run(t, s, "Ask", raw("x"))), "v1")
	equal(t, "calls", calls, map[string]int{"v1": 1})
}
