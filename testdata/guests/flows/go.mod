module github.com/wasmworker/wasmworker/testdata/guests/flows

go 1.26.0

require github.com/wasmworker/wasmworker/guest-sdk/go v0.0.0

replace github.com/wasmworker/wasmworker/guest-sdk/go => ../../../guest-sdk/go
