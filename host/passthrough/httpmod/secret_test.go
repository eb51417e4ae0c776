package httpmod_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough/httpmod"
	"github.com/wasmworker/wasmworker/host/passthrough/secretmod"
)

// Secrets go into headers, by the rule that allows the request, and nowhere else.
func TestSecretsInHeaders(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/to/"):
			http.Redirect(w, r, strings.TrimPrefix(r.URL.Path, "/to"), http.StatusFound)
			return
		case r.URL.Path == "/away":
			http.Redirect(w, r, "http://localhost:"+r.URL.Query().Get("port")+"/plain", http.StatusTemporaryRedirect)
			return
		}
		fmt.Fprintf(w, "%s|%s|%s", r.Header.Get("Authorization"), r.Header.Get("X-Key"), r.Header.Get("X-Own"))
	})
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	rotate := func(value string) {
		if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rotate("t1\n")
	t.Setenv("WASMWORKER_TEST_KEY", "k1")
	store, err := secretmod.Open(map[string]secretmod.Source{"token": {File: file}, "key": {Env: "WASMWORKER_TEST_KEY"}})
	if err != nil {
		t.Fatal(err)
	}
	get := []string{"GET", "POST"}
	policy := &httpmod.Policy{
		PrivateAddresses: []string{"127.0.0.1", "::1"},
		MaxRedirects:     3,
		Allow: []httpmod.Rule{
			{Origin: s.URL, Methods: get, PathPrefixes: []string{"/auth", "/to/auth"}, Headers: map[string]string{"authorization": "Bearer {{secret:token}}"}},
			{Origin: s.URL, Methods: get, PathPrefixes: []string{"/named", "/to", "/away"}, Secrets: []string{"key"}},
			{Origin: s.URL, Methods: get},
			{Origin: "http://localhost:" + s.port(), Methods: get},
		},
	}
	c := newClient(t, httpmod.Options{Secrets: store}, policy)
	own := map[string][]string{"X-Key": {"{{secret:key}}"}, "X-Own": {"plain"}}
	for _, tt := range []struct {
		r    request
		want string
	}{
		{request{URL: s.URL + "/plain"}, "||"},
		{request{URL: s.URL + "/auth"}, "Bearer t1||"},
		{request{URL: s.URL + "/auth", Headers: map[string][]string{"AUTHORIZATION": {"of the guest's", "two"}}}, "Bearer t1||"},
		{request{URL: s.URL + "/named", Headers: own}, "|k1|plain"},
		// the rule of each request, also after a redirect
		{request{URL: s.URL + "/to/auth"}, "Bearer t1||"},
		{request{URL: s.URL + "/to/plain"}, "||"}, // nothing of the rule that sent it there
		{request{URL: s.URL + "/to/named", Headers: own}, "|k1|plain"},
		{request{URL: s.URL + "/away?port=" + s.port(), Headers: own}, "||"}, // another origin
	} {
		if got := c.ok(t, tt.r); got.Body != tt.want {
			t.Errorf("%s: the server got %q, want %q", tt.r.URL, got.Body, tt.want)
		}
	}
	rotate("t2")
	if got := c.ok(t, request{URL: s.URL + "/auth"}); got.Body != "Bearer t2||" {
		t.Errorf("after a rotation: %q", got.Body)
	}
	// Not for another rule, another secret, or one that is not there; nothing is sent
	// then.
	s.got()
	name := func(value string) map[string][]string { return map[string][]string{"X-Key": {value}} }
	for _, r := range []request{
		{URL: s.URL + "/plain", Headers: own}, {URL: s.URL + "/named", Headers: name("{{secret:token}}")}, {URL: s.URL + "/auth", Headers: name("{{secret:token}}")},
		{URL: s.URL + "/named", Headers: name("a{{secret:key}}{{secret:none}}")}, {URL: s.URL + "/named", Headers: name("{{secret:}}")},
	} {
		denied(t, c, r)
	}
	if got := s.got(); got != nil {
		t.Errorf("the server got %q", got)
	}
	// the request was sent, what it was redirected to was not
	denied(t, c, request{URL: s.URL + "/to/plain", Headers: own})
	if got := s.got(); len(got) != 1 {
		t.Errorf("the server got %q", got)
	}
	// What cannot be a header's value is not sent, nor shown.
	for _, value := range []string{"a\nX-Evil: hidden", ""} {
		rotate(value)
		got, err := c.send(t, request{URL: s.URL + "/auth"})
		if got != nil || err == nil || !strings.Contains(err.Error(), abi.EIO.String()) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%q: %+v, %v", value, got, err)
		}
	}
	if got := s.got(); got != nil {
		t.Errorf("the server got %q", got)
	}
}

func denied(t *testing.T, c *client, r request) {
	t.Helper()
	got, err := c.send(t, r)
	if got != nil || err == nil || !strings.Contains(err.Error(), "may not be used there; the http policy would allow it with its name under secrets") {
		t.Errorf("%+v: %+v, %v", r, got, err)
	}
}

func TestSecretsOfPolicies(t *testing.T) {
	policy := &httpmod.Policy{Allow: []httpmod.Rule{
		{Origin: "https://a.example", Headers: map[string]string{"X": "{{secret:none}}", "Y": "{{secret:}}"}},
		{Origin: "https://b.example", Secrets: []string{"other"}},
	}}
	err := httpmod.New(httpmod.Options{}).CheckPolicy(policy)
	for _, want := range []string{`allow[0].headers.X: there is no secret "none"`, `allow[0].headers.Y: there is no secret ""`, `allow[1].secrets[0]: there is no secret "other"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestExplain(t *testing.T) {
	policy := &httpmod.Policy{Allow: []httpmod.Rule{{Origin: "https://a.example"}, {Origin: "https://b.example", Methods: []string{"POST"}, PathPrefixes: []string{"/v1"}}}}
	if err := policy.Validate(); err != nil {
		t.Fatal(err)
	}
	for words, want := range map[string]string{
		"GET https://a.example/x?y": "allow[0]", "POST https://b.example/v1/x": "allow[1]", "GET https://b.example/v1": "", "POST https://b.example/": "", "GET http://a.example": "",
	} {
		verdict, err := policy.Explain(strings.Fields(words))
		path := ""
		for _, step := range verdict.Path {
			path += fmt.Sprintf("[%v]", step)
		}
		path = strings.Replace(path, "[allow]", "allow", 1)
		if err != nil || verdict.Allowed != (want != "") || path != want || verdict.Reason == "" {
			t.Errorf("%s: %+v, %v", words, verdict, err)
		}
	}
	for _, words := range []string{"", "GET", "GET a b", "G(T https://a.example", "GET a.example", "CONNECT https://a.example"} {
		if _, err := policy.Explain(strings.Fields(words)); err == nil {
			t.Errorf("%q: no error", words)
		}
	}
}
