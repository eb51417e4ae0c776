package pybundle_test

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/internal/pybundle"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// The order of versions, as PEP 440 has it.
func TestVersions(t *testing.T) {
	ordered := []string{
		"1.dev3", "1.0a1.dev1", "1.0a1", "1.0a2", "1.0b1", "1.0rc1", "1.0rc2", "1.0", "1.0+abc", "1.0+abc.2", "1.0+5", "1.0.post1.dev1", "1.0-1", "1.0.post2",
		"1.0.1", "1.2", "1.10", "2024.1", "1!0.1",
	}
	for i := range ordered {
		for j := range ordered {
			got, err := pybundle.Compare(ordered[i], ordered[j])
			if err != nil || (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%s and %s compare to %d, error %v", ordered[i], ordered[j], got, err)
			}
		}
	}
	for _, same := range [][2]string{{"1.0", "1"}, {"v1.0", "1.0"}, {"1.0alpha", "1.0a0"}, {"1.0.RC-2", "1.0rc2"}, {"1.0-r4", "1.0.post4"}, {"1.0+A_b", "1.0+a.b"}} {
		if got, err := pybundle.Compare(same[0], same[1]); got != 0 || err != nil {
			t.Errorf("%s and %s compare to %d, error %v", same[0], same[1], got, err)
		}
	}
	for _, bad := range []string{"", "x", "1.x", "1..2", "1.0+", "99999999999999999999"} {
		if _, err := pybundle.Compare(bad, "1"); err == nil {
			t.Errorf("%q is taken for a version", bad)
		}
	}
}

func TestSpecifiers(t *testing.T) {
	for _, c := range []struct {
		specifier string
		yes, no   string
	}{
		{"", "1 2.dev1", ""},
		{"==1.4", "1.4 1.4.0 1.4+local", "1.4.1 1.4rc1"},
		{"==1.4.*", "1.4 1.4.9 1.4rc1 1.4.post1", "1.5 1.40 1 1!1.4"},
		{"!=1.4.*,>1", "1.5 1.3", "1.4.2 1.0"},
		{"~=1.4", "1.4 1.9", "1.3 2.0"},
		{"~=1.4.2", "1.4.2 1.4.10", "1.5 1.4.1"},
		{"~=2.0.0", "2.0.3", "2.1"},
		{">=2.8, <3", "2.8 2.31", "2.7 3.0 3.0rc1"},
		{"<3.0rc1", "3.0b1 2.9", "3.0rc1 3.0"},
		{">1.0", "1.1 1.0.1", "1.0 1.0.post1 1.0+x"},
		{">1.0.post1", "1.0.post2", "1.0.post1"},
		{"==1.4+cpu", "1.4+cpu", "1.4 1.4+gpu"},
		{"===1.0", "1.0", "1"},
	} {
		for text, want := range map[string]bool{c.yes: true, c.no: false} {
			for _, of := range strings.Fields(text) {
				if got, err := pybundle.Allows(c.specifier, of); err != nil || got != want {
					t.Errorf("%s allows %s: %v, error %v", c.specifier, of, got, err)
				}
			}
		}
	}
	for _, bad := range []string{"1.0", "=1.0", "~=1", ">=1.*", ">= 1 2", ">=x", "<"} {
		if _, err := pybundle.Allows(bad, "1"); err == nil {
			t.Errorf("%q is taken for a specifier", bad)
		}
	}
}

func TestMarkers(t *testing.T) {
	for text, want := range map[string]bool{
		`a`:                                  true,
		`a>=1; python_version >= "3.9"`:      true, // and not a comparison of text
		`a (>=1) ; python_version < '3.9'`:   false,
		`a; "3.9" <= python_version`:         true,
		`a; python_full_version ~= "3.13.0"`: true,
		`a; sys_platform == "win32"`:         false,
		`a; sys_platform != "win32" and (os_name == "nt" or platform_system in "WASI Linux")`: true,
		`a; platform_machine not in "x86_64 arm64"`:                                           true,
		`a; extra == "fast"`: false,
		`a; platform_python_implementation == "PyPy" or python_implementation == "CPython"`: true,
		`a @ https://example.com/a;b.whl ; os.name == "nt"`:                                 false,
	} {
		if got, err := pybundle.Holds(text); err != nil || got != want {
			t.Errorf("%s: %v, error %v", text, got, err)
		}
	}
	if got, err := pybundle.Holds(`a; extra == "Fast.er"`, "fast-er"); !got || err != nil {
		t.Errorf("with the extra: %v, error %v", got, err)
	}
	for _, bad := range []string{
		"", "-a", "a b", "a; ", "a; python_version", `a; python == "3"`, `a; python_version >= "3" or`, `a; (os_name == "nt"`, `a; os_name == "nt")`, `a; os_name is "nt"`,
		"a; " + strings.Repeat("(", 1000) + `os_name == "nt"` + strings.Repeat(")", 1000), `a; os_name == "nt`,
	} {
		if got, err := pybundle.Holds(bad); err == nil && strings.TrimSpace(bad) != "a;" {
			t.Errorf("%.50q is taken for a requirement: %v", bad, got)
		}
	}
}

