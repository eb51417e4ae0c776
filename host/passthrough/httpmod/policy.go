package httpmod

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/secretmod"
)

// Defaults and bounds of [Policy].
const (
	DefaultMaxRequestBytes  = 8 << 20
	DefaultMaxResponseBytes = 8 << 20
	DefaultTimeout          = 30 * time.Second

	maxRequestBytes = abi.MaxRequestSize // includes the head, so a body is always smaller
	// A response is one piece of the worker's memory, and its length is an i32.
	maxResponseBytes = 1 << 30
	maxRedirects     = 20
)

// Policy is what an activity module may do. The zero value allows nothing.
type Policy struct {
	// Allow lists the requests that may be sent. The first rule that allows a request is
	// the one that counts, for the secrets too. Default: none.
	Allow []Rule `yaml:"allow" json:"allow,omitempty"`
	// PrivateAddresses lists addresses and blocks (CIDR) that may be connected to
	// although they are not public: loopback, private, link-local and the like. A rule
	// for the origin is needed too. Add the networks of your own services here, and no
	// more: names in DNS can be pointed at any address. Default: none.
	PrivateAddresses []string `yaml:"private_addresses" json:"private_addresses,omitempty"`
	// MaxRequestBytes is the largest body of a request, below 16 MiB. Lower it for
	// modules that have little to send, so that they cannot send much. Default 8 MiB.
	MaxRequestBytes passthrough.Size `yaml:"max_request_bytes" json:"max_request_bytes,omitempty"`
	// MaxResponseBytes is the largest body of a response, at most 1 GiB. The worker holds
	// it in memory, so raise it together with the memory of the machine. Default 8 MiB.
	MaxResponseBytes passthrough.Size `yaml:"max_response_bytes" json:"max_response_bytes,omitempty"`
	// Timeout is the most time that a request may take, redirects and the response's body
	// included; guests can ask for less. Raise it for services that are slow by design.
	// Default 30 s.
	Timeout passthrough.Duration `yaml:"timeout" json:"timeout,omitempty"`
	// MaxRedirects is how many redirects are followed for the guest, each if a rule
	// allows it, 20 at most. Further ones the guest gets as they are. Raise it for
	// services that redirect to storage, and allow that. Default 0.
	MaxRedirects int `yaml:"max_redirects" json:"max_redirects,omitempty"`

	rules   []rule         // of Allow
	private []netip.Prefix // of PrivateAddresses, sorted
	reach   string         // private as text; policies with equal reach share connections
}

// Rule allows requests to an origin. In YAML, a rule with an origin alone is that string.
type Rule struct {
	// Origin is a scheme, a host, and a port unless it is the scheme's own:
	// https://api.example.com, http://10.1.2.3:8080. A host that begins with *. stands
	// for each host with one label in that place: *.example.com is a.example.com, but
	// neither example.com nor a.b.example.com. An international name is written as xn--….
	Origin string `yaml:"origin" json:"origin"`
	// Methods are the methods that are allowed, in upper case. Default: GET and HEAD,
	// which read.
	Methods []string `yaml:"methods" json:"methods,omitempty"`
	// PathPrefixes are the paths that are allowed, with all below them: /v1 is /v1 and
	// /v1/x, but not /v10. They let no path through that a server could take for another
	// one: with dot segments, empty segments, or encoded slashes, backslashes, percent
	// signs and control characters. Default: every path.
	PathPrefixes []string `yaml:"path_prefixes" json:"path_prefixes,omitempty"`
	// Headers are set by the host in each request that the rule allows, in place of what
	// the guest set. {{secret:NAME}} in a value stands for a secret: "Bearer
	// {{secret:api-token}}" authenticates a guest that has no token. Default: none.
	Headers map[string]string `yaml:"headers" json:"headers,omitempty"`
	// Secrets are names of secrets that the guest may use in headers of its own, written
	// in the same way, for guests that choose between several. They go to this origin; a
	// server that sends back what it got would show them to the guest. Default: none.
	Secrets []string `yaml:"secrets" json:"secrets,omitempty"`
}

// rule is a [Rule] that was checked.
type rule struct {
	target
	wildcard bool // and target.host begins with a dot
	methods  []string
	prefixes []string
	headers  map[string]string // by their canonical names
	secrets  []string
	index    int // in Policy.Allow
}

// UnmarshalYAML reads a rule, or an origin alone.
func (r *Rule) UnmarshalYAML(unmarshal func(any) error) error {
	if err := unmarshal(&r.Origin); err == nil {
		return nil
	}
	type fields Rule
	return unmarshal((*fields)(r))
}

