package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// group is the records that one part of an SDK or of the host encodes and decodes.
type group string

func (g group) has(r record) bool {
	switch g {
	case "info":
		return r.Name == "Info" || r.Name == "RetryPolicy" || r.Name == "Priority"
	case "failure":
		return r.Name == "Failure"
	case "sql":
		return strings.HasPrefix(r.Name, "SQL") || r.Name == "Bytes"
	}
	return strings.HasPrefix(strings.ToLower(r.Name), string(g))
}

// codecs are the files, written by hand, that encode and decode records, and how they
// name the members of objects. Where a language makes objects of its own structures,
// there is no such pattern, and only what is missing is found.
var codecs = []struct {
	language string
	names    string // a pattern for the name of a member that is written or read
	files    map[group][]string
	without  []string // members that it has no use for
}{
	{language: "rust", files: map[group][]string{
		"info": {"src/info.rs"}, "failure": {"src/error.rs"}, "http": {"src/http.rs"}, "sql": {"src/sql.rs"}, "blob": {"src/blob.rs"},
	}, without: []string{"stack_trace"}},
	{language: "zig", files: map[group][]string{
		"info": {"src/info.zig"}, "failure": {"src/failure.zig"}, "http": {"src/http.zig"}, "sql": {"src/sql.zig"}, "blob": {"src/blob.zig"},
	}, without: []string{"stack_trace"}},
	{language: "typescript", files: map[group][]string{
		"info": {"src/internal/task.js"}, "failure": {"src/internal/failure.js"}, "http": {"src/http.js"}, "sql": {"src/sql.js"}, "blob": {"src/blob.js"},
	}},
	{language: "assemblyscript", names: `\.(?:member|key|get|has)(?:<[^>]*>)?\("([a-z_]+)"`, files: map[group][]string{
		"info": {"assembly/info.ts"}, "failure": {"assembly/errors.ts"}, "http": {"assembly/http.ts"}, "sql": {"assembly/sql.ts"}, "blob": {"assembly/blob.ts"},
	}, without: []string{"stack_trace"}},
	{language: "java", names: `(?:\.(?:put|get|has|field|name)|Map\.of)\("([a-z_]+)"`, files: map[group][]string{
		"info":    {"sdk/src/main/java/dev/wasmworker/ActivityInfo.java", "sdk/src/main/java/dev/wasmworker/RetryPolicy.java", "sdk/src/main/java/dev/wasmworker/Priority.java"},
		"failure": {"sdk/src/main/java/dev/wasmworker/internal/Guest.java"},
		"http":    {"sdk/src/main/java/dev/wasmworker/http/*.java"}, "sql": {"sdk/src/main/java/dev/wasmworker/sql/*.java"}, "blob": {"sdk/src/main/java/dev/wasmworker/blob/*.java"},
	}},
	{language: "c", files: map[group][]string{
		"info": {"include/wasmworker.h"}, "failure": {"include/wasmworker.h"}, "http": {"include/wasmworker.h"}, "sql": {"include/wasmworker.h"}, "blob": {"include/wasmworker.h"},
	}},
}

// An SDK has all members of the records, and where it writes their names as text, no
// others.
func TestCodecsOfSDKs(t *testing.T) {
	c := contractOf(t)
	for _, codec := range codecs {
		for g, globs := range codec.files {
			text := withoutComments(filesOf(t, filepath.Join(root, "guest-sdk", codec.language), globs))
			members := membersOf(c, g)
			for name := range members {
				if !regexp.MustCompile(`\b`+name+`\b`).MatchString(text) && !slices.Contains(codec.without, name) {
					t.Errorf("%s %s: nothing has the member %s of abi.json", codec.language, g, name)
				}
			}
			if codec.names == "" {
				continue
			}
			found := regexp.MustCompile(codec.names).FindAllStringSubmatch(text, -1)
			if len(found) == 0 {
				t.Errorf("%s %s: no name of a member was found", codec.language, g)
			}
			for _, m := range found {
				if !members[m[1]] {
					t.Errorf("%s %s: %s is no member of a record of abi.json", codec.language, g, m[1])
				}
			}
		}
	}
}

