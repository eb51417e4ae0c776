package replay_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/wasmworker/wasmworker/host/hosttest"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// steps are for the activity Files of testdata/guests/files.
func steps(list ...string) []any {
	all := [][]string{}
	for _, step := range list {
		all = append(all, strings.Split(step, " "))
	}
	return []any{all}
}

// temporary builds the guest, and makes an empty directory for temporary files from then
// on, of which nothing may be left or open when the test ends.
func temporary(t *testing.T) (module string) {
	module = guest(t, "guests/files")
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Cleanup(func() { // after the environments are closed
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("this is left: %v, %v", left, err)
		}
		descriptors, _ := os.ReadDir("/proc/self/fd") // where there is such a directory
		for _, d := range descriptors {
			if target, err := os.Readlink("/proc/self/fd/" + d.Name()); err == nil && strings.HasPrefix(target, dir) {
				t.Errorf("%s is open", target)
			}
		}
	})
	return module
}

// Nothing of the host's file system is seen: neither times, nor numbers, nor an order, in
// either engine.
func TestFilesSameEveryTime(t *testing.T) {
	module := temporary(t)
	files := map[string][]byte{"/data/empty/": nil, "/data/sub/b": []byte("b"), "/in/fixed": []byte("read")}
	for i := range 50 {
		files[fmt.Sprintf("/data/many/%02d", i)] = []byte{byte(i)}
	}
	a := replay.Activity{Type: "Files", Files: files, Args: steps(
		"facts /data", "facts /data/sub", "facts /data/sub/b", "names /data", "names /data/many", "names /in", "facts /in/fixed", "write /in/fixed x",
		"facts /data/many/07", "write /data/new 12345", "facts /data/new", "remove /data/new", "facts /data", "write /data/newer 1", "facts /data/newer",
		"touch /data/newer", "facts /data/newer", "append /data/newer 234", "facts /data/newer", "rename /data/newer /data/sub/moved", "facts /data/sub/moved", "facts /data/sub",
		"touch /data/sub", "facts /data/sub", "truncate /data/sub/moved", "facts /data/sub/moved", "mkdir /data/made/deep", "facts /data/made", "remove /data/many", "names /data",
	)}
	const start = "modified 2026-01-01T00:00:00Z"
	want := []string{
		"d--------- size 0 device 1 inode 1 links 1 " + start, "d--------- size 0 device 1 inode 2 links 1 " + start, "---------- size 1 device 1 inode 3 links 1 " + start, "empty many sub",
	}
	var digest string
	var units int64
	for n, options := range []replay.Options{
		{}, interpreted(), {Defaults: sandbox.Options{Isolation: sandbox.IsolationFresh}}, {Defaults: sandbox.Options{Isolation: sandbox.IsolationReuse}},
	} {
		options.Modules, options.Mounts = []string{module}, replay.Mounts{"/data": true, "/in": false}
		env := hosttest.New(t, options)
		for range 5 {
			run := env.Run(a)
			var got []string
			if err := run.Result(&got); err != nil {
				t.Fatal(err)
			}
			if digest == "" {
				digest, units = run.Digest(), run.Fuel
			}
			if run.Digest() != digest || run.Fuel != units {
				t.Errorf("with options %d it is another one, with %d units instead of %d:\n%s", n, run.Fuel, units, strings.Join(got, "\n"))
			}
			if !slices.Equal(got[:len(want)], want) || got[7] != "error: open /in/fixed: Read-only file system" {
				t.Errorf("%q", got)
			}
			if names := strings.Fields(got[4]); len(names) != 50 || !slices.IsSorted(names) {
				t.Errorf("%q", names)
			}
			if strings.Contains(got[12], start) {
				t.Errorf("a directory in which something was made and removed was not modified: %s", got[12])
			}
			if strings.Contains(got[10], start) || !strings.Contains(got[10], "modified 2026-01-01T00:00:0") {
				t.Errorf("a file that the guest wrote was not modified by its clock: %s", got[10])
			}
			if field := func(i int) string { return strings.Fields(got[i])[6] }; field(10) == field(14) || field(14) != field(20) {
				t.Errorf("the numbers of a file, of one that took its place, and of that under another name: %s, %s, %s", got[10], got[14], got[20])
			}
			if !strings.Contains(got[16], "modified 1970-01-01T00:00:02Z") || strings.Contains(got[18], "1970") || !strings.Contains(got[23], "1970") {
				t.Errorf("%q, %q, %q", got[16], got[18], got[23])
			}
		}
	}
}

