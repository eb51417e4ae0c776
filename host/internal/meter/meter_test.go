package meter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
)

// The modules of testdata are made of their sources by wabt's wat2wasm.
//
//go:generate sh -c "for f in testdata/*.wat testdata/env/*.wat; do wat2wasm $DOLLAR{f} -o $DOLLAR{f%.wat}.wasm; done"

var goGuest = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "meter")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", out, "./testdata/goguest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if msg, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, msg)
	}
	return os.ReadFile(out)
})

var engines = map[string]func() wazero.RuntimeConfig{
	"compiler":    wazero.NewRuntimeConfigCompiler,
	"interpreter": wazero.NewRuntimeConfigInterpreter,
}

// TestSame calls the functions of the fixtures as they are and instrumented: results,
// traps, memory and globals must be the same. The units must be the same on both engines.
func TestSame(t *testing.T) {
	units := map[string]int64{}
	var mu sync.Mutex
	onEngines(t, func(t *testing.T, rt wazero.Runtime) {
		for _, name := range []string{"control", "memory", "start"} {
			original := read(t, "testdata/"+name+".wasm")
			plain, metered := instantiate(t, rt, original), instantiate(t, rt, instrument(t, original))
			if plain.metered || !metered.metered {
				t.Fatal("one of the modules is not what it should be")
			}
			for _, f := range plain.functions() {
				for arg := range uint64(40) {
					if f == "fac" || f == "fib" {
						arg %= 20
					}
					ctx := context.Background()
					want, _, wantErr := plain.call(ctx, 0, f, arg)
					got, used, err := metered.call(ctx, Unlimited, f, arg)
					call := fmt.Sprintf("%s: %s(%d)", name, f, arg)
					if !slices.Equal(got, want) || reason(err) != reason(wantErr) {
						t.Errorf("%s = %v, %v, want %v, %v", call, got, err, want, wantErr)
					}
					if got, want := metered.state("calls", "g"), plain.state("calls", "g"); got != want {
						t.Fatalf("after %s: %s, want %s", call, got, want)
					}
					mu.Lock()
					if other, ok := units[call]; ok && other != used {
						t.Errorf("%s used %d units, but %d on the other engine", call, used, other)
					}
					units[call] = used
					mu.Unlock()
				}
			}
		}
	})
}

// TestFixtures instruments every module there is: the compiler must accept the result.
func TestFixtures(t *testing.T) {
	all := fixtures(t)
	if !testing.Short() {
		all["Go guest"] = guest(t)
	}
	rt := newRuntime(t, wazero.NewRuntimeConfigCompiler())
	for name, original := range all {
		if _, err := rt.CompileModule(context.Background(), original); err != nil {
			t.Logf("%s is not valid itself: %v", name, err)
			continue
		}
		c, err := rt.CompileModule(context.Background(), instrument(t, original))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c.Close(context.Background())
	}
}

func TestGoGuest(t *testing.T) {
	original := guest(t)
	rt := newRuntime(t, wazero.NewRuntimeConfigCompiler())
	plain, metered := instantiate(t, rt, original), instantiate(t, rt, instrument(t, original))
	call := func(f string) {
		t.Helper()
		want, _, err := plain.call(context.Background(), 0, f)
		if err != nil {
			t.Fatal(err)
		}
		got, used, err := metered.call(context.Background(), Unlimited, f)
		if err != nil || !slices.Equal(got, want) || used == 0 {
			t.Errorf("%s = %v, %v, and used %d units; want %v", f, got, err, used, want)
		}
	}
	call("_initialize")
	for _, f := range plain.functions() {
		if f != "_initialize" {
			call(f)
			call(f)
		}
	}
}

// TestBudget takes the units that a call uses as its budget, and one less. In between the
// refills, that is: the calls use up to several slices.
func TestBudget(t *testing.T) {
	onEngines(t, func(t *testing.T, rt wazero.Runtime) {
		for _, c := range []struct {
			module, function string
			arg              uint64
		}{
			{"control", "leaves", 3},
			{"control", "collatz", 27},
			{"control", "fib", 20},
			{"control", "br_table", 5},
			{"control", "many results", 100_000},
			{"control", "trap", 3},
			{"memory", "copy", 2},
			{"memory", "copy", 4},
			{"memory", "fill", 3},
			{"memory", "init", 3},
			{"memory", "table", 22},
		} {
			binary := instrument(t, read(t, "testdata/"+c.module+".wasm"))
			call := func(budget int64) (int64, error) {
				_, used, err := instantiate(t, rt, binary).call(context.Background(), budget, c.function, c.arg)
				return used, err
			}
			units, err := call(Unlimited)
			want := reason(err)
			if units == 0 {
				t.Errorf("%s used no units", c.function)
			}
			if used, err := call(units); used != units || reason(err) != want {
				t.Errorf("%s with a budget of %d used %d, %v", c.function, units, used, err)
			}
			for _, budget := range []int64{units - 1, units / 2, 1, 0, -1, math.MinInt64} {
				if used, err := call(budget); used > max(budget, 0) || !errors.Is(err, ErrOutOfFuel) {
					t.Errorf("%s with a budget of %d of %d used %d, %v", c.function, budget, units, used, err)
				}
			}
		}
	})
}

