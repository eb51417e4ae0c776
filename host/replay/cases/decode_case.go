package cases

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/nearest"
)

func (d *decoder) decodeCase(root *node) *Case {
	if root.kind == kindMap && root.get("workflow") != nil && root.get("activity") == nil {
		return d.decodeWorkflowCase(root)
	}
	c := &Case{source: root}
	known := map[string]func(*node){
		"name":     func(n *node) { c.Name = d.text(n) },
		"tags":     func(n *node) { c.Tags = d.tags(n) },
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
		"want": func(n *node) { d.decodeWantOf(n, &c.Want, wantsOfActivities) },
	}
	d.fields(root, "a case", known)
	if root.kind == kindMap {
		if c.Want.Canceled != nil && root.get("cancel") == nil {
			d.fail(root.get("want").get("canceled").at, "nothing asks the activity to cancel: say when, with the key cancel of the case")
		}
	}
	d.required(root, "name", "activity")
	return c
}

func (d *decoder) tags(n *node) []string {
	tags := []string{}
	d.list(n, func(n *node) {
		tag := d.text(n)
		if n.kind == kindString && (tag == "" || strings.ContainsAny(tag, ", \t\n")) {
			d.fail(n.at, "a tag is a word, without spaces and commas")
		}
		tags = append(tags, tag)
	})
	return tags
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

// infoFields holds the types of the fields of abi.Info, by their JSON names.
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
			if n.kind == kindNumber { // a number that an embedder chose
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

// call decodes a call. If it is answered, it has an answer, and otherwise it is an
// expected call.
func (d *decoder) call(root *node, answered bool) (c replay.Call) {
	known := map[string]func(*node){
		"call": func(n *node) {
			c.Module, c.Function = d.function(d.text(n), n.at)
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

// function decodes the name of a function, such as "http send".
func (d *decoder) function(text string, at place) (module, function string) {
	name, function, ok := strings.Cut(text, " ")
	capability, version, versioned := strings.Cut(name, "/v")
	if v, err := strconv.Atoi(version); !ok || function == "" || capability == "" || versioned && (err != nil || v < 1) {
		d.fail(at, "this has to be a capability and one of its functions, such as http send, or http/v2 send")
		return "", ""
	}
	if !versioned {
		name += "/v1"
	}
	return "wasmworker:" + name, function
}

// message decodes a request or a response.
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
		data, _ = passthrough.EncodeFrame(json.RawMessage(head), body) // the head is JSON, so this cannot fail
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
	keyBytes    = "$bytes"
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
	forms := 0
	set := func(data []byte) {
		if forms++; forms == 2 {
			d.fail(n.at, "a payload has $text, $base64 or $bytes, and only one of them")
		}
		p.Data = data
	}
	d.fields(n, "a payload (a map whose keys all begin with $)", map[string]func(*node){
		keyEncoding: func(n *node) {
			if n.kind == kindNull {
				delete(p.Metadata, abi.MetadataEncoding)
				return
			}
			p.Metadata[abi.MetadataEncoding] = []byte(d.text(n))
		},
		keyText:   func(n *node) { set([]byte(d.text(n))) },
		keyBase64: func(n *node) { set(d.base64(n)) },
		keyBytes: func(n *node) {
			data := make([]byte, d.whole(n, 0, maxRepeat))
			for i := range data {
				data[i] = byte(i)
			}
			set(data)
		},
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
