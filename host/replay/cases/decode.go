package cases

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/nearest"
)

// Read reads a case file and its module, which is not compiled, and checks that they fit. The error joins all that is wrong,
// each with file, line and column.
func Read(path string) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the case file cannot be read: %w", err)
	}
	f, err := decode(path, data)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// decode is Read of a file's bytes. The module is read from disk.
func decode(path string, data []byte) (*File, error) {
	root, err := parse(path, data)
	if err != nil {
		return nil, err
	}
	d := &decoder{reader{file: path}}
	f := d.decodeFile(root)
	f.source, f.root = data, root
	if len(d.errs) == 0 {
		d.checkModule(root, f)
	}
	if err := errors.Join(d.errs...); err != nil {
		return nil, err
	}
	return f, nil
}

// decoder goes on after mistakes, and collects them.
type decoder struct{ reader }

// fields calls a function for each key of a map.
func (d *decoder) fields(n *node, what string, known map[string]func(*node)) {
	if n.kind != kindMap {
		d.fail(n.at, "%s is a map with the keys %s, and this is %s", what, strings.Join(slices.Sorted(maps.Keys(known)), ", "), n.kind)
		return
	}
	for i, key := range n.keys {
		if set, ok := known[key]; ok {
			set(n.items[i])
			continue
		}
		d.fail(n.keyAt[i], "%s has no key %q%s", what, key, nearest.Hint(key, slices.Sorted(maps.Keys(known))))
	}
}

func (d *decoder) text(n *node) string {
	if n.kind != kindString {
		d.fail(n.at, "this has to be text, and is %s%s", n.kind, map[bool]string{true: ": put it in quotes"}[n.kind == kindNumber || n.kind == kindBool])
		return ""
	}
	return n.text
}

func (d *decoder) bool(n *node) bool {
	if n.kind != kindBool {
		d.fail(n.at, "this has to be true or false, and is %s", n.kind)
	}
	return n.text == "true"
}

// whole is a whole number of a range.
func (d *decoder) whole(n *node, least, most int64) int64 {
	value, err := strconv.ParseInt(n.text, 10, 64)
	if n.kind != kindNumber || err != nil || value < least || value > most {
		limit := fmt.Sprintf("from %d on", least)
		if most < math.MaxInt64 {
			limit = fmt.Sprintf("from %d to %d", least, most)
		}
		d.fail(n.at, "this has to be a whole number %s", limit)
		return least
	}
	return value
}

func (d *decoder) size(n *node) uint64 {
	var size passthrough.Size
	if err := size.UnmarshalText([]byte(n.text)); err != nil || n.kind != kindString && n.kind != kindNumber {
		d.fail(n.at, "this has to be a size such as 64MiB or 1048576")
	}
	return uint64(size)
}

func (d *decoder) duration(n *node) time.Duration {
	v, err := time.ParseDuration(n.text)
	if n.kind != kindString || err != nil || v < 0 {
		d.fail(n.at, "this has to be a duration such as 5s or 250ms")
	}
	return v
}

func (d *decoder) pattern(n *node) *regexp.Regexp {
	re, err := regexp.Compile(d.text(n))
	if err != nil {
		d.fail(n.at, "this is no regular expression: %v", err)
	}
	return re
}

func (d *decoder) list(n *node, each func(*node)) {
	if n.kind != kindList {
		d.fail(n.at, "this has to be a list, and is %s", n.kind)
		return
	}
	for _, item := range n.items {
		each(item)
	}
}

