// Package httpmod is the passthrough module http: guests send HTTP requests, only to the
// origins that the operator's policy allows. abi/SPEC.md describes it as a guest sees it.
//
// These rules keep a guest within its policy:
//
//   - Deny by default: a request needs a [Rule] that has its origin, method and path.
//   - A request is made of the parts that were compared with the rules, so that no later
//     reader can take the URL for another one. A URL on which programs disagree is
//     refused, not repaired.
//   - The address of every connection is checked when the socket is connected, after all
//     look-ups of names. Only public addresses and the listed ones are allowed. Only
//     modules that may reach the same addresses share connections.
//   - Redirects are requests of their own, and are compared with the rules again.
//   - No proxy, cookie or credential comes from the worker's environment.
package httpmod

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/secretmod"
)

// Options are for programs that embed the module. The zero value is what wasmworker
// itself uses, except for Secrets.
type Options struct {
	// Secrets are the secrets that rules can put into headers. Default: none.
	Secrets *secretmod.Store
	// Dialer makes the connections. Its Resolver looks up names. Its Control functions
	// run after the policy's check. Default: the zero net.Dialer.
	Dialer net.Dialer
	// TLS is the configuration for verifying servers, such as root certificates, and for
	// client certificates. It is copied. Default: the system's.
	TLS *tls.Config
	// MaxConnsPerHost is how many connections to one host the modules that may reach the
	// same addresses have together. Further requests wait. 0 means no limit but that of
	// activities. Default 0.
	MaxConnsPerHost int
	// Wrap wraps the transport, to trace or count requests. It sees each request,
	// redirects too, after the rules allowed it. It must not change where a request goes.
	// Default: none.
	Wrap func(http.RoundTripper) http.RoundTripper
}

// New returns the passthrough module. Its policy is a [*Policy].
func New(options Options) passthrough.Module {
	m := &module{options: options, pools: map[string]pool{}}
	return passthrough.Module{
		Name:      "http",
		Functions: map[string]passthrough.Func{"send": m.send},
		Policy:    &Policy{},
		Check:     func(policy any) error { return policy.(*Policy).checkSecrets(options.Secrets) },
		Close:     m.close,
	}
}

type module struct {
	options Options

	mu    sync.Mutex
	pools map[string]pool // by the private addresses that their connections may reach
}

// pool holds the connections that modules share.
type pool struct {
	transport *http.Transport
	wrapped   http.RoundTripper
}

const maxHeaderBytes = 64 << 10 // of a response

// requestHead is the head of a request's frame.
type requestHead struct {
	Method  string              `json:"method"`
	URL     string              `json:"url"`
	Headers map[string][]string `json:"headers"`
	Timeout abi.Milliseconds    `json:"timeout_ms"`
}

// responseHead is the head of a response's frame.
type responseHead struct {
	Status  int         `json:"status"`
	Headers http.Header `json:"headers"`
}

// request is a well-formed request. It need not be allowed.
type request struct {
	method  string
	target  target
	headers http.Header
	body    []byte
	timeout abi.Milliseconds
}

// send is wasmworker:http/v1 send.
func (m *module) send(ctx context.Context, call *passthrough.Call, frame []byte) ([]byte, error) {
	policy := passthrough.PolicyOf[Policy](call)
	req, err := parseRequest(frame)
	if err != nil {
		return nil, err
	}
	if size, most := int64(len(req.body)), policy.maxRequest(); size > most {
		return nil, fmt.Errorf("%w: the request's body has %d bytes, and max_request_bytes of the http policy is %d", abi.EMSGSIZE, size, most)
	}
	timeout := policy.timeout(req.timeout)
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	what := req.method + " " + req.target.String()
	response, err := m.exchange(limited, policy, req)
	if err == nil {
		return response, nil
	}
	if _, known := errors.AsType[abi.Errno](err); known {
		return nil, err
	}
	timedOut, ok := errors.AsType[net.Error](err)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w: %s was aborted with its activity", abi.ECANCELED, what)
	case limited.Err() != nil:
		return nil, fmt.Errorf("%w: %s took more than its %s", abi.ETIMEDOUT, what, timeout)
	case ok && timedOut.Timeout():
		return nil, fmt.Errorf("%w: %s: %s", abi.ETIMEDOUT, what, reason(err))
	}
	return nil, fmt.Errorf("%w: %s: %s", abi.EIO, what, reason(err))
}

