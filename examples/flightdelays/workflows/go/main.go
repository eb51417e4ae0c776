// Module delayreport is the workflow of the example as a WebAssembly module: workflow.go
// is that of the program, with other import paths.
package main

import "github.com/wasmworker/wasmworker/guest-sdk/go/workflow"

//go:wasmexport DelayReport
func delayReport() int32 { return workflow.Run(DelayReport) }

func main() {}
