// Package templates holds the projects that `wasmworker new` writes, one in each language.
package templates

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/wasmworker/wasmworker/guest-sdk/c/include"
)

// Files that building leaves behind in these folders are not to be embedded: so each pattern names what is.
//
//go:embed go/*.tmpl go/README.md go/.gitignore
//go:embed rust/Cargo.toml rust/README.md rust/.gitignore rust/.cargo/config.toml rust/src
//go:embed java/pom.xml java/README.md java/.gitignore java/src
//go:embed typescript/package.json typescript/tsconfig.json typescript/README.md typescript/.gitignore typescript/src typescript/test
//go:embed assemblyscript/package.json assemblyscript/asconfig.json assemblyscript/README.md assemblyscript/.gitignore assemblyscript/assembly assemblyscript/test
//go:embed c/Makefile c/README.md c/.gitignore c/*.c
//go:embed cpp/Makefile cpp/README.md cpp/.gitignore cpp/*.cpp
//go:embed zig/build.zig zig/build.zig.zon zig/README.md zig/.gitignore zig/src
var files embed.FS

// caseFile is in every project: the activity is the same in all languages.
//
//go:embed greet.test.yaml.tmpl
var caseFile string

// Language is a language that there is a project for.
type Language struct {
	Name  string   // also that of its folder here
	Title string   // as people write it
	Also  []string // other names that are understood

	headers bool     // the SDK is headers, which the project gets a copy of
	cases   []string // what the case file says, and what it says in this language, in turns
	// local makes a file refer to the SDK in a folder instead of the published one.
	local map[string]func(text, sdk, project string) string
	// install is a command that makes the SDK in a folder known to the language's tools, where
	// they do not take a folder.
	install func(sdk string) string
}

// Languages are all of them, in the order in which they are listed.
var Languages = []Language{
	{Name: "go", Title: "Go", Also: []string{"golang"}, cases: []string{"activity: greet", "activity: Greet"}, local: map[string]func(text, sdk, project string) string{
		"go.mod": func(text, sdk, _ string) string {
			return text + "\nreplace github.com/wasmworker/wasmworker/guest-sdk/go => " + filepath.ToSlash(sdk) + "\n"
		},
	}},
	{Name: "rust", Title: "Rust", Also: []string{"rs"}, local: map[string]func(text, sdk, project string) string{"Cargo.toml": rustPatch}},
	{Name: "typescript", Title: "TypeScript", Also: []string{"ts", "javascript", "js"}, local: npmPackage("@wasmworker/sdk")},
	{Name: "assemblyscript", Title: "AssemblyScript", Also: []string{"as"}, local: npmPackage("@wasmworker/assemblyscript")},
	{Name: "c", Title: "C", headers: true},
	{Name: "cpp", Title: "C++", Also: []string{"c++"}, headers: true},
	{Name: "zig", Title: "Zig", cases: []string{"module: ", "module: zig-out/bin/"}, local: map[string]func(text, sdk, project string) string{"build.zig.zon": zigPackage}},
	{Name: "java", Title: "Java", cases: []string{"module: ", "module: target/"}, install: func(sdk string) string {
		return "mvn -q -DskipTests -f " + filepath.ToSlash(filepath.Join(sdk, "pom.xml")) + " install    # the SDK, once"
	}},
}

// Find returns the language of a name.
func Find(name string) (Language, bool) {
	name = strings.ToLower(name)
	i := slices.IndexFunc(Languages, func(l Language) bool { return l.Name == name || slices.Contains(l.Also, name) })
	if i < 0 {
		return Language{}, false
	}
	return Languages[i], true
}

var cargoPatch = regexp.MustCompile(`(?s)# (With a local checkout[^\n]*)\n# (\[patch\.crates-io\])\n# wasmworker = [^\n]*`)

// rustPatch refers to a folder by the patch that the project has as a comment.
func rustPatch(text, sdk, _ string) string {
	return cargoPatch.ReplaceAllLiteralString(text, "[patch.crates-io]\nwasmworker = { path = \""+filepath.ToSlash(sdk)+"\" }")
}

