package sandbox_test

import (
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// Before the activity a guest can log, under the name of its module, and ask for nothing.
func TestInitialize(t *testing.T) {
	logged := &recorder{}
	s := start(t, sandbox.Config{Modules: files(t, "initialize"), Logger: logged.logger()})
	made := record{slog.LevelInfo, "made", "[module=initialize guest=[n=1]]"}
	count := func() (n int) {
		for _, r := range logged.all() {
			if r == made {
				n++
			}
		}
		return n
	}
	equal(t, "instances made by Compile", count(), 1)
	var task recorder
	p, err := s.Run(t.Context(), sandbox.Task{Activity: "Check", Log: task.log})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "info was refused with EINVAL", text(p), "1")
	equal(t, "instances made", count(), 2)
	equal(t, "records of the activity", len(task.all()), 0)
}

func TestLog(t *testing.T) {
	const einval = -int64(abi.EINVAL)
	long := strings.Repeat("é", abi.MaxLogText) // twice the limit in bytes
	tests := []struct {
		name, attrs, message string
		result               int64
		want                 []record
	}{
		{"message alone", "", "hello", 0, []record{{slog.LevelWarn, "hello", "[]"}}},
		{"attributes, sorted", `{"b": "text", "a": 1, "c": 2.5, "d": true, "e": null}`, "hello", 0,
			[]record{{slog.LevelWarn, "hello", "[guest=[a=1 b=text c=2.5 d=true e=<nil>]]"}}},
		{"numbers keep their digits", `{"a": 9007199254740993, "b": 1e400}`, "", 0, []record{{slog.LevelWarn, "", "[guest=[a=9007199254740993 b=1e400]]"}}},
		{"nested", `{"a": {"b": 1}, "c": [1, "x"]}`, "", 0, []record{{slog.LevelWarn, "", "[guest=[a=[b=1] c=[1 x]]]"}}},
		{"no attributes in an object", `{}`, "hello", 0, []record{{slog.LevelWarn, "hello", "[]"}}},
		{"attributes that pass for the host's", `{"module": "another"}`, "hello", 0, []record{{slog.LevelWarn, "hello", "[guest=[module=another]]"}}},
		{"not UTF-8", "", "\xff", 0, []record{{slog.LevelWarn, "\uFFFD", "[]"}}},
		{"not JSON", `{`, "hello", einval, nil},
		{"null", `null`, "hello", einval, nil},
		{"a list", `[]`, "hello", einval, nil},
		{"two objects", `{} {}`, "hello", einval, nil},
		{"an object and something", `{"a": 1} x`, "hello", einval, nil},
		{"a message that is too long", "", long, 0, []record{{slog.LevelWarn, long[:abi.MaxLogText] + "… (131072 bytes in all)", "[]"}}},
		{"attributes that are too long", `{"a": "` + long + `"}`, "hello", 0,
			[]record{{slog.LevelWarn, "hello", "[guest=[attributes_cut=" + strings.ToValidUTF8((`{"a": "` + long)[:abi.MaxLogText], "\uFFFD") + "… (131081 bytes in all)]]"}}},
	}
	s := startOne(t, "probe", sandbox.Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var logged recorder
			p, err := s.Run(t.Context(), sandbox.Task{Activity: "Log", Args: []sandbox.Payload{raw(tt.attrs), raw(tt.message)}, Log: logged.log})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "result", results(t, p), []int64{tt.result})
			equal(t, "records", logged.all(), tt.want)
		})
	}
	// Nobody has to listen.
	equal(t, "result", results(t, run(t, s, "Log", raw(""), raw("hello"))), []int64{0})
}

// What a native guest prints goes to the log, a record a line. There is nothing to read.
func TestStandardStreams(t *testing.T) {
	s := startOne(t, "probe", sandbox.Options{Isolation: sandbox.IsolationReuse})
	long := strings.Repeat("x", abi.MaxLogText)
	out := func(lines ...string) (list []record) {
		for _, line := range lines {
			list = append(list, record{slog.LevelInfo, line, "[guest=[stream=stdout]]"})
		}
		return list
	}
	tests := []struct {
		name, text string
		want       []string
	}{
		{"one line", "hello\n", []string{"hello"}},
		{"lines of each kind", "one\ntwo\r\n\n\nthree", []string{"one", "two", "three"}},
		{"a very long line", long + long + "y\nz", []string{long, long, "y", "z"}},
		{"a line of exactly the limit", long + "\nz", []string{long, "z"}},
		{"not UTF-8", "a\xffb\n", []string{"a\uFFFDb"}},
		{"nothing", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var logged recorder
			p, err := s.Run(t.Context(), sandbox.Task{Activity: "Stdio", Args: []sandbox.Payload{raw(tt.text), raw("error\n")}, Log: logged.log})
			if err != nil {
				t.Fatal(err)
			}
			// no errors, and no bytes on standard input
			equal(t, "results", results(t, p), []int64{0, 0, 0, 0})
			var stdout []record
			errors := 0
			for _, r := range logged.all() {
				if r == (record{slog.LevelInfo, "error", "[guest=[stream=stderr]]"}) {
					errors++
				} else {
					stdout = append(stdout, r)
				}
			}
			equal(t, "lines", stdout, out(tt.want...))
			equal(t, "lines on standard error", errors, 1)
		})
	}
}

