package templates_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"github.com/wasmworker/wasmworker/internal/testbed"
	"github.com/wasmworker/wasmworker/templates"
)

// No manifest makes a tool ask a registry for a package of ours: nothing of ours is
// published, so what a registry has under one of the names is somebody else's.
func TestManifests(t *testing.T) {
	root := testbed.Root(t)
	seen := map[string]int{}
	for _, path := range tracked(t, root) {
		kind := manifestKind(path)
		if kind == "" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(root, path))
		if os.IsNotExist(err) { // removed, and not committed yet
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		seen[kind]++
		// A template's SDK comes with the project.
		m := manifest{dir: filepath.Dir(filepath.Join(root, path)), text: data, pathsExist: !strings.HasPrefix(path, "templates/")}
		for _, problem := range m.problems(t, kind) {
			t.Errorf("%s: %s", path, problem)
		}
	}
	for _, kind := range []string{"Cargo.toml", "package.json", "pom.xml", "build.zig.zon", "go.mod"} {
		if seen[kind] < 3 {
			t.Errorf("there are %d files %s: have they another name now?", seen[kind], kind)
		}
	}
}

// What `wasmworker new` writes is so, too, with a copy of the SDK and with a checkout's.
func TestManifestsOfNew(t *testing.T) {
	for _, l := range templates.Languages {
		for _, directory := range []string{"", sdk(t, l)} {
			dir := filepath.Join(t.TempDir(), "price-list")
			if _, err := l.Write(dir, directory); err != nil {
				t.Fatal(err)
			}
			found := 0
			for path, text := range tree(t, dir) {
				kind := manifestKind(path)
				if kind == "" {
					continue
				}
				found++
				m := manifest{dir: filepath.Dir(filepath.Join(dir, path)), text: []byte(text), pathsExist: true}
				for _, problem := range m.problems(t, kind) {
					t.Errorf("%s, with --sdk %q: %s: %s", l.Name, directory, path, problem)
				}
			}
			if found == 0 && l.Name != "c" && l.Name != "cpp" {
				t.Errorf("%s: the project has no manifest", l.Name)
			}
		}
	}
}

// byName are commands that fetch a package of ours by its name. npx fetches what is not
// installed, unless it has --no.
var byName = regexp.MustCompile(`(cargo (add|install)|npm (install|i|add|exec)|npx|yarn add|pnpm add|pip3? install)( -[-\w]+)* (@?wasmworker|asc\b)|zig fetch [^\n]*wasmworker|go (get|install) github\.com/wasmworker|crates-io\.wasmworker`)

// fetches is the command in a line that fetches by a name of ours, or "".
func fetches(line string) string {
	command := byName.FindString(line)
	if strings.Contains(command, " --no ") {
		return ""
	}
	return command
}

// No document, script or manifest tells anybody to fetch a package of ours by its name.
func TestInstructions(t *testing.T) {
	for instruction, bad := range map[string]bool{
		"npx asc": true, "npx --no asc": false, "npm install --save wasmworker-sdk": true, "npm install --install-links file:SDK": false,
		"cargo add wasmworker log": true, "cargo add --path sdk": false, "zig fetch --save=wasmworker URL": true,
	} {
		if command := fetches(instruction); (command != "") != bad {
			t.Errorf("%q: found %q", instruction, command)
		}
	}
	root := testbed.Root(t)
	for _, path := range tracked(t, root) {
		if !slices.Contains([]string{".md", ".sh", ".json", ".toml", ".yaml", ".tmpl", ".xml", ".zon", ".js", ".ts", ".go", ""}, filepath.Ext(path)) || strings.HasSuffix(path, "manifests_test.go") {
			continue
		}
		info, err := os.Stat(filepath.Join(root, path))
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(data), "\n") {
			if command := fetches(line); command != "" {
				t.Errorf("%s:%d: %q fetches a package by a name that is not ours", path, i+1, command)
			}
		}
	}
}

// tracked are the files that the repository has, or is to have.
func tracked(t *testing.T, root string) []string {
	t.Helper()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = root
	output, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.FieldsFunc(string(output), func(r rune) bool { return r == 0 })
}

var requirements = regexp.MustCompile(`^requirements.*\.txt$`)

// manifestKind is the name by which a tool knows a manifest, or "" for other files.
func manifestKind(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), ".tmpl")
	if slices.Contains([]string{"Cargo.toml", "Cargo.lock", "package.json", "package-lock.json", "pom.xml", "build.zig.zon", "go.mod", "pyproject.toml"}, name) {
		return name
	}
	if requirements.MatchString(name) {
		return "requirements.txt"
	}
	return ""
}

// manifest is a file that names packages to a language's tool.
type manifest struct {
	dir        string // that of the file
	text       []byte
	pathsExist bool // the directories that it refers to are there
}

// ours says whether a package has a name such as ours have.
func ours(name string) bool {
	return strings.HasPrefix(strings.TrimPrefix(name, "@"), "wasmworker")
}