// What is used so far can be asked for within a run, and is then what the run says at its
// end.
func TestUsed(t *testing.T) {
	onEngines(t, func(t *testing.T, rt wazero.Runtime) {
		in := instantiate(t, rt, instrument(t, read(t, "testdata/control.wasm")))
		for _, budget := range []int64{Unlimited, 10_000_000} {
			var begun, one, two int64
			used, err := in.Run(context.Background(), budget, func(ctx context.Context) error {
				begun = in.Used()
				_, err1 := in.ExportedFunction("fib").Call(ctx, 20)
				one = in.Used()
				_, err2 := in.ExportedFunction("fib").Call(ctx, 20)
				two = in.Used()
				return errors.Join(err1, err2)
			})
			if err != nil || begun != 0 || one == 0 || two != 2*one || used != two || in.Used() != used {
				t.Errorf("%d, %d, %d and %d were used, %d in all; %v", begun, one, two, in.Used(), used, err)
			}
		}
	})
}

// TestUnits pins what things cost, by the rules in the documentation.
func TestUnits(t *testing.T) {
	rt := newRuntime(t, wazero.NewRuntimeConfigCompiler())
	in := instantiate(t, rt, instrument(t, read(t, "testdata/control.wasm")))
	for _, c := range []struct {
		function string
		arg      uint64
		units    int64
	}{
		{"leaves", 1, 3*16 + 1 + 17}, // three calls and local.get; $dear, not $free
		{"select", 1, 0},             // nothing that a caller would not pay for
		{"many results", 1, 8},       // 7, and for tee 1/16, and the branch
		{"many results", 11, 11 * 8},
	} {
		_, used, err := in.call(context.Background(), Unlimited, c.function, c.arg)
		if err != nil || used != c.units {
			t.Errorf("%s(%d) used %d units, %v, want %d", c.function, c.arg, used, err, c.units)
		}
	}
	in = instantiate(t, rt, instrument(t, read(t, "testdata/memory.wasm")))
	used := func(function string, arg uint64) int64 {
		_, used, err := in.call(context.Background(), Unlimited, function, arg)
		if err != nil {
			t.Fatal(err)
		}
		return used
	}
	short := used("copy", 0)
	for _, f := range []string{"copy", "fill"} {
		if n := used(f, 2) - short; n != 257/16 {
			t.Errorf("a %s of 257 bytes costs %d units more than one of 20", f, n)
		}
		if n := used(f, 3) - short; n != 0x200000/16 {
			t.Errorf("a %s of 2 MiB costs %d units more than one of 20 bytes", f, n)
		}
	}
}

// TestRepeat runs calls again, after others and in other instances: the same work costs
// the same.
func TestRepeat(t *testing.T) {
	rt := newRuntime(t, wazero.NewRuntimeConfigCompiler())
	binary := instrument(t, read(t, "testdata/kernels.wasm"))
	units := map[string]int64{}
	for range 2 {
		in := instantiate(t, rt, binary)
		for range 2 {
			for _, f := range []string{"fib", "sieve", "sort", "regex"} {
				_, used, err := in.call(context.Background(), Unlimited, f)
				if err != nil {
					t.Fatal(err)
				}
				if want, ok := units[f]; ok && used != want {
					t.Errorf("%s used %d units, and %d before", f, used, want)
				}
				units[f] = used
			}
		}
	}
}

// TestStop ends whatever does not end itself, after garbage collections that nothing
// holds up.
func TestStop(t *testing.T) {
	binary := instrument(t, read(t, "testdata/endless.wasm"))
	onEngines(t, func(t *testing.T, rt wazero.Runtime) {
		in := instantiate(t, rt, binary)
		for _, f := range in.functions() {
			if len(in.ExportedFunction(f).Definition().ParamTypes()) > 0 {
				continue
			}
			t.Run(f, func(t *testing.T) {
				shutdown := errors.New("shutdown")
				ctx, cancel := context.WithCancelCause(context.Background())
				in := instantiate(t, rt, binary)
				done := make(chan error)
				go func() {
					_, _, err := in.call(ctx, Unlimited, f)
					done <- err
				}()
				for range 5 {
					time.Sleep(time.Millisecond)
					runtime.GC()
				}
				select {
				case err := <-done:
					t.Fatalf("it came to an end: %v", err)
				default:
				}
				cancel(shutdown)
				if err := <-done; !errors.Is(err, ErrStopped) || !errors.Is(err, shutdown) {
					t.Errorf("the error is %v", err)
				}
				in.Close(context.Background())

				// The budget ends it as well.
				in = instantiate(t, rt, binary)
				if _, used, err := in.call(context.Background(), 1_000_000, f); !errors.Is(err, ErrOutOfFuel) || used > 1_000_000 {
					t.Errorf("with a budget, it used %d units: %v", used, err)
				}
				in.Close(context.Background())
			})
		}
	})
}

