package database

import "unsafe"

//go:wasmimport wasmworker:sql/v1 query
func hostQuery(req unsafe.Pointer, n uint32) int64

//go:wasmimport wasmworker:sql/v1 fetch
func hostFetch(req unsafe.Pointer, n uint32) int64

//go:wasmimport wasmworker:sql/v1 exec
func hostExec(req unsafe.Pointer, n uint32) int64

//go:wasmimport wasmworker:sql/v1 begin
func hostBegin(req unsafe.Pointer, n uint32) int64

//go:wasmimport wasmworker:sql/v1 commit
func hostCommit(req unsafe.Pointer, n uint32) int64

//go:wasmimport wasmworker:sql/v1 rollback
func hostRollback(req unsafe.Pointer, n uint32) int64

//go:wasmimport wasmworker:sql/v1 close
func hostClose(req unsafe.Pointer, n uint32) int64
