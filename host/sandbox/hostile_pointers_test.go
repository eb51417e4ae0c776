package sandbox_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/visible"
)

// The victims of the tests of pointers and handles get what has a known size.
var (
	scriptInfo     = abi.Info{ActivityID: "5", ActivityType: "victim.Script", Attempt: 3}
	scriptDetail   = sandbox.NewPayload("acme/detail", []byte("twelve bytes"))
	scriptResponse = []byte("sixteen bytes it") // of greeter hello
	scriptMistake  = "there is no handle 99"    // what last_error says after closing that
)

// pointer is a parameter that is a pointer, and how many bytes the function uses from
// there on, by the parameters of the call; 0 means that it does not look at the pointer.
type pointer struct {
	ptr   int // its index
	len   int // the index of the length, or -1
	bytes func(length uint64) uint64
	size  int // of the value, if it is always the same
}

// contractFunction is what abi.json says of a function, see generated_test.go.
type contractFunction struct {
	signature string
	pointers  []contractPointer
}

// contractPointer is a parameter that is a pointer.
type contractPointer struct {
	ptr, len int // the indexes of it and of its length; -1 if there is none
	uses     use
	size     int // of the value or of an element of the array; 0 if that depends
}

// use is how many bytes a function uses behind a pointer.
type use int

const (
	usesAll    use = iota // as many as the length says
	usesValue             // those of a value, if there is room for the whole of it
	usesPieces            // those of a value for which there is room
	usesFixed             // always the same number
	usesArray             // those of as many elements as the length says
)

// pointer makes one of what the contract says, and of the size that the value has here.
func (c contractPointer) pointer(size int) pointer {
	p := pointer{ptr: c.ptr, len: c.len, size: size}
	switch c.uses {
	case usesAll:
		p.bytes, p.size = func(n uint64) uint64 { return n }, 0
	case usesValue:
		p.bytes = func(n uint64) uint64 {
			if n < uint64(size) {
				return 0
			}
			return uint64(size)
		}
	case usesPieces:
		p.bytes = func(n uint64) uint64 { return min(n, uint64(size)) }
	case usesFixed:
		p.bytes = func(uint64) uint64 { return uint64(size) }
	case usesArray:
		// wazero multiplies 32 bits, so a number that overflows them is a small one,
		// which does no harm.
		p.bytes, p.size = func(n uint64) uint64 { return uint64(uint32(n) * uint32(size)) }, 0
	}
	return p
}

// hostFunctionCase says how to call a function so that it succeeds.
type hostFunctionCase struct {
	before []hostFunctionCall // what must come first
	params []uint64
	sizes  []int // of the values behind its pointers, where the contract does not say
	// pointers are made of the contract, unless the function is none of it.
	pointers []pointer
}

type hostFunctionCall struct {
	name   string
	params []uint64
}

// room is where there is memory that a call may use: zeroes, and behind the script.
const room = scriptRoom + 4096

