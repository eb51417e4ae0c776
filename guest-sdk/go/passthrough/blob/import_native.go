//go:build !wasip1

package blob

import "github.com/wasmworker/wasmworker/guest-sdk/go/internal/host"

// Outside of a WebAssembly build, tests say what answers: see testsuite.SetPassthrough.
var (
	hostGet    = host.Import("wasmworker:blob/v1", "get")
	hostPut    = host.Import("wasmworker:blob/v1", "put")
	hostStat   = host.Import("wasmworker:blob/v1", "stat")
	hostDelete = host.Import("wasmworker:blob/v1", "delete")
	hostList   = host.Import("wasmworker:blob/v1", "list")
	hostOpen   = host.Import("wasmworker:blob/v1", "open")
	hostRead   = host.Import("wasmworker:blob/v1", "read")
	hostCreate = host.Import("wasmworker:blob/v1", "create")
	hostWrite  = host.Import("wasmworker:blob/v1", "write")
	hostCommit = host.Import("wasmworker:blob/v1", "commit")
	hostClose  = host.Import("wasmworker:blob/v1", "close")
)
