//go:build unix

package main_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// plugins makes a directory with an Extism plugin and a manifest for it, called
// orders.json.
func plugins(t *testing.T, manifest string) string {
	t.Helper()
	dir := testbed.Directory(t, testbed.Guest(t, "testdata/conformance/extism-go"))
	if err := os.Rename(filepath.Join(dir, "extism-go.wasm"), filepath.Join(dir, "plugin.wasm")); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "orders.json", manifest)
	return dir
}

func put(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A plugin is served by its manifest: with the values that this carries, within the
// limits that it sets, and with what the operator granted of what it asks for.
func TestManifest(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			w.Write(make([]byte, 101)) //nolint:errcheck // the client may have enough
		}
		io.Copy(w, r.Body) //nolint:errcheck // likewise
	}))
	defer web.Close()
	dir := plugins(t, `{
		"wasm": [{"path": "plugin.wasm"}],
		"config": {"region": "eu", "tier": "gold", "zone": "a"},
		"allowed_hosts": ["127.0.0.1"],
		"memory": {"max_http_response_bytes": 100},
		"timeout_ms": 500}`)
	put(t, dir, "package.json", `{"name": "not a manifest", "wasm": "nor this"}`)
	put(t, dir, "tsconfig.json", `{ // nor this`)
	config := file(t, "wasmworker.yaml", `
modules: `+dir+`
per_module:
  orders:
    prefix: orders.
    passthrough:
      http: {allow: [{origin: "`+web.URL+`", methods: [POST]}], private_addresses: [127.0.0.1]}
      config: {values: {region: us}, from_env: {zone: TEST_ZONE}}
`)
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	t.Setenv("TEST_ZONE", "b")
	server.Serve(t, "--config", config, "--task-queue", q)
	once := client.StartActivityOptions{TaskQueue: q, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}}
	for name, want := range map[string]string{"region": "us", "tier": "gold", "zone": "b", "other": "none"} {
		if got := string(result[[]byte](t, execute(t, c, once, "orders.config", []byte(name)))); got != want {
			t.Errorf("the plugin sees %s=%q, want %q", name, got, want)
		}
	}
	type response struct{ Body string }
	if got := result[response](t, execute(t, c, once, "orders.http", []byte(web.URL+"/\nhello"))); got.Body != "hello" {
		t.Errorf("got %+v", got)
	}
	if err := failure(t, execute(t, c, once, "orders.http", []byte(web.URL+"/large\n"))); !strings.Contains(err.Error(), "100") {
		t.Errorf("a response of 101 bytes: %v", err)
	}
	// One slot is free again when the time is over.
	err := failure(t, execute(t, c, once, "orders.spin"))
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) || failed.Type() != abi.TypeTimedOut || failed.NonRetryable() || !strings.Contains(failed.Message(), "longer than 500ms, the timeout of module orders") {
		t.Errorf("a call without end: %v", err)
	}
}

// What a manifest asks for and does not get refuses it, with a line that grants all of
// it.
func TestManifestIsRefused(t *testing.T) {
	dir := plugins(t, `{
		"wasm": [{"path": "plugin.wasm"}],
		"allowed_hosts": ["api.example.com", "*.example.org", "*"],
		"allowed_paths": {"data": "/data", "ro:/": "/all"}}`)
	for _, args := range [][]string{
		{"serve", "--address", "127.0.0.1:1", "--passthrough", "http,fs", "-m", dir},
		{"serve", "--address", "127.0.0.1:1", "-m", filepath.Join(dir, "orders.json")},
		{"invoke", dir, "echo", "1"},
	} {
		got := command{args: args}.run(t)
		if got.code != 2 {
			t.Errorf("%s: exit code %d", args, got.code)
		}
		for _, want := range []string{
			filepath.Join(dir, "orders.json") + ": refused, because it asks for more than it was granted:",
			`allowed_hosts[0]: requests to "api.example.com"`, `allowed_hosts[1]: requests to "*.example.org"`, `allowed_hosts[2]: requests to "*"`,
			`allowed_paths["data"]: to read and write "/data"`, `allowed_paths["ro:/"]: to read "/all"`, `imports ["config_get"]`,
		} {
			if !strings.Contains(got.stderr, want) {
				t.Errorf("%s: the message does not say %q:\n%s", args, want, got.stderr)
			}
		}
	}
	got := command{args: []string{"invoke", dir, "echo", "1"}}.run(t)
	_, line, _ := strings.Cut(got.stderr, "per_module: ")
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	// But not as it is: / has /data in it, and write on one of them only.
	line = strings.Replace(line, "/all: /", "/all: "+t.TempDir(), 1)
	config := file(t, "wasmworker.yaml", "per_module: "+line)
	if got := (command{args: []string{"invoke", "--config", config, dir, "echo", "1"}}).run(t); got.code != 0 || strings.TrimSpace(got.stdout) != "1" {
		t.Errorf("with that line: %+v", got)
	}
	// Less than that is not enough.
	config = file(t, "wasmworker.yaml", "per_module: "+strings.Replace(line, "write: true", "write: false", 1))
	if got := (command{args: []string{"invoke", "--config", config, dir, "echo", "1"}}).run(t); got.code != 2 || !strings.Contains(got.stderr, `allowed_paths["data"]: to read and write "/data" (the mount /data is only read`) || strings.Contains(got.stderr, "allowed_hosts") {
		t.Errorf("without writing: %+v", got)
	}
	// What imports alone ask for, a flag grants.
	put(t, dir, "orders.json", `{"wasm": [{"path": "plugin.wasm"}]}`)
	if got := (command{args: []string{"invoke", dir, "echo", "1"}}).run(t); got.code != 2 || !strings.Contains(got.stderr, "add --passthrough http,config, or to the configuration file") {
		t.Errorf("imports: %+v", got)
	}
	if got := (command{args: []string{"invoke", "--passthrough", "http,config", dir, "echo", "1"}}).run(t); got.code != 0 {
		t.Errorf("imports, granted: %+v", got)
	}
}