// npmPackage refers to a folder where the published package is named with its version.
func npmPackage(name string) map[string]func(text, sdk, project string) string {
	dependency := regexp.MustCompile(`("` + regexp.QuoteMeta(name) + `": )"[^"]*"`)
	return map[string]func(text, sdk, project string) string{
		"package.json": func(text, sdk, _ string) string {
			return dependency.ReplaceAllString(text, `$1"file:`+strings.ReplaceAll(filepath.ToSlash(sdk), "$", "$$")+`"`)
		},
		// Otherwise npm makes a link, and does not install what the SDK depends on.
		".npmrc": func(string, string, string) string { return "install-links=true\n" },
	}
}

var zigDependency = regexp.MustCompile(`(?s)\.url = "[^"]*",\s*\.hash = "[^"]*",`)

// zigPackage refers to a folder, which Zig wants to be relative.
func zigPackage(text, sdk, project string) string {
	relative, err := filepath.Rel(project, sdk)
	if err != nil {
		relative = sdk // on another drive; Zig will tell
	}
	return zigDependency.ReplaceAllLiteralString(text, `.path = "`+filepath.ToSlash(relative)+`",`)
}

// placeholder is the name that the projects have here.
const placeholder = "my-activity"

var validName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// Write writes the project of a language into a folder that does not exist yet or is empty. The
// folder's name becomes the project's. sdk is the folder of the SDK of that language in a
// checkout, or "" for the published one. It returns the commands of the project's README.
func (l Language) Write(dir, sdk string) (commands []string, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	name := filepath.Base(dir)
	if !validName.MatchString(name) {
		return nil, fmt.Errorf("%q cannot be the name of a project in every language: use lower-case letters, digits and single dashes, beginning with a letter", name)
	}
	if sdk != "" {
		if sdk, err = filepath.Abs(sdk); err != nil {
			return nil, err
		}
		if stat, err := os.Stat(sdk); err != nil || !stat.IsDir() {
			return nil, fmt.Errorf("there is no SDK for %s at %s", l.Title, sdk)
		}
	}
	switch entries, err := os.ReadDir(dir); {
	case err == nil && len(entries) > 0:
		return nil, fmt.Errorf("%s is not empty", dir)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	rename := strings.NewReplacer(placeholder, name, strings.ReplaceAll(placeholder, "-", "_"), strings.ReplaceAll(name, "-", "_"))
	err = fs.WalkDir(files, l.Name, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := files.ReadFile(path)
		if err != nil {
			return err
		}
		path = strings.TrimSuffix(strings.TrimPrefix(path, l.Name+"/"), ".tmpl")
		text := rename.Replace(string(data))
		if local := l.local[path]; local != nil && sdk != "" {
			text = local(text, sdk, dir)
		}
		if path == "README.md" {
			commands = indented(text)
		}
		return writeFile(filepath.Join(dir, filepath.FromSlash(path)), text)
	})
	if err == nil && sdk != "" {
		for path, local := range l.local {
			if _, err := os.Stat(filepath.Join(dir, path)); errors.Is(err, fs.ErrNotExist) { // the published SDK needs none
				if err := writeFile(filepath.Join(dir, path), local("", sdk, dir)); err != nil {
					return nil, err
				}
			}
		}
	}
	if err == nil {
		err = writeFile(filepath.Join(dir, "greet.test.yaml"), rename.Replace(strings.NewReplacer(l.cases...).Replace(caseFile)))
	}
	if l.install != nil && sdk != "" {
		commands = append([]string{l.install(sdk)}, commands...)
	}
	if err == nil && l.headers {
		for header, text := range include.Headers() {
			err = errors.Join(err, writeFile(filepath.Join(dir, "include", header), text))
		}
	}
	return commands, err
}

// indented returns the first block of commands of a README.
func indented(readme string) (lines []string) {
	for line := range strings.Lines(readme) {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			lines = append(lines, strings.TrimRight(command, "\n"))
		} else if len(lines) > 0 {
			break
		}
	}
	return lines
}

func writeFile(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o666)
}