// problems are the packages of ours for which a tool would ask a registry.
func (m manifest) problems(t *testing.T, kind string) []string {
	t.Helper()
	read := map[string]func() ([]string, error){
		"Cargo.toml": m.cargo, "Cargo.lock": m.cargoLock, "package.json": m.npm, "package-lock.json": m.npmLock, "pom.xml": m.maven,
		"build.zig.zon": m.zig, "go.mod": m.golang, "pyproject.toml": m.python, "requirements.txt": m.python,
	}[kind]
	problems, err := read()
	if err != nil {
		t.Fatalf("%s in %s: %v", kind, m.dir, err)
	}
	return problems
}

// directory says what is wrong with a directory that has to have a package with a
// manifest.
func (m manifest) directory(path, file string) []string {
	if !m.pathsExist {
		return nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(m.dir, path)
	}
	if _, err := os.Stat(filepath.Join(path, file)); err != nil {
		return []string{err.Error()}
	}
	return nil
}

func (m manifest) cargo() (problems []string, err error) {
	var file map[string]any
	if err := toml.Unmarshal(m.text, &file); err != nil {
		return nil, err
	}
	var walk func(table map[string]any)
	walk = func(table map[string]any) {
		for _, key := range slices.Sorted(maps.Keys(table)) {
			sub, ok := table[key].(map[string]any)
			if !ok {
				continue
			}
			if !strings.HasSuffix(key, "dependencies") {
				walk(sub) // target.'cfg(...)', workspace, patch.registry
				continue
			}
			for name, value := range sub {
				dependency, _ := value.(map[string]any)
				if dependency == nil {
					dependency = map[string]any{}
				}
				if renamed, ok := dependency["package"].(string); ok {
					name = renamed
				}
				path, ok := dependency["path"].(string)
				switch {
				case !ours(name):
				case !ok:
					problems = append(problems, fmt.Sprintf("%s.%s has no path", key, name))
				case dependency["version"] != nil || dependency["git"] != nil || dependency["registry"] != nil:
					problems = append(problems, fmt.Sprintf("%s.%s has more than a path", key, name))
				default:
					problems = append(problems, m.directory(path, "Cargo.toml")...)
				}
			}
		}
	}
	walk(file)
	if patches, ok := file["patch"].(map[string]any); ok {
		for registry, patch := range patches {
			for name := range patch.(map[string]any) {
				if ours(name) {
					problems = append(problems, fmt.Sprintf("patch.%s.%s: what is patched is asked for", registry, name))
				}
			}
		}
	}
	return problems, nil
}

func (m manifest) cargoLock() (problems []string, err error) {
	var file struct {
		Package []struct{ Name, Source string }
	}
	err = toml.Unmarshal(m.text, &file)
	for _, p := range file.Package {
		if ours(p.Name) && p.Source != "" {
			problems = append(problems, fmt.Sprintf("%s is of %s", p.Name, p.Source))
		}
	}
	return problems, err
}

func (m manifest) npm() (problems []string, err error) {
	var file map[string]json.RawMessage
	if err := json.Unmarshal(m.text, &file); err != nil {
		return nil, err
	}
	for key, value := range file {
		if !strings.HasSuffix(strings.ToLower(key), "dependencies") || !bytes.HasPrefix(value, []byte("{")) {
			continue
		}
		var packages map[string]json.RawMessage
		if err := json.Unmarshal(value, &packages); err != nil {
			return nil, err
		}
		for name, value := range packages {
			var version string
			_ = json.Unmarshal(value, &version) // peerDependenciesMeta has objects
			path, local := strings.CutPrefix(version, "file:")
			switch {
			case !ours(name) && !ours(strings.TrimPrefix(version, "npm:")):
			case !local:
				problems = append(problems, fmt.Sprintf("%s.%s is %s, and not a directory", key, name, value))
			default:
				problems = append(problems, m.directory(path, "package.json")...)
			}
		}
	}
	return problems, nil
}

func (m manifest) npmLock() (problems []string, err error) {
	var file struct {
		Packages map[string]struct {
			Resolved string
			Link     bool
		}
	}
	err = json.Unmarshal(m.text, &file)
	for path, p := range file.Packages {
		_, name, ok := strings.Cut(path, "node_modules/")
		if ok && ours(name) && !p.Link && !strings.HasPrefix(p.Resolved, "file:") {
			problems = append(problems, fmt.Sprintf("%s is of %q", name, p.Resolved))
		}
	}
	return problems, err
}

// element is one of a POM.
type element struct {
	XMLName  xml.Name
	Text     string    `xml:",chardata"`
	Children []element `xml:",any"`
}

func (e element) child(name string) (text string) {
	for _, c := range e.Children {
		if c.XMLName.Local == name {
			text = strings.TrimSpace(c.Text)
		}
	}
	return text
}