func (d *decoder) decodeFile(root *node) *File {
	base := strings.TrimSuffix(filepath.Base(d.file), Suffix)
	f := &File{Path: d.file, Module: filepath.Join(filepath.Dir(d.file), base+".wasm")}
	names := map[string]bool{}
	d.fields(root, "a case file", map[string]func(*node){
		"module": func(n *node) {
			if f.Module = filepath.FromSlash(d.text(n)); !filepath.IsAbs(f.Module) {
				f.Module = filepath.Join(filepath.Dir(d.file), f.Module)
			}
		},
		"digest": func(n *node) {
			if f.Digest = strings.TrimPrefix(d.text(n), "sha256:"); !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(f.Digest) {
				d.fail(n.at, "this has to be sha256: and 64 hexadecimal digits, as `wasmworker inspect` prints it")
			}
		},
		"start": func(n *node) {
			var err error
			if f.Start, err = time.Parse(time.RFC3339Nano, n.text); err != nil || f.Start.IsZero() || f.Start.Unix() < 0 {
				d.fail(n.at, "this has to be a time from 1970 on such as 2026-01-01T00:00:00Z")
			}
		},
		"seed": func(n *node) { f.Seed = d.whole(n, math.MinInt64, math.MaxInt64) },
		"env": func(n *node) {
			if n.kind != kindMap {
				d.fail(n.at, "env is a map of names and values, and this is %s", n.kind)
				return
			}
			f.Env = map[string]string{}
			for i, name := range n.keys {
				if name == "" || strings.ContainsAny(name, "=\x00") {
					d.fail(n.keyAt[i], "this is not the name of an environment variable")
				}
				if f.Env[name] = d.text(n.items[i]); strings.Contains(f.Env[name], "\x00") {
					d.fail(n.items[i].at, "an environment variable cannot have a zero byte in it")
				}
			}
		},
		"limits": func(n *node) {
			d.fields(n, "limits", map[string]func(*node){
				"memory": func(n *node) {
					if f.Limits.Memory = d.size(n); f.Limits.Memory > 4<<30 {
						d.fail(n.at, "a 32-bit memory can have 4 GiB at most")
					}
				},
				"output": func(n *node) { f.Limits.Output = int(min(d.size(n), math.MaxInt32)) },
				"fuel":   func(n *node) { f.Limits.Fuel = d.whole(n, 1, math.MaxInt64) },
			})
		},
		"mounts": func(n *node) { f.Mounts = d.mounts(n) },
		"cases": func(n *node) {
			d.list(n, func(n *node) {
				c := d.decodeCase(n)
				if c.Name != "" && names[c.Name] {
					d.fail(n.at, "there are two cases with the name %q", c.Name)
				}
				names[c.Name] = true
				f.Cases = append(f.Cases, c)
			})
		},
	})
	for _, c := range f.Cases {
		d.checkFiles(c.source.get("files"), c.Activity.Files, f.mounts(c))
		if want := c.source.get("want"); want != nil {
			d.checkFiles(want.get("files"), c.Want.Files, f.mounts(c))
		}
	}
	if root.kind == kindMap && len(f.Cases) == 0 && len(d.errs) == 0 {
		d.fail(root.at, "the file has no cases: put them below the key cases")
	}
	return f
}

func (d *decoder) mounts(root *node) replay.Mounts {
	if root.kind != kindMap || len(root.keys) == 0 {
		d.fail(root.at, "mounts are a map such as {/in: {}, /out: {write: true}}")
		return nil
	}
	mounts, policy := replay.Mounts{}, &fsmod.Policy{Mounts: map[string]fsmod.Mount{}}
	for i, name := range root.keys {
		mounts[name], policy.Mounts[name] = false, fsmod.Mount{Directory: os.TempDir()} // the paths alone are checked
		d.fields(root.items[i], "a mount", map[string]func(*node){"write": func(n *node) { mounts[name] = d.bool(n) }})
	}
	if err := policy.Validate(); err != nil {
		for _, err := range err.(interface{ Unwrap() []error }).Unwrap() { // what Validate joined
			at := root.at
			if field, ok := errors.AsType[*passthrough.FieldError](err); ok && len(field.Path) > 1 {
				at, err = root.keyAt[slices.Index(root.keys, field.Path[1].(string))], field.Err
			}
			d.fail(at, "%v", err)
		}
	}
	return mounts
}

