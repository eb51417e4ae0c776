package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/hostfunc"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

// Extism plugins see a memory of the host beside their own, and pass everything through
// it: blocks that they allocate, write to 8 bytes at a time, and hand over by their
// offset (Extism's proposal EIP-007). Extism's SDKs run that as a second WebAssembly
// module, the kernel. Here it is a slice that belongs to the call: it cannot be corrupted
// by a plugin, what is in it and what a plugin kept in variables ends with the call, and
// instances are pooled, reset, metered and limited like those of any other kind.
type kernel struct {
	memory []byte            // in steps of extismPage: kits write a little beyond their blocks
	mapped *image.Memory     // what memory is of, if it is large; otherwise it is Go's
	end    uint64            // of the last block
	blocks map[uint64]uint64 // lengths by offset
	free   [33][]uint64      // offsets of free blocks, by the power of two that they have room for
	input  [2]uint64         // offset and length
	output [2]uint64
	err    uint64 // offset of the error message
	vars   map[string][]byte
	size   int // of vars

	status  int32 // of the last HTTP response
	headers []byte
}

const (
	kernelStart = 16       // the first offset: 0 is no block
	extismPage  = 64 << 10 // as Extism's kernel, which is a module, has it
	// smallKernel is up to where the memory is Go's. To map one takes 20 us; but a slice
	// of 100 MB is cleared and copied as it grows, which takes longer than an
	// interruption may.
	smallKernel = 1 << 20
)

// maxVars bounds what a plugin keeps in variables, names included.
const maxVars = 1 << 20

// variableCost is what one takes of the host's memory beside its name and value.
const variableCost = 128

// extismFunc is a function of extism:host/env. What it returns is its result, if it has
// one.
type extismFunc func(c *extism, k *kernel, p []uint64) uint64

var extismFuncs = map[string]extismFunc{
	"alloc":         func(c *extism, k *kernel, p []uint64) uint64 { return c.alloc(p[0]) },
	"free":          func(_ *extism, k *kernel, p []uint64) uint64 { k.release(p[0]); return 0 },
	"length":        func(_ *extism, k *kernel, p []uint64) uint64 { return k.blocks[p[0]] },
	"length_unsafe": func(_ *extism, k *kernel, p []uint64) uint64 { return k.blocks[p[0]] },
	"load_u8":       func(_ *extism, k *kernel, p []uint64) uint64 { return uint64(k.at("load_u8", p[0], 1)[0]) },
	"load_u64": func(_ *extism, k *kernel, p []uint64) uint64 {
		return binary.LittleEndian.Uint64(k.at("load_u64", p[0], 8))
	},
	"store_u8": func(_ *extism, k *kernel, p []uint64) uint64 {
		k.at("store_u8", p[0], 1)[0] = byte(p[1])
		return 0
	},
	"store_u64": func(_ *extism, k *kernel, p []uint64) uint64 {
		binary.LittleEndian.PutUint64(k.at("store_u64", p[0], 8), p[1])
		return 0
	},
	"input_length": func(_ *extism, k *kernel, _ []uint64) uint64 { return k.input[1] },
	"input_offset": func(_ *extism, k *kernel, _ []uint64) uint64 { return k.input[0] },
	"input_load_u8": func(_ *extism, k *kernel, p []uint64) uint64 {
		return uint64(k.inInput("input_load_u8", p[0], 1)[0])
	},
	"input_load_u64": func(_ *extism, k *kernel, p []uint64) uint64 {
		return binary.LittleEndian.Uint64(k.inInput("input_load_u64", p[0], 8))
	},
	"input_set": func(_ *extism, k *kernel, p []uint64) uint64 {
		k.at("input_set", p[0], p[1])
		k.input = [2]uint64{p[0], p[1]}
		return 0
	},
	"output_set": func(_ *extism, k *kernel, p []uint64) uint64 {
		k.at("output_set", p[0], p[1])
		k.output = [2]uint64{p[0], p[1]}
		return 0
	},
	"output_length": func(_ *extism, k *kernel, _ []uint64) uint64 { return k.output[1] },
	"output_offset": func(_ *extism, k *kernel, _ []uint64) uint64 { return k.output[0] },
	"error_set":     (*extism).setError,
	"error_get":     func(_ *extism, k *kernel, _ []uint64) uint64 { return k.err },
	"memory_bytes":  func(_ *extism, k *kernel, _ []uint64) uint64 { return uint64(len(k.memory)) },
	"reset": func(c *extism, k *kernel, _ []uint64) uint64 {
		c.release()
		c.kernel = &kernel{vars: k.vars, size: k.size}
		return 0
	},
	"log_trace": extismLog(slog.LevelDebug - 4),
	"log_debug": extismLog(slog.LevelDebug),
	"log_info":  extismLog(slog.LevelInfo),
	"log_warn":  extismLog(slog.LevelWarn),
	"log_error": extismLog(slog.LevelError),
	// everything; the host's logger decides
	"get_log_level": func(*extism, *kernel, []uint64) uint64 { return 0 },
	"var_get": func(c *extism, k *kernel, p []uint64) uint64 {
		defer k.release(p[0])
		value, ok := k.vars[k.name("var_get", p[0])]
		if !ok {
			return 0
		}
		return c.store(value)
	},
	"var_set":          (*extism).setVar,
	"config_get":       (*extism).config,
	"http_request":     (*extism).http,
	"http_status_code": func(_ *extism, k *kernel, _ []uint64) uint64 { return uint64(uint32(k.status)) },
	"http_headers": func(c *extism, k *kernel, _ []uint64) uint64 {
		if k.headers == nil {
			return 0
		}
		return c.store(k.headers)
	},
}

