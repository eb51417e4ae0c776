module github.com/wasmworker/wasmworker/guest-sdk/go

go 1.26.0