// files are contents by paths. nil, if that may be: there is none.
func (d *decoder) files(root *node, orNone bool) map[string][]byte {
	files := map[string][]byte{}
	if root.kind != kindMap {
		d.fail(root.at, "files are a map of absolute paths and what is in them, and this is %s", root.kind)
		return files
	}
	for i, name := range root.keys {
		switch n := root.items[i]; {
		case n.kind == kindNull && orNone:
			files[name] = nil
		case n.kind == kindString || n.kind == kindMap && n.get("head") == nil:
			files[name] = append([]byte{}, d.message(n)...)
		default:
			d.fail(n.at, "what is in a file is text, {text: …}, {json: …} or {base64: …}")
		}
	}
	return files
}

func (d *decoder) checkFiles(root *node, files map[string][]byte, mounts replay.Mounts) {
	there := maps.Clone(files)
	maps.DeleteFunc(there, func(_ string, content []byte) bool { return content == nil })
	wrong := mounts.Check(there)
	for name, content := range files {
		if content == nil {
			maps.Copy(wrong, mounts.Check(map[string][]byte{name: nil}))
		}
	}
	if root == nil {
		return
	}
	for i, name := range root.keys {
		if err := wrong[name]; err != nil {
			d.fail(root.keyAt[i], "%v", err)
		}
	}
}

func (d *decoder) decodeCase(root *node) *Case {
	c := &Case{source: root}
	known := map[string]func(*node){
		"name":     func(n *node) { c.Name = d.text(n) },
		"activity": func(n *node) { c.Activity.Type = d.text(n) },
		"args": func(n *node) {
			d.list(n, func(n *node) { c.Activity.Args = append(c.Activity.Args, d.payload(n)) })
		},
		"details": func(n *node) {
			d.list(n, func(n *node) { c.Activity.Details = append(c.Activity.Details, d.payload(n)) })
		},
		"info": func(n *node) {
			c.Info = n.json()
			if n.kind != kindMap {
				d.fail(n.at, "info is a map of the fields that abi/SPEC.md has below Info, and this is %s", n.kind)
				return
			}
			d.info(n)
		},
		"files": func(n *node) { c.Activity.Files = d.files(n, false) },
		"calls": func(n *node) {
			c.Calls = []replay.Call{}
			d.list(n, func(n *node) { c.Calls = append(c.Calls, d.call(n, true)) })
		},
		"cancel": func(n *node) { d.cancel(n, &c.Activity) },
		"kill": func(n *node) {
			d.fields(n, "kill", map[string]func(*node){"fuel": func(n *node) { c.Activity.Kill = d.whole(n, 1, math.MaxInt64) }})
			if n.kind == kindMap && len(n.keys) == 0 {
				d.fail(n.at, "kill says when: kill: {fuel: 100000}")
			}
		},
		"refuse_memory": func(n *node) { c.Activity.RefuseMemory = int(d.whole(n, 1, math.MaxInt32)) },
		"faults": func(n *node) {
			d.list(n, func(n *node) { c.Activity.Faults = append(c.Activity.Faults, d.fault(n)) })
		},
		"want": func(n *node) { d.decodeWant(n, &c.Want) },
	}
	d.fields(root, "a case", known)
	if root.kind == kindMap {
		if c.Want.Canceled != nil && root.get("cancel") == nil {
			d.fail(root.get("want").get("canceled").at, "nothing asks the activity to cancel: say when, with the key cancel of the case")
		}
		for _, key := range []string{"name", "activity"} {
			if root.get(key) == nil {
				d.fail(root.at, "a case needs the key %s", key)
			} else if n := root.get(key); n.kind == kindString && n.text == "" {
				d.fail(n.at, "the %s is empty", key)
			}
		}
	}
	return c
}

