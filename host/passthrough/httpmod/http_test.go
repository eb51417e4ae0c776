package httpmod_test

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/httpmod"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

func TestSend(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Twice"] = []string{"a", "b"}
		w.Header().Set("X-Host", r.Host)
		w.Header().Set("X-Proto", r.Proto)
		w.Header().Set("X-From", strings.Join(r.Header["X-From"], "|")+" "+r.UserAgent())
		if r.Method == "POST" {
			w.WriteHeader(201)
		}
		fmt.Fprintf(w, "%s %s ", r.Method, r.RequestURI)
		io.Copy(w, r.Body)
	}
	plain := serve(t, echo)
	secure, config := serveTLS(t, echo)
	c := newClient(t, httpmod.Options{TLS: config}, loopback(plain.URL, secure.URL))
	binary := "\x00\xff" + strings.Repeat("0123456789", 100_000)
	for _, s := range []*server{plain, secure} {
		got := c.ok(t, request{URL: s.URL})
		if got.Status != 200 || got.Body != "GET / " || strings.TrimSpace(got.Headers.Get("X-From")) != "wasmworker" || !reflect.DeepEqual(got.Headers["X-Twice"], []string{"a", "b"}) {
			t.Errorf("got %+v", got)
		}
		got = c.ok(t, request{
			// no prefix, so that every path is allowed
			Method: "POST", URL: strings.ToUpper(s.URL) + "/a%2fb/%2e%2e/../c?q=%zz&&x#fragment", Body: binary,
			Headers: map[string][]string{"x-from": {"1", "2"}, "X-FROM": {"0"}, "user-agent": {"me ☃"}},
		})
		if got.Status != 201 || got.Body != "POST /a%2fb/%2e%2e/../c?q=%zz&&x "+binary || got.Headers.Get("X-From") != "0|1|2 me ☃" || got.Headers.Get("X-Host") != s.Listener.Addr().String() {
			t.Errorf("got %.200v", got)
		}
		if got := c.ok(t, request{Method: "HEAD", URL: s.URL}); got.Body != "" || got.Status != 200 {
			t.Errorf("got %+v", got)
		}
		want := "HTTP/1.1"
		if s == secure {
			want = "HTTP/2.0"
		}
		if proto := got.Headers.Get("X-Proto"); proto != want {
			t.Errorf("%s, want %s", proto, want)
		}
	}
	// A certificate without a trusted issuer is not accepted, nor one for another name.
	newClient(t, httpmod.Options{}, loopback(secure.URL)).want(t, request{URL: secure.URL + "/?secret"}, abi.EIO, "certificate")
	other := "https://other.test:" + secure.port()
	newClient(t, httpmod.Options{TLS: config, Dialer: net.Dialer{Resolver: resolver([]string{"127.0.0.1"})}}, loopback(other)).want(t, request{URL: other}, abi.EIO, "certificate")
}

