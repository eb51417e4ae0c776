//go:build unix

package host_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

func dynamic(context.Context, converter.EncodedValues) (string, error) { return "", nil }

func payload(encoding, data string, metadata ...string) *commonpb.Payload {
	p := &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte(encoding)}, Data: []byte(data)}
	for i := 0; i < len(metadata); i += 2 {
		p.Metadata[metadata[i]] = []byte(metadata[i+1])
	}
	return p
}

// Payloads of any encoding reach a guest and come back untouched, through hand-written
// WebAssembly and through the Go SDK.
func TestPayloadsPassUntouched(t *testing.T) {
	for _, module := range []string{wat(t, "echo"), testbed.Guest(t, acts)} {
		h := run(t, options(t, module))
		for name, p := range map[string]*commonpb.Payload{
			"json":             payload("json/plain", `{"z": 1,  "a": [1.0, null]}`),
			"json null":        payload("json/plain", "null"),
			"binary":           payload("binary/plain", "\x00\xff\x80 raw"),
			"binary, empty":    payload("binary/plain", ""),
			"null":             payload("binary/null", ""),
			"protobuf":         payload("json/protobuf", `{"x":1}`, "messageType", "acme.Order"),
			"unknown":          payload("acme/secret", "\x01\x02", "key", "\xff\xfe"),
			"unicode":          payload("json/plain", `"Żółć 😀 \u0000"`),
			"large":            payload("binary/plain", strings.Repeat("x", 1<<20)),
			"without encoding": {Data: []byte("x"), Metadata: map[string][]byte{"other": []byte("y")}},
		} {
			t.Run(name, func(t *testing.T) {
				var result converter.RawValue
				if err := get(t, execute(t, h, "Echo", converter.NewRawValue(p)), &result); err != nil {
					t.Fatal(err)
				}
				if !proto.Equal(result.Payload(), p) {
					t.Errorf("%s\n got %.200v\nwant %.200v", module, result.Payload(), p)
				}
			})
		}
	}
}

func TestArguments(t *testing.T) {
	h := run(t, options(t, testbed.Guest(t, acts), wat(t, "misbehave")))
	many := make([]any, 50)
	want := make([]string, 50)
	for i := range many {
		many[i], want[i] = i, "json/plain:"+string([]byte{byte('0' + i/10), byte('0' + i%10)})
		if i < 10 {
			want[i] = "json/plain:" + string(byte('0'+i))
		}
	}
	for name, test := range map[string]struct {
		args []any
		want []string
	}{
		"none":  {nil, []string{}},
		"nil":   {[]any{nil}, []string{"binary/null:"}},
		"mixed": {[]any{1, []byte("raw"), "text", nil}, []string{"json/plain:1", "binary/plain:raw", `json/plain:"text"`, "binary/null:"}},
		"four":  {[]any{1, 2, 3, 4}, []string{"json/plain:1", "json/plain:2", "json/plain:3", "json/plain:4"}},
		"many":  {many, want},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			if err := get(t, execute(t, h, "Describe", test.args...), &got); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	t.Run("no result", func(t *testing.T) {
		var raw converter.RawValue
		if err := get(t, execute(t, h, "Nothing"), &raw); err != nil {
			t.Fatal(err)
		}
		if e := string(raw.Payload().GetMetadata()["encoding"]); e != "binary/null" {
			t.Errorf("the result is %q, want binary/null", e)
		}
		// hand-written, no output
		if err := get(t, execute(t, h, "ForgedHandle"), nil); err != nil {
			t.Error(err)
		}
	})
}

// xorCodec takes the place of encryption.
type xorCodec struct{ t *testing.T }

func (xorCodec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		plain, err := proto.Marshal(p)
		if err != nil {
			return nil, err
		}
		out[i] = payload("binary/encrypted", string(xor(plain)))
	}
	return out, nil
}

func (c xorCodec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		if e := string(p.GetMetadata()["encoding"]); e != "binary/encrypted" {
			c.t.Errorf("a payload of encoding %q was not encrypted: %q", e, p.GetData())
		}
		out[i] = &commonpb.Payload{}
		if err := proto.Unmarshal(xor(p.GetData()), out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func xor(data []byte) []byte {
	out := bytes.Clone(data)
	for i := range out {
		out[i] ^= 0x5a
	}
	return out
}

// With a codec on the client's data converter guests see plain text, and everything
// that leaves the host is encrypted: results, heartbeats, failure details.
func TestCodec(t *testing.T) {
	o := options(t, testbed.Guest(t, acts))
	o.ClientOptions.DataConverter = converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), xorCodec{t})
	h := run(t, o)
	var described []string
	if err := get(t, execute(t, h, "Describe", "plain", []byte("raw")), &described); err != nil {
		t.Fatal(err)
	}
	if want := []string{`json/plain:"plain"`, "binary/plain:raw"}; !slices.Equal(described, want) {
		t.Errorf("the guest saw %q, want %q", described, want)
	}
	failed := executeWith(t, h.Client(), client.StartActivityOptions{TaskQueue: h.TaskQueue(), RetryPolicy: noRetry}, "Fail", "typed")
	got := outcome(get(t, failed, nil))
	if !slices.Equal(got.Details, []string{"map[code:51]", "second"}) {
		t.Errorf("details %q", got.Details)
	}
	d, err := failed.Describe(t.Context(), client.DescribeActivityOptions{IncludeOutcome: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range d.RawResponse.GetOutcome().GetFailure().GetApplicationFailureInfo().GetDetails().GetPayloads() {
		if e := string(p.GetMetadata()["encoding"]); e != "binary/encrypted" {
			t.Errorf("a detail of the failure is %q on the wire", e)
		}
	}
	handle := execute(t, h, "Stubborn")
	testbed.Eventually(t, "a heartbeat has arrived", func() error {
		d, err := handle.Describe(t.Context(), client.DescribeActivityOptions{IncludeHeartbeatDetails: true})
		if err != nil {
			return err
		}
		var progress int
		return d.GetHeartbeatDetails(&progress) // decoded by the codec, which checks
	})
	if err := handle.Terminate(t.Context(), client.TerminateActivityOptions{}); err != nil {
		t.Fatal(err)
	}
}

var noRetry = &temporal.RetryPolicy{MaximumAttempts: 1}
