package host

import "unsafe"

//go:wasmimport wasmworker:activity/v1 arg_count
func argCount() int32

//go:wasmimport wasmworker:activity/v1 arg_read
//go:noescape
func argRead(index int32, dst unsafe.Pointer, size uint32) int64

//go:wasmimport wasmworker:activity/v1 arg_encoding
//go:noescape
func argEncoding(index int32, dst unsafe.Pointer, size uint32) int64

//go:wasmimport wasmworker:activity/v1 arg_metadata
//go:noescape
func argMetadata(index int32, dst unsafe.Pointer, size uint32) int64

//go:wasmimport wasmworker:activity/v1 output_write
//go:noescape
func outputWrite(ptr unsafe.Pointer, size uint32) int64

//go:wasmimport wasmworker:activity/v1 output_encoding
//go:noescape
func outputEncoding(encoding string) int64

//go:wasmimport wasmworker:activity/v1 output_metadata
//go:noescape
func outputMetadata(ptr unsafe.Pointer, size uint32) int64

//go:wasmimport wasmworker:activity/v1 fail
//go:noescape
func fail(ptr unsafe.Pointer, size uint32) int64

//go:wasmimport wasmworker:activity/v1 info
//go:noescape
func info(dst unsafe.Pointer, size uint32) int64

//go:wasmimport wasmworker:activity/v1 status
func status() uint32

//go:wasmimport wasmworker:activity/v1 heartbeat_detail
//go:noescape
func heartbeatDetail(ptr unsafe.Pointer, size uint32, encoding string) int64

//go:wasmimport wasmworker:activity/v1 heartbeat
func heartbeat() int64

//go:wasmimport wasmworker:activity/v1 detail_count
func detailCount() int32

//go:wasmimport wasmworker:activity/v1 detail_read
//go:noescape
func detailRead(index int32, dst unsafe.Pointer, size uint32) int64

//go:wasmimport wasmworker:activity/v1 detail_encoding
//go:noescape
func detailEncoding(index int32, dst unsafe.Pointer, size uint32) int64

//go:wasmimport wasmworker:activity/v1 read
//go:noescape
func read(handle, offset uint32, dst unsafe.Pointer, size uint32) int64

//go:wasmimport wasmworker:activity/v1 close
func closeHandle(handle uint32) int64

//go:wasmimport wasmworker:activity/v1 last_error
//go:noescape
func lastError(dst unsafe.Pointer, size uint32) int64

//go:wasmimport wasmworker:log/v1 write
//go:noescape
func logWrite(level int32, message string, attrs unsafe.Pointer, size uint32) int64

// wasm has no state: one instance runs one activity at a time, and the host
// knows which.
type wasm struct{}

// Current returns the host of the running instance.
func Current() Host { return wasm{} }

func ptr(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }
func size(b []byte) uint32        { return uint32(len(b)) }

func (wasm) ArgCount() int32                       { return argCount() }
func (wasm) ArgRead(i int32, dst []byte) int64     { return argRead(i, ptr(dst), size(dst)) }
func (wasm) ArgEncoding(i int32, dst []byte) int64 { return argEncoding(i, ptr(dst), size(dst)) }
func (wasm) ArgMetadata(i int32, dst []byte) int64 { return argMetadata(i, ptr(dst), size(dst)) }

func (wasm) OutputWrite(b []byte) int64         { return outputWrite(ptr(b), size(b)) }
func (wasm) OutputEncoding(enc string) int64    { return outputEncoding(enc) }
func (wasm) OutputMetadata(b []byte) int64      { return outputMetadata(ptr(b), size(b)) }
func (wasm) Fail(b []byte) int64                { return fail(ptr(b), size(b)) }
func (wasm) Info(dst []byte) int64              { return info(ptr(dst), size(dst)) }
func (wasm) Status() uint32                     { return status() }
func (wasm) Heartbeat() int64                   { return heartbeat() }
func (wasm) DetailCount() int32                 { return detailCount() }
func (wasm) DetailRead(i int32, d []byte) int64 { return detailRead(i, ptr(d), size(d)) }
func (wasm) LastError(dst []byte) int64         { return lastError(ptr(dst), size(dst)) }

func (wasm) HeartbeatDetail(b []byte, enc string) int64 {
	return heartbeatDetail(ptr(b), size(b), enc)
}

func (wasm) DetailEncoding(i int32, dst []byte) int64 {
	return detailEncoding(i, ptr(dst), size(dst))
}

func (wasm) Log(level int32, message string, attrs []byte) int64 {
	return logWrite(level, message, ptr(attrs), size(attrs))
}

// ReadResponse copies a piece of a passthrough response.
func ReadResponse(handle, offset uint32, dst []byte) int64 {
	return read(handle, offset, ptr(dst), size(dst))
}

// CloseResponse gives a passthrough response back.
func CloseResponse(handle uint32) int64 { return closeHandle(handle) }

// ResponseError returns the errno and the sentence behind a negative result of a
// passthrough function.
func ResponseError(result int64) (errno int32, message string) {
	var buf [512]byte
	b := buf[:]
	n := lastError(ptr(b), size(b))
	if n > int64(len(b)) {
		b = make([]byte, n)
		n = lastError(ptr(b), size(b))
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

// SetImport is for native builds, as those of tests are: what a WebAssembly module imports is its host's.
func SetImport(module, function string, _ func(unsafe.Pointer, uint32) int64) func(unsafe.Pointer, uint32) int64 {
	panic("wasmworker: " + module + " " + function + " is imported from the host and cannot be replaced; run this test without GOOS=wasip1")
}