// A guest sees no variable that was not granted by its name, and the value of the time
// when it was loaded.
func TestEnvironment(t *testing.T) {
	t.Setenv("WASMWORKER_TEST_ONE", "1=one")
	t.Setenv("WASMWORKER_TEST_TWO", "two")
	t.Setenv("WASMWORKER_TEST_EMPTY", "")
	os.Unsetenv("WASMWORKER_TEST_UNSET")
	tests := []struct {
		name             string
		defaults, module []string
		want             string
	}{
		{"denied by default", nil, nil, "<nil>"},
		{"one", []string{"WASMWORKER_TEST_ONE"}, nil, "WASMWORKER_TEST_ONE=1=one\x00"},
		{"the module's", nil, []string{"WASMWORKER_TEST_TWO"}, "WASMWORKER_TEST_TWO=two\x00"},
		{"grants add up", []string{"WASMWORKER_TEST_ONE"}, []string{"WASMWORKER_TEST_TWO"}, "WASMWORKER_TEST_ONE=1=one\x00WASMWORKER_TEST_TWO=two\x00"},
		{"the same twice", []string{"WASMWORKER_TEST_ONE"}, []string{"WASMWORKER_TEST_ONE"}, "WASMWORKER_TEST_ONE=1=one\x00"},
		{"empty is not unset", []string{"WASMWORKER_TEST_EMPTY"}, nil, "WASMWORKER_TEST_EMPTY=\x00"},
		{"unset", []string{"WASMWORKER_TEST_UNSET"}, nil, "<nil>"},
		{"set for the module", []string{"WASMWORKER_TEST_ONE", "B="}, []string{"WASMWORKER_TEST_ONE=own=it"}, "WASMWORKER_TEST_ONE=own=it\x00B=\x00"},
		{"no patterns", []string{"WASMWORKER_TEST_*", "*", "wasmworker_test_one"}, nil, "<nil>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, sandbox.Config{
				Modules:   files(t, "environ"),
				Defaults:  sandbox.Options{Env: tt.defaults},
				PerModule: map[string]sandbox.Options{"environ": {Env: tt.module}},
			})
			equal(t, "environment", text(run(t, s, "Environ")), tt.want)
			t.Setenv("WASMWORKER_TEST_ONE", "changed")
			equal(t, "environment after a change", text(run(t, s, "Environ")), tt.want)
			equal(t, "arguments", text(run(t, s, "Name")), "environ\x00")
		})
	}
	for _, name := range []string{"", "=B", "A\x00", "A=\x00"} {
		_, err := sandbox.New(sandbox.Config{Modules: []*modules.File{fixture(t, "environ")}, Defaults: sandbox.Options{Env: []string{name}}})
		if err == nil || !strings.Contains(err.Error(), "neither the name of an environment variable nor NAME=VALUE") {
			t.Errorf("%q: error %v", name, err)
		}
	}
}

// An activity may log so many records, and is told off once for more. The next one logs
// again.
func TestLogLimit(t *testing.T) {
	s := startOne(t, "probe", sandbox.Options{Isolation: sandbox.IsolationReuse})
	for _, tt := range []struct{ lines, want int }{
		{abi.MaxLogRecords, abi.MaxLogRecords},
		{abi.MaxLogRecords + 1, abi.MaxLogRecords + 1},
		{abi.MaxLogRecords + 500, abi.MaxLogRecords + 1},
		{3, 3},
	} {
		var logged recorder
		_, err := s.Run(t.Context(), sandbox.Task{Activity: "Stdio", Args: []sandbox.Payload{raw(strings.Repeat("x\n", tt.lines)), raw("")}, Log: logged.log})
		if err != nil {
			t.Fatal(err)
		}
		records := logged.all()
		equal(t, "number of records", len(records), tt.want)
		wantLevel := slog.LevelInfo
		if tt.lines > abi.MaxLogRecords {
			wantLevel = slog.LevelWarn // the record that says that there are more
		}
		equal(t, "level of the last", records[len(records)-1].level, wantLevel)
	}
}
