package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/dustin/go-humanize"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// cgroup is a memory cgroup for a test, or "" if this machine lets nobody make one.
func cgroup(t *testing.T, parent string, limit uint64) string {
	t.Helper()
	file := "memory.limit_in_bytes" // version 1
	if parent == "" {
		membership, err := os.ReadFile("/proc/self/cgroup")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(membership)) {
			parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
			switch {
			case parts[1] == "memory":
				parent = filepath.Join("/sys/fs/cgroup/memory", parts[2])
			case parts[0] == "0" && parent == "":
				parent = filepath.Join("/sys/fs/cgroup", parts[2])
			}
		}
	}
	dir := filepath.Join(parent, "wasmworker-test-"+fmt.Sprint(os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Logf("no cgroup can be made here: %v", err)
		return ""
	}
	t.Cleanup(func() {
		testbed.Eventually(t, "the cgroup is empty", func() error { return os.Remove(dir) })
	})
	if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
		file = "memory.max" // version 2
	}
	if err := os.WriteFile(filepath.Join(dir, file), []byte(fmt.Sprint(limit)), 0o600); err != nil {
		t.Logf("no cgroup can be limited here: %v", err)
		return ""
	}
	return dir
}

// in runs a command in a cgroup; "" is that of the test.
func in(cgroup string, cmd *exec.Cmd) *exec.Cmd {
	if cgroup == "" {
		return cmd
	}
	return exec.Command("sh", append([]string{"-c", `echo $$ > "$0/cgroup.procs"; exec "$@"`, cgroup}, cmd.Args...)...)
}

// The worker knows what its container may have, by the tightest limit above it.
func TestMemoryOfTheContainer(t *testing.T) {
	server := testbed.Shared(t)
	var limit, auto uint64 // of the container; 0: none
	inner := ""
	if outer := cgroup(t, "", 1<<30); outer != "" {
		if inner = cgroup(t, outer, 2<<30); inner == "" {
			inner = outer
		}
		limit, auto = 1<<30, 768<<20
	} else {
		limit, _ = memlimit.FromCgroup()
		physical, err := memlimit.FromSystem()
		if err != nil {
			t.Fatal(err)
		}
		of := physical
		if limit > 0 {
			of = min(of, limit)
		}
		auto = of - max(of/4, 256<<20)
	}
	const text = "than this container" // of either warning
	total := "more than the memory limit of this container"
	for _, tt := range []struct {
		name  string
		flags []string
		want  []string
		never []string
	}{
		{"auto", []string{"--total-memory-limit", "auto"}, []string{humanize.IBytes(auto), "total_memory_limit auto"}, []string{text, total}},
		{"no limit", nil, []string{"more memory " + text, "--total-memory-limit auto", "25 GiB"}, []string{total}},
		{"no slots", []string{"--max-concurrent-activities", "none"}, []string{"more memory " + text, "no limit"}, []string{total}},
		{"few slots", []string{"--max-concurrent-activities", "2", "--memory-limit", "64MiB"}, nil, []string{text, total}},
		{"more than there is", []string{"--total-memory-limit", "8000GiB"}, []string{total, "7.8 TiB"}, []string{text + ", so"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command(testbed.Program(t), append([]string{"serve", "--modules", wat(t, "echo"), "--address", server.Address, "--task-queue", queue(t), "--cache-dir", "none", "--log-format", "json"}, tt.flags...)...)
			cmd = in(inner, cmd)
			cmd.Env = testbed.CleanEnv()
			p := testbed.Start(t, cmd)
			testbed.Eventually(t, "the worker serves", func() error {
				if exited, code := p.Exited(); exited {
					t.Fatalf("it ended with code %d", code)
				}
				if !strings.Contains(p.Stderr(), `"serving"`) {
					return fmt.Errorf("it does not")
				}
				return nil
			})
			p.Signal(syscall.SIGTERM)
			if code := p.Wait(t); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if limit == 0 && tt.name != "auto" { // nothing to be warned of
				tt.want, tt.never = nil, []string{text, total}
			}
			for _, want := range tt.want {
				if !strings.Contains(p.Stderr(), want) {
					t.Errorf("it does not say %q", want)
				}
			}
			for _, never := range tt.never {
				if strings.Contains(p.Stderr(), never) {
					t.Errorf("it says %q", never)
				}
			}
		})
	}
}
