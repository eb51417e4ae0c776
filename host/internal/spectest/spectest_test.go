// Package spectest runs the tests of the WebAssembly specification, as wazero has them,
// against modules that were rewritten as the sandbox rewrites them.
package spectest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/internal/meter"
)

// Of the sandbox.
const (
	maxTable = 1 << 20
	// Some tests take a memory of 2 GiB, none of the last page of 4 GiB.
	memoryLimit = 4<<30 - 64<<10
)

// deviations are what the rewritten modules do otherwise, by script and line, in one
// engine or in both, and why that is meant to be.
var deviations = []struct {
	engine, script string
	lines          []int
	reason         string
}{
	{"", "v1/linking", []int{236, 248, 342, 354}, "WebAssembly 2.0 keeps what segments have written before one that does not fit, 1.0 did not"},
	{"compiler", "v1/linking", []int{18, 71, 77, 83, 132, 137, 142, 147, 168, 173, 179, 185, 276, 289}, reexported},
	{"compiler", "v2/linking", []int{18, 71, 77, 83, 169, 174, 179, 184, 205, 210, 216, 222, 337, 350}, reexported},
}

const (
	reexported = "asked for an import that a module exports again, wazero's compiler takes the wrong function if the module that has it imports something, as all rewritten ones do; in the sandbox no module imports from another (findings/wazero-reexported-import.sh)"
)

// deviates returns the reason of a deviation, or "".
func deviates(engine, script string, line int) string {
	for _, d := range deviations {
		if (d.engine == "" || d.engine == engine) && d.script == script && slices.Contains(d.lines, line) {
			return d.reason
		}
	}
	return ""
}

// script is a file of tests: see wast2json of wabt.
type script struct {
	Commands []command `json:"commands"`
}

type command struct {
	Type       string  `json:"type"`
	Line       int     `json:"line"`
	Name       string  `json:"name"`
	Filename   string  `json:"filename"`
	As         string  `json:"as"`
	Action     action  `json:"action"`
	Expected   []value `json:"expected"`
	ModuleType string  `json:"module_type"`
	Text       string  `json:"text"`
}

type action struct {
	Type   string  `json:"type"`
	Field  string  `json:"field"`
	Module string  `json:"module"`
	Args   []value `json:"args"`
}

// testdata is where wazero's module has its tests: packages in there cannot be imported.
var testdata = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	return filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest"), err
})

// TestSpecification runs all scripts in both engines.
func TestSpecification(t *testing.T) {
	directory, err := testdata()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	commands, seen := map[string]int{}, map[place]bool{}
	t.Run("scripts", func(t *testing.T) {
		for _, version := range []string{"v1", "v2"} {
			files, err := filepath.Glob(filepath.Join(directory, version, "testdata", "*.json"))
			if err != nil || len(files) < 70 {
				t.Fatalf("%d scripts in %s, %v", len(files), directory, err)
			}
			for engine, config := range engines {
				for _, file := range files {
					name := version + "/" + strings.TrimSuffix(filepath.Base(file), ".json")
					t.Run(engine+"/"+name, func(t *testing.T) {
						t.Parallel()
						r := &runner{directory: filepath.Dir(file), spectest: filepath.Join(directory, "testdata", "spectest.wasm"), config: config, named: map[string]*instance{}}
						failed, ran, err := r.run(file)
						if err != nil {
							t.Fatal(err)
						}
						mu.Lock()
						defer mu.Unlock()
						for kind, n := range ran {
							commands[kind] += n
						}
						for line, err := range failed {
							if deviates(engine, name, line) == "" {
								t.Errorf("line %d of %s.wast: %v", line, name, err)
							}
							seen[place{engine, name, line}] = true
						}
					})
				}
			}
		}
	})
	t.Logf("%v", commands)
	if n := commands["assert_return"]; n < 40_000 {
		t.Errorf("only %d results were compared", n)
	}
	for _, d := range deviations {
		for _, line := range d.lines {
			for engine := range engines {
				if (d.engine == "" || d.engine == engine) && !seen[place{engine, d.script, line}] {
					t.Errorf("line %d of %s.wast is no deviation in the %s any more (%s)", line, d.script, engine, d.reason)
				}
			}
		}
	}
}

type place struct {
	engine, script string
	line           int
}

var engines = map[string]func() wazero.RuntimeConfig{"compiler": wazero.NewRuntimeConfig, "interpreter": wazero.NewRuntimeConfigInterpreter}

// runner runs one script.
type runner struct {
	directory string
	spectest  string // the module of that name
	config    func() wazero.RuntimeConfig
	runtime   wazero.Runtime
	shared    bool // modules call each other
	named     map[string]*instance
	last      *instance
	memories  []*image.Memory
}

// instance is an instance of a rewritten module.
type instance struct {
	api.Module
	meter meter.Meter
}

func (r *runner) run(file string) (failed map[int]error, ran map[string]int, err error) {
	ctx := context.Background()
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	var s script
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, nil, err
	}
	for _, c := range s.Commands {
		r.shared = r.shared || c.Type == "register"
	}
	r.runtime = wazero.NewRuntimeWithConfig(ctx, r.config().WithCoreFeatures(api.CoreFeaturesV2))
	defer func() {
		err = errors.Join(err, r.runtime.Close(ctx))
		for _, m := range r.memories {
			m.Close()
		}
	}()
	if err := r.link(ctx); err != nil {
		return nil, nil, err
	}
	failed, ran = map[int]error{}, map[string]int{}
	for i, c := range s.Commands {
		ran[c.Type]++
		as := ""
		if next := i + 1; c.Type == "module" && next < len(s.Commands) && s.Commands[next].Type == "register" {
			as = s.Commands[next].As // a name that wazero has to know at once
		}
		if err := r.command(ctx, c, as); err != nil {
			failed[c.Line] = err
		}
	}
	return failed, ran, nil
}

