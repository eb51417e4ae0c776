package main_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// slowToCompile writes a module whose one large function keeps wazero's compiler busy for
// some seconds: many variables in many loops. It is within the limits of a module, since
// it has a custom section that makes it larger than its code.
func slowToCompile(t *testing.T) string {
	t.Helper()
	const locals, loops = 200, 2000
	number := func(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }
	text := func(s string) []byte { return append(number(len(s)), s...) }
	section := func(id byte, parts ...[]byte) []byte {
		content := bytes.Join(parts, nil)
		return append(append([]byte{id}, number(len(content))...), content...)
	}
	body := append(append([]byte{1}, number(locals)...), 0x7e) // i64
	for k := range loops {
		a, b := number(k%locals), number((7*k+1)%locals)
		body = append(body, 0x03, 0x40)               // loop
		body = append(append(body, 0x20), a...)       // local.get
		body = append(append(body, 0x20), b...)       // local.get
		body = append(append(body, 0x7c, 0x21), a...) // i64.add, local.set
		body = append(append(body, 0x20), b...)       // local.get
		body = append(body, 0x50, 0x0d, 0, 0x0b)      // i64.eqz, br_if 0, end
	}
	body = append(body, 0x41, 0, 0x0b) // i32.const 0, end
	module := bytes.Join([][]byte{
		[]byte("\x00asm\x01\x00\x00\x00"),
		section(1, []byte{1, 0x60, 0, 1, 0x7f}), // a function that returns an i32
		section(2, []byte{1}, text("wasmworker:activity/v1"), text("status"), []byte{0, 0}),
		section(3, []byte{1, 0}),
		section(7, []byte{1}, text("Slow"), []byte{0, 1}),
		section(10, []byte{1}, number(len(body)), body),
		section(0, text("padding"), make([]byte, 80<<10)),
	}, nil)
	path := filepath.Join(t.TempDir(), "slow.wasm")
	if err := os.WriteFile(path, module, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// children are the processes whose parent is the given one.
func children(t *testing.T, parent int) (pids []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if fields[0] != "Z" && fields[1] == fmt.Sprint(parent) {
			pids = append(pids, filepath.Base(filepath.Dir(path)))
		}
	}
	return pids
}

// A module that takes too long is killed at the deadline, in the middle of a function.
func TestCompileTimeout(t *testing.T) {
	r := command{args: []string{"invoke", "--cache-dir", "none", "--compile-timeout", "0.1", slowToCompile(t), "Slow"}}.run(t)
	if want := "slow.wasm: compiling took longer than 100ms; raise the limit"; r.code != 2 || !strings.Contains(r.stderr, "wasmworker: --compile-timeout: ") || !strings.Contains(r.stderr, want) {
		t.Errorf("exit code %d, stderr:\n%s", r.code, r.stderr)
	}
}

func TestCompileMemoryLimit(t *testing.T) {
	r := command{args: []string{"invoke", "--cache-dir", "none", "--compile-memory-limit", "8MiB", testbed.Guest(t, acts), "Work", "1"}}.run(t)
	if want := "compiling took more than 8 MiB of memory; raise the limit"; r.code != 2 || !strings.Contains(r.stderr, "wasmworker: --compile-memory-limit: ") || !strings.Contains(r.stderr, want) {
		t.Errorf("exit code %d, stderr:\n%s", r.code, r.stderr)
	}
}

// A signal ends the worker soon while it compiles, and its compiler with it.
func TestSignalDuringCompilation(t *testing.T) {
	server := testbed.Shared(t)
	w := server.StartServe(t, "--task-queue", queue(t), "--modules", slowToCompile(t), "--cache-dir", t.TempDir())
	var compilers []string
	testbed.Eventually(t, "a compiler runs", func() error {
		if compilers = children(t, w.PID()); len(compilers) == 0 {
			return fmt.Errorf("the worker says\n%s", w.Stderr())
		}
		return nil
	})
	begin := time.Now()
	w.Signal(syscall.SIGTERM)
	code := w.Wait(t)
	if took := time.Since(begin); code != 0 || took > 5*time.Second {
		t.Errorf("exit code %d after %s, stderr:\n%s", code, took, w.Stderr())
	}
	if !strings.Contains(w.Stderr(), "stopped before polling began") {
		t.Errorf("it says\n%s", w.Stderr())
	}
	for _, pid := range compilers {
		if _, err := os.Stat("/proc/" + pid); err == nil {
			t.Errorf("process %s is still there", pid)
		}
	}
}
