// Package passthrough calls host modules that an operator has granted to a WebAssembly
// module. Those that come with wasmworker have packages of their own below this one:
// config, secret, http and nethttp, database, blob. A module that uses one of the
// packages imports the host module, and that is its request for the grant.
//
// For any other host module, it imports the function itself:
//
//	//go:wasmimport wasmworker:weather/v1 forecast
//	func forecast(req unsafe.Pointer, n uint32) int64
//
//	err := passthrough.CallJSON(forecast, Request{City: "Oslo"}, &response)
//
// A function without a body does not link in other builds. Put it into a file that
// ends in _wasip1.go, and a fake made by testsuite.Passthrough into one with the
// build constraint !wasip1.
package passthrough

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"runtime"
	"strconv"
	"unsafe"

	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/host"
)

// Func is a function of a host module, imported by a go:wasmimport directive.
type Func = func(reqPtr unsafe.Pointer, reqLen uint32) int64

// Errno is why a host module did not answer, a number of WASI preview 1. It is an
// error to compare with, by errors.Is.
type Errno int32

// Error returns the number's name, such as EACCES.
func (e Errno) Error() string {
	if name, ok := errnoNames[e]; ok {
		return name
	}
	return "errno " + strconv.Itoa(int(e))
}

// Is makes errors.Is find fs.ErrNotExist in ENOENT, fs.ErrExist in EEXIST, and
// fs.ErrPermission in EACCES and EPERM.
func (e Errno) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return e == ENOENT
	case fs.ErrExist:
		return e == EEXIST
	case fs.ErrPermission:
		return e == EACCES || e == EPERM
	}
	return false
}

// Error is what Call returns when a host module did not answer. It wraps its Errno:
//
//	if errors.Is(err, passthrough.EACCES) { … }
type Error struct {
	Errno   Errno
	Message string // a sentence from the host; may be empty
}

// Error returns the errno's name and the message.
func (e *Error) Error() string {
	if e.Message == "" {
		return e.Errno.Error()
	}
	return e.Errno.Error() + ": " + e.Message
}

// Unwrap returns the errno.
func (e *Error) Unwrap() error { return e.Errno }

// Timeout tells whether something took too long, as for net.Error.
func (e *Error) Timeout() bool { return e.Errno == ETIMEDOUT }

// Call gives a request to a host module and returns its response, nil if that is
// empty. The whole instance waits meanwhile, all goroutines included, until the host
// answers or interrupts the activity. The error is an *Error.
func Call(fn Func, req []byte) ([]byte, error) {
	result := fn(unsafe.Pointer(unsafe.SliceData(req)), uint32(len(req)))
	runtime.KeepAlive(req)
	if result < 0 {
		errno, message := host.ResponseError(result)
		return nil, &Error{Errno(errno), message}
	}
	handle, size := uint32(result>>32), uint32(result)
	if handle == 0 {
		return nil, nil
	}
	defer host.CloseResponse(handle)
	response := make([]byte, size)
	for at := uint32(0); at < size; {
		n := host.ReadResponse(handle, at, response[at:])
		if n < 0 {
			errno, message := host.ResponseError(n)
			return nil, &Error{Errno(errno), message}
		}
		if n == 0 {
			return nil, &Error{EIO, "the response ends after " + strconv.Itoa(int(at)) + " of " + strconv.Itoa(int(size)) + " bytes"}
		}
		at += uint32(n)
	}
	return response, nil
}

// CallJSON is Call with JSON on both sides. A nil request is sent as no bytes, and
// a response is decoded into what resp points to, unless resp is nil or the
// response empty. The error is an *Error, or one of encoding/json that says which
// side it is about.
func CallJSON(fn Func, req, resp any) error {
	var data []byte
	if req != nil {
		var err error
		if data, err = json.Marshal(req); err != nil {
			return fmt.Errorf("request: %w", err)
		}
	}
	data, err := Call(fn, data)
	if err != nil || resp == nil || len(data) == 0 {
		return err
	}
	if err := json.Unmarshal(data, resp); err != nil {
		return fmt.Errorf("response: %w", err)
	}
	return nil
}

// EncodeFrame makes a frame, which wasmworker's own host modules take and return: the
// length of the head in 4 bytes, the head as JSON, and the body as it is. The error is
// one of encoding/json.
func EncodeFrame(head any, body []byte) ([]byte, error) {
	text, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	frame := make([]byte, 0, 4+len(text)+len(body))
	frame = binary.LittleEndian.AppendUint32(frame, uint32(len(text)))
	return append(append(frame, text...), body...), nil
}

// DecodeFrame decodes the head of a frame into what head points to, and returns the body,
// which is a part of the frame. The error is one of encoding/json, or says that the bytes
// are no frame.
func DecodeFrame(frame []byte, head any) (body []byte, err error) {
	if len(frame) < 4 {
		return nil, fmt.Errorf("a frame of %d bytes has no length of its head", len(frame))
	}
	n, rest := uint64(binary.LittleEndian.Uint32(frame)), frame[4:]
	if n > uint64(len(rest)) {
		return nil, fmt.Errorf("the frame's head should have %d bytes, and %d are there", n, len(rest))
	}
	return rest[n:], json.Unmarshal(rest[:n], head)
}

// CallFrame is Call with frames on both sides. The head of the response is decoded into
// what resp points to, unless resp is nil or the response empty. It returns the
// response's body. The error is an *Error, or one of [EncodeFrame] or [DecodeFrame] that
// says which side it is about.
func CallFrame(fn Func, head any, body []byte, resp any) ([]byte, error) {
	frame, err := EncodeFrame(head, body)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	if frame, err = Call(fn, frame); err != nil || resp == nil || len(frame) == 0 {
		return nil, err
	}
	if body, err = DecodeFrame(frame, resp); err != nil {
		return nil, fmt.Errorf("response: %w", err)
	}
	return body, nil
}
