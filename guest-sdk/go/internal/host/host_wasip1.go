package host

import "unsafe"

// wasm has no state: one instance runs one activity at a time, and the host
// knows which.
type wasm struct{}

// Current returns the host of the running instance.
func Current() Host { return wasm{} }

func ptr(b []byte) unsafe.Pointer  { return unsafe.Pointer(unsafe.SliceData(b)) }
func size(b []byte) uint32         { return uint32(len(b)) }
func text(s string) unsafe.Pointer { return unsafe.Pointer(unsafe.StringData(s)) }

func (wasm) ArgCount() int32                   { return activityArgCount() }
func (wasm) ArgRead(i int32, dst []byte) int64 { return activityArgRead(i, ptr(dst), size(dst)) }
func (wasm) ArgEncoding(i int32, dst []byte) int64 {
	return activityArgEncoding(i, ptr(dst), size(dst))
}
func (wasm) ArgMetadata(i int32, dst []byte) int64 {
	return activityArgMetadata(i, ptr(dst), size(dst))
}

func (wasm) OutputWrite(b []byte) int64 { return activityOutputWrite(ptr(b), size(b)) }
func (wasm) OutputEncoding(enc string) int64 {
	return activityOutputEncoding(text(enc), uint32(len(enc)))
}
func (wasm) OutputMetadata(b []byte) int64      { return activityOutputMetadata(ptr(b), size(b)) }
func (wasm) Fail(b []byte) int64                { return activityFail(ptr(b), size(b)) }
func (wasm) Info(dst []byte) int64              { return activityInfo(ptr(dst), size(dst)) }
func (wasm) Status() uint32                     { return activityStatus() }
func (wasm) Heartbeat() int64                   { return activityHeartbeat() }
func (wasm) DetailCount() int32                 { return activityDetailCount() }
func (wasm) DetailRead(i int32, d []byte) int64 { return activityDetailRead(i, ptr(d), size(d)) }
func (wasm) LastError(dst []byte) int64         { return activityLastError(ptr(dst), size(dst)) }

func (wasm) HeartbeatDetail(b []byte, enc string) int64 {
	return activityHeartbeatDetail(ptr(b), size(b), text(enc), uint32(len(enc)))
}

func (wasm) DetailEncoding(i int32, dst []byte) int64 {
	return activityDetailEncoding(i, ptr(dst), size(dst))
}

func (wasm) Log(level int32, message string, attrs []byte) int64 {
	return logWrite(level, text(message), uint32(len(message)), ptr(attrs), size(attrs))
}

// ReadResponse copies a piece of a passthrough response.
func ReadResponse(handle, offset uint32, dst []byte) int64 {
	return activityRead(handle, offset, ptr(dst), size(dst))
}

// CloseResponse gives a passthrough response back.
func CloseResponse(handle uint32) int64 { return activityClose(handle) }

// ResponseError returns the errno and the sentence behind a negative result of a
// passthrough function.
func ResponseError(result int64) (errno int32, message string) {
	var buf [512]byte
	b := buf[:]
	n := activityLastError(ptr(b), size(b))
	if n > int64(len(b)) {
		b = make([]byte, n)
		n = activityLastError(ptr(b), size(b))
	}
	if n > 0 {
		message = string(b[:n])
	}
	return int32(-result), message
}

// Offer belongs to native tests.
func Offer([]byte, int32, string) int64 {
	panic("wasmworker: fakes of passthrough functions are native only")
}

var activities uint64

// Begin says that an activity begins.
func Begin() { activities++ }

func epoch() uint64 { return activities }

// SetImport is for native builds, as those of tests are: what a WebAssembly module
// imports is its host's.
func SetImport(module, function string, _ func(unsafe.Pointer, uint32) int64) func(unsafe.Pointer, uint32) int64 {
	panic("wasmworker: " + module + " " + function + " is imported from the host and cannot be replaced; run this test without GOOS=wasip1")
}
