//go:build python && unix

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// built makes the module in Python, beside a copy of the case file of the one in Rust.
func built(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	cmd := exec.Command(testbed.Program(t), "build", "--interpreter", testbed.Python(t), "--passthrough", "blob",
		"-o", filepath.Join(directory, "enrich.wasm"), filepath.Join("activities", "python", "enrich.py"))
	if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("warning")) {
		t.Fatalf("%v\n%s", err, out)
	}
	return directory
}

// The module in Python does what the case file of the one in Rust says.
func TestPythonCases(t *testing.T) {
	directory := built(t)
	text, err := os.ReadFile(filepath.Join("activities", "rust", "enrich.test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// A writer in Python knows that its commit has ended it, and does not close it again.
	cases := strings.Replace(string(text), "      - {call: blob close, error: {errno: EBADF, message: there is no writer 2}} # the commit has ended it\n", "", 1)
	if len(cases) == len(text) {
		t.Fatal("the case file has changed")
	}
	if err := os.WriteFile(filepath.Join(directory, "enrich.test.yaml"), []byte(cases), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(testbed.Program(t), "test", directory).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// tables are lines as the extraction writes them, with names of many kinds.
func tables() string {
	var out strings.Builder
	names := []string{"orders_", "Kunde ", `\"quoted\" `, "it's ", "表_", `back\\slash `, `line\nbreak\u0001\u007f `, "%s{} ", "🙂", "straße", "ÜBER_", "ContactEmail", "e-mail", "IPAddress", "DŽ", "İ"}
	for i := range 6000 {
		name, column := names[i%len(names)], names[i/len(names)%len(names)]
		comment := ""
		if i%3 == 0 {
			comment = fmt.Sprintf(`,"comment":"Number %d of \"all\" \t\u2028 <&> %s"`, i, name)
		}
		fmt.Fprintf(&out, `{"schema":"Sales","table":"%s%d"%s,"kind":"table","rows":%d,"bytes":null,"primary_key":["id"],"foreign_keys":[{"table":"p","schema":"s","references":["a"],"columns":["b"]}],`+
			`"columns":[{"name":"%s","type":"character varying(80)","nullable":true},{"type":"text","name":"first%s","nullable":false%s},{"name":"peer_ip","type":"inet","nullable":false}]}`+"\n",
			name, i, comment, uint64(1)<<(i%64), column, column, comment)
	}
	return out.String()
}

// The modules in Python and in Rust write the same objects, byte for byte, and have the same
// results.
func TestPythonWritesTheSame(t *testing.T) {
	input := tables()
	if len(input) < 2<<20 {
		t.Fatalf("the object has %d bytes, which one read could return", len(input))
	}
	var objects, results [2][]byte
	for i, module := range []string{filepath.Join(built(t), "enrich.wasm"), filepath.Join("activities", "rust", "enrich.wasm")} {
		directory := t.TempDir()
		for path, data := range map[string]string{
			"raw/warehouse/part.jsonl": input, "catalog/.keep": "",
			"config.yaml": fmt.Sprintf("buckets:\n  raw: {url: \"file://%[1]s/raw\"}\n  catalog: {url: \"file://%[1]s/catalog\"}\nper_module:\n  enrich:\n    passthrough:\n      blob: {buckets: {raw: {}, catalog: {write: true}}}\n", directory),
		} {
			path = filepath.Join(directory, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		call := func(args ...string) []byte {
			cmd := exec.Command(testbed.Program(t), append([]string{"invoke", "--config", filepath.Join(directory, "config.yaml"), module}, args...)...)
			var said bytes.Buffer
			cmd.Stderr = &said
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%s: %v\n%s", module, err, said.Bytes()[:min(2000, said.Len())])
			}
			return out
		}
		part := strings.TrimSpace(string(call("EnrichTables", `"warehouse/part.jsonl"`)))
		results[i] = append([]byte(part), call("SummariseTables", `"warehouse/summary.json"`, "["+part+","+part+"]")...)
		for _, name := range []string{"part.jsonl", "summary.json"} {
			data, err := os.ReadFile(filepath.Join(directory, "catalog", "warehouse", name))
			if err != nil {
				t.Fatal(err)
			}
			objects[i] = append(objects[i], data...)
		}
	}
	if !bytes.Equal(objects[0], objects[1]) {
		python, rust := bytes.SplitAfter(objects[0], []byte("\n")), bytes.SplitAfter(objects[1], []byte("\n"))
		for i := range min(len(python), len(rust)) {
			if !bytes.Equal(python[i], rust[i]) {
				t.Fatalf("line %d is\n%s, and in Rust\n%s", i+1, python[i], rust[i])
			}
		}
		t.Errorf("there are %d lines, and in Rust %d", len(python), len(rust))
	}
	var python, rust [2]Counts
	for of, counts := range map[int]*[2]Counts{0: &python, 1: &rust} {
		decoder := json.NewDecoder(bytes.NewReader(results[of]))
		if err := errors.Join(decoder.Decode(&counts[0]), decoder.Decode(&counts[1])); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(python, rust) || python[1].Tables != 12000 {
		t.Errorf("the results are\n%+v, and in Rust\n%+v", python, rust)
	}
}
