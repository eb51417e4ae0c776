package pybundle

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Project is what an app's project says that it depends on.
type Project struct {
	// File is where it says so: a requirements.txt or a pyproject.toml.
	File string
	// Dependencies are what a pyproject.toml lists; pip reads other files itself.
	Dependencies []string

	requires    []requirement
	constraints []requirement
}

// The names of a project's files.
const (
	pyproject       = "pyproject.toml"
	requirementsTxt = "requirements.txt"
)

// FindProject returns the file that says what an app depends on: the pyproject.toml or the
// requirements.txt beside it or in it.
func FindProject(app string) (string, error) {
	absolute, err := filepath.Abs(app)
	if err != nil {
		return "", err
	}
	places := []string{filepath.Dir(absolute)}
	if info, err := os.Stat(absolute); err == nil && info.IsDir() {
		places = []string{absolute, filepath.Dir(absolute)}
	}
	for _, dir := range places {
		var found []string
		for _, name := range []string{pyproject, requirementsTxt} {
			if file := filepath.Join(dir, name); exists(file) {
				found = append(found, file)
			}
		}
		switch len(found) {
		case 1:
			return found[0], nil
		case 2:
			return "", fmt.Errorf("both %s and %s may say what %s depends on: name one with --requirements", found[0], found[1], app)
		}
	}
	return "", fmt.Errorf("neither a %s nor a %s is beside %s or in it: name the file that says what it depends on with --requirements", pyproject, requirementsTxt, app)
}

// ReadProject reads a requirements.txt, or of a pyproject.toml the dependencies of [project].
func ReadProject(file string) (*Project, error) {
	p := &Project{File: file}
	if filepath.Ext(file) == ".toml" {
		return p, p.readPyproject()
	}
	return p, p.readRequirements(file, false, nil)
}

func (p *Project) readPyproject() error {
	data, err := os.ReadFile(p.File)
	if err != nil {
		return err
	}
	var content struct {
		Project *struct {
			Dependencies []string
			Dynamic      []string
		}
	}
	if err := toml.Unmarshal(data, &content); err != nil {
		return fmt.Errorf("%s: %w", p.File, err)
	}
	if content.Project == nil {
		return fmt.Errorf("%s has no table [project], whose dependencies are what the bundle takes: add it, or write a %s and name that", p.File, requirementsTxt)
	}
	if slices.Contains(content.Project.Dynamic, "dependencies") {
		return fmt.Errorf("%s: the dependencies are dynamic, and a build would have to find them out: list them there, or write a %s and name that", p.File, requirementsTxt)
	}
	for i, text := range content.Project.Dependencies {
		r, err := parseRequirement(text)
		if err != nil {
			return fmt.Errorf("%s: dependency %d of [project]: %w", p.File, i+1, err)
		}
		r.from = p.File
		p.Dependencies, p.requires = append(p.Dependencies, text), append(p.requires, r)
	}
	return nil
}

// readRequirements reads a file as pip does. What tells pip where to look for packages is
// passed over.
func (p *Project) readRequirements(file string, constraints bool, within []string) error {
	if slices.Contains(within, file) {
		return fmt.Errorf("%s names itself, by way of others maybe", file)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) && len(within) > 0 {
			return fmt.Errorf("%s names %s, which is not there", within[len(within)-1], file)
		}
		return err
	}
	within = append(within, file)
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data)+1)
	text := ""
	for number := 1; lines.Scan(); number++ {
		part, goesOn := strings.CutSuffix(strings.TrimRight(lines.Text(), " \t\r"), "\\")
		text += part
		if goesOn {
			continue
		}
		line := withoutComment(text)
		text = ""
		if err := p.readLine(line, file, number, constraints, within); err != nil {
			return err
		}
	}
	return p.readLine(withoutComment(text), file, 0, constraints, within)
}

func withoutComment(line string) string {
	if strings.HasPrefix(strings.TrimSpace(line), "#") {
		return ""
	}
	for _, mark := range []string{" #", "\t#"} {
		line, _, _ = strings.Cut(line, mark)
	}
	return strings.TrimSpace(line)
}

func (p *Project) readLine(line, file string, number int, constraints bool, within []string) error {
	where := fmt.Sprintf("%s, line %d", file, number)
	switch {
	case line == "":
		return nil
	case strings.HasPrefix(line, "-"):
		option, value := optionOf(line)
		switch option {
		case "-r", "--requirement":
			return p.readRequirements(filepath.Join(filepath.Dir(file), value), constraints, within)
		case "-c", "--constraint":
			return p.readRequirements(filepath.Join(filepath.Dir(file), value), true, within)
		case "-e", "--editable":
			return fmt.Errorf("%s: %s is for working on a package: name the distribution itself, and install it", where, option)
		}
		return nil
	}
	if path, _, _ := strings.Cut(line, " "); !strings.Contains(line, "@") && strings.ContainsAny(path, "/\\") {
		return fmt.Errorf("%s: %s has no name: write it as NAME @ %[2]s", where, path)
	}
	line, _, _ = strings.Cut(line, " --") // --hash and other options for pip
	r, err := parseRequirement(line)
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	r.from = where
	if constraints {
		p.constraints = append(p.constraints, r)
	} else {
		p.requires = append(p.requires, r)
	}
	return nil
}

// optionOf separates an option and its value: -r file, -rfile or --requirement=file.
func optionOf(line string) (option, value string) {
	end := strings.IndexAny(line, " \t=")
	if end < 0 {
		end = len(line)
	}
	if !strings.HasPrefix(line, "--") && end > 2 {
		end = 2
	}
	return line[:end], strings.Trim(line[end:], " \t=\"'")
}
