package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

// contract is the content of abi.json. Generated files have its order.
type contract struct {
	Version          int           `json:"version"`
	Modules          []module      `json:"modules"`
	Exports          []export      `json:"exports"`
	Statuses         []status      `json:"statuses"`
	Flags            []flag        `json:"flags"`
	LogLevels        []logLevel    `json:"log_levels"`
	MetadataEncoding string        `json:"metadata_encoding"`
	Encodings        []encoding    `json:"encodings"`
	Errnos           []errno       `json:"errnos"`
	Limits           []limit       `json:"limits"`
	CategoryBenign   string        `json:"category_benign"`
	FailureTypes     []failureType `json:"failure_types"`
	Records          []record      `json:"records"`
}

// module is a host module that a guest imports functions of.
type module struct {
	Name   string `json:"name"`
	Import string `json:"import"`
	// Grant says whether the operator must grant the module: never, module, or function.
	// With function, only those functions need a grant that a passthrough module answers.
	Grant string `json:"grant"`
	// ProvidedBy is the library that provides the functions, if the host does not.
	ProvidedBy string     `json:"provided_by,omitempty"`
	Functions  []function `json:"functions"`
}

// passthrough reports whether all functions of the module have the type of passthrough
// functions.
func (m module) passthrough() bool { return m.Grant == "module" }

// function is a function of a host module. A function of a passthrough module has a
// request and a response in place of parameters.
type function struct {
	Name       string  `json:"name"`
	Group      string  `json:"group,omitempty"` // the table of SPEC.md that it is in
	Params     []param `json:"params,omitempty"`
	Result     *result `json:"result,omitempty"`
	AnsweredBy string  `json:"answered_by,omitempty"` // a passthrough module and its function
	Request    *side   `json:"request,omitempty"`
	Response   *side   `json:"response,omitempty"`
	Doc        string  `json:"doc,omitempty"`
}

type param struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Size is the size in bytes of the value written to an out, or of an element of an
	// array.
	Size int `json:"size,omitempty"`
}

type result struct {
	Type string `json:"type"`
	Kind string `json:"kind"`
}

// side is a request or a response: text, or a frame with a head and perhaps a body.
type side struct {
	Head string `json:"head,omitempty"` // the name of a record
	Body string `json:"body,omitempty"` // a description of the body
	Text string `json:"text,omitempty"` // the text of SPEC.md in place of the head
	Note string `json:"note,omitempty"` // the text of SPEC.md after the head
}

type export struct{ Name, Export, Doc string }

type status struct {
	Name   string
	Number int
	Doc    string
}

type flag struct {
	Name   string
	Bit    int
	Ends   bool // a guest that goes on after it is interrupted
	Doc    string
	Advice string
}

type logLevel struct {
	Name   string
	Number int
}

type encoding struct{ Name, Value, Doc string }

type errno struct {
	Name   string
	Number int
	Doc    string
}

type limit struct {
	Name         string
	Value        uint64
	Unit         string // bytes, or empty for a count
	Configurable bool
	Doc          string
	Note         string // text after the value
	Beyond       string
}

type failureType struct {
	Name      string
	Retryable bool
	By        string // sdk if an SDK reports it and the host does not
	Doc       string
	Advice    string
}

// record is a JSON object that host and guest exchange.
type record struct {
	Name   string  `json:"name"`
	Doc    string  `json:"doc"`
	Fields []field `json:"fields"`
}

// field is a field of a record. A field that is not required may be absent, which means
// its zero value.
type field struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Required bool   `json:"required,omitempty"`
	Example  string `json:"example,omitempty"` // in the form of SPEC.md; … stands for any value
}

// wasmTypes has the type of a parameter of each kind. The values of abi.json mean this:
//
//	index, handle, offset, level, u32, u8   a number
//	u64                                     a number of 64 bits
//	in                                      a pointer to bytes that the host reads
//	out                                     a pointer to where the host writes
//	array                                   a pointer to elements that the host reads or writes
//	length                                  how many bytes the in or out before it has
//	capacity                                the same, of which a value is written if it fits
//	count                                   how many elements the array before it has
var wasmTypes = map[string]string{
	"index": "i32", "handle": "i32", "offset": "i32", "level": "i32", "u32": "i32", "u8": "i32", "u64": "i64",
	"in": "i32", "out": "i32", "array": "i32", "length": "i32", "capacity": "i32", "count": "i32",
}

// pointer reports whether a parameter is a pointer.
func (p param) pointer() bool { return p.Kind == "in" || p.Kind == "out" || p.Kind == "array" }

// passthroughType has the type of each function of a passthrough module.
var passthroughType = function{
	Params: []param{{Name: "req_ptr", Kind: "in"}, {Name: "req_len", Kind: "length"}},
	Result: &result{Type: "i64", Kind: "response"},
}

// signature returns the type of a function in the form of package wasm.
func (f function) signature() string {
	if f.Request != nil {
		return passthroughType.signature()
	}
	types := make([]string, len(f.Params))
	for i, p := range f.Params {
		types[i] = wasmTypes[p.Kind]
	}
	out := "()"
	if f.Result != nil {
		out = f.Result.Type
	}
	return "(" + strings.Join(types, ", ") + ") -> " + out
}

