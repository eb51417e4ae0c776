// Realpython runs what others have written in Python as apps: CPython's own tests of the
// modules that the docs promise, and packages of PyPI at pinned versions, whose results are
// compared with those of the same code in the machine's own Python. It prints a table. It
// needs make python, the second PyPI, and some minutes, and is no part of CI. Run it in the
// root of the repository:
//
//	go run ./internal/realpython stdlib
//	go run ./internal/realpython packages
//	go run ./internal/realpython -only 'json|re' stdlib   # some, by a pattern
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	only := flag.String("only", "", "a regular expression for names")
	flag.Parse()
	pattern, err := regexp.Compile(*only)
	if err != nil {
		log.Fatal(err)
	}
	run := map[string]func(*driver, *regexp.Regexp) error{"stdlib": stdlib, "packages": packages}[flag.Arg(0)]
	if run == nil {
		log.Fatal("say what to run: stdlib or packages")
	}
	d, err := prepare()
	if err == nil {
		err = run(d, pattern)
		os.RemoveAll(d.scratch) //nolint:errcheck // it is temporary
	}
	if err != nil {
		log.Fatal(err)
	}
}

// driver builds apps and runs their activities.
type driver struct {
	root, scratch, worker string
}

func prepare() (*driver, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp("", "wasmworker-realpython-")
	if err != nil {
		return nil, err
	}
	d := &driver{root: root, scratch: scratch, worker: filepath.Join(scratch, "wasmworker")}
	if err := os.Mkdir(filepath.Join(scratch, "tmp"), 0o755); err != nil {
		return nil, err
	}
	if out, err := exec.Command("go", "build", "-o", d.worker, "./cmd/wasmworker").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	return d, nil
}

// build makes the module of an app.
func (d *driver) build(name, app string, more ...string) (string, error) {
	module := filepath.Join(d.scratch, name+".wasm")
	args := append([]string{"build", "--interpreter", filepath.Join(d.root, "bin/python.wasm"), "-o", module}, more...)
	out, err := exec.Command(d.worker, append(args, app)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return module, nil
}

// config writes a configuration with the grants of a module.
func (d *driver) config(name, grants string) (string, error) {
	file := filepath.Join(d.scratch, name+".yaml")
	return file, os.WriteFile(file, []byte("memory_limit: 2GiB\nmax_output: 64MiB\nper_module:\n  "+name+":\n    passthrough:\n      "+grants+"\n"), 0o644)
}

// invoke runs an activity, and returns its result and what went to standard error.
func (d *driver) invoke(module, config string, timeout time.Duration, activity string, inputs ...any) (result []byte, said string, err error) {
	args := []string{"invoke", "--timeout", timeout.String()}
	if config != "" {
		args = append(args, "--config", config)
	}
	args = append(args, module, activity)
	for _, input := range inputs {
		text, err := json.Marshal(input)
		if err != nil {
			return nil, "", err
		}
		args = append(args, string(text))
	}
	cmd := exec.Command(d.worker, args...)
	var output bytes.Buffer
	cmd.Stderr = &output
	result, err = cmd.Output()
	return result, output.String(), err
}

// table is printed in Markdown.
type table struct{ lines [][]string }

func (d *driver) table(head ...string) *table {
	return &table{[][]string{head, strings.Split(strings.Repeat("---|", len(head)-1)+"---", "|")}}
}

func (t *table) row(cells ...any) {
	var line []string
	for _, cell := range cells {
		line = append(line, fmt.Sprint(cell))
	}
	fmt.Fprintf(os.Stderr, "%s\n", strings.Join(line, ", "))
	t.lines = append(t.lines, line)
}

func (t *table) print() {
	for _, line := range t.lines {
		fmt.Println("| " + strings.Join(line, " | ") + " |")
	}
}
