package http

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/wasmworker/wasmworker/abi"
)

// Defaults and bounds of [Policy].
const (
	DefaultMaxRequestBytes  = 8 << 20
	DefaultMaxResponseBytes = 8 << 20
	DefaultTimeout          = 30 * time.Second

	maxRequestBytes  = abi.MaxRequestSize // with the head, so that a body never has quite that
	maxResponseBytes = 1 << 30            // a response is one piece of the worker's memory, and its length an i32
	maxRedirects     = 20
)

// Policy is what an activity module may do. The zero value allows nothing.
type Policy struct {
	// Allow lists the requests that may be sent: those that one of the rules allows. Default: none.
	Allow []Rule `yaml:"allow" json:"allow,omitempty"`
	// PrivateAddresses lists addresses and blocks (CIDR) that may be connected to although they are
	// not public: loopback, private, link-local and the like. A rule for the origin is needed too. Add
	// the networks of your own services here, and no more: names in DNS can be pointed at any
	// address. Default: none.
	PrivateAddresses []string `yaml:"private_addresses" json:"private_addresses,omitempty"`
	// MaxRequestBytes is the largest body of a request, below 16 MiB. Lower it for modules that
	// have little to send, so that they cannot send much. Default 8 MiB.
	MaxRequestBytes Size `yaml:"max_request_bytes" json:"max_request_bytes,omitempty"`
	// MaxResponseBytes is the largest body of a response, at most 1 GiB. The worker holds it in memory, so
	// raise it together with the memory of the machine. Default 8 MiB.
	MaxResponseBytes Size `yaml:"max_response_bytes" json:"max_response_bytes,omitempty"`
	// Timeout is the most time that a request may take, redirects and the response's body
	// included; guests can ask for less. Raise it for services that are slow by design. Default 30 s.
	Timeout Duration `yaml:"timeout" json:"timeout,omitempty"`
	// MaxRedirects is how many redirects are followed for the guest, each if a rule allows it, 20 at
	// most. Further ones the guest gets as they are. Raise it for services that redirect to storage,
	// and allow that. Default 0.
	MaxRedirects int `yaml:"max_redirects" json:"max_redirects,omitempty"`

	rules   []rule         // of Allow
	private []netip.Prefix // of PrivateAddresses, sorted
	reach   string         // the same as text: policies with the same share connections
}

// Rule allows requests to an origin. In YAML, a rule with an origin alone is that string.
type Rule struct {
	// Origin is a scheme, a host, and a port unless it is the scheme's own: https://api.example.com,
	// http://10.1.2.3:8080. A host that begins with *. stands for each host with one label in that
	// place: *.example.com is a.example.com, but neither example.com nor a.b.example.com. An
	// international name is written as xn--….
	Origin string `yaml:"origin" json:"origin"`
	// Methods are the methods that are allowed, in upper case. Default: GET and HEAD, which read.
	Methods []string `yaml:"methods" json:"methods,omitempty"`
	// PathPrefixes are the paths that are allowed, with all below them: /v1 is /v1 and /v1/x, but not
	// /v10. They let no path through that a server could take for another one: with dot segments,
	// empty segments, or encoded slashes, backslashes, percent signs and control characters.
	// Default: every path.
	PathPrefixes []string `yaml:"path_prefixes" json:"path_prefixes,omitempty"`
}

// rule is a [Rule] that was checked.
type rule struct {
	target
	wildcard bool // and target.host begins with a dot
	methods  []string
	prefixes []string
}

// UnmarshalYAML reads a policy and validates it, so that a mistake is reported with its place in the file.
func (p *Policy) UnmarshalYAML(unmarshal func(any) error) error {
	type fields Policy
	if err := unmarshal((*fields)(p)); err != nil {
		return err
	}
	return p.Validate()
}

// UnmarshalYAML reads a rule, or an origin.
func (r *Rule) UnmarshalYAML(unmarshal func(any) error) error {
	if err := unmarshal(&r.Origin); err == nil {
		return nil
	}
	type fields Rule
	return unmarshal((*fields)(r))
}

