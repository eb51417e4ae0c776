package blob

import "unsafe"

//go:wasmimport wasmworker:blob/v1 get
func hostGet(req unsafe.Pointer, n uint32) int64

//go:wasmimport wasmworker:blob/v1 put
func hostPut(req unsafe.Pointer, n uint32) int64

//go:wasmimport wasmworker:blob/v1 stat
func hostStat(req unsafe.Pointer, n uint32) int64

//go:wasmimport wasmworker:blob/v1 delete
func hostDelete(req unsafe.Pointer, n uint32) int64

//go:wasmimport wasmworker:blob/v1 list
func hostList(req unsafe.Pointer, n uint32) int64

//go:wasmimport wasmworker:blob/v1 open
func hostOpen(req unsafe.Pointer, n uint32) int64

//go:wasmimport wasmworker:blob/v1 read
func hostRead(req unsafe.Pointer, n uint32) int64

//go:wasmimport wasmworker:blob/v1 create
func hostCreate(req unsafe.Pointer, n uint32) int64

//go:wasmimport wasmworker:blob/v1 write
func hostWrite(req unsafe.Pointer, n uint32) int64

//go:wasmimport wasmworker:blob/v1 commit
func hostCommit(req unsafe.Pointer, n uint32) int64

//go:wasmimport wasmworker:blob/v1 close
func hostClose(req unsafe.Pointer, n uint32) int64