// info checks the names and types of the fields of abi.Info.
func (d *decoder) info(n *node) {
	known := slices.Sorted(maps.Keys(infoFields))
	for i, key := range n.keys {
		field, ok := infoFields[key]
		if !ok {
			d.fail(n.keyAt[i], "info has no key %q%s", key, nearest.Hint(key, known))
			continue
		}
		if err := json.Unmarshal(n.items[i].json(), reflect.New(field).Interface()); err != nil {
			d.fail(n.items[i].at, "this is not what info has as %s, see abi/SPEC.md: %v", key, err)
		}
	}
}

// infoFields are the types of the fields of abi.Info, by their JSON names.
var infoFields = func() map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for field := range reflect.TypeFor[abi.Info]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		fields[name] = field.Type
	}
	return fields
}()

var flagNames = map[string]abi.Flags{
	"cancel_requested": abi.FlagCancelRequested, "worker_stopping": abi.FlagWorkerStopping, "paused": abi.FlagPaused, "reset": abi.FlagReset, "gone": abi.FlagGone,
}

func (d *decoder) cancel(n *node, a *replay.Activity) {
	d.fields(n, "cancel", map[string]func(*node){
		"heartbeats": func(n *node) { a.Cancel.Heartbeats = int(d.whole(n, 1, math.MaxInt32)) },
		"fuel":       func(n *node) { a.Cancel.Fuel = d.whole(n, 1, math.MaxInt64) },
		"calls":      func(n *node) { a.Cancel.Calls = int(d.whole(n, 1, math.MaxInt32)) },
		"flags": func(n *node) {
			d.list(n, func(n *node) {
				flag, ok := flagNames[d.text(n)]
				if !ok {
					d.fail(n.at, "there is no flag %q%s", n.text, nearest.Hint(n.text, slices.Sorted(maps.Keys(flagNames))))
				}
				a.Flags |= flag
			})
		},
	})
	if n.kind == kindMap && a.Cancel == (replay.Trigger{}) {
		d.fail(n.at, "cancel has to say when: after how many heartbeats, units or calls")
	}
}

func (d *decoder) fault(root *node) (f replay.Fault) {
	d.fields(root, "a fault", map[string]func(*node){
		"call":     func(n *node) { f.Call = int(d.whole(n, 1, math.MaxInt32)) },
		"error":    func(n *node) { f.Err = d.callError(n) },
		"lost":     func(n *node) { f.Lost = d.bool(n) },
		"response": func(n *node) { f.Response = d.message(n) },
		"delay":    func(n *node) { f.Delay = d.duration(n) },
	})
	switch {
	case root.kind != kindMap:
	case f.Err != nil && f.Response != nil:
		d.fail(root.at, "a fault has an error or a response, and not both")
	case f.Lost && f.Err == nil:
		d.fail(root.at, "a call whose response is lost needs an error that the guest gets: error: {errno: ETIMEDOUT, message: …}")
	case f.Err == nil && f.Response == nil && f.Delay == 0:
		d.fail(root.at, "a fault needs an error, a response or a delay")
	}
	return f
}

var errnos = abi.ErrnosByName()

func (d *decoder) callError(root *node) *replay.CallError {
	e := &replay.CallError{}
	d.fields(root, "an error", map[string]func(*node){
		"errno": func(n *node) {
			if n.kind == kindNumber { // of an embedder's own
				e.Errno = abi.Errno(d.whole(n, 1, math.MaxInt32))
				return
			}
			var ok bool
			if e.Errno, ok = errnos[d.text(n)]; !ok {
				d.fail(n.at, "there is no errno %q%s", n.text, nearest.Hint(n.text, slices.Sorted(maps.Keys(errnos))))
			}
		},
		"message": func(n *node) { e.Message = d.text(n) },
	})
	if root.kind == kindMap && root.get("errno") == nil {
		d.fail(root.at, "an error needs an errno, such as EIO")
	}
	return e
}

