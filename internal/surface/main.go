// Command surface writes api.txt: the exported declarations of every public package in
// Go, without comments. A change of the surface is then seen in review.
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"log"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// roots are the directories with public packages, from the root of the repository.
var roots = []string{"abi", "host", "contrib", "guest-sdk/go"}

const output = "docs/api.txt"

func main() {
	log.SetFlags(0)
	var text bytes.Buffer
	for _, root := range roots {
		if err := filepath.WalkDir(root, func(dir string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil || !entry.IsDir():
				return err
			case slices.Contains([]string{"internal", "testdata", "gen"}, entry.Name()):
				return fs.SkipDir
			}
			return describe(&text, filepath.ToSlash(dir))
		}); err != nil {
			log.Fatalf("surface: %v", err)
		}
	}
	if err := os.WriteFile(output, text.Bytes(), 0o644); err != nil {
		log.Fatalf("surface: %v", err)
	}
}

// describe adds the declarations of the package in a directory, if it is a public
// package. Code for a single system is described as on Linux, and code for guests as in
// WebAssembly.
func describe(text *bytes.Buffer, dir string) error {
	target := build.Default
	target.GOOS, target.GOARCH, target.CgoEnabled = "linux", "amd64", false
	if strings.HasPrefix(dir, "guest-sdk") {
		target.GOOS, target.GOARCH = "wasip1", "wasm"
	}
	found, err := target.ImportDir(dir, 0)
	if _, none := err.(*build.NoGoError); none {
		return nil
	}
	if err != nil || found.Name == "main" {
		return err
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range found.GoFiles {
		file, err := parser.ParseFile(fset, path.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	pkg, err := doc.NewFromFiles(fset, files, dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(text, "package %s // %s\n\n", pkg.Name, dir)
	values := func(list []*doc.Value) {
		for _, v := range list {
			show(text, fset, v.Decl)
		}
	}
	functions := func(list []*doc.Func) {
		for _, f := range list {
			show(text, fset, f.Decl)
		}
	}
	values(pkg.Consts)
	values(pkg.Vars)
	functions(pkg.Funcs)
	for _, t := range pkg.Types {
		show(text, fset, t.Decl)
		values(t.Consts)
		values(t.Vars)
		functions(t.Funcs)
		functions(t.Methods)
	}
	text.WriteByte('\n')
	return nil
}

// blank matches lines without text, which removed comments leave behind.
var blank = regexp.MustCompile(`\n(\s*\n)+`)

// show adds a declaration.
func show(text *bytes.Buffer, fset *token.FileSet, decl ast.Decl) {
	var b bytes.Buffer
	if err := (&printer.Config{Mode: printer.UseSpaces | printer.TabIndent, Tabwidth: 8}).Fprint(&b, fset, decl); err != nil {
		log.Fatalf("surface: %v", err)
	}
	text.Write(blank.ReplaceAll(b.Bytes(), []byte("\n")))
	text.WriteByte('\n')
}
