package yamlnode

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// UnknownKey is the mistake that a struct does not have a key.
type UnknownKey struct {
	Key   string
	Known []string // the keys of the struct
}

// Error names the key.
func (e *UnknownKey) Error() string { return fmt.Sprintf("there is no key %q", e.Key) }

// nodeUnmarshaler is implemented by types that decode nodes themselves.
type nodeUnmarshaler interface{ UnmarshalNode(n *Node) error }

// unmarshaler is implemented by types that decode themselves from other Go values, as
// with YAML libraries.
type unmarshaler interface {
	UnmarshalYAML(unmarshal func(any) error) error
}

// Decode decodes the node into the value of a pointer. Fields of structs are matched by
// their tag yaml; a key without a field is a mistake. Null leaves the value as it is. The
// error is an [*Error], or joins several, one for each mistake.
func (n *Node) Decode(into any) error {
	d := &decoder{}
	d.value(n, reflect.ValueOf(into).Elem(), nil)
	return errors.Join(d.errs...)
}

type decoder struct{ errs []error }

func (d *decoder) fail(n *Node, path []any, err error) {
	if len(d.errs) < maxErrors {
		d.errs = append(d.errs, &Error{n.Line, n.Column, slices.Clone(path), err})
	}
}

// own lets a type decode itself, and reports whether the type can.
func (d *decoder) own(n *Node, v reflect.Value, path []any) bool {
	var err error
	switch u := v.Addr().Interface().(type) {
	case nodeUnmarshaler:
		err = u.UnmarshalNode(n)
	case unmarshaler:
		err = u.UnmarshalYAML(n.Decode)
	case encoding.TextUnmarshaler:
		if n.Kind == List || n.Kind == Map {
			return false
		}
		err = u.UnmarshalText([]byte(n.Text))
	default:
		return false
	}
	d.relative(n, path, err)
	return true
}

// relative adds errors of a value that decodes itself. Their places are below that value.
func (d *decoder) relative(n *Node, path []any, err error) {
	if err == nil {
		return
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			d.relative(n, path, e)
		}
		return
	}
	if e, ok := err.(*Error); ok {
		d.errs = append(d.errs, &Error{e.Line, e.Column, slices.Concat(path, e.Path), e.Err})
		return
	}
	d.fail(n, path, err)
}

func (d *decoder) value(n *Node, v reflect.Value, path []any) {
	if n.Kind == Null {
		return
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(n, v.Elem(), path)
		return
	}
	if d.own(n, v, path) {
		return
	}
	switch kind := v.Kind(); {
	case kind == reflect.Interface:
		v.Set(reflect.ValueOf(n.Plain()))
	case kind == reflect.Struct && n.Kind == Map:
		d.fields(n, v, path)
	case kind == reflect.Map && n.Kind == Map:
		made := reflect.MakeMap(v.Type())
		for i, key := range n.Keys {
			item := reflect.New(v.Type().Elem()).Elem()
			d.value(n.Items[i], item, append(path, key.Text))
			made.SetMapIndex(reflect.ValueOf(key.Text).Convert(v.Type().Key()), item)
		}
		v.Set(made)
	case kind == reflect.Slice && n.Kind == List:
		made := reflect.MakeSlice(v.Type(), len(n.Items), len(n.Items))
		for i, item := range n.Items {
			d.value(item, made.Index(i), append(path, i))
		}
		v.Set(made)
	case kind == reflect.String && n.Kind != Map && n.Kind != List:
		v.SetString(n.Text)
	case kind == reflect.Bool && n.Kind == Bool:
		v.SetBool(strings.EqualFold(n.Text, "true"))
	case v.CanInt() || v.CanUint() || v.CanFloat():
		d.number(n, v, path)
	default:
		d.fail(n, path, fmt.Errorf("%s was used where %s is expected", n.Kind, expected(v)))
	}
}

// number decodes a number, which may be quoted. A fraction does not become a whole
// number.
func (d *decoder) number(n *Node, v reflect.Value, path []any) {
	whole := "a whole number"
	var err error
	bits := v.Type().Bits()
	float, floatErr := strconv.ParseFloat(n.Text, 64)
	switch {
	case v.CanFloat():
		whole = "a number"
		float, err = strconv.ParseFloat(n.Text, bits)
		v.SetFloat(float)
	case v.CanInt():
		var number int64
		if number, err = strconv.ParseInt(n.Text, 0, bits); err != nil && floatErr == nil && math.Abs(float) < 1<<53 && float == math.Trunc(float) {
			number, err = int64(float), nil // 1e3
		}
		v.SetInt(number)
	default:
		var number uint64
		if number, err = strconv.ParseUint(n.Text, 0, bits); err != nil && floatErr == nil && float >= 0 && float < 1<<53 && float == math.Trunc(float) {
			number, err = uint64(float), nil
		}
		v.SetUint(number)
	}
	switch {
	case err == nil && (n.Kind == Number || n.Kind == String):
	case n.Kind != Number:
		d.fail(n, path, fmt.Errorf("%s was used where %s is expected", n.Kind, Number))
	default:
		d.fail(n, path, fmt.Errorf("%s is not %s of %d bits", n.Text, whole, bits))
	}
}

// expected returns the kind of node that a type is decoded from.
func expected(v reflect.Value) Kind {
	switch {
	case v.Kind() == reflect.Struct || v.Kind() == reflect.Map:
		return Map
	case v.Kind() == reflect.Slice:
		return List
	case v.Kind() == reflect.Bool:
		return Bool
	case v.Kind() == reflect.String:
		return String
	}
	return Number
}

func (d *decoder) fields(n *Node, v reflect.Value, path []any) {
	byKey := map[string]int{}
	known := KeysOf(v.Type())
	for i := range v.NumField() {
		if key := keyOf(v.Type().Field(i)); key != "" {
			byKey[key] = i
		}
	}
	for i, key := range n.Keys {
		field, ok := byKey[key.Text]
		if !ok {
			d.fail(&Node{Line: key.Line, Column: key.Column}, append(path, key.Text), &UnknownKey{key.Text, known})
			continue
		}
		d.value(n.Items[i], v.Field(field), append(path, key.Text))
	}
}

// KeysOf returns the keys of a struct, in the order of its fields.
func KeysOf(t reflect.Type) (keys []string) {
	for field := range t.Fields() {
		if key := keyOf(field); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

func keyOf(field reflect.StructField) string {
	key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
	if key == "-" {
		return ""
	}
	return key
}

// Plain returns the value as nil, bool, int64, uint64, float64, string, []any or
// map[string]any.
func (n *Node) Plain() any {
	switch n.Kind {
	case Bool:
		return strings.EqualFold(n.Text, "true")
	case Number:
		text := strings.ReplaceAll(n.Text, "_", "")
		if number, err := strconv.ParseInt(text, 0, 64); err == nil {
			return number
		}
		if number, err := strconv.ParseUint(text, 0, 64); err == nil {
			return number
		}
		if number, err := strconv.ParseFloat(text, 64); err == nil {
			return number
		}
	case List:
		list := []any{}
		for _, item := range n.Items {
			list = append(list, item.Plain())
		}
		return list
	case Map:
		values := map[string]any{}
		for i, key := range n.Keys {
			values[key.Text] = n.Items[i].Plain()
		}
		return values
	case Null:
		return nil
	}
	return n.Text
}

// Unmarshal parses and decodes a file; see [Parse] and [Node.Decode]. An empty file
// changes nothing.
func Unmarshal(data []byte, into any) error {
	n, err := Parse(data)
	if err != nil || n == nil {
		return err
	}
	return n.Decode(into)
}
