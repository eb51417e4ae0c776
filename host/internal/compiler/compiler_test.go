//go:build unix

package compiler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"go.uber.org/goleak"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// A child of the tests does what the name of the module's custom section says.
const (
	actPanic   = "panic"   // in a goroutine of its own, as wazero's compiler would
	actHang    = "hang"    // without looking at anything
	actFill    = "fill"    // memory, without end
	actMap     = "map"     // memory that Go does not know of, without end
	actTell    = "tell"    // its environment and directory
	actChatter = "chatter" // without end, on both outputs
	actAdd     = "add"     // a file that it does not report
	actChange  = "change"  // the file that it reports
	actRemove  = "remove"  // the same
	actThread  = "thread"  // as Go's runtime does without a further thread
	actSlow    = "slow"    // until a file "go" lies beside its directory
)

func TestMain(m *testing.M) {
	beforeCompiling, beforeReporting = act, actAfterwards
	Main()
	goleak.VerifyTestMain(m)
}

var sink [][]byte // what the compiler cannot leave out

func act(binary []byte) {
	switch string(actOf(binary)) {
	case actPanic:
		go func() { panic("runtime error: index out of range [7]\nand more") }()
		select {}
	case actHang:
		for {
			sink = nil
		}
	case actFill:
		for {
			sink = append(sink, bytes.Repeat([]byte{1}, 1<<20))
		}
	case actMap:
		mapWithoutEnd()
	case actThread:
		fmt.Fprintln(os.Stderr, "runtime: failed to create new OS thread (have 9 already; errno=11)\nruntime: may need to increase max user processes (ulimit -u)\nfatal error: newosproc")
		os.Exit(2)
	case actTell:
		dir, _ := os.Getwd()
		panic(fmt.Sprintf("%q in %s", os.Environ(), dir))
	case actChatter:
		line := strings.Repeat("x", 1000) + "\n"
		for {
			fmt.Fprint(os.Stderr, line)
			fmt.Print(line)
		}
	}
}

