// Realmodules builds programs that people have, at pinned versions by way of the Go module
// proxy, as WASI commands. It runs each in the sandbox, by `wasmworker invoke`, and in
// wasmtime of PyPI on the same input, compares standard output and exit code, and prints a
// table. It needs Go, Python 3 with pip, and some minutes the first time, and is no part of
// CI. Run it in the root of the repository:
//
//	go run ./internal/realmodules              # all
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
	"strings"
	"text/tabwriter"
	"time"
)

// wasmtime is what the programs are compared with, and what that needs.
var wasmtime = []string{"wasmtime==50.0.1", "importlib_resources==7.1.0"}

// program is a command, and what it is run with.
type program struct {
	pkg, version string
	runs         []run
}

func (p program) name() string {
	parts := strings.Split(p.pkg, "/")
	if last := parts[len(parts)-1]; !regexp.MustCompile(`^v\d+$`).MatchString(last) {
		return last
	}
	return parts[len(parts)-2]
}

type run struct {
	args  []string
	stdin string
	files map[string]string // below /in
	code  int               // that it ends with
}

const workflow = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ %s }}\n"

var programs = []program{
	{"mvdan.cc/sh/v3/cmd/shfmt", "v3.14.1", []run{
		{args: []string{"-i", "2"}, stdin: "if true;then\necho  hi\nfi\n"},
		{stdin: "if true; then\n", code: 1},
	}},
	{"github.com/mikefarah/yq/v4", "v4.54.3", []run{
		{args: []string{"-o", "json", ".a[1]"}, stdin: "a:\n  - x\n  - {b: [1, 2.5, ~], é: \"ü\"}\n"},
		{args: []string{"."}, stdin: "a: [\n", code: 1},
	}},
	{"github.com/itchyny/gojq/cmd/gojq", "v0.12.17", []run{
		{args: []string{"-c", "[.[] | select(.n > 1) | {n, s: (.s | ascii_upcase)}]"}, stdin: `[{"n":1,"s":"a"},{"n":2,"s":"b"},{"n":3.5,"s":"ü"}]`},
		{args: []string{".a"}, stdin: `[1]`, code: 5},
	}},
	{"github.com/google/go-jsonnet/cmd/jsonnet", "v0.22.0", []run{
		{args: []string{"-"}, stdin: "local f(n) = if n < 2 then n else f(n - 1) + f(n - 2);\n{ fib: [f(i) for i in std.range(0, 12)], text: std.format('%05.2f', 3.14159) }"},
		{args: []string{"-"}, stdin: "{ a: error 'no' }", code: 1},
	}},
	{"github.com/rhysd/actionlint/cmd/actionlint", "v1.7.12", []run{
		{args: []string{"-no-color", "-shellcheck=", "-pyflakes=", "-"}, stdin: fmt.Sprintf(workflow, "github.sha")},
		{args: []string{"-no-color", "-shellcheck=", "-pyflakes=", "-"}, stdin: fmt.Sprintf(workflow, "github.shaa"), code: 1},
	}},
	{"github.com/BurntSushi/toml/cmd/tomlv", "v1.6.0", []run{
		{args: []string{"-types", "/in/good.toml"}, files: map[string]string{"good.toml": "a = 1\n[b]\nc = 2026-11-30\n"}},
		{args: []string{"/in/bad.toml"}, files: map[string]string{"bad.toml": "a = \n"}, code: 1},
	}},
	{"github.com/evanw/esbuild/cmd/esbuild", "v0.28.2", []run{
		{args: []string{"--minify", "--loader=ts", "--target=es2017"}, stdin: "enum A { B = 1 }\nexport const f = async (x?: number): Promise<string> => `${x ?? A.B}`\n"},
		{args: []string{"--loader=js", "--color=false"}, stdin: "let = = 1", code: 1},
	}},
	{"mvdan.cc/gofumpt", "v0.12.0", []run{
		{args: []string{"-lang", "go1.24", "-modpath", "p"}, stdin: "package p\n\nimport (\n\t\"fmt\"\n)\nfunc  f( ) {\n\n\tfmt.Println( 0755 )\n\n}\n"},
		{stdin: "package", code: 2},
	}},
	{"github.com/google/yamlfmt/cmd/yamlfmt", "v0.21.0", []run{
		{args: []string{"-"}, stdin: "a:   1\nb:\n    - x\n    -   y # note\n"},
	}},
}

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
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "program\tversion\tMB\texit code\tbytes\there\twasmtime\t")
	different := 0
	for _, p := range programs {
		if !pattern.MatchString(p.name()) {
			continue
		}
		module, size, err := d.build(p)
		if err != nil {
			log.Fatal(err)
		}
		for _, r := range p.runs {
			ours, theirs, err := d.run(p.name(), module, r)
			if err != nil {
				log.Fatalf("%s %q: %v", p.name(), r.args, err)
			}
			verdict := ""
			if ours.code != theirs.code || !bytes.Equal(ours.stdout, theirs.stdout) || ours.code != r.code {
				verdict = "DIFFERENT"
				different++
				log.Printf("%s %q: exit code %d here, %d in wasmtime, %d wanted; standard output here\n%s\nand in wasmtime\n%s", p.name(), r.args, ours.code, theirs.code, r.code, ours.stdout, theirs.stdout)
			}
			fmt.Fprintf(table, "%s\t%s\t%.1f\t%d\t%d\t%s\t%s\t%s\n", p.name(), p.version, size, ours.code, len(ours.stdout),
				ours.took.Round(time.Millisecond), theirs.took.Round(time.Millisecond), verdict)
		}
	}
	if err := table.Flush(); err != nil {
		log.Fatal(err)
	}
	if different > 0 {
		log.Fatalf("%d runs are different", different)
	}
}

