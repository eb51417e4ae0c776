package cases

import (
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/internal/nearest"
)

// decodeWorkflowCase decodes a case that has the key workflow.
func (d *decoder) decodeWorkflowCase(root *node) *Case {
	w := &replay.Workflow{}
	c := &Case{source: root, Workflow: w}
	d.fields(root, "a case of a workflow", map[string]func(*node){
		"name":     func(n *node) { c.Name = d.text(n) },
		"tags":     func(n *node) { c.Tags = d.tags(n) },
		"workflow": func(n *node) { w.Type = d.text(n) },
		"args":     func(n *node) { w.Args = d.values(n) },
		"info":     func(n *node) { d.workflowInfo(n, &w.Info) },
		"memo": func(n *node) {
			if n.kind != kindMap {
				d.fail(n.at, "memo is a map of names and payloads, and this is %s", n.kind)
				return
			}
			w.Memo = map[string]any{}
			for i, name := range n.keys {
				w.Memo[name] = d.payload(n.items[i])
			}
		},
		"mocks": func(n *node) {
			d.list(n, func(n *node) { w.Mocks = append(w.Mocks, d.mock(n)) })
		},
		"in_order": func(n *node) { w.InOrder = d.bool(n) },
		"events": func(n *node) {
			d.list(n, func(n *node) {
				e, want := d.event(n, w.Events)
				w.Events, c.EventWants = append(w.Events, e), append(c.EventWants, want)
			})
		},
		"unpatched": func(n *node) {
			d.list(n, func(n *node) { w.Unpatched = append(w.Unpatched, d.text(n)) })
		},
		"suggest_continue_as_new": func(n *node) { w.SuggestAfter = int(d.whole(n, 1, math.MaxInt32)) },
		"until":                   func(n *node) { w.Until = d.duration(n) },
		"want":                    func(n *node) { d.decodeWantOf(n, &c.Want, wantsOfWorkflows) },
	})
	d.required(root, "name", "workflow")
	return c
}

// required checks that a case has what it needs.
func (d *decoder) required(root *node, keys ...string) {
	if root.kind != kindMap {
		return
	}
	for _, key := range keys {
		if root.get(key) == nil {
			d.fail(root.at, "a case needs the key %s", key)
		} else if n := root.get(key); n.kind == kindString && n.text == "" {
			d.fail(n.at, "the %s is empty", key)
		}
	}
}

// values decodes a list of payloads.
func (d *decoder) values(n *node) []any {
	all := []any{}
	d.list(n, func(n *node) { all = append(all, d.payload(n)) })
	return all
}

// workflowInfoFields holds the types of those fields of abi.WorkflowInfo that a case may
// set, by their JSON names.
var workflowInfoFields = func() map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for field := range reflect.TypeFor[abi.WorkflowInfo]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		fields[name] = field.Type
	}
	for _, name := range []string{"workflow_type", "memo", "search_attributes", "last_result", "retry_policy", "priority"} {
		delete(fields, name)
	}
	return fields
}()

func (d *decoder) workflowInfo(n *node, info *abi.WorkflowInfo) {
	if n.kind != kindMap {
		d.fail(n.at, "info is a map of the fields that abi/SPEC.md has for a workflow run, and this is %s", n.kind)
		return
	}
	known := slices.Sorted(maps.Keys(workflowInfoFields))
	for i, key := range n.keys {
		field, ok := workflowInfoFields[key]
		if !ok {
			d.fail(n.keyAt[i], "info has no key %q%s", key, nearest.Hint(key, known))
			continue
		}
		if err := json.Unmarshal(n.items[i].json(), reflect.New(field).Interface()); err != nil {
			d.fail(n.items[i].at, "this is not what info has as %s, see abi/SPEC.md: %v", key, err)
		}
	}
	json.Unmarshal(n.json(), info) //nolint:errcheck // each field was checked
}

// mockKinds are the keys that say what a mock is for.
var mockKinds = []replay.MockKind{replay.MockActivity, replay.MockLocalActivity, replay.MockChild, replay.MockSignal, replay.MockCancel}

