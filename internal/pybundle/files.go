package pybundle

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// App is what goes into a bundle.
type App struct {
	// Entry is the module that is imported first.
	Entry string
	// Native are the files with native code that were left out.
	Native []Native
	// Notes are sentences about the app that its author should know, of its last build.
	Notes []string

	files map[string][]byte
	from  map[string]string // where each file is from, for errors
}

// Native is a file with native code.
type Native struct {
	File         string // its path in the bundle
	Distribution string // what it is of, with the version, if that is known
}

func (n Native) String() string {
	if n.Distribution == "" {
		return n.File
	}
	return n.Distribution + ": " + n.File
}

// Collect reads an app: a file with a module, a package's directory, or a directory with
// app.py and what that imports. What a directory has in one of the excepted directories is
// no part of the app.
func Collect(name string, except ...string) (*App, error) {
	a := &App{files: map[string][]byte{}, from: map[string]string{}}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	absolute, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		entry, ok := strings.CutSuffix(filepath.Base(absolute), ".py")
		if !ok {
			return nil, fmt.Errorf("%s: an app is a .py file or a directory", name)
		}
		a.Entry = entry
		if err := a.add(filepath.Base(absolute), absolute); err != nil {
			return nil, err
		}
		return a, a.checkEntry(name)
	}
	prefix := ""
	a.Entry = "app"
	if exists(filepath.Join(name, "__init__.py")) {
		a.Entry = filepath.Base(absolute)
		prefix = a.Entry
	} else if !exists(filepath.Join(name, "app.py")) {
		return nil, fmt.Errorf("%s: a directory has an __init__.py, which makes it a package, or an app.py, which is imported first; or name a .py file", name)
	}
	for i, dir := range except {
		if except[i], err = filepath.Abs(dir); err != nil {
			return nil, err
		}
	}
	if err := a.addAll(absolute, prefix, except); err != nil {
		return nil, err
	}
	return a, a.checkEntry(name)
}

// checkEntry refuses names that Python cannot import.
func (a *App) checkEntry(name string) error {
	for i, c := range a.Entry {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c > 127
		if !letter && (i == 0 || c < '0' || c > '9') {
			return fmt.Errorf("%s: %q is no name that Python can import: use letters, digits and _", name, a.Entry)
		}
	}
	return nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// AddDependencies adds a directory with packages, as `pip install --target` makes it.
func (a *App) AddDependencies(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no directory", dir)
	}
	if err != nil {
		return err
	}
	return a.addAll(dir, "", nil)
}

// addAll adds the files of a directory.
func (a *App) addAll(dir, prefix string, except []string) error {
	owners := owners(dir)
	return filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		switch {
		case relative == ".":
			return nil
		case entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "__pycache__" || relative == "bin" || slices.Contains(except, name)):
			return fs.SkipDir
		case entry.IsDir() || skipped(relative):
			return nil
		case entry.Type()&fs.ModeSymlink != 0:
			if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
				return err // a directory may be one that it is in
			}
		case !entry.Type().IsRegular():
			return nil
		}
		inside := path.Join(prefix, relative)
		if native(inside) {
			a.Native = append(a.Native, Native{inside, owners[relative]})
			return nil
		}
		return a.add(inside, name)
	})
}

// skipped tells whether a file is of no use, or tells of the machine that installed it.
func skipped(name string) bool {
	base := path.Base(name)
	if strings.HasPrefix(base, ".") || strings.HasSuffix(base, ".pyc") || strings.HasSuffix(base, ".wasm") {
		return true
	}
	if strings.HasSuffix(path.Dir(name), ".dist-info") {
		return base == "RECORD" || base == "INSTALLER" || base == "REQUESTED" || base == "direct_url.json"
	}
	return false
}

// native tells whether a file is machine code.
func native(name string) bool {
	base := path.Base(name)
	switch path.Ext(base) {
	case ".so", ".pyd", ".dll", ".dylib":
		return true
	}
	return strings.Contains(base, ".so.")
}

func (a *App) add(inside, name string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if before, ok := a.from[inside]; ok {
		if sameFile(before, name) {
			return nil // the app's own directory is one of its dependencies
		}
		return fmt.Errorf("%s and %s are the same file in the bundle, %s: rename one of them", before, name, inside)
	}
	a.files[inside], a.from[inside] = data, name
	return nil
}

func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// Archive returns the zip file of the app. The same files make the same bytes.
func (a *App) Archive(passthrough []string) ([]byte, error) {
	return a.archive(passthrough, nil, false)
}

// archive is Archive with files of compiled code, or the wish that the interpreter makes
// them.
func (a *App) archive(passthrough []string, compiled map[string][]byte, compile bool) ([]byte, error) {
	if passthrough == nil {
		passthrough = []string{}
	}
	given := map[string]any{"entry": a.Entry, "passthrough": passthrough}
	if compile {
		given["compile"] = true
	}
	settings, err := json.Marshal(given)
	if err != nil {
		return nil, err
	}
	if _, ok := a.files[settingsName]; ok {
		return nil, fmt.Errorf("%s: a bundle has a file of this name already: rename it", a.from[settingsName])
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	put := func(name string, data []byte) error {
		// Not compressed: the interpreter reads it at each start, and modules are
		// compressed as a whole where they are sent somewhere.
		f, err := w.CreateRaw(&zip.FileHeader{
			Name: name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(data),
			CompressedSize64: uint64(len(data)), UncompressedSize64: uint64(len(data)),
		})
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		return err
	}
	err = put(settingsName, settings)
	files := maps.Clone(a.files)
	maps.Copy(files, compiled)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		err = errors.Join(err, put(name, files[name]))
	}
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}

const settingsName = "bundle.json"
