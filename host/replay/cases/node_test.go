package cases

import (
	"bytes"
	"maps"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// What is written to a file is read from it byte for byte: payloads, and requests and
// responses.
func FuzzWritten(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-0,1e3,1.50,12345678901234567890],"b":{"c":null,"d":[true,false,[]],"e":{}},"$f":"x"}`, `["yes","null","~","1","- a","a: b","#"," x ","\u2028","two\nlines","\ud83d\ude80","\u0000","\u007f","é","=","<<","!x","&a","*b","%","@","|",">","'","\"","\\"]`,
		"\x05\x00\x00\x00{\"a\"", "\x07\x00\x00\x00{\"a\":1}{\"json\":1}", "\x02\x00\x00\x00{}\x02\x00\x00\x00{}", "text\r\nand\ttabs", "\xff\x00", "", "{\"a\":1,\"a\":2}", ` {"a":1}`, `"\u003c"`, `{"":{"":""}}`, `{"<<":{"a":1}}`, `{"a b":{"-":[[[["x"]]]]}}`,
		`{"long":"` + strings.Repeat("word ", 100) + `"}`, `{"` + strings.Repeat("k", 2000) + `":{"` + strings.Repeat("é ", 2000) + `":1}}`,
		"[\"\x7f\",\"a\u0085 b\",\"\ufeff\",\"\ufffe\",\"\uffff\",\"\u009f\",\"\u00a0\",{\"\x7f\":1}]",
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, json bool) {
		encoding := abi.EncodingBinary
		if json {
			encoding = abi.EncodingJSON
		}
		var b bytes.Buffer
		(&node{kind: kindMap}).set("payload", payloadNode(sandbox.NewPayload(encoding, data))).set("message", messageNode(data, false)).set("last", number(1)).writeMap(&b, 0)
		root, err := parse("x", b.Bytes())
		if err != nil {
			t.Fatalf("%v\n%s", err, b.Bytes())
		}
		d := &decoder{}
		p, m := d.payload(root.get("payload")), d.message(root.get("message"))
		if len(d.errs) > 0 || p.Encoding() != encoding || !bytes.Equal(p.Data, data) || !bytes.Equal(m, data) {
			t.Errorf("%v\n%s\n%q became %s %q and %q", d.errs, b.Bytes(), data, p.Encoding(), p.Data, m)
		}
	})
}

// A payload that has no encoding is another one than one that has an empty one, and both
// are read as they were.
func TestEncodingsWritten(t *testing.T) {
	for want, p := range map[string]sandbox.Payload{
		`{"$encoding": null, "$text": x}`:                       {Data: []byte("x")},
		`{"$encoding": null}`:                                   {},
		`{"$encoding": "", "$text": x}`:                         sandbox.NewPayload("", []byte("x")),
		`{"$encoding": null, "$text": x, "$metadata": {a: b}}`:  {Data: []byte("x"), Metadata: map[string][]byte{"a": []byte("b")}},
		`{"$encoding": a/b, "$text": x, "$metadata": {a b: c}}`: {Data: []byte("x"), Metadata: map[string][]byte{"a b": []byte("c"), abi.MetadataEncoding: []byte("a/b")}},
	} {
		var b bytes.Buffer
		mapOf("payload", payloadNode(p)).writeMap(&b, 0)
		if got := b.String(); got != "payload: "+want+"\n" {
			t.Errorf("%s, want %s", got, want)
		}
		root, err := parse("x", b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		d := &decoder{}
		got := d.payload(root.get("payload"))
		if len(d.errs) > 0 || !bytes.Equal(got.Data, p.Data) || !maps.EqualFunc(got.Metadata, p.Metadata, bytes.Equal) {
			t.Errorf("%s: %v, %+v", want, d.errs, got)
		}
	}
}

// Numbers are the same if their values are, whole ones exactly.
func TestSameNumber(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"1", "1.0", true}, {"100", "1e2", true}, {"9007199254740993", "9007199254740992", false}, {"9007199254740993", "9007199254740993.0", true},
		{"0.1", "0.10000000000000000555", true}, {"1", "2", false}, {"1e999999999", "1e999999998", false}, {"0", "-0", true},
	} {
		if got := sameNumber(test.a, test.b); got != test.same {
			t.Errorf("%s and %s: %v", test.a, test.b, got)
		}
	}
}

func TestDiff(t *testing.T) {
	want, got := strings.Split("a b c d e f g h i j", " "), strings.Split("a b c d x f g h y i j k", " ")
	const text = `    …
    b
    c
    d
  - e
  + x
    f
    g
    h
  + y
    i
    j
  + k`
	if d := diff(want, got); d != text {
		t.Errorf("%s\nwant\n%s", d, text)
	}
	if d := diff(nil, nil); d != "" {
		t.Error(d)
	}
	long := strings.Split(strings.Repeat("x ", 5000), " ")
	if d := diff(append([]string{"a"}, long...), append([]string{"b"}, append(long, "c")...)); !strings.HasPrefix(d, "  - a\n") || strings.Count(d, "\n") > maxLines+1 {
		t.Errorf("%.200s", d)
	}
	same := strings.Repeat("é", 3000)
	if d := (Difference{"x", same + "a" + same, same + "b" + same}).String(); len(d) > 3000 || !strings.Contains(d, "éaé") || !strings.Contains(d, "ébé") {
		t.Error(d)
	}
}