func (d *decoder) mock(root *node) (m replay.Mock) {
	kinds, ends := 0, 0
	m.Result = replay.NoResult
	known := map[string]func(*node){
		"workflow_id": func(n *node) { m.WorkflowID = d.text(n) },
		"args":        func(n *node) { m.Args = d.values(n) },
		"result":      func(n *node) { m.Result, ends = d.payload(n), ends+1 },
		"failure":     func(n *node) { m.Failure, ends = d.given(n), ends+1 },
		"timeout": func(n *node) {
			ends++
			if names := replay.Timeouts(); !slices.Contains(names, d.text(n)) {
				d.fail(n.at, "there is no timeout %q%s; there are: %s", n.text, nearest.Hint(n.text, names), strings.Join(names, ", "))
			}
			m.Timeout = n.text
		},
		"canceled":        func(n *node) { m.Canceled, ends = d.bool(n), ends+1 },
		"already_started": func(n *node) { m.AlreadyStarted, ends = d.bool(n), ends+1 },
		"never":           func(n *node) { m.Never, ends = d.bool(n), ends+1 },
		"delay":           func(n *node) { m.Delay = d.duration(n) },
		"times": func(n *node) {
			if n.kind == kindString && n.text == "any" {
				m.Times = -1
				return
			}
			m.Times = int(d.whole(n, 1, math.MaxInt32))
		},
	}
	var names []string
	for _, kind := range mockKinds {
		names = append(names, string(kind))
		known[string(kind)] = func(n *node) {
			kinds++
			if m.Kind, m.Name = kind, d.text(n); kind == replay.MockCancel {
				m.Name, m.WorkflowID = "", m.Name
			}
		}
	}
	d.fields(root, "a mock", known)
	plain := m.Kind == replay.MockActivity || m.Kind == replay.MockLocalActivity || m.Kind == replay.MockChild
	switch {
	case root.kind != kindMap:
	case kinds != 1:
		d.fail(root.at, "a mock is for one of %s: activity: Charge", strings.Join(names, ", "))
	case ends > 1:
		d.fail(root.at, "a mock ends in one way: with one of result, failure, timeout, canceled, already_started and never")
	case m.AlreadyStarted && m.Kind != replay.MockChild:
		d.fail(root.get("already_started").at, "only a child can be refused since its workflow id is in use")
	case m.Timeout != "" && m.Kind == replay.MockChild && m.Timeout != "start_to_close":
		d.fail(root.get("timeout").at, "a child workflow has only the timeout start_to_close")
	case !plain && ends > 0 && m.Failure == nil:
		d.fail(root.at, "a signal or a cancellation arrives, or has a failure")
	}
	return m
}

