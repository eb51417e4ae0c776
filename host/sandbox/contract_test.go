package sandbox

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/modules"
)

// counting is a kind that no file has: its guests learn how many arguments there are, and
// return a number.
type counting struct{}

func (counting) link(ctx context.Context, p *program) error {
	functions := map[string]hostFunc{
		"count": func(c *call, _ api.Module, _ []uint64) (int64, error) { return c.guest.(*counter).args, nil },
	}
	return build(ctx, p.runtime, "counting", functions, func(string) string { return "() -> i32" })
}

func (counting) begin(c *call) guest { return &counter{call: c} }

func (counting) calls(*modules.File) []string { return []string{"answer"} }

func (counting) once() string { return "" }

func (counting) heedsFlags() bool { return false }

type counter struct {
	*call
	args int64
}

func (c *counter) enter() (export string, err error) {
	c.args = int64(len(c.task.Args))
	return "answer", nil
}

func (c *counter) end(status int32, err error, refused image.GrowFailure) (*Payload, error) {
	if err != nil {
		return nil, c.abnormalEnd(err, refused)
	}
	p := NewPayload(abi.EncodingJSON, strconv.AppendInt(nil, int64(status), 10))
	return &p, nil
}

func (c *counter) stdout(p []byte) error { return c.logStdout(p) }

func (*counter) release() {}

// countingGuest is (module (import "counting" "count" (func (result i32)))
// (func (export "answer") (result i32) call 0)).
const countingGuest = "\x00asm\x01\x00\x00\x00" +
	"\x01\x05\x01\x60\x00\x01\x7f" +
	"\x02\x12\x01\x08counting\x05count\x00\x00" +
	"\x03\x02\x01\x00" +
	"\x07\x0a\x01\x06answer\x00\x01" +
	"\x0a\x06\x01\x04\x00\x10\x00\x0b"

// A kind is a contract, and nothing besides.
func TestFurtherKind(t *testing.T) {
	file := &modules.File{Name: "counting", Path: "counting.wasm", Digest: strings.Repeat("0", 64), Kind: "counting", Exports: []string{"Count"}, Binary: []byte(countingGuest)}
	cfg := Config{Modules: []*modules.File{file}}
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), `counting.wasm: there are no modules of the kind "counting"`) {
		t.Errorf("a module of no kind: %v", err)
	}
	if _, err := NotResettable(file); err == nil {
		t.Error("a module of no kind is resettable or not")
	}
	contracts["counting"] = counting{}
	defer delete(contracts, "counting")
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background()) //nolint:errcheck // the calls have returned
	if err := s.Compile(t.Context()); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		p, err := s.Run(t.Context(), Task{Activity: "Count", Args: make([]Payload, n)})
		if err != nil || string(p.Data) != strconv.Itoa(n) {
			t.Errorf("%d arguments: %v, error %v", n, p, err)
		}
	}
	if act, _ := s.Lookup("Count"); act.Module.HeedsFlags() || act.Module.Isolation() != IsolationPristine {
		t.Errorf("flags are heeded: %t; isolation %s", act.Module.HeedsFlags(), act.Module.Isolation())
	}
}
