//go:build unix

package main_test

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

const explained = `modules: [%s]
passthrough:
  http:
    allow:
      - https://status.example.com
  secret: {reveal: [key]}
secrets:
  key: {env: TEST_KEY}
  token: {env: TEST_KEY}
per_module:
  orders:
    prefix: orders.
    max_fuel: 1000000
    env: [TEST_ZONE]
    passthrough:
      http:
        allow:
          - https://api.example.com
          - origin: https://*.example.com
            methods: [POST]
            path_prefixes: [/v1]
            headers: {Authorization: "Bearer {{secret:token}}"}
        timeout: 20s
      config: {values: {region: eu}}
`

func TestExplain(t *testing.T) {
	path := file(t, "wasmworker.yaml", strings.ReplaceAll(explained, "%s", "x"))
	for words, want := range map[string][]string{
		"orders http GET https://api.example.com/x?token=hidden": {"0", "allowed: ", ".yaml:18:13: per_module.orders.passthrough.http.allow[0])"},
		"orders http POST https://eu.example.com/v1/x":           {"0", "allowed: ", ".yaml:19:13: per_module.orders.passthrough.http.allow[1])"},
		"orders http GET https://eu.example.com/v1/x":            {"1", "denied: the rules for https://eu.example.com allow POST; the http policy would allow it with methods: [GET]", ".yaml:16:7)"},
		// its own policy replaces the one for all
		"orders http GET https://status.example.com/": {"1", "denied: the rules for https://status.example.com allow POST"},
		"other http GET https://status.example.com/":  {"0", "allowed: ", ".yaml:5:9: passthrough.http.allow[0])"},
		"other config region":                         {"1", "denied: config is not granted to other"},
		"orders config region":                        {"0", "allowed: ", "per_module.orders.passthrough.config.values.region"},
		"orders config zone":                          {"1", "denied: the config policy has no value of that name"},
		"other secret key":                            {"0", "allowed: ", ".yaml:6:21: passthrough.secret.reveal[0])"},
		"other secret token":                          {"1", "denied: "},
		"other htpp x":                                {"2", `"htpp" does not exist`, `did you mean "http"?`},
		"other http GET":                              {"2", "name a method and a URL"},
		"other http GET ftp://x":                      {"2", "does not begin with http"},
		"other":                                       {"2", "name a module, a capability"},
	} {
		got := command{args: append([]string{"explain", "--config", path}, strings.Fields(words)...), env: []string{"TEST_KEY=hidden"}}.run(t)
		code := int(want[0][0] - '0')
		if got.code != code {
			t.Errorf("%s: exit code %d: %s%s", words, got.code, got.stdout, got.stderr)
		}
		for _, text := range want[1:] {
			if all := got.stdout + got.stderr; !strings.Contains(all, text) || strings.Contains(all, "hidden") {
				t.Errorf("%s: %s\nwant %s", words, all, text)
			}
		}
	}
	got := command{args: []string{"explain", "--json", "--config", path, "orders", "config", "region"}, env: []string{"TEST_KEY=x"}}.run(t)
	var e map[string]any
	if err := json.Unmarshal([]byte(got.stdout), &e); err != nil || e["allowed"] != true || !strings.HasSuffix(e["where"].(string), "wasmworker.yaml:24:33") {
		t.Errorf("%+v, %v", got, err)
	}
	// Directories that only the file grants are not there when the flag names something
	// else.
	directories := file(t, "wasmworker.yaml", "passthrough: {fs: {mounts: {/data: {directory: "+t.TempDir()+"}}}}\n")
	if got := (command{args: []string{"explain", "--config", directories, "x", "fs", "read", "/data/a"}}).run(t); got.code != 0 {
		t.Errorf("%+v", got)
	}
	if got := (command{args: []string{"explain", "--config", directories, "--passthrough", "http", "x", "fs", "read", "/data/a"}}).run(t); got.code != 1 || !strings.Contains(got.stdout, "fs is not granted to x") {
		t.Errorf("%+v", got)
	}
	if got := (command{args: []string{"explain", "x", "clock"}}).run(t); got.code == 1 {
		t.Errorf("%+v", got)
	}
	// Without a file everything is denied that would need a policy.
	if got := (command{args: []string{"explain", "--passthrough", "http", "x", "http", "GET", "https://example.com"}}).run(t); got.code != 1 || !strings.Contains(got.stdout, "no rule has the origin") {
		t.Errorf("%+v", got)
	}
}

// inspect --config says what each module gets in the end.
func TestInspectConfig(t *testing.T) {
	orders, plugin := wat(t, "echo"), testbed.Guest(t, "testdata/conformance/extism-go")
	dir := t.TempDir()
	for name, from := range map[string]string{"orders.wasm": orders, "plugin.wasm": plugin} {
		copyFile(t, from, dir+"/"+name)
	}
	path := file(t, "wasmworker.yaml", strings.ReplaceAll(explained, "%s", dir))
	inspect := func(args ...string) ran {
		return command{args: append([]string{"inspect", "--config", path}, args...), env: []string{"TEST_KEY=hidden", "TEST_ZONE=hidden"}}.run(t)
	}
	table := inspect()
	for _, want := range []string{
		"served as   orders.", "limits      memory 256 MiB, output 2.0 MiB, 1000000 units", "env         TEST_ZONE",
		"grants      config  values.region: eu", "http  allow[0].origin: https://api.example.com", "allow[1].headers.Authorization: Bearer {{secret:token}}", "allow[1].methods: POST",
		"timeout: 20s", "secret  reveal: key",
		"refused     " + dir + "/plugin.wasm: refused", "config_get): to grant it, add --passthrough config",
	} {
		if !strings.Contains(table.stdout, want) || strings.Contains(table.stdout, "hidden") {
			t.Errorf("%s%s\nwant %s", table.stdout, table.stderr, want)
		}
	}
	var reports []struct {
		Name      string
		Effective struct {
			Refused     string
			Activities  []string
			Passthrough map[string]map[string]any
			Env         []string
			MaxFuel     int64 `json:"max_fuel"`
		}
	}
	got := inspect("--json", dir+"/orders.wasm")
	if err := json.Unmarshal([]byte(got.stdout), &reports); err != nil || len(reports) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	e := reports[0].Effective
	if e.Refused != "" || e.MaxFuel != 1_000_000 || !reflect.DeepEqual(e.Env, []string{"TEST_ZONE"}) || len(e.Passthrough) != 3 || e.Passthrough["http"]["timeout"] != "20s" || !strings.HasPrefix(e.Activities[0], "orders.") {
		t.Errorf("%+v", e)
	}
	// A mistake is told as it is by serve.
	broken := file(t, "wasmworker.yaml", "per_module: {none: {max_fuel: 1}}\n")
	if got := (command{args: []string{"inspect", "--config", broken, "-m", dir}}).run(t); got.code != 2 || !strings.Contains(got.stderr, `module "none" is configured, but there is no such module`) {
		t.Errorf("%+v", got)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