// TestScheduling occupies all processors with code that does not end, and sees to it that
// garbage is collected and that goroutines talk to each other meanwhile.
func TestScheduling(t *testing.T) {
	rt := newRuntime(t, wazero.NewRuntimeConfigCompiler())
	binary := instrument(t, read(t, "testdata/endless.wasm"))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		in := instantiate(t, rt, binary)
		wg.Go(func() {
			if _, _, err := in.call(ctx, Unlimited, "loop"); !errors.Is(err, ErrStopped) {
				t.Error(err)
			}
		})
	}
	ping, pong := make(chan int), make(chan int)
	go func() {
		for i := range ping {
			pong <- i
		}
	}()
	for i := range 10 {
		ping <- i
		<-pong
		runtime.GC()
	}
	close(ping)
	cancel()
	wg.Wait()
}

// TestStopIsOfOneRun stops before a run and after one: neither is lost, and neither leaks
// into the next.
func TestStopIsOfOneRun(t *testing.T) {
	rt := newRuntime(t, wazero.NewRuntimeConfigCompiler())
	in := instantiate(t, rt, instrument(t, read(t, "testdata/control.wasm")))
	ended, cancel := context.WithCancel(context.Background())
	if _, _, err := in.call(ended, Unlimited, "fib", 20); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, _, err := in.call(context.Background(), Unlimited, "fib", 20); err != nil {
		t.Errorf("the stop of a run that was over stopped the next: %v", err)
	}
	used, err := in.Run(ended, Unlimited, func(context.Context) error { panic("called") })
	if used != 0 || !errors.Is(err, ErrStopped) || !errors.Is(err, context.Canceled) {
		t.Errorf("a run whose context had ended: %d, %v", used, err)
	}
	if _, _, err := in.call(context.Background(), Unlimited, "fib", 20); err != nil {
		t.Errorf("the stop of a run that was not begun stopped the next: %v", err)
	}

	// A deadline in the middle. What had not been executed is not charged for.
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, units, _ := in.call(context.Background(), Unlimited, "fib", 20)
	_, used, err = in.call(ctx, Unlimited, "fib", 60)
	if !errors.Is(err, ErrStopped) || !errors.Is(err, context.DeadlineExceeded) || used <= units {
		t.Errorf("a run with a deadline: %d units, %v", used, err)
	}
}

