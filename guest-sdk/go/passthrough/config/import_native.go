//go:build !wasip1

package config

import "github.com/wasmworker/wasmworker/guest-sdk/go/internal/host"

// Outside of a WebAssembly build, tests say what answers: see testsuite.SetPassthrough.
var (
	hostGet = host.Import("wasmworker:config/v1", "get")
)
