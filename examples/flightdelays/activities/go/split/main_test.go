//go:build !wasip1

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
	"github.com/wasmworker/wasmworker/guest-sdk/go/converter"
	"github.com/wasmworker/wasmworker/guest-sdk/go/testsuite"
)

// serve lets the activity read a text, until a read beyond some offset fails.
func serve(text string, until int) {
	readFile = func(_ string, offset, length int) ([]byte, error) {
		if offset > until {
			return nil, errors.New("unreadable")
		}
		return []byte(text)[min(offset, len(text)):min(offset+length, len(text))], nil
	}
}

func split(env *testsuite.TestActivityEnvironment, size int) (chunks []Chunk, err error) {
	value, err := env.ExecuteActivity(SplitFile, Request{File: "f", ChunkSize: size})
	if err != nil {
		return nil, err
	}
	return chunks, value.Get(&chunks)
}

// Chunks have all records of the file, in their order, whatever its size; also when an
// attempt fails in between.
func TestSplitFile(t *testing.T) {
	var want []string
	for i := range 20000 {
		want = append(want, fmt.Sprintf(`{"n": %d, "s": "\\\"]},{[ %s", "a": [{}, [{"x": 1}]]}`, i, strings.Repeat("ä", i%40)))
	}
	text := " [\n" + strings.Join(want, " ,\n") + "\n]\n"

	env := testsuite.NewTestActivityEnvironment()
	var last Progress
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		if err := details.Get(&last); err != nil {
			t.Error(err)
		}
	})
	serve(text, 700<<10)
	if _, err := split(env, 100<<10); err == nil || last.Offset < 700<<10 {
		t.Fatalf("it did not fail beyond that offset: %v, %d", err, last.Offset)
	}
	serve(text, len(text))
	env.SetHeartbeatDetails(last)
	chunks, err := split(env, 100<<10)
	if err != nil {
		t.Fatal(err)
	}

	var got []string
	for _, c := range chunks {
		var records []json.RawMessage
		if err := json.Unmarshal([]byte("["+text[c.Offset:c.Offset+c.Length]+"]"), &records); err != nil {
			t.Fatal(err)
		}
		if len(records) != c.Records {
			t.Errorf("%+v has %d records", c, len(records))
		}
		for _, r := range records {
			got = append(got, string(r))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d of %d records came back, or others", len(got), len(want))
	}
}

func TestNoRecords(t *testing.T) {
	for _, text := range []string{"", "{}", "[1]", "[{}", "[{]", "[{}[{}]]", "x", `["{}"]`, "]", "[" + strings.Repeat(" ", blockSize)} {
		serve(text, len(text))
		if chunks, err := split(testsuite.NewTestActivityEnvironment(), 1); err == nil {
			t.Errorf("%.10q became %v", text, chunks)
		}
	}
	serve("[]", 2)
	if chunks, err := split(testsuite.NewTestActivityEnvironment(), 1); err != nil || len(chunks) != 0 {
		t.Error(chunks, err)
	}
}