// extismContract is that of plugins for Extism's hosts.
type extismContract struct{}

func (extismContract) link(ctx context.Context, p *program) error {
	types := passthrough.Builtin(abi.ModuleExtism)
	builder := p.runtime.NewHostModuleBuilder(abi.ModuleExtism)
	for name, fn := range extismFuncs {
		params, results := hostfunc.Signature(types[name])
		builder.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, _ api.Module, stack []uint64) {
			c := callFrom(ctx).guest.(*extism)
			result := fn(c, c.kernel, stack)
			c.stopIfInterrupted()
			if len(results) > 0 {
				stack[0] = result
			}
		}), params, results).Export(name)
	}
	_, err := builder.Instantiate(ctx)
	return err
}

func (extismContract) begin(c *call) guest { return &extism{call: c, kernel: &kernel{}} }

func (extismContract) calls(file *modules.File) []string {
	if file.Entry != "" {
		return []string{file.Entry}
	}
	return slices.Clone(file.Exports)
}

func (extismContract) once() string { return "" }

func (extismContract) heedsFlags() bool { return false }

// extism is a call of a plugin.
type extism struct {
	*call
	kernel *kernel
}

func (c *extism) stdout(p []byte) error { return c.logStdout(p) }

// at returns n bytes of the memory from an offset on. What is not in it traps the guest.
func (k *kernel) at(what string, offset, n uint64) []byte {
	size := uint64(len(k.memory))
	if offset > size || n > size-offset {
		panic(&guestFault{message: fmt.Sprintf("%s: %d bytes at %d are outside of the plugin's memory of %d bytes", what, n, offset, size)})
	}
	return k.memory[offset : offset+n]
}

func (k *kernel) inInput(what string, offset, n uint64) []byte {
	if offset > k.input[1] || n > k.input[1]-offset {
		panic(&guestFault{message: fmt.Sprintf("%s: %d bytes at %d are outside of the input of %d bytes", what, n, offset, k.input[1])})
	}
	return k.at(what, k.input[0]+offset, n)
}

// block returns the contents of a block.
func (k *kernel) block(what string, offset uint64) []byte {
	n, ok := k.blocks[offset]
	if !ok && offset != 0 {
		panic(&guestFault{message: fmt.Sprintf("%s: there is no block at %d", what, offset)})
	}
	return k.at(what, offset, n)
}