// reason returns why a request failed, without the addresses of the worker and its name
// servers.
func reason(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return "the name of the host cannot be resolved: " + dns.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

// exchange sends a request, follows as many redirects as the policy allows, and returns
// the encoded response.
func (m *module) exchange(ctx context.Context, policy *Policy, req *request) ([]byte, error) {
	for hop := 0; ; hop++ {
		response, err := m.roundTrip(ctx, policy, req)
		if err != nil {
			return nil, err
		}
		location := response.Header.Get("Location")
		if hop == policy.MaxRedirects || location == "" || !slices.Contains([]int{301, 302, 303, 307, 308}, response.StatusCode) {
			defer response.Body.Close()
			return readResponse(response, policy.maxResponse())
		}
		io.CopyN(io.Discard, response.Body, 4<<10) //nolint:errcheck // reading a short body to its end lets the connection be used again
		response.Body.Close()
		if err := req.redirect(response.StatusCode, location); err != nil {
			return nil, err
		}
	}
}

// roundTrip sends one request if the policy allows it, and returns a denial otherwise.
// The caller closes the response's body.
func (m *module) roundTrip(ctx context.Context, policy *Policy, req *request) (*http.Response, error) {
	allowed, why := policy.check(req.method, req.target)
	if why != nil {
		return nil, req.deny(why)
	}
	r, err := http.NewRequestWithContext(ctx, req.method, "", bytes.NewReader(req.body))
	if err != nil {
		return nil, err
	}
	r.URL = req.target.url()
	if r.Header, err = m.headers(req, allowed); err != nil {
		return nil, err
	}
	response, err := m.pool(policy).RoundTrip(r)
	if why, denied := errors.AsType[*denial](err); denied {
		return nil, req.deny(why)
	}
	if err == nil && response.StatusCode == http.StatusSwitchingProtocols {
		response.Body.Close()
		return nil, errors.New("the server switched to another protocol, unasked")
	}
	return response, err
}

// portable are the headers that are kept when a redirect leads to another origin. Any
// other header could be a credential.
var portable = []string{"Accept", "Accept-Encoding", "Accept-Language", "Content-Encoding", "Content-Type", "Range", "User-Agent"}

// redirect changes the request to the one that a redirect asks for, by the rules of the
// Fetch standard.
func (r *request) redirect(status int, location string) error {
	const prefix = "the server's redirect cannot be followed"
	u, err := r.target.url().Parse(location)
	if err != nil {
		return errors.New(prefix + ": its URL is malformed")
	}
	u.Fragment, u.RawFragment = "", ""
	next, err := parseTarget(u.String())
	if err != nil {
		return fmt.Errorf("%s: %w", prefix, err)
	}
	if next.origin() != r.target.origin() {
		maps.DeleteFunc(r.headers, func(name string, _ []string) bool { return !slices.Contains(portable, name) })
	}
	r.target = next
	if status == 303 && r.method != "HEAD" || (status == 301 || status == 302) && r.method == "POST" {
		r.method, r.body = "GET", nil
		maps.DeleteFunc(r.headers, func(name string, _ []string) bool { return strings.HasPrefix(name, "Content-") })
	}
	return nil
}

// deny returns the error of a request that is not allowed.
func (r *request) deny(why *denial) error {
	return passthrough.Deny(r.method+" "+r.target.String(), "%s", why)
}

// headers returns the headers to send: the guest's, with the secrets that it may use, and
// the rule's own. The request itself keeps the secrets' names, so that they are checked
// again after a redirect.
func (m *module) headers(req *request, allowed *rule) (http.Header, error) {
	headers := req.headers.Clone()
	for name, values := range headers {
		for i, value := range values {
			for _, mentioned := range secretmod.Mentioned(value) {
				if !slices.Contains(allowed.secrets, mentioned) {
					return nil, req.deny(&denial{
						why: fmt.Sprintf("the secret %s may not be used there", shorten(strconv.QuoteToASCII(mentioned))),
						fix: "its name under secrets of the rule that allows the request",
					})
				}
			}
			expanded, err := m.expand(name, value)
			if err != nil {
				return nil, err
			}
			values[i] = expanded
		}
	}
	for name, value := range allowed.headers {
		expanded, err := m.expand(name, value)
		if err != nil {
			return nil, err
		}
		headers[name] = []string{expanded}
	}
	return headers, nil
}

// expand replaces secrets in the value of a header, and checks the result.
func (m *module) expand(name, value string) (string, error) {
	expanded, err := m.options.Secrets.Expand(value)
	if err == nil && expanded != value {
		err = checkHeader(name, []string{expanded})
	}
	if err != nil { // only the operator can repair this
		return "", fmt.Errorf("%w: a secret of header %s cannot be used: %w", abi.EIO, shorten(name), err)
	}
	return expanded, nil
}

// pool returns the transport for a policy. Each set of private addresses has connections
// of its own, so that a module never uses a connection that it was not allowed to make.
func (m *module) pool(policy *Policy) http.RoundTripper {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.pools[policy.reach]
	if !ok {
		p.transport = &http.Transport{
			Proxy:                  nil, // the checked address would be the proxy's, not the target's
			DialContext:            guard(m.options.Dialer, policy.private).DialContext,
			TLSClientConfig:        m.options.TLS.Clone(),
			TLSHandshakeTimeout:    10 * time.Second,
			DisableCompression:     true, // the guest gets, and the limit counts, the body as it was sent
			MaxIdleConns:           100,
			MaxIdleConnsPerHost:    16,
			MaxConnsPerHost:        m.options.MaxConnsPerHost,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: maxHeaderBytes,
			ForceAttemptHTTP2:      true,
			// Without pings, one request after another would time out on the connection
			// of a server that vanished.
			HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second},
		}
		if p.wrapped = p.transport; m.options.Wrap != nil {
			p.wrapped = m.options.Wrap(p.transport)
		}
		m.pools[policy.reach] = p
	}
	return p.wrapped
}

