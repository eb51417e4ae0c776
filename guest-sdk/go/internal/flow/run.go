package flow

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"sync"

	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/host"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/task"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

// The statuses of an activation.
const (
	StatusDone   int32 = 0 // everything waits, or the run has ended
	StatusFailed int32 = 1 // the workflow task fails
)

// Run is one run of a workflow. What is not said to belong to the activation alone may be
// called by any goroutine of the workflow.
type Run struct {
	host Host
	fn   function

	ctx    context.Context
	cancel context.CancelCauseFunc
	logger *slog.Logger

	in     []byte // the frame of an activation; belongs to the activation
	tokens []token
	jobs   []job
	out    []byte // the frame of commands

	// Goroutines of a WebAssembly build run one at a time; those of tests do not.
	mu             sync.Mutex
	commands       Writer
	count          int
	next           int64     // the last id
	futures        []*Future // in the order of their ids
	signals        []*Signal
	queries        []*Handler
	updates        []*Handler
	running        []*update // updates that have not ended
	late           []job     // updates whose handler was not there yet
	waits          []*wait
	describe       bool
	readOnly       bool
	answered       bool
	ended          bool   // the workflow function has returned
	closing        string // the command that ends the run
	closingMembers func(w *Writer)
	failed         error // why the workflow task fails
	info           *Info
	versions       map[string]int // of changes
	Details        string         // current details
	history        History
}

// History is how long the history has become.
type History struct {
	Length, Size           int
	ContinueAsNewSuggested bool
}

// New returns a run of fn, a function that can be a workflow.
func New(h Host, fn any) *Run {
	r := &Run{host: h, info: &Info{}}
	r.logger = task.NewLogger(logHost{Host: nil, h: h})
	var err error
	if r.fn, err = inspect("a workflow", fn); err != nil {
		r.failed = temporal.NewNonRetryableApplicationError(err.Error(), "InvalidWorkflow", nil)
	}
	root := context.WithValue(context.Background(), runKey{}, r)
	r.ctx, r.cancel = context.WithCancelCause(root)
	return r
}

type runKey struct{}

// Of returns the run that a context belongs to; nil if none.
func Of(ctx context.Context) *Run {
	r, _ := ctx.Value(runKey{}).(*Run)
	return r
}

// logHost is what a logger wants of a host.
type logHost struct {
	host.Host
	h Host
}

func (l logHost) LastError(dst []byte) int64 { return l.h.LastError(dst) }
func (l logHost) Log(level int32, message string, attrs []byte) int64 {
	return l.h.Log(level, message, attrs)
}

// Activate takes one activation and returns the status for the host.
func (r *Run) Activate() int32 {
	r.read()
	r.reset()
	for i := range r.jobs {
		if i > 0 && r.failed == nil {
			r.host.Yield() // so that goroutines go on in the order of jobs
		}
		r.apply(&r.jobs[i])
	}
	r.settle()
	return r.report()
}

func (r *Run) reset() {
	r.mu.Lock()
	r.commands.head = append(r.commands.head[:0], `0000{"commands":[`...)
	r.commands.body = r.commands.body[:0]
	r.count = 0
	r.mu.Unlock()
}

// read fetches the activation.
func (r *Run) read() {
	if r.in == nil {
		r.in = make([]byte, 4<<10)
	}
	n := r.host.Activation(r.in)
	if n > int64(len(r.in)) {
		r.in = make([]byte, n+n/4)
		n = r.host.Activation(r.in)
	}
	if n < 4 {
		panic("wasmworker: activation: " + r.hostError(n))
	}
	frame := r.in[:n]
	head := binary.LittleEndian.Uint32(frame)
	if int64(head) > n-4 {
		panic("wasmworker: activation: the head does not fit into the frame")
	}
	var body []byte
	if rest := frame[4+head:]; len(rest) > 0 {
		body = append(body, rest...) // values of jobs stay
	}
	in := newReader(frame[4:4+head], r.tokens[:0])
	r.tokens = in.tokens
	r.parse(in, body)
}

