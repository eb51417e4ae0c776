package abi_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
)

// The tests in this file hold SPEC.md against abi.go, in both directions: what one of
// them names, the other must have, with the same number. The constants are read from
// the source, so that one that is added later cannot be forgotten here.

func TestSpecStatuses(t *testing.T) {
	spec := map[string]int64{}
	for _, row := range tableRows(section(t, "Life of an instance")) {
		spec["Status"+camel(row[1])] = number(t, row[0])
	}
	sameNumbers(t, spec, constantsOf(t, "Status"))
}

func TestSpecFlags(t *testing.T) {
	spec := map[string]int64{}
	status := section(t, "`status`")
	for _, row := range tableRows(status) {
		spec["Flag"+camel(code(t, row[1]))] = number(t, row[0])
	}
	code := constantsOf(t, "Flags")
	end := code["FlagsEnd"]
	delete(code, "FlagsEnd")
	sameNumbers(t, spec, code)

	// "A guest that goes on after `A`, `B` or `C` is interrupted"
	sentence := regexp.MustCompile(`(?s)A guest that goes on\s+after (.*?) is interrupted`).FindStringSubmatch(status)
	if sentence == nil {
		t.Fatal("SPEC.md does not say after which flags a guest is interrupted")
	}
	var want int64
	for _, name := range regexp.MustCompile("`([A-Z_]+)`").FindAllStringSubmatch(sentence[1], -1) {
		want |= spec["Flag"+camel(name[1])]
	}
	if end != want {
		t.Errorf("FlagsEnd is %b, SPEC.md says %b", end, want)
	}
}

func TestSpecErrnos(t *testing.T) {
	spec := map[string]int64{}
	for _, row := range tableRows(section(t, "Numbers")) { // two tables side by side
		for _, pair := range [][]string{row[0:2], row[3:5]} {
			spec[code(t, pair[0])] = number(t, pair[1])
		}
	}
	sameNumbers(t, spec, constantsOf(t, "Errno"))
	for name, n := range spec {
		if got := abi.Errno(n).String(); got != name {
			t.Errorf("Errno(%d).String() = %q, want %q", n, got, name)
		}
	}
	if got, want := abi.Errno(4711).Error(), "errno 4711"; got != want {
		t.Errorf("an unknown errno is %q, want %q", got, want)
	}
	// Every errno that the prose names is one of the table.
	for _, name := range regexp.MustCompile("`(E[A-Z0-9]{3,})`").FindAllStringSubmatch(specText(t), -1) {
		if _, ok := spec[name[1]]; !ok {
			t.Errorf("SPEC.md uses %s, which is not in its table", name[1])
		}
	}
}

func TestSpecLimits(t *testing.T) {
	want := map[string]uint64{
		"output, and the details of one heartbeat, with metadata": abi.DefaultMaxOutput,
		"memory of an instance":                                   abi.DefaultMemoryLimit,
		"one failure (JSON)":                                      abi.MaxFailureSize,
		"one log record: message, attributes":                     abi.MaxLogText,
		"an encoding, or the metadata of a payload":               abi.MaxMetadata,
		"log records of one activity":                             abi.MaxLogRecords,
		"text of all log records of one activity":                 abi.MaxLogVolume,
		"open response handles of one activity":                   abi.MaxHandles,
		"one request to a passthrough function":                   abi.MaxRequestSize,
		"(in the text) causes of a failure, nested":               abi.MaxCauseDepth,
	}
	got := map[string]uint64{}
	for _, row := range tableRows(section(t, "Limits")) {
		got[row[0]] = size(t, row[1])
	}
	cut := regexp.MustCompile(`Causes deeper than (\d+) are cut off`).FindStringSubmatch(section(t, "Failure"))
	if cut == nil {
		t.Fatal("SPEC.md does not say at which depth causes are cut off")
	}
	got["(in the text) causes of a failure, nested"] = uint64(number(t, cut[1]))
	if !maps.Equal(got, want) {
		t.Errorf("SPEC.md has the limits\n%v, abi has\n%v", got, want)
	}
}

