//go:build !wasip1

package http

import "github.com/wasmworker/wasmworker/guest-sdk/go/internal/host"

// Outside of a WebAssembly build, tests say what answers: see testsuite.SetPassthrough.
var (
	hostSend = host.Import("wasmworker:http/v1", "send")
)