// The memory of a plugin is the lower of what its manifest and the operator say.
func TestManifestLimitsMemory(t *testing.T) {
	dir := plugins(t, `{"wasm": [{"path": "plugin.wasm"}], "memory": {"max_pages": 80}}`)
	input := file(t, "input", strings.Repeat("x", 4<<20))
	for _, tt := range []struct {
		name, limit, want string
		pages             int
	}{
		{"of the manifest", "256MiB", "memory limit of 5 MiB", 80},
		{"of the operator", "4MiB", "memory limit of 4 MiB", 80},
	} {
		got := command{args: []string{"invoke", "--binary", "--passthrough", "http,config", "--memory-limit", tt.limit, dir, "echo", "@" + input}}.run(t)
		if got.code != 1 || !strings.Contains(got.stderr, tt.want) {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

// A manifest that cannot be used leaves nothing but itself out: not even its plugin is
// served by itself, without the limits and the hash.
func TestManifestIsLeftOut(t *testing.T) {
	dir := plugins(t, `{"wasm": [{"path": "plugin.wasm", "hash": "`+strings.Repeat("0", 64)+`"}]}`)
	put(t, dir, "asking.json", `{"wasm": [{"path": "plugin.wasm"}], "allowed_hosts": ["api.example.com"]}`)
	echo, err := os.ReadFile(wat(t, "echo"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "native.wasm", string(echo))
	config := file(t, "wasmworker.yaml", "modules: "+dir+"\npassthrough: [http, config]\nper_module: {orders: {prefix: x.}, asking: {prefix: y.}}\n")
	got := command{args: []string{"serve", "--address", "127.0.0.1:1", "--config", config}}.run(t)
	if got.code != 2 || !strings.Contains(got.stderr, "orders.json: wasm[0].hash: ") || !strings.Contains(got.stderr, "asking.json: refused") {
		t.Errorf("without --skip-refused: %+v", got)
	}
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	w := server.Serve(t, "--config", config, "--task-queue", q, "--skip-refused")
	if got := result[int](t, execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Echo", 7)); got != 7 {
		t.Errorf("got %d", got)
	}
	for _, want := range []string{"module left out", "orders.json: wasm[0].hash: ", "asking.json: refused"} {
		if !strings.Contains(w.Stderr(), want) {
			t.Errorf("the log does not say %s:\n%s", want, w.Stderr())
		}
	}
	once := client.StartActivityOptions{TaskQueue: q, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}}
	if err := failure(t, execute(t, c, once, "echo", 1)); !strings.Contains(err.Error(), "there are: Args, Echo, Info") {
		t.Errorf("the plugin: %v", err)
	}
}

// Mistakes end every command with the file and the field; in a directory, other files are
// no mistakes.
func TestManifestMistakes(t *testing.T) {
	dir := plugins(t, `{"wasm": [{"path": "plugin.wasm"}], "timeout": 5}`)
	large := file(t, "large.json", "{"+strings.Repeat(" ", 1<<20)+"}")
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"in a directory":    {[]string{dir}, `orders.json: timeout: a manifest has no such field; did you mean "timeout_ms"?`},
		"no manifest":       {[]string{file(t, "package.json", `{"name": "x"}`)}, "package.json: name: a manifest has no such field"},
		"no object":         {[]string{file(t, "package.json", `[]`)}, "package.json: it is not a manifest"},
		"too large":         {[]string{large}, "large.json: 1048578 bytes are more than the 1048576 that a manifest may have"},
		"missing":           {[]string{"no.json"}, "no.json: no such file or directory"},
		"another extension": {[]string{file(t, "orders.manifest", `{"wasm": [{"url": "x"}]}`)}, "orders.manifest: wasm[0].url: modules are not downloaded"},
		"a module twice":    {[]string{"--passthrough", "http,config", "-m", plugins(t, `{"wasm": [{"path": "plugin.wasm"}]}`), "-m", named(t, "orders.wasm")}, `there is a module of the name "orders" already`},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"serve", "--address", "127.0.0.1:1"}
			if tt.args[0][0] != '-' {
				args = append(args, "-m")
			}
			got := command{args: append(args, tt.args...)}.run(t)
			if got.code != 2 || !strings.Contains(got.stderr, tt.want) {
				t.Errorf("%+v\nwant %s", got, tt.want)
			}
		})
	}
}

