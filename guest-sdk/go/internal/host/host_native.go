//go:build !wasip1

package host

import (
	"strconv"
	"sync"
	"unsafe"

	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/abi"
)

// Current returns nil: there is no host outside a WebAssembly build. Tests bring
// their own, see package testsuite.
func Current() Host { return nil }

// Responses of fake passthrough functions, and the sentences of their errors.
// Ids count up and are removed when they were read, so parallel tests do not meet.
var fakes struct {
	sync.Mutex
	last      uint32
	responses map[uint32][]byte
	errors    map[uint32]string
}

// Offer turns what a fake passthrough function answers into its result: a handle
// and a length, or an errno. An errno carries an id in its upper half, which
// ResponseError takes to find the message.
func Offer(response []byte, errno int32, message string) int64 {
	if errno == 0 && len(response) == 0 {
		return 0
	}
	fakes.Lock()
	defer fakes.Unlock()
	fakes.last = fakes.last%(1<<31-1) + 1
	id := fakes.last
	if errno != 0 {
		if fakes.errors == nil {
			fakes.errors = map[uint32]string{}
		}
		fakes.errors[id] = message
		return -(int64(id)<<32 | int64(errno))
	}
	if fakes.responses == nil {
		fakes.responses = map[uint32][]byte{}
	}
	fakes.responses[id] = response
	return int64(id)<<32 | int64(uint32(len(response)))
}

// ReadResponse copies a piece of a passthrough response.
func ReadResponse(handle, offset uint32, dst []byte) int64 {
	fakes.Lock()
	defer fakes.Unlock()
	response, ok := fakes.responses[handle]
	if !ok {
		return -abi.EBADF
	}
	return int64(copy(dst, response[min(int(offset), len(response)):]))
}

// CloseResponse gives a passthrough response back.
func CloseResponse(handle uint32) int64 {
	fakes.Lock()
	defer fakes.Unlock()
	if _, ok := fakes.responses[handle]; !ok {
		return -abi.EBADF
	}
	delete(fakes.responses, handle)
	return 0
}

// ResponseError returns the errno and the sentence behind a negative result of a
// passthrough function.
func ResponseError(result int64) (errno int32, message string) {
	fakes.Lock()
	defer fakes.Unlock()
	errno = int32(uint32(-result))
	id := uint32(uint64(-result) >> 32)
	message, ok := fakes.errors[id]
	if !ok {
		message = "error number " + strconv.Itoa(int(errno))
	}
	delete(fakes.errors, id)
	return errno, message
}

// OpenResponses is the number of responses that nobody has closed yet.
func OpenResponses() int {
	fakes.Lock()
	defer fakes.Unlock()
	return len(fakes.responses)
}

// Begin says that an activity begins. In tests they overlap, and there is nothing to tell
// apart.
func Begin() {}

func epoch() uint64 { return 0 }

var imports struct {
	sync.Mutex
	functions map[string]func(unsafe.Pointer, uint32) int64
}

// SetImport puts a function in the place of one that a WebAssembly build imports, or
// takes it away again (nil), and returns what was there.
func SetImport(module, function string, f func(unsafe.Pointer, uint32) int64) func(unsafe.Pointer, uint32) int64 {
	imports.Lock()
	defer imports.Unlock()
	name := module + " " + function
	before := imports.functions[name]
	if imports.functions == nil {
		imports.functions = map[string]func(unsafe.Pointer, uint32) int64{}
	}
	imports.functions[name] = f
	return before
}

// Import stands for a function that a WebAssembly build imports: the one that was set, or
// one that is not there.
func Import(module, function string) func(unsafe.Pointer, uint32) int64 {
	return func(req unsafe.Pointer, n uint32) int64 {
		imports.Lock()
		f := imports.functions[module+" "+function]
		imports.Unlock()
		if f == nil {
			return Offer(nil, abi.ENOSYS, "there is no host in this build; a test can put a function in the place of "+module+" "+function+" by testsuite.SetPassthrough")
		}
		return f(req, n)
	}
}
