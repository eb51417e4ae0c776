package fsmod_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
	"github.com/wasmworker/wasmworker/internal/yamlnode"
)

// read makes a policy of YAML, as the command line does. DIR stands for the directory.
func read(t *testing.T, text, dir string) (*fsmod.Policy, error) {
	t.Helper()
	policy := fsmod.New().NewPolicy().(*fsmod.Policy)
	if err := yamlnode.Unmarshal([]byte(strings.ReplaceAll(text, "DIR", dir)), policy); err != nil {
		t.Fatal(err)
	}
	return policy, fsmod.New().CheckPolicy(policy)
}

func TestPolicy(t *testing.T) {
	dir := t.TempDir()
	policy, err := read(t, "{mounts: {/data: DIR, /out: {directory: DIR}}, max_file_bytes: 1MiB, max_written_bytes: 2MiB, max_open: 3}", dir)
	want := &fsmod.Policy{Mounts: map[string]fsmod.Mount{"/data": {Directory: dir}, "/out": {Directory: dir}}, MaxFileBytes: 1 << 20, MaxWrittenBytes: 2 << 20, MaxOpen: 3}
	if err != nil || !reflect.DeepEqual(policy, want) {
		t.Errorf("%+v, %v", policy, err)
	}
	text, err := json.Marshal(policy)
	if back := (fsmod.Policy{}); err != nil || json.Unmarshal(text, &back) != nil || !reflect.DeepEqual(&back, want) {
		t.Errorf("%s is %+v, %v", text, back, err)
	}
	if policy, err := read(t, "{}", dir); err != nil || policy.Mounts != nil {
		t.Error(policy, err)
	}
	if policy, err := read(t, "{mounts: {/: {directory: DIR, write: true}}}", dir); err != nil || !policy.Mounts["/"].Write {
		t.Error(policy, err)
	}
}

// Every mistake is reported with its place, all of them at once.
func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a/b", "c"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"link": filepath.Join(dir, "a"), "dangling": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"mounts: {data: DIR}", []string{`mounts.data: "data" is not an absolute path such as /data`}},
		{`mounts: {"": DIR}`, []string{`"" is not an absolute path`}},
		{"mounts: {/data/: DIR, /x/../y: DIR}", []string{"mounts./data/: ", "write it as /data", "write it as /y"}},
		{`mounts: {"/a\0b": DIR}`, []string{"without a zero byte"}},
		{"mounts: {/data: DIR, /data/x: DIR}", []string{"mounts./data/x: /data/x is inside of the mount /data"}},
		{"mounts: {/: DIR, /x: DIR}", []string{"/x is inside of the mount /"}},
		{"mounts: {/data: .}", []string{`mounts./data.directory: "." is not the absolute path`}},
		{"mounts: {/data: {write: true}}", []string{`mounts./data.directory: "" is not the absolute path`}},
		{"mounts: {/a: DIR/none, /b: DIR/dangling, /c: DIR/file}", []string{"mounts./a.directory: the directory cannot be used", "mounts./b.directory: ", "mounts./c.directory: ", "is not a directory"}},
		{"mounts: {/a: DIR, /b: {directory: DIR, write: true}}", []string{"mounts./b: it has a directory in common with /a"}},
		{"mounts: {/a: {directory: DIR/a/b, write: true}, /b: DIR/a}", []string{"mounts./b: it has a directory in common with /a"}},
		{"mounts: {/a: {directory: DIR/link, write: true}, /b: DIR/a/b}", []string{"mounts./b: it has"}},
		{"max_open: 5", []string{"mounts: it is empty"}},
		{"{mounts: {/a: DIR}, max_open: 5000, max_file_bytes: 2TiB, max_written_bytes: 2TiB}", []string{"max_open: 5000 is not between 1 and 4096", "max_file_bytes: ", "max_written_bytes: "}},
		{"{mounts: {/a: DIR}, max_open: -1}", []string{"max_open: -1"}},
	} {
		_, err := read(t, tt.text, dir)
		if err == nil {
			t.Errorf("%s: no error", tt.text)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", tt.text, err, want)
			}
		}
	}
	// Directories side by side may differ in write, and directories that overlap may have
	// the same write.
	for _, text := range []string{
		"mounts: {/a: {directory: DIR/a, write: true}, /b: DIR/c}",
		"mounts: {/a: {directory: DIR, write: true}, /b: {directory: DIR/a, write: true}}",
		"mounts: {/data: DIR/link, /database: DIR/link}",
	} {
		if _, err := read(t, text, dir); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestExplain(t *testing.T) {
	dir := t.TempDir()
	policy, err := read(t, "mounts: {/data: DIR/., /out: {directory: DIR/., write: true}}", dir)
	if err == nil {
		t.Fatal("they overlap")
	}
	for _, tt := range []struct {
		words   string
		allowed bool
		reason  string
		path    string
	}{
		{"read /data/x", true, "the mount /data has it", "mounts./data"},
		{"read /data", true, "the mount /data has it", "mounts./data"},
		{"write /data/x", false, "would allow it with write: true", "mounts./data"},
		{"write /out/x/y", true, "the mount /out has it", "mounts./out"},
		{"read /database", false, "no mount of the fs policy has the path /database", ""},
		{"read /data/../etc/passwd", false, "has the path /etc/passwd", ""},
	} {
		verdict, err := policy.Explain(strings.Fields(tt.words))
		if err != nil || verdict.Allowed != tt.allowed || !strings.Contains(verdict.Reason, tt.reason) || passthrough.PathString(verdict.Path) != tt.path {
			t.Errorf("%s: %+v, %v", tt.words, verdict, err)
		}
	}
	for _, words := range []string{"", "read", "/data/x", "delete /data/x", "read data", "read /data /x"} {
		if _, err := policy.Explain(strings.Fields(words)); err == nil {
			t.Errorf("%q: no error", words)
		}
	}
}
