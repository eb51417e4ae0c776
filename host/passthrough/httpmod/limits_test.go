package httpmod_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/httpmod"
)

func TestLimits(t *testing.T) {
	const limit = 100_000
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/exact":
			w.Write(make([]byte, limit))
		case "/announced":
			w.Header().Set("Content-Length", fmt.Sprint(1<<40))
			w.WriteHeader(200)
		case "/chunked":
			w.(http.Flusher).Flush()
			w.Write(make([]byte, limit+1))
		case "/endless":
			for {
				if _, err := w.Write(make([]byte, 10_000)); err != nil {
					return
				}
			}
		case "/bomb": // a megabyte in about one kilobyte, and a limit in between
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			z.Write(make([]byte, 1<<20))
			z.Close()
		case "/headers":
			for i := range 100 {
				w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", 1000))
			}
		case "/short":
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "abc")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	})
	policy := loopback(s.URL)
	policy.MaxRequestBytes, policy.MaxResponseBytes = limit, limit
	c := newClient(t, httpmod.Options{}, policy)
	for range 2 {
		if got := c.ok(t, request{URL: s.URL + "/exact"}); len(got.Body) != limit {
			t.Errorf("%d bytes", len(got.Body))
		}
		for _, path := range []string{"/announced", "/chunked", "/endless"} {
			c.want(t, request{URL: s.URL + path + "?secret"}, abi.EMSGSIZE, "max_response_bytes of the http policy, 100000")
		}
	}
	if got := c.ok(t, request{Method: "HEAD", URL: s.URL + "/announced"}); got.Headers.Get("Content-Length") != fmt.Sprint(1<<40) {
		t.Errorf("got %+v", got)
	}
	if got := c.ok(t, request{URL: s.URL + "/bomb"}); len(got.Body) > 10_000 || got.Headers.Get("Content-Encoding") != "gzip" {
		t.Errorf("%d bytes, %v", len(got.Body), got.Headers)
	}
	c.want(t, request{URL: s.URL + "/headers"}, abi.EIO, "header")
	c.want(t, request{URL: s.URL + "/short"}, abi.EIO, "unexpected EOF")
	s.got()
	c.want(t, request{Method: "POST", URL: s.URL, Body: strings.Repeat("x", limit+1)}, abi.EMSGSIZE, "max_request_bytes of the http policy is 100000")
	if lines := s.got(); lines != nil {
		t.Errorf("sent %d requests", len(lines))
	}
	c.ok(t, request{Method: "POST", URL: s.URL, Body: strings.Repeat("x", limit)})
	// Without limits of the policy's own, the defaults.
	c = c.with(t, loopback(s.URL))
	c.want(t, request{Method: "POST", URL: s.URL, Body: strings.Repeat("x", httpmod.DefaultMaxRequestBytes+1)}, abi.EMSGSIZE)
	c.want(t, request{URL: s.URL + "/endless"}, abi.EMSGSIZE, fmt.Sprint(httpmod.DefaultMaxResponseBytes))
}

// Every call ends: by the guest's timeout, by the policy's, or with its activity.
func TestCallsEnd(t *testing.T) {
	reached := make(chan string, 100)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/body":
			io.WriteString(w, "a beginning")
			w.(http.Flusher).Flush()
		case "/redirect":
			http.Redirect(w, r, "/silent", http.StatusFound)
			return
		}
		reached <- r.URL.Path
		<-r.Context().Done()
	})
	mute, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never says a word
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	muteURL := "https://" + mute.Addr().String()
	lost := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		reached <- "/resolver"
		<-t.Context().Done()
		return nil, t.Context().Err()
	}}
	policy := loopback(s.URL, muteURL, "http://*.lost.test")
	policy.MaxRedirects = 1
	c := newClient(t, httpmod.Options{Dialer: net.Dialer{Resolver: lost}}, policy)
	urls := []string{s.URL + "/silent", s.URL + "/body", s.URL + "/redirect", muteURL + "/", "http://?.lost.test/"}
	names := 0
	named := func(url string) string { // look-ups of the same name would be one
		names++
		return strings.Replace(url, "?", fmt.Sprint("n", names), 1) + "?secret"
	}
	for _, url := range urls {
		c.want(t, request{URL: named(url), Timeout: 20}, abi.ETIMEDOUT, "20ms")
		short := *policy
		short.Timeout = passthrough.Duration(20 * time.Millisecond)
		c.with(t, &short).want(t, request{URL: named(url), Timeout: 3_600_000}, abi.ETIMEDOUT, "20ms")
		c.with(t, &short).want(t, request{URL: named(url)}, abi.ETIMEDOUT)
	}
	for len(reached) > 0 {
		<-reached
	}
	for _, url := range urls {
		if url == muteURL+"/" { // nothing tells when it has begun to wait
			continue
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-reached; cancel() }()
		if _, err := c.frame(ctx, request{URL: named(url)}.frame()); !errors.Is(err, abi.ECANCELED) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
		cancel()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.frame(ctx, request{URL: s.URL}.frame()); !errors.Is(err, abi.ECANCELED) {
		t.Error(err)
	}
}

// Errors of the network are reported without the addresses of the worker's network.
func TestFailures(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		conn, buffer, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		switch r.URL.Path {
		case "/garbage":
			buffer.WriteString("this is not HTTP\r\n\r\n")
		case "/switch":
			buffer.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		case "/split": // a line break in a header of a response is two headers, or an error
			buffer.WriteString("HTTP/1.1 200 OK\r\nX-A: b\rX-C: d\r\nContent-Length: 0\r\n\r\n")
		}
		buffer.Flush()
	})
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	closed := "http://" + free.Addr().String()
	c := newClient(t, httpmod.Options{Dialer: net.Dialer{Resolver: resolver(nil)}}, loopback(s.URL, closed, "http://nowhere.test", strings.Replace(s.URL, "http", "https", 1)))
	c.want(t, request{URL: s.URL + "/garbage?secret"}, abi.EIO, "GET "+s.URL+"/garbage: ", "malformed")
	c.want(t, request{URL: s.URL + "/switch?secret"}, abi.EIO, "another protocol")
	c.want(t, request{URL: s.URL + "/nothing?secret"}, abi.EIO, "EOF")
	c.want(t, request{URL: closed + "/?secret"}, abi.EIO, "dial: connect: connection refused")
	c.want(t, request{URL: "http://nowhere.test/?secret"}, abi.EIO, "the name of the host cannot be resolved: no such host")
	c.want(t, request{URL: strings.Replace(s.URL, "http", "https", 1)}, abi.EIO)
	if got, err := c.send(t, request{URL: s.URL + "/split"}); err == nil && got.Headers.Get("X-C") != "" {
		t.Errorf("got %+v", got)
	}
}