// The version that markers see is the one that is built.
func TestFullVersion(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testbed.Root(t), "guest-sdk/python/interpreter/build.sh"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "\npython="+pybundle.FullVersion+"\n") || !strings.HasPrefix(pybundle.FullVersion, pybundle.PythonVersion+".") {
		t.Errorf("build.sh has another version than %s", pybundle.FullVersion)
	}
}

// wheel is what pip installs of a distribution: METADATA, RECORD and files.
func wheel(files map[string]string, name, version string, head []string, own ...string) {
	info := strings.ReplaceAll(name, "-", "_") + "-" + version + ".dist-info/"
	files[info+"METADATA"] = "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n" + strings.Join(append(head, ""), "\n") + "\nRequires-Dist: none-of-this\n"
	record := info + "METADATA,,\n" + info + "RECORD,,\n../../bin/tool,,\n"
	for _, file := range own {
		files[file] = "# " + name
		record += file + ",sha256=x,3\n"
	}
	files[info+"RECORD"] = record
}

// packages is a directory as `pip install --target` fills it.
func packages(t *testing.T) string {
	files := map[string]string{"bin/tool": ""}
	wheel(files, "Shop", "2.1", []string{"Requires-Dist: tax-es[eu] (>=1)", `Requires-Dist: colors; sys_platform == "win32"`, "Requires-Dist: swift ; extra == 'fast'"}, "shop/__init__.py", "shop/rates.csv")
	wheel(files, "tax.es", "1.5", []string{"Requires-Dist: shop", `Requires-Dist: euro ; extra == "eu"`, `Requires-Dist: dollar ; extra == "us"`}, "taxes.py", "taxes/_fast.cpython-313-x86_64-linux-gnu.so")
	wheel(files, "euro", "1", nil, "euro.py")
	wheel(files, "other", "1", nil, "other.py")
	wheel(files, "late", "1", []string{"Requires-Python: >=3.14"}, "late.py")
	return tree(t, files)
}