// Each run has files of its own, and returns them.
func TestFiles(t *testing.T) {
	module := temporary(t)
	env := hosttest.New(t, replay.Options{Modules: []string{module}, Mounts: replay.Mounts{"/": true}})
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			text := fmt.Sprint(i)
			changes := 0
			run := env.Run(replay.Activity{
				Type: "Files", Files: map[string][]byte{"/in/a": []byte(text), "/directory/": nil},
				Args:    steps("tree /", "read /in/a", "append /in/a !", "mkdir /out/deep", "write /out/b "+text, "remove /directory"),
				Changed: func(ctx context.Context) { changes++ },
			})
			var got []string
			if err := run.Result(&got); err != nil || !reflect.DeepEqual(got, []string{"/ /directory /in /in/a", text, "", "", "", ""}) || changes < 5 {
				t.Errorf("%q, %v, %d changes", got, err, changes)
			}
			want := map[string][]byte{"/in/": {}, "/in/a": []byte(text + "!"), "/out/": {}, "/out/deep/": {}, "/out/b": []byte(text)}
			if !maps.EqualFunc(run.Files, want, func(a, b []byte) bool { return string(a) == string(b) }) {
				t.Errorf("%q", run.Files)
			}
		})
	}
	group.Wait()
	// An attempt that died leaves what it had written.
	run := env.Run(replay.Activity{Type: "Files", Args: steps("write /a 1")})
	dead := env.Run(replay.Activity{Type: "Files", Args: steps("write /a 1", "tree /", "write /b 2"), Kill: run.Fuel})
	if dead.Failure() == nil || string(dead.Files["/a"]) != "1" || dead.Files["/b"] != nil {
		t.Errorf("%+v", dead)
	}
	// What differs in files alone differs.
	if other := env.Run(replay.Activity{Type: "Files", Args: steps("write /a 2")}); other.Digest() == run.Digest() || other.Fuel != run.Fuel {
		t.Errorf("%+v", other)
	}
	for name, want := range map[string]string{"a": "not an absolute path", "/a/../b": "write it as /b", "/": "is a mount", "/a\x00": "zero byte", "/f/": "has content", "/file/x": "/file would be a directory"} {
		run := env.Run(replay.Activity{Type: "Files", Args: steps(), Files: map[string][]byte{name: []byte("x"), "/file": nil}})
		if run.Err == nil || !strings.Contains(run.Err.Error(), want) {
			t.Errorf("%s: %v", name, run.Err)
		}
	}
}

// Without mounts there are no files, and no guest has the real ones of a test.
func TestNoMounts(t *testing.T) {
	module := temporary(t)
	env := hosttest.New(t, replay.Options{Modules: []string{module}})
	run := env.Run(replay.Activity{Type: "Files", Args: steps("read /etc/passwd")})
	if run.Err != nil || !strings.Contains(string(run.Output.Data), "error: open /etc/passwd") || run.Files != nil {
		t.Errorf("%+v", run)
	}
	if run := env.Run(replay.Activity{Type: "Files", Args: steps(), Files: map[string][]byte{}}); run.Err == nil || !strings.Contains(run.Err.Error(), "Mounts") {
		t.Errorf("%+v", run)
	}
	for want, options := range map[string]replay.Options{
		"leave one of them out":   {Mounts: replay.Mounts{"/": true}, Defaults: sandbox.Options{Policies: map[string]any{fsmod.Name: &fsmod.Policy{}}}},
		"not an absolute path":    {Mounts: replay.Mounts{"data": true}},
		"/a/b is inside of the m": {Mounts: replay.Mounts{"/a": true, "/a/b": true}},
	} {
		options.Modules = []string{module}
		if env, err := replay.Open(context.Background(), options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v", err)
			if err == nil {
				env.Close() //nolint:errcheck
			}
		}
	}
}
