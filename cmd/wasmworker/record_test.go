//go:build unix

package main_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

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

// A program is run as it was when it was recorded: with its arguments, in JSON, and with
// exit codes that are no failures.
func TestRecordOfProgram(t *testing.T) {
	dir := t.TempDir()
	copyFile(t, testbed.Command(t, "testdata/commands/tool"), dir+"/tool.wasm")
	config := file(t, "wasmworker.yaml", "per_module:\n  tool: {args: [-n], command_io: json, success_codes: [0, 10]}\n")
	recorded := dir + "/tool.test.yaml"
	for input, want := range map[string]string{
		`{"args": ["x"], "stdin": "args "}`:    `{"exit_code":0,"stdout":"tool|-n|x","stderr":""}`,
		`{"stdin": "print-and-exit 10 sat\n"}`: `{"exit_code":10,"stdout":"sat\n","stderr":""}`,
	} {
		got := command{args: []string{"invoke", "--config", config, "--record", recorded, dir + "/tool.wasm", "tool", input}}.run(t)
		if got.code != 0 || strings.TrimSpace(got.stdout) != want {
			t.Fatalf("%s: %+v, want %s", input, got, want)
		}
	}
	data, err := os.ReadFile(recorded)
	if err != nil {
		t.Fatal(err)
	}
	replay := command{args: []string{"test", recorded}}
	if got := replay.run(t); got.code != 0 || !strings.Contains(got.stdout, "2 cases") {
		t.Fatalf("%+v\n%s", got, data)
	}
	for from, to := range map[string]string{`"-n"`: `"-m"`, "10]": "11]", "io: json": "io: plain"} {
		if err := os.WriteFile(recorded, []byte(strings.Replace(string(data), from, to, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := replay.run(t); got.code != 1 {
			t.Errorf("%s: %+v\n%s", to, got, data)
		}
	}
	for text, want := range map[string]string{`args: ["a\0b"]`: "zero byte", "io: yaml": "plain or json", "success_codes: [-1]": "whole number from 0"} {
		path := file(t, "tool.test.yaml", "module: "+dir+"/tool.wasm\ncommand: {"+text+"}\ncases: [{activity: tool}]\n")
		if got := (command{args: []string{"test", path}}).run(t); got.code != 2 || !strings.Contains(got.stderr+got.stdout, want) {
			t.Errorf("%s: %+v, want %s", text, got, want)
		}
	}
}

// A worker keeps a sample of real tasks, without secrets, and each is replayed offline.
func TestServeRecords(t *testing.T) {
	const token = "hunter2-very-secret"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "you are "+r.Header.Get("Authorization")+" and sent ") //nolint:errcheck // as a careless service does
		io.Copy(w, r.Body)                                                       //nolint:errcheck // likewise
	}))
	defer s.Close()
	t.Setenv("TOKEN", token)
	t.Setenv("REGION", "eu of "+token)
	config := file(t, "wasmworker.yaml", `
secrets:
  token: {env: TOKEN}
passthrough:
  http:
    allow: [{origin: "`+s.URL+`", methods: [GET, POST], headers: {Authorization: "Bearer {{secret:token}}"}}]
    private_addresses: [127.0.0.1]
  secret: {reveal: [token]}
env: [REGION]
per_module:
  calls: {prefix: shop.}
record_limit: 2
`)
	dir := t.TempDir()
	module := filepath.Join(dir, "calls.wasm")
	copyFile(t, testbed.Guest(t, "testdata/guests/calls"), module)
	records := filepath.Join(dir, "records")
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	serve := func() *testbed.Worker {
		return server.Serve(t, "--config", config, "--modules", module, "--task-queue", q, "--record", records)
	}
	w := server.StartServe(t, "--config", config, "--modules", module, "--task-queue", q, "--record", filepath.Join(module, "below-a-file"))
	if code := w.Wait(t); code != 2 || !strings.Contains(w.Stderr(), "no files can be made there") {
		t.Errorf("code %d: %s", code, w.Stderr())
	}
	w = serve()
	options := client.StartActivityOptions{TaskQueue: q, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}}
	start := func(name string, args ...any) client.ActivityHandle {
		return execute(t, c, options, "shop."+name, args...)
	}
	for range 3 {
		if got := result[string](t, start("Fetch", s.URL+"/x")); got != "you are Bearer "+token+" and sent " {
			t.Fatalf("got %q", got)
		}
	}
	if got := result[string](t, start("Sign", s.URL, "token")); got != "you are Bearer "+token+" and sent "+token+"\neu of "+token {
		t.Fatalf("got %q", got)
	}
	failure(t, start("Sign", s.URL, "other"))
	failure(t, start("Fail", "Declined"))
	failure(t, start("Fail", "No/such: card "+token))
	failure(t, start("Fail", strings.Repeat("Long", 1000)))
	result[int](t, start("Count", 3))
	handle := start("Wait")
	waitStarted(t, handle)
	if err := handle.Cancel(t.Context(), client.CancelActivityOptions{}); err != nil {
		t.Fatal(err)
	}
	failure(t, handle)
	stop := func() {
		t.Helper()
		w.Signal(syscall.SIGTERM)
		if code := w.Wait(t); code != 0 {
			t.Fatalf("code %d: %s", code, w.Stderr())
		}
	}
	stop()
	names := func() (names []string) {
		files, err := os.ReadDir(records)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			names = append(names, regexp.MustCompile(`\.[0-9a-f]{8}\.`).ReplaceAllString(f.Name(), "."))
			data, err := os.ReadFile(filepath.Join(records, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(data), token) || strings.Contains(string(data), "hunter2") {
				t.Errorf("%s has the secret in it:\n%s", f.Name(), data)
			}
			if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
			}
		}
		return names
	}
	want := []string{
		"shop_Count.completed.1.test.yaml",
		"shop_Fail.Declined.1.test.yaml",
		"shop_Fail." + strings.Repeat("Long", 20) + ".1.test.yaml",
		"shop_Fail.No_such_card_REDACTED.1.test.yaml",
		"shop_Fetch.completed.1.test.yaml",
		"shop_Fetch.completed.2.test.yaml",
		"shop_Sign.Error.1.test.yaml",
		"shop_Sign.completed.1.test.yaml",
		"shop_Wait.canceled.1.test.yaml",
	}
	if got := names(); !slices.Equal(got, want) {
		t.Errorf("records: %q", got)
	}
	if got := (command{args: []string{"test", records}}).run(t); got.code != 0 {
		t.Errorf("%+v", got)
	}
	// The next worker goes on counting where this one ended.
	w = serve()
	for range 2 {
		result[int](t, start("Count", 3))
		result[string](t, start("Fetch", s.URL+"/x"))
	}
	stop()
	want = slices.Insert(want, 1, "shop_Count.completed.2.test.yaml")
	if got := names(); !slices.Equal(got, want) {
		t.Errorf("records: %q", got)
	}
}