// all are the elements of a name, at any depth.
func (e element) all(name string) (found []element) {
	for _, c := range e.Children {
		if c.XMLName.Local == name {
			found = append(found, c)
		}
		found = append(found, c.all(name)...)
	}
	return found
}

// maven reads a POM. Maven asks Central for no snapshot; and a dependency has to be built
// with what depends on it.
func (m manifest) maven() (problems []string, err error) {
	var project element
	if err := xml.Unmarshal(m.text, &project); err != nil {
		return nil, err
	}
	for _, kind := range []string{"repositories", "pluginRepositories"} {
		if len(project.all(kind)) > 0 {
			problems = append(problems, "it has "+kind+", which may have snapshots")
		}
	}
	version := regexp.MustCompile(`^\$\{(.*)\}$`)
	depends := false
	for _, kind := range []string{"parent", "dependency", "path", "annotationProcessorPath", "plugin", "extension"} {
		for _, e := range project.all(kind) {
			if group := e.child("groupId"); group != "dev.wasmworker" {
				continue
			}
			depends = depends || kind != "parent"
			v := e.child("version")
			if property := version.FindStringSubmatch(v); property != nil {
				for _, properties := range project.all("properties") {
					v = properties.child(property[1])
				}
			}
			if !strings.HasSuffix(v, "-SNAPSHOT") {
				problems = append(problems, fmt.Sprintf("the %s %s has the version %q, which is no snapshot", kind, e.child("artifactId"), v))
			}
		}
	}
	for _, module := range project.all("module") {
		problems = append(problems, m.directory(strings.TrimSpace(module.Text), "pom.xml")...)
	}
	if depends && m.pathsExist && !m.builtWithSDK() {
		problems = append(problems, "the pom.xml of the directory above does not build it together with the SDK")
	}
	return problems, nil
}

// builtWithSDK says whether the directory above has a POM with two modules: this one, and
// the SDK.
func (m manifest) builtWithSDK() bool {
	above := filepath.Dir(m.dir)
	this, sdk := false, false
	data, err := os.ReadFile(filepath.Join(above, "pom.xml"))
	var project element
	if err != nil || xml.Unmarshal(data, &project) != nil {
		return false
	}
	for _, module := range project.all("module") {
		directory := filepath.Join(above, strings.TrimSpace(module.Text))
		this = this || directory == m.dir
		if data, err := os.ReadFile(filepath.Join(directory, "pom.xml")); err == nil {
			sdk = sdk || bytes.Contains(data, []byte("<artifactId>wasmworker-java</artifactId>"))
		}
	}
	return this && sdk
}

func (m manifest) zig() (problems []string, err error) {
	dependency := regexp.MustCompile(`\.@?"?(wasmworker[\w-]*)"?\s*=\s*\.\{([^{}]*)\}`)
	path := regexp.MustCompile(`^\s*\.path\s*=\s*"([^"]*)",?\s*$`)
	for _, d := range dependency.FindAllStringSubmatch(string(m.text), -1) {
		if p := path.FindStringSubmatch(d[2]); p == nil {
			problems = append(problems, fmt.Sprintf("%s is not a path alone", d[1]))
		} else {
			problems = append(problems, m.directory(p[1], "build.zig.zon")...)
		}
	}
	return problems, nil
}

func (m manifest) golang() (problems []string, err error) {
	dir, err := os.MkdirTemp("", "gomod")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, "go.mod")
	if err := os.WriteFile(copied, m.text, 0o666); err != nil {
		return nil, err
	}
	output, err := exec.Command("go", "mod", "edit", "-json", copied).Output()
	if err != nil {
		return nil, err
	}
	var file struct {
		Require []struct{ Path, Version string }
		Replace []struct {
			Old, New struct{ Path, Version string }
		}
		Tool []struct{ Path string }
	}
	if err := json.Unmarshal(output, &file); err != nil {
		return nil, err
	}
	for _, required := range file.Require {
		if !strings.HasPrefix(required.Path, "github.com/wasmworker/") {
			continue
		}
		replaced := false
		for _, r := range file.Replace {
			if r.Old.Path == required.Path && r.Old.Version == "" && r.New.Version == "" {
				replaced = true
				problems = append(problems, m.directory(r.New.Path, "go.mod")...)
			}
		}
		if !replaced {
			problems = append(problems, fmt.Sprintf("%s is not replaced by a directory", required.Path))
		}
	}
	return problems, nil
}

// python reads lists of requirements, of which pyproject.toml has some as strings.
func (m manifest) python() (problems []string, err error) {
	requirement := regexp.MustCompile(`(?m)^[\s"']*(wasmworker[\w.-]*)([^"'\n]*)`)
	for _, r := range requirement.FindAllStringSubmatch(string(m.text), -1) {
		if !strings.Contains(r[2], "@ file:") && !strings.HasPrefix(strings.TrimSpace(r[2]), "= {") {
			problems = append(problems, fmt.Sprintf("%s is not a directory", r[1]))
		}
	}
	return problems, nil
}