// name returns the contents of a block that is a name.
func (k *kernel) name(what string, offset uint64) string {
	name := k.block(what, offset)
	if len(name) > abi.MaxPluginName {
		panic(&guestFault{message: fmt.Sprintf("%s: the name has %d bytes, and at most %d are allowed", what, len(name), abi.MaxPluginName)})
	}
	return string(name)
}

func (k *kernel) release(offset uint64) {
	if n, ok := k.blocks[offset]; ok {
		delete(k.blocks, offset)
		class := sizeClass(n)
		k.free[class] = append(k.free[class], offset)
	}
}

// sizeClass returns the power of two of the room that a block of n bytes is given: at
// least 128 bytes, as much as the host itself needs for a block, so that small ones
// cannot pass the limit.
func sizeClass(n uint64) int { return bits.Len64(max(n, 128) - 1) }

// alloc is allocate for the plugin, which is trapped if there is no room.
func (c *extism) alloc(n uint64) uint64 {
	offset, fault := c.allocate(n)
	if fault != nil {
		panic(fault)
	}
	return offset
}

// allocate allocates a block, zeroed, and returns its offset. 0 bytes are the offset 0.
// The memory counts with the instance's own against the limit of all instances; blocks
// have the limit of the module.
func (c *extism) allocate(n uint64) (uint64, *guestFault) {
	k := c.kernel
	if n == 0 {
		return 0, nil
	}
	limit := c.module.options.MemoryLimit
	var class int
	if n <= limit { // which is 4 GiB at most
		class = sizeClass(n)
	}
	if k.blocks == nil {
		k.blocks = map[uint64]uint64{}
	}
	if free := k.free[class]; n <= limit && len(free) > 0 {
		offset := free[len(free)-1]
		k.free[class] = free[:len(free)-1]
		for block := k.memory[offset : offset+n]; len(block) > 0; c.stopIfInterrupted() {
			part := min(len(block), 1<<20)
			clear(block[:part])
			c.work += part
			block = block[part:]
		}
		k.blocks[offset] = n
		return offset, nil
	}
	offset := max(k.end, kernelStart)
	end := offset + 1<<class
	if n > limit || end > limit {
		return 0, outOfMemory("the plugin's blocks have %d bytes, and %d more would be beyond its memory limit of %s", offset, n, mebibytes(limit))
	}
	if end > uint64(len(k.memory)) {
		if fault := c.growKernel((end + extismPage - 1) / extismPage * extismPage); fault != nil {
			return 0, fault
		}
	}
	k.end = end
	k.blocks[offset] = n
	return offset, nil
}

func outOfMemory(format string, args ...any) *guestFault {
	return &guestFault{message: fmt.Sprintf(format, args...), memory: true}
}

// store makes a block of data.
func (c *extism) store(data []byte) uint64 {
	offset := c.alloc(uint64(len(data)))
	copy(c.kernel.memory[offset:], data)
	return offset
}

func extismLog(level slog.Level) extismFunc {
	return func(c *extism, k *kernel, p []uint64) uint64 {
		text := cut(k.block("log", p[0]))
		c.log(level, text, nil, len(text))
		k.release(p[0])
		return 0
	}
}

// setError is error_set. Whatever the plugin does next, it has failed; should it trap, as
// an exception does in languages whose runtimes do not write to standard error, then the
// error is the reason.
func (c *extism) setError(k *kernel, p []uint64) uint64 {
	k.err = p[0]
	if n := k.blocks[p[0]]; n > 0 {
		c.stderr, c.stdoutEnd = tail{}, tail{}
		c.stderr.write(bytes.ReplaceAll(k.at("error_set", p[0], min(n, tailSize)), []byte{'\n'}, []byte{' '}))
	}
	return 0
}

