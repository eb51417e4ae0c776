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

// Handle is what a host module has opened for an activity: a cursor, a transaction, a
// stream. The host closes it when the activity ends, and gives its number to another one.
// A goroutine or a global variable can hold the Handle longer, when instances are used
// again, and must not use that number then.
type Handle struct {
	number uint32
	epoch  uint64
}

// NewHandle returns the handle of a number that the host has just given to the running
// activity, and the zero Handle for 0.
func NewHandle(number uint32) Handle {
	if number == 0 {
		return Handle{}
	}
	return Handle{number, epoch()}
}

// Number returns the handle's number, or false if the activity that it belongs to is
// over, or if it is the zero Handle.
func (h Handle) Number() (uint32, bool) { return h.number, h.number != 0 && h.epoch == epoch() }
