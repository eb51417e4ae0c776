// Package host is where the SDK meets its host: an interface over the functions
// of wasmworker:activity/v1 and wasmworker:log/v1, the real functions in a
// WebAssembly build, and what stands in for them in a native one.
package host

// Host is the functions of one activity, as abi/SPEC.md describes them. A result
// of type int64 is negative for an error, and reading functions copy only when
// the whole value fits into dst, returning the full size in any case.
type Host interface {
	ArgCount() int32
	ArgRead(index int32, dst []byte) int64
	ArgEncoding(index int32, dst []byte) int64
	ArgMetadata(index int32, dst []byte) int64

	OutputWrite(data []byte) int64
	OutputEncoding(encoding string) int64
	OutputMetadata(metadata []byte) int64
	Fail(failure []byte) int64

	Info(dst []byte) int64
	Status() uint32

	HeartbeatDetail(data []byte, encoding string) int64
	Heartbeat() int64
	DetailCount() int32
	DetailRead(index int32, dst []byte) int64
	DetailEncoding(index int32, dst []byte) int64

	LastError(dst []byte) int64
	Log(level int32, message string, attrs []byte) int64
}
