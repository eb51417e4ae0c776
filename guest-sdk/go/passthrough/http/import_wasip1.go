package http

import "unsafe"

//go:wasmimport wasmworker:http/v1 send
func hostSend(req unsafe.Pointer, n uint32) int64