// hostFunctionCases has every function that guests may import. Reading and writing
// functions behave as the section "Rules that all host functions share" of abi/SPEC.md
// says.
func hostFunctionCases() map[string]hostFunctionCase {
	info, err := json.Marshal(scriptInfo)
	if err != nil {
		panic(err)
	}
	argument := sandbox.NewPayload(abi.EncodingBinary, nil)
	metadata := len(abi.MarshalMetadata(argument.Metadata))
	activity, wasi := abi.ModuleActivity+" ", abi.ModuleWASI+" "
	hello := hostFunctionCall{"wasmworker:greeter/v1 hello", []uint64{room, 1}}
	cases := map[string]hostFunctionCase{
		activity + "arg_count":        {},
		activity + "arg_read":         {params: []uint64{0, room, 80}, sizes: []int{recordSize}},
		activity + "arg_encoding":     {params: []uint64{0, room, 80}, sizes: []int{len(abi.EncodingBinary)}},
		activity + "arg_metadata":     {params: []uint64{0, room, 80}, sizes: []int{metadata}},
		activity + "output_write":     {params: []uint64{room, 8}},
		activity + "output_encoding":  {params: []uint64{room, 8}},
		activity + "output_metadata":  {params: []uint64{room, 8}},
		activity + "fail":             {params: []uint64{room, 8}},
		activity + "info":             {params: []uint64{room, 1000}, sizes: []int{len(info)}},
		activity + "status":           {},
		activity + "heartbeat_detail": {params: []uint64{room, 8, room, 8}},
		activity + "heartbeat":        {},
		activity + "detail_count":     {},
		activity + "detail_read":      {params: []uint64{0, room, 80}, sizes: []int{len(scriptDetail.Data)}},
		activity + "detail_encoding":  {params: []uint64{0, room, 80}, sizes: []int{len(scriptDetail.Encoding())}},
		activity + "read": {
			before: []hostFunctionCall{hello}, params: []uint64{1, 0, room, 16},
			sizes: []int{len(scriptResponse)},
		},
		activity + "close": {before: []hostFunctionCall{hello}, params: []uint64{1}},
		activity + "last_error": {
			before: []hostFunctionCall{{activity + "close", []uint64{99}}}, params: []uint64{room, 80},
			sizes: []int{len(scriptMistake)},
		},
		abi.ModuleLog + " write": {params: []uint64{0, room, 8, 0, 0}},
		hello.name: {params: []uint64{room, 8}, pointers: []pointer{{0, 1, func(n uint64) uint64 {
			if n > abi.MaxRequestSize {
				return 0 // EMSGSIZE
			}
			return n
		}, abi.MaxRequestSize}}},

		wasi + "args_get":                {params: []uint64{room, room}, sizes: []int{4, len("victim") + 1}},
		wasi + "args_sizes_get":          {params: []uint64{room, room}},
		wasi + "environ_get":             {params: []uint64{room, room}},
		wasi + "environ_sizes_get":       {params: []uint64{room, room}},
		wasi + "clock_res_get":           {params: []uint64{0, room}},
		wasi + "clock_time_get":          {params: []uint64{0, 1, room}},
		wasi + "fd_advise":               {params: []uint64{0, 0, 0, 0}},
		wasi + "fd_allocate":             {params: []uint64{1, 1 << 63, 1 << 62}},
		wasi + "fd_close":                {params: []uint64{1}},
		wasi + "fd_datasync":             {params: []uint64{1}},
		wasi + "fd_fdstat_get":           {params: []uint64{0, room}},
		wasi + "fd_fdstat_set_flags":     {params: []uint64{1, 1}},
		wasi + "fd_fdstat_set_rights":    {params: []uint64{1, 0, 0}},
		wasi + "fd_filestat_get":         {params: []uint64{0, room}},
		wasi + "fd_filestat_set_size":    {params: []uint64{1, 1 << 62}},
		wasi + "fd_filestat_set_times":   {params: []uint64{1, 1, 1, 15}},
		wasi + "fd_pread":                {params: []uint64{0, room, 1, 0, room + 64}},
		wasi + "fd_prestat_get":          {params: []uint64{0, room}},
		wasi + "fd_prestat_dir_name":     {params: []uint64{0, room, 0}},
		wasi + "fd_pwrite":               {params: []uint64{1, room, 1, 0, room + 64}},
		wasi + "fd_read":                 {params: []uint64{0, room, 1, room + 64}},
		wasi + "fd_readdir":              {params: []uint64{0, room, 64, 0, room + 64}},
		wasi + "fd_renumber":             {params: []uint64{1, 2}},
		wasi + "fd_seek":                 {params: []uint64{0, 1 << 63, 1, room}},
		wasi + "fd_sync":                 {params: []uint64{1}},
		wasi + "fd_tell":                 {params: []uint64{0, room}},
		wasi + "fd_write":                {params: []uint64{1, room, 1, room + 64}},
		wasi + "path_create_directory":   {params: []uint64{0, room, 1}},
		wasi + "path_filestat_get":       {params: []uint64{0, 0, room, 1, room + 64}},
		wasi + "path_filestat_set_times": {params: []uint64{0, 0, room, 1, 0, 0, 0}},
		wasi + "path_link":               {params: []uint64{0, 0, room, 1, 0, room, 1}},
		wasi + "path_open":               {params: []uint64{0, 0, room, 1, 0, 0, 0, 0, room + 64}},
		wasi + "path_readlink":           {params: []uint64{0, room, 1, room, 1, room + 64}},
		wasi + "path_remove_directory":   {params: []uint64{0, room, 1}},
		wasi + "path_rename":             {params: []uint64{0, room, 1, 0, room, 1}},
		wasi + "path_symlink":            {params: []uint64{room, 1, 0, room, 1}},
		wasi + "path_unlink_file":        {params: []uint64{0, room, 1}},
		wasi + "poll_oneoff":             {params: []uint64{room, room + 64, 1, room + 128}},
		wasi + "proc_exit":               {params: []uint64{1<<32 - 1}},
		wasi + "proc_raise":              {params: []uint64{9}},
		wasi + "random_get":              {params: []uint64{room, 8}},
		wasi + "sched_yield":             {},
		wasi + "sock_accept":             {params: []uint64{0, 0, room}},
		wasi + "sock_recv":               {params: []uint64{0, room, 1, 1, room, room}},
		wasi + "sock_send":               {params: []uint64{1, room, 1, 0, room}},
		wasi + "sock_shutdown":           {params: []uint64{0, 3}},
	}
	for name, c := range cases {
		for i, p := range contractFunctions[name].pointers {
			size := p.size
			if i < len(c.sizes) {
				size = c.sizes[i]
			} else if p.uses == usesValue || p.uses == usesPieces {
				panic("the case of " + name + " does not say how large the value is")
			}
			c.pointers = append(c.pointers, p.pointer(size))
		}
		cases[name] = c
	}
	return cases
}

