// Package flow runs one run of a workflow for its host: it takes activations apart, lets
// the goroutines of the workflow go on until all of them wait, and hands over what they
// have asked for. It is the same code in a WebAssembly build and in tests; only the Host
// differs.
package flow

// Host is the functions of wasmworker:workflow/v1, as abi/SPEC.md describes them.
type Host interface {
	Activation(dst []byte) int64
	Commands(frame []byte) int64
	Patched(id string) int32
	LastError(dst []byte) int64
	Log(level int32, message string, attrs []byte) int64

	// Idle returns when all other goroutines wait.
	Idle()
	// Yield returns when all goroutines that could run have run for a while.
	Yield()
	// Random fills b from the run's stream.
	Random(b []byte)
}
