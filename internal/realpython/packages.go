package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/wasmworker/wasmworker/internal/pybundle"
)

// used is a distribution, and the name of its use in packages.py.
type used struct{ name, requirement, use string }

var used12 = []used{
	{"jinja2", "jinja2==3.1.6", "jinja2"},
	{"attrs", "attrs==25.3.0", "attrs"},
	{"python-dateutil", "python-dateutil==2.9.0.post0", "dateutil"},
	{"pyyaml", "pyyaml==6.0.2", "yaml"},
	{"jsonschema", "jsonschema==4.17.3", "jsonschema"},
	{"tomli", "tomli==2.2.1", "tomli"},
	{"sqlglot", "sqlglot==26.33.0", "sqlglot"},
	{"networkx", "networkx==3.5", "networkx"},
	{"beautifulsoup4", "beautifulsoup4==4.13.4", "bs4"},
	{"markdown", "markdown==3.8.2", "markdown"},
	{"tabulate", "tabulate==0.9.0", "tabulate"},
	{"more-itertools", "more-itertools==10.7.0", "more_itertools"},
}

// packages builds an app with each package, runs it, and compares what it returns with what
// the machine's own Python returns.
func packages(d *driver, only *regexp.Regexp) error {
	table := d.table("package", "version", "module", "build", "result")
	failed := 0
	for _, u := range used12 {
		if !only.MatchString(u.name) {
			continue
		}
		size, took, err := d.try(u)
		verdict := "the same"
		if err != nil {
			failed++
			verdict = "differs"
			fmt.Fprintf(os.Stderr, "%s: %v\n", u.name, err)
		}
		_, version, _ := strings.Cut(u.requirement, "==")
		table.row(u.name, version, size, took.Round(100*time.Millisecond), verdict)
	}
	table.print()
	if failed > 0 {
		return fmt.Errorf("%d packages do not do what they do elsewhere", failed)
	}
	return nil
}

func (d *driver) try(u used) (size string, took time.Duration, err error) {
	app := filepath.Join(d.scratch, u.use)
	installed := filepath.Join(d.scratch, u.use+"-packages")
	if err := copyTo(filepath.Join(app, "app.py"), filepath.Join(d.root, "internal/realpython/packages.py")); err != nil {
		return "", 0, err
	}
	if err := os.WriteFile(filepath.Join(app, "chosen.py"), []byte("NAME = \""+u.use+"\"\n"), 0o644); err != nil {
		return "", 0, err
	}
	requirements := filepath.Join(d.scratch, u.use+".txt")
	if err := os.WriteFile(requirements, []byte(u.requirement+"\n"), 0o644); err != nil {
		return "", 0, err
	}
	pip := append(append([]string{}, pybundle.PipInstall...), "--quiet", "--disable-pip-version-check", "--target", installed, "--requirement", requirements)
	if out, err := exec.Command("python3", pip...).CombinedOutput(); err != nil {
		return "", 0, fmt.Errorf("%w\n%s", err, out)
	}
	begun := time.Now()
	module, err := d.build(u.use, app, "--site-packages", installed, "--requirements", requirements)
	if err != nil {
		return "", 0, err
	}
	took = time.Since(begun)
	info, err := os.Stat(module)
	if err != nil {
		return "", 0, err
	}
	size = fmt.Sprintf("%.1f MB", float64(info.Size())/1e6)
	out, said, err := d.invoke(module, "", time.Minute, "Run")
	if err != nil {
		return size, took, fmt.Errorf("%w\n%s", err, said)
	}
	cmd := exec.Command("python3", filepath.Join(app, "app.py"))
	cmd.Env = append(os.Environ(), "PYTHONPATH="+installed, "PYTHONDONTWRITEBYTECODE=1")
	var errOut strings.Builder
	cmd.Stderr = &errOut
	native, err := cmd.Output()
	if err != nil {
		return size, took, fmt.Errorf("in the machine's own Python: %w\n%s", err, errOut.String())
	}
	var here, there any
	if err := errors.Join(json.Unmarshal(out, &here), json.Unmarshal(native, &there)); err != nil {
		return size, took, err
	}
	if !reflect.DeepEqual(here, there) {
		return size, took, fmt.Errorf("it returns\n%s\nand elsewhere\n%s", out, native)
	}
	return size, took, nil
}
