package cases

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// callName returns the name of a function in case files. Its argument is the import name
// and the function's name, with a space between them.
func callName(name string) string {
	module, function, _ := strings.Cut(strings.TrimPrefix(name, "wasmworker:"), " ")
	return strings.TrimSuffix(module, "/v1") + " " + function
}

// messageNode returns a request or response in the form of case files. It is the inverse
// of message, byte for byte. With byValue, the head may differ from data in escapes and
// spaces, as requests are compared by value.
func messageNode(data []byte, byValue bool) *node {
	if head, body, err := passthrough.SplitFrame(data); err == nil {
		if n, err := fromJSON(head); err == nil && n.kind == kindMap && (byValue || string(n.json()) == string(head)) {
			out := mapOf("head", n)
			if len(body) > 0 {
				out.set("body", messageNode(body, false).bodyOnly(body))
			}
			return out
		}
	}
	return textOrBase64(data, "text", "base64")
}

// bodyOnly returns a body's node. A frame inside a frame becomes base64.
func (n *node) bodyOnly(body []byte) *node {
	if n.get("head") != nil {
		return mapOf("base64", str(base64.StdEncoding.EncodeToString(body)))
	}
	return n
}

func textOrBase64(data []byte, textKey, base64Key string) *node {
	if !utf8.Valid(data) || slices.ContainsFunc(data, func(b byte) bool { return b < ' ' && b != '\n' && b != '\t' && b != '\r' || b == 0x7f }) {
		return mapOf(base64Key, str(base64.StdEncoding.EncodeToString(data)))
	}
	if textKey == "text" {
		return str(string(data))
	}
	return mapOf(textKey, str(string(data)))
}

// payloadNode returns a payload in the form of case files. It is the inverse of payload,
// byte for byte.
func payloadNode(p sandbox.Payload) *node {
	metadata := maps.Clone(p.Metadata)
	delete(metadata, abi.MetadataEncoding)
	if len(metadata) == 0 {
		if p.Encoding() == abi.EncodingNull && len(p.Data) == 0 {
			return &node{kind: kindNull, text: "null"}
		}
		if p.Encoding() == abi.EncodingJSON {
			if n, err := fromJSON(p.Data); err == nil && n.kind != kindNull && !isPayload(n) && string(n.json()) == string(p.Data) {
				return n
			}
		}
	}
	encoding := &node{kind: kindNull, text: "null"}
	if value, ok := p.Metadata[abi.MetadataEncoding]; ok {
		encoding = str(string(value))
	}
	n := mapOf(keyEncoding, encoding)
	if len(p.Data) > 0 {
		data := textOrBase64(p.Data, keyText, keyBase64)
		n.set(data.keys[0], data.items[0])
	}
	if len(metadata) > 0 {
		m, err := fromJSON(abi.MarshalMetadata(metadata))
		if err == nil {
			n.set(keyMetadata, m)
		}
	}
	return n
}
