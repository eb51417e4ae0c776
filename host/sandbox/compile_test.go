package sandbox_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/engine"
)

// make makes a sandbox that the test compiles itself.
func newSandbox(t *testing.T, cfg sandbox.Config) *sandbox.Sandbox {
	t.Helper()
	s, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// withoutCode is a fixture whose sections end before its code: its imports and exports
// can be read, and it is no valid module.
func withoutCode(t *testing.T, name string) *modules.File {
	t.Helper()
	data := fixture(t, name).Binary
	pos := 8
	for data[pos] != 10 {
		size, n := binary.Uvarint(data[pos+1:])
		pos += 1 + n + int(size)
	}
	m, err := modules.Parse("withoutcode", bytes.Clone(data[:pos]))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Modules that do not work show it when they are compiled, each in its own way.
func TestCompileRefuses(t *testing.T) {
	broken := append(files(t, "inittrap", "nofunction"), withoutCode(t, "memory"))
	wants := []string{
		"inittrap.wasm: the module cannot be instantiated: _initialize: wasm error: unreachable",
		`nofunction.wasm: the module cannot be instantiated: "telepathy" is not exported in module "wasi_snapshot_preview1"`,
		"withoutcode: the module is not valid: section 10: there are 4 functions, but 0 bodies",
	}
	prefixes := map[string]sandbox.Options{"nofunction": {Prefix: "n."}, "withoutcode": {Prefix: "w."}}
	cfg := sandbox.Config{Modules: append(files(t, "echo"), broken...), PerModule: prefixes}
	s := newSandbox(t, cfg)
	err := s.Compile(t.Context())
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not contain %q", err, want)
		}
	}
	equal(t, "live instances", live(s), 0)

	cfg.SkipRefused = true
	s = start(t, cfg)
	equal(t, "activities", types(s), []string{"Args", "Echo", "Info"})
	equal(t, "number of modules", len(s.Modules()), 1)
	refused := s.Refused()
	if len(refused) != len(wants) {
		t.Fatalf("refused: %v", refused)
	}
	for i, want := range wants {
		if !strings.Contains(refused[i].Error(), want) {
			t.Errorf("refused because of %q, want %q", refused[i], want)
		}
	}
	_, err = s.Run(t.Context(), sandbox.Task{Activity: "n.Never"})
	if f := failure(t, err, abi.TypeModuleRefused); f.NonRetryable || !strings.Contains(f.Message, wants[1]) {
		t.Errorf("an activity of a module that was left out: %+v", f)
	}
	if _, ok := s.Lookup("n.Never"); ok {
		t.Error("a module that was left out has activities")
	}
	equal(t, "result", text(run(t, s, "Echo", raw("x"))), "x")

	cfg.Modules = broken
	s = newSandbox(t, cfg)
	if err := s.Compile(t.Context()); err == nil || !strings.Contains(err.Error(), wants[0]) || !strings.Contains(err.Error(), wants[2]) {
		t.Errorf("nothing is left: error %v", err)
	}
}

func TestCompileGivesUpOnStartFunctions(t *testing.T) {
	sandbox.SetTrialTimeout(t, 10*time.Millisecond)
	s := newSandbox(t, sandbox.Config{Modules: files(t, "startloop")})
	err := s.Compile(t.Context())
	if want := "startloop.wasm: the module cannot be instantiated: its start function or _initialize did not return within 10ms; raise its initialize timeout"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
	equal(t, "live instances", live(s), 0)
}

// The context ends while modules are compiled: here in the moment when one of them, a
// start function that never returns, has begun to run.
func TestCompileIsCanceled(t *testing.T) {
	for _, skip := range []bool{false, true} {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		logged := &recorder{onLog: func(message string) {
			if message == "started" {
				cancel(errStop)
			}
		}}
		s := newSandbox(t, sandbox.Config{Modules: files(t, "startlog", "echo", "misbehave"), Logger: logged.logger(), SkipRefused: skip})
		if err := s.Compile(ctx); !errors.Is(err, errStop) || !strings.Contains(err.Error(), "interrupted while modules were being compiled") {
			t.Errorf("error %v, want the context's cause", err)
		}
		equal(t, "live instances", live(s), 0)
	}
}

func TestCompileWithEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStop)
	s := newSandbox(t, copies(t, "echo", sandbox.Options{}, "a", "b", "c", "d", "e"))
	if err := s.Compile(ctx); !errors.Is(err, errStop) {
		t.Errorf("error %v, want the context's cause", err)
	}
	equal(t, "live instances", live(s), 0)
}

// Several modules are compiled at a time, by several sandboxes, which share a cache.
func TestCompileConcurrently(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			cfg := copies(t, "misbehave", sandbox.Options{}, "a", "b", "c", "d", "e", "f")
			cfg.CacheDir = dir
			s, err := sandbox.New(cfg)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() {
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}()
			if err := s.Compile(t.Context()); err != nil {
				t.Errorf("sandbox %d: %v", i, err)
				return
			}
			equal(t, "live instances", live(s), 0)
			for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
				p, err := s.Run(t.Context(), sandbox.Task{Activity: name + ".Count"})
				if err != nil || text(p) != "0" {
					t.Errorf("%s: got %s, error %v", name, text(p), err)
				}
			}
		})
	}
	wg.Wait()
	before := entries(t, dir)
	// rewritten, compiled, and a checksum
	equal(t, "number of files for one content", len(before), 3)
	unchanged(t, before, dir)
	start(t, sandbox.Config{Modules: files(t, "misbehave"), CacheDir: dir})
	unchanged(t, before, dir)
}

