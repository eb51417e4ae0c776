// Package templates holds the projects that `wasmworker new` writes, one in each
// language.
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

	guestsdk "github.com/wasmworker/wasmworker/guest-sdk"
)

// Each pattern names what is to be embedded, since building leaves other files in these
// directories.
//
//go:embed go/*.tmpl go/README.md go/.gitignore
//go:embed rust/Cargo.toml rust/README.md rust/.gitignore rust/.cargo/config.toml rust/src
//go:embed java/pom.xml java/README.md java/.gitignore java/activity/pom.xml java/activity/src
//go:embed typescript/package.json typescript/.npmrc typescript/tsconfig.json typescript/README.md typescript/.gitignore typescript/src typescript/test
//go:embed assemblyscript/package.json assemblyscript/.npmrc assemblyscript/asconfig.json assemblyscript/README.md assemblyscript/.gitignore assemblyscript/assembly assemblyscript/test
//go:embed c/Makefile c/README.md c/.gitignore c/*.c
//go:embed cpp/Makefile cpp/README.md cpp/.gitignore cpp/*.cpp
//go:embed python/pyproject.toml python/Makefile python/README.md python/.gitignore python/*.py
//go:embed zig/build.zig zig/build.zig.zon zig/README.md zig/.gitignore zig/src
var files embed.FS

// caseFile is in every project: the activity is the same in all languages.
//
//go:embed greet.test.yaml.tmpl
var caseFile string

// Language is a language that there is a project for.
type Language struct {
	Name  string   // also that of its directory here
	Title string   // as people write it
	Also  []string // other names that are understood

	cases []string // what the case file says, and what it says in this language, in turns
	// sdk is the directory in the project that gets a copy of the SDK.
	sdk string
	// references are what files of the project say of that directory. Another directory
	// can take its place, except where there are none.
	references map[string]string
	relative   bool // the language's tools want the path of another directory to be relative
}

// Languages are all of them, in the order in which they are listed.
var Languages = []Language{
	{Name: "go", Title: "Go", Also: []string{"golang"}, cases: []string{"activity: greet", "activity: Greet"}, sdk: "sdk", references: map[string]string{"go.mod": "=> ./sdk"}},
	{Name: "rust", Title: "Rust", Also: []string{"rs"}, sdk: "sdk", references: map[string]string{"Cargo.toml": `path = "sdk"`, "README.md": "sh sdk/wasm-build"}},
	{Name: "typescript", Title: "TypeScript", Also: []string{"ts", "javascript", "js"}, sdk: "sdk", references: map[string]string{"package.json": `"file:sdk"`}},
	{Name: "assemblyscript", Title: "AssemblyScript", Also: []string{"as"}, sdk: "sdk", references: map[string]string{"package.json": `"file:sdk"`}},
	{Name: "python", Title: "Python", Also: []string{"py"}, sdk: "sdk", references: map[string]string{"pyproject.toml": `"sdk/src"`}},
	{Name: "c", Title: "C", sdk: "include"},
	{Name: "cpp", Title: "C++", Also: []string{"c++"}, sdk: "include"},
	{Name: "zig", Title: "Zig", cases: []string{"module: ", "module: zig-out/bin/"}, sdk: "sdk", references: map[string]string{"build.zig.zon": `.path = "sdk"`}, relative: true},
	{Name: "java", Title: "Java", cases: []string{"module: ", "module: activity/target/"}, sdk: "sdk", references: map[string]string{"pom.xml": "<module>sdk</module>"}, relative: true},
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

// placeholder is the name that the projects have here.
const placeholder = "my-activity"

var validName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// Write writes the project of a language into a directory that does not exist yet or is
// empty. The directory's name becomes the project's. sdk is the directory of the SDK of
// that language in a checkout, or "" for a copy of it in the project; C and C++ always
// get a copy. It returns the commands of the project's README.
func (l Language) Write(dir, sdk string) (commands []string, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	name := filepath.Base(dir)
	if !validName.MatchString(name) {
		return nil, fmt.Errorf("%q cannot be the name of a project in every language: use lower-case letters, digits and single dashes, beginning with a letter", name)
	}
	if len(l.references) == 0 {
		sdk = ""
	}
	if sdk != "" {
		if sdk, err = l.directory(dir, sdk); err != nil {
			return nil, err
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
		if reference := l.references[path]; reference != "" && sdk != "" {
			text = strings.ReplaceAll(text, reference, strings.NewReplacer("./sdk", sdk, "sdk", sdk).Replace(reference))
		}
		if path == "README.md" {
			commands = indented(text)
			text += l.origin(sdk)
		}
		return writeFile(filepath.Join(dir, filepath.FromSlash(path)), text)
	})
	if err == nil {
		err = writeFile(filepath.Join(dir, "greet.test.yaml"), rename.Replace(strings.NewReplacer(l.cases...).Replace(caseFile)))
	}
	if err == nil && sdk == "" {
		for path, data := range guestsdk.Copy(l.Name) {
			err = errors.Join(err, writeFile(filepath.Join(dir, l.sdk, filepath.FromSlash(path)), string(data)))
		}
	}
	return commands, err
}

// directory is the directory of an SDK as the files of a project in dir name it.
func (l Language) directory(dir, sdk string) (string, error) {
	sdk, err := filepath.Abs(sdk)
	if err != nil {
		return "", err
	}
	if stat, err := os.Stat(sdk); err != nil || !stat.IsDir() {
		return "", fmt.Errorf("there is no SDK for %s at %s", l.Title, sdk)
	}
	if l.relative {
		relative, err := filepath.Rel(dir, sdk)
		if err != nil { // on another drive
			return "", fmt.Errorf("%s takes an SDK by a relative path only, and there is none from %s to %s", l.Title, dir, sdk)
		}
		sdk = relative
	}
	return filepath.ToSlash(sdk), nil
}

// origin says in a project's README where the SDK comes from.
func (l Language) origin(sdk string) string {
	if sdk != "" {
		return "\nThe SDK is in `" + sdk + "`, a checkout of wasmworker.\n"
	}
	return "\n`" + l.sdk + "` has a copy of wasmworker's SDK for " + l.Title + ", which is in no package registry. " +
		"For a newer one, let a newer `wasmworker new` write\na project, and take its `" + l.sdk + "`.\n"
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
