package cases

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/replay"
)

// Record makes a case from an attempt and its run. The case answers calls as they were
// answered, and wants the same end and the same number of units of fuel. Set Want.Fuel to
// 0 if the attempt had another clock or other random numbers than the case will have. The
// activity's Answer, Heartbeat, Changed, Timeout and Faults are not recorded; their
// effect is in the calls.
//
// Secrets are redacted everywhere. A response of `secret reveal` is a secret too: in the
// replay the guest gets REDACTED and uses it where it used the secret. A value that the
// guest derived from a secret, such as a signature, is not found. If something was
// redacted, the case wants no number of units.
func Record(name string, a replay.Activity, run *replay.Run, secrets Secrets) *Case {
	a, run, redacted := redact(a, run, secrets)
	c := record(name, a, run)
	if redacted {
		c.Want.Fuel = 0
	}
	return c
}

func record(name string, a replay.Activity, run *replay.Run) *Case {
	c := &Case{Name: name, Activity: a}
	c.Activity.Answer, c.Activity.Heartbeat, c.Activity.Changed, c.Activity.Timeout, c.Activity.Faults, c.Activity.Info = nil, nil, nil, 0, nil, nil
	if a.Info != nil {
		c.Info, _ = json.Marshal(a.Info) // all values of Info can be encoded as JSON
	}
	for _, call := range run.Calls {
		if call.Request = untimed(call.Request); call.Request == nil {
			call.Request = []byte{} // nil would accept any request
		}
		if call.Response == nil && call.Err == nil {
			call.Response = []byte{}
		}
		c.Calls = append(c.Calls, call)
	}
	c.Want.Fuel = run.Fuel
	switch run.Outcome() {
	case replay.Completed:
		c.Want.Output = run.Output
		if run.Output == nil {
			c.Want.Output = new(replay.NewPayload(nil))
		}
	case replay.Canceled:
		c.Want.Canceled = &Canceled{Details: run.Output}
	case replay.Failed:
		c.Want.Failure = failureOf(run.Failure())
	}
	if end, ok := errors.AsType[*replay.WorkflowError](run.Err); ok {
		switch end.Outcome {
		case replay.TaskFailed:
			c.Want.TaskFailure = failureOf(end.Failure)
		case replay.ContinuedAsNew:
			c.Want.ContinuedAsNew = &ContinuedAsNew{Workflow: end.Type, Args: []any{}}
			for _, arg := range end.Args {
				c.Want.ContinuedAsNew.Args = append(c.Want.ContinuedAsNew.Args, arg)
			}
		case replay.Waiting:
			c.Want.Waiting = true
		}
	}
	return c
}

// untimed returns a request without its timeout_ms. That is what is left of the
// activity's time, which changes with the smallest change of the module.
func untimed(request []byte) []byte {
	head, body, err := passthrough.SplitFrame(request)
	if err != nil {
		return request
	}
	n, err := fromJSON(head)
	if err != nil || n.get(keyTimeout) == nil {
		return request
	}
	frame, err := passthrough.EncodeFrame(json.RawMessage(n.without(keyTimeout).json()), body)
	if err != nil {
		return request
	}
	return frame
}

