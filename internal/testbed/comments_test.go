package testbed_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// maxComment is how many columns a comment line may have. A tab has four columns.
const maxComment = 100

// whole matches comments that cannot be wrapped: directives of tools, addresses, and
// code.
var whole = regexp.MustCompile(`^//(\w+:|\t|nolint)|://|^// (Unordered o|O)utput:`)

// Wide comments make a page tiring to read.
func TestCommentsAreNarrow(t *testing.T) {
	root := testbed.Root(t)
	var files []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch name := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || slices.Contains([]string{"bin", "dist", "node_modules", "target"}, name)):
			return fs.SkipDir
		case strings.HasSuffix(name, ".go"):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(source[:min(len(source), 400)]), "DO NOT EDIT") {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(source), "\n")
		for _, group := range file.Comments {
			for _, comment := range group.List {
				at := fset.Position(comment.Pos())
				line := lines[at.Line-1]
				if strings.TrimSpace(line[:at.Column-1]) != "" || whole.MatchString(comment.Text) {
					continue
				}
				if n := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    ")); n > maxComment {
					t.Errorf("%s:%d: the comment has %d columns, and at most %d are allowed", name, at.Line, n, maxComment)
				}
			}
		}
	}
}
