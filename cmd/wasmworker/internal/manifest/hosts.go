package manifest

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Host is an entry of allowed_hosts: a host's name or address, *.DOMAIN for all hosts
// below a domain, or * for all hosts.
type Host struct {
	Field   string // its place in the manifest
	Pattern string // in lower case
}

// parseHost reads an entry. Extism accepts any glob pattern. Patterns that no policy
// could be compared with are refused here.
func parseHost(pattern string) (Host, error) {
	h := Host{Pattern: strings.ToLower(pattern)}
	if h.Pattern == "*" {
		return h, nil
	}
	name := strings.TrimPrefix(h.Pattern, "*.")
	if _, err := netip.ParseAddr(name); err == nil && name == h.Pattern {
		return h, nil
	}
	switch {
	case name == "":
		return h, fmt.Errorf("%q names no host; name one, such as api.example.com", pattern)
	case strings.ContainsAny(name, ":/"):
		return h, fmt.Errorf("%q is more than a host; name the host alone, without scheme, port and path", pattern)
	case strings.ContainsAny(name, "*?[]{}!\\ "):
		return h, fmt.Errorf("%q is a pattern that is not supported; name hosts, *.DOMAIN, or * for all", pattern)
	}
	return h, nil
}

// Meets reports whether an origin of an HTTP policy, such as https://*.example.com, has a
// host that the plugin asks for.
func (h Host) Meets(origin string) bool {
	scheme, rest, ok := strings.Cut(origin, "://")
	if !ok {
		return false
	}
	rest, wildcard := strings.CutPrefix(rest, "*.")
	u, err := url.Parse(scheme + "://" + rest)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	domain, below := strings.CutPrefix(h.Pattern, "*.")
	switch {
	case h.Pattern == "*":
		return true
	case below && wildcard: // the origin's wildcard is one label
		return host == domain || strings.HasSuffix(host, "."+domain)
	case below:
		return strings.HasSuffix(host, "."+domain)
	case wildcard:
		label, ok := strings.CutSuffix(h.Pattern, "."+host)
		return ok && label != "" && !strings.Contains(label, ".")
	}
	return host == h.Pattern
}

// Origin returns an origin with which a policy could allow the host, or an example of
// one.
func (h Host) Origin() string {
	host := h.Pattern
	switch {
	case host == "*":
		host = "HOST"
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	return "https://" + host
}