// call is a call and its answer, or a call that is expected.
func (d *decoder) call(root *node, answered bool) (c replay.Call) {
	known := map[string]func(*node){
		"call": func(n *node) {
			name, function, ok := strings.Cut(d.text(n), " ")
			capability, version, versioned := strings.Cut(name, "/v")
			if v, err := strconv.Atoi(version); !ok || function == "" || capability == "" || versioned && (err != nil || v < 1) {
				d.fail(n.at, "this has to be a capability and one of its functions, such as http send, or http/v2 send")
				return
			}
			if !versioned {
				name += "/v1"
			}
			c.Module, c.Function = "wasmworker:"+name, function
		},
		"request": func(n *node) { c.Request = d.message(n) },
	}
	if answered {
		known["response"] = func(n *node) { c.Response = d.message(n) }
		known["error"] = func(n *node) { c.Err = d.callError(n) }
	}
	d.fields(root, "a call", known)
	switch {
	case root.kind != kindMap:
	case root.get("call") == nil:
		d.fail(root.at, "this needs the key call, such as call: http send")
	case answered && (c.Response == nil) == (c.Err == nil):
		d.fail(root.at, "a call has either a response or an error; an empty response is response: \"\"")
	}
	return c
}

// message is a request or a response.
func (d *decoder) message(n *node) []byte {
	if n.kind == kindString {
		return []byte(n.text)
	}
	data, head, body := []byte{}, []byte(nil), []byte(nil)
	forms := 0
	form := func(read func(*node) []byte) func(*node) {
		return func(n *node) { data, forms = read(n), forms+1 }
	}
	text := form(func(n *node) []byte { return []byte(d.text(n)) })
	d.fields(n, "a request or response", map[string]func(*node){
		"text": text, "base64": form(d.base64), "json": form((*node).json),
		"head": func(n *node) {
			if head = n.json(); n.kind != kindMap {
				d.fail(n.at, "the head of a frame is a map, and this is %s", n.kind)
			}
			forms++
		},
		"body": func(n *node) {
			if n.kind == kindMap && n.get("head") == nil || n.kind == kindString {
				body = d.message(n)
				return
			}
			d.fail(n.at, "a body is text, {json: …} or {base64: …}")
		},
	})
	if n.kind != kindMap {
		return data
	}
	if forms != 1 || n.get("body") != nil && head == nil {
		d.fail(n.at, "this has to be text, or one of {text: …}, {json: …}, {base64: …}, and {head: {…}, body: …} for a frame")
		return data
	}
	if head != nil && json.Valid(head) {
		data, _ = passthrough.EncodeFrame(json.RawMessage(head), body) // which is JSON
	}
	return data
}

func (d *decoder) base64(n *node) []byte {
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(d.text(n)), ""))
	if err != nil {
		d.fail(n.at, "this is not base64: %v", err)
	}
	return append([]byte{}, data...)
}

// Payloads that are not JSON are maps whose keys all begin with a dollar sign.
const (
	keyEncoding = "$encoding"
	keyText     = "$text"
	keyBase64   = "$base64"
	keyMetadata = "$metadata"
)

func isPayload(n *node) bool {
	return n.kind == kindMap && len(n.keys) > 0 && !slices.ContainsFunc(n.keys, func(key string) bool { return !strings.HasPrefix(key, "$") })
}

func (d *decoder) payload(n *node) sandbox.Payload {
	if n.kind == kindNull {
		return sandbox.NewPayload(abi.EncodingNull, nil)
	}
	if !isPayload(n) {
		return sandbox.NewPayload(abi.EncodingJSON, n.json())
	}
	p := sandbox.NewPayload(abi.EncodingBinary, nil)
	set := func(data []byte) {
		if p.Data != nil {
			d.fail(n.at, "a payload has $text or $base64, and not both")
		}
		p.Data = data
	}
	d.fields(n, "a payload (a map whose keys all begin with $)", map[string]func(*node){
		keyEncoding: func(n *node) { p.Metadata[abi.MetadataEncoding] = []byte(d.text(n)) },
		keyText:     func(n *node) { set([]byte(d.text(n))) },
		keyBase64:   func(n *node) { set(d.base64(n)) },
		keyMetadata: func(n *node) {
			metadata, err := abi.UnmarshalMetadata(n.json())
			if err != nil {
				d.fail(n.at, "metadata are text by names, or {base64: …}: %v", err)
				return
			}
			maps.Copy(p.Metadata, metadata)
		},
	})
	return p
}