// What the host and the SDK for Go decode and encode by hand has the members of the
// records, no more and no fewer.
func TestCodecsInGo(t *testing.T) {
	c := contractOf(t)
	for dir, g := range map[string]group{
		"host/passthrough/httpmod": "http", "host/passthrough/sqlmod": "sql", "host/passthrough/blobmod": "blob",
		goSDK + "passthrough/http": "http", goSDK + "passthrough/database": "sql", goSDK + "passthrough/blob": "blob",
	} {
		tags, text := jsonTags(t, filepath.Join(root, dir))
		members := membersOf(c, g)
		for name := range members {
			if !tags[name] && !text[name] {
				t.Errorf("%s: nothing has the member %s of abi.json", dir, name)
			}
		}
		for name := range tags {
			if !members[name] {
				t.Errorf("%s: %s is no member of a record of abi.json", dir, name)
			}
		}
	}
}

// The SDKs for TypeScript and Zig import functions of passthrough modules where they call
// them. What they name exists, and they have all of it.
func TestCallsOfSDKs(t *testing.T) {
	imports := regexp.MustCompile(`import \{([^}]*)\} from "(wasmworker:[a-z]+/v\d+)"`)
	for _, m := range contractOf(t).Modules {
		if !m.passthrough() {
			continue
		}
		want := map[string]bool{}
		for _, f := range m.Functions {
			want[f.Name] = true
		}
		found := imports.FindStringSubmatch(filesOf(t, filepath.Join(root, tsSDK), []string{"src/" + m.Name + ".js"}))
		if found == nil || found[2] != m.Import {
			t.Errorf("typescript: nothing is imported from %s: %v", m.Import, found)
			continue
		}
		got := map[string]bool{}
		for _, name := range strings.Split(found[1], ",") {
			name, _, _ = strings.Cut(strings.TrimSpace(name), " as ")
			got[name] = true
		}
		if !maps.Equal(got, want) {
			t.Errorf("typescript: %v is imported from %s, which has %v", got, m.Import, want)
		}
		zig := withoutComments(filesOf(t, filepath.Join(root, "guest-sdk/zig"), []string{"src/" + m.Name + ".zig"}))
		for name := range want {
			if !strings.Contains(zig, strconv.Quote(name)) {
				t.Errorf("zig: nothing calls %s of %s", name, m.Import)
			}
		}
	}
}

func membersOf(c *contract, g group) map[string]bool {
	members := map[string]bool{}
	for _, r := range c.Records {
		if g.has(r) {
			for _, f := range r.Fields {
				members[f.Name] = true
			}
		}
	}
	return members
}

func filesOf(t *testing.T, dir string, globs []string) string {
	t.Helper()
	var b strings.Builder
	for _, glob := range globs {
		paths, err := filepath.Glob(filepath.Join(dir, glob))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: no file %s: %v", dir, glob, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(text)
		}
	}
	return b.String()
}

var comments = regexp.MustCompile(`(?s:/\*.*?\*/)|(?m)(?:^|\s)//.*$`)

func withoutComments(text string) string { return comments.ReplaceAllString(text, "") }

// jsonTags returns the names in json tags of the structures of a package that have no
// yaml tags: those are settings. It also returns all text that the package has.
func jsonTags(t *testing.T, dir string) (tags, texts map[string]bool) {
	t.Helper()
	tags, texts = map[string]bool{}, map[string]bool{}
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: no Go files: %v", dir, err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, _ := strconv.Unquote(lit.Value)
				texts[text] = true
			}
			f, ok := n.(*ast.Field)
			if !ok || f.Tag == nil {
				return true
			}
			text, _ := strconv.Unquote(f.Tag.Value)
			tag := reflect.StructTag(text)
			name, _, _ := strings.Cut(tag.Get("json"), ",")
			if tag.Get("yaml") == "" && name != "" && !strings.Contains(name, ".") {
				tags[name] = true
			}
			return true
		})
	}
	if len(tags) == 0 {
		t.Fatalf("%s: no json tags", dir)
	}
	return tags, texts
}
