//go:build !wasip1

package flow

// Current returns nil: there is no host outside a WebAssembly build.
func Current() Host { return nil }
