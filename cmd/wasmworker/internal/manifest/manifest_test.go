package manifest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/cmd/wasmworker/internal/manifest"
)

// directory makes one with a plugin.wasm in it, and returns that file's digest too.
func directory(t *testing.T) (dir, digest string) {
	t.Helper()
	dir = t.TempDir()
	data := read(t, "../../../../testdata/wat/plugin.wasm")
	write(t, filepath.Join(dir, "plugin.wasm"), data)
	sum := sha256.Sum256(data)
	return dir, hex.EncodeToString(sum[:])
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestParse(t *testing.T) {
	dir, digest := directory(t)
	m, err := manifest.Parse(filepath.Join(dir, "orders.json"), []byte("\xef\xbb\xbf"+`{
		"wasm": [{"path": "plugin.wasm", "hash": "`+strings.ToUpper(digest)+`", "name": "main"}],
		"memory": {"max_pages": 100, "max_http_response_bytes": 5000, "max_var_bytes": 1048576},
		"config": {"region": "eu"},
		"allowed_hosts": ["API.example.com", "*.example.org", "::1", "*"],
		"allowed_paths": {"ro:in": "/in", "/srv/out": "out/"},
		"timeout_ms": 1500}`))
	if err != nil {
		t.Fatal(err)
	}
	if m.Plugin.Name != "orders" || m.Plugin.Path != filepath.Join(dir, "plugin.wasm") || m.Plugin.Digest != digest {
		t.Errorf("plugin %s, %s, %s", m.Plugin.Name, m.Plugin.Path, m.Plugin.Digest)
	}
	if m.MaxMemory != 100<<16 || m.MaxResponse != 5000 || m.Timeout != 1500*time.Millisecond || m.Config["region"] != "eu" {
		t.Errorf("%+v", m)
	}
	want := fmt.Sprint([]manifest.Mount{
		{Field: `allowed_paths["ro:in"]`, Host: filepath.Join(dir, "in"), Guest: "/in"},
		{Field: `allowed_paths["/srv/out"]`, Host: "/srv/out", Guest: "/out", Write: true},
	})
	if got := fmt.Sprint(m.Mounts); got != want {
		t.Errorf("mounts %s, want %s", got, want)
	}
	var hosts []string
	for _, h := range m.Hosts {
		hosts = append(hosts, h.Pattern+" "+h.Origin())
	}
	if got := strings.Join(hosts, ", "); got != "api.example.com https://api.example.com, *.example.org https://*.example.org, ::1 https://[::1], * https://HOST" {
		t.Errorf("hosts %s", got)
	}
}

// Whatever is not supported, or would be left out in silence by the SDK, is told with its
// field.
func TestMistakes(t *testing.T) {
	dir, digest := directory(t)
	outside := filepath.Join(t.TempDir(), "outside.wasm")
	write(t, outside, read(t, filepath.Join(dir, "plugin.wasm")))
	write(t, filepath.Join(dir, "echo.wasm"), read(t, "../../../../testdata/wat/echo.wasm"))
	write(t, filepath.Join(dir, "text.wasm"), []byte("(module)"))
	for name, target := range map[string]string{"link.wasm": outside, "dangling.wasm": "nothing"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	const plugin = `"wasm": [{"path": "plugin.wasm"}]`
	other := strings.Repeat("0", 64)
	for text, wants := range map[string][]string{
		``:                                       {"not valid JSON at byte 0"},
		`{"wasm": [`:                             {"not valid JSON at byte 10"},
		`[]`:                                     {"not a manifest"},
		`{}`:                                     {`wasm: there is no module; name one`},
		`{"wasm": null}`:                         {`wasm: there is no module`},
		`{"wasm": "x"}`:                          {`wasm: it is a string, and has to be a list`},
		`{"wasm": [{}]}`:                         {`wasm[0]: it has no path`},
		`{"wasm": ["x"]}`:                        {`wasm: it is a string, and has to be an object`},
		`{"Wasm": []}`:                           {`Wasm: a manifest has no such field; did you mean "wasm"?`},
		`{` + plugin + `, "allowedHosts": []}`:   {`allowedHosts: a manifest has no such field; did you mean "allowed_hosts"?`},
		`{` + plugin + `, "memory": {"max": 1}}`: {`memory.max: a manifest has no such field`},
		`{` + plugin + `, "memory": {"max_pages": 1}}`:                                    {""},
		`{` + plugin + `, "memory": {"max_pages": -1}}`:                                   {`memory.max_pages: it is a number -1`},
		`{` + plugin + `, "memory": {"max_pages": 1.5}}`:                                  {`memory.max_pages: it is a number 1.5`},
		`{` + plugin + `, "memory": {"max_var_bytes": 5}}`:                                {`memory.max_var_bytes: 5: variables have 1048576 bytes here`},
		`{` + plugin + `, "memory": {"max_http_response_bytes": 0}}`:                      {`memory.max_http_response_bytes: 0 would`},
		`{` + plugin + `, "config": {"a": "b", "a": "c", "": "d"}}`:                       {`config.a: it is there twice`},
		`{` + plugin + `, "config": {"": "d"}}`:                                           {`config: a name is empty`},
		`{` + plugin + `, "config": {"a": 1}}`:                                            {`config: it is a number, and has to be a string`},
		`{` + plugin + `, "timeout_ms": 18446744073709551615}`:                            {`timeout_ms: 18446744073709551615 is more than`},
		`{` + plugin + `, "allowed_hosts": ["https://a", "a:1", "a[b]", "*a", "", "*."]}`: {`allowed_hosts[0]: "https://a" is more than a host`, `allowed_hosts[1]: "a:1" is more`, `allowed_hosts[2]: "a[b]" is a pattern`, `allowed_hosts[3]: "*a" is a pattern`, `allowed_hosts[4]: "" names no host`, `allowed_hosts[5]: "*." names no host`},
		`{` + plugin + `, "allowed_paths": {"": "/a", "b": "", "c": "/c", "ro:d": "c"}}`:  {`allowed_paths[""]: `, `allowed_paths["b"]: `, `allowed_paths["ro:d"]: allowed_paths["c"] has the path /c already`},
		`{"wasm": [{"path": "plugin.wasm"}, {"path": "echo.wasm"}]}`:                      {`wasm: there are 2 modules, and they would have to be linked`},
		`{"wasm": [{"url": "https://example.com/plugin.wasm"}]}`:                          {`wasm[0].url: modules are not downloaded`},
		`{"wasm": [{"data": "AGFzbQ=="}]}`:                                                {`wasm[0].data: a module inside of the manifest`},
		`{"wasm": [{"path": "plugin.wasm", "url": "https://example.com"}]}`:               {`wasm[0].url: there is a path too`},
		`{"wasm": [{"path": "plugin.wasm", "hash": "` + other + `"}]}`:                    {`wasm[0].hash: `, "another file than the manifest means: its SHA-256 is " + digest + ", not " + other},
		`{"wasm": [{"path": "plugin.wasm", "hash": "abc"}]}`:                              {`wasm[0].hash: "abc" is not a SHA-256`},
		`{"wasm": [{"path": "missing.wasm"}]}`:                                            {`wasm[0].path: `, "missing.wasm: no such file; a path is relative to the manifest"},
		`{"wasm": [{"path": "dangling.wasm"}]}`:                                           {`wasm[0].path: `, "no such file"},
		`{"wasm": [{"path": "` + outside + `"}]}`:                                         {`wasm[0].path: `, "leads out of the manifest's directory"},
		`{"wasm": [{"path": "../x.wasm"}]}`:                                               {`wasm[0].path: "../x.wasm" leads out`},
		`{"wasm": [{"path": "sub/../../x.wasm"}]}`:                                        {`leads out of the manifest's directory`},
		`{"wasm": [{"path": "link.wasm"}]}`:                                               {`wasm[0].path: "link.wasm" cannot be used: path escapes`},
		`{"wasm": [{"path": "."}]}`:                                                       {`not a regular file`},
		`{"wasm": [{"path": "text.wasm"}]}`:                                               {`wasm[0].path: `, "text format"},
		`{"wasm": [{"path": "echo.wasm"}]}`:                                               {`echo.wasm is no Extism plugin but a native module`},
	} {
		_, err := manifest.Parse(filepath.Join(dir, "m.json"), []byte(text))
		for _, want := range wants {
			if want == "" && err == nil {
				continue
			}
			if err == nil || want == "" || !strings.Contains(err.Error(), want) {
				t.Errorf("%s:\n%v\nwant %s", text, err, want)
			}
		}
		if err == nil {
			continue
		}
		for line := range strings.Lines(err.Error()) {
			if !strings.HasPrefix(line, filepath.Join(dir, "m.json")+": ") {
				t.Errorf("%s: the file is not named: %s", text, line)
			}
		}
	}
}

// A link that stays below the manifest's directory is as good as a file: that is how
// volumes of Kubernetes look.
func TestLinksWithin(t *testing.T) {
	dir, _ := directory(t)
	write(t, filepath.Join(dir, "..2026", "plugin.wasm"), read(t, filepath.Join(dir, "plugin.wasm")))
	for name, target := range map[string]string{"..data": "..2026", "linked.wasm": filepath.Join("..data", "plugin.wasm")} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := manifest.Parse(filepath.Join(dir, "m.json"), []byte(`{"wasm": [{"path": "linked.wasm"}]}`)); err != nil {
		t.Error(err)
	}
}

// A manifest whose plugin needs more at the start than it may have can never work.
func TestTooFewPages(t *testing.T) {
	dir, _ := directory(t)
	write(t, filepath.Join(dir, "large.wasm"), read(t, "../../../../testdata/conformance/extism-rust/conformance.wasm"))
	_, err := manifest.Parse(filepath.Join(dir, "m.json"), []byte(`{"wasm": [{"path": "large.wasm"}], "memory": {"max_pages": 1}}`))
	if err == nil || !strings.Contains(err.Error(), "memory.max_pages: 1 are less than the ") {
		t.Error(err)
	}
}

func TestMeets(t *testing.T) {
	dir, _ := directory(t)
	for _, tt := range []struct {
		pattern, origin string
		want            bool
	}{
		{"api.example.com", "https://api.example.com", true},
		{"api.example.com", "http://API.example.com:8080", true},
		{"api.example.com", "https://*.example.com", true},
		{"a.api.example.com", "https://*.example.com", false}, // one label
		{"example.com", "https://*.example.com", false},
		{"api.example.com", "https://example.com", false},
		{"*.example.com", "https://a.b.example.com", true},
		{"*.example.com", "https://*.example.com", true},
		{"*.example.com", "https://*.b.example.com", true},
		{"*.b.example.com", "https://*.example.com", false},
		{"*.example.com", "https://example.com", false},
		{"*.example.com", "https://badexample.com", false},
		{"*", "https://example.com", true},
		{"::1", "http://[::1]:8080", true},
		{"127.0.0.1", "http://127.0.0.1:8080", true},
	} {
		m, err := manifest.Parse(filepath.Join(dir, "m.json"), fmt.Appendf(nil, `{"wasm": [{"path": "plugin.wasm"}], "allowed_hosts": [%q]}`, tt.pattern))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Hosts[0].Meets(tt.origin); got != tt.want {
			t.Errorf("%s meets %s: %v", tt.pattern, tt.origin, got)
		}
	}
}

func TestSniff(t *testing.T) {
	for text, want := range map[string]bool{
		`{"wasm": [{"path": "x"}]}`:       true,
		`{"wasm": []}`:                    true,
		` {"config": {}, "wasm" : [ oops`: true, // a mistake is better told
		`{"name": "wasm"}`:                false,
		`{"wasm": {"a": 1}}`:              false,
		`{"wasm": "x"}`:                   false,
		`{"x": {"wasm": []}}`:             false,
		`[{"wasm": []}]`:                  false,
		`// {"wasm": [`:                   false,
		``:                                false,
	} {
		if got := manifest.Sniff([]byte(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"wasm": [{"path": "plugin.wasm"}]}`, `{"wasm": [{"url": "x", "headers": {"a": "b"}}], "memory": {"max_pages": 1}}`,
		`{"allowed_hosts": ["*.x"], "allowed_paths": {"ro:a": "/b"}, "timeout_ms": 1, "config": {"a": "b"}}`, strings.Repeat("[", 20000)} {
		f.Add([]byte(seed))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		manifest.Sniff(data)
		m, err := manifest.Parse(filepath.Join(dir, "m.json"), data)
		if err == nil {
			t.Errorf("%s: %+v, though there is no file", data, m) // no module lies there
		}
	})
}