// scripted is a sandbox with a module that can call every host function there is.
type scripted struct {
	*sandbox.Sandbox
	functions []hostFunction
	index     map[string]int
}

// scriptedGreeter is the passthrough module that the victims were granted.
func scriptedGreeter(t *testing.T) passthrough.Set {
	return greeter(t, func(context.Context, *passthrough.Call, []byte) ([]byte, error) {
		return slices.Clone(scriptResponse), nil
	})
}

// allHostFunctions returns what the linker links for a native module, sorted.
func allHostFunctions(t *testing.T, set passthrough.Set) []hostFunction {
	modules := []string{abi.ModuleActivity, abi.ModuleLog, abi.ModuleWASI}
	for _, m := range set.Modules() {
		modules = append(modules, m.ImportName())
	}
	return linkedTo(t, set, modules...)
}

func linkedTo(t *testing.T, set passthrough.Set, modules ...string) []hostFunction {
	var functions []hostFunction
	for module, linked := range sandbox.LinkedFunctions(t, set) {
		if !slices.Contains(modules, module) {
			continue
		}
		for name, f := range linked {
			functions = append(functions, hostFunction{module, name, f.ParamTypes(), f.ResultTypes()})
		}
	}
	slices.SortFunc(functions, func(a, b hostFunction) int { return strings.Compare(a.String(), b.String()) })
	return functions
}

// startScripted makes a sandbox of victim, with the policy, and before and after, of
// isolation reuse.
func startScripted(t *testing.T, policy sandbox.Isolation, set passthrough.Set) *scripted {
	t.Helper()
	s := &scripted{functions: allHostFunctions(t, set), index: map[string]int{}}
	for i, f := range s.functions {
		s.index[f.String()] = i
	}
	binary := scriptModule(modules.KindNative, s.functions)
	cfg := sandbox.Config{
		Passthrough: set,
		Defaults:    sandbox.Options{Isolation: policy, Passthrough: []string{"greeter"}},
		PerModule:   map[string]sandbox.Options{"victim": {Prefix: "victim."}},
	}
	for _, name := range []string{"before", "victim", "after"} {
		cfg.Modules = append(cfg.Modules, parsed(t, name, binary))
		if name != "victim" {
			cfg.PerModule[name] = sandbox.Options{Prefix: name + ".", Isolation: sandbox.IsolationReuse}
		}
	}
	s.Sandbox = start(t, cfg)
	return s
}

func (s *scripted) call(name string, params ...uint64) hostCall {
	i, ok := s.index[name]
	if !ok {
		panic("there is no function " + name)
	}
	return hostCall{i, params}
}

// do runs a script, and returns the results of its calls.
func (s *scripted) do(t *testing.T, calls ...hostCall) ([]int64, error) {
	t.Helper()
	p, err := s.Run(t.Context(), sandbox.Task{
		Activity: "victim.Script", Args: []sandbox.Payload{sandbox.NewPayload(abi.EncodingBinary, script(calls...))},
		Info: scriptInfo, Details: []sandbox.Payload{scriptDetail},
	})
	if err != nil {
		return nil, err
	}
	results := make([]int64, len(calls))
	data := p.Data[len(p.Data)-recordSize*len(calls):] // behind what the calls wrote themselves
	for i := range calls {
		results[i] = int64(binary.LittleEndian.Uint64(data[recordSize*i:]))
	}
	return results, nil
}

