// Package task runs one activity for its host: it fetches the arguments, calls the
// function, watches what is asked of the activity meanwhile, and hands the outcome
// back. It is the same code in a WebAssembly build and in tests; only the
// host.Host differs.
package task

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/abi"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/host"
)

// Task is one attempt of one activity. Its methods may be called by several
// goroutines, also after the attempt is over.
type Task struct {
	host host.Host
	over atomic.Bool // the activity's function has returned

	// Fetched or made when somebody asks.
	infoOnce   sync.Once
	info       *abi.Info
	asked      time.Time     // when info was fetched
	allowed    time.Duration // from then to the deadline
	loggerOnce sync.Once
	logger     *slog.Logger

	heartbeats sync.Mutex // details of one heartbeat stay together

	// What follows exists only once somebody has asked for a context.
	ctx    activityContext
	cancel context.CancelCauseFunc
	expiry expiry

	mu       sync.Mutex
	needs    needs         // what the watcher looks for
	stopped  chan struct{} // closed when the worker stops; nil if nobody has asked for it
	stopping bool
	watcher  chan struct{} // closed when the watcher has ended; nil if there never was one
	watching bool
	quit     chan struct{} // closed when the attempt is over; nil as watcher
}

// Run runs one activity from its arguments to its outcome and returns the status
// for the host. It returns after all goroutines of the SDK itself have ended.
func Run(h host.Host, fn any) int32 {
	host.Begin()
	t := &Task{host: h}
	o := t.execute(fn)
	t.end()
	return t.report(o)
}

// execute calls the function in a goroutine of its own, so that runtime.Goexit
// ends that goroutine and not the one which the host waits for.
func (t *Task) execute(fn any) (o outcome) {
	done := make(chan struct{})
	goroutine(func() {
		defer close(done)
		returned := false
		defer func() {
			if returned {
				return
			}
			if p := recover(); p != nil {
				o = failed(&abi.Failure{Type: "PanicError", Message: fmt.Sprint(p), StackTrace: stackTrace()})
			} else {
				goroutineEnded()
				o = failed(&abi.Failure{Type: "Goexit", Message: "the activity's goroutine ended by runtime.Goexit instead of returning"})
			}
		}()
		o = t.call(fn)
		returned = true
	})
	<-done
	return o
}

// Info returns what the host tells about the attempt. It panics when the host
// does not follow the contract.
func (t *Task) Info() *abi.Info {
	t.infoOnce.Do(t.fetchInfo)
	if t.info == nil {
		panic("wasmworker: the host does not tell about the activity")
	}
	return t.info
}

func (t *Task) fetchInfo() {
	var info abi.Info
	if t.over.Load() { // the host would tell about another attempt by now
		t.info = &info
		return
	}
	data, err := t.read("info", make([]byte, 1024), t.host.Info)
	if err == nil {
		err = json.Unmarshal(data, &info)
	}
	if err != nil {
		panic("wasmworker: what the host tells about the activity cannot be read: " + err.Error())
	}
	t.info = &info
	t.asked = time.Now()
	t.allowed = info.Deadline.Sub(t.asked)
}

// Logger returns the activity's logger.
func (t *Task) Logger() *slog.Logger {
	t.loggerOnce.Do(func() { t.logger = slog.New(&handler{task: t}) })
	return t.logger
}

// Heartbeat sends a heartbeat. It panics if a detail cannot be encoded or is too long.
func (t *Task) Heartbeat(details []any) {
	if t.over.Load() {
		return
	}
	if len(details) == 1 && details[0] == nil {
		details = nil
	}
	payloads := make([]*converter.Payload, len(details))
	for i, detail := range details {
		p, err := converter.ToPayload(detail)
		if err != nil {
			panic(fmt.Errorf("heartbeat detail %d: %w", i, err))
		}
		payloads[i] = p
	}
	t.sendHeartbeat(payloads)
	// Nothing interrupts a goroutine in WebAssembly. This is the place where one that
	// computes lets timers, other goroutines and the garbage collector have their turn.
	runtime.Gosched()
}

func (t *Task) sendHeartbeat(payloads []*converter.Payload) {
	t.heartbeats.Lock()
	defer t.heartbeats.Unlock()
	for i, p := range payloads {
		if n := t.host.HeartbeatDetail(p.Data, p.Encoding()); n < 0 {
			panic(fmt.Errorf("heartbeat detail %d: %w", i, t.hostError("heartbeat_detail", n)))
		}
	}
	if n := t.host.Heartbeat(); n >= 0 {
		t.apply(abi.Flags(n))
	}
}

// Details returns the payloads of the last heartbeat of the attempt before.
func (t *Task) Details() ([]*converter.Payload, error) {
	if !t.HasDetails() {
		return nil, nil
	}
	payloads := make([]*converter.Payload, t.host.DetailCount())
	for i := range payloads {
		index := int32(i)
		encoding, err := t.read("detail_encoding", make([]byte, 32), func(dst []byte) int64 { return t.host.DetailEncoding(index, dst) })
		if err != nil {
			return nil, err
		}
		data, err := t.read("detail_read", make([]byte, 512), func(dst []byte) int64 { return t.host.DetailRead(index, dst) })
		if err != nil {
			return nil, err
		}
		payloads[i] = &converter.Payload{Data: data}
		if len(encoding) > 0 {
			payloads[i].Metadata = map[string][]byte{abi.MetadataEncoding: encoding}
		}
	}
	return payloads, nil
}

// HasDetails tells whether the attempt before has sent details.
func (t *Task) HasDetails() bool { return !t.over.Load() && t.host.DetailCount() > 0 }

// read calls a reading function with buf, and again with a larger one if the value
// does not fit.
func (t *Task) read(name string, buf []byte, fn func(dst []byte) int64) ([]byte, error) {
	for {
		n := fn(buf)
		if n < 0 {
			return nil, t.hostError(name, n)
		}
		if n <= int64(len(buf)) {
			return buf[:n], nil
		}
		buf = make([]byte, n)
	}
}

// hostError makes an error of a negative result.
func (t *Task) hostError(name string, result int64) error {
	text := "error number " + fmt.Sprint(-result)
	buf := make([]byte, 256)
	if n := t.host.LastError(buf); n > int64(len(buf)) {
		buf = make([]byte, n)
		text = string(buf[:max(t.host.LastError(buf), 0)])
	} else if n > 0 {
		text = string(buf[:n])
	}
	return errors.New(name + ": " + text)
}