// given decodes a failure that something has.
func (d *decoder) given(root *node) *abi.Failure {
	f := &abi.Failure{}
	d.fields(root, "a failure", map[string]func(*node){
		"type":          func(n *node) { f.Type = d.text(n) },
		"message":       func(n *node) { f.Message = d.text(n) },
		"non_retryable": func(n *node) { f.NonRetryable = d.bool(n) },
		"next_retry_delay_ms": func(n *node) {
			f.NextRetryDelay = abi.Milliseconds(time.Duration(d.whole(n, 0, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond)
		},
		"category": func(n *node) {
			if f.Category = d.text(n); f.Category != abi.CategoryBenign {
				d.fail(n.at, "the only category is %s", abi.CategoryBenign)
			}
		},
		"details": func(n *node) {
			d.list(n, func(n *node) { f.Details = append(f.Details, n.json()) })
		},
		"cause": func(n *node) { f.Cause = d.given(n) },
	})
	return f
}

// event decodes what comes from outside. Without a time it comes with the one before.
func (d *decoder) event(root *node, before []replay.Event) (e replay.Event, want *Want) {
	kinds := 0
	if n := len(before); n > 0 {
		e.At = before[n-1].At
	}
	known := map[string]func(*node){
		"at": func(n *node) {
			if e.At = d.duration(n); len(before) > 0 && e.At < before[len(before)-1].At {
				d.fail(n.at, "this is before the event before, at %s: put events in their order", before[len(before)-1].At)
			}
		},
		"signal": func(n *node) { e.Signal, kinds = d.text(n), kinds+1 },
		"query":  func(n *node) { e.Query, kinds = d.text(n), kinds+1 },
		"update": func(n *node) { e.Update, kinds = d.text(n), kinds+1 },
		"cancel": func(n *node) {
			if e.Cancel, kinds = d.bool(n), kinds+1; !e.Cancel {
				d.fail(n.at, "cancel is true, or not there")
			}
		},
		"id":   func(n *node) { e.ID = d.text(n) },
		"args": func(n *node) { e.Args = d.values(n) },
		"want": func(n *node) {
			want = &Want{}
			d.decodeWantOf(n, want, wantsOfEvents)
		},
	}
	d.fields(root, "an event", known)
	switch {
	case root.kind != kindMap:
	case kinds != 1 || e.Signal+e.Query+e.Update == "" && !e.Cancel:
		d.fail(root.at, "an event is one of signal, query, update and cancel: signal: approve")
	case want != nil && e.Query+e.Update == "":
		d.fail(root.get("want").at, "a %s has no answer; say what is expected of the workflow", strings.Fields(e.String())[0])
	case want != nil && want.Refused != nil && e.Update == "":
		d.fail(root.get("want").get("refused").at, "only an update can be refused")
	case e.ID != "" && e.Update == "":
		d.fail(root.get("id").at, "only an update has an id")
	case e.Cancel && e.Args != nil:
		d.fail(root.get("args").at, "a cancellation has no arguments")
	}
	return e, want
}

// What can be expected of an activity, of a workflow, and of the answer to an event.
var (
	wantsOfActivities = []string{"output", "output_contains", "output_matches", "failure", "canceled", "heartbeats", "logs", "calls", "files", "fuel", "max_fuel", "max_memory"}
	wantsOfWorkflows  = []string{"output", "output_contains", "output_matches", "failure", "canceled", "continued_as_new", "task_failure", "waiting", "logs", "commands", "fuel", "max_fuel"}
	wantsOfEvents     = []string{"output", "output_contains", "output_matches", "failure", "refused"}
	endings           = []string{"output", "output_contains", "output_matches", "failure", "canceled", "continued_as_new", "task_failure", "waiting", "refused"}
)

// workflowWants are the expectations that only workflows have.
func (d *decoder) workflowWants(w *Want) map[string]func(*node) {
	return map[string]func(*node){
		"continued_as_new": func(n *node) {
			w.ContinuedAsNew = &ContinuedAsNew{}
			if n.kind == kindBool && n.text == "true" {
				return
			}
			d.fields(n, "continued_as_new (or true, for any)", map[string]func(*node){
				"workflow": func(n *node) { w.ContinuedAsNew.Workflow = d.text(n) },
				"args":     func(n *node) { w.ContinuedAsNew.Args = d.values(n) },
			})
		},
		"task_failure": func(n *node) { w.TaskFailure = d.failure(n) },
		"refused":      func(n *node) { w.Refused = d.failure(n) },
		"waiting": func(n *node) {
			if w.Waiting = d.bool(n); !w.Waiting {
				d.fail(n.at, "waiting is true: it has not ended, and nothing more comes; what else is expected says how it ends")
			}
		},
		"commands": func(n *node) {
			all := []json.RawMessage{}
			d.list(n, func(n *node) {
				if n.kind != kindMap || len(n.keys) == 0 {
					d.fail(n.at, "a command is a map such as {activity: Charge, args: [5]}")
				}
				all = append(all, n.json())
			})
			w.Commands = &all
		},
	}
}

// node is what is expected of the next run in the form of case files.
func (c *ContinuedAsNew) node() *node {
	n := &node{kind: kindMap}
	if c.Workflow != "" {
		n.set("workflow", str(c.Workflow))
	}
	if c.Args != nil {
		n.set("args", listOf(c.Args, valueNode))
	}
	if len(n.keys) == 0 {
		return &node{kind: kindBool, text: "true"}
	}
	return n
}

// workflowOnly refuses what a file says for activities alone.
func (d *decoder) workflowOnly(root *node, f *File, module string) {
	for _, key := range []string{"env", "command", "mounts"} {
		if n := root.get(key); n != nil {
			d.fail(n.at, "%s is a module of workflows, which find the same in every worker: %s is for activities", module, key)
		}
	}
	if f.Limits.Output > 0 {
		d.fail(root.get("limits").get("output").at, "%s is a module of workflows, whose commands have a limit of their own: output is for activities", module)
	}
}