func TestSpecNames(t *testing.T) {
	text := specText(t)
	for _, want := range []string{
		"\n## `" + abi.ModuleActivity + "`\n",
		"\n## `" + abi.ModuleLog + "`\n",
		"All of `" + abi.ModuleWASI + "` may be imported",
		"calls its exported `" + abi.ExportInitialize + "`",
		"it exports `" + abi.ExportStart + "` and",
		"completed. Standard output is the result: nothing written means no result; exactly one JSON value (white space around it allowed) is `" + abi.EncodingJSON + "`; anything else is `" + abi.EncodingBinary + "`",
		"no result (Temporal: `" + abi.EncodingNull + "`)",
		`{"` + abi.MetadataEncoding + `": "` + abi.EncodingJSON + `"`,
		"`category` is absent\nor `" + abi.CategoryBenign + "`",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("SPEC.md does not contain %q", want)
		}
	}
	// Each failure type that the specification promises exists under that name.
	known := map[string]bool{}
	for _, value := range stringConstants(t, "Type") {
		known[value] = true
	}
	promised := regexp.MustCompile("type `([A-Za-z]+)`|\\(`([A-Z][a-z][A-Za-z]+)`[,)]").FindAllStringSubmatch(text, -1)
	if len(promised) < 5 {
		t.Fatalf("found %d failure types in SPEC.md, which cannot be all: %v", len(promised), promised)
	}
	for _, m := range promised {
		if name := m[1] + m[2]; !known[name] {
			t.Errorf("SPEC.md promises failures of type %s, which abi does not have", name)
		}
	}
}

// The examples of the specification have each field of the Go types and no others.
func TestSpecShapes(t *testing.T) {
	info := example(t, "Info")
	sameKeys(t, "Info", info, reflect.TypeFor[abi.Info]())
	sameKeys(t, "retry_policy", info["retry_policy"], reflect.TypeFor[abi.RetryPolicy]())
	sameKeys(t, "priority", info["priority"], reflect.TypeFor[abi.Priority]())
	failure := example(t, "Failure")
	sameKeys(t, "Failure", failure, reflect.TypeFor[abi.Failure]())

	// And what the specification shows as a failure is one.
	data, err := json.Marshal(failure)
	if err != nil {
		t.Fatal(err)
	}
	f, err := abi.ParseFailure(data)
	if err != nil {
		t.Fatal(err)
	}
	if f.Type != "CardDeclined" || f.Message != "card declined" || !f.NonRetryable || f.Category != abi.CategoryBenign || len(f.Details) != 2 || f.Cause == nil {
		t.Errorf("the example of a failure was read as %+v", f)
	}
}

