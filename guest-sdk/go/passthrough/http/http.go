// Package http sends HTTP requests by the host module wasmworker:http/v1. A module that
// uses this package needs the grant of http, and the operator's policy has to allow the
// origins that it sends to.
//
// The package is small. For code that wants an *http.Client of net/http there is package
// nethttp, which makes a module about 7 MB larger.
//
//	response, err := http.Do(ctx, http.Request{
//		Method: "POST",
//		URL:    "https://api.example.com/v1/orders",
//		Header: http.Header{"Authorization": {"Bearer {{secret:api-token}}"}},
//		Body:   order,
//	})
//
// {{secret:NAME}} in the value of a header stands for a secret. The host puts it in if
// the operator lets this origin have it; the module never sees it.
package http

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough"
)

// Header has the values of headers by their names. The names in a response are in
// canonical form: Content-Type.
type Header map[string][]string

// Get returns the first value of a header, whatever the case of its name, and "" if there
// is none.
func (h Header) Get(name string) string {
	for _, key := range slices.Sorted(maps.Keys(h)) { // in an order that is always the same
		if strings.EqualFold(key, name) && len(h[key]) > 0 {
			return h[key][0]
		}
	}
	return ""
}

// Request is a request.
type Request struct {
	// Method is case-sensitive. Default: GET.
	Method string
	// URL is http or https, in ASCII: hosts as xn--…, paths and queries percent-encoded.
	// No user name and password. 8 KiB at most.
	URL string
	// Header has the headers. Those that belong to the connection or follow from the URL
	// and the body are the host's to set, and refused: Host, Content-Length,
	// Transfer-Encoding and their like. Default: User-Agent alone.
	Header Header
	// Body is sent as it is. The operator limits its size, by default to 8 MiB. Default:
	// none.
	Body []byte
}

// Response is a response, with all of its body.
type Response struct {
	StatusCode int
	Header     Header
	// as it came: decompressing is the caller's, who has asked for it by Accept-Encoding
	Body []byte
}

// Do sends a request and reads the response. A status of 400 or more is no error, and a
// redirect is a response as well, unless the operator lets the host follow it.
//
// The operator's policy limits the time, by default to 30 s, and so does the deadline of
// ctx. The whole instance waits meanwhile, all goroutines included: nothing else ends the
// call but an interruption of the activity.
//
// The error is that of ctx if it has ended before, or else a *passthrough.Error:
//
//	EACCES      the policy denies it; the message says what would allow it
//	EINVAL      the URL, the method or a header is not valid
//	EMSGSIZE    a body is above the policy's limits, by default 8 MiB each way
//	ETIMEDOUT   it took too long
//	ECANCELED   the activity was interrupted
//	EIO         the server cannot be reached, or does not speak HTTP
//
// After the last three, the server may have done what it was asked.
func Do(ctx context.Context, r Request) (*Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	head := struct {
		Method  string `json:"method"`
		URL     string `json:"url"`
		Headers Header `json:"headers,omitempty"`
		Timeout int64  `json:"timeout_ms,omitempty"`
	}{cmp.Or(r.Method, "GET"), r.URL, r.Header, 0}
	if deadline, ok := ctx.Deadline(); ok {
		head.Timeout = max(time.Until(deadline).Milliseconds(), 1)
	}
	var answer struct {
		Status  int    `json:"status"`
		Headers Header `json:"headers"`
	}
	body, err := passthrough.CallFrame(hostSend, head, r.Body, &answer)
	if err != nil {
		return nil, err
	}
	return &Response{StatusCode: answer.Status, Header: answer.Headers, Body: body}, nil
}