func TestDenied(t *testing.T) {
	s := serve(t, respond("reached"))
	secure, config := serveTLS(t, respond("reached"))
	rules := []httpmod.Rule{
		{Origin: s.URL, PathPrefixes: []string{"/v1", "/files/"}},
		{Origin: s.URL, Methods: []string{"POST"}, PathPrefixes: []string{"/orders"}},
		{Origin: secure.URL},
		{Origin: "http://*.wild.test:" + s.port()},
	}
	c := newClient(t, httpmod.Options{TLS: config, Dialer: net.Dialer{Resolver: resolver([]string{"127.0.0.1"})}},
		&httpmod.Policy{Allow: rules, PrivateAddresses: []string{"127.0.0.0/30"}})

	for _, allowed := range []request{
		{URL: s.URL + "/v1"}, {URL: s.URL + "/v1?x"}, {URL: s.URL + "/v1/"}, {URL: s.URL + "/v1/x;y=1/%61%20"}, {URL: s.URL + "/files/x"}, {URL: s.URL + "/v1/a.b/.c/d."},
		{Method: "POST", URL: s.URL + "/orders/17"}, {Method: "HEAD", URL: s.URL + "/v1"},
		{URL: secure.URL + "/any/../path//%2e"}, {URL: "http://A.Wild.Test:" + s.port()}, {URL: "http://xn--bcher-kva.wild.test:" + s.port()},
	} {
		if got := c.ok(t, allowed); allowed.Method != "HEAD" && got.Body != "reached" {
			t.Errorf("%v: %+v", allowed, got)
		}
	}
	s.got()
	secure.got()

	port := s.port()
	type c2 = struct {
		r    request
		want []string
	}
	tests := []c2{
		// Origins: another host, port, scheme; a wildcard is one label.
		{request{URL: "http://example.com/?secret=1"}, []string{"GET http://example.com/ is denied", `allow: ["http://example.com"]`}},
		{request{Method: "POST", URL: "http://example.com/"}, []string{`allow: [{origin: "http://example.com", methods: [POST]}]`}},
		{request{URL: "http://127.0.0.1/v1"}, []string{`"http://127.0.0.1"`}},
		{request{URL: "https://127.0.0.1:" + port + "/v1"}, nil},
		{request{URL: "http://127.0.0.2:" + port + "/v1"}, nil},
		{request{URL: "http://localhost:" + port + "/v1"}, nil},
		{request{URL: "http://[::1]:" + port + "/v1"}, []string{`allow: ["http://[::1]:`}},
		{request{URL: "http://wild.test:" + port}, nil},
		{request{URL: "http://a.b.wild.test:" + port}, nil},
		{request{URL: "http://awild.test:" + port}, nil},
		{request{URL: "http://a.wild.test.evil.test:" + port}, nil},
		{request{URL: "http://a.wild.test"}, nil},
		// Methods
		{request{Method: "POST", URL: s.URL + "/v1"}, []string{"none of the path_prefixes"}},
		{request{Method: "DELETE", URL: s.URL + "/v1"}, []string{"allow GET, HEAD, POST", "methods: [DELETE]"}},
		{request{Method: "get", URL: s.URL + "/v1"}, []string{"methods: [get]"}},
		// Paths
		{request{URL: s.URL + "/?secret"}, []string{"none of the path_prefixes of " + s.URL, `path_prefixes: ["/"]`}},
		{request{URL: s.URL + "/v10"}, nil},
		{request{URL: s.URL + "/V1/x"}, nil},
		{request{URL: s.URL + "/files"}, nil},
		{request{URL: s.URL + "/%76%31/x"}, nil},
	}
	for path, what := range map[string]string{
		"..": "dots", ".": "dots", "../admin": "dots", "x/../../admin": "dots", "%2e%2e/admin": "dots", ".%2E/admin": "dots", "..;/admin": "dots", "..%3b/admin": "dots",
		"..;x=y/admin": "dots", "...": "dots", "..%20/admin": "dots", "%20": "dots",
		"x%2f..%2fadmin": "slash", "..%2Fadmin": "slash", "..%5cadmin": "slash",
		"%252e%252e/admin": "percent", "x%2525": "percent", "%25": "percent",
		"/admin": "empty", "x//y": "empty", ";/admin": "empty", "x/;y/z": "empty",
		"%00": "control", "x%0d%0aX:y": "control", "%7f": "control", "%c0%ae%c0%ae/admin": "UTF-8", "%ff": "UTF-8",
	} {
		tests = append(tests, c2{request{URL: s.URL + "/v1/" + path + "?secret"}, []string{what, "without path_prefixes"}})
	}
	for _, tt := range tests {
		c.want(t, tt.r, abi.EACCES, append(tt.want, "is denied")...)
	}
	// Without a policy, nothing.
	c.with(t, &httpmod.Policy{}).want(t, request{URL: s.URL + "/v1"}, abi.EACCES, "no rule has the origin")
	if _, err := c.module.Functions["send"](t.Context(), &passthrough.Call{}, request{URL: s.URL + "/v1"}.frame()); !errors.Is(err, abi.EACCES) {
		t.Error(err)
	}
	if lines := append(s.got(), secure.got()...); lines != nil {
		t.Errorf("these requests were sent: %q", lines)
	}
}

