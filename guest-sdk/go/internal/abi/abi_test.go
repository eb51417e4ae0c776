package abi

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMetadata(t *testing.T) {
	in := map[string][]byte{"encoding": []byte("json/plain"), "binary": {0xff, 0}, "empty": {}}
	data := MarshalMetadata(in)
	if want := `"binary":{"base64":"/wA="}`; !strings.Contains(string(data), want) {
		t.Errorf("%s does not contain %s", data, want)
	}
	out, err := UnmarshalMetadata(data)
	if err != nil || !maps.EqualFunc(in, out, bytes.Equal) {
		t.Errorf("%v, %v", out, err)
	}
	for _, bad := range []string{``, `[]`, `{"a":1}`, `{"a":null}`, `{"a":{}}`} {
		if out, err := UnmarshalMetadata([]byte(bad)); err == nil {
			t.Errorf("%s became %v", bad, out)
		}
	}
}

func TestMilliseconds(t *testing.T) {
	for in, want := range map[time.Duration]string{0: "0", 1: "1", time.Millisecond: "1", 1500 * time.Microsecond: "1", time.Hour: "3600000"} {
		if data, err := json.Marshal(Milliseconds(in)); err != nil || string(data) != want {
			t.Errorf("%v is %s, %v; want %s", in, data, err, want)
		}
	}
	var m Milliseconds
	if err := json.Unmarshal([]byte("9223372036854775807"), &m); err != nil || m <= 0 {
		t.Errorf("%v, %v", m, err)
	}
	if err := json.Unmarshal([]byte(`"1"`), &m); err == nil {
		t.Error("text was taken for milliseconds")
	}
}

func TestFailureShape(t *testing.T) {
	data, _ := json.Marshal(Failure{Message: "m"})
	if string(data) != `{"message":"m"}` {
		t.Errorf("%s", data)
	}
	fields := slices.Collect(strings.SplitSeq(`{"type":"T","message":"m","non_retryable":true,"next_retry_delay_ms":1,"category":"benign"}`, ","))
	data, _ = json.Marshal(Failure{Type: "T", Message: "m", NonRetryable: true, NextRetryDelay: 1, Category: CategoryBenign})
	if string(data) != strings.Join(fields, ",") {
		t.Errorf("%s", data)
	}
}
