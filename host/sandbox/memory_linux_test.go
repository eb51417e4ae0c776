package sandbox_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// shortOfMemory runs f while the system gives this process no more than 16 MiB.
func shortOfMemory(t *testing.T, f func()) {
	t.Helper()
	runtime.GC()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, data, _ := strings.Cut(string(status), "VmData:")
	data, _, _ = strings.Cut(data, "kB")
	kib, err := strconv.ParseUint(strings.TrimSpace(data), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_DATA, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: kib<<10 + 16<<20, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_DATA, &before); err != nil {
			t.Error(err)
		}
	}()
	f()
}

// Where the system has no memory for an instance, that one activity fails: the module is
// served when there is some, and the slot is free.
func TestNoSystemMemory(t *testing.T) {
	large, err := modules.Parse("large", header(sectionMemory, []byte{1, 0}, leb(512))) // 32 MiB
	if err != nil {
		t.Fatal(err)
	}
	cfg := sandbox.Config{Modules: []*modules.File{large}, Limit: 1, CacheDir: filepath.Join(t.TempDir(), "cache")}
	start(t, cfg) // from now on nothing is compiled
	cfg.Preload = sandbox.PreloadNone
	s := start(t, cfg)
	m := s.Modules()[0]
	for _, loaded := range []bool{false, true} {
		equal(t, "loaded", m.Loaded(), loaded)
		shortOfMemory(t, func() {
			_, err := s.Run(t.Context(), sandbox.Task{Activity: "A"})
			f := failure(t, err, abi.TypeNoInstance)
			if f.NonRetryable || !strings.Contains(f.Message, "the operating system has no more memory") {
				t.Errorf("failure %+v", f)
			}
		})
		equal(t, "refused", m.Refusal(), error(nil))
		instance, err := s.Executor().Acquire(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		s.Executor().Release(instance)
	}
}
