//go:build wasip1

// The echo of guests/go as an Extism plugin.
package main

import "github.com/extism/go-pdk"

func main() {}

//go:wasmexport Echo
func echo() int32 {
	pdk.Output(pdk.Input())
	return 0
}