// A malformed request is refused before the policy is asked. No message repeats any part
// of it.
func TestBadRequests(t *testing.T) {
	s := serve(t, respond("reached"))
	c := newClient(t, httpmod.Options{}, loopback(s.URL))
	at := s.Listener.Addr().String()
	for _, url := range []string{
		"", "secret", "//" + at, "/secret", at, "http:" + at, "http:/" + at, "http://", "http:///secret", "http://:80/", "file:///secret", "ftp://" + at, "HTTPX://" + at, "javascript:secret",
		"http://user:secret@" + at, "http://user@" + at, "http://@" + at, "http://secret:@" + at, "http://" + at + "@example.com",
		"http://" + at + "/\r\nX: secret", "http://" + at + "/ secret", "http://" + at + "/\x00", "http://" + at + "/☃", "http://" + at + "/\t", " http://" + at, "http://" + at + `\@example.com/`,
		"http://127.0.0.1:0", "http://127.0.0.1:65536", "http://127.0.0.1:080", "http://127.0.0.1:+80", "http://127.0.0.1:-1", "http://127.0.0.1:http", "http://127.0.0.1:80:80",
		"http://0x7f.1", "http://0x7f.0.0.1", "http://2130706433", "http://0x7f000001", "http://127.1", "http://0177.0.0.1", "http://127.0.0.01", "http://127.0.0.1.", "http://1.2.3.4.5", "http://foo.0x1", "http://foo.7",
		"http://[::1%25lo]", "http://[fe80::1%25eth0]:80", "http://[fe80::1%eth0]", "http://[::ffff:127.0.0.1]", "http://[127.0.0.1]", "http://[example.com]", "http://[::1", "http://::1", "http://[]", "http://[v1.x]",
		"http://bücher.example", "http://b%C3%BCcher.example", "http://１２７.0.0.1", "http://127。0。0。1", "http://ex%61mple.com", "http://a..b", "http://.a", "http://a.", "http://a b", "http://a!b", "http://a,b", "http://*.wild.test", "http://a%00b",
		"http://" + strings.Repeat("a", 64) + ".test", "http://" + strings.Repeat("a.", 127) + "test", "http://" + at + "/%zz", "http://" + at + "/%2",
		"http://" + at + "/" + strings.Repeat("secret", 2000),
	} {
		c.want(t, request{URL: url}, abi.EINVAL)
	}
	for _, method := range []string{" ", "GET /", "GET\r\n", "GÉT", "GET:", "CONNECT", "TRACE", "trace", strings.Repeat("X", 33)} {
		c.want(t, request{Method: method, URL: s.URL}, abi.EINVAL)
	}
	for name, value := range map[string]string{
		"": "x", "X Y": "x", "X:Y": "x", "X\r\nY": "x", "X☃": "x", ":authority": "x",
		"Host": "example.com", "host": "x", "Connection": "close", "Keep-Alive": "x", "Content-Length": "1", "content-length": "0", "Transfer-Encoding": "chunked", "TE": "trailers",
		"Trailer": "X", "Upgrade": "websocket", "Expect": "100-continue", "Proxy-Authorization": "x", "proxy-connection": "x", "HTTP2-Settings": "x",
		"X_Forwarded_For": "x", "Content_Length": "1", "X.Y": "x", "api_key": "x", "x-http-method_override": "DELETE",
		"X-Original-URL": "/admin", "x-rewrite-url": "/admin", "X-HTTP-Method-Override": "DELETE", "X-HTTP-Method": "DELETE", "x-method-override": "DELETE",
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "x", "X-Forwarded-Prefix": "/admin", "Forwarded": "for=x", "X-Real-IP": "127.0.0.1", "X-Original-Host": "x",
		"X-Envoy-Original-Path": "/admin", "X-Middleware-Subrequest": "middleware", "Destination": "/admin", "True-Client-IP": "127.0.0.1",
		"X-A": "secret\r\nX-B: y", "X-C": "secret\n", "X-D": "secret\r", "X-E": "\x00", "X-F": "\x7f", "X-G": "\x1b",
	} {
		c.want(t, request{URL: s.URL, Headers: map[string][]string{name: {"fine", value}}}, abi.EINVAL, "header")
	}
	c.want(t, request{URL: s.URL, Timeout: -1}, abi.EINVAL, "timeout_ms")
	c.want(t, request{URL: s.URL, Headers: map[string][]string{"X": {strings.Repeat("x", 64<<10)}}}, abi.EMSGSIZE, "head")
	// The head is not JSON. It is refused before it is decoded.
	if _, err := c.frame(t.Context(), []byte("\x01\x00\x01\x00"+strings.Repeat("[", abi.MaxHTTPHead+1))); !errors.Is(err, abi.EMSGSIZE) {
		t.Errorf("a head of 64 KiB and 1 byte: %v", err)
	}
	for _, frame := range []string{"", "\x00", "\x00\x00\x00", "\x01\x00\x00\x00", "\xff\xff\xff\xff{}", "\x00\x00\x00\x00{}", "\x02\x00\x00\x00[]", "\x04\x00\x00\x00null", "\x09\x00\x00\x00{\"url\":1}", "\x02\x00\x00\x00{}"} {
		if _, err := c.frame(t.Context(), []byte(frame)); !errors.Is(err, abi.EINVAL) {
			t.Errorf("%q: %v", frame, err)
		}
	}
	if lines := s.got(); lines != nil {
		t.Errorf("these requests were sent: %q", lines)
	}
}

