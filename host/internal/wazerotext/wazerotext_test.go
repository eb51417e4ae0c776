package wazerotext_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/host/internal/wazerotext"
)

// guest is (module (import "host" "panic" (func)) (func (export "host") call 0)
// (func (export "trap") unreachable) (func (export "deep") call 3)).
var guest = []byte("\x00asm\x01\x00\x00\x00" +
	"\x01\x04\x01\x60\x00\x00" +
	"\x02\x0e\x01\x04host\x05panic\x00\x00" +
	"\x03\x04\x03\x00\x00\x00" +
	"\x07\x16\x03\x04host\x00\x01\x04trap\x00\x02\x04deep\x00\x03" +
	"\x0a\x0f\x03\x04\x00\x10\x00\x0b\x03\x00\x00\x0b\x04\x00\x10\x03\x0b")

// run calls an export of the guest, whose host function panics with a value.
func run(t *testing.T, config wazero.RuntimeConfig, export string, value any) error {
	t.Helper()
	ctx := t.Context()
	r := wazero.NewRuntimeWithConfig(ctx, config)
	defer r.Close(context.Background())
	builder := r.NewHostModuleBuilder("host")
	builder.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(context.Context, api.Module, []uint64) {
		panic(value)
	}), nil, nil).Export("panic")
	if _, err := builder.Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	mod, err := r.Instantiate(ctx, guest)
	if err != nil {
		t.Fatal(err)
	}
	_, err = mod.ExportedFunction(export).Call(ctx)
	if err == nil {
		t.Fatalf("%s returned", export)
	}
	return err
}

func TestEnds(t *testing.T) {
	var none []int
	runtimeError := func() (p any) {
		defer func() { p = recover() }()
		return none[len(none)]
	}()
	for engine, config := range map[string]wazero.RuntimeConfig{
		"compiler": wazero.NewRuntimeConfig(), "interpreter": wazero.NewRuntimeConfigInterpreter(),
	} {
		for _, tt := range []struct {
			name, export string
			value        any
			message      string
			overflow     bool
		}{
			{"a trap", "trap", nil, "unreachable", false},
			{"calls nested too deeply", "deep", nil, "stack overflow", true},
			{"a host function's error", "host", errors.New("no"), "no", false},
			{"a host function's text", "host", "no", "no", false},
			{"a bug of a host function", "host", runtimeError, "runtime error: index out of range [0] with length 0", false},
		} {
			t.Run(engine+"/"+tt.name, func(t *testing.T) {
				text := run(t, config, tt.export, tt.value).Error()
				if !wazerotext.IsFromGuest(text) {
					t.Errorf("it is not from the guest: %q", text)
				}
				message, frames, found := wazerotext.SplitTrace(text)
				if message != tt.message {
					t.Errorf("the message is %q, want %q, of %q", message, tt.message, text)
				}
				if want := !tt.overflow || engine == "interpreter"; found != want {
					t.Errorf("it has a trace: %t, of %q", found, text)
				}
				if lines := strings.Split(strings.TrimSpace(frames), "\n"); found && !strings.HasPrefix(lines[0], ".$") && !strings.HasPrefix(lines[0], "host.panic(") {
					t.Errorf("the first frame is %q, of %q", lines[0], text)
				}
				if strings.Contains(frames, "goroutine") || strings.Contains(frames, ".go:") {
					t.Errorf("the frames have the host's stack: %q", frames)
				}
				if got := wazerotext.IsStackOverflow(message); got != tt.overflow {
					t.Errorf("an overflow of the stack: %t, of %q", got, message)
				}
				if before := wazerotext.WithoutTrace(text); !strings.Contains(before, tt.message) || strings.Contains(before, "\n") {
					t.Errorf("without the trace it is %q", before)
				}
			})
		}
	}
}

// What is not from a guest is left as it is.
func TestOtherErrors(t *testing.T) {
	const text = "open x: no such file\nor directory"
	message, frames, found := wazerotext.SplitTrace(text)
	if message != text || frames != "" || found || wazerotext.IsFromGuest(text) || wazerotext.WithoutTrace(text) != text || wazerotext.IsAboutCache(text) {
		t.Errorf("it is %q, with the frames %q", message, frames)
	}
}

// What a module has for a name is not taken for what wazero says.
func TestNamesAreNotAboutCache(t *testing.T) {
	const name = "compilationcache: x"
	binary := []byte("\x00asm\x01\x00\x00\x00\x05\x03\x01\x00\x01\x07")
	export := string(rune(len(name))) + name + "\x02\x00"
	binary = append(binary, byte(1+2*len(export)), 2)
	binary = append(binary, export+export...)
	r := wazero.NewRuntime(t.Context())
	defer r.Close(t.Context())
	_, err := r.CompileModule(t.Context(), binary)
	if err == nil || !strings.Contains(err.Error(), name) || wazerotext.IsAboutCache(err.Error()) {
		t.Errorf("a name that is there twice is told as %v", err)
	}
}

// A file of the cache that ends early is the one that wazero has nothing but words for.
func TestCache(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	compile := func() error {
		cache, err := wazero.NewCompilationCacheWithDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer cache.Close(ctx)
		r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(cache))
		defer r.Close(ctx)
		_, err = r.CompileModule(ctx, guest)
		return err
	}
	if err := compile(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "wazero-*", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the cache has %q, error %v", files, err)
	}
	if err := os.Truncate(files[0], 3); err != nil {
		t.Fatal(err)
	}
	if err := compile(); err == nil || !wazerotext.IsAboutCache(err.Error()) {
		t.Errorf("a truncated file is told as %v", err)
	}
}