func (d *decoder) decodeWant(root *node, w *Want) {
	d.fields(root, "want", map[string]func(*node){
		"output": func(n *node) { w.Output = new(d.payload(n)) },
		"output_contains": func(n *node) {
			if w.OutputContains = n.json(); n.kind == kindNull {
				d.fail(n.at, "every output contains null; write output: null for an activity without a result")
			}
		},
		"output_matches": func(n *node) { w.OutputMatches = d.pattern(n) },
		"failure":        func(n *node) { w.Failure = d.failure(n) },
		"canceled": func(n *node) {
			w.Canceled = &Canceled{Any: n.kind == kindBool && n.text == "true"}
			switch {
			case n.kind == kindBool && n.text == "false":
				d.fail(n.at, "canceled is true, for any details, or the details; what else is expected says that it does not end as canceled")
			case !w.Canceled.Any && n.kind != kindNull:
				w.Canceled.Details = new(d.payload(n))
			}
		},
		"heartbeats": func(n *node) {
			all := [][]sandbox.Payload{}
			d.list(n, func(n *node) {
				details := []sandbox.Payload{}
				d.list(n, func(n *node) { details = append(details, d.payload(n)) })
				all = append(all, details)
			})
			w.Heartbeats = &all
		},
		"logs": func(n *node) {
			all := []Log{}
			d.list(n, func(n *node) { all = append(all, d.record(n)) })
			w.Logs = &all
		},
		"calls": func(n *node) {
			if n.kind == kindNumber {
				w.CallCount = new(int(d.whole(n, 0, math.MaxInt32)))
				return
			}
			all := []replay.Call{}
			d.list(n, func(n *node) { all = append(all, d.call(n, false)) })
			w.Calls = &all
		},
		"files":      func(n *node) { w.Files = d.files(n, true) },
		"fuel":       func(n *node) { w.Fuel = d.whole(n, 1, math.MaxInt64) },
		"max_fuel":   func(n *node) { w.MaxFuel = d.whole(n, 1, math.MaxInt64) },
		"max_memory": func(n *node) { w.MaxMemory = d.size(n) },
	})
	if root.kind != kindMap {
		return
	}
	// Expectations that exclude each other, or that would never be looked at, hide a mistake.
	var first string
	for _, key := range []string{"output", "output_contains", "output_matches", "failure", "canceled"} {
		n := root.get(key)
		switch {
		case n == nil:
		case first == "":
			first = key
		case strings.HasPrefix(first, "output") && strings.HasPrefix(key, "output") && first != "output":
		default:
			d.fail(root.keyAt[slices.Index(root.keys, key)], "want has %s as well, and no run can meet both", first)
		}
	}
	if w.Fuel > 0 && w.MaxFuel > 0 {
		d.fail(root.keyAt[slices.Index(root.keys, "max_fuel")], "want has units as well, which is exact: leave one out")
	}
	if w.Failure != nil && *w.Failure == (Failure{}) {
		d.fail(root.get("failure").at, "this says nothing about the failure: give a type, a message or another field")
	}
}

func (d *decoder) record(n *node) (r Log) {
	levels := []string{"DEBUG", "INFO", "WARN", "ERROR"}
	d.fields(n, "a log record", map[string]func(*node){
		"level": func(n *node) {
			level := strings.ToUpper(d.text(n))
			if name, _, _ := strings.Cut(level, "+"); !slices.Contains(levels, name) { // slog writes INFO+2
				d.fail(n.at, "there is no level %q%s", n.text, nearest.Hint(level, levels))
			}
			r.Level = &level
		},
		"message": func(n *node) { r.Message = new(d.text(n)) },
		"attrs": func(n *node) {
			if r.Attrs = n.json(); n.kind != kindMap {
				d.fail(n.at, "attributes are a map, and this is %s", n.kind)
			}
		},
	})
	return r
}