// driver has what the programs are run with, below bin/realmodules.
type driver struct{ directory, worker, python string }

// outcome is what a run did. It took the whole process, compiled code being in the cache of
// wasmworker, and compilation left out with wasmtime, which has none here.
type outcome struct {
	stdout []byte
	code   int
	took   time.Duration
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
	return d, do(nil, "python3", append([]string{"-m", "pip", "install", "--quiet", "--no-deps", "--target", d.python}, wasmtime...)...)
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

// build returns the program as a module, and its size in MB.
func (d *driver) build(p program) (module string, size float64, err error) {
	module = filepath.Join(d.directory, p.version, p.name()+".wasm")
	if _, err := os.Stat(module); err != nil {
		cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
		if err != nil {
			return "", 0, err
		}
		path := filepath.Join(d.directory, "go")
		env := []string{"GOWORK=off", "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOPATH=" + path, "GOMODCACHE=" + strings.TrimSpace(string(cache))}
		if err := do(env, "go", "install", "-trimpath", "-ldflags=-s -w", p.pkg+"@"+p.version); err != nil {
			return "", 0, err
		}
		if err := os.MkdirAll(filepath.Dir(module), 0o755); err != nil {
			return "", 0, err
		}
		if err := os.Rename(filepath.Join(path, "bin", "wasip1_wasm", p.name()), module); err != nil {
			return "", 0, err
		}
	}
	info, err := os.Stat(module)
	if err != nil {
		return "", 0, err
	}
	return module, float64(info.Size()) / 1e6, nil
}

// run runs the module here, twice for the cache to be filled, and there.
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
	for range 2 {
		if ours, err = d.here(name, module, scratch, r); err != nil {
			return ours, theirs, err
		}
	}
	theirs, err = d.there(name, module, scratch, r)
	return ours, theirs, err
}

// here runs the module in the sandbox.
func (d *driver) here(name, module, scratch string, r run) (o outcome, err error) {
	own := map[string]any{"command_io": "json", "success_codes": []int{0, 1, 2, 3, 4, 5}}
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
	cmd := exec.Command(d.worker, "invoke", "--config", file, "--cache-dir", filepath.Join(d.directory, "cache"), "--memory-limit", "1GiB", "--binary",
		module, name, string(args), "@"+filepath.Join(scratch, "stdin"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	begin := time.Now()
	out, err := cmd.Output()
	if err != nil {
		return o, fmt.Errorf("%w: %s", err, stderr.Bytes())
	}
	o.took = time.Since(begin)
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
	if err := cmd.Run(); err != nil {
		if _, ended := errors.AsType[*exec.ExitError](err); !ended {
			return o, err
		}
	}
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	seconds, err := time.ParseDuration(lines[len(lines)-1] + "s")
	if err != nil { // it has not come that far
		return o, fmt.Errorf("wasmtime: %s", stderr.Bytes())
	}
	return outcome{stdout.Bytes(), cmd.ProcessState.ExitCode(), seconds}, nil
}
