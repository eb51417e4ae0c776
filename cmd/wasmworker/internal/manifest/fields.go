package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	extism "github.com/extism/go-sdk"

	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/internal/nearest"
)

// fieldsOf are the JSON names of the fields of the SDK's types, by the place of their
// object.
var fieldsOf = map[string][]string{
	"":       names(extism.Manifest{}),
	"memory": names(extism.ManifestMemory{}),
	"wasm":   names(extism.WasmFile{}, extism.WasmUrl{}, extism.WasmData{}),
}

// names returns the JSON names of the fields of types, sorted.
func names(types ...any) (all []string) {
	for _, t := range types {
		for field := range reflect.TypeOf(t).Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// checkFields reports what the SDK would silently ignore: unknown fields, fields that
// occur twice, and fields of a wasm source that contradict its path.
func checkFields(data []byte) error {
	if !json.Valid(data) {
		return plainer(json.Unmarshal(data, new(any)))
	}
	if !Object(data) {
		return errors.New(`it is not a manifest; that is a JSON object: {"wasm": [{"path": "plugin.wasm"}]}`)
	}
	w := &walker{decoder: json.NewDecoder(bytes.NewReader(data))}
	if err := w.value(nil); err != nil {
		return err
	}
	return errors.Join(w.errs...)
}

// walker walks through a valid JSON text. [json.Valid] has bounded its depth.
type walker struct {
	decoder *json.Decoder
	errs    []error
}

func (w *walker) value(path []any) error {
	token, err := w.decoder.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('['):
		for i := 0; w.decoder.More(); i++ {
			if err := w.value(append(path, i)); err != nil {
				return err
			}
		}
	case json.Delim('{'):
		if err := w.object(path); err != nil {
			return err
		}
	default:
		return nil
	}
	_, err = w.decoder.Token() // the end
	return err
}

func (w *walker) object(path []any) error {
	known := fieldsOf[""]
	if len(path) > 0 {
		known = nil
		if top, ok := path[0].(string); ok && (top == "memory" && len(path) == 1 || top == "wasm" && len(path) == 2) {
			known = fieldsOf[top]
		}
	}
	seen := map[string]bool{}
	for w.decoder.More() {
		token, err := w.decoder.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		here := append(slices.Clone(path), name)
		switch {
		case seen[name]:
			w.complain(here, "it is there twice; remove one of them")
		case known != nil && !slices.Contains(known, name):
			w.complain(here, "a manifest has no such field%s", nearest.Hint(name, known))
		}
		seen[name] = true
		if err := w.value(here); err != nil {
			return err
		}
	}
	if len(path) != 2 || path[0] != "wasm" {
		return nil
	}
	for _, name := range []string{"data", "url", "method", "headers"} {
		if seen["path"] && seen[name] {
			w.complain(append(slices.Clone(path), name), "there is a path too, and a module comes from one place; remove one of them")
		}
	}
	if !seen["path"] && !seen["url"] && !seen["data"] {
		w.complain(path, `it has no path; name the file: {"path": "plugin.wasm"}`)
	}
	return nil
}

func (w *walker) complain(path []any, format string, args ...any) {
	w.errs = append(w.errs, fmt.Errorf("%s: %s", passthrough.PathString(path), fmt.Sprintf(format, args...)))
}

// plainer explains an error of encoding/json without the names of Go types.
func plainer(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		wanted := map[reflect.Kind]string{
			reflect.String: "a string", reflect.Slice: "a list", reflect.Map: "an object", reflect.Struct: "an object",
		}[wrong.Type.Kind()]
		if wanted == "" {
			wanted = "a whole number in its range"
		}
		return fmt.Errorf("%s: it is a %s, and has to be %s", wrong.Field, wrong.Value, wanted)
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("it is not valid JSON at byte %d: %w", syntax.Offset, err)
	}
	return err
}
