package templates_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/internal/testbed"
	"github.com/wasmworker/wasmworker/templates"
)

func TestMain(m *testing.M) { os.Exit(testbed.Main(m.Run)) }

// sdk is the directory of a language's SDK in this checkout.
func sdk(t *testing.T, l templates.Language) string {
	switch l.Name {
	case "c", "cpp":
		return "" // headers are copied
	}
	return filepath.Join(testbed.Root(t), "guest-sdk", l.Name)
}

func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() { // a .venv has links to directories
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		files[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A project has every file of its template that the repository has, under its own name.
func TestWrite(t *testing.T) {
	for _, l := range templates.Languages {
		t.Run(l.Name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "price-list2")
			commands, err := l.Write(dir, "")
			if err != nil {
				t.Fatal(err)
			}
			got := tree(t, dir)
			list := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", ".")
			list.Dir = l.Name
			output, err := list.Output()
			if err != nil {
				t.Fatal(err)
			}
			for file := range strings.FieldsSeq(string(output)) {
				if _, ok := got[strings.TrimSuffix(file, ".tmpl")]; !ok {
					t.Errorf("the project lacks %s", file)
				}
			}
			named := false
			for path, text := range got {
				if !strings.HasPrefix(path, "sdk/") && (strings.Contains(text, "my-activity") || strings.Contains(text, "my_activity")) {
					t.Errorf("%s has the template's name", path)
				}
				named = named || strings.Contains(text, "price-list2")
			}
			if cases := got["greet.test.yaml"]; !strings.Contains(cases, "price-list2.wasm\n") {
				t.Errorf("greet.test.yaml is not for the project's module:\n%s", cases)
			}
			if !named {
				t.Error("no file has the project's name")
			}
			if !slices.ContainsFunc(commands, func(c string) bool { return strings.HasPrefix(c, "wasmworker invoke ") }) {
				t.Errorf("the README's commands do not invoke the activity: %q", commands)
			}
			if _, err := l.Write(dir, ""); err == nil || !strings.Contains(err.Error(), "is not empty") {
				t.Errorf("a second project in the same directory: %v", err)
			}
		})
	}
}

// With a checkout, the project refers to it, and has no copy of the SDK. Everything else
// is the same.
func TestWriteLocal(t *testing.T) {
	for _, l := range templates.Languages {
		directory := sdk(t, l)
		if directory == "" {
			continue
		}
		plain, local := filepath.Join(t.TempDir(), "plain"), filepath.Join(t.TempDir(), "plain")
		if _, err := l.Write(plain, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Write(local, directory); err != nil {
			t.Fatal(err)
		}
		changed := 0
		before, after := tree(t, plain), tree(t, local)
		for path, text := range before {
			switch with, ok := after[path]; {
			case strings.HasPrefix(path, "sdk/"):
				if ok {
					t.Errorf("%s: there is a copy, too: %s", l.Name, path)
				}
			case !ok:
				t.Errorf("%s: %s is missing", l.Name, path)
			case with != text:
				changed++
				if !strings.Contains(with, "guest-sdk/"+l.Name) {
					t.Errorf("%s: %s has changed:\n%s", l.Name, path, with)
				}
			}
		}
		if changed != 2 { // the manifest and the README
			t.Errorf("%s: %d files refer to the checkout", l.Name, changed)
		}
		if before["sdk/LICENSE"] == "" || before["sdk/README.md"] == "" {
			t.Errorf("%s: the copy of the SDK has no license or no README", l.Name)
		}
		if _, err := l.Write(filepath.Join(t.TempDir(), "plain"), filepath.Join(directory, "missing")); err == nil || !strings.Contains(err.Error(), "there is no SDK for") {
			t.Errorf("%s: a missing SDK: %v", l.Name, err)
		}
	}
}

func TestNames(t *testing.T) {
	l, ok := templates.Find("C++")
	if !ok || l.Name != "cpp" {
		t.Errorf("C++ is %q", l.Name)
	}
	if l, ok := templates.Find("cobol"); ok {
		t.Errorf("there is %q", l.Name)
	}
	for _, name := range []string{"My-Activity", "1st", "a b", "a--b", "a-", "ü", "a.b", ".."} {
		if _, err := l.Write(filepath.Join(t.TempDir(), name), ""); err == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
}
