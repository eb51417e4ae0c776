package cases

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// Difference is one difference between a run and what was expected.
type Difference struct {
	// What names the part that differs: output, failure.message, calls[2].
	What string `json:"what"`
	// Want and Got are JSON or text for people. They may have several lines.
	Want string `json:"want"`
	Got  string `json:"got"`
}

// String returns the difference line by line. Lines with a minus are only wanted. Lines
// with a plus were only got.
func (d Difference) String() string {
	if !strings.Contains(d.Want+d.Got, "\n") {
		same := 0
		for same < min(len(d.Want), len(d.Got)) && d.Want[same] == d.Got[same] {
			same++
		}
		return fmt.Sprintf("%s:\n  - %s\n  + %s", d.What, shorten(d.Want, same), shorten(d.Got, same))
	}
	return d.What + ":\n" + diff(strings.Split(d.Want, "\n"), strings.Split(d.Got, "\n"))
}

// Messages are for people. They are cut beyond these limits.
const (
	maxLine  = 1000 // bytes
	maxLines = 200
)

// shorten cuts a line to about maxLine bytes. It keeps the place from which on the line
// differs from another one.
func shorten(line string, differs int) string {
	if len(line) <= maxLine {
		return line
	}
	from := max(0, min(differs, len(line))-maxLine/4)
	cut := strings.ToValidUTF8(line[from:min(len(line), from+maxLine)], "")
	if from > 0 {
		cut = "…" + cut
	}
	return fmt.Sprintf("%s… (%d bytes)", cut, len(line))
}

// around is how many equal lines are shown before and after different ones.
const around = 3

