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

// contract is what abi.json has. Its order is the order of what is generated.
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
	// Grant says whether the operator has to grant it: never, module, or function for
	// those functions that a passthrough module answers.
	Grant string `json:"grant"`
	// ProvidedBy is a library that has the functions, if they are not the host's own.
	ProvidedBy string     `json:"provided_by,omitempty"`
	Functions  []function `json:"functions"`
}

// passthrough tells whether all functions of the module have the one type of those.
func (m module) passthrough() bool { return m.Grant == "module" }

// function is one of a host module. One of a passthrough module has a request and a
// response in place of parameters.
type function struct {
	Name       string  `json:"name"`
	Group      string  `json:"group,omitempty"` // the table of SPEC.md that it is in
	Params     []param `json:"params,omitempty"`
	Result     *result `json:"result,omitempty"`
	AnsweredBy string  `json:"answered_by,omitempty"` // a passthrough module, and its function
	Request    *side   `json:"request,omitempty"`
	Response   *side   `json:"response,omitempty"`
	Doc        string  `json:"doc,omitempty"`
}

type param struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// of what is written to an out, or of an element of an array
	Size int `json:"size,omitempty"`
}

type result struct {
	Type string `json:"type"`
	Kind string `json:"kind"`
}

// side is a request or a response: text, or a frame that has a head and maybe a body.
type side struct {
	Head string `json:"head,omitempty"` // a record
	Body string `json:"body,omitempty"` // what the body is
	Text string `json:"text,omitempty"` // what SPEC.md says of it, in place of the head
	Note string `json:"note,omitempty"` // what SPEC.md says behind the head
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
	Ends   bool // a guest that goes on is interrupted
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
	Unit         string // bytes, or nothing for a number of things
	Configurable bool
	Doc          string
	Note         string // behind the value
	Beyond       string
}

type failureType struct {
	Name      string
	Retryable bool
	By        string // sdk, if the host does not report it
	Doc       string
	Advice    string
}

// record is a JSON object that crosses the border.
type record struct {
	Name   string  `json:"name"`
	Doc    string  `json:"doc"`
	Fields []field `json:"fields"`
}

// field is one of a record. Those that are not required may be absent for their zero
// value.
type field struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Required bool   `json:"required,omitempty"`
	Example  string `json:"example,omitempty"` // as SPEC.md shows it; … stands for anything
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

// pointer tells whether a parameter is one.
func (p param) pointer() bool { return p.Kind == "in" || p.Kind == "out" || p.Kind == "array" }

// passthroughType is what each function of a passthrough module has.
var passthroughType = function{
	Params: []param{{Name: "req_ptr", Kind: "in"}, {Name: "req_len", Kind: "length"}},
	Result: &result{Type: "i64", Kind: "response"},
}

// signature renders the type of a function as package wasm does.
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

// check finds what would make generated code wrong or not compile.
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

// checkErrnosOfProse finds names of errnos in descriptions that the list has not.
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

// scalars are the types of fields that are no records.
var scalars = map[string]bool{
	"string": true, "bool": true, "int": true, "int32": true, "int64": true, "uint32": true, "uint64": true,
	"float32": true, "float64": true, "milliseconds": true, "time": true, "json": true,
}

// elementType is what lists and maps are made of.
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
