package httpmod_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/httpmod"
	"github.com/wasmworker/wasmworker/internal/yamlnode"
)

// read makes a policy of YAML, as the command line does.
func read(text string) (*httpmod.Policy, error) {
	policy := httpmod.New(httpmod.Options{}).NewPolicy().(*httpmod.Policy)
	if err := yamlnode.Unmarshal([]byte(text), policy); err != nil {
		return policy, err
	}
	return policy, policy.Validate()
}

func TestPolicyOfYAML(t *testing.T) {
	got, err := read(`
allow:
  - https://api.example.com
  - origin: HTTPS://*.Example.com:8443/
    methods: [GET, POST, PURGE]
    path_prefixes: [/v1/, /files]
  - {origin: "http://10.1.2.3"}
  - "http://[::1]:80"
private_addresses: [10.0.0.0/8, "::1"]
max_request_bytes: 1048576
max_response_bytes: 64MiB
timeout: 2m
max_redirects: 3
`)
	want := &httpmod.Policy{
		Allow: []httpmod.Rule{
			{Origin: "https://api.example.com"},
			{Origin: "HTTPS://*.Example.com:8443/", Methods: []string{"GET", "POST", "PURGE"}, PathPrefixes: []string{"/v1/", "/files"}},
			{Origin: "http://10.1.2.3"}, {Origin: "http://[::1]:80"},
		},
		PrivateAddresses: []string{"10.0.0.0/8", "::1"},
		MaxRequestBytes:  1 << 20, MaxResponseBytes: 64 << 20, Timeout: passthrough.Duration(2 * time.Minute), MaxRedirects: 3,
	}
	if err != nil || want.Validate() != nil || want.Validate() != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	data, err := json.Marshal(got)
	if text := `"max_request_bytes":"1MiB","max_response_bytes":"64MiB","timeout":"2m0s","max_redirects":3}`; err != nil || !strings.HasSuffix(string(data), text) {
		t.Errorf("%s, %v", data, err)
	}
	zero := &httpmod.Policy{}
	if data, err := json.Marshal(zero); err != nil || string(data) != "{}" || zero.Validate() != nil {
		t.Errorf("%s, %v", data, err)
	}
}

