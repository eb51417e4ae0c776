package cases

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// Redacted replaces secrets in records.
const Redacted = "REDACTED"

// shortest is the length in bytes of the shortest secret that is looked for. Shorter ones
// would be found everywhere.
const shortest = 4

// Secrets are the texts that must not get into records.
type Secrets []string

// Redact replaces each secret in a text with REDACTED, in plain form and in the forms
// that it has in JSON, URLs and base64. Secrets of less than 4 bytes are ignored, because
// they would be found everywhere.
func (s Secrets) Redact(text string) string { return s.forms().redact(text) }

// redactor replaces secrets.
type redactor struct {
	plain, encoded *strings.Replacer
	found          bool
}

var encodings = []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding}

var maybeBase64 = regexp.MustCompile(`[A-Za-z0-9+/_-]{4,}={0,2}`)

func (r *redactor) redact(text string) string { return r.within(text, maxBase64) }

// maxBase64 is how often base64 may be in base64: that of a Basic header is in a payload,
// and the payload in the JSON of a history.
const maxBase64 = 3

func (r *redactor) within(text string, depth int) string {
	if depth == 0 {
		return r.encoded.Replace(r.plain.Replace(text))
	}
	// Base64, such as credentials for Basic, is decoded, redacted and encoded again. In
	// the replay the guest makes the same text from REDACTED.
	text = maybeBase64.ReplaceAllStringFunc(text, func(run string) string {
		for _, encoding := range encodings {
			if data, err := encoding.Strict().DecodeString(run); err == nil {
				if out := r.within(string(data), depth-1); out != string(data) {
					return encoding.EncodeToString([]byte(out))
				}
			}
		}
		return run
	})
	return r.encoded.Replace(r.plain.Replace(text))
}

// forms makes a redactor. It looks for the longest forms first, because one form may be
// part of another.
func (s Secrets) forms() *redactor {
	plain, encoded := map[string]string{}, map[string]string{}
	for _, secret := range s {
		if len(secret) < shortest {
			continue
		}
		// json.Marshal also escapes <, > and &, which quote does not. It cannot fail for
		// a string.
		escaped, _ := json.Marshal(secret)
		for _, form := range []string{secret, between(escaped), between(quote(secret)), url.QueryEscape(secret), url.PathEscape(secret)} {
			plain[form] = Redacted
		}
		// The remaining runs of base64 cannot be decoded, because other text is before or
		// after them. A secret has one of three forms in them, by its position. The
		// digits at both ends are left out, because they also hold bits of the text
		// beside the secret.
		for before := range 3 {
			for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				digits := encoding.EncodeToString([]byte(strings.Repeat("-", before) + secret))
				form := digits[(before*8+5)/6 : (before+len(secret))*8/6]
				encoded[form] = strings.Repeat(Redacted, len(form)/len(Redacted)+1)[:len(form)]
			}
		}
	}
	return &redactor{plain: replacer(plain), encoded: replacer(encoded)}
}

func replacer(replacements map[string]string) *strings.Replacer {
	var pairs []string
	for _, form := range slices.SortedFunc(maps.Keys(replacements), func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) }) {
		pairs = append(pairs, form, replacements[form])
	}
	return strings.NewReplacer(pairs...)
}

// between returns the text between quotes.
func between(quoted []byte) string { return string(quoted[1 : len(quoted)-1]) }

// redact returns copies of the parts that a case is made of, without secrets. It reports
// whether there were any secrets. The responses of the module secret are secrets too.
func redact(a replay.Activity, run *replay.Run, secrets Secrets) (replay.Activity, *replay.Run, bool) {
	out := *run
	out.Calls = slices.Clone(run.Calls)
	revealed := false
	for i, call := range out.Calls {
		if call.Module == "wasmworker:secret/v1" && call.Err == nil {
			secrets = append(slices.Clone(secrets), string(call.Response))
			out.Calls[i].Response, revealed = []byte(Redacted), true
		}
	}
	if len(secrets) == 0 {
		return a, run, false
	}
	r := secrets.forms()
	r.found = revealed

	a.Args, a.Details = r.values(a.Args), r.values(a.Details)
	if a.Info != nil {
		info := *a.Info
		for _, field := range reflect.ValueOf(&info).Elem().Fields() {
			if field.Kind() == reflect.String {
				field.SetString(r.text(field.String()))
			}
		}
		a.Info = &info
	}
	if a.Files != nil {
		files := map[string][]byte{}
		for name, content := range a.Files {
			files[r.text(name)] = r.bytes(content)
		}
		a.Files = files
	}
	for i, call := range out.Calls {
		call.Request, call.Response = r.message(call.Request), r.message(call.Response)
		if call.Err != nil {
			call.Err = &replay.CallError{Errno: call.Err.Errno, Message: r.text(call.Err.Message)}
		}
		out.Calls[i] = call
	}
	if run.Output != nil {
		out.Output = &r.payloads([]sandbox.Payload{*run.Output})[0]
	}
	if failure, ok := errors.AsType[*abi.Failure](run.Err); ok {
		out.Err = r.failure(failure)
	}
	return a, &out, r.found
}

func (r *redactor) text(text string) string {
	out := r.redact(text)
	r.found = r.found || out != text
	return out
}

func (r *redactor) bytes(data []byte) []byte {
	if out := r.text(string(data)); out != string(data) {
		return []byte(out)
	}
	return data
}

// message redacts a request or a response, which may be a frame.
func (r *redactor) message(data []byte) []byte {
	head, body, err := passthrough.SplitFrame(data)
	if err != nil || !json.Valid(head) {
		return r.bytes(data)
	}
	head = r.bytes(head)
	return slices.Concat(binary.LittleEndian.AppendUint32(nil, uint32(len(head))), head, r.bytes(body))
}

func (r *redactor) payloads(payloads []sandbox.Payload) (all []sandbox.Payload) {
	for _, p := range payloads {
		out := sandbox.Payload{Data: r.bytes(p.Data), Metadata: map[string][]byte{}}
		for key, value := range p.Metadata {
			out.Metadata[key] = r.bytes(value)
		}
		all = append(all, out)
	}
	return all
}

func (r *redactor) values(values []any) (all []any) {
	for _, v := range values {
		all = append(all, r.payloads([]sandbox.Payload{replay.NewPayload(v)})[0])
	}
	return all
}

func (r *redactor) failure(f *abi.Failure) *abi.Failure {
	if f == nil {
		return nil
	}
	out := *f
	out.Type, out.Message = r.text(f.Type), r.text(f.Message)
	out.Details = slices.Clone(f.Details)
	for i, detail := range out.Details {
		out.Details[i] = r.bytes(detail)
	}
	out.Cause = r.failure(f.Cause)
	return &out
}