// link provides what modules import. Code of a module that runs in a call of another is
// nothing that the sandbox has, and a Meter is for one instance: there, fuel is had for
// nothing.
func (r *runner) link(ctx context.Context) error {
	binary, err := os.ReadFile(r.spectest)
	if err != nil {
		return err
	}
	if _, err := r.runtime.InstantiateWithConfig(ctx, binary, wazero.NewModuleConfig().WithName("spectest")); err != nil {
		return err
	}
	if !r.shared {
		return meter.Instantiate(ctx, r.runtime)
	}
	_, err = r.runtime.NewHostModuleBuilder(meter.Module).NewFunctionBuilder().
		WithFunc(func(fuel, charge int32) int32 { return 200_000 + charge }).Export("refill").NewFunctionBuilder().
		WithFunc(func(entries, what int32) int32 { return 1 }).Export("reserve").Instantiate(ctx)
	return err
}

// instantiate does with a binary what the sandbox does.
func (r *runner) instantiate(ctx context.Context, name, filename string) (*instance, error) {
	binary, err := os.ReadFile(filepath.Join(r.directory, filename))
	if err != nil {
		return nil, err
	}
	if err := meter.Validate(ctx, r.runtime, binary); err != nil {
		return nil, err
	}
	exposed, err := meter.Expose(ctx, binary, maxTable)
	if err != nil {
		return nil, err
	}
	if exposed.Binary, err = meter.Instrument(ctx, exposed.Binary); err != nil {
		return nil, err
	}
	compiled, err := r.runtime.CompileModule(ctx, exposed.Binary)
	if err != nil {
		return nil, err
	}
	limit := uint64(memoryLimit)
	if declared, ok := declaredMaximum(binary); ok {
		limit = min(limit, declared)
	}
	memory, err := image.NewMemory(image.Config{Limit: limit})
	if err != nil {
		return nil, err
	}
	r.memories = append(r.memories, memory)
	in := &instance{}
	_, err = in.meter.Run(experimental.WithMemoryAllocator(ctx, memory), meter.Unlimited, func(ctx context.Context) (err error) {
		in.Module, err = r.runtime.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(name).WithStartFunctions())
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, data := range exposed.Data {
		in.Memory().Write(data.Offset, data.Bytes)
	}
	return in, nil
}

func (r *runner) command(ctx context.Context, c command, as string) error {
	switch c.Type {
	case "register": // see run
		return nil
	case "module":
		in, err := r.instantiate(ctx, as, c.Filename)
		if r.last = in; err != nil {
			return err
		}
		if c.Name != "" {
			r.named[c.Name] = in
		}
		return nil
	case "assert_return", "action":
		results, types, err := r.do(ctx, c.Action)
		if err != nil {
			return err
		}
		return compare(results, types, c.Expected)
	case "assert_trap", "assert_exhaustion":
		_, _, err := r.do(ctx, c.Action)
		return trapped(err, c.Text)
	case "assert_malformed", "assert_invalid", "assert_unlinkable", "assert_uninstantiable":
		if c.ModuleType == "text" {
			return nil // which nobody here reads
		}
		_, err := r.instantiate(ctx, "", c.Filename)
		if err == nil && !r.plainAccepts(ctx, c.Filename) {
			return errors.New("it is accepted")
		}
		return nil
	}
	return fmt.Errorf("the command %q is unknown", c.Type)
}

// plainAccepts tells whether wazero accepts a module as it is: what WebAssembly 2.0 has
// and 1.0 had not, and what wazero has its own opinion of.
func (r *runner) plainAccepts(ctx context.Context, filename string) bool {
	binary, err := os.ReadFile(filepath.Join(r.directory, filename))
	if err != nil {
		return false
	}
	_, err = r.runtime.InstantiateWithConfig(ctx, binary, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	return err == nil
}

// do calls a function or reads a global.
func (r *runner) do(ctx context.Context, a action) (results []uint64, types []api.ValueType, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	in := r.last
	if a.Module != "" {
		in = r.named[a.Module]
	}
	if in == nil {
		return nil, nil, errors.New("there is no such module")
	}
	if a.Type == "get" {
		g := in.ExportedGlobal(a.Field)
		if g == nil {
			return nil, nil, errors.New("there is no such global")
		}
		return []uint64{g.Get()}, []api.ValueType{g.Type()}, nil
	}
	f := in.ExportedFunction(a.Field)
	if f == nil {
		return nil, nil, errors.New("there is no such function")
	}
	args, err := encode(a.Args)
	if err != nil {
		return nil, nil, err
	}
	_, err = in.meter.Run(ctx, meter.Unlimited, func(ctx context.Context) (err error) {
		results, err = f.Call(ctx, args...)
		return err
	})
	return results, f.Definition().ResultTypes(), err
}

// trapped checks that an error is the trap that the specification means.
func trapped(err error, text string) error {
	want := text
	switch {
	case text == "undefined element", text == "undefined", text == "out of bounds table access", strings.HasPrefix(text, "uninitialized"):
		want = "invalid table access"
	case text == "indirect call":
		want = "indirect call type mismatch"
	case text == "call stack exhausted":
		want = "stack overflow"
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		return fmt.Errorf("%v instead of a trap: %s", err, want)
	}
	return nil
}
