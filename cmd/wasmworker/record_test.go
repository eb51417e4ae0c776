//go:build unix

package main_test

import (
	"os"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// What was recorded is replayed offline: the same output, calls and units.
func TestRecord(t *testing.T) {
	config := policyFile(t, "  config: {values: {region: eu}}\n")
	dir := t.TempDir()
	copyFile(t, testbed.Guest(t, "testdata/conformance/extism-go"), dir+"/extism-go.wasm")
	recorded := dir + "/extism-go.test.yaml"
	invoke := func(args ...string) ran {
		args = append([]string{"invoke", "--config", config, "--passthrough", "http", "--passthrough", "config", "--record", recorded, "--binary", dir + "/extism-go.wasm"}, args...)
		return command{args: args}.run(t)
	}
	got := invoke("config", "@"+file(t, "input", "region"))
	if got.code != 0 || strings.TrimSpace(got.stdout) != "eu" || !strings.Contains(got.stderr, "replays it") {
		t.Fatalf("%+v", got)
	}
	// A failure is a case too.
	if got := invoke("http", "@"+file(t, "input", "https://example.com/?secret\nhello")); got.code != 1 || !strings.Contains(got.stderr, "is denied") {
		t.Fatalf("%+v", got)
	}
	replay := func() ran { return command{args: []string{"test", recorded}}.run(t) }
	if got := replay(); got.code != 0 || !strings.Contains(got.stdout, "2 cases") {
		text, _ := os.ReadFile(recorded)
		t.Fatalf("%+v\n%s", got, text)
	}
	// Another answer is another output; another request is none of the recorded ones.
	data, err := os.ReadFile(recorded)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][3]string{{"response: eu", "response: us", "us"}, {"request: region", "request: zone", "region"}} {
		if err := os.WriteFile(recorded, []byte(strings.Replace(string(data), change[0], change[1], 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := replay(); got.code != 1 || !strings.Contains(got.stdout, change[2]) {
			t.Errorf("%v: %+v\n%s", change, got, data)
		}
	}
	for want, args := range map[string][]string{
		"ends in .test.yaml":   {"invoke", "--record", dir + "/x.yaml", wat(t, "echo"), "Echo", "1"},
		"no activity \"Ekko\"": {"invoke", "--record", dir + "/x.test.yaml", wat(t, "echo"), "Ekko", "1"},
		"refused":              {"invoke", "--record", dir + "/x.test.yaml", wat(t, "passthrough"), "Ask", "1"},
	} {
		if got := (command{args: args}).run(t); got.code != 2 || !strings.Contains(got.stderr, want) {
			t.Errorf("%v: %+v, want %s", args, got, want)
		}
	}
	if _, err := os.Stat(dir + "/x.test.yaml"); err == nil {
		t.Error("something was recorded of what did not run")
	}
}
