package flow

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

//go:wasmimport wasmworker:workflow/v1 activation
//go:noescape
func workflowActivation(dst unsafe.Pointer, cap uint32) int64

//go:wasmimport wasmworker:workflow/v1 commands
//go:noescape
func workflowCommands(ptr unsafe.Pointer, len uint32) int64

//go:wasmimport wasmworker:workflow/v1 patched
//go:noescape
func workflowPatched(ptr unsafe.Pointer, len uint32) int32

//go:wasmimport wasmworker:workflow/v1 last_error
//go:noescape
func workflowLastError(dst unsafe.Pointer, cap uint32) int64

//go:wasmimport wasmworker:log/v1 write
//go:noescape
func logWrite(level int32, msgPtr unsafe.Pointer, msgLen uint32, attrsPtr unsafe.Pointer, attrsLen uint32) int64

//go:wasmimport wasi_snapshot_preview1 random_get
//go:noescape
func randomGet(dst unsafe.Pointer, len uint32) uint32

type wasm struct{}

// Current returns the host of the running instance.
func Current() Host { return wasm{} }

func ptr(b []byte) unsafe.Pointer  { return unsafe.Pointer(unsafe.SliceData(b)) }
func text(s string) unsafe.Pointer { return unsafe.Pointer(unsafe.StringData(s)) }

func (wasm) Activation(dst []byte) int64 { return workflowActivation(ptr(dst), uint32(len(dst))) }
func (wasm) Commands(b []byte) int64     { return workflowCommands(ptr(b), uint32(len(b))) }
func (wasm) Patched(id string) int32     { return workflowPatched(text(id), uint32(len(id))) }
func (wasm) LastError(dst []byte) int64  { return workflowLastError(ptr(dst), uint32(len(dst))) }
func (wasm) Yield()                      { runtime.Gosched() }
func (wasm) Random(b []byte)             { randomGet(ptr(b), uint32(len(b))) }

func (wasm) Log(level int32, message string, attrs []byte) int64 {
	return logWrite(level, text(message), uint32(len(message)), ptr(attrs), uint32(len(attrs)))
}

// idle is descriptor 0, which the host makes ready for reading exactly when the scheduler
// has nothing else to do. The byte that there is to read does not matter: to have been
// woken is enough.
var idle struct {
	conn  syscall.RawConn
	asked bool
}

func openIdle() {
	syscall.SetNonblock(0, true)
	conn, err := os.NewFile(0, "idle").SyscallConn()
	if err != nil {
		panic("wasmworker: descriptor 0: " + err.Error())
	}
	idle.conn = conn
}

func (wasm) Idle() {
	idle.asked = false
	if err := idle.conn.Read(waited); err != nil {
		panic("wasmworker: the host does not tell when everything waits: " + err.Error())
	}
}

func waited(uintptr) bool {
	if idle.asked {
		return true
	}
	idle.asked = true
	return false
}