// TestStart stops a start function, and counts what another one does.
func TestStart(t *testing.T) {
	onEngines(t, func(t *testing.T, rt wazero.Runtime) {
		host := rt.NewHostModuleBuilder("wasmworker:activity/v1")
		host.NewFunctionBuilder().WithFunc(func() uint32 { return 0 }).Export("status")
		if _, err := host.Instantiate(context.Background()); err != nil {
			t.Fatal(err)
		}
		run := func(name string, ctx context.Context, budget int64) (int64, error) {
			binary := instrument(t, read(t, name))
			return new(Meter).Run(ctx, budget, func(ctx context.Context) error {
				m, err := rt.InstantiateWithConfig(ctx, binary, wazero.NewModuleConfig().WithName(""))
				if err == nil {
					m.Close(ctx)
				}
				return err
			})
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		if _, err := run("../../../testdata/wat/startloop.wasm", ctx, Unlimited); !errors.Is(err, ErrStopped) {
			t.Errorf("an endless start function: %v", err)
		}
		if used, err := run("../../../testdata/wat/startloop.wasm", context.Background(), 12_345); !errors.Is(err, ErrOutOfFuel) || used != 12_345 {
			t.Errorf("an endless start function with a budget used %d units: %v", used, err)
		}
		units, err := run("testdata/start.wasm", context.Background(), Unlimited)
		if err != nil || units < 1000*10 || units > 1000*12 {
			t.Errorf("a start function that loops 1,000 times used %d units: %v", units, err)
		}
		if used, err := run("testdata/start.wasm", context.Background(), units); err != nil || used != units {
			t.Errorf("with a budget of %d, it used %d units: %v", units, used, err)
		}
		if _, err := run("testdata/start.wasm", context.Background(), units-1); !errors.Is(err, ErrOutOfFuel) {
			t.Errorf("with a budget of %d, that is one too few, the error is %v", units-1, err)
		}
	})
}

// TestMisuse calls code without its meter.
func TestMisuse(t *testing.T) {
	rt := newRuntime(t, wazero.NewRuntimeConfigCompiler())
	binary := instrument(t, read(t, "testdata/control.wasm"))
	one, two := instantiate(t, rt, binary), instantiate(t, rt, binary)
	var stale context.Context
	_, err := one.Run(context.Background(), Unlimited, func(ctx context.Context) error {
		stale = ctx
		if _, err := two.ExportedFunction("fib").Call(ctx, 20); err == nil || !strings.Contains(err.Error(), "another instance") {
			// The first one to ask is taken for the instance.
			if _, err = one.ExportedFunction("fib").Call(ctx, 20); err == nil {
				t.Error("one meter serves two instances")
			}
		}
		if _, err := one.Run(ctx, 1, nil); err == nil {
			t.Error("two runs at a time")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, ctx := range []context.Context{context.Background(), stale} {
		if _, err := instantiate(t, rt, binary).ExportedFunction("fib").Call(ctx, 20); err == nil || !strings.Contains(err.Error(), "without the context of Meter.Run") {
			t.Errorf("code ran without a meter: %v", err)
		}
	}
	// The panic of the caller's function goes through, and ends the run.
	in := instantiate(t, rt, binary)
	func() {
		defer func() { recover() }()
		in.Run(context.Background(), Unlimited, func(context.Context) error { panic("x") })
	}()
	if _, _, err := in.call(context.Background(), Unlimited, "fib", 10); err != nil {
		t.Error(err)
	}
	if n := running.Load(); n != 0 {
		t.Errorf("%d runs are left", n)
	}
}

// TestParallel runs the instances of one module side by side, all of them stopped or out
// of units at some time. It is for the race detector.
func TestParallel(t *testing.T) {
	binary := instrument(t, read(t, "testdata/control.wasm"))
	onEngines(t, func(t *testing.T, rt wazero.Runtime) {
		var wg sync.WaitGroup
		for i := range 4 * runtime.GOMAXPROCS(0) {
			in := instantiate(t, rt, binary)
			wg.Go(func() {
				for j := range 5 {
					if _, _, err := in.call(context.Background(), Unlimited, "fib", 12); err != nil {
						t.Error(err)
					}
					if _, _, err := in.call(context.Background(), int64(1000*i+100*j), "fib", 24); !errors.Is(err, ErrOutOfFuel) {
						t.Error(err)
					}
				}
				ctx, cancel := context.WithTimeout(context.Background(), 3*time.Millisecond)
				defer cancel()
				if _, _, err := in.call(ctx, Unlimited, "fib", 60); !errors.Is(err, ErrStopped) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

// TestHostMemory executes ref.func a million times: of the host's memory, that takes
// nothing.
func TestHostMemory(t *testing.T) {
	rt := newRuntime(t, wazero.NewRuntimeConfigCompiler())
	in := instantiate(t, rt, instrument(t, read(t, "testdata/memory.wasm")))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, _, err := in.call(context.Background(), Unlimited, "refs", 1_000_000); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

// TestNames looks for the names of functions in a stack trace, and for sections that are
// left out.
func TestNames(t *testing.T) {
	custom := func(name, content string) []byte {
		return (&code{}).op(sectionCustom).sized((&code{}).name(name).op([]byte(content)...).bytes).bytes
	}
	// (func $imported (import "host" "count") (result i32)) (func $outer call $inner)
	// (func $inner unreachable)
	binary := slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		[]byte("\x01\x08\x02\x60\x00\x00\x60\x00\x01\x7f"),
		[]byte("\x02\x0e\x01\x04host\x05count\x00\x01"),
		custom("before", "1"),
		[]byte("\x03\x03\x02\x00\x00"),
		[]byte("\x07\x07\x01\x03run\x00\x01"),
		custom(".debug_line", "2"),
		custom(".debug_info", "3"),
		[]byte("\x0a\x0a\x02\x04\x00\x10\x02\x0b\x03\x00\x00\x0b"),
		custom("name", "\x01\x19\x03\x00\x08imported\x01\x05outer\x02\x05inner"),
		custom("after", "4"))
	out := instrument(t, binary)
	if bytes.Contains(out, []byte(".debug")) || !bytes.Contains(out, []byte("before1")) || !bytes.Contains(out, []byte("after4")) {
		t.Error("the custom sections are not those that should be left")
	}
	rt := newRuntime(t, wazero.NewRuntimeConfigCompiler())
	if _, err := rt.InstantiateWithConfig(context.Background(), read(t, "testdata/env/env.wasm"), wazero.NewModuleConfig().WithName("x")); err != nil {
		t.Fatal(err)
	}
	_, _, err := instantiate(t, rt, out).call(context.Background(), Unlimited, "run")
	if err == nil || !strings.Contains(err.Error(), ".inner()\n\t.outer()") {
		t.Errorf("the stack trace is %v", err)
	}
}
