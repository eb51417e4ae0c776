package main

import (
	_ "github.com/wasmworker/wasmworker/contrib/postgres"
	_ "github.com/wasmworker/wasmworker/contrib/sqlite"
	"github.com/wasmworker/wasmworker/host/passthrough/blobmod"
)

// omitted are the build tags that left drivers out of this program.
var omitted []string

// omit registers that a driver was left out. The files of drivers call it, which know their
// tag.
//
//lint:ignore U1000 only files with a build tag call it
func omit(scheme, tag string) {
	omitted = append(omitted, tag)
	blobmod.Omit(scheme, "the driver was left out by the build tag "+tag+"; build wasmworker without it, or use a release, which has all drivers")
}