// Append writes a case to the end of the file at f.Path. It makes the file, with all of f
// but its cases, if there is none. The cases of one file share the module, clock, seed,
// environment, limits and mounts. Append fails if those of the file differ from those of
// f, or if the file has a case of that name.
func (f *File) Append(c *Case) error {
	data, err := os.ReadFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		var b bytes.Buffer
		f.header().writeMap(&b, 0)
		b.WriteString("cases:\n")
		c.write(&b, "  ")
		return save(f.Path, b.Bytes())
	}
	if err != nil {
		return fmt.Errorf("the case file cannot be read: %w", err)
	}
	there, err := decode(f.Path, data)
	if err != nil {
		return err
	}
	if !sameFile(there.Module, f.Module) || there.Digest != "" && f.Digest != "" && there.Digest != f.Digest || !there.Start.Equal(f.Start) || there.Seed != f.Seed || !maps.Equal(there.Env, f.Env) || !there.Command.equal(f.Command) || there.Limits != f.Limits || !maps.Equal(there.Mounts, f.Mounts) {
		return fmt.Errorf("%s: its cases have another module, start, seed, environment, command, limits or mounts: write to another file", f.Path)
	}
	if slices.ContainsFunc(there.Cases, func(have *Case) bool { return have.Name == c.Name }) {
		return fmt.Errorf("%s: it has a case %q already: give the new one another name", f.Path, c.Name)
	}
	t := textOf(data)
	last := there.Cases[len(there.Cases)-1].source
	dash := ""
	if at := last.at; at.line <= len(t) {
		dash = t[at.line-1][:len(t[at.line-1])-len(strings.TrimLeft(t[at.line-1], " "))]
	}
	if list := there.root.get("cases"); list.flow || list.shared || last.flow || last.shared {
		return fmt.Errorf("%s:%d:%d: a case can only be appended to a list whose items begin with dashes", f.Path, list.at.line, list.at.column)
	}
	var b bytes.Buffer
	c.write(&b, dash)
	t = t.replace(t.end(last.at.line, last.at.column)+1, 0, b.String())
	return f.verified(t, len(there.Cases)+1)
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// save writes a file atomically: it writes a temporary file and renames it.
func save(path string, data []byte) error {
	mode := os.FileMode(0o600) // inputs of activities may be confidential
	if stat, err := os.Stat(path); err == nil {
		mode = stat.Mode().Perm()
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = temporary.Write(data)
	err = errors.Join(err, temporary.Chmod(mode), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		os.Remove(temporary.Name()) //nolint:errcheck // err is the error to report
	}
	return err
}

// verified saves an edited file if it can still be read and has the given number of
// cases.
func (f *File) verified(t text, cases int) error {
	data := []byte(strings.Join(t, "\n"))
	again, err := decode(f.Path, data)
	if err == nil && len(again.Cases) != cases {
		err = fmt.Errorf("it would have %d cases instead of %d", len(again.Cases), cases)
	}
	if err != nil {
		return fmt.Errorf("%s cannot be edited in place, and was not changed: %w", f.Path, err)
	}
	return save(f.Path, data)
}

func (f *File) header() *node {
	module := f.Module
	if relative, err := filepath.Rel(absolute(filepath.Dir(f.Path)), absolute(f.Module)); err == nil {
		module = filepath.ToSlash(relative)
	}
	n := mapOf("module", str(module))
	if f.Digest != "" {
		n.set("digest", str("sha256:"+f.Digest))
	}
	if !f.Start.IsZero() {
		n.set("start", str(f.Start.UTC().Format(time.RFC3339Nano)))
	}
	if f.Seed != 0 {
		n.set("seed", number(f.Seed))
	}
	if len(f.Env) > 0 {
		n.set("env", sortedMap(f.Env, str))
	}
	if command := f.Command.node(); len(command.keys) > 0 {
		n.set("command", command)
	}
	limits := &node{kind: kindMap}
	if f.Limits.Memory != 0 {
		limits.set("memory", sizeNode(f.Limits.Memory))
	}
	if f.Limits.Output != 0 {
		limits.set("output", sizeNode(uint64(f.Limits.Output)))
	}
	if f.Limits.Fuel != 0 {
		limits.set("fuel", number(f.Limits.Fuel))
	}
	if len(limits.keys) > 0 {
		n.set("limits", limits)
	}
	if len(f.Tags) > 0 {
		n.set("tags", listOf(f.Tags, str))
	}
	if len(f.Mounts) > 0 {
		n.set("mounts", sortedMap(f.Mounts, func(write bool) *node { return mapOf("write", &node{kind: kindBool, text: fmt.Sprint(write)}) }))
	}
	return n
}

func (c Command) node() *node {
	n := &node{kind: kindMap}
	if len(c.Args) > 0 {
		n.set("args", listOf(c.Args, str))
	}
	if c.IO != "" {
		n.set("io", str(string(c.IO)))
	}
	if len(c.SuccessCodes) > 0 {
		n.set("success_codes", listOf(c.SuccessCodes, func(code uint32) *node { return number(int64(code)) }))
	}
	return n
}

func absolute(path string) string {
	if a, err := filepath.Abs(path); err == nil {
		return a
	}
	return path
}

// sizeNode returns a size in the largest unit in which it is a whole number.
func sizeNode(size uint64) *node {
	if text, _ := passthrough.Size(size).MarshalText(); bytes.HasSuffix(text, []byte("B")) {
		return str(string(text))
	}
	return number(size)
}

// write writes the case as an item of a list, whose dashes follow the indentation.
func (c *Case) write(b *bytes.Buffer, indent string) {
	var inner bytes.Buffer
	c.node().writeMap(&inner, len(indent)+2)
	b.WriteString(indent + "- " + strings.TrimLeft(inner.String(), " "))
}

func (c *Case) node() *node {
	a := c.Activity
	n := mapOf("name", str(c.Name))
	if len(c.Tags) > 0 {
		n.set("tags", listOf(c.Tags, str))
	}
	n.set("activity", str(a.Type))
	value := func(v any) *node { return payloadNode(replay.NewPayload(v)) }
	if len(a.Args) > 0 {
		n.set("args", listOf(a.Args, value))
	}
	if c.Info != nil {
		n.set("info", rawNode(c.Info))
	}
	if len(a.Details) > 0 {
		n.set("details", listOf(a.Details, value))
	}
	if a.Files != nil {
		n.set("files", sortedMap(a.Files, fileNode))
	}
	if len(c.Calls) > 0 {
		n.set("calls", listOf(c.Calls, answerNode))
	}
	if w := a.Cancel; w != (replay.Trigger{}) {
		cancel := &node{kind: kindMap}
		if w.Heartbeats > 0 {
			cancel.set("heartbeats", number(w.Heartbeats))
		}
		if w.Fuel > 0 {
			cancel.set("fuel", number(w.Fuel))
		}
		if w.Calls > 0 {
			cancel.set("calls", number(w.Calls))
		}
		if a.Flags != 0 {
			flags := &node{kind: kindList}
			for _, name := range slices.SortedFunc(maps.Keys(flagNames), func(a, b string) int { return int(flagNames[a]) - int(flagNames[b]) }) {
				if a.Flags&flagNames[name] != 0 {
					flags.items = append(flags.items, str(name))
				}
			}
			cancel.set("flags", flags)
		}
		n.set("cancel", cancel)
	}
	if a.Kill > 0 {
		n.set("kill", mapOf("fuel", number(a.Kill)))
	}
	if a.RefuseMemory > 0 {
		n.set("refuse_memory", number(a.RefuseMemory))
	}
	return n.set("want", c.Want.node())
}

func answerNode(c replay.Call) *node {
	n := callNode(c)
	if c.Err != nil {
		errno := str(c.Err.Errno.String())
		if _, named := errnos[errno.text]; !named {
			errno = number(int(c.Err.Errno))
		}
		return n.set("error", mapOf("errno", errno).set("message", str(c.Err.Message)))
	}
	return n.set("response", messageNode(c.Response, false))
}

func (w *Want) node() *node {
	n := &node{kind: kindMap}
	if w.Output != nil {
		n.set("output", payloadNode(*w.Output))
	}
	if w.Failure != nil {
		n.set("failure", w.Failure.node())
	}
	if w.Canceled != nil {
		n.set("canceled", w.Canceled.node())
	}
	if w.ContinuedAsNew != nil {
		n.set("continued_as_new", w.ContinuedAsNew.node())
	}
	if w.TaskFailure != nil {
		n.set("task_failure", w.TaskFailure.node())
	}
	if w.Waiting {
		n.set("waiting", &node{kind: kindBool, text: "true"})
	}
	if w.Heartbeats != nil {
		n.set("heartbeats", heartbeatsNode(*w.Heartbeats))
	}
	if w.CallCounts != nil {
		n.set("calls", sortedMap(w.CallCounts, number))
	}
	if w.Fuel > 0 {
		n.set("fuel", number(w.Fuel))
	}
	return n
}

func (c *Canceled) node() *node {
	switch {
	case c.Any:
		return &node{kind: kindBool, text: "true"}
	case c.Details == nil:
		return &node{kind: kindNull, text: "null"}
	case c.Details.Encoding() == abi.EncodingJSON && string(c.Details.Data) == "true", c.Details.Encoding() == abi.EncodingJSON && string(c.Details.Data) == "false":
		return mapOf(keyEncoding, str(abi.EncodingJSON)).set(keyText, str(string(c.Details.Data)))
	}
	return payloadNode(*c.Details)
}

// Update rewrites the expectations of cases that were not met, in the file. It adds
// expectations to cases that have none: how they end, and their units. Everything else
// stays as it is, comments too. Limits and patterns (max_fuel, max_memory,
// output_contains, output_matches, message_matches, details_match) are not rewritten. It
// returns how many cases were changed. The error joins why other cases cannot be changed.
// If the file cannot be written, no case is changed.
func (f *File) Update(results []*Result) (changed int, err error) {
	data, err := os.ReadFile(f.Path)
	if err != nil {
		return 0, fmt.Errorf("the case file cannot be read: %w", err)
	}
	if !bytes.Equal(data, f.source) {
		return 0, fmt.Errorf("%s has changed since it was read, and was not updated: do it again", f.Path)
	}
	t := textOf(data)
	var errs []error
	for _, r := range slices.Backward(slices.SortedFunc(slices.Values(results), func(a, b *Result) int { return a.Case.source.at.line - b.Case.source.at.line })) {
		edits := r.edits()
		if len(edits) == 0 {
			continue
		}
		edited, err := r.Case.edit(t, edits)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d:%d: %q: %w", f.Path, r.Case.source.at.line, r.Case.source.at.column, r.Case.Name, err))
			continue
		}
		t = edited
		changed++
	}
	if changed > 0 {
		if err := f.verified(t, len(f.root.get("cases").items)); err != nil {
			return 0, err
		}
	}
	return changed, errors.Join(errs...)
}