func TestRedirects(t *testing.T) {
	other := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "other: ", headersOf(r)) })
	hidden := serve(t, respond("hidden"))
	secure, config := serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusTemporaryRedirect)
	})
	var s *server
	s = serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/to/"):
			w.Header().Set("Location", r.URL.Query().Get("to"))
			w.Header().Set("Set-Cookie", "secret=1")
			w.WriteHeader(map[string]int{"301": 301, "302": 302, "303": 303, "304": 304, "307": 307, "308": 308}[r.URL.Path[4:]])
			io.WriteString(w, strings.Repeat("x", 100))
		case r.URL.Path == "/loop":
			http.Redirect(w, r, s.URL+"/loop", http.StatusFound)
		default:
			fmt.Fprint(w, "here: ", headersOf(r))
		}
	})
	policy := &httpmod.Policy{PrivateAddresses: []string{"127.0.0.1"}, MaxRedirects: 3, Allow: []httpmod.Rule{
		{Origin: s.URL, Methods: []string{"GET", "HEAD", "POST"}, PathPrefixes: []string{"/to", "/loop", "/here"}},
		{Origin: other.URL, Methods: []string{"GET", "POST"}, PathPrefixes: []string{"/ok"}},
		{Origin: secure.URL, Methods: []string{"GET", "POST"}},
	}}
	c := newClient(t, httpmod.Options{TLS: config}, policy)
	headers := map[string][]string{"Authorization": {"secret"}, "Cookie": {"a=secret"}, "X-Api-Key": {"secret"}, "Accept": {"text/plain"}, "Content-Type": {"text/x"}}
	send := func(method, status, to string) (*response, error) {
		return c.send(t, request{Method: method, URL: s.URL + "/to/" + status + "?to=" + strings.ReplaceAll(to, "#", "%23"), Headers: headers, Body: "body"})
	}
	const full, public = "Accept=text/plain Authorization=secret Content-Type=text/x Cookie=a=secret X-Api-Key=secret", "Accept=text/plain Content-Type=text/x"
	without := func(list string) string { return strings.ReplaceAll(list, "Content-Type=text/x", "") }
	for _, tt := range []struct{ method, status, to, line, body string }{
		{"GET", "302", "/here#fragment", "GET /here body", "here: " + full},
		{"GET", "308", "../here", "GET /here body", "here: " + full},
		{"POST", "307", "/here?x", "POST /here?x body", "here: " + full},
		{"POST", "308", "/here", "POST /here body", "here: " + full},
		{"POST", "301", "/here", "GET /here ", "here: " + without(full)},
		{"POST", "302", "/here", "GET /here ", "here: " + without(full)},
		{"POST", "303", "/here", "GET /here ", "here: " + without(full)},
		{"GET", "302", other.URL + "/ok", "GET /ok body", "other: " + public},
		{"POST", "307", other.URL + "/ok", "POST /ok body", "other: " + public},
		{"POST", "303", other.URL + "/ok", "GET /ok ", "other: " + without(public)},
		{"GET", "302", strings.Replace(other.URL, "http:", "", 1) + "/ok", "GET /ok body", "other: " + public},
	} {
		s.got()
		other.got()
		got, err := send(tt.method, tt.status, tt.to)
		if err != nil {
			t.Errorf("%v: %v", tt, err)
			continue
		}
		lines := append(s.got()[1:], other.got()...)
		if !reflect.DeepEqual(lines, []string{tt.line}) || strings.Join(strings.Fields(got.Body), " ") != strings.Join(strings.Fields(tt.body), " ") {
			t.Errorf("%v: sent %q, got %q", tt, lines, got.Body)
		}
	}
	// Headers that a redirect to another origin dropped stay dropped on the way back.
	got := c.ok(t, request{URL: secure.URL + "/?to=" + s.URL + "/here", Headers: headers})
	if got.Body != "here: Accept=text/plain Content-Type=text/x " {
		t.Errorf("got %q", got.Body)
	}
	// Nothing is sent to a target that is not allowed.
	s.got()
	other.got()
	for _, to := range []string{
		hidden.URL, hidden.URL + "/ok", "http://169.254.169.254/latest/meta-data", "http://[::1]:" + s.port() + "/here", "http://localhost:" + s.port() + "/here",
		strings.Replace(s.URL, "http", "https", 1) + "/here", other.URL + "/", other.URL + "/okay", "/admin", "/here/../admin", "/here/%2e%2e/admin", s.URL + "/here%2f..%2fadmin",
	} {
		if got, err := send("GET", "302", to); !errors.Is(err, abi.EACCES) || strings.Contains(err.Error(), "to=") {
			t.Errorf("to %s: %+v, %v", to, got, err)
		}
	}
	if got, err := send("HEAD", "302", other.URL+"/ok"); !errors.Is(err, abi.EACCES) || !strings.Contains(err.Error(), "methods: [HEAD]") {
		t.Errorf("a method that the other origin does not allow: %+v, %v", got, err)
	}
	for _, to := range []string{"http://user:secret@" + other.Listener.Addr().String() + "/ok", "file:///etc/passwd", "http://2130706433:" + s.port(), "http://[::ffff:127.0.0.1]:" + s.port(), "http://%zz", ":", "http://b%C3%BCcher.test/"} {
		if got, err := send("GET", "302", strings.ReplaceAll(to, "%", "%25")); !errors.Is(err, abi.EIO) || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "redirect") {
			t.Errorf("to %s: %+v, %v", to, got, err)
		}
	}
	for _, line := range s.got() {
		if !strings.Contains(line, " /to/302?") {
			t.Errorf("sent %q", line)
		}
	}
	if lines := append(other.got(), hidden.got()...); lines != nil {
		t.Errorf("sent %q", lines)
	}
	// The guest gets responses that are not redirects, and redirects beyond the limit.
	for status, to := range map[string]string{"304": "/here", "302": ""} {
		if got, err := send("GET", status, to); err != nil || fmt.Sprint(got.Status) != status {
			t.Errorf("%s to %q: %+v, %v", status, to, got, err)
		}
	}
	s.got()
	if got := c.ok(t, request{URL: s.URL + "/loop"}); got.Status != 302 || got.Headers.Get("Location") != s.URL+"/loop" || len(s.got()) != 1+policy.MaxRedirects {
		t.Errorf("a loop: %+v", got)
	}
	none := *policy
	none.MaxRedirects = 0
	if got := c.with(t, &none).ok(t, request{URL: s.URL + "/to/302?to=" + hidden.URL}); got.Status != 302 || got.Headers.Get("Location") != hidden.URL || len(s.got()) != 1 {
		t.Errorf("without max_redirects: %+v", got)
	}
}

