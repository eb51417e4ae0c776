package httpmod_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough/httpmod"
)

// fuzzPolicy allows some of everything.
func fuzzPolicy() *httpmod.Policy {
	return &httpmod.Policy{
		PrivateAddresses: []string{"127.0.0.1", "::1"},
		MaxRedirects:     2,
		Allow: []httpmod.Rule{
			{Origin: "http://127.0.0.1:8080", Methods: []string{"GET", "POST"}, PathPrefixes: []string{"/v1", "/files/"}},
			{Origin: "https://*.example.com", PathPrefixes: []string{"/"}},
			{Origin: "http://[::1]"},
			{Origin: "https://xn--bcher-kva.example:8443", Methods: []string{"PUT"}},
		},
	}
}

// allowed says the same as the policy in other words: it looks at what goes over the
// wire, reads it as generously as the most careless server would, and knows nothing of
// rules.
func allowed(r *http.Request) bool {
	get := r.Method == "GET" || r.Method == "HEAD"
	below := func(prefix string) bool {
		p := r.URL.EscapedPath()
		for range 10 { // decoded again and again
			if decoded, err := url.PathUnescape(p); err == nil {
				p = decoded
			}
		}
		p = strings.ReplaceAll(p, `\`, "/")
		var segments []string
		for segment := range strings.SplitSeq(p, "/") {
			segment, _, _ = strings.Cut(segment, ";")
			segments = append(segments, strings.TrimSpace(segment))
		}
		p = path.Clean("/" + strings.Join(segments, "/"))
		return p == strings.TrimSuffix(prefix, "/") || strings.HasPrefix(p+"/", strings.TrimSuffix(prefix, "/")+"/")
	}
	switch origin := r.URL.Scheme + "://" + r.URL.Host; origin {
	case "http://127.0.0.1:8080":
		return (r.Method == "GET" || r.Method == "POST") && (below("/v1") || below("/files"))
	case "http://[::1]":
		return get
	case "https://xn--bcher-kva.example:8443":
		return r.Method == "PUT"
	default:
		label, ok := strings.CutSuffix(strings.TrimPrefix(origin, "https://"), ".example.com")
		return ok && get && strings.HasPrefix(origin, "https://") && label != "" && !strings.ContainsAny(label, "./:@#?%")
	}
}

// capture replaces the network. It answers the first request with a redirect, if there is
// somewhere to go.
type capture struct {
	t        *testing.T
	mu       sync.Mutex
	location string
	sent     int
}

func (c *capture) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	if !allowed(r) || r.Host != "" && r.Host != r.URL.Host || r.URL.User != nil {
		c.t.Errorf("sent: %s %q to %q", r.Method, r.URL.RequestURI(), r.URL.Scheme+"://"+r.URL.Host)
	}
	for name, values := range r.Header {
		if strings.ContainsAny(strings.Join(append(values, name), ""), "\r\n\x00") || slices.Contains([]string{"Host", "Connection", "Content-Length", "Transfer-Encoding"}, name) {
			c.t.Errorf("sent: header %q: %q", name, values)
		}
	}
	// What net/http makes of it is one request, with that line and that host.
	var wire strings.Builder
	if err := r.Clone(r.Context()).Write(&wire); err != nil {
		c.t.Errorf("%s %s cannot be written: %v", r.Method, r.URL, err)
	}
	line, rest, _ := strings.Cut(wire.String(), "\r\n")
	if line != r.Method+" "+r.URL.RequestURI()+" HTTP/1.1" || !strings.HasPrefix(rest, "Host: "+r.URL.Host+"\r\n") {
		c.t.Errorf("on the wire: %q", wire.String())
	}
	response := &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("ok")), Request: r, ContentLength: -1}
	if c.location != "" && c.sent == 1 {
		response.StatusCode = 307
		response.Header.Set("Location", c.location)
	}
	return response, nil
}

// No URL, and no redirect, takes a request to where the policy does not allow it to go.
func FuzzURL(f *testing.F) {
	for _, url := range []string{
		"http://127.0.0.1:8080/v1/x?y", "http://127.0.0.1:8080/files/a%20b", "https://a.example.com/", "HTTPS://A.Example.com:443/x#y", "http://[0:0::1]:80", "https://xn--bcher-kva.example:8443/a/../b",
		"http://127.0.0.1:8080@evil.test/", "http://127.0.0.1:8080/v1/%2e%2e/admin", "http://127.0.0.1:8080/v1/..;/x", `http://127.0.0.1:8080\@evil.test/`, "http://127.0.0.1:8080/v1/%252e%252e/", "http://127.0.0.1:8080/v1//../x",
		"https://evil.test/.example.com", "https://evil.test#.example.com", "https://evil.test%2f.example.com", "https://a.b.example.com", "https://.example.com", "http://0x7f.1:8080/v1", "http://[::ffff:127.0.0.1]:8080/v1", "//evil.test", "../admin",
	} {
		f.Add(url, "GET", url)
		f.Add(url, "POST", "https://a.example.com/")
		f.Add("http://127.0.0.1:8080/v1", "GET", url)
	}
	policy := fuzzPolicy()
	f.Fuzz(func(t *testing.T, url, method, location string) {
		network := &capture{t: t, location: location}
		c := newClient(t, httpmod.Options{Wrap: func(http.RoundTripper) http.RoundTripper { return network }}, policy)
		_, err := c.send(t, request{URL: url, Method: method})
		if err == nil && network.sent == 0 {
			t.Error("nothing was sent, and there is a response")
		}
		if errno, _ := errors.AsType[abi.Errno](err); err != nil && !slices.Contains([]abi.Errno{abi.EACCES, abi.EINVAL, abi.EIO, abi.EMSGSIZE}, errno) {
			t.Errorf("%v", err)
		}
	})
}

// No frame gets past the policy, or crashes the host.
func FuzzRequest(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Add(request{URL: "http://127.0.0.1:8080/v1", Method: "POST", Headers: map[string][]string{"X-A": {"b", "c\td"}, "content-type": {"x"}}, Timeout: 5000, Body: "body"}.frame())
	f.Add(request{URL: "http://127.0.0.1:8080/v1", Headers: map[string][]string{"X": {"a\r\nHost: b"}}}.frame())
	f.Add(request{URL: "https://a.example.com", Headers: map[string][]string{"hoſt": {"b"}, "User-Agent": nil}}.frame())
	policy := fuzzPolicy()
	f.Fuzz(func(t *testing.T, frame []byte) {
		network := &capture{t: t}
		c := newClient(t, httpmod.Options{Wrap: func(http.RoundTripper) http.RoundTripper { return network }}, policy)
		if _, err := c.frame(t.Context(), frame); (err == nil) != (network.sent == 1) {
			t.Errorf("%d requests were sent, and the result is %v", network.sent, err)
		}
	})
}

// No origin that validation accepts allows a host that it does not name, or hosts of
// other owners.
func FuzzOrigin(f *testing.F) {
	for _, origin := range []string{"https://example.com", "https://*.example.com:8443", "http://[::1]", "http://10.0.0.1", "https://*.a.b", "https://*.*.a.b", "https://user@a.b", "http://0x7f.1", "https://*.10.0.0.1", "https://a.b/c"} {
		f.Add(origin, "https://www.example.com/x")
		f.Add(origin, origin)
	}
	f.Fuzz(func(t *testing.T, origin, target string) {
		policy := &httpmod.Policy{Allow: []httpmod.Rule{{Origin: origin}}, PrivateAddresses: []string{"0.0.0.0/0", "::/0"}}
		if policy.Validate() != nil {
			return
		}
		c := newClient(t, httpmod.Options{Wrap: func(http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				named, err := url.Parse(strings.Replace(origin, "://*.", "://star.", 1))
				if err != nil {
					t.Fatalf("origin %q was accepted", origin)
				}
				host, want := r.URL.Hostname(), strings.ToLower(named.Hostname())
				if addr, err := netip.ParseAddr(want); err == nil {
					want = addr.String()
				}
				if strings.Contains(origin, "://*.") {
					_, host, _ = strings.Cut(host, ".")
					want = strings.TrimPrefix(want, "star.")
				}
				port := func(u *url.URL) string {
					if u.Port() == "" {
						return map[string]string{"http": "80", "https": "443"}[u.Scheme]
					}
					return u.Port()
				}
				if host != want || r.URL.Scheme != named.Scheme || port(r.URL) != port(named) {
					t.Errorf("origin %q allows %s", origin, r.URL)
				}
				return nil, net.ErrClosed
			})
		}}, policy)
		_, _ = c.send(t, request{URL: target})
	})
}