// Validate checks the policy and prepares it for use. The error joins every mistake.
func (p *Policy) Validate() error {
	var errs []error
	complain := func(err error, path ...any) { errs = append(errs, passthrough.At(err, path...)) }
	p.rules, p.private = nil, nil
	for i, text := range p.PrivateAddresses {
		prefix, err := parsePrefix(text)
		if err != nil {
			complain(err, "private_addresses", i)
			continue
		}
		p.private = append(p.private, prefix)
	}
	slices.SortFunc(p.private, netip.Prefix.Compare)
	p.private = slices.Compact(p.private)
	p.reach = fmt.Sprint(p.private)
	for i, r := range p.Allow {
		checked, err := r.check()
		if err == nil {
			err = p.reachable(checked)
		}
		if err != nil {
			complain(err, "allow", i)
			continue
		}
		checked.index = i
		p.rules = append(p.rules, checked)
	}
	if len(p.Allow) == 0 && (len(p.PrivateAddresses) > 0 || p.MaxRequestBytes != 0 || p.MaxResponseBytes != 0 || p.Timeout != 0 || p.MaxRedirects != 0) {
		complain(errors.New("it names no origin, so that nothing would be allowed"), "allow")
	}
	if n := p.MaxRequestBytes; n < 0 || n > maxRequestBytes {
		complain(fmt.Errorf("%d is not between 1 and %d", n, maxRequestBytes), "max_request_bytes")
	}
	if n := p.MaxResponseBytes; n < 0 || n > maxResponseBytes {
		complain(fmt.Errorf("%d is not between 1 and %d", n, maxResponseBytes), "max_response_bytes")
	}
	if p.Timeout < 0 {
		complain(fmt.Errorf("%s is negative", time.Duration(p.Timeout)), "timeout")
	}
	if n := p.MaxRedirects; n < 0 || n > maxRedirects {
		complain(fmt.Errorf("%d is not between 0 and %d", n, maxRedirects), "max_redirects")
	}
	return errors.Join(errs...)
}

func parsePrefix(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if addr, addrErr := netip.ParseAddr(text); addrErr == nil && addr.Zone() == "" {
		prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	switch {
	case err != nil:
		return prefix, fmt.Errorf("%q is neither an IP address nor a block such as 10.0.0.0/8", text)
	case prefix.Addr().Is4In6():
		return prefix, fmt.Errorf("%q is an IPv4 address in the form of IPv6; write it as IPv4", text)
	case prefix != prefix.Masked():
		return prefix, fmt.Errorf("%q has bits beyond its length; the block is %s", text, prefix.Masked())
	}
	return prefix, nil
}

func (r Rule) check() (checked rule, err error) {
	origin := r.Origin
	if scheme, host, ok := strings.Cut(origin, "://*."); ok {
		origin, checked.wildcard = scheme+"://"+host, true
	}
	if checked.target, err = parseTarget(origin); err != nil {
		return checked, passthrough.At(fmt.Errorf("%q: %w", r.Origin, err), "origin")
	}
	if strings.ContainsAny(origin, "?#") || checked.path != "/" {
		return checked, passthrough.At(fmt.Errorf("%q has more than scheme, host and port; paths belong to path_prefixes", r.Origin), "origin")
	}
	if checked.wildcard {
		if _, err := netip.ParseAddr(checked.host); err == nil || !strings.Contains(checked.host, ".") {
			return checked, passthrough.At(fmt.Errorf("%q: *. goes before a domain with a dot, such as *.example.com", r.Origin), "origin")
		}
		checked.host = "." + checked.host
	}
	for i, method := range r.Methods {
		err := checkMethod(method)
		if err == nil && strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
			err = fmt.Errorf("%q is not a name in upper case, as methods are", method)
		}
		if err != nil {
			return checked, passthrough.At(err, "methods", i)
		}
	}
	if checked.methods = r.Methods; len(r.Methods) == 0 {
		checked.methods = []string{"GET", "HEAD"}
	}
	for i, prefix := range r.PathPrefixes {
		t, err := parseTarget("http://host" + prefix)
		if err != nil || !strings.HasPrefix(prefix, "/") || t.path != prefix {
			return checked, passthrough.At(fmt.Errorf("%q is not a path, percent-encoded and beginning with a slash", prefix), "path_prefixes", i)
		}
		if what := ambiguous(prefix); what != "" {
			return checked, passthrough.At(fmt.Errorf("%q has %s, and no path with that is let through", prefix, what), "path_prefixes", i)
		}
	}
	for name, value := range r.Headers {
		if err := checkHeader(name, []string{value}); err != nil {
			return checked, passthrough.At(err, "headers", name)
		}
		if checked.headers == nil {
			checked.headers = map[string]string{}
		}
		checked.headers[http.CanonicalHeaderKey(name)] = value
	}
	checked.secrets = r.Secrets
	checked.prefixes = r.PathPrefixes
	return checked, nil
}

// reachable returns an error for a rule whose host no connection can reach. The operator
// learns of it at the start instead of at the first request.
func (p *Policy) reachable(r rule) error {
	addr, err := netip.ParseAddr(r.host)
	if err == nil && !public(addr) && !contains(p.private, addr) {
		return fmt.Errorf("%s is not a public address and must be in private_addresses too", addr)
	}
	if (r.host == "localhost" || strings.HasSuffix(r.host, ".localhost")) && len(p.private) == 0 {
		return fmt.Errorf("%s is this machine, so 127.0.0.1 or ::1 must be in private_addresses too", r.host)
	}
	return nil
}