// close closes the connections. None of them is in use any more.
func (m *module) close(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.pools {
		p.transport.CloseIdleConnections()
	}
	return nil
}

// parseRequest decodes a guest's request and checks its form. Errors wrap EINVAL or
// EMSGSIZE.
func parseRequest(frame []byte) (*request, error) {
	text, body, err := passthrough.SplitFrame(frame)
	if err != nil {
		return nil, err
	}
	if len(text) > abi.MaxHTTPHead { // servers rarely accept more
		return nil, fmt.Errorf("%w: the request's head has %d bytes, and at most %d are allowed", abi.EMSGSIZE, len(text), abi.MaxHTTPHead)
	}
	var head requestHead
	if _, err := passthrough.DecodeFrame(frame, &head); err != nil {
		return nil, err
	}
	r := &request{method: cmp.Or(head.Method, "GET"), body: body, timeout: head.Timeout}
	if r.target, err = parseTarget(head.URL); err != nil {
		return nil, fmt.Errorf("%w: %w", abi.EINVAL, err)
	}
	if err := checkMethod(r.method); err != nil {
		return nil, fmt.Errorf("%w: %w", abi.EINVAL, err)
	}
	if head.Timeout < 0 {
		return nil, fmt.Errorf("%w: timeout_ms is negative", abi.EINVAL)
	}
	r.headers = http.Header{"User-Agent": {"wasmworker"}}
	// A fixed order makes the first error and the merged values reproducible.
	for _, name := range slices.Sorted(maps.Keys(head.Headers)) {
		if err := checkGuestHeader(name, head.Headers[name]); err != nil {
			return nil, fmt.Errorf("%w: %w", abi.EINVAL, err)
		}
		key := http.CanonicalHeaderKey(name)
		if key == "User-Agent" {
			delete(r.headers, key)
		}
		r.headers[key] = append(r.headers[key], head.Headers[name]...)
	}
	return r, nil
}

// checkMethod checks the form of a method. It refuses CONNECT and TRACE, which are not
// about a resource.
func checkMethod(method string) error {
	switch {
	case !isToken(method) || len(method) > 32:
		return errors.New("the method is not an HTTP method")
	case slices.Contains([]string{"CONNECT", "TRACE"}, strings.ToUpper(method)):
		return fmt.Errorf("the method %s is not available", method)
	}
	return nil
}

