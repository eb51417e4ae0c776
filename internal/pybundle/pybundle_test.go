package pybundle_test

import (
	"archive/zip"
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/pybundle"
)

// base is the stand-in for the interpreter, which reads names of activities in the files.
func base(t *testing.T) *pybundle.Base {
	t.Helper()
	module, err := os.ReadFile("testdata/pythonbase.wasm")
	if err != nil {
		t.Fatal(err)
	}
	b, err := pybundle.Read(module)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tree writes files below a directory and returns it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func collect(t *testing.T, name string) *pybundle.App {
	t.Helper()
	app, err := pybundle.Collect(name)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func TestBuild(t *testing.T) {
	b := base(t)
	if got := b.Passthrough(); !slices.Equal(got, []string{"http", "sql"}) {
		t.Errorf("it knows the passthrough modules %v", got)
	}
	dir := tree(t, map[string]string{"app.py": "activity Greet\nactivity Größe\n"})
	var modulesMade [][]byte
	for range 2 {
		module, names, err := b.Build(t.Context(), collect(t, filepath.Join(dir, "app.py")), []string{"sql"}, "")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(names.Activities, []string{"Greet", "Größe"}) {
			t.Errorf("activities %q", names)
		}
		modulesMade = append(modulesMade, module)
	}
	if !bytes.Equal(modulesMade[0], modulesMade[1]) {
		t.Error("the same files make different modules")
	}
	file, err := modules.Parse("app", modulesMade[0])
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	for _, imp := range file.Imports {
		asked = append(asked, imp.Module+" "+imp.Name)
	}
	if text := strings.Join(asked, "\n"); strings.Contains(text, "http") || !strings.Contains(text, "wasmworker:sql/v1 query") {
		t.Errorf("it imports\n%s", text)
	}
	// Only sql needs a grant.
	if err := (passthrough.Set{}).Check(file, nil); err == nil || !strings.Contains(err.Error(), "sql") || strings.Contains(err.Error(), "http") {
		t.Errorf("without grants: %v", err)
	}
}

// A module of workflows imports nothing that workflows may not have, though the interpreter
// does, and its functions have the types of what it imports instead.
func TestWorkflows(t *testing.T) {
	dir := tree(t, map[string]string{"flows.py": "workflow Order\n", "acts.py": "activity Charge\n"})
	app := collect(t, filepath.Join(dir, "flows.py"))
	// Its own directory has what it imports.
	if err := app.AddDependencies(dir); err != nil {
		t.Fatal(err)
	}
	module, defined, err := base(t).Build(t.Context(), app, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if want := "workflows Order; not in it, since they need a bundle of their own: activities Charge"; defined.String() != want {
		t.Errorf("it has %s, want %s", defined, want)
	}
	file, err := modules.Parse("app", module)
	if err != nil {
		t.Fatal(err)
	}
	for _, imp := range file.Imports {
		if imp.Module != "wasmworker:workflow/v1" && imp.Module != "wasi_snapshot_preview1" {
			t.Errorf("it imports %s %s", imp.Module, imp.Name)
		}
	}
	box, err := sandbox.New(sandbox.Config{Modules: []*modules.File{file}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close(t.Context()) //nolint:errcheck // the test ends
	if err := box.Compile(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := base(t).Build(t.Context(), app, []string{"sql"}, ""); err == nil || !strings.Contains(err.Error(), "leave out --passthrough sql") {
		t.Errorf("with a passthrough module: %v", err)
	}
}

// Functions of an embedder's modules take the places of those without a name, in order.
func TestEmbedded(t *testing.T) {
	b := base(t)
	app := collect(t, filepath.Join(tree(t, map[string]string{"app.py": "activity A\n"}), "app.py"))
	module, _, err := b.Build(t.Context(), app, []string{"sql", "tides.high", "weather/v2.forecast"}, "")
	if err != nil {
		t.Fatal(err)
	}
	file, err := modules.Parse("app", module)
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	for _, imp := range file.Imports {
		if strings.HasPrefix(imp.Module, "wasmworker:") && imp.Module != "wasmworker:activity/v1" || strings.HasPrefix(imp.Module, "python:") {
			asked = append(asked, imp.Module+" "+imp.Name)
		}
	}
	if want := []string{"wasmworker:sql/v1 query", "wasmworker:tides/v1 high", "wasmworker:weather/v2 forecast"}; !slices.Equal(asked, want) {
		t.Errorf("it imports %q, want %q", asked, want)
	}
	if !bytes.Contains(module, []byte("sql\x00tides.high\x00weather/v2.forecast\x00")) {
		t.Error("the bundle does not have their names")
	}
	for _, c := range []struct {
		asked []string
		want  string
	}{
		{[]string{"http", "sql", "a.b", "c.d"}, ""},
		{[]string{"htp"}, `"htp"; did you mean "http"?`},
		{[]string{"weather"}, "as in weather.forecast"},
		{[]string{"http.send"}, "name http alone"},
		{[]string{"Weather.forecast"}, "as in weather.forecast"},
		{[]string{"weather.fore-cast"}, "as in weather.forecast"},
		{[]string{"weather/v0.forecast"}, "as in weather.forecast"},
		{[]string{"a.a", "a.b", "a.c"}, "3 functions of an embedder's modules, and the interpreter has room for 2"},
	} {
		err := b.CheckPassthrough(c.asked)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q", c.asked, err, c.want)
		}
	}
}

// What an interpreter says of compiled code is not believed.
func TestCompiledOf(t *testing.T) {
	good := "\x01\x00\x00\x00\x02\x00\x00\x00axyA\x00\x00\x00"
	for n := range len(good) + 1 {
		got, err := pybundle.CompiledOf([]byte(good[:n]))
		switch whole := n == 0 || n == 11; {
		case whole != (err == nil):
			t.Errorf("%d bytes: error %v", n, err)
		case n == 11 && string(got["a"]) != "xy":
			t.Errorf("read %q", got)
		}
	}
}

// Activities are the exports that the names were given to, and instances can be reset.
func TestRun(t *testing.T) {
	app := collect(t, filepath.Join(tree(t, map[string]string{"app.py": "activity A\nactivity B\n"}), "app.py"))
	module, _, err := base(t).Build(t.Context(), app, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	file, err := modules.Parse("app", module)
	if err != nil {
		t.Fatal(err)
	}
	box, err := sandbox.New(sandbox.Config{Modules: []*modules.File{file}})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close(t.Context()) //nolint:errcheck // the test ends
	for i, name := range []string{"A", "B"} {
		result, err := box.Run(t.Context(), sandbox.Task{Activity: name})
		if err != nil || string(result.Data) != string(rune('0'+i)) {
			t.Errorf("%s: %v, error %v", name, result, err)
		}
	}
	if m := box.Modules()[0]; m.Isolation() != sandbox.IsolationPristine {
		t.Errorf("its isolation is %s: %s", m.Isolation(), m.Fallback())
	}
	if n := len(box.Activities()); n != 2 {
		t.Errorf("%d activities", n)
	}
}

// The archive has the app's files, and nothing of what is of no use in it.
func TestArchive(t *testing.T) {
	dir := tree(t, map[string]string{
		"orders/__init__.py": "x", "orders/data/rates.csv": "y", "orders/__pycache__/a.pyc": "", "orders/.git/config": "", "orders/fast.cpython-313.so": "",
	})
	dependencies := tree(t, map[string]string{
		"six.py": "z", "six-1.dist-info/METADATA": "Name: six", "six-1.dist-info/RECORD": "", "bin/tool": "#!", "lib.so.1": "",
	})
	app := collect(t, filepath.Join(dir, "orders"))
	if err := app.AddDependencies(dependencies); err != nil {
		t.Fatal(err)
	}
	archive, err := app.Archive([]string{"http"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range r.File {
		names = append(names, f.Name)
	}
	want := []string{"bundle.json", "orders/__init__.py", "orders/data/rates.csv", "six-1.dist-info/METADATA", "six.py"}
	if !slices.Equal(names, want) {
		t.Errorf("it has %q", names)
	}
	f, err := r.Open("bundle.json")
	if err != nil {
		t.Fatal(err)
	}
	settings, err := io.ReadAll(f)
	if err != nil || string(settings) != `{"entry":"orders","passthrough":["http"]}` {
		t.Errorf("bundle.json is %s, error %v", settings, err)
	}
	if want := []pybundle.Native{{File: "orders/fast.cpython-313.so"}, {File: "lib.so.1"}}; !slices.Equal(app.Native, want) {
		t.Errorf("native code: %q", app.Native)
	}
}

func TestRefusals(t *testing.T) {
	dir := tree(t, map[string]string{
		"none.py": "nothing", "twice.py": "activity A\nactivity A\n", "four.py": "activity A\nactivity B\nactivity C\nactivity D\n",
		"hidden.py": "activity _A\n", "odd-name.py": "activity A\n", "control.py": "activity A\u202e\n", "notes.txt": "", "folder/x.py": "",
		"both/app.py": "activity A\n", "both/bundle.json": "{}",
	})
	other := tree(t, map[string]string{"twice.py": ""})
	for name, want := range map[string]string{
		"none.py": "defines no activities", "twice.py": `two activities with the name "A"`, "four.py": "4 activities, and a module can have 3",
		"hidden.py": "begins with _", "odd-name.py": "no name that Python can import", "control.py": "U+202E", "notes.txt": "a .py file or a directory",
		"folder": "__init__.py", "both": "already: rename it", "missing.py": "no such file", "+dependencies": "rename one of them",
	} {
		path := filepath.Join(dir, name)
		if name == "+dependencies" {
			path = filepath.Join(dir, "twice.py")
		}
		app, err := pybundle.Collect(path)
		if err == nil && name == "+dependencies" {
			err = app.AddDependencies(other)
		}
		if err == nil {
			_, _, err = base(t).Build(t.Context(), app, nil, "")
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
}

// Whatever is not an interpreter is refused, and nothing is read beyond its end.
func TestReadRefuses(t *testing.T) {
	whole, err := os.ReadFile("testdata/pythonbase.wasm")
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) {
		if _, err := pybundle.Read(whole[:n]); err == nil && n < len(whole)-600 {
			t.Errorf("the first %d bytes are taken for an interpreter", n)
		}
		damaged := bytes.Clone(whole)
		damaged[n] ^= 0x80
		pybundle.Read(damaged) //nolint:errcheck // it must not panic
	}
	app := collect(t, filepath.Join(tree(t, map[string]string{"app.py": "activity A\n"}), "app.py"))
	module, _, err := base(t).Build(t.Context(), app, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pybundle.Read(module); err == nil {
		t.Error("a module with a bundle is taken for an interpreter")
	}
	echo, err := os.ReadFile("../../testdata/wat/echo.wasm")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pybundle.Read(echo); err == nil || !strings.Contains(err.Error(), "no interpreter") {
		t.Errorf("error %v", err)
	}
}