func headersOf(r *http.Request) string {
	var b strings.Builder
	for _, name := range []string{"Accept", "Authorization", "Content-Type", "Cookie", "X-Api-Key"} {
		if value := r.Header.Get(name); value != "" {
			fmt.Fprintf(&b, "%s=%s ", name, value)
		}
	}
	return b.String()
}

// A name that led to an allowed address leads to another one the next time.
func TestRebinding(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close") // so that the name is looked up again
		io.WriteString(w, "allowed")
	})
	listener, err := net.Listen("tcp", "127.0.0.2:"+s.port())
	if err != nil {
		t.Skip("this system has one loopback address:", err)
	}
	var stolen atomic.Int64
	hidden := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) })}
	served := make(chan error)
	go func() { served <- hidden.Serve(listener) }()
	defer func() { hidden.Close(); <-served }()

	origin := "http://rebind.test:" + s.port()
	c := newClient(t, httpmod.Options{Dialer: net.Dialer{Resolver: resolver(
		[]string{"127.0.0.1"}, []string{"127.0.0.2"}, []string{"127.0.0.2", "127.0.0.1"}, []string{"169.254.169.254"}, []string{"0.0.0.0"},
	)}}, loopback(origin))
	if got := c.ok(t, request{URL: origin}); got.Body != "allowed" {
		t.Errorf("got %+v", got)
	}
	c.want(t, request{URL: origin + "/x?secret"}, abi.EACCES, "GET "+origin+"/x is denied", "127.0.0.2", `private_addresses: ["127.0.0.2"]`)
	// one of its two addresses is allowed
	if got := c.ok(t, request{URL: origin}); got.Body != "allowed" {
		t.Errorf("got %+v", got)
	}
	c.want(t, request{URL: origin}, abi.EACCES, "169.254.169.254")
	c.want(t, request{URL: origin}, abi.EACCES, "0.0.0.0")
	if n := stolen.Load(); n != 0 {
		t.Errorf("%d requests reached the address that is not allowed", n)
	}
}

