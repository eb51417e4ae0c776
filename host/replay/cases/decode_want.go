package cases

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/nearest"
)

// decodeWantOf decodes what is expected, which may have these keys.
func (d *decoder) decodeWantOf(root *node, w *Want, keys []string) {
	known := d.workflowWants(w)
	maps.Copy(known, d.wants(w))
	maps.DeleteFunc(known, func(key string, _ func(*node)) bool { return !slices.Contains(keys, key) })
	d.fields(root, "want", known)
	if root.kind != kindMap {
		return
	}
	// Expectations that exclude each other, or that would never be checked, hide a
	// mistake.
	var first string
	for _, key := range endings {
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
	for key, f := range map[string]*Failure{"failure": w.Failure, "task_failure": w.TaskFailure, "refused": w.Refused} {
		if f != nil && *f == (Failure{}) {
			d.fail(root.get(key).at, "this says nothing about the failure: give a type, a message or another field")
		}
	}
}

// wants are the expectations that activities have.
func (d *decoder) wants(w *Want) map[string]func(*node) {
	return map[string]func(*node){
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
			if n.kind == kindMap {
				w.CallCounts = map[string]int{}
				for i, name := range n.keys {
					module, function := d.function(name, n.keyAt[i])
					w.CallCounts[callName(module+" "+function)] = int(d.whole(n.items[i], 0, math.MaxInt32))
				}
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
	}
}

func (d *decoder) record(n *node) (r Log) {
	levels := []string{"DEBUG", "INFO", "WARN", "ERROR"}
	d.fields(n, "a log record", map[string]func(*node){
		"level": func(n *node) {
			level := strings.ToUpper(d.text(n))
			// slog writes INFO+2
			if name, _, _ := strings.Cut(level, "+"); !slices.Contains(levels, name) {
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
		"details_match": func(n *node) { f.DetailsMatch = d.pattern(n) },
		"cause":         func(n *node) { f.Cause = d.failure(n) },
	})
	if f.Message != nil && f.MessageMatches != nil {
		d.fail(n.at, "a failure has message or message_matches, and not both")
	}
	if f.Details != nil && f.DetailsMatch != nil {
		d.fail(n.at, "a failure has details or details_match, and not both")
	}
	return f
}
