//go:build unix

package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// policyFile writes a configuration file whose passthrough section is given.
func policyFile(t *testing.T, passthrough string) string {
	t.Helper()
	return file(t, "wasmworker.yaml", "max_calls: 7\npassthrough:\n"+passthrough)
}

// Each mistake in a policy is told with its place in the file, and nothing is started.
func TestPolicyMistakes(t *testing.T) {
	echo := wat(t, "echo")
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"unknown module": {"  htpp:\n    allow: [https://example.com]\n", []string{".yaml:3:3: passthrough.htpp: ", `passthrough module "htpp" does not exist (this host has: blob, clock, config, fs, http, random, secret, sql)`}},
		"unknown key":    {"  http:\n    alow: [https://example.com]\n", []string{`.yaml:4:5: there is no key "alow"`}},
		"empty": {"  http: {}\n  sql: {connections: {}}\n  blob: {buckets: {}}\n  config: {values: {}}\n  secret: {reveal: []}\n  fs: {}\n  clock: {}\n", []string{
			".yaml:3:3: passthrough.http: the policy is empty", ".yaml:4:3: passthrough.sql: the policy is empty", "passthrough.blob: the policy is empty",
			"passthrough.config: the policy is empty", "passthrough.secret: the policy is empty", "passthrough.fs: the policy is empty", "passthrough.clock: the policy is empty",
		}},
		"in a rule":       {"  http:\n    allow:\n      - https://example.com\n      - {origin: https://example.com, path: /}\n", []string{`.yaml:6:39: there is no key "path"`}},
		"wrong kind":      {"  http:\n    allow: https://example.com\n", []string{".yaml:4:12: passthrough.http.allow: string was used where sequence is expected"}},
		"not a number":    {"  http:\n    allow: [https://example.com]\n    max_redirects: many\n", []string{".yaml:5:20: "}},
		"origin":          {"  http:\n    allow: [example.com, https://example.com/v1]\n", []string{".yaml:4:13: ", `passthrough.http.allow[0].origin: "example.com": the URL does not begin with http`, `.yaml:4:26: passthrough.http.allow[1].origin: "https://example.com/v1" has more than`}},
		"several":         {"  http: {allow: [https://example.com], max_redirects: 99, private_addresses: [here]}\n  config: {from_env: {a: UNSET_VARIABLE}}\n", []string{".yaml:3:55: passthrough.http.max_redirects: 99 is not", ".yaml:3:79: passthrough.http.private_addresses[0]:", ".yaml:4:26: passthrough.config.from_env.a: the environment variable UNSET_VARIABLE is not set"}},
		"a single module": {"  config: {values: {a: b}}\nper_module:\n  echo:\n    passthrough:\n      config:\n        values: {version: 1.50}\n", []string{".yaml:8:27: per_module.echo.passthrough.config.values.version: it is not a text"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, args := range [][]string{{"serve", "--address", "127.0.0.1:1", "-m", echo}, {"invoke", echo, "Echo", "1"}} {
				args = append([]string{args[0], "--config", policyFile(t, tt.text)}, args[1:]...)
				got := command{args: args}.run(t)
				if got.code != 2 {
					t.Errorf("%s: exit code %d", args[0], got.code)
				}
				for _, want := range tt.want {
					if !strings.Contains(got.stderr, want) {
						t.Errorf("%s: %s\nwant %s", args[0], got.stderr, want)
					}
				}
			}
		})
	}
}

// A policy in the file is what the module gets, and the module's own replaces the one for
// all.
func TestPoliciesOfTheFile(t *testing.T) {
	plugin := testbed.Guest(t, "testdata/conformance/extism-go")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-To", r.Method)
		io.Copy(w, r.Body)
	}))
	defer s.Close()
	config := policyFile(t, `
  http:
    allow:
      - {origin: "`+s.URL+`", methods: [POST], path_prefixes: [/v1]}
    private_addresses: [127.0.0.1]
    timeout: 20s
  config: {values: {region: everywhere, other: x}}
per_module:
  extism-go:
    passthrough:
      config: {values: {region: eu}, from_env: {zone: TEST_ZONE}}
`)
	invoke := func(activity, input string) ran {
		path := file(t, "input", input)
		return command{args: []string{"invoke", "--binary", "--config", config, plugin, activity, "@" + path}, env: []string{"TEST_ZONE=b"}}.run(t)
	}
	for name, want := range map[string]string{"region": "eu", "zone": "b", "other": "none", "TEST_ZONE": "none"} {
		if got := invoke("config", name); got.code != 0 || strings.TrimSpace(got.stdout) != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	got := invoke("http", s.URL+"/v1/x\nhello")
	var reply struct{ Body, Header string }
	if err := json.Unmarshal([]byte(got.stdout), &reply); err != nil || reply.Body != "hello" || reply.Header != "POST" {
		t.Errorf("%+v, %v", got, err)
	}
	if got := invoke("http", s.URL+"/v2?secret\nhello"); got.code != 1 || !strings.Contains(got.stderr, `path_prefixes: [\"/v2\"]`) && !strings.Contains(got.stderr, `path_prefixes: ["/v2"]`) || strings.Contains(got.stderr, "secret") {
		t.Errorf("%+v", got)
	}
}