// Validate checks the policy. The error joins all that is wrong.
func (p *Policy) Validate() error {
	var errs []error
	complain := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	p.rules, p.private = nil, nil
	for i, text := range p.PrivateAddresses {
		prefix, err := parsePrefix(text)
		if err != nil {
			complain("private_addresses[%d]: %w", i, err)
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
			complain("allow[%d]: %w", i, err)
			continue
		}
		p.rules = append(p.rules, checked)
	}
	if len(p.Allow) == 0 && (len(p.PrivateAddresses) > 0 || p.MaxRequestBytes != 0 || p.MaxResponseBytes != 0 || p.Timeout != 0 || p.MaxRedirects != 0) {
		complain("allow names no origin, so that nothing would be allowed")
	}
	if n := p.MaxRequestBytes; n < 0 || n > maxRequestBytes {
		complain("max_request_bytes %d is not between 1 and %d", n, maxRequestBytes)
	}
	if n := p.MaxResponseBytes; n < 0 || n > maxResponseBytes {
		complain("max_response_bytes %d is not between 1 and %d", n, maxResponseBytes)
	}
	if p.Timeout < 0 {
		complain("timeout %s is negative", time.Duration(p.Timeout))
	}
	if n := p.MaxRedirects; n < 0 || n > maxRedirects {
		complain("max_redirects %d is not between 0 and %d", n, maxRedirects)
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
		return checked, fmt.Errorf("origin %q: %w", r.Origin, err)
	}
	if strings.ContainsAny(origin, "?#") || checked.path != "/" {
		return checked, fmt.Errorf("origin %q has more than scheme, host and port; paths belong to path_prefixes", r.Origin)
	}
	if checked.wildcard {
		if _, err := netip.ParseAddr(checked.host); err == nil || !strings.Contains(checked.host, ".") {
			return checked, fmt.Errorf("origin %q: *. goes before a domain with a dot, such as *.example.com", r.Origin)
		}
		checked.host = "." + checked.host
	}
	for _, method := range r.Methods {
		if err := checkMethod(method); err != nil {
			return checked, err
		}
		if strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
			return checked, fmt.Errorf("method %q is not a name in upper case, as methods are", method)
		}
	}
	if checked.methods = r.Methods; len(r.Methods) == 0 {
		checked.methods = []string{"GET", "HEAD"}
	}
	for _, prefix := range r.PathPrefixes {
		t, err := parseTarget("http://host" + prefix)
		if err != nil || !strings.HasPrefix(prefix, "/") || t.path != prefix {
			return checked, fmt.Errorf("path prefix %q is not a path, percent-encoded and beginning with a slash", prefix)
		}
		if what := ambiguous(prefix); what != "" {
			return checked, fmt.Errorf("path prefix %q has %s, and no path with that is let through", prefix, what)
		}
	}
	checked.prefixes = r.PathPrefixes
	return checked, nil
}

// reachable finds rules that can never be used, which is better said now.
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

// check returns nil if a request is allowed, and otherwise why it is not.
func (p *Policy) check(method string, t target) *denial {
	var methods, prefixes []string // those of rules that come closer and closer
	origin := false
	for _, r := range p.rules {
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
			return nil
		}
	}
	switch {
	case !origin && slices.Contains([]string{"GET", "HEAD"}, method):
		return &denial{why: "no rule has the origin " + t.origin(), fix: fmt.Sprintf("allow: [%q]", t.origin())}
	case !origin:
		return &denial{why: "no rule has the origin " + t.origin(), fix: fmt.Sprintf("allow: [{origin: %q, methods: [%s]}]", t.origin(), method)}
	case prefixes == nil:
		slices.Sort(methods)
		return &denial{
			why: fmt.Sprintf("the rules for %s allow %s", t.origin(), strings.Join(slices.Compact(methods), ", ")),
			fix: fmt.Sprintf("methods: [%s] in such a rule", method),
		}
	case ambiguous(t.path) != "":
		return &denial{
			why: fmt.Sprintf("the path has %s, with which path_prefixes let nothing through", ambiguous(t.path)),
			fix: "a rule without path_prefixes",
		}
	}
	return &denial{
		why: "the path is below none of the path_prefixes of " + t.origin(),
		fix: fmt.Sprintf("path_prefixes: [%q] in such a rule", shorten(t.path)),
	}
}

func (p *Policy) maxRequest() int64 { return int64(cmp.Or(p.MaxRequestBytes, DefaultMaxRequestBytes)) }
func (p *Policy) maxResponse() int64 {
	return int64(cmp.Or(p.MaxResponseBytes, DefaultMaxResponseBytes))
}

// timeout is the policy's, or what the guest asked for if that is less.
func (p *Policy) timeout(asked abi.Milliseconds) time.Duration {
	most := time.Duration(cmp.Or(p.Timeout, Duration(DefaultTimeout)))
	if asked > 0 {
		most = min(most, time.Duration(asked))
	}
	return most
}

// denial is a request that the policy denies: why, and what in the policy would allow it, if anything would.
type denial struct{ why, fix string }

func (d *denial) Error() string {
	if d.fix == "" {
		return d.why
	}
	return d.why + "; the http policy would allow it with " + d.fix
}

// Size is a number of bytes; as text 8MiB, or a plain number.
type Size int64

// MarshalText implements [encoding.TextMarshaler].
func (s Size) MarshalText() ([]byte, error) {
	for _, unit := range []string{"GiB", "MiB", "KiB"} {
		if size, err := humanize.ParseBytes("1" + unit); err == nil && s != 0 && uint64(s)%size == 0 {
			return fmt.Appendf(nil, "%d%s", uint64(s)/size, unit), nil
		}
	}
	return strconv.AppendInt(nil, int64(s), 10), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Size) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n == 0 || n > math.MaxInt64 {
		return fmt.Errorf("%q is not a size such as 8MiB or 1048576", text)
	}
	*s = Size(n)
	return nil
}

// Duration is a time.Duration; as text 30s or 2m, or a plain number of seconds.
type Duration time.Duration

// MarshalText implements [encoding.TextMarshaler].
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Duration) UnmarshalText(text []byte) error {
	word := string(text)
	if _, err := strconv.ParseFloat(word, 64); err == nil {
		word += "s"
	}
	parsed, err := time.ParseDuration(word)
	if err != nil || parsed <= 0 {
		return fmt.Errorf("%q is neither a number of seconds nor a duration such as 30s or 2m", text)
	}
	*d = Duration(parsed)
	return nil
}
