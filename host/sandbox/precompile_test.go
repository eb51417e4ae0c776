package sandbox_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/engine"
)

// A module that takes too long to compile is refused, and others are served: here one
// that need not be compiled.
func TestCompileTimeout(t *testing.T) {
	cfg := sandbox.Config{Modules: files(t, "echo"), CacheDir: t.TempDir()}
	start(t, cfg)
	cfg.Modules = append(cfg.Modules, files(t, "misbehave")...)
	cfg.CompileTimeout, cfg.SkipRefused = 1, true
	s := start(t, cfg)
	refused := s.Refused()
	if len(refused) != 1 {
		t.Fatalf("refused: %v", refused)
	}
	e, ok := errors.AsType[*sandbox.OptionError](refused[0])
	if want := "misbehave.wasm: compiling took longer than 1ns; raise the limit"; !ok || e.Option != "CompileTimeout" || !strings.Contains(e.Error(), want) {
		t.Errorf("refused because of %v", refused[0])
	}
	equal(t, "result", text(run(t, s, "Echo", raw("x"))), "x")

	cfg.CompileTimeout = -time.Second
	_, err := sandbox.New(cfg)
	if e, ok := errors.AsType[*sandbox.OptionError](err); !ok || e.Error() != "CompileTimeout: -1s is negative" {
		t.Errorf("error %v", err)
	}
}

func TestCompileMemoryLimit(t *testing.T) {
	cfg := sandbox.Config{Modules: []*modules.File{tool(t)}, CacheDir: t.TempDir(), CompileMemoryLimit: 16 << 20}
	s := newSandbox(t, cfg)
	err := s.Compile(t.Context())
	if e, ok := errors.AsType[*sandbox.OptionError](err); !ok || e.Option != "CompileMemoryLimit" || !strings.Contains(e.Error(), "compiling took more than 16 MiB of memory") {
		t.Errorf("error %v", err)
	}
	cfg.CompileMemoryLimit = sandbox.DefaultCompileMemoryLimit
	start(t, cfg)
}

// Without a cache, code is handed over in a directory of which nothing stays. Where there
// is none, and for the interpreter, the module is compiled a second time.
func TestHandOverWithoutCache(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	for _, interpreter := range []bool{false, true} {
		config := sandbox.Config{Modules: files(t, "echo", "inittrap"), SkipRefused: true}
		if interpreter {
			engine.Interpret(&config)
		}
		s := newSandbox(t, config)
		if err := s.Compile(t.Context()); err != nil {
			t.Fatal(err)
		}
		equal(t, "result", text(run(t, s, "Echo", raw("x"))), "x")
		left, err := os.ReadDir(temporary)
		if err != nil || len(left) != 0 {
			t.Errorf("left: %v, error %v", left, err)
		}
	}
}

// What processes left that were killed is removed when it is old enough to be nobody's.
func TestAbandonedDirectories(t *testing.T) {
	dir := t.TempDir()
	old, young := filepath.Join(dir, ".wasmworker-compiling-1"), filepath.Join(dir, ".wasmworker-compiling-2")
	for _, path := range []string{old, young} {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	before := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(old, before, before); err != nil {
		t.Fatal(err)
	}
	start(t, sandbox.Config{Modules: files(t, "echo"), CacheDir: dir})
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old one is still there (error %v)", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Error(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	equal(t, "hidden directories", left, []string{young})
	if err != nil {
		t.Error(err)
	}
}