func (r *Run) hostError(n int64) string {
	buf := make([]byte, 1024)
	m := r.host.LastError(buf)
	if m <= 0 {
		return fmt.Sprintf("error number %d", -n)
	}
	return string(buf[:min(m, int64(len(buf)))])
}

// settle lets the workflow go on until nothing in it can.
func (r *Run) settle() {
	for {
		r.host.Idle()
		// Nothing runs now but this, so that there is nothing to lock.
		if r.failed != nil || r.readOnly {
			return
		}
		if !r.refill() && !r.wake() {
			r.refuseLate()
			return
		}
	}
}

// report hands the commands over.
func (r *Run) report() int32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.readOnly {
		r.readOnly = false
		if !r.answered && r.failed == nil {
			r.answer(Payload{}, temporal.NewNonRetryableApplicationError("the handler waits, which one of a query or a validator must not", "HandlerWaits", nil))
		}
	}
	status := StatusDone
	if r.failed == nil {
		if r.describe {
			r.describe = false
			r.writeDescription()
		}
		if r.closing != "" {
			r.write(r.closing, r.closingMembers)
			r.closing = ""
		}
		if r.count == 0 {
			return StatusDone
		}
		err := r.handOver()
		if err == "" {
			return StatusDone
		}
		r.failed = temporal.NewApplicationError("commands: "+err, "CommandsRefused")
	}
	status = StatusFailed
	r.commands.head = append(r.commands.head[:0], `0000{"commands":[`...)
	r.commands.body = r.commands.body[:0]
	r.count = 0
	r.write("fail_task", func(w *Writer) { w.Failure(r.failed) })
	r.handOver()
	return status
}

func (r *Run) handOver() string {
	w := &r.commands
	w.head = append(w.head, "]}"...)
	binary.LittleEndian.PutUint32(w.head, uint32(len(w.head)-4))
	frame := w.head
	if len(w.body) > 0 {
		frame = append(append(r.out[:0], w.head...), w.body...)
		r.out = frame
	}
	n := r.host.Commands(frame)
	for _, b := range []*[]byte{&w.head, &w.body, &r.out, &r.in} { // one large activation should not cost for ever
		if cap(*b) > 256<<10 {
			*b = nil
		}
	}
	if n < 0 {
		return r.hostError(n)
	}
	return ""
}

// write appends one command. The caller holds mu.
func (r *Run) write(name string, members func(w *Writer)) {
	r.open(name)
	members(&r.commands)
	r.close()
}

func (r *Run) open(name string) {
	b := r.commands.head
	if r.count > 0 {
		b = append(b, ',')
	}
	b = append(b, `{"command":"`...)
	b = append(b, name...)
	r.commands.head = append(b, '"')
}

func (r *Run) close() {
	r.commands.head = append(r.commands.head, '}')
	r.count++
}

// Command gives the host a command of that name, whose members write appends. After the
// end of the workflow function it does nothing.
func (r *Run) Command(name string, write func(w *Writer)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mutable(name)
	if r.ended {
		return
	}
	r.write(name, write)
}

// mutable panics in queries and validators.
func (r *Run) mutable(what string) {
	if r.readOnly {
		panic("a query handler or an update validator must not change the workflow: " + what)
	}
}

// ReadOnly tells whether a query or a validator runs.
func (r *Run) ReadOnly() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.readOnly
}

// Fail fails the workflow task.
func (r *Run) Fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.failed = err
	}
}

// Go runs f in a goroutine of the workflow: a panic in it fails the workflow task.
func (r *Run) Go(f func()) {
	spawn(func() {
		defer r.Guard()
		f()
	})
}

// Guard is for defer: it makes a failure of the workflow task of a panic.
func (r *Run) Guard() {
	if p := recover(); p != nil {
		r.Fail(panicError(p))
	}
}

// Context returns the context of the run.
func (r *Run) Context() context.Context { return r.ctx }

// Logger returns the logger of the run.
func (r *Run) Logger() *slog.Logger { return r.logger }

// Patched asks the host whether a change applies.
func (r *Run) Patched(id string) bool { return r.host.Patched(id) == 1 }

// Random fills b from the stream of the run.
func (r *Run) Random(b []byte) { r.host.Random(b) }
