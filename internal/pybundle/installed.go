package pybundle

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// distribution is one that pip has installed into a directory.
type distribution struct {
	name     string // as it calls itself
	version  version
	python   []clause // which versions of Python it is for
	requires []requirement
	info     string // its folder, x-1.0.dist-info
}

func (d *distribution) String() string { return d.name + " " + d.version.text }

// AddInstalled adds the distributions that a project names, and those that they require, of a
// directory that `pip install --target` has filled.
func (a *App) AddInstalled(dir string, project *Project) error {
	installed, err := distributions(dir)
	if err != nil {
		return err
	}
	s := selection{dir: dir, project: project, installed: installed, extras: map[string][]string{}}
	for _, r := range project.requires {
		s.take(r, r.from)
	}
	if len(s.problems) > 0 {
		return s.explain()
	}
	for _, name := range slices.Sorted(maps.Keys(s.extras)) {
		if err := a.addDistribution(dir, installed[name]); err != nil {
			return err
		}
	}
	return nil
}

// distributions reads what is installed in a directory.
func distributions(dir string) (map[string]*distribution, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	found := map[string]*distribution{}
	for _, entry := range entries {
		if !entry.IsDir() || path.Ext(entry.Name()) != ".dist-info" {
			continue
		}
		file := filepath.Join(dir, entry.Name(), "METADATA")
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("%w: install it again", err)
		}
		d, err := parseMetadata(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		d.info = entry.Name()
		name := normalized(d.name)
		if other := found[name]; other != nil {
			return nil, fmt.Errorf("%s has %s and %s: empty it, and install anew", dir, other, d)
		}
		found[name] = d
	}
	return found, nil
}

// parseMetadata reads the head of a METADATA file.
func parseMetadata(data []byte) (*distribution, error) {
	d := &distribution{}
	var err error
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data)+1)
	for lines.Scan() && lines.Text() != "" && err == nil {
		key, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(key) {
		case "name":
			d.name = value
		case "version":
			d.version, err = parseVersion(value)
		case "requires-python":
			d.python, err = parseSpecifier(value)
		case "requires-dist":
			var r requirement
			r, err = parseRequirement(value)
			d.requires = append(d.requires, r)
		}
	}
	if err == nil && (d.name == "" || d.version.text == "") {
		err = errors.New("it has no name, or no version")
	}
	return d, err
}

// selection finds out which distributions an app needs.
type selection struct {
	dir       string
	project   *Project
	installed map[string]*distribution
	extras    map[string][]string // of each that is taken

	problems []string
	missing  []string // requirements for pip
}

// take takes a requirement's distribution, and what that requires in turn.
func (s *selection) take(r requirement, by string) {
	if !r.holds(s.extras[by]) {
		return
	}
	problem := func(format string, args ...any) {
		s.problems = append(s.problems, fmt.Sprintf(format, args...))
		if i := strings.IndexByte(r.text, ';'); !slices.Contains(s.missing, r.text) {
			if i < 0 {
				i = len(r.text)
			}
			s.missing = append(s.missing, strings.TrimSpace(r.text[:i]))
		}
	}
	asks := by
	if d := s.installed[by]; d != nil {
		asks = d.String()
	}
	d := s.installed[r.name]
	if d == nil {
		problem("%s is not in %s, and %s requires it", r.text, s.dir, asks)
		return
	}
	if !allowsAll(r.allows, d.version) {
		problem("%s has %s, and %s requires %s", s.dir, d, asks, r.text)
	}
	before, known := s.extras[r.name]
	extras := slices.Clone(before)
	for _, extra := range r.extras {
		if !slices.Contains(extras, extra) {
			extras = append(extras, extra)
		}
	}
	if known && len(extras) == len(before) {
		return
	}
	s.extras[r.name] = extras
	if v, err := parseVersion(pythonFullVersion); !known && err == nil && !allowsAll(d.python, v) {
		problem("%s is for other versions of Python than %s, which the interpreter has", d, pythonFullVersion)
	}
	for _, c := range s.project.constraints {
		if !known && c.name == r.name && c.holds(nil) && !allowsAll(c.allows, d.version) {
			problem("%s has %s, and %s allows %s", s.dir, d, c.from, c.text)
		}
	}
	for _, next := range d.requires {
		s.take(next, r.name)
	}
}

// explain makes an error of what is wrong.
func (s *selection) explain() error {
	var what []string
	if s.project.Dependencies == nil {
		what = []string{"--requirement", quoted(s.project.File)}
	}
	for _, text := range s.project.Dependencies {
		what = append(what, quoted(text))
	}
	for _, text := range s.missing {
		// What others require is named too: pip on this machine may do without it.
		if !slices.ContainsFunc(s.project.requires, func(r requirement) bool { return strings.HasPrefix(r.text, text) }) {
			what = append(what, quoted(text))
		}
	}
	return fmt.Errorf("%s\ninstall what is missing, and build again:\n  python3 %s --upgrade --target %s %s",
		strings.Join(s.problems, "\n"), strings.Join(PipInstall, " "), quoted(s.dir), strings.Join(what, " "))
}

// PipInstall are the arguments of python for packages that the interpreter can have. Nothing
// is built: that would run code of the packages here.
var PipInstall = []string{"-m", "pip", "install", "--only-binary", ":all:", "--python-version", PythonVersion, "--no-compile"}

// quoted quotes an argument for a shell if it needs it.
func quoted(arg string) string {
	if strings.ContainsAny(arg, " \t\n'\"\\$`<>|&;()*?[]#~!{}") {
		return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
	}
	return arg
}

// recorded returns the files of a distribution, by its RECORD.
func recorded(dir string, d *distribution) (files []string, err error) {
	file := filepath.Join(dir, d.info, "RECORD")
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: install %s again", err, d)
	}
	rows := csv.NewReader(bytes.NewReader(data))
	rows.FieldsPerRecord = -1
	for {
		row, err := rows.Read()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w: install %s again", file, err, d)
		}
		// Programs and their data are elsewhere.
		if inside := path.Clean(filepath.ToSlash(row[0])); filepath.IsLocal(inside) && !strings.HasPrefix(inside, "bin/") {
			files = append(files, inside)
		}
	}
}

// owners returns the distributions of the files with native code of a directory, as far as
// they are known.
func owners(dir string) map[string]string {
	of := map[string]string{}
	installed, err := distributions(dir)
	if err != nil {
		return of // it is no such directory
	}
	for _, d := range installed {
		files, err := recorded(dir, d)
		for _, file := range files {
			if err == nil && native(file) {
				of[file] = d.String()
			}
		}
	}
	return of
}

// addDistribution adds the files of a distribution.
func (a *App) addDistribution(dir string, d *distribution) error {
	files, err := recorded(dir, d)
	for _, inside := range files {
		switch {
		case skipped(inside):
		case native(inside):
			a.Native = append(a.Native, Native{inside, d.String()})
		case err == nil:
			if err = a.add(inside, filepath.Join(dir, filepath.FromSlash(inside))); err != nil {
				err = fmt.Errorf("%w: install %s again", err, d)
			}
		}
	}
	return err
}