// mustDo runs a script that succeeds.
func (s *scripted) mustDo(t *testing.T, calls ...hostCall) []int64 {
	t.Helper()
	results, err := s.do(t, calls...)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// signature renders the function's type as abi.json has it.
func (f hostFunction) signature() string {
	names := func(types []api.ValueType) string {
		list := make([]string, len(types))
		for i, t := range types {
			list[i] = api.ValueTypeName(t)
		}
		return strings.Join(list, ", ")
	}
	out := names(f.results)
	if out == "" {
		out = "()"
	}
	return "(" + names(f.params) + ") -> " + out
}

// Every host function there is has a case: one that is added to the linker, be it ours or
// of a newer wazero, fails here until it has one.
func TestHostilePointersCoverEveryFunction(t *testing.T) {
	cases := hostFunctionCases()
	for _, f := range allHostFunctions(t, scriptedGreeter(t)) {
		c, ok := cases[f.String()]
		if !ok {
			t.Errorf("%s is linked, and has no case", f)
			continue
		}
		if known, ok := contractFunctions[f.String()]; ok && f.signature() != known.signature {
			t.Errorf("%s is linked with the type %s, and abi.json has %s", f, f.signature(), known.signature)
		}
		if len(c.params) != len(f.params) {
			t.Errorf("the case of %s has %d parameters, the function has %d", f, len(c.params), len(f.params))
		}
		delete(cases, f.String())
	}
	for name := range cases {
		t.Errorf("the case %s is of no function", name)
	}
	for name := range contractFunctions {
		if strings.HasPrefix(name, abi.ModuleWorkflow) {
			continue // see TestWorkflowPointers
		}
		if _, ok := hostFunctionCases()[name]; !ok {
			t.Errorf("guests may import %s, which has no case", name)
		}
	}
}

// Bad pointers and lengths, at both ends of the memory and beyond 32 bits, into every
// host function: ours trap the guest, WASI's answer an error, nothing else is harmed.
func TestHostilePointers(t *testing.T) {
	for _, policy := range []sandbox.Isolation{sandbox.IsolationFresh, sandbox.IsolationPristine, sandbox.IsolationReuse} {
		t.Run(string(policy), func(t *testing.T) {
			s := startScripted(t, policy, scriptedGreeter(t))
			run(t, s.Sandbox, "before.Fill")
			s.mustDo(t, s.call(abi.ModuleActivity+" arg_count"))
			run(t, s.Sandbox, "after.Fill")
			cases := hostFunctionCases()
			for _, f := range s.functions {
				s.badPointers(t, f, cases[f.String()])
				run(t, s.Sandbox, "before.Check")
				run(t, s.Sandbox, "after.Check")
			}
			equal(t, "instances in use", stats(s.Sandbox).InUse, 0)
		})
	}
}

func (s *scripted) badPointers(t *testing.T, f hostFunction, c hostFunctionCase) {
	var before []hostCall
	for _, b := range c.before {
		before = append(before, s.call(b.name, b.params...))
	}
	try := func(params []uint64, trap, mistake bool) {
		call := s.call(f.String(), params...)
		results, err := s.do(t, append(slices.Clone(before), call)...)
		what := fmt.Sprintf("%s%#x", f, params)
		if err != nil {
			failed, ok := errors.AsType[*abi.Failure](err)
			switch {
			case !ok:
				t.Errorf("%s: %v", what, err)
			case f.name == "proc_exit":
				equal(t, what, failed.Type, abi.TypeExitCode)
			case !trap || failed.Type != abi.TypeWasmTrap:
				t.Errorf("%s: %s: %.300s", what, failed.Type, failed.Message)
			}
			if ok {
				checkFailure(t, what, failed)
			}
			// The next activity has all that it needs.
			next := s.mustDo(t, s.call(abi.ModuleActivity+" arg_count"))
			equal(t, "the next activity", next, []int64{1})
			return
		}
		result := results[len(results)-1]
		switch {
		case trap:
			t.Errorf("%s returned %d, and should have trapped", what, result)
		case f.module == abi.ModuleWASI && (result < 0 || result > 76 || mistake && result == 0):
			t.Errorf("%s returned %d, which is not the number of an error", what, result)
		case f.module != abi.ModuleWASI && result < -76:
			t.Errorf("%s returned %d", what, result)
		}
	}
	try(c.params, false, false)
	for _, p := range c.pointers {
		const size = scriptMemory
		for _, ptr := range []uint64{1<<32 - 1, 1<<32 - 8, 1 << 31, size + 1, size, size - 1, size - 8, uint64(size - p.size), uint64(size + 1 - p.size), 0} {
			if ptr > 1<<32-1 {
				continue // the value is larger than the memory
			}
			lengths := []uint64{
				uint64(p.size), uint64(max(p.size-1, 0)), uint64(p.size + 1),
				1<<32 - 1, 1<<32 - 8, 1 << 31, 1<<31 - 1, size + 1, size, 9, 8, 1, 0,
				uint64(uint32(-ptr)), uint64(uint32(16 - ptr)), // the end is 0, or 16, in 32 bits
				1 << 29, 1<<29 + 1, // times 8 is 0, or 8, in 32 bits
				0x5555556, 0x10000000, // times 48 is 32, or 0
			}
			if p.len < 0 {
				lengths = lengths[:1]
			}
			for _, length := range lengths {
				params := slices.Clone(c.params)
				params[p.ptr] = ptr
				if p.len >= 0 {
					params[p.len] = length
				}
				used := p.bytes(length)
				outside := used > 0 && ptr+used > size
				try(params, outside && f.module != abi.ModuleWASI, outside)
			}
		}
	}
}

// checkFailure checks that a failure tells a person what is wrong, and nothing of the
// host.
func checkFailure(t *testing.T, what string, f *abi.Failure) {
	t.Helper()
	details := bytes.Join(rawMessages(f.Details), nil)
	for _, text := range []string{f.Message, string(details)} {
		if strings.Contains(text, ".go:") || strings.Contains(text, "goroutine") || strings.Contains(text, "runtime error") {
			t.Errorf("%s: tells of the host: %.600s", what, text)
		}
	}
	checkText(t, what, f.Message)
	if len(details) > 8<<10 {
		t.Errorf("%s: %d bytes of details", what, len(details))
	}
}

// checkText checks that a message is short and disturbs no terminal.
func checkText(t *testing.T, what, text string) {
	t.Helper()
	if len(text) > 2<<10 {
		t.Errorf("%s: a message of %d bytes: %.300q", what, len(text), text)
	}
	if strings.ContainsFunc(text, unprintable) {
		t.Errorf("%s: a control character in %.300q", what, text)
	}
}

// unprintable tells whether a character is none that a message should have. Lists have
// line breaks.
func unprintable(r rune) bool { return visible.Hidden(r) && r != '\n' }

// Extism's functions are about a memory of the host's, which ends with the call. Whatever
// a plugin says of that, the outcome is one of a plugin.
func TestHostilePointersOfExtism(t *testing.T) {
	answer := func(_ context.Context, _ *passthrough.Call, request []byte) ([]byte, error) { return request, nil }
	set, err := passthrough.NewSet(
		passthrough.Module{Name: "config", Functions: map[string]passthrough.Func{"get": answer}},
		passthrough.Module{Name: "http", Functions: map[string]passthrough.Func{"send": answer}})
	if err != nil {
		t.Fatal(err)
	}
	functions := linkedTo(t, set, abi.ModuleExtism)
	if len(functions) < len(passthrough.Builtin(abi.ModuleExtism)) {
		t.Fatalf("%d functions are linked, guests may import %d", len(functions), len(passthrough.Builtin(abi.ModuleExtism)))
	}
	index := func(name string) int {
		return slices.IndexFunc(functions, func(f hostFunction) bool { return f.name == name })
	}
	binary := scriptModule(modules.KindExtism, functions)
	values := []uint64{0, 1, 8, 16, 17, 95, 96, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<32 + 16, 1 << 63, 1<<64 - 16, 1<<64 - 8, 1<<64 - 1}
	for _, policy := range []sandbox.Isolation{sandbox.IsolationFresh, sandbox.IsolationPristine, sandbox.IsolationReuse} {
		s := start(t, sandbox.Config{
			Passthrough: set, Modules: []*modules.File{parsed(t, "plugin", binary), parsed(t, "other", binary)},
			Defaults:  sandbox.Options{Isolation: policy, Passthrough: []string{"config", "http"}, MemoryLimit: 1 << 20},
			PerModule: map[string]sandbox.Options{"other": {Prefix: "other.", Isolation: sandbox.IsolationReuse}},
		})
		run(t, s, "other.Fill")
		for i, f := range functions {
			for _, a := range values {
				for _, b := range values {
					if len(f.params) < 2 && b != 0 || len(f.params) < 1 && a != 0 {
						continue
					}
					calls := script(hostCall{index("alloc"), []uint64{24}}, hostCall{index("free"), []uint64{16}},
						hostCall{i, []uint64{a, b}}, hostCall{i, []uint64{b, a}}, hostCall{index("alloc"), []uint64{8}})
					what := fmt.Sprintf("%s(%#x, %#x)", f, a, b)
					_, err := s.Run(t.Context(), sandbox.Task{Activity: "Script", Args: []sandbox.Payload{raw(string(calls))}})
					if err == nil {
						continue
					}
					failed, ok := errors.AsType[*abi.Failure](err)
					if !ok || !slices.Contains([]string{abi.TypeWasmTrap, abi.TypeOutOfMemory}, failed.Type) {
						t.Errorf("%s: %v", what, err)
						continue
					}
					checkFailure(t, what, failed)
				}
			}
			run(t, s, "other.Check")
		}
		run(t, s, "Fill")
	}
}