// Every mistake is found before anything starts, and says what would be right.
func TestPolicyMistakes(t *testing.T) {
	for text, want := range map[string]string{
		`allow: [api.example.com]`:                                               `allow[0].origin: "api.example.com": the URL does not begin with http:// or https://`,
		`allow: [""]`:                                                            "does not begin",
		`allow: ["*"]`:                                                           "does not begin",
		`allow: ["ftp://example.com"]`:                                           "does not begin",
		`allow: ["https://"]`:                                                    "no host",
		`allow: [{methods: [GET]}]`:                                              `allow[0].origin: "":`,
		`allow: ["https://example.com/v1"]`:                                      "paths belong to path_prefixes",
		`allow: ["https://example.com?x"]`:                                       "more than scheme, host and port",
		`allow: ["https://example.com?"]`:                                        "more than scheme, host and port",
		`allow: ["https://example.com#x"]`:                                       "more than scheme, host and port",
		`allow: ["https://u:p@example.com"]`:                                     "user name or password",
		`allow: ["https://bücher.example"]`:                                      "xn--",
		`allow: ["https://*.com"]`:                                               "*. goes before a domain with a dot",
		`allow: ["https://*.10.0.0.1"]`:                                          "*. goes before a domain",
		`allow: ["https://*"]`:                                                   "not a valid name",
		`allow: ["https://a.*.example.com"]`:                                     "not a valid name",
		`allow: ["https://*a.example.com"]`:                                      "not a valid name",
		`allow: ["https://*.*.example.com"]`:                                     "not a valid name",
		`allow: ["https://example.com."]`:                                        "not a valid name",
		`allow: ["https://example.com:0"]`:                                       "port is not a number",
		`allow: ["https://example.com:*"]`:                                       "malformed",
		`allow: ["http://0x7f.1"]`:                                               "usual form",
		`allow: ["http://[fe80::1%25eth0]"]`:                                     "IPv6 zone",
		`allow: ["http://[::ffff:10.0.0.1]"]`:                                    "write it as IPv4",
		`allow: ["http://10.0.0.1"]`:                                             "10.0.0.1 is not a public address and must be in private_addresses too",
		`{allow: ["http://10.0.0.1"], private_addresses: [10.0.0.2]}`:            "must be in private_addresses",
		`allow: ["http://localhost:8080"]`:                                       "127.0.0.1 or ::1 must be in private_addresses",
		`allow: [{origin: "https://example.com", methods: [get]}]`:               `"get" is not a name in upper case`,
		`allow: [{origin: "https://example.com", methods: ["*", x]}]`:            `"*" is not a name in upper case`,
		`allow: [{origin: "https://example.com", methods: [CONNECT]}]`:           "CONNECT is not available",
		`allow: [{origin: "https://example.com", methods: ["G T"]}]`:             "not an HTTP method",
		`allow: [{origin: "https://example.com", path_prefixes: [v1]}]`:          `path_prefixes[0]: "v1" is not a path`,
		`allow: [{origin: "https://example.com", path_prefixes: [""]}]`:          "is not a path",
		`allow: [{origin: "https://example.com", path_prefixes: ["/a?b"]}]`:      "is not a path",
		`allow: [{origin: "https://example.com", path_prefixes: ["/a b"]}]`:      "is not a path",
		`allow: [{origin: "https://example.com", path_prefixes: ["/v1/../v2"]}]`: "has a segment of dots",
		`allow: [{origin: "https://example.com", path_prefixes: ["/a%2fb"]}]`:    "has an encoded slash",
		`allow: [{origin: "https://example.com", headers: {Host: x}}]`:           "allow[0].headers.Host: the header Host is the host's to set",
		`allow: [{origin: "https://example.com", headers: {"X Y": x}}]`:          "not valid",
		`allow: [{origin: "https://example.com", headers: {X: "a\nb"}}]`:         "line break",
		`allow: [{origin: "https://example.com", paths: [/v1]}]`:                 `there is no key "paths"`,
		`alow: []`: `there is no key "alow"`,
		`{allow: ["https://example.com"], private_addresses: [10.0.0.1/8]}`:            "the block is 10.0.0.0/8",
		`{allow: ["https://example.com"], private_addresses: [localhost]}`:             `"localhost" is neither an IP address nor a block`,
		`{allow: ["https://example.com"], private_addresses: ["::ffff:10.0.0.0/104"]}`: "write it as IPv4",
		`{allow: ["https://example.com"], private_addresses: ["fe80::1%eth0"]}`:        "neither an IP address",
		`{allow: ["https://example.com"], max_request_bytes: 17MiB}`:                   "max_request_bytes: 17825792 is not between 1 and 16777216",
		`{allow: ["https://example.com"], max_response_bytes: 2GiB}`:                   "max_response_bytes",
		`{allow: ["https://example.com"], max_response_bytes: many}`:                   `"many" is not a size`,
		`{allow: ["https://example.com"], max_response_bytes: [1]}`:                    "",
		`{allow: ["https://example.com"], timeout: 0}`:                                 "neither a number of seconds",
		`{allow: ["https://example.com"], timeout: soon}`:                              "neither a number of seconds",
		`{allow: ["https://example.com"], max_redirects: 21}`:                          "max_redirects: 21 is not between 0 and 20",
		`{allow: ["https://example.com"], max_redirects: -1}`:                          "max_redirects",
		`max_redirects: 3`: "allow: it names no origin",
		`{allow: [], private_addresses: [10.0.0.0/8]}`: "allow: it names no origin",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n%v\nwant %s", text, err, want)
		}
	}
	// All of them at once.
	_, err := read(`{allow: [a, "https://example.com", "https://*.com"], private_addresses: [b], max_redirects: 99}`)
	for _, want := range []string{"allow[0]", "allow[2]", "private_addresses[0]", "max_redirects: 99"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	// In Go too, where nothing has decoded it.
	if err := (&httpmod.Policy{Allow: []httpmod.Rule{{Origin: "https://example.com"}}, MaxResponseBytes: -1, MaxRequestBytes: -1, Timeout: -1}).Validate(); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Error(err)
	}
}