// edit sets a key of want. It replaces the key old if that is not empty.
type edit struct {
	key, old string
	value    *node // nil removes the key
}

func (r *Result) edits() (all []edit) {
	c, w, run := r.Case, &r.Case.Want, r.Run
	if r.unanswered {
		return nil // a workflow's mocks do not fit, so the result means nothing
	}
	if slices.ContainsFunc(r.Differences, func(d Difference) bool {
		return strings.HasPrefix(d.What, "call ") || strings.HasPrefix(d.What, "calls that")
	}) {
		return nil // the answers do not fit, so the result means nothing
	}
	if run.Outcome() == replay.Interrupted {
		return nil
	}
	seen := record(c.Name, c.Activity, run).Want
	if c.source.get("want") == nil {
		if seen.Canceled != nil || seen.Failure != nil || seen.Output != nil || c.Workflow != nil {
			n := seen.node()
			for i, key := range n.keys {
				all = append(all, edit{key, "", n.items[i]})
			}
		}
		return all
	}
	differs := func(what string) bool {
		return slices.ContainsFunc(r.Differences, func(d Difference) bool {
			return d.What == what || strings.HasPrefix(d.What, what+".") && !strings.HasSuffix(d.What, "_matches") && !strings.HasSuffix(d.What, "_match") || strings.HasPrefix(d.What, what+"[")
		})
	}
	want := c.source.get("want")
	var ends []string
	for _, key := range want.keys {
		if slices.Contains(endings, key) {
			ends = append(ends, key)
		}
	}
	now := seen.node().keys[0]
	switch {
	case now == "failure" && w.Failure != nil && differs("failure"):
		all = append(all, edit{"failure", "", w.Failure.updated(run.Failure()).node()})
	case now == "task_failure" && w.TaskFailure != nil && differs("task_failure"):
		all = append(all, edit{now, "", w.TaskFailure.updated(run.Err.(*replay.WorkflowError).Failure).node()})
	case slices.Contains(ends, now) && differs(now):
		all = append(all, edit{now, "", seen.node().items[0]})
	case len(ends) > 0 && !strings.HasPrefix(ends[0], now) && (differs(ends[0]) || differs("output")):
		all = append(all, edit{now, ends[0], seen.node().items[0]})
		for _, old := range ends[1:] {
			all = append(all, edit{old, "", nil})
		}
	case len(ends) == 0 && differs("output"):
		all = append(all, edit{now, "", seen.node().items[0]})
	}
	if w.Heartbeats != nil && differs("heartbeats") {
		all = append(all, edit{"heartbeats", "", heartbeatsNode(run.Heartbeats)})
	}
	if w.Logs != nil && differs("logs") {
		all = append(all, edit{"logs", "", listOf(run.Logs, gotRecord)})
	}
	if w.Commands != nil && differs("commands") {
		all = append(all, edit{"commands", "", shownCommands(commands(run), *w.Commands)})
	}
	if w.Files != nil && differs("files") {
		now := map[string][]byte{}
		for name := range w.Files {
			now[name] = run.Files[name]
		}
		all = append(all, edit{"files", "", sortedMap(now, fileNode)})
	}
	if w.Calls != nil && differs("calls") {
		all = append(all, edit{"calls", "", listOf(run.Calls, callNode)})
	}
	if w.CallCounts != nil && differs("calls") {
		all = append(all, edit{"calls", "", sortedMap(w.countCalls(run.Calls), number)})
	}
	if w.CallCount != nil && differs("calls") {
		all = append(all, edit{"calls", "", number(len(run.Calls))})
	}
	if w.Fuel > 0 && differs("fuel") {
		all = append(all, edit{"fuel", "", number(run.Fuel)})
	}
	return all
}

