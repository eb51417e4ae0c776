// Realmodules gets programs that people have as WASI commands: in Go from the Go module
// proxy, in Rust from crates.io, and as modules in packages of PyPI, at pinned versions. It
// runs each in the sandbox, by `wasmworker invoke`, and in wasmtime of PyPI on the same
// input, compares standard output and exit code, and writes the table of docs/languages.md.
// It needs Go, Python 3 with pip, and some minutes the first time; programs in Rust need a
// Rust with the target wasm32-wasip1, or Debian's, and are left out without it. It is no
// part of CI. Run it in the root of the repository:
//
//	go run ./internal/realmodules              # all, and docs/languages.md is written
//	go run ./internal/realmodules -only 'yq'   # some, by a pattern
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// wasmtime is what the programs are compared with, and what that needs.
var wasmtime = []string{"wasmtime==50.0.1", "importlib_resources==7.1.0"}

func main() {
	log.SetFlags(0)
	log.SetPrefix("realmodules: ")
	only := flag.String("only", "", "`pattern` of the names of the programs to run")
	flag.Parse()
	pattern, err := regexp.Compile(*only)
	if err != nil {
		log.Fatalf("-only: %v", err)
	}
	d, err := prepare()
	if err != nil {
		log.Fatal(err)
	}
	var results []result
	for _, p := range programs {
		if !pattern.MatchString(p.name()) {
			continue
		}
		r, err := d.try(p)
		switch {
		case errors.Is(err, errNoRust):
			log.Printf("LEFT OUT: %s %s: %v", p.name(), p.version, err)
		case err != nil:
			log.Fatalf("%s %s: %v", p.name(), p.version, err)
		default:
			results = append(results, r)
			fmt.Println(strings.Join(r.cells(), "  "))
		}
	}
	if *only == "" {
		if err := write("docs/languages.md", results); err != nil {
			log.Fatal(err)
		}
	}
	for _, r := range results {
		if r.different > 0 {
			log.Fatalf("%s %s is not the same here and in wasmtime", r.name(), r.version)
		}
	}
}

// try runs a program in all its ways.
func (d *driver) try(p program) (result, error) {
	module, size, err := d.module(p)
	if err != nil {
		return result{}, err
	}
	all := result{program: p, size: size}
	for _, r := range p.runs {
		ours, theirs, err := d.run(p.name(), module, r)
		if err != nil {
			return all, fmt.Errorf("%q: %w", r.args, err)
		}
		all.codes = append(all.codes, strconv.Itoa(ours.code))
		all.bytes += len(ours.stdout)
		if ours.code != theirs.code || !bytes.Equal(ours.stdout, theirs.stdout) || ours.code != r.code {
			all.different++
			log.Printf("%s %q: exit code %d here, %d in wasmtime, %d wanted; standard output here\n%s\nand in wasmtime\n%s",
				p.name(), r.args, ours.code, theirs.code, r.code, ours.stdout, theirs.stdout)
		}
	}
	return all, nil
}

// driver has what the programs are run with, below bin/realmodules.
type driver struct{ directory, worker, python string }

// outcome is what a run did.
type outcome struct {
	stdout []byte
	code   int
}

func prepare() (*driver, error) {
	directory, err := filepath.Abs(filepath.Join("bin", "realmodules"))
	if err != nil {
		return nil, err
	}
	d := &driver{directory, filepath.Join(directory, "wasmworker"), filepath.Join(directory, "python")}
	if err := do(nil, "go", "build", "-o", d.worker, "./cmd/wasmworker"); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(d.python, "wasmtime")); err == nil {
		return d, nil
	}
	return d, pip(d.python, wasmtime...)
}

// do runs a command, and tells what it says if it fails.
func do(env []string, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return nil
}

// run runs the module here and there.
func (d *driver) run(name, module string, r run) (ours, theirs outcome, err error) {
	scratch, err := os.MkdirTemp("", "realmodules-")
	if err != nil {
		return ours, theirs, err
	}
	defer os.RemoveAll(scratch) //nolint:errcheck // it is temporary
	in, stdin := filepath.Join(scratch, "in"), filepath.Join(scratch, "stdin")
	if err := errors.Join(os.Mkdir(in, 0o755), os.WriteFile(stdin, []byte(r.stdin), 0o600)); err != nil {
		return ours, theirs, err
	}
	for file, content := range r.files {
		if err := os.WriteFile(filepath.Join(in, file), []byte(content), 0o600); err != nil {
			return ours, theirs, err
		}
	}
	if ours, err = d.here(name, module, scratch, r); err != nil {
		return ours, theirs, err
	}
	theirs, err = d.there(name, module, scratch, r)
	return ours, theirs, err
}

// here runs the module in the sandbox.
func (d *driver) here(name, module, scratch string, r run) (o outcome, err error) {
	own := map[string]any{"command_io": "json", "success_codes": []int{0, 1, 2, 3, 4, 5, 10, 20}}
	if len(r.files) > 0 {
		mounts := map[string]any{"/in": map[string]any{"directory": filepath.Join(scratch, "in")}}
		own["passthrough"] = map[string]any{"fs": map[string]any{"mounts": mounts}}
	}
	config, err := json.Marshal(map[string]any{"per_module": map[string]any{name: own}})
	if err != nil {
		return o, err
	}
	args, err := json.Marshal(map[string]any{"args": r.args})
	if err != nil {
		return o, err
	}
	file := filepath.Join(scratch, "wasmworker.yaml")
	if err := os.WriteFile(file, config, 0o600); err != nil { // JSON is YAML
		return o, err
	}
	cmd := exec.Command(d.worker, "invoke", "--config", file, "--cache-dir", filepath.Join(d.directory, "cache"), "--memory-limit", "1GiB", "--compile-timeout", "10m", "--timeout", "5m",
		"--log-level", "error", "--binary", module, name, string(args), "@"+filepath.Join(scratch, "stdin"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return o, fmt.Errorf("%w: %s", err, stderr.Bytes())
	}
	var result struct {
		Stdout string `json:"stdout"`
		Code   int    `json:"exit_code"`
	}
	err = json.Unmarshal(out, &result)
	o.stdout, o.code = []byte(result.Stdout), result.Code
	return o, err
}

// there runs the module in wasmtime.
func (d *driver) there(name, module, scratch string, r run) (o outcome, err error) {
	mounts := [][]string{}
	if len(r.files) > 0 {
		mounts = append(mounts, []string{filepath.Join(scratch, "in"), "/in"})
	}
	text, err := json.Marshal(mounts)
	if err != nil {
		return o, err
	}
	cmd := exec.Command("python3", append([]string{filepath.Join("internal", "realmodules", "run.py"), module, filepath.Join(scratch, "stdin"), string(text), name}, r.args...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+d.python)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		return o, err
	}
	if !strings.HasSuffix(strings.TrimSpace(stderr.String()), "ended") { // it has not come that far
		return o, fmt.Errorf("wasmtime: %s", stderr.Bytes())
	}
	return outcome{stdout.Bytes(), cmd.ProcessState.ExitCode()}, nil
}
