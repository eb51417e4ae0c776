// Package nethttp lets net/http send its requests by the host module wasmworker:http/v1,
// so that clients for APIs that take an *http.Client work as they are:
//
//	client := &http.Client{Transport: nethttp.Transport{}}
//
// What package passthrough/http says about grants, policies, secrets and limits holds
// here too. net/http makes a module about 7 MB larger; a module that sends a request or
// two may rather use that package.
package nethttp

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"

	passthroughhttp "github.com/wasmworker/wasmworker/guest-sdk/go/passthrough/http"
)

// Transport is an http.RoundTripper. The zero value is ready, and all values are the
// same.
//
// The deadline of the request's context, which http.Client sets from its Timeout, reaches
// the host; its cancellation cannot, since the whole instance waits. Bodies are read and
// sent as a whole. The error is a *passthrough.Error, which http.Client wraps.
type Transport struct{}

var errHost = errors.New("the header Host is the host's to set, and cannot be another one than that of the URL")

// RoundTrip implements http.RoundTripper.
func (Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		defer r.Body.Close()
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	if r.Host != "" && r.Host != r.URL.Host {
		return nil, errHost
	}
	u := *r.URL
	u.User, u.Fragment, u.RawFragment = nil, "", "" // http.Client has made a header of the first
	response, err := passthroughhttp.Do(r.Context(), passthroughhttp.Request{
		Method: r.Method,
		URL:    u.String(),
		Header: passthroughhttp.Header(r.Header),
		Body:   body,
	})
	if err != nil {
		return nil, err
	}
	answer := &http.Response{
		Status:        strconv.Itoa(response.StatusCode) + " " + http.StatusText(response.StatusCode),
		StatusCode:    response.StatusCode,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        http.Header(response.Header),
		Body:          io.NopCloser(bytes.NewReader(response.Body)),
		ContentLength: int64(len(response.Body)),
		Request:       r,
	}
	if answer.Header == nil {
		answer.Header = http.Header{}
	}
	if n, err := strconv.ParseInt(answer.Header.Get("Content-Length"), 10, 64); err == nil && r.Method == http.MethodHead {
		answer.ContentLength = n
	}
	return answer, nil
}
