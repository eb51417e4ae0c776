package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// library is where build.sh keeps the source of the standard library.
const library = ".toolchains/python/sources/Python-*/Lib"

// subject is a part of the standard library and the tests that CPython has for it.
type subject struct {
	name  string
	tests []string
}

var subjects = []subject{
	{"json", []string{"test.test_json"}},
	{"re", []string{"test.test_re"}},
	{"datetime", []string{"test.test_datetime"}},
	{"decimal", []string{"test.test_decimal"}},
	{"csv", []string{"test.test_csv"}},
	{"hashlib", []string{"test.test_hashlib"}},
	{"base64", []string{"test.test_base64"}},
	{"collections", []string{"test.test_collections", "test.test_deque", "test.test_defaultdict", "test.test_ordered_dict"}},
	{"dataclasses", []string{"test.test_dataclasses"}},
	{"enum", []string{"test.test_enum"}},
	{"itertools", []string{"test.test_itertools"}},
	{"statistics", []string{"test.test_statistics"}},
	{"string formatting", []string{"test.test_format", "test.test_fstring", "test.test_string"}},
}

// borrowed is what the tests need of the library that the interpreter does not have.
var borrowed = []string{"_pyrepl", "bdb.py", "code.py", "codeop.py", "doctest.py", "pdb.py", "pydoc.py", "pydoc_data", "rlcompleter.py", "timeit.py", "trace.py"}

// helpers are the other files of Lib/test that the tests import.
var helpers = []string{"__init__.py", "support", "datetimetester.py", "re_tests.py", "list_tests.py", "mapping_tests.py", "seq_tests.py", "string_tests.py", "test_userdict.py", "test_grammar.py", "archiver_tests.py"}

// verdict is what became of tests.
type verdict struct {
	Run     int         `json:"run"`
	Skipped [][2]string `json:"skipped"`
	Failed  [][2]string `json:"failed"`
}

// stdlib runs CPython's own tests, and prints a table and what has failed.
func stdlib(d *driver, only *regexp.Regexp) error {
	found, err := filepath.Glob(filepath.Join(d.root, library))
	if err != nil || len(found) != 1 {
		return errors.New("CPython's source is not there: remove .toolchains/python/compiled, and run make python")
	}
	app := filepath.Join(d.scratch, "stdlib")
	if err := copyTo(filepath.Join(app, "app.py"), filepath.Join(d.root, "internal/realpython/stdlib.py")); err != nil {
		return err
	}
	files := slices.Clone(helpers)
	for _, s := range subjects {
		for _, name := range s.tests {
			name = strings.TrimPrefix(name, "test.")
			if _, err := os.Stat(filepath.Join(found[0], "test", name)); err != nil {
				name += ".py"
			}
			files = append(files, name)
		}
	}
	for i, name := range files {
		files[i] = filepath.Join("test", name)
	}
	for _, name := range append(files, borrowed...) {
		if err := copyTo(filepath.Join(app, name), filepath.Join(found[0], name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	module, err := d.build("stdlib", app)
	if err != nil {
		return err
	}
	config, err := d.config("stdlib", fmt.Sprintf("fs: {mounts: {/app/test: %q, /tmp: {directory: %q, write: true}}}", filepath.Join(found[0], "test"), filepath.Join(d.scratch, "tmp")))
	if err != nil {
		return err
	}
	table := d.table("module", "passed", "of", "skipped", "failed")
	var failed []string
	for _, s := range subjects {
		if !only.MatchString(s.name) {
			continue
		}
		v, err := d.tests(module, config, s.tests)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		n := v.Run - len(v.Skipped)
		table.row(s.name, fmt.Sprintf("%.1f %%", 100*float64(n-len(v.Failed))/float64(n)), n, len(v.Skipped), len(v.Failed))
		for _, f := range v.Failed {
			failed = append(failed, fmt.Sprintf("%s: %s\n%s", s.name, f[0], f[1]))
		}
	}
	table.print()
	fmt.Println("\n" + strings.Join(failed, "\n"))
	return nil
}

var lastTest = regexp.MustCompile(`(?m)heartbeat.*?(test\.[\w.]+)`)

// tests runs tests in one activity, and again without a test that has ended the instance.
func (d *driver) tests(module, config string, names []string) (v verdict, err error) {
	ended := [][2]string{}
	for {
		skip := []string{}
		for _, e := range ended {
			skip = append(skip, e[0])
		}
		out, said, err := d.invoke(module, config, 20*time.Minute, "Run", names, skip)
		if err == nil {
			if err := json.Unmarshal(out, &v); err != nil {
				return v, err
			}
			v.Run, v.Failed = v.Run+len(ended), append(v.Failed, ended...)
			return v, nil
		}
		begun := lastTest.FindAllStringSubmatch(said, -1)
		if len(begun) == 0 || len(ended) == 20 {
			return v, fmt.Errorf("%w\n%s", err, said[max(0, len(said)-3000):])
		}
		last := begun[len(begun)-1][1]
		if slices.Contains(skip, last) {
			return v, fmt.Errorf("%w\n%s", err, said[max(0, len(said)-3000):])
		}
		ended = append(ended, [2]string{last, "the instance ended: " + said[max(0, len(said)-600):]})
	}
}

// copyTo copies a file, or a directory without what Python has compiled.
func copyTo(to, from string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if !info.IsDir() {
		data, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o644)
	}
	return os.CopyFS(to, os.DirFS(from))
}