// Only modules that may reach a private address use a connection to it.
func TestConnectionsOfOthers(t *testing.T) {
	s := serve(t, respond("allowed"))
	var conns atomic.Int64
	origin := "http://shared.test:" + s.port()
	c := newClient(t, httpmod.Options{Dialer: net.Dialer{
		Resolver: resolver([]string{"127.0.0.1"}),
		Control:  func(string, string, syscall.RawConn) error { conns.Add(1); return nil },
	}}, loopback(origin))
	for range 3 {
		c.ok(t, request{URL: origin})
	}
	c.with(t, &httpmod.Policy{Allow: []httpmod.Rule{{Origin: origin}}, PrivateAddresses: []string{"127.0.0.1/32"}}).ok(t, request{URL: origin})
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections were made, and one would do", n)
	}
	s.got()
	for _, private := range [][]string{nil, {"10.0.0.0/8"}, {"127.0.0.2"}} {
		c.with(t, &httpmod.Policy{Allow: []httpmod.Rule{{Origin: origin}}, PrivateAddresses: private}).want(t, request{URL: origin}, abi.EACCES, "127.0.0.1")
	}
	if lines := s.got(); lines != nil {
		t.Errorf("sent %q", lines)
	}
}

// The worker's environment has no effect. TestMain sets a proxy.
func TestNoProxyFromTheEnvironment(t *testing.T) {
	s := serve(t, respond("server"))
	origin := "http://proxied.test:" + s.port() // loopback itself never has a proxy
	c := newClient(t, httpmod.Options{Dialer: net.Dialer{Resolver: resolver([]string{"127.0.0.1"})}}, loopback(origin))
	if got := c.ok(t, request{URL: origin}); got.Body != "server" {
		t.Errorf("got %+v", got)
	}
}

