//go:build !wasip1

package secret

import "github.com/wasmworker/wasmworker/guest-sdk/go/internal/host"

// Outside of a WebAssembly build, tests say what answers: see testsuite.SetPassthrough.
var (
	hostReveal = host.Import("wasmworker:secret/v1", "reveal")
)