func (r rule) hasOrigin(t target) bool {
	if r.scheme != t.scheme || r.port != t.port {
		return false
	}
	if !r.wildcard {
		return r.host == t.host
	}
	label, ok := strings.CutSuffix(t.host, r.host)
	return ok && label != "" && !strings.Contains(label, ".")
}

// check returns the rule that allows a request, or the denial if none does.
func (p *Policy) check(method string, t target) (*rule, *denial) {
	var methods, prefixes []string // of the rules that match the origin, and of those that match the method too
	origin := false
	for i := range p.rules {
		r := &p.rules[i]
		if !r.hasOrigin(t) {
			continue
		}
		origin = true
		methods = append(methods, r.methods...)
		if !slices.Contains(r.methods, method) {
			continue
		}
		prefixes = append(prefixes, r.prefixes...)
		if len(r.prefixes) == 0 || ambiguous(t.path) == "" && slices.ContainsFunc(r.prefixes, func(p string) bool { return within(t.path, p) }) {
			return r, nil
		}
	}
	switch {
	case !origin && slices.Contains([]string{"GET", "HEAD"}, method):
		return nil, &denial{why: "no rule has the origin " + t.origin(), fix: fmt.Sprintf("allow: [%q]", t.origin())}
	case !origin:
		return nil, &denial{why: "no rule has the origin " + t.origin(), fix: fmt.Sprintf("allow: [{origin: %q, methods: [%s]}]", t.origin(), method)}
	case prefixes == nil:
		slices.Sort(methods)
		return nil, &denial{
			why: fmt.Sprintf("the rules for %s allow %s", t.origin(), strings.Join(slices.Compact(methods), ", ")),
			fix: fmt.Sprintf("methods: [%s] in such a rule", method),
		}
	case ambiguous(t.path) != "":
		return nil, &denial{
			why: fmt.Sprintf("the path has %s, with which path_prefixes let nothing through", ambiguous(t.path)),
			fix: "a rule without path_prefixes",
		}
	}
	return nil, &denial{
		why: "the path is below none of the path_prefixes of " + t.origin(),
		fix: fmt.Sprintf("path_prefixes: [%q] in such a rule", shorten(t.path)),
	}
}

// checkSecrets returns an error for each name of a secret that does not exist.
func (p *Policy) checkSecrets(store *secretmod.Store) error {
	var errs []error
	for i, r := range p.Allow {
		for k, name := range r.Secrets {
			errs = append(errs, passthrough.At(store.Check(name), "allow", i, "secrets", k))
		}
		for _, header := range slices.Sorted(maps.Keys(r.Headers)) {
			for _, name := range secretmod.Mentioned(r.Headers[header]) {
				errs = append(errs, passthrough.At(store.Check(name), "allow", i, "headers", header))
			}
		}
	}
	return errors.Join(errs...)
}

// Explain implements [passthrough.Explainer]. The words are a method and a URL.
func (p *Policy) Explain(words []string) (passthrough.Verdict, error) {
	if len(words) != 2 {
		return passthrough.Verdict{}, errors.New("name a method and a URL, such as GET https://api.example.com/v1")
	}
	if err := checkMethod(words[0]); err != nil {
		return passthrough.Verdict{}, err
	}
	t, err := parseTarget(words[1])
	if err != nil {
		return passthrough.Verdict{}, err
	}
	r, why := p.check(words[0], t)
	if why != nil {
		return passthrough.Verdict{Reason: why.Error()}, nil
	}
	reason := fmt.Sprintf("the rule for %s allows it, as far as the host has an address that is public", p.Allow[r.index].Origin)
	if len(p.private) > 0 {
		reason += " or in private_addresses"
	}
	return passthrough.Verdict{Allowed: true, Reason: reason, Path: []any{"allow", r.index}}, nil
}

func (p *Policy) maxRequest() int64 { return int64(cmp.Or(p.MaxRequestBytes, DefaultMaxRequestBytes)) }
func (p *Policy) maxResponse() int64 {
	return int64(cmp.Or(p.MaxResponseBytes, DefaultMaxResponseBytes))
}

// timeout returns the policy's timeout, or the one that the guest asked for if it is
// shorter.
func (p *Policy) timeout(asked abi.Milliseconds) time.Duration {
	most := time.Duration(cmp.Or(p.Timeout, passthrough.Duration(DefaultTimeout)))
	if asked > 0 {
		most = min(most, time.Duration(asked))
	}
	return most
}

// denial says why the policy denies a request, and which change of the policy would allow
// it. The fix is empty if no change would.
type denial struct{ why, fix string }

func (d *denial) Error() string {
	if d.fix == "" {
		return d.why
	}
	return d.why + "; the http policy would allow it with " + d.fix
}