func bundled(t *testing.T, app *pybundle.App) (names []string) {
	t.Helper()
	archive, err := app.Archive(nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.File {
		if !strings.Contains(f.Name, ".dist-info/") {
			names = append(names, f.Name)
		}
	}
	return names
}

// Of what is installed a bundle has what the project names, and what that requires.
func TestInstalled(t *testing.T) {
	dir := packages(t)
	for name, project := range map[string]map[string]string{
		"requirements": {"requirements.txt": "# all of it\n--index-url https://example.com/simple\n-r more/base.txt # and\n\nShop >= 2, \\\n  < 3 --hash=sha256:x\n", "more/base.txt": "-c limits.txt\neuro\n", "more/limits.txt": "euro<2\nother>7\n"},
		"pyproject":    {"pyproject.toml": "[project]\nname = 'app'\ndependencies = [\"shop~=2.0; python_version > '3.9'\", 'gone; os_name == \"nt\"']\n"},
	} {
		project["app.py"] = "activity A\n"
		at := tree(t, project)
		file, err := pybundle.FindProject(filepath.Join(at, "app.py"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		read, err := pybundle.ReadProject(file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		app := collect(t, filepath.Join(at, "app.py"))
		if err := app.AddInstalled(dir, read); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, want := bundled(t, app), []string{"app.py", "bundle.json", "euro.py", "shop/__init__.py", "shop/rates.csv", "taxes.py"}; !slices.Equal(slices.Sorted(slices.Values(got)), want) {
			t.Errorf("%s: it has %q", name, got)
		}
		if want := []pybundle.Native{{File: "taxes/_fast.cpython-313-x86_64-linux-gnu.so", Distribution: "tax.es 1.5"}}; !slices.Equal(app.Native, want) {
			t.Errorf("%s: native code %v", name, app.Native)
		}
	}
}

// What is missing, or of another version, is told by its name, with the command that installs it.
func TestInstalledRefuses(t *testing.T) {
	dir := packages(t)
	pip := "python3 -m pip install --only-binary :all: --python-version 3.13 --no-compile --upgrade --target " + dir
	for name, c := range map[string]struct {
		file, text string
		want       []string
	}{
		"missing":         {"requirements.txt", "euro\nhttp-lib>=2\n", []string{"http-lib>=2 is not in " + dir, "requirements.txt, line 2 requires it", pip + " --requirement "}},
		"version":         {"requirements.txt", "shop>=3\n", []string{dir + " has Shop 2.1", "line 1 requires shop>=3", pip}},
		"constraint":      {"requirements.txt", "shop\n-c requirements-limits.txt\n", []string{"Shop 2.1", "requirements-limits.txt, line 1 allows shop<2"}},
		"extra":           {"requirements.txt", "shop[fast]\n", []string{"swift ; extra == 'fast' is not in", "Shop 2.1 requires it", "requirements.txt swift"}},
		"python":          {"requirements.txt", "late", []string{"late 1 is for other versions of Python than 3.13.5"}},
		"pyproject":       {"pyproject.toml", "[project]\ndependencies = ['shop<2', 'euro']\n", []string{"pyproject.toml requires shop<2", pip + " 'shop<2' euro"}},
		"broken":          {"requirements.txt", "euro\n\nshop >> 2\n", []string{"requirements.txt, line 3", "no version specifier"}},
		"marker":          {"requirements.txt", "shop; python == '3'\n", []string{"line 1", `"python" is nothing that markers know`}},
		"path":            {"requirements.txt", "./lib/shop\n", []string{"line 1", "NAME @ ./lib/shop"}},
		"editable":        {"requirements.txt", "-e .\n", []string{"line 1", "name the distribution itself"}},
		"itself":          {"requirements.txt", "-r requirements.txt\n", []string{"names itself"}},
		"missing file":    {"requirements.txt", "--requirement=base.txt\n", []string{"requirements.txt names", "base.txt, which is not there"}},
		"no project":      {"pyproject.toml", "[tool.poetry]\n", []string{"no table [project]"}},
		"dynamic":         {"pyproject.toml", "[project]\ndynamic = ['dependencies']\n", []string{"dynamic"}},
		"broken toml":     {"pyproject.toml", "[project\n", []string{"pyproject.toml: toml: line"}},
		"broken in there": {"pyproject.toml", "[project]\ndependencies = ['a', '-r x']\n", []string{"dependency 2 of [project]", `"-r x" is no requirement`}},
	} {
		at := tree(t, map[string]string{c.file: c.text, "requirements-limits.txt": "shop<2\n", "app.py": "activity A\n"})
		project, err := pybundle.ReadProject(filepath.Join(at, c.file))
		if err == nil {
			err = collect(t, filepath.Join(at, "app.py")).AddInstalled(dir, project)
		}
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want %q", name, err, want)
			}
		}
	}
	// A project is found, but not guessed.
	both := tree(t, map[string]string{"pyproject.toml": "", "requirements.txt": "", "app.py": "", "shop/__init__.py": ""})
	for path, want := range map[string]string{filepath.Join(both, "shop"): "name one with --requirements", filepath.Join(tree(t, map[string]string{"app.py": ""}), "app.py"): "neither"} {
		if _, err := pybundle.FindProject(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
	// What was not installed by pip cannot be taken apart.
	for _, c := range []struct{ file, text, want string }{
		{"a-1.dist-info/RECORD", "\"", "install a 1 again"},
		{"a-1.dist-info/RECORD", "a.py,,\n", "install a 1 again"},
		{"a-2.dist-info/METADATA", "Name: A\nVersion: 2\n", "has a 1 and A 2"},
		{"a-2.dist-info/METADATA", "Name: A\n", "no name, or no version"},
		{"a-2.dist-info/x", "", "METADATA"},
	} {
		files := map[string]string{c.file: c.text}
		for name, text := range map[string]string{"a-1.dist-info/METADATA": "Name: a\nVersion: 1\n\n", "app.py": "", "requirements.txt": "a"} {
			files[name] = text
		}
		at := tree(t, files)
		project, err := pybundle.ReadProject(filepath.Join(at, "requirements.txt"))
		if err == nil {
			err = collect(t, filepath.Join(at, "app.py")).AddInstalled(at, project)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: error %v, want %q", c.file, c.text, err, c.want)
		}
	}
}

// Packages that are in the app's directory are no part of the app itself.
func TestCollectExcept(t *testing.T) {
	at := tree(t, map[string]string{"app.py": "", "packages/six.py": "", "lib/packages/x.py": ""})
	app, err := pybundle.Collect(at, filepath.Join(at, "packages"))
	if err != nil {
		t.Fatal(err)
	}
	if got := bundled(t, app); slices.Contains(got, "packages/six.py") || !slices.Contains(got, "lib/packages/x.py") {
		t.Errorf("it has %q", got)
	}
}
