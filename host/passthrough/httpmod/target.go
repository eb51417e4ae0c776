package httpmod

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxURL is the longest URL: what servers commonly take.
const maxURL = 8 << 10

// target is a URL, taken apart. The request is made of these parts, so that what the
// policy looked at is what is sent.
type target struct {
	scheme string // http or https
	host   string // a name in lower case, or an address in its canonical form
	port   uint16
	path   string // as it is sent, with percent signs; never empty
	query  string // never shown to anyone: it is where URLs have their secrets
}

var defaultPorts = map[string]uint16{"http": 80, "https": 443}

// parseTarget takes a URL apart. It refuses what programs disagree about rather than to
// guess what was meant. Its errors have nothing of the URL in them, since anything in it
// could be a secret.
func parseTarget(raw string) (target, error) {
	if len(raw) > maxURL {
		return target{}, fmt.Errorf("the URL has %d bytes, and at most %d are allowed", len(raw), maxURL)
	}
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c > '~' || c == '\\' {
			return target{}, errors.New("the URL has a character that must be percent-encoded; an international host name is written as xn--…")
		}
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return target{}, errors.New("the URL is malformed")
	case defaultPorts[u.Scheme] == 0:
		return target{}, errors.New("the URL does not begin with http:// or https://")
	case u.User != nil:
		return target{}, errors.New("the URL has a user name or password in it; send an Authorization header instead")
	case u.Host == "":
		return target{}, errors.New("the URL has no host")
	}
	t := target{scheme: u.Scheme, port: defaultPorts[u.Scheme], path: u.EscapedPath(), query: u.RawQuery}
	if t.path == "" {
		t.path = "/"
	}
	if t.host, err = parseHost(u.Hostname(), strings.HasPrefix(u.Host, "[")); err != nil {
		return target{}, err
	}
	if port := u.Port(); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || port[0] == '0' {
			return target{}, errors.New("the URL's port is not a number from 1 to 65535")
		}
		t.port = uint16(n)
	}
	return t, nil
}

// parseHost returns the one form of a host by which it is compared.
func parseHost(host string, bracketed bool) (string, error) {
	addr, err := netip.ParseAddr(host)
	if bracketed || err == nil {
		switch {
		case err != nil || bracketed != addr.Is6():
			return "", errors.New("the URL's host is not an IP address, as its form says")
		case addr.Zone() != "":
			return "", errors.New("the URL's host has an IPv6 zone")
		case addr.Is4In6():
			return "", errors.New("the URL's host is an IPv4 address in the form of IPv6; write it as IPv4")
		}
		return addr.String(), nil
	}
	host = strings.ToLower(host)
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", errors.New("the URL's host is not a valid name")
		}
	}
	// Some resolvers take 0x7f.1 and 2130706433 for 127.0.0.1, others for names.
	last := labels[len(labels)-1]
	if strings.HasPrefix(last, "0x") || strings.Trim(last, "0123456789") == "" || len(host) > 253 {
		return "", errors.New("the URL's host is neither a valid name nor an IP address in its usual form")
	}
	return host, nil
}

// authority is the host, and the port unless it is the scheme's own.
func (t target) authority() string {
	host := t.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if t.port != defaultPorts[t.scheme] {
		host += ":" + strconv.Itoa(int(t.port))
	}
	return host
}

func (t target) origin() string { return t.scheme + "://" + t.authority() }

// String is what may be shown: all but the query.
func (t target) String() string { return t.origin() + shorten(t.path) }

// shorten keeps what a guest wrote from filling logs.
func shorten(text string) string {
	const most = 200
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// url makes the URL to send.
func (t target) url() *url.URL {
	path, err := url.PathUnescape(t.path)
	if err != nil { // EscapedPath returns nothing that cannot be undone
		panic(err)
	}
	return &url.URL{Scheme: t.scheme, Host: t.authority(), Path: path, RawPath: t.path, RawQuery: t.query}
}

// ambiguous says what in a path could make a server take it for another one, or "".
// Prefixes mean something only for the other paths: a server, or a proxy before it, may
// resolve dots, decode twice, take %2f for a slash, drop ;parameters, or merge slashes.
func ambiguous(path string) string {
	segments := strings.Split(path[1:], "/")
	for i, segment := range segments {
		decoded, err := url.PathUnescape(segment)
		name, _, parameters := strings.Cut(decoded, ";")
		last := i == len(segments)-1
		switch {
		case err != nil || !utf8.ValidString(decoded):
			return "bytes that are not UTF-8"
		case strings.ContainsAny(decoded, `/\`):
			return "an encoded slash or backslash"
		case strings.Contains(decoded, "%"):
			return "an encoded percent sign"
		case strings.ContainsFunc(decoded, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return "an encoded control character"
		case name == "" && (parameters || !last):
			return "an empty segment"
		case name != "" && strings.Trim(name, ". ") == "":
			return "a segment of dots"
		}
	}
	return ""
}

// within reports whether a path is a prefix or lies below it: /v1 has /v1 and /v1/x, but
// not /v10.
func within(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || strings.HasSuffix(prefix, "/") || rest[0] == '/')
}