func (c *contract) module(name string) module {
	i := slices.IndexFunc(c.Modules, func(m module) bool { return m.Name == name })
	if i < 0 {
		panic("abi.json: no module " + name)
	}
	return c.Modules[i]
}

// activityModules returns the modules that activities import: all but that of workflows, for
// languages whose SDK has none.
func (c *contract) activityModules() []module {
	return slices.DeleteFunc(slices.Clone(c.Modules), func(m module) bool { return m.Name == "workflow" })
}

func (c *contract) record(name string) *record {
	for i := range c.Records {
		if c.Records[i].Name == name {
			return &c.Records[i]
		}
	}
	return nil
}

// load reads and checks abi.json.
func load(path string) (*contract, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parse(data)
}

func parse(data []byte) (*contract, error) {
	c := &contract{}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(c); err != nil {
		return nil, fmt.Errorf("abi.json: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("abi.json: something follows the object")
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("abi.json: %w", err)
	}
	return c, nil
}

// check reports mistakes that would make generated code wrong, or keep it from compiling.
func (c *contract) check() error {
	var errs []error
	problem := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	seen := map[string]bool{}
	once := func(what string, key any) {
		name := fmt.Sprintf("%s %v", what, key)
		if seen[name] {
			problem("%s is there twice", name)
		}
		seen[name] = true
	}
	for _, m := range c.Modules {
		once("module", m.Import)
		if !slices.Contains([]string{"never", "module", "function"}, m.Grant) {
			problem("module %s: grant %q", m.Name, m.Grant)
		}
		for _, f := range m.Functions {
			once("function "+m.Import, f.Name)
			c.checkFunction(m, f, problem)
		}
	}
	for _, s := range c.Statuses {
		once("status", s.Name)
		once("status number", s.Number)
	}
	for _, f := range c.Flags {
		once("flag", f.Name)
		once("bit", f.Bit)
		if f.Bit <= 0 || f.Bit&(f.Bit-1) != 0 {
			problem("flag %s: %d is not one bit", f.Name, f.Bit)
		}
	}
	for _, e := range c.Errnos {
		once("errno", e.Name)
		once("errno number", e.Number)
		if e.Number < 1 || e.Number > 76 { // of WASI preview 1
			problem("errno %s: %d is no number of WASI preview 1", e.Name, e.Number)
		}
	}
	for _, l := range c.Limits {
		once("limit", l.Name)
	}
	for _, f := range c.FailureTypes {
		once("failure type", f.Name)
	}
	for _, r := range c.Records {
		once("record", r.Name)
		for _, f := range r.Fields {
			once("field "+r.Name, f.Name)
			if element := elementType(f.Type); !scalars[element] && c.record(element) == nil {
				problem("field %s of %s: there is no type %q", f.Name, r.Name, f.Type)
			}
		}
	}
	c.checkErrnosOfProse(problem)
	return errors.Join(errs...)
}

func (c *contract) checkFunction(m module, f function, problem func(string, ...any)) {
	if m.passthrough() != (f.Request != nil && f.Response != nil) {
		problem("function %s of %s: exactly those of passthrough modules have a request and a response", f.Name, m.Name)
	}
	for i, p := range f.Params {
		if wasmTypes[p.Kind] == "" {
			problem("function %s of %s: a parameter of kind %q", f.Name, m.Name, p.Kind)
		}
		if (p.Kind == "length" || p.Kind == "capacity") && (i == 0 || !f.Params[i-1].pointer()) {
			problem("function %s of %s: no pointer before %s", f.Name, m.Name, p.Name)
		}
	}
	for _, s := range []*side{f.Request, f.Response} {
		if s != nil && s.Head != "" && c.record(s.Head) == nil {
			problem("function %s of %s: there is no record %s", f.Name, m.Name, s.Head)
		}
	}
	if f.AnsweredBy != "" && m.Grant != "function" {
		problem("function %s of %s: it is answered by another, and its module is not of that kind", f.Name, m.Name)
	}
}

// checkErrnosOfProse reports names of errnos in descriptions that the list lacks.
func (c *contract) checkErrnosOfProse(problem func(string, ...any)) {
	known := func(name string) bool {
		return slices.ContainsFunc(c.Errnos, func(e errno) bool { return e.Name == name })
	}
	for _, m := range c.Modules {
		for _, f := range m.Functions {
			for _, name := range errnoNames.FindAllStringSubmatch(f.Doc, -1) {
				if !known(name[1]) {
					problem("function %s of %s: there is no errno %s", f.Name, m.Name, name[1])
				}
			}
		}
	}
}

var errnoNames = regexp.MustCompile("`(E[A-Z0-9]{3,})`")

// scalars are the types of fields that are not records.
var scalars = map[string]bool{
	"string": true, "bool": true, "int": true, "int32": true, "int64": true, "uint32": true, "uint64": true,
	"float32": true, "float64": true, "milliseconds": true, "time": true, "json": true,
}

// elementType returns the type of the elements of lists and maps.
func elementType(t string) string {
	for {
		switch {
		case strings.HasPrefix(t, "[]"):
			t = t[2:]
		case strings.HasPrefix(t, "[2]"):
			t = t[3:]
		case strings.HasPrefix(t, "map[string]"):
			t = t[len("map[string]"):]
		default:
			return t
		}
	}
}
