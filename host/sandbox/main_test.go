package sandbox_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// scratch holds what the tests of one run share: compiled code and built commands.
var scratch string

func TestMain(m *testing.M) {
	sandbox.CompilerMain()
	sandbox.Patient() // a busy machine must not change what a test finds
	var err error
	if scratch, err = os.MkdirTemp("", "wasmworker-sandbox-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(scratch)
		os.Exit(code)
	}))
}

// fixture reads a module of testdata/wat.
func fixture(t *testing.T, name string) *modules.File {
	t.Helper()
	m, err := modules.Read(filepath.Join("../../testdata/wat", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var buildTool = sync.OnceValues(func() (*modules.File, error) {
	path := filepath.Join(scratch, "tool.wasm")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "../../testdata/commands/tool")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, output)
	}
	return modules.Read(path)
})

// tool builds the command of testdata/commands/tool.
func tool(t *testing.T) *modules.File {
	t.Helper()
	m, err := buildTool()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// start makes a sandbox, compiles its modules, and closes it with the test. Where the
// test does not say otherwise, instances are fresh, so that none is left behind.
func start(t *testing.T, cfg sandbox.Config) *sandbox.Sandbox {
	t.Helper()
	if cfg.Defaults.Isolation == "" {
		cfg.Defaults.Isolation = sandbox.IsolationFresh
	}
	if cfg.CacheDir == "" {
		cfg.CacheDir = filepath.Join(scratch, "cache")
	}
	s, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
		for _, m := range s.Modules() {
			if n := m.Live(); n != 0 {
				t.Errorf("%d instances of %s are left", n, m.File().Name)
			}
		}
	})
	if err := s.Compile(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// startOne makes a sandbox of one fixture.
func startOne(t *testing.T, name string, options sandbox.Options) *sandbox.Sandbox {
	t.Helper()
	return start(t, sandbox.Config{Modules: []*modules.File{fixture(t, name)}, Defaults: options})
}

// run runs an activity that must succeed.
func run(t *testing.T, s *sandbox.Sandbox, activity string, args ...sandbox.Payload) *sandbox.Payload {
	t.Helper()
	p, err := s.Run(t.Context(), sandbox.Task{Activity: activity, Args: args})
	if err != nil {
		t.Fatalf("%s: %v", activity, err)
	}
	return p
}

// text is the payload's text, or <nil>.
func text(p *sandbox.Payload) string {
	if p == nil {
		return "<nil>"
	}
	return string(p.Data)
}

func jsonPayload(data string) sandbox.Payload {
	return sandbox.NewPayload(abi.EncodingJSON, []byte(data))
}

func raw(data string) sandbox.Payload { return sandbox.NewPayload(abi.EncodingBinary, []byte(data)) }

// results are the numbers that an activity of probe.wat and the like noted.
func results(t *testing.T, p *sandbox.Payload) []int64 {
	t.Helper()
	if p == nil || len(p.Data)%8 != 0 {
		t.Fatalf("got %v, which is no list of results", p)
	}
	numbers := make([]int64, len(p.Data)/8)
	for i := range numbers {
		numbers[i] = int64(binary.LittleEndian.Uint64(p.Data[8*i:]))
	}
	return numbers
}

// failure asserts that an error is a failure of a type.
func failure(t *testing.T, err error, wantType string) *abi.Failure {
	t.Helper()
	f, ok := errors.AsType[*abi.Failure](err)
	if !ok || f.Type != wantType {
		t.Fatalf("error %v, want a failure of type %s", err, wantType)
	}
	return f
}

// interrupted asserts that an error says that the activity was interrupted for a reason.
func interrupted(t *testing.T, err, cause error) {
	t.Helper()
	i, ok := errors.AsType[*sandbox.InterruptedError](err)
	if !ok || i.Cause != cause || !errors.Is(err, cause) || !strings.HasSuffix(err.Error(), cause.Error()) {
		t.Fatalf("error %v, want an interruption because of %v", err, cause)
	}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got\n%.1000s, want\n%.1000s", what, fmt.Sprintf("%v", got), fmt.Sprintf("%v", want))
	}
}

// stats are those of the default executor.
func stats(s *sandbox.Sandbox) sandbox.Stats { return s.Executor().(*sandbox.Pool).Stats() }

// live returns how many instances exist, of all modules.
func live(s *sandbox.Sandbox) int {
	n := 0
	for _, m := range s.Modules() {
		n += m.Live()
	}
	return n
}

// greeter makes the passthrough module that the fixtures import.
func greeter(t *testing.T, hello passthrough.Func) passthrough.Set {
	t.Helper()
	set, err := passthrough.NewSet(passthrough.Module{Name: "greeter", Functions: map[string]passthrough.Func{"hello": hello}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// record is a log record, its attributes as text.
type record struct {
	level   slog.Level
	message string
	attrs   string
}

// recorder keeps log records. It is a Task.Log, and a slog.Handler of its own.
type recorder struct {
	mu      sync.Mutex
	records []record
	onLog   func(message string) // if any
}

func (r *recorder) log(_ context.Context, level slog.Level, message string, attrs []slog.Attr) {
	r.mu.Lock()
	r.records = append(r.records, record{level, message, fmt.Sprint(attrs)})
	r.mu.Unlock()
	if r.onLog != nil {
		r.onLog(message)
	}
}

func (r *recorder) all() []record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]record(nil), r.records...)
}

// logger makes a logger that records.
func (r *recorder) logger() *slog.Logger { return slog.New(handler{r, nil}) }

type handler struct {
	to   *recorder
	with []slog.Attr
}

func (handler) Enabled(context.Context, slog.Level) bool { return true }
func (h handler) WithGroup(string) slog.Handler          { return h }
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.to, append(h.with[:len(h.with):len(h.with)], attrs...)}
}
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	attrs := h.with[:len(h.with):len(h.with)]
	r.Attrs(func(a slog.Attr) bool { attrs = append(attrs, a); return true })
	h.to.log(ctx, r.Level, r.Message, attrs)
	return nil
}

// sameMetadata compares metadata by content.
func sameMetadata(a, b map[string][]byte) bool {
	return maps.EqualFunc(a, b, func(x, y []byte) bool { return string(x) == string(y) })
}

// modules reads fixtures.
func files(t *testing.T, names ...string) []*modules.File {
	t.Helper()
	var list []*modules.File
	for _, name := range names {
		list = append(list, fixture(t, name))
	}
	return list
}
