// Package hostfunc has what the host functions of all kinds are made with.
package hostfunc

import (
	"reflect"
	"strings"

	"github.com/tetratelabs/wazero/api"
)

// Signature reads a type of integers as package wasm renders it: (i32, i64) -> i64.
func Signature(text string) (params, results []api.ValueType) {
	in, out, _ := strings.Cut(text, " -> ")
	return types(in), types(out)
}

func types(list string) (types []api.ValueType) {
	for _, t := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune("(), ", r) }) {
		types = append(types, map[string]api.ValueType{"i32": api.ValueTypeI32, "i64": api.ValueTypeI64}[t])
	}
	return types
}

// Memory returns the guest's memory, or nil if it has none: wazero has a nil pointer then
// that is not a nil interface.
func Memory(mod api.Module) api.Memory {
	if mem := mod.Memory(); mem != nil && !reflect.ValueOf(mem).IsNil() {
		return mem
	}
	return nil
}