// diff returns the lines that differ, with some equal lines around them. At most maxLines
// are returned.
func diff(want, got []string) string {
	prefix := 0
	for prefix < min(len(want), len(got)) && want[prefix] == got[prefix] {
		prefix++
	}
	suffix := 0
	for suffix < min(len(want), len(got))-prefix && want[len(want)-1-suffix] == got[len(got)-1-suffix] {
		suffix++
	}
	type line struct {
		sign byte
		text string
	}
	var lines []line
	add := func(sign byte, texts []string) {
		for _, text := range texts {
			lines = append(lines, line{sign, text})
		}
	}
	add(' ', want[:prefix])
	a, b := want[prefix:len(want)-suffix], got[prefix:len(got)-suffix]
	if len(a)*len(b) > 4<<20 { // a table of all pairs of lines would be too large
		add('-', a)
		add('+', b)
		a, b = nil, nil
	}
	// common[i][k] is how many lines a[i:] and b[k:] have in common.
	common := make([][]int32, len(a)+1)
	for i := range common {
		common[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for k := len(b) - 1; k >= 0; k-- {
			if a[i] == b[k] {
				common[i][k] = common[i+1][k+1] + 1
			} else {
				common[i][k] = max(common[i+1][k], common[i][k+1])
			}
		}
	}
	i, k := 0, 0
	for i < len(a) && k < len(b) {
		switch {
		case a[i] == b[k]:
			add(' ', a[i:i+1])
			i, k = i+1, k+1
		case common[i+1][k] >= common[i][k+1]:
			add('-', a[i:i+1])
			i++
		default:
			add('+', b[k:k+1])
			k++
		}
	}
	add('-', a[i:])
	add('+', b[k:])
	add(' ', want[len(want)-suffix:])
	near := make([]bool, len(lines))
	for i, l := range lines {
		if l.sign == ' ' {
			continue
		}
		for k := max(0, i-around); k <= min(len(lines)-1, i+around); k++ {
			near[k] = true
		}
	}
	var out strings.Builder
	shown := 0
	for i, l := range lines {
		switch {
		case near[i] && shown == maxLines:
			fmt.Fprintf(&out, "    … and more, of %d lines\n", len(lines))
			return strings.TrimSuffix(out.String(), "\n")
		case near[i]:
			shown++
			fmt.Fprintf(&out, "  %c %s\n", l.sign, shorten(l.text, 0))
		case i == 0 || near[i-1]:
			out.WriteString("    …\n")
		}
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// compare returns the differences between a run and what is expected.
func (w *Want) compare(run *replay.Run) (all []Difference) {
	add := func(what, want, got string) { all = append(all, Difference{what, want, got}) }
	outcome := run.Outcome()
	switch {
	case w.compareWorkflow(run, add):
	case w.Failure != nil && outcome == replay.Failed:
		w.Failure.compare("failure", run.Failure(), add)
	case w.Failure != nil:
		add("failure", w.Failure.node().pretty(), ending(run))
	case w.Canceled != nil && outcome == replay.Canceled:
		if !w.Canceled.Any && !samePayload(run.Output, w.Canceled.Details) {
			add("canceled", payloadText(w.Canceled.Details), payloadText(run.Output))
		}
	case w.Canceled != nil:
		want := "canceled"
		if w.Canceled.Details != nil {
			want += " with " + payloadText(w.Canceled.Details)
		}
		add("canceled", want, ending(run))
	case outcome != replay.Completed:
		want := "completed"
		if w.Output != nil {
			want += " with " + payloadText(w.Output)
		}
		add("output", want, ending(run))
	default:
		w.compareOutput(run.Output, add)
	}
	if w.Heartbeats != nil {
		w.compareHeartbeats(run.Heartbeats, add)
	}
	if w.Logs != nil {
		compareLogs(run.Logs, *w.Logs, add)
	}
	if w.Commands != nil {
		compareCommands(commands(run), *w.Commands, add)
	}
	if w.Calls != nil {
		compareCalls(run.Calls, *w.Calls, add)
	}
	if w.CallCount != nil && *w.CallCount != len(run.Calls) {
		add("calls", fmt.Sprint(*w.CallCount), listOf(run.Calls, callNode).pretty())
	}
	if counts := w.countCalls(run.Calls); !maps.Equal(counts, w.CallCounts) {
		add("calls", sortedMap(w.CallCounts, number).pretty(), sortedMap(counts, number).pretty())
	}
	w.compareFiles(run.Files, add)
	if w.Fuel > 0 && w.Fuel != run.Fuel {
		add("fuel", fmt.Sprint(w.Fuel), fmt.Sprint(run.Fuel))
	}
	if w.MaxFuel > 0 && run.Fuel > w.MaxFuel {
		add("max_fuel", fmt.Sprintf("at most %d", w.MaxFuel), fmt.Sprint(run.Fuel))
	}
	if w.MaxMemory > 0 && run.Memory > w.MaxMemory {
		add("max_memory", fmt.Sprintf("at most %d bytes", w.MaxMemory), fmt.Sprintf("%d bytes", run.Memory))
	}
	return all
}

func (w *Want) compareOutput(got *sandbox.Payload, add func(what, want, got string)) {
	if w.Output != nil && !samePayload(got, w.Output) {
		add("output", payloadText(w.Output), payloadText(got))
	}
	if w.OutputContains != nil {
		want, err := fromJSON(w.OutputContains)
		var have *node
		if got != nil && err == nil {
			have, err = fromJSON(got.Data)
		}
		if have == nil || err != nil || !subset(have, want) {
			text := payloadText(got)
			if have != nil {
				text = have.pretty()
			}
			add("output_contains", want.pretty(), text)
		}
	}
	if w.OutputMatches != nil && !w.OutputMatches.MatchString(matched(got)) {
		add("output_matches", w.OutputMatches.String(), payloadText(got))
	}
}

func (f *Failure) compare(path string, got *abi.Failure, add func(what, want, got string)) {
	if got == nil {
		add(path, f.node().pretty(), "none")
		return
	}
	field := func(name, want, got string) {
		if want != got {
			add(path+"."+name, want, got)
		}
	}
	if f.Type != nil {
		field("type", string(quote(*f.Type)), string(quote(got.Type)))
	}
	if f.Message != nil {
		field("message", string(quote(*f.Message)), string(quote(got.Message)))
	}
	if f.MessageMatches != nil && !f.MessageMatches.MatchString(got.Message) {
		add(path+".message_matches", f.MessageMatches.String(), string(quote(got.Message)))
	}
	if f.NonRetryable != nil {
		field("non_retryable", fmt.Sprint(*f.NonRetryable), fmt.Sprint(got.NonRetryable))
	}
	if f.NextRetryDelay != nil {
		field("next_retry_delay_ms", fmt.Sprint(f.NextRetryDelay.Milliseconds()), fmt.Sprint(time.Duration(got.NextRetryDelay).Milliseconds()))
	}
	if f.Category != nil {
		field("category", string(quote(*f.Category)), string(quote(got.Category)))
	}
	if f.Details != nil {
		want, have := listOf(*f.Details, rawNode), listOf(got.Details, rawNode)
		if !equal(have, want) {
			add(path+".details", want.pretty(), have.pretty())
		}
	}
	if f.DetailsMatch != nil {
		if have := listOf(got.Details, rawNode); !f.DetailsMatch.Match(have.json()) {
			add(path+".details_match", f.DetailsMatch.String(), have.pretty())
		}
	}
	if f.Cause != nil {
		f.Cause.compare(path+".cause", got.Cause, add)
	}
}

func (w *Want) compareHeartbeats(got [][]sandbox.Payload, add func(what, want, got string)) {
	want := *w.Heartbeats
	same := len(got) == len(want)
	for i := 0; same && i < len(want); i++ {
		same = len(got[i]) == len(want[i])
		for k := 0; same && k < len(want[i]); k++ {
			same = samePayload(&got[i][k], &want[i][k])
		}
	}
	if !same {
		add("heartbeats", heartbeatsNode(want).pretty(), heartbeatsNode(got).pretty())
	}
}

func compareLogs(got []replay.LogRecord, want []Log, add func(what, want, got string)) {
	same := len(got) == len(want)
	shown := listOf(want, recordNode)
	all := &node{kind: kindList}
	for i, g := range got {
		n := gotRecord(g)
		var asked []string
		if i < len(want) {
			asked = shown.items[i].keys
			for _, key := range asked {
				have := n.get(key)
				if have == nil {
					have = &node{kind: kindMap}
				}
				same = same && equal(have, shown.items[i].get(key))
			}
		}
		if len(asked) > 0 { // fields that the case does not name are not shown
			part := &node{kind: kindMap}
			for i, key := range n.keys {
				if slices.Contains(asked, key) {
					part.set(key, n.items[i])
				}
			}
			n = part
		}
		all.items = append(all.items, n)
	}
	if !same {
		add("logs", shown.pretty(), all.pretty())
	}
}

func compareCalls(got, want []replay.Call, add func(what, want, got string)) {
	for i := range max(len(got), len(want)) {
		what := fmt.Sprintf("calls[%d]", i)
		switch {
		case i >= len(got):
			add(what, callNode(want[i]).pretty(), "no such call")
		case i >= len(want):
			add(what, "no such call", callNode(got[i]).pretty())
		case !fits(got[i], want[i]):
			g := got[i]
			if want[i].Request == nil {
				g.Request = nil
			}
			add(what, callNode(want[i]).pretty(), callNode(g).pretty())
		}
	}
}

// countCalls returns how often the functions were called that CallCounts names.
func (w *Want) countCalls(calls []replay.Call) map[string]int {
	counts := map[string]int{}
	for name := range w.CallCounts {
		counts[name] = 0
	}
	for _, c := range calls {
		name := callName(c.Module + " " + c.Function)
		if _, ok := counts[name]; ok {
			counts[name]++
		}
	}
	return counts
}

func (w *Want) compareFiles(got map[string][]byte, add func(what, want, got string)) {
	for _, name := range slices.Sorted(maps.Keys(w.Files)) {
		want, have := w.Files[name], got[name]
		if (want == nil) != (have == nil) || !bytes.Equal(want, have) && !sameJSON(have, want) {
			add("files["+name+"]", fileText(want), fileText(have))
		}
	}
}

// fits reports whether a call is the one that a case has: the same capability and
// function, and the same request if the case has one.
func fits(got, want replay.Call) bool {
	return got.Module == want.Module && got.Function == want.Function && (want.Request == nil || sameMessage(got.Request, want.Request))
}

// keyTimeout is a key in the heads of http's requests.
const keyTimeout = "timeout_ms"

// sameMessage reports whether two requests are equal: byte for byte, or as JSON values.
// In the heads of frames, a missing key equals one with an empty or zero value, because
// abi/SPEC.md lets such keys be left out.
//
// If the wanted head has no timeout_ms, any timeout will do. SDKs send what is left of
// the activity's time, to the millisecond.
func sameMessage(got, want []byte) bool {
	if bytes.Equal(got, want) {
		return true
	}
	gotHead, gotBody, errGot := passthrough.SplitFrame(got)
	wantHead, wantBody, errWant := passthrough.SplitFrame(want)
	if errGot == nil && errWant == nil {
		g, errGot := fromJSON(gotHead)
		w, errWant := fromJSON(wantHead)
		if errGot == nil && errWant == nil && g.kind == kindMap {
			if w.get(keyTimeout) == nil {
				g = g.without(keyTimeout)
			}
			return equal(withoutEmpty(g), withoutEmpty(w)) && (bytes.Equal(gotBody, wantBody) || sameJSON(gotBody, wantBody))
		}
	}
	return sameJSON(got, want)
}

func sameJSON(got, want []byte) bool {
	g, errGot := fromJSON(got)
	w, errWant := fromJSON(want)
	return errGot == nil && errWant == nil && equal(g, w)
}

// withoutEmpty returns a head without its empty and zero entries. Any other node is
// returned as it is.
func withoutEmpty(n *node) *node {
	out := &node{kind: n.kind, text: n.text}
	for i, key := range n.keys {
		v := n.items[i]
		empty := v.kind == kindNull || v.kind == kindBool && v.text == "false" || v.kind == kindNumber && v.text == "0" || v.kind == kindString && v.text == "" ||
			(v.kind == kindList || v.kind == kindMap) && len(v.items) == 0
		if !empty {
			out.set(key, v)
		}
	}
	if n.kind != kindMap {
		return n
	}
	return out
}

func isNull(p *sandbox.Payload) bool {
	return p == nil || p.Encoding() == abi.EncodingNull && len(p.Data) == 0 || p.Encoding() == abi.EncodingJSON && string(bytes.TrimSpace(p.Data)) == "null"
}

// samePayload reports whether two payloads are equal. JSON is compared by value. Metadata
// beyond the encoding is compared only if some is wanted.
func samePayload(got, want *sandbox.Payload) bool {
	if want == nil || want.Encoding() == abi.EncodingNull {
		return isNull(got)
	}
	if got == nil || got.Encoding() != want.Encoding() {
		return false
	}
	for name, value := range want.Metadata {
		if !bytes.Equal(got.Metadata[name], value) {
			return false
		}
	}
	return bytes.Equal(got.Data, want.Data) || strings.HasPrefix(want.Encoding(), "json/") && sameJSON(got.Data, want.Data)
}

// The functions below make the forms in which values appear in files and messages.

func payloadText(p *sandbox.Payload) string {
	if p == nil {
		return "null"
	}
	if p.Encoding() == abi.EncodingJSON {
		if n, err := fromJSON(p.Data); err == nil {
			return n.pretty()
		}
	}
	return payloadNode(*p).pretty()
}

// matched returns the text with which a regular expression is matched. A JSON string is
// its text. Other JSON is without the escapes and spaces in which the encoders of
// languages differ. Text that Go writes as \u003cp\u003e is <p>.
func matched(p *sandbox.Payload) string {
	if p == nil {
		return ""
	}
	if p.Encoding() == abi.EncodingJSON {
		if n, err := fromJSON(p.Data); err == nil {
			if n.kind == kindString {
				return n.text
			}
			return string(n.json())
		}
	}
	return string(p.Data)
}

// fileText returns the content of a file for messages.
func fileText(content []byte) string {
	if content == nil {
		return "no such file"
	}
	n := fileNode(content)
	if n.kind == kindString && n.text != "" {
		return n.text
	}
	return n.pretty()
}

// fileNode returns a file's content in the form of case files.
func fileNode(content []byte) *node {
	if content == nil {
		return &node{kind: kindNull, text: "null"}
	}
	return textOrBase64(content, "text", "base64")
}

// ending returns how a run ended, in one line or more.
func ending(run *replay.Run) string {
	switch run.Outcome() {
	case replay.Completed:
		return "completed with " + payloadText(run.Output)
	case replay.Canceled:
		if run.Output == nil {
			return "canceled"
		}
		return "canceled with " + payloadText(run.Output)
	}
	if f := run.Failure(); f != nil {
		return "failed: " + failureOf(f).node().pretty()
	}
	if e, ok := errors.AsType[*replay.WorkflowError](run.Err); ok && e.Outcome == replay.ContinuedAsNew {
		return "continued as new: " + (&ContinuedAsNew{Workflow: e.Type}).node().set("args", listOf(e.Args, payloadNode)).pretty()
	}
	return run.Err.Error()
}

func heartbeatsNode(all [][]sandbox.Payload) *node {
	return listOf(all, func(details []sandbox.Payload) *node { return listOf(details, payloadNode) })
}

func rawNode(data json.RawMessage) *node {
	n, err := fromJSON(data)
	if err != nil {
		return str(string(data))
	}
	return n
}

func callNode(c replay.Call) *node {
	n := mapOf("call", str(callName(c.Module+" "+c.Function)))
	if c.Request != nil {
		n.set("request", messageNode(c.Request, true))
	}
	return n
}

func recordNode(r Log) *node {
	n := &node{kind: kindMap}
	if r.Level != nil {
		n.set("level", str(*r.Level))
	}
	if r.Message != nil {
		n.set("message", str(*r.Message))
	}
	if r.Attrs != nil {
		n.set("attrs", rawNode(r.Attrs))
	}
	return n
}

func failureOf(f *abi.Failure) *Failure {
	if f == nil {
		return nil
	}
	out := &Failure{Message: &f.Message, NonRetryable: &f.NonRetryable, Cause: failureOf(f.Cause)}
	if f.Type != "" {
		out.Type = &f.Type
	}
	if f.NextRetryDelay != 0 {
		out.NextRetryDelay = new(time.Duration(f.NextRetryDelay))
	}
	if f.Category != "" {
		out.Category = &f.Category
	}
	if len(f.Details) > 0 {
		out.Details = &f.Details
	}
	return out
}

func (f *Failure) node() *node {
	n := &node{kind: kindMap}
	if f.Type != nil {
		n.set("type", str(*f.Type))
	}
	if f.Message != nil {
		n.set("message", str(*f.Message))
	}
	if f.MessageMatches != nil {
		n.set("message_matches", str(f.MessageMatches.String()))
	}
	if f.NonRetryable != nil && (*f.NonRetryable || f.Type == nil) {
		n.set("non_retryable", &node{kind: kindBool, text: fmt.Sprint(*f.NonRetryable)})
	}
	if f.NextRetryDelay != nil {
		n.set("next_retry_delay_ms", number(f.NextRetryDelay.Milliseconds()))
	}
	if f.Category != nil {
		n.set("category", str(*f.Category))
	}
	if f.Details != nil {
		n.set("details", listOf(*f.Details, rawNode))
	}
	if f.DetailsMatch != nil {
		n.set("details_match", str(f.DetailsMatch.String()))
	}
	if f.Cause != nil {
		n.set("cause", f.Cause.node())
	}
	return n
}
