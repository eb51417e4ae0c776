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

// maxURL is the length in bytes of the longest URL. Servers commonly accept that much.
const maxURL = 8 << 10

// target holds the parts of a URL. The request is made of these parts, so that exactly
// what the policy checked is sent.
type target struct {
	scheme string // http or https
	host   string // a name in lower case, or an address in its canonical form
	port   uint16
	path   string // percent-encoded, as it is sent; never empty
	query  string // never shown, because it may hold secrets
}

var defaultPorts = map[string]uint16{"http": 80, "https": 443}

// parseTarget parses a URL. It refuses a URL on which programs disagree, instead of
// guessing its meaning. Its errors contain nothing of the URL, because any part of it
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

// parseHost returns the canonical form of a host, in which hosts are compared.
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
	// Some resolvers read 0x7f.1 and 2130706433 as 127.0.0.1, others read them as names.
	last := labels[len(labels)-1]
	if strings.HasPrefix(last, "0x") || strings.Trim(last, "0123456789") == "" || len(host) > 253 {
		return "", errors.New("the URL's host is neither a valid name nor an IP address in its usual form")
	}
	return host, nil
}

// authority returns the host, and the port unless it is the scheme's default.
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

// String returns the parts that may be shown, which is all but the query. The path is
// shortened.
func (t target) String() string { return t.origin() + shorten(t.path) }

// shorten cuts a text after 200 bytes, so that a guest's text cannot fill a log.
func shorten(text string) string {
	const most = 200
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// url returns the URL to send.
func (t target) url() *url.URL {
	path, err := url.PathUnescape(t.path)
	if err != nil { // cannot happen: EscapedPath returns a valid encoding
		panic(err)
	}
	return &url.URL{Scheme: t.scheme, Host: t.authority(), Path: path, RawPath: t.path, RawQuery: t.query}
}

// ambiguous returns what in a path could make a server take it for another path, or "". A
// server, or a proxy in front of it, may resolve dots, decode twice, take %2f for a
// slash, drop ;parameters, or merge slashes. Prefixes mean something only for paths
// without such parts.
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

// within reports whether a path equals a prefix or lies below it: /v1 has /v1 and /v1/x,
// but not /v10.
func within(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || strings.HasSuffix(prefix, "/") || rest[0] == '/')
}