// The name and the value of a variable belong to the host once they were handed over, as
// do a request and its body: kits do not give them back, or do so once more. The names of
// config_get are the plugin's.
func (c *extism) setVar(k *kernel, p []uint64) uint64 {
	defer func() { k.release(p[0]); k.release(p[1]) }()
	name := k.name("var_set", p[0])
	if before, ok := k.vars[name]; ok {
		k.size -= len(name) + len(before)
		c.letGo(image.Variables, len(name)+len(before)+variableCost)
		delete(k.vars, name)
	}
	if p[1] == 0 {
		return 0
	}
	value := k.block("var_set", p[1])
	if k.size += len(name) + len(value); k.size > maxVars {
		panic(&guestFault{message: fmt.Sprintf("var_set: the plugin's variables would have %d bytes, and at most %d are allowed", k.size, maxVars)})
	}
	if !c.memory.Hold(image.Variables, uint64(len(name)+len(value)+variableCost)) {
		panic(outOfMemory("var_set: it was refused %s", c.module.refusal(c.memory.GrowFailure())))
	}
	if k.vars == nil {
		k.vars = map[string][]byte{}
	}
	k.vars[name] = bytes.Clone(value)
	return 0
}

// ask calls a passthrough module on behalf of the plugin. That it was granted has been
// checked when the module was loaded.
func (c *call) ask(module, function string, request []byte) ([]byte, error) {
	for _, granted := range c.module.grants {
		if fn := granted.Functions[function]; granted.Name == module && fn != nil {
			return c.passthrough(granted, function, request)
		}
	}
	return nil, fmt.Errorf("%w: %s was not granted", abi.EACCES, module)
}

func (c *extism) config(k *kernel, p []uint64) uint64 {
	value, err := c.ask("config", "get", []byte(k.name("config_get", p[0])))
	if err != nil {
		return 0 // as Extism does: there is no such name
	}
	return c.store(value)
}