// Cookies are the guest's business.
func TestNoState(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
		fmt.Fprint(w, r.Header["Cookie"], r.Header["Referer"], r.Header["Accept-Encoding"])
	})
	c := newClient(t, httpmod.Options{}, loopback(s.URL))
	for range 2 {
		if got := c.ok(t, request{URL: s.URL}); got.Body != "[] [] []" || got.Headers.Get("Set-Cookie") != "session=1" {
			t.Errorf("got %+v", got)
		}
	}
}

func TestWrap(t *testing.T) {
	s := serve(t, respond("server"))
	var seen []string
	c := newClient(t, httpmod.Options{TLS: &tls.Config{}, MaxConnsPerHost: 1, Wrap: func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			seen = append(seen, r.URL.String())
			return next.RoundTrip(r)
		})
	}}, loopback(s.URL))
	c.ok(t, request{URL: s.URL + "/a"})
	c.want(t, request{URL: "http://example.com/"}, abi.EACCES)
	if !reflect.DeepEqual(seen, []string{s.URL + "/a"}) {
		t.Errorf("seen %q", seen)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The frame has the form that abi/SPEC.md describes.
func TestFrame(t *testing.T) {
	s := serve(t, respond("body"))
	c := newClient(t, httpmod.Options{}, loopback(s.URL))
	head := fmt.Sprintf(`{"url": %q, "method": "POST", "unknown": 1}`, s.URL)
	got, err := c.frame(t.Context(), append(append(binary.LittleEndian.AppendUint32(nil, uint32(len(head))), head...), "\x00raw"...))
	if err != nil || got.Status != 200 || got.Body != "body" {
		t.Errorf("%+v, %v", got, err)
	}
	if lines := s.got(); !reflect.DeepEqual(lines, []string{"POST / \x00raw"}) {
		t.Errorf("sent %q", lines)
	}
}

// No connection outlives the module, whatever became of the calls.
func TestClose(t *testing.T) {
	s := &server{}
	s.Server = httptest.NewUnstartedServer(s.remember(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/endless":
			for {
				if _, err := w.Write(make([]byte, 10_000)); err != nil {
					return
				}
			}
		case "/silent":
			<-r.Context().Done()
		case "/escape":
			http.Redirect(w, r, "http://example.com", http.StatusFound)
		}
	}))
	var made, closed atomic.Int64
	changed := make(chan struct{}, 1)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			made.Add(1)
		case http.StateClosed:
			closed.Add(1)
		}
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	s.Start()
	defer s.Close()
	policy := loopback(s.URL)
	policy.MaxRedirects, policy.MaxResponseBytes = 1, 1000
	c := newClient(t, httpmod.Options{}, policy)
	for range 2 { // an embedder may close the module with one host and go on with another one
		var wg sync.WaitGroup
		for i := range 60 {
			path := []string{"/", "/endless", "/silent", "/escape"}[i%4]
			wg.Go(func() {
				if _, err := c.send(t, request{URL: s.URL + path, Timeout: 1000}); (err == nil) != (path == "/") {
					t.Errorf("%s: %v", path, err)
				}
			})
		}
		wg.Wait()
		if made.Load() == closed.Load() {
			t.Error("no connection is kept")
		}
		if err := c.module.Close(t.Context()); err != nil {
			t.Error(err)
		}
		for deadline := time.After(testbed.Patience); closed.Load() < made.Load(); {
			select {
			case <-changed:
			case <-deadline:
				t.Fatalf("%d connections of %d are still open", made.Load()-closed.Load(), made.Load())
			}
		}
	}
}
