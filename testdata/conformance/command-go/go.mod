module github.com/wasmworker/wasmworker/testdata/conformance/command-go

go 1.26.0
