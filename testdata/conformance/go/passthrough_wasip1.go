package main

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough"
)

//go:wasmimport wasmworker:conformance/v1 upper
func callUpper(req unsafe.Pointer, n uint32) int64

//go:wasmimport wasmworker:conformance/v1 deny
func callDeny(req unsafe.Pointer, n uint32) int64

//go:wasmexport upper
func upper() int32 { return activity.Run(Upper) }

func Upper(text string) (string, error) {
	response, err := passthrough.Call(callUpper, []byte(text))
	return string(response), err
}

//go:wasmexport denied
func denied() int32 { return activity.Run(Denied) }

func Denied() (map[string]any, error) {
	_, err := passthrough.Call(callDeny, nil)
	if denial, ok := errors.AsType[*passthrough.Error](err); ok {
		return map[string]any{"errno": denial.Errno, "message": denial.Message}, nil
	}
	return nil, fmt.Errorf("not denied: %w", err)
}