func actAfterwards(binary []byte, directory string) {
	files, _ := filepath.Glob(filepath.Join(directory, "wazero-*", "*"))
	switch string(actOf(binary)) {
	case actAdd:
		os.WriteFile(files[0]+"0", []byte("another"), 0o600)
	case actChange:
		os.WriteFile(files[0], []byte("another"), 0o600)
	case actRemove:
		os.Remove(files[0])
	case actSlow:
		for {
			if _, err := os.Stat(directory + ".go"); err == nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// actOf is the name of the custom section, which is the first one.
func actOf(binary []byte) []byte {
	if len(binary) < 11 || binary[8] != 0 {
		return nil
	}
	return binary[11 : 11+binary[10]]
}

// acting is a module with one function, whose compiler behaves as told.
func acting(what string) []byte {
	binary := []byte("\x00asm\x01\x00\x00\x00")
	if what != "" {
		binary = append(binary, 0, byte(len(what)+1), byte(len(what)))
		binary = append(binary, what...)
	}
	return append(binary, "\x01\x04\x01\x60\x00\x00"+"\x03\x02\x01\x00"+"\x0a\x04\x01\x02\x00\x0b"...)
}

func requestFor(t *testing.T, binary []byte) Request {
	return Request{Binary: binary, Directory: t.TempDir(), Memory: 128 << 20, Timeout: time.Minute}
}

// What a child has compiled is what wazero finds in the directory.
func TestCompile(t *testing.T) {
	r := requestFor(t, acting(""))
	files, err := Compile(t.Context(), r)
	if err != nil || len(files) != 1 || files[0].Size == 0 {
		t.Fatalf("got %v, error %v", files, err)
	}
	path := filepath.Join(r.Directory, filepath.FromSlash(files[0].Name))
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	cache, err := wazero.NewCompilationCacheWithDir(r.Directory)
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close(t.Context())
	rt := wazero.NewRuntimeWithConfig(t.Context(), Config(false).WithCompilationCache(cache))
	defer rt.Close(context.Background())
	if _, err := rt.CompileModule(t.Context(), r.Binary); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("it was compiled again (error %v)", err)
	}
	if left, err := filepath.Glob(filepath.Join(r.Directory, "*", "*")); err != nil || len(left) != 1 {
		t.Errorf("files %v, error %v", left, err)
	}
}

// The directory is the parent's, wherever the child is.
func TestRelativeDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	r := requestFor(t, acting(""))
	r.Directory = "."
	if files, err := Compile(t.Context(), r); err != nil || len(files) != 1 {
		t.Errorf("got %v, error %v", files, err)
	}
}

// Without a directory, and for the interpreter, nothing is left.
func TestRehearsal(t *testing.T) {
	for _, interpreter := range []bool{false, true} {
		files, err := Compile(t.Context(), Request{Binary: acting(""), Interpreter: interpreter})
		if err != nil || len(files) != 0 {
			t.Errorf("interpreter %t: got %v, error %v", interpreter, files, err)
		}
	}
}

func TestInvalidModule(t *testing.T) {
	binary := acting("")
	binary[len(binary)-1] = 0x1a // drop
	rt := wazero.NewRuntimeWithConfig(t.Context(), Config(false))
	defer rt.Close(context.Background())
	_, want := rt.CompileModule(t.Context(), binary)
	_, err := Compile(t.Context(), requestFor(t, binary))
	if invalid, ok := errors.AsType[*InvalidError](err); !ok || want == nil || invalid.Text != want.Error() {
		t.Errorf("error %v, want %v", err, want)
	}
}

func TestDirectoryCannotBeWritten(t *testing.T) {
	r := requestFor(t, acting(""))
	r.Directory = filepath.Join(r.Directory, "file")
	if err := os.WriteFile(r.Directory, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Compile(t.Context(), r)
	if _, ok := errors.AsType[*DirectoryError](err); !ok || !strings.Contains(err.Error(), "not dir") {
		t.Errorf("error %v", err)
	}
}

// A compiler that looks at nothing is killed.
func TestTimeout(t *testing.T) {
	r := requestFor(t, acting(actHang))
	r.Timeout = 50 * time.Millisecond
	begin := time.Now()
	_, err := Compile(t.Context(), r)
	if e, ok := errors.AsType[*TimeoutError](err); !ok || e.Error() != "compiling took longer than 50ms" {
		t.Errorf("error %v", err)
	}
	if took := time.Since(begin); took > readyTimeout {
		t.Errorf("it took %s", took)
	}
}

func TestCancellation(t *testing.T) {
	stop := errors.New("the worker stops")
	ctx, cancel := context.WithCancelCause(t.Context())
	var ended time.Time
	time.AfterFunc(300*time.Millisecond, func() { ended = time.Now(); cancel(stop) })
	_, err := Compile(ctx, requestFor(t, acting(actHang)))
	if !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(ended); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
	if _, err := Compile(ctx, requestFor(t, acting(""))); !errors.Is(err, stop) {
		t.Errorf("afterwards: error %v", err)
	}
}

func TestMemoryLimit(t *testing.T) {
	_, err := Compile(t.Context(), requestFor(t, acting(actFill)))
	if e, ok := errors.AsType[*MemoryError](err); !ok || e.System || e.Error() != "compiling took more than 128 MiB of memory" {
		t.Errorf("error %v", err)
	}
}

func TestPanic(t *testing.T) {
	_, err := Compile(t.Context(), requestFor(t, acting(actPanic)))
	e, ok := errors.AsType[*CrashError](err)
	if !ok || e.Error() != "the compiler failed on this module: panic: runtime error: index out of range [7]" || !strings.Contains(e.Stderr, "goroutine ") {
		t.Errorf("error %v", err)
	}
}

func TestChatter(t *testing.T) {
	r := requestFor(t, acting(actChatter))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Compile(t.Context(), r)
	runtime.ReadMemStats(&after)
	if e, ok := errors.AsType[*CrashError](err); !ok || !strings.Contains(e.Text, "not understood") || len(e.Text) > maxMessage {
		t.Errorf("error %.200v", err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
		t.Errorf("%d bytes were allocated", took)
	}
}

// What the child finds in its directory in the end, and what the parent finds there then,
// must be the same.
func TestHandOver(t *testing.T) {
	for act, want := range map[string]string{
		actAdd: "is not what the compiler left there", actChange: "is not what the compiler left there", actRemove: "has vanished",
	} {
		_, err := Compile(t.Context(), requestFor(t, acting(act)))
		if _, ok := errors.AsType[*DirectoryError](err); !ok || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: error %v", act, err)
		}
	}
}

// Nothing of this process's environment is in the child's.
func TestEnvironment(t *testing.T) {
	t.Setenv("WASMWORKER_TEST_SECRET", "swordfish")
	_, err := Compile(t.Context(), requestFor(t, acting(actTell)))
	if err == nil || strings.Contains(err.Error(), "swordfish") || strings.Contains(err.Error(), "HOME") {
		t.Errorf("error %v", err)
	}
}

// A system that has no further thread for the compiler says nothing about the module.
func TestNoThread(t *testing.T) {
	_, err := Compile(t.Context(), requestFor(t, acting(actThread)))
	if _, ok := errors.AsType[*SystemError](err); !ok || !strings.Contains(err.Error(), "failed to create new OS thread") {
		t.Errorf("error %v", err)
	}
}

// A child whose parent has died leaves nothing behind.
func TestParentDies(t *testing.T) {
	c, err := start(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	r := requestFor(t, acting(actSlow))
	asked := make(chan error)
	go func() {
		_, err := c.ask(r)
		asked <- err
	}()
	testbed.Eventually(t, "the child has compiled", func() error {
		files, err := filepath.Glob(filepath.Join(r.Directory, "*", "*"))
		if len(files) == 0 {
			return fmt.Errorf("files %v, error %v", files, err)
		}
		return nil
	})
	c.stdin.Close()
	if err := <-asked; err == nil {
		t.Error("it reported")
	}
	if err := c.wait(); c.cmd.ProcessState.ExitCode() != exitFailed {
		t.Errorf("it ended with %v", err)
	}
	if _, err := os.Stat(r.Directory); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its directory is still there (error %v)", err)
	}
}

func TestCannotStart(t *testing.T) {
	none, other := filepath.Join(t.TempDir(), "none"), "go"
	for path, want := range map[string]string{none: "none", other: "it ended: "} {
		if found, err := exec.LookPath(path); err == nil {
			path = found
		}
		program = func() (string, error) { return path, nil }
		_, err := Compile(t.Context(), requestFor(t, acting("")))
		program = executable
		if _, ok := errors.AsType[*StartError](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", path, err)
		}
	}
}

// Somebody who starts a child by hand is told what that is.
func TestStartedByHand(t *testing.T) {
	path, err := executable()
	if err != nil {
		t.Fatal(err)
	}
	output, err := exec.Command(path, argument).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != exitFailed || !bytes.Contains(output, []byte("wasmworker's own use: reading the request: EOF")) {
		t.Errorf("error %v: %s", err, output)
	}
}
