//go:build !wasip1

package nethttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough/http"
	transport "github.com/wasmworker/wasmworker/guest-sdk/go/passthrough/nethttp"
	"github.com/wasmworker/wasmworker/guest-sdk/go/testsuite"
)

// request is what the host gets.
type request struct {
	Method  string              `json:"method"`
	URL     string              `json:"url"`
	Headers map[string][]string `json:"headers"`
	Timeout int64               `json:"timeout_ms"`
	body    string
}

// server has the host answer with fn, and returns the requests that it got.
func server(t *testing.T, fn func(request) (status int, headers map[string][]string, body string, err error)) *[]request {
	var got []request
	t.Cleanup(testsuite.SetPassthrough("wasmworker:http/v1", "send", func(frame []byte) ([]byte, error) {
		var r request
		body, err := passthrough.DecodeFrame(frame, &r)
		if err != nil {
			return nil, passthrough.EINVAL
		}
		r.body = string(body)
		got = append(got, r)
		status, headers, text, err := fn(r)
		if err != nil {
			return nil, err
		}
		return passthrough.EncodeFrame(map[string]any{"status": status, "headers": headers}, []byte(text))
	}))
	return &got
}

func echo(r request) (int, map[string][]string, string, error) {
	return 201, map[string][]string{"Content-Type": {"text/plain"}, "Set-Cookie": {"a=b", "c=d"}}, r.Method + " " + r.body, nil
}

func TestDo(t *testing.T) {
	got := server(t, echo)
	response, err := http.Do(t.Context(), http.Request{URL: "https://example.com/"})
	if err != nil || response.StatusCode != 201 || string(response.Body) != "GET " {
		t.Fatal(response, err)
	}
	if h := response.Header; h.Get("content-type") != "text/plain" || h.Get("SET-COOKIE") != "a=b" || len(h["Set-Cookie"]) != 2 || h.Get("x") != "" {
		t.Error(h)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	response, err = http.Do(ctx, http.Request{Method: "POST", URL: "https://example.com/x", Header: http.Header{"X": {"1", "2"}}, Body: []byte{0, 255}})
	if err != nil || string(response.Body) != "POST \x00\xff" {
		t.Fatal(response, err)
	}
	if r := (*got)[0]; r.Timeout != 0 || r.Headers != nil {
		t.Error(r)
	}
	if r := (*got)[1]; r.Timeout < 50_000 || r.Timeout > 60_000 || !slices.Equal(r.Headers["X"], []string{"1", "2"}) {
		t.Error(r)
	}
	cancel()
	if _, err := http.Do(ctx, http.Request{URL: "https://example.com/"}); !errors.Is(err, context.Canceled) || len(*got) != 2 {
		t.Error(err, len(*got))
	}
}

func TestTransport(t *testing.T) {
	got := server(t, func(r request) (int, map[string][]string, string, error) {
		switch {
		case strings.HasSuffix(r.URL, "/old"):
			return 302, map[string][]string{"Location": {"/new?a=b%20c"}, "Set-Cookie": {"session=1"}}, "", nil
		case strings.HasSuffix(r.URL, "/denied"):
			return 0, nil, "", &passthrough.Error{Errno: passthrough.EACCES, Message: "no rule has the origin"}
		case strings.HasSuffix(r.URL, "/slow"):
			return 0, nil, "", passthrough.ETIMEDOUT
		case r.Method == "HEAD":
			return 200, map[string][]string{"Content-Length": {"1000"}}, "", nil
		}
		return echo(r)
	})
	jar, _ := cookiejar.New(nil)
	client := &nethttp.Client{Transport: transport.Transport{}, Timeout: time.Minute, Jar: jar}
	response, err := client.Get("https://user:secret@example.com/old#fragment")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil || string(body) != "GET " || response.Status != "201 Created" || response.ContentLength != 4 || response.Header.Get("Content-Type") != "text/plain" || response.Request.URL.Path != "/new" {
		t.Errorf("%q, %v, %+v", body, err, response)
	}
	first, second := (*got)[0], (*got)[1]
	if first.URL != "https://example.com/old" || first.Headers["Authorization"][0] != "Basic dXNlcjpzZWNyZXQ=" || first.Timeout == 0 || first.Timeout > 60_000 {
		t.Errorf("%+v", first)
	}
	if second.URL != "https://example.com/new?a=b%20c" || second.Headers["Cookie"][0] != "session=1" {
		t.Errorf("%+v", second)
	}
	response, err = client.Post("https://example.com/", "text/plain", io.MultiReader(strings.NewReader("from a "), strings.NewReader("stream")))
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(response.Body); string(body) != "POST from a stream" || (*got)[2].Headers["Content-Type"][0] != "text/plain" {
		t.Errorf("%q %+v", body, (*got)[2])
	}
	if response, err := client.Head("https://example.com/"); err != nil || response.ContentLength != 1000 {
		t.Error(response, err)
	}
	_, err = client.Get("https://example.com/denied")
	if !errors.Is(err, passthrough.EACCES) || !strings.Contains(err.Error(), "no rule has the origin") {
		t.Error(err)
	}
	_, err = client.Get("https://example.com/slow")
	if failed, ok := errors.AsType[*url.Error](err); !ok || !failed.Timeout() {
		t.Error(err)
	}
	calls := len(*got)
	r, _ := nethttp.NewRequest("GET", "https://example.com/", nil)
	r.Host = "internal.example.com"
	if _, err := client.Do(r); err == nil || len(*got) != calls {
		t.Error("another host:", err)
	}
	r, _ = nethttp.NewRequest("POST", "https://example.com/", io.MultiReader(strings.NewReader("x"), failing{}))
	if _, err := client.Do(r); !errors.Is(err, errFailing) || len(*got) != calls {
		t.Error("a body that fails:", err)
	}
}

var errFailing = fmt.Errorf("it fails")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errFailing }