// http is http_request: a JSON object and a body, both blocks. The response's status and
// headers are there for the functions beside it. As with Extism, a request that fails
// ends the plugin.
func (c *extism) http(k *kernel, p []uint64) uint64 {
	k.status, k.headers = 0, nil
	fault := func(format string, args ...any) {
		panic(&guestFault{message: "http_request: " + fmt.Sprintf(format, args...)})
	}
	var request struct {
		URL     string            `json:"url"`
		Method  string            `json:"method"`
		Headers map[string]string `json:"headers"`
	}
	text, body := k.block("http_request", p[0]), k.block("http_request", p[1])
	if len(text) > abi.MaxHTTPHead {
		fault("the request has %d bytes without its body, and at most %d are allowed", len(text), abi.MaxHTTPHead)
	}
	if len(body) > abi.MaxRequestSize {
		fault("the request's body has %d bytes, and at most %d are allowed", len(body), abi.MaxRequestSize)
	}
	if err := json.Unmarshal(text, &request); err != nil {
		fault("the request is not what it should be: %v", err)
	}
	head := struct {
		Method  string              `json:"method"`
		URL     string              `json:"url"`
		Headers map[string][]string `json:"headers"`
	}{strings.ToUpper(request.Method), request.URL, map[string][]string{}}
	if head.Method == "" {
		head.Method = "GET"
	}
	for name, value := range request.Headers {
		head.Headers[name] = []string{value}
	}
	framed, err := passthrough.EncodeFrame(head, body)
	if err != nil {
		fault("%v", err)
	}
	if len(framed) > abi.MaxRequestSize {
		fault("the request has %d bytes, and at most %d are allowed", len(framed), abi.MaxRequestSize)
	}
	if err := c.hold(image.Requests, len(framed)); err != nil {
		panic(outOfMemory("http_request: %v", err))
	}
	response, err := c.ask("http", "send", framed)
	c.letGo(image.Requests, len(framed))
	if err != nil {
		fault("%v", err)
	}
	if err := c.hold(image.Responses, len(response)); err != nil {
		panic(outOfMemory("http_request: %v", err))
	}
	defer c.letGo(image.Responses, len(response))
	var got struct {
		Status  int32               `json:"status"`
		Headers map[string][]string `json:"headers"`
	}
	responseHead, body, err := passthrough.SplitFrame(response)
	if err != nil || json.Unmarshal(responseHead, &got) != nil {
		fault("the host's response is malformed")
	}
	headers := map[string]string{}
	for name, values := range got.Headers {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	k.status = got.Status
	if k.headers, err = json.Marshal(headers); err != nil {
		fault("%v", err)
	}
	// Only then are they given back: go-pdk does it again, which must not be the block of
	// the response.
	defer func() { k.release(p[0]); k.release(p[1]) }()
	return c.store(body)
}

// enter puts the input where the plugin finds it.
func (c *extism) enter() (export string, err error) {
	input, err := c.oneInput(c.task.Args, 0)
	if err != nil {
		return "", err
	}
	if limit := c.module.options.MemoryLimit; uint64(len(input)) > limit/2 {
		return "", &abi.Failure{
			Type:         abi.TypeInvalidInput,
			Message:      fmt.Sprintf("the input of %d bytes is more than half the memory limit of %s of module %s", len(input), mebibytes(limit), c.module.file.Name),
			NonRetryable: true,
		}
	}
	offset, fault := c.allocate(uint64(len(input)))
	if fault != nil {
		return "", c.abnormalEnd(fault, image.NoGrowFailure)
	}
	copy(c.kernel.memory[offset:], input)
	c.kernel.input = [2]uint64{offset, uint64(len(input))}
	return cmp.Or(c.module.file.Entry, c.activity.Export), nil
}

// growKernel makes the kernel's memory larger.
func (c *extism) growKernel(size uint64) *guestFault {
	k := c.kernel
	more := size - uint64(len(k.memory))
	if !c.memory.Hold(image.Plugin, more) {
		return outOfMemory("it asked for %s, but was refused %s", mebibytes(size), c.module.refusal(c.memory.GrowFailure()))
	}
	if size <= smallKernel {
		k.memory = append(k.memory, make([]byte, more)...)
		return nil
	}
	mapped := k.mapped
	if mapped == nil {
		var err error
		limit := (c.module.options.MemoryLimit + extismPage) / extismPage * extismPage
		if mapped, err = image.NewMemory(image.Config{Limit: limit}); err != nil {
			c.letGo(image.Plugin, int(more))
			return outOfMemory("it asked for more: %v", err)
		}
	}
	memory := mapped.Reallocate(size)
	if memory == nil {
		c.letGo(image.Plugin, int(more))
		refusal := mapped.TakeGrowFailure()
		if k.mapped == nil {
			mapped.Close()
		}
		return outOfMemory("it asked for %s, but was refused %s", mebibytes(size), c.module.refusal(refusal))
	}
	if k.mapped == nil {
		copy(memory, k.memory)
	}
	k.mapped, k.memory = mapped, memory
	return nil
}

// release gives back what the kernel has of memory.
func (c *extism) release() {
	if k := c.kernel; k != nil {
		c.letGo(image.Plugin, len(k.memory))
		if k.mapped != nil {
			k.mapped.Close()
		}
	}
	c.kernel = nil
}

// end says what a plugin's status means: 0 is success, unless the plugin has set an
// error. So is to exit with 0, as Extism's hosts have it.
func (c *extism) end(status int32, err error, refused image.GrowFailure) (*Payload, error) {
	if exit, ok := errors.AsType[*sys.ExitError](err); ok && exit.ExitCode() == 0 {
		status, err = 0, nil
	}
	if err != nil {
		return nil, c.abnormalEnd(err, refused)
	}
	k := c.kernel
	message := ""
	if k.blocks[k.err] > 0 {
		message = cut(k.block("error_set", k.err))
	}
	if status != 0 && message == "" {
		message = fmt.Sprintf("activity %s failed with status %d and did not say why", c.activity.Type, status)
	}
	if message != "" {
		return nil, &abi.Failure{Type: abi.TypeActivityFailed, Message: message}
	}
	if err := c.write(k.at("output_set", k.output[0], k.output[1])); err != nil {
		return nil, c.outputRefused()
	}
	return c.guessedOutput()
}