// A zero field is absent, times are RFC 3339 and durations are whole milliseconds.
func TestInfoJSON(t *testing.T) {
	tests := []struct {
		name string
		info abi.Info
		want string
	}{
		{"minimal", abi.Info{ActivityID: "5", ActivityType: "Greet", Attempt: 1}, `{"activity_id":"5","activity_type":"Greet","attempt":1}`},
		{"times", abi.Info{
			ScheduledTime:    time.Date(2026, 1, 2, 15, 4, 5, 123e6, time.UTC),
			HeartbeatTimeout: abi.Milliseconds(30 * time.Second),
		}, `{"activity_id":"","activity_type":"","attempt":0,"heartbeat_timeout_ms":30000,"scheduled_time":"2026-01-02T15:04:05.123Z"}`},
		{"nested", abi.Info{
			RetryPolicy: &abi.RetryPolicy{InitialInterval: abi.Milliseconds(time.Second), BackoffCoefficient: 2},
			Priority:    &abi.Priority{PriorityKey: 1},
		}, `{"activity_id":"","activity_type":"","attempt":0,"retry_policy":{"initial_interval_ms":1000,"backoff_coefficient":2},"priority":{"priority_key":1}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := json.Marshal(tt.info)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// specText returns the text of SPEC.md.
func specText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section returns what stands under a heading, up to the next heading of any level.
func section(t *testing.T, heading string) string {
	t.Helper()
	found := regexp.MustCompile(`(?ms)^#+ ` + regexp.QuoteMeta(heading) + "$(.*?)(^#|\\z)").FindStringSubmatch(specText(t))
	if found == nil {
		t.Fatalf("SPEC.md has no section %q", heading)
	}
	return found[1]
}

// tableRows returns the cells of the tables in a text, without their heads.
func tableRows(text string) [][]string {
	var rows [][]string
	head := true
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case !strings.HasPrefix(line, "|"):
			head = true
		case strings.HasPrefix(line, "|--"):
			head = false
		case !head:
			cells := strings.Split(strings.Trim(line, "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows = append(rows, cells)
		}
	}
	return rows
}

func code(t *testing.T, cell string) string {
	t.Helper()
	name, ok := strings.CutPrefix(cell, "`")
	name, ok2 := strings.CutSuffix(name, "`")
	if !ok || !ok2 {
		t.Fatalf("SPEC.md: %q is not in backquotes", cell)
	}
	return name
}

func number(t *testing.T, cell string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(cell, 10, 64)
	if err != nil {
		t.Fatalf("SPEC.md: %v", err)
	}
	return n
}

// size reads "2 MiB (some explanation)", "64 KiB each" or "256".
func size(t *testing.T, cell string) uint64 {
	t.Helper()
	words := append(strings.Fields(cell), "")
	n := uint64(number(t, words[0]))
	switch words[1] {
	case "KiB":
		n <<= 10
	case "MiB":
		n <<= 20
	case "":
	default:
		t.Fatalf("SPEC.md: %q has an unknown unit", cell)
	}
	return n
}

// camel makes CancelRequested of CANCEL_REQUESTED, and Completed of completed.
func camel(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(strings.ToLower(name), "_") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// constantScope type-checks abi.go far enough to know its constants.
func constantScope(t *testing.T) *types.Scope {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "abi.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	config := types.Config{Error: func(error) {}} // imports cannot be resolved, and need not be
	pkg, _ := config.Check("abi", fset, []*ast.File{file}, nil)
	return pkg.Scope()
}

// constantsOf returns the constants of a named integer type.
func constantsOf(t *testing.T, typeName string) map[string]int64 {
	t.Helper()
	found := map[string]int64{}
	scope := constantScope(t)
	for _, name := range scope.Names() {
		if c, ok := scope.Lookup(name).(*types.Const); ok {
			if named, ok := c.Type().(*types.Named); ok && named.Obj().Name() == typeName {
				found[name], _ = constant.Int64Val(c.Val())
			}
		}
	}
	if len(found) == 0 {
		t.Fatalf("abi.go has no constants of type %s", typeName)
	}
	return found
}

// stringConstants returns the string constants whose name has a prefix.
func stringConstants(t *testing.T, prefix string) map[string]string {
	t.Helper()
	found := map[string]string{}
	scope := constantScope(t)
	for _, name := range scope.Names() {
		if c, ok := scope.Lookup(name).(*types.Const); ok && strings.HasPrefix(name, prefix) && c.Val().Kind() == constant.String {
			found[name] = constant.StringVal(c.Val())
		}
	}
	return found
}

func sameNumbers(t *testing.T, spec, code map[string]int64) {
	t.Helper()
	if !maps.Equal(spec, code) {
		t.Errorf("SPEC.md has\n  %v\nand abi.go has\n  %v", sorted(spec), sorted(code))
	}
}

func sorted(m map[string]int64) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, fmt.Sprintf("%s=%d", name, m[name]))
	}
	return list
}

// example returns the JSON example in a section.
func example(t *testing.T, heading string) map[string]any {
	t.Helper()
	var block strings.Builder
	for line := range strings.Lines(section(t, heading)) {
		if strings.HasPrefix(line, "    ") {
			block.WriteString(line)
		}
	}
	var value map[string]any
	if err := json.Unmarshal([]byte(block.String()), &value); err != nil {
		t.Fatalf("the example of %s in SPEC.md: %v\n%s", heading, err, block.String())
	}
	return value
}

func sameKeys(t *testing.T, what string, value any, typ reflect.Type) {
	t.Helper()
	object, ok := value.(map[string]any)
	if !ok {
		t.Errorf("%s in SPEC.md is %v, not an object", what, value)
		return
	}
	var fields []string
	for i := range typ.NumField() {
		name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		fields = append(fields, name)
	}
	slices.Sort(fields)
	if keys := slices.Sorted(maps.Keys(object)); !slices.Equal(keys, fields) {
		t.Errorf("%s in SPEC.md has the fields\n  %v, and in abi.go\n  %v", what, keys, fields)
	}
}