func (d *decoder) failure(n *node) *Failure {
	f := &Failure{}
	d.fields(n, "a failure", map[string]func(*node){
		"type":            func(n *node) { f.Type = new(d.text(n)) },
		"message":         func(n *node) { f.Message = new(d.text(n)) },
		"message_matches": func(n *node) { f.MessageMatches = d.pattern(n) },
		"non_retryable":   func(n *node) { f.NonRetryable = new(d.bool(n)) },
		"next_retry_delay_ms": func(n *node) {
			f.NextRetryDelay = new(time.Duration(d.whole(n, 0, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond)
		},
		"category": func(n *node) { f.Category = new(d.text(n)) },
		"details": func(n *node) {
			all := []json.RawMessage{}
			d.list(n, func(n *node) { all = append(all, n.json()) })
			f.Details = &all
		},
		"cause": func(n *node) { f.Cause = d.failure(n) },
	})
	if f.Message != nil && f.MessageMatches != nil {
		d.fail(n.at, "a failure has message or message_matches, and not both")
	}
	return f
}

// checkModule compares the file with its module.
func (d *decoder) checkModule(root *node, f *File) {
	at := func(key string) place {
		if n := root.get(key); n != nil {
			return n.at
		}
		return place{1, 1}
	}
	module, err := modules.Read(f.Module)
	if err != nil {
		hint := ""
		if root.get("module") == nil {
			hint = "; name another module with the key module"
		}
		d.fail(at("module"), "the module cannot be used: %v%s", err, hint)
		return
	}
	if f.Digest != "" && f.Digest != module.Digest {
		d.fail(at("digest"), "the cases are for another module: that of %s is sha256:%s; use the one that they were made with, or remove the digest to see whether this one does the same", f.Module, module.Digest)
	}
	imports := map[string]bool{}
	for _, imp := range module.Imports {
		if name, function := passthrough.Resolve(imp); name != "" {
			imports[name+" "+function] = true
		}
	}
	if !slices.ContainsFunc(module.Imports, func(imp modules.Import) bool {
		return imp.Module == abi.ModuleWASI && strings.HasPrefix(imp.Name, "path_")
	}) {
		without := func(n *node, key string) {
			if files := n.get(key); files != nil {
				d.fail(files.at, "%s imports none of WASI's functions for files (path_open and others), so it can neither read nor write any", filepath.Base(f.Module))
			}
		}
		without(root, "mounts")
		for _, c := range f.Cases {
			without(c.source, "files")
			if want := c.source.get("want"); want != nil {
				without(want, "files")
			}
		}
	}
	var names []string
	for name := range imports {
		names = append(names, callName(name))
	}
	slices.Sort(names)
	cases := root.get("cases").items
	for i, c := range f.Cases {
		n := cases[i]
		if !slices.Contains(module.Exports, c.Activity.Type) {
			d.fail(n.get("activity").at, "%s has no activity %q%s; it has: %s", filepath.Base(f.Module), c.Activity.Type,
				nearest.Hint(c.Activity.Type, module.Exports), strings.Join(module.Exports, ", "))
		}
		check := func(list *node, calls []replay.Call) {
			for k, call := range calls {
				if !imports[call.Module+" "+call.Function] {
					have := "it imports no passthrough modules"
					if len(names) > 0 {
						have = "it imports: " + strings.Join(names, ", ")
					}
					d.fail(list.items[k].get("call").at, "%s does not import %s, so it can never call it; %s", filepath.Base(f.Module), callName(call.Module+" "+call.Function), have)
				}
			}
		}
		check(n.get("calls"), c.Calls)
		if c.Want.Calls != nil {
			check(n.get("want").get("calls"), *c.Want.Calls)
		}
		if len(imports) == 0 {
			switch {
			case len(c.Activity.Faults) > 0:
				d.fail(n.get("faults").at, "%s imports no passthrough modules, so no call can have a fault", filepath.Base(f.Module))
			case c.Activity.Cancel.Calls > 0:
				d.fail(n.get("cancel").at, "%s imports no passthrough modules, so it makes no calls after which to cancel", filepath.Base(f.Module))
			}
		}
	}
}

// callName is how case files name a function, from import name and function.
func callName(name string) string {
	module, function, _ := strings.Cut(strings.TrimPrefix(name, "wasmworker:"), " ")
	return strings.TrimSuffix(module, "/v1") + " " + function
}

// messageNode is a request or response as case files have it, the inverse of message: byte for byte, or, as requests are compared, with
// a head of the same value, which may have been written with other escapes or spaces.
func messageNode(data []byte, byValue bool) *node {
	if head, body, err := passthrough.SplitFrame(data); err == nil {
		if n, err := fromJSON(head); err == nil && n.kind == kindMap && (byValue || string(n.json()) == string(head)) {
			out := mapOf("head", n)
			if len(body) > 0 {
				out.set("body", messageNode(body, false).bodyOnly(body))
			}
			return out
		}
	}
	return textOrBase64(data, "text", "base64")
}

// bodyOnly is a body's node: a frame inside of a frame is bytes.
func (n *node) bodyOnly(body []byte) *node {
	if n.get("head") != nil {
		return mapOf("base64", str(base64.StdEncoding.EncodeToString(body)))
	}
	return n
}

func textOrBase64(data []byte, textKey, base64Key string) *node {
	if !utf8.Valid(data) || slices.ContainsFunc(data, func(b byte) bool { return b < ' ' && b != '\n' && b != '\t' && b != '\r' || b == 0x7f }) {
		return mapOf(base64Key, str(base64.StdEncoding.EncodeToString(data)))
	}
	if textKey == "text" {
		return str(string(data))
	}
	return mapOf(textKey, str(string(data)))
}

func str(text string) *node { return &node{kind: kindString, text: text} }

func number[N int | int64 | uint64](n N) *node {
	return &node{kind: kindNumber, text: fmt.Sprint(n)}
}

func mapOf(key string, value *node) *node {
	return (&node{kind: kindMap}).set(key, value)
}

// sortedMap is a map with its keys in order.
func sortedMap[V any](entries map[string]V, value func(V) *node) *node {
	n := &node{kind: kindMap}
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		n.set(key, value(entries[key]))
	}
	return n
}

// set adds an entry to a map.
func (n *node) set(key string, value *node) *node {
	n.keys, n.items = append(n.keys, key), append(n.items, value)
	return n
}

func listOf[T any](items []T, item func(T) *node) *node {
	n := &node{kind: kindList}
	for _, i := range items {
		n.items = append(n.items, item(i))
	}
	return n
}

// payloadNode is a payload as case files have it, the inverse of payload: byte for byte.
func payloadNode(p sandbox.Payload) *node {
	metadata := maps.Clone(p.Metadata)
	delete(metadata, abi.MetadataEncoding)
	if len(metadata) == 0 {
		if p.Encoding() == abi.EncodingNull && len(p.Data) == 0 {
			return &node{kind: kindNull, text: "null"}
		}
		if p.Encoding() == abi.EncodingJSON {
			if n, err := fromJSON(p.Data); err == nil && n.kind != kindNull && !isPayload(n) && string(n.json()) == string(p.Data) {
				return n
			}
		}
	}
	n := mapOf(keyEncoding, str(p.Encoding()))
	if len(p.Data) > 0 {
		data := textOrBase64(p.Data, keyText, keyBase64)
		n.set(data.keys[0], data.items[0])
	}
	if len(metadata) > 0 {
		m, err := fromJSON(abi.MarshalMetadata(metadata))
		if err == nil {
			n.set(keyMetadata, m)
		}
	}
	return n
}