// docs/passthrough.md has each field of the policies, and its example is one.
func TestDocumentationHasThePolicies(t *testing.T) {
	data, err := os.ReadFile("../../docs/passthrough.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(data)
	for _, key := range []string{
		"http.allow", "origin", "methods", "path_prefixes", "headers", "secrets", "http.private_addresses", "http.max_request_bytes", "http.max_response_bytes", "http.timeout", "http.max_redirects",
		"connections.NAME.url", "connections.NAME.password", "connections.NAME.max_open", "connections.NAME.memory_limit", "sql.connections", "write", "timeout", "max_rows", "max_row_bytes",
		"buckets.NAME.url", "buckets.NAME.credentials", "blob.buckets", "prefixes", "max_object_bytes",
		"fs.mounts", "directory", "fs.max_file_bytes", "fs.max_written_bytes", "fs.max_open", "clock.start", "random.seed", "config.values", "config.from_env", "secrets.NAME.env", "secrets.NAME.file", "secret.reveal",
	} {
		if !strings.Contains(doc, "| `"+key+"` |") {
			t.Errorf("docs/passthrough.md has no %s", key)
		}
	}
	_, example, _ := strings.Cut(doc, "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	dir := t.TempDir()
	for _, directory := range []string{"acts", "srv", "archive"} {
		if err := os.Mkdir(dir+"/"+directory, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	copyFile(t, wat(t, "echo"), dir+"/acts/orders.wasm")
	token := file(t, "token", "hidden")
	config := file(t, "wasmworker.yaml", strings.NewReplacer(
		"./acts", dir+"/acts", "/run/secrets/payments-token", token, "/srv/orders", dir+"/srv", "/srv/archive", dir+"/archive", "/var/lib/wasmworker", dir,
	).Replace(example))
	env := []string{"ORDERS_REGION=eu", "WAREHOUSE_PASSWORD=hidden"}
	got := command{args: []string{"invoke", "--config", config, dir + "/acts", "Echo", "1"}, env: env}.run(t)
	if got.code != 0 || strings.TrimSpace(got.stdout) != "1" {
		t.Errorf("%+v", got)
	}
	got = command{args: []string{"inspect", "--config", config}, env: env}.run(t)
	for _, want := range []string{"sql     connections.ledger.timeout: 5s", "blob    buckets.archive: with its defaults", "http    allow[0].origin: https://status.example.com"} {
		if got.code != 0 || !strings.Contains(strings.Join(strings.Fields(got.stdout), " "), strings.Join(strings.Fields(want), " ")) || strings.Contains(got.stdout, "hidden") {
			t.Errorf("%s%s\nwant %s", got.stdout, got.stderr, want)
		}
	}
	// The command that it shows, with what that prints.
	got = command{args: []string{"explain", "--config", config, "orders", "http", "POST", "https://eu.payments.example.com/v1/charges"}, env: env}.run(t)
	_, shown, _ := strings.Cut(doc, "explain --config wasmworker.yaml orders http POST https://eu.payments.example.com/v1/charges\n")
	shown, _, _ = strings.Cut(shown, "\n```")
	if text := strings.ReplaceAll(strings.TrimSpace(got.stdout), config, "wasmworker.yaml"); text != shown {
		t.Errorf("printed\n%s\nand the documentation has\n%s", text, shown)
	}
	source, err := os.ReadFile("../../host/example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(doc, "```go\n")
	code, _, _ = strings.Cut(code, "func newHost")
	if code == "" || !strings.Contains(string(source), code) {
		t.Error("the passthrough module of docs/passthrough.md is not that of host/example_test.go")
	}
}
