//go:build !wasip1

package database

import "github.com/wasmworker/wasmworker/guest-sdk/go/internal/host"

// Outside of a WebAssembly build, tests say what answers: see testsuite.SetPassthrough.
var (
	hostQuery    = host.Import("wasmworker:sql/v1", "query")
	hostFetch    = host.Import("wasmworker:sql/v1", "fetch")
	hostExec     = host.Import("wasmworker:sql/v1", "exec")
	hostBegin    = host.Import("wasmworker:sql/v1", "begin")
	hostCommit   = host.Import("wasmworker:sql/v1", "commit")
	hostRollback = host.Import("wasmworker:sql/v1", "rollback")
	hostClose    = host.Import("wasmworker:sql/v1", "close")
)
