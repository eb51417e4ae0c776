package config

import "unsafe"

//go:wasmimport wasmworker:config/v1 get
func hostGet(req unsafe.Pointer, n uint32) int64
