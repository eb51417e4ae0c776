package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.temporal.io/sdk/client"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// asOwner runs a program as a user who owns the test's files and has no power over the
// permissions of others. Root has that, but for one of a user namespace in which it is
// somebody else.
func asOwner(cmd *exec.Cmd) {
	if os.Getuid() != 0 {
		return
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getgid(), Size: 1}},
		Credential:  &syscall.Credential{Uid: 1000, Gid: 1000, NoSetGroups: true},
	}
}

// echoed runs the activity Echo with a cache setting, and returns the warnings and
// whether the code came from the cache.
func echoed(t *testing.T, cmd *exec.Cmd, env ...string) (warnings []string, cached bool) {
	t.Helper()
	cmd.Env = append(testbed.CleanEnv(), env...)
	p := testbed.Start(t, cmd)
	if code := p.Wait(t); code != 0 || p.Stdout() != "\"x\"\n" {
		t.Fatalf("exit code %d, result %q, stderr:\n%s", code, p.Stdout(), p.Stderr())
	}
	for _, record := range p.Logs() {
		if record["level"] == "WARN" {
			text, err := json.Marshal(record)
			if err != nil {
				t.Fatal(err)
			}
			warnings = append(warnings, string(text))
		}
		cached = cached || record["cached"] == true
	}
	return warnings, cached
}

func echoCommand(t *testing.T, flags ...string) *exec.Cmd {
	return exec.Command(testbed.Program(t), append(append([]string{"invoke", "--log-level", "debug"}, flags...), wat(t, "echo"), "Echo", `"x"`)...)
}

// limited lets a program write files of at most 1 KiB, as on a disk that is full then.
func limited(cmd *exec.Cmd) *exec.Cmd {
	return exec.Command("sh", append([]string{"-c", `ulimit -f 2; exec "$0" "$@"`}, cmd.Args...)...)
}

// A cache that cannot be written costs time and nothing else, be it the default one or
// one that was named.
func TestCacheCannotBeWritten(t *testing.T) {
	notDirectory := file(t, "file", "")
	locked := t.TempDir()
	if err := os.Chmod(locked, 0o500); err != nil {
		t.Fatal(err)
	}
	full := t.TempDir()
	for name, tt := range map[string]struct {
		cmd  func(flags ...string) *exec.Cmd
		dir  string // named by the flag; "": the default
		home string
		want []string
	}{
		"a file in the place of the cache":   {dir: notDirectory, want: []string{notDirectory, "not a directory"}},
		"a cache below a file":               {dir: filepath.Join(notDirectory, "below"), want: []string{"below", "not a directory"}},
		"a home that is none":                {home: notDirectory, want: []string{filepath.Join(notDirectory, ".cache", "wasmworker"), "not a directory"}},
		"a home that cannot be written":      {home: locked, want: []string{locked, "permission denied"}},
		"a directory that cannot be written": {dir: locked, want: []string{locked, "permission denied"}},
		"a disk that is full": {dir: full, want: []string{full, "file too large"}, cmd: func(flags ...string) *exec.Cmd {
			return limited(echoCommand(t, flags...))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				cmd := echoCommand(t)
				var flags []string
				if tt.dir != "" {
					flags = []string{"--cache-dir", tt.dir}
					cmd = echoCommand(t, flags...)
				}
				if tt.cmd != nil {
					cmd = tt.cmd(flags...)
				} else {
					asOwner(cmd)
				}
				warnings, cached := echoed(t, cmd, "HOME="+tt.home, "XDG_CACHE_HOME=")
				if len(warnings) != 1 || cached {
					t.Fatalf("warnings %v, from the cache: %t; want one warning", warnings, cached)
				}
				for _, want := range append(tt.want, "--cache-dir (WASMWORKER_CACHE_DIR), or none") {
					if !strings.Contains(warnings[0], want) {
						t.Errorf("warning %s does not contain %q", warnings[0], want)
					}
				}
			}
		})
	}
	// What the full disk left is not taken for more than it is: once there is room, it is
	// completed and then used.
	for i := range 2 {
		if warnings, cached := echoed(t, echoCommand(t, "--cache-dir", full)); len(warnings) != 0 || cached != (i == 1) {
			t.Errorf("start %d with room again: warnings %v, from the cache: %t", i+1, warnings, cached)
		}
	}
}

// A cache that was filled before it became one to be read alone is used, with nothing to
// say.
func TestCacheIsReadOnly(t *testing.T) {
	dir := t.TempDir()
	echoed(t, echoCommand(t, "--cache-dir", dir))
	chmod := func(mode os.FileMode) {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				err = os.Chmod(path, mode)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	chmod(0o500)
	defer chmod(0o700)
	cmd := echoCommand(t, "--cache-dir", dir)
	asOwner(cmd)
	if warnings, cached := echoed(t, cmd); len(warnings) != 0 || !cached {
		t.Errorf("warnings %v, from the cache: %t", warnings, cached)
	}
}

func TestServeWithoutCache(t *testing.T) {
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	dir := filepath.Join(file(t, "file", ""), "cache")
	w := server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", q, "--cache-dir", dir)
	result[span](t, execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Work", 1))
	if n := strings.Count(w.Stderr(), "the cache of compiled modules cannot be written"); n != 1 || !strings.Contains(w.Stderr(), dir) {
		t.Errorf("the worker says so %d times, want once, with the directory %s", n, dir)
	}
}