// owned are the headers that belong to the connection, or are derived from URL and body.
// Setting them could make client, server and proxies see different requests.
var owned = []string{"Connection", "Content-Length", "Expect", "Host", "Http2-Settings", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

func checkHeader(name string, values []string) error {
	if !isToken(name) {
		return errors.New("a header's name is not valid")
	}
	if key := http.CanonicalHeaderKey(name); slices.Contains(owned, key) || strings.HasPrefix(key, "Proxy-") {
		return fmt.Errorf("the header %s is the host's to set", shorten(name))
	}
	for _, value := range values {
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return fmt.Errorf("the value of header %s has a line break or another control character", shorten(name))
		}
	}
	return nil
}

// overriding are headers with which proxies and frameworks replace a part of the request
// that the rules were compared with, or the information about the client. The keys name
// that part. A header name that ends with a hyphen is a prefix.
var overriding = map[string][]string{
	"the URL":    {"X-Original-Url", "X-Original-Uri", "X-Rewrite-Url", "X-Http-Destinationurl", "X-Http-Path-Override", "X-Envoy-", "X-Middleware-", "Destination"},
	"the method": {"X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "X-Http-Verb", "X-Http-Verb-Override", "X-Method"},
	"the host":   {"X-Host", "X-Host-Override", "X-Original-Host", "X-Http-Host-Override", "X-Server-Name"},
	"the client's address or connection": {
		"Forwarded", "X-Forwarded-", "X-Forwarded", "X-Real-Ip", "X-Client-Ip", "Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "Cf-Connecting-Ipv6",
		"Fastly-Client-Ip", "X-Azure-Clientip", "X-Appengine-User-Ip", "X-Originating-Ip", "X-Original-Forwarded-For", "X-Remote-Ip", "X-Remote-Addr", "X-Proxyuser-Ip",
		"X-Scheme", "X-Url-Scheme", "Front-End-Https",
	},
}

// checkGuestHeader checks a header that a guest sets. Its rules are stricter than those
// of checkHeader, which hold for an operator's headers too.
func checkGuestHeader(name string, values []string) error {
	if err := checkHeader(name, values); err != nil {
		return err
	}
	const remedy = "; if the service needs it, the operator can set it with headers of a rule"
	if strings.ContainsFunc(name, func(r rune) bool { return r != '-' && !alphanumeric(r) }) {
		return fmt.Errorf("the name of the header %s has more than letters, digits and hyphens, and servers take some of that for hyphens%s", shorten(name), remedy)
	}
	key := http.CanonicalHeaderKey(name)
	for what, names := range overriding {
		if slices.ContainsFunc(names, func(n string) bool { return key == n || strings.HasSuffix(n, "-") && strings.HasPrefix(key, n) }) {
			return fmt.Errorf("the header %s is not for guests: proxies and frameworks take %s from it, in place of what the policy was compared with%s", shorten(name), what, remedy)
		}
	}
	return nil
}

func alphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
}

// isToken reports whether a text is a token of RFC 9110. Methods and header names are
// tokens.
func isToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// readResponse reads a response and encodes it for the guest. The error is EMSGSIZE if
// the body has more than most bytes.
func readResponse(response *http.Response, most int64) ([]byte, error) {
	frame, err := passthrough.EncodeFrame(responseHead{response.StatusCode, response.Header}, nil)
	if err != nil {
		return nil, err
	}
	tooLarge := fmt.Errorf("%w: the response's body is larger than max_response_bytes of the http policy, %d", abi.EMSGSIZE, most)
	announced := response.ContentLength
	if response.Body == http.NoBody { // an answer to HEAD has the length of the body that GET would get
		announced = 0
	}
	if announced > most {
		return nil, tooLarge
	}
	buffer := bytes.NewBuffer(slices.Grow(frame, int(max(announced, 0))+bytes.MinRead))
	n, err := buffer.ReadFrom(io.LimitReader(response.Body, most+1))
	switch {
	case err != nil:
		return nil, err
	case n > most:
		return nil, tooLarge
	}
	return buffer.Bytes(), nil
}
