package main

import (
	"encoding/json"
	"unsafe"

	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough"
)

//go:wasmimport wasmworker:files/v1 read
func read(req unsafe.Pointer, n uint32) int64

func readFile(file string, offset, length int) ([]byte, error) {
	request, err := json.Marshal(map[string]any{"file": file, "offset": offset, "length": length})
	if err != nil {
		return nil, err
	}
	return passthrough.Call(read, request)
}