// named makes a module of a name.
func named(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(wat(t, "echo"))
	if err != nil {
		t.Fatal(err)
	}
	return file(t, name, string(data))
}

func TestInspectManifest(t *testing.T) {
	dir := plugins(t, `{"wasm": [{"path": "plugin.wasm"}], "memory": {"max_pages": 512}, "config": {"region": "eu"},
		"allowed_hosts": ["api.example.com"], "allowed_paths": {"ro:data": "/data"}, "timeout_ms": 2500}`)
	path := filepath.Join(dir, "orders.json")
	got := command{args: []string{"inspect", path}}.run(t)
	for _, want := range []string{path, `requests to "api.example.com" (allowed_hosts[0])`, `to read "/data"`, "config values region", "memory 32 MiB, 2.5s"} {
		if got.code != 0 || !strings.Contains(got.stdout, want) {
			t.Errorf("inspect does not say %s:\n%+v", want, got)
		}
	}
	config := func(passthrough string) string {
		return file(t, "wasmworker.yaml", "modules: "+path+"\npassthrough: "+passthrough+"\n")
	}
	type report struct {
		Name     string
		Manifest struct {
			Path   string
			Asks   []struct{ Field string }
			Config []string
		}
		Effective struct {
			Refused     string
			Passthrough map[string]json.RawMessage
			MemoryLimit int `json:"memory_limit_bytes"`
			Timeout     int `json:"timeout_ms"`
		}
	}
	inspect := func(config string) report {
		t.Helper()
		var reports []report
		got := command{args: []string{"inspect", "--json", "--config", config}}.run(t)
		if err := json.Unmarshal([]byte(got.stdout), &reports); err != nil || len(reports) != 1 {
			t.Fatalf("%v: %+v", err, got)
		}
		return reports[0]
	}
	r := inspect(config("[http]"))
	if r.Name != "orders" || r.Manifest.Path != path || len(r.Manifest.Asks) != 2 || len(r.Manifest.Config) != 1 || !strings.Contains(r.Effective.Refused, "orders.json: refused") {
		t.Errorf("%+v", r)
	}
	r = inspect(config(`{http: {allow: ["https://api.example.com"]}, fs: {mounts: {/data: ` + dir + `}}}`))
	if r.Effective.Refused != "" || r.Effective.MemoryLimit != 32<<20 || r.Effective.Timeout != 2500 || string(r.Effective.Passthrough["config"]) == "" || !strings.Contains(string(r.Effective.Passthrough["config"]), `"eu"`) {
		t.Errorf("%+v", r)
	}
}

// A record of a call is replayed without the manifest, and without the values that it
// brought along.
func TestManifestIsRecorded(t *testing.T) {
	dir := plugins(t, `{}`)
	name := "a-name-that-takes-more-memory.json" // than the file's: the guest must not see it
	put(t, dir, name, `{"wasm": [{"path": "plugin.wasm"}], "config": {"region": "eu"}, "memory": {"max_pages": 200}}`)
	input, cases := file(t, "input", "region"), filepath.Join(dir, "orders.test.yaml")
	got := command{args: []string{"invoke", "--binary", "--passthrough", "http", "--record", cases, filepath.Join(dir, name), "config", "@" + input}}.run(t)
	if got.code != 0 || strings.TrimSpace(got.stdout) != "eu" {
		t.Fatalf("%+v", got)
	}
	if got := (command{args: []string{"test", cases}}).run(t); got.code != 0 {
		t.Errorf("%+v", got)
	}
}

// The values that a manifest brings along are known to explain, too.
func TestExplainManifest(t *testing.T) {
	dir := plugins(t, `{"wasm": [{"path": "plugin.wasm"}], "config": {"region": "eu", "tier": "gold"}}`)
	plain := file(t, "wasmworker.yaml", "modules: "+dir+"\n")
	own := file(t, "wasmworker.yaml", "modules: "+dir+"\npassthrough:\n  config: {values: {region: us}}\n")
	for _, tt := range []struct {
		config, value string
		code          int
		want          string
	}{
		{plain, "tier", 0, "allowed: it is among the config values of the manifest " + filepath.Join(dir, "orders.json")},
		{plain, "other", 1, "config is not granted"},
		{own, "tier", 0, "of the manifest"},
		{own, "region", 0, "allowed: it is in the policy's values"},
		{own, "other", 1, "no value of that name"},
	} {
		got := command{args: []string{"explain", "--config", tt.config, "orders", "config", tt.value}}.run(t)
		if got.code != tt.code || !strings.Contains(got.stdout, tt.want) {
			t.Errorf("%s: %+v, want %s", tt.value, got, tt.want)
		}
	}
}