func TestWithoutCacheDir(t *testing.T) {
	s := newSandbox(t, sandbox.Config{Modules: files(t, "echo")})
	if err := s.Compile(t.Context()); err != nil {
		t.Fatal(err)
	}
	equal(t, "result", text(run(t, s, "Echo", raw("x"))), "x")
}

// The sandbox can be asked what it has while it is being compiled.
func TestAskingWhileCompiling(t *testing.T) {
	cfg := copies(t, "echo", sandbox.Options{}, "a", "b", "c")
	cfg.Modules = append(cfg.Modules, files(t, "inittrap")...)
	// its isolation is known once it is compiled
	irreversible, err := modules.Read("../../testdata/hostile/table-bomb.wasm")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Modules = append(cfg.Modules, irreversible)
	cfg.SkipRefused = true
	s := newSandbox(t, cfg)
	done := make(chan error)
	go func() { done <- s.Compile(t.Context()) }()
	for {
		_, found := s.Lookup("a.Echo")
		if all := fmt.Sprint(types(s), len(s.Modules()), len(s.Refused())); !found || !strings.Contains(all, "a.Echo") {
			t.Fatalf("got %s", all)
		}
		for _, m := range s.Modules() {
			if isolation := m.Isolation(); (isolation == sandbox.IsolationFresh) != (m.Fallback() != "") && m.Fallback() == "" {
				t.Errorf("%s: isolation %s with options %+v", m.File().Name, isolation, m.Options())
			}
		}
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			equal(t, "number of modules", len(s.Modules()), 4)
			return
		default:
		}
	}
}

// A guest that overflows its stack while an instance is being made is the reason why
// there is none, as is one that traps then.
func TestInitializationOverflows(t *testing.T) {
	start := func() (*sandbox.Sandbox, error) {
		s := newSandbox(t, sandbox.Config{Modules: files(t, "initdeep"), Defaults: sandbox.Options{Isolation: sandbox.IsolationFresh}})
		return s, s.Compile(t.Context())
	}
	s, err := start()
	for err != nil { // Compile makes the first instance
		if !strings.Contains(err.Error(), "_initialize: stack overflow") {
			t.Fatal(err)
		}
		s, err = start()
	}
	for {
		if _, err := s.Run(t.Context(), sandbox.Task{Activity: "Ok"}); err != nil {
			f := failure(t, err, abi.TypeStackOverflow)
			if !strings.HasPrefix(f.Message, "no instance could be made: ") {
				t.Errorf("message %q", f.Message)
			}
			return
		}
	}
}

// What is not valid is refused, though what metering makes of it would be: a function that
// leaves more than it returns, a reference that is not declared, or another number of data
// segments than there are. That holds in either engine, and for a module that differs from
// one in the cache in its data alone.
func TestInvalidThoughRewritable(t *testing.T) {
	const imports = "\x00asm\x01\x00\x00\x00" +
		"\x01\x05\x01\x60\x00\x01\x7f" + // type () -> i32
		"\x02\x21\x01\x16wasmworker:activity/v1\x06status\x00\x00" +
		"\x03\x02\x01\x00" + "\x05\x03\x01\x00\x01" + // a function, and a memory
		"\x07\x05\x01\x01X\x00\x01" // export X
	const good = "\x0a\x06\x01\x04\x00\x41\x00\x0b" // code: i32.const 0
	modulesOf := func(name, binary string) []*modules.File {
		m, err := modules.Parse(name, []byte(binary))
		if err != nil {
			t.Fatal(err)
		}
		return []*modules.File{m}
	}
	cache := t.TempDir()
	valid := modulesOf("valid", imports+"\x0c\x01\x01"+good+"\x0b\x07\x01\x00\x41\x00\x0b\x01a")
	if err := newSandbox(t, sandbox.Config{Modules: valid, CacheDir: cache}).Compile(t.Context()); err != nil {
		t.Fatal(err)
	}
	for want, binary := range map[string]string{
		"too many results":            imports + "\x0a\x08\x01\x06\x00\x10\x00\x41\x00\x0b",     // call 0, i32.const 0
		"undeclared function index 0": imports + "\x0a\x09\x01\x07\x00\xd2\x00\x1a\x41\x00\x0b", // ref.func 0, drop, i32.const 0
		"data count section (2)":      imports + "\x0c\x01\x02" + good + "\x0b\x07\x01\x00\x41\x00\x0b\x01b",
	} {
		for _, interpreter := range []bool{false, false, true} {
			config := sandbox.Config{Modules: modulesOf("bad", binary), CacheDir: cache}
			if interpreter {
				engine.Interpret(&config)
			}
			err := newSandbox(t, config).Compile(t.Context())
			if err == nil || !strings.Contains(err.Error(), "bad: the module is not valid: ") || !strings.Contains(err.Error(), want) {
				t.Errorf("interpreter %t: error %v, want %s", interpreter, err, want)
			}
		}
	}
}