// updated returns a failure with the fields that f has and the values of now. Patterns
// stay as they are.
func (f *Failure) updated(now *abi.Failure) *Failure {
	out := *f
	if f.Type != nil {
		out.Type = &now.Type
	}
	if f.Message != nil {
		out.Message = &now.Message
	}
	if f.NonRetryable != nil {
		out.NonRetryable = &now.NonRetryable
	}
	if f.NextRetryDelay != nil {
		out.NextRetryDelay = new(time.Duration(now.NextRetryDelay))
	}
	if f.Category != nil {
		out.Category = new(now.Category)
	}
	if f.Details != nil {
		out.Details = new(slices.Clone(now.Details))
	}
	if f.Cause != nil {
		if out.Cause = nil; now.Cause != nil {
			out.Cause = f.Cause.updated(now.Cause)
		}
	}
	return &out
}

// edit applies edits to the lines of a file.
func (c *Case) edit(t text, edits []edit) (text, error) {
	if c.source.flow || c.source.shared {
		return nil, errors.New("it is written in one line, or with an alias, and cannot be updated in place: write one key a line")
	}
	want := c.source.get("want")
	if want == nil {
		n := &node{kind: kindMap}
		for _, e := range edits {
			n.set(e.key, e.value)
		}
		var b bytes.Buffer
		mapOf("want", n).writeMap(&b, c.source.at.column-1)
		return t.replace(t.end(c.source.at.line, c.source.at.column)+1, 0, b.String()), nil
	}
	if want.shared {
		return nil, errors.New("what it wants is written with an alias, and cannot be updated in place: write it out")
	}
	if want.flow || len(want.keys) == 0 {
		at := c.source.keyAt[slices.Index(c.source.keys, "want")]
		n := &node{kind: kindMap, keys: slices.Clone(want.keys), items: slices.Clone(want.items)}
		for _, e := range edits {
			i := slices.Index(n.keys, e.old)
			if i < 0 {
				i = slices.Index(n.keys, e.key)
			}
			switch {
			case e.value == nil:
				n.keys, n.items = slices.Delete(n.keys, i, i+1), slices.Delete(n.items, i, i+1)
			case i < 0:
				n.set(e.key, e.value)
			default:
				n.keys[i], n.items[i] = e.key, e.value
			}
		}
		var b bytes.Buffer
		mapOf("want", n).writeMap(&b, at.column-1)
		return t.replace(at.line, t.end(at.line, at.column+1)-at.line+1, b.String()), nil
	}
	// Edits are applied from the end of the file, so that the lines before an edit keep
	// their numbers.
	line := func(e edit) int {
		key := e.old
		if key == "" {
			key = e.key
		}
		if i := slices.Index(want.keys, key); i >= 0 {
			return want.keyAt[i].line
		}
		return t.end(want.at.line, want.at.column) + 1
	}
	slices.SortStableFunc(edits, func(a, b edit) int { return line(b) - line(a) })
	for _, e := range edits {
		var b bytes.Buffer
		if e.value != nil {
			mapOf(e.key, e.value).writeMap(&b, want.at.column-1)
		}
		from := line(e)
		count := 0
		if slices.Contains(want.keys, e.key) || e.old != "" {
			count = t.end(from, want.at.column+1) - from + 1
		}
		t = t.replace(from, count, b.String())
	}
	return t, nil
}
