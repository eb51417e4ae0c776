package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/wasmworker/wasmworker/internal/yamlnode"
)

// home is a place in the file where a key can be.
type home struct{ key, what, example string }

// belongs returns where a misplaced key belongs, or "" if it belongs nowhere.
func belongs(key string) string {
	var places []string
	for _, h := range homes() {
		if h.key == key {
			places = append(places, fmt.Sprintf("%s (%s)", h.what, h.example))
		}
	}
	return strings.Join(places, ", or to ")
}

// homes returns the places of all keys.
var homes = sync.OnceValue(func() (all []home) {
	for i := range settings {
		s := &settings[i]
		if s.atTop() {
			all = append(all, home{s.key(), "the top of the file", s.key() + ": …"})
		}
		if s.module != nil {
			all = append(all, home{s.key(), "single modules", fmt.Sprintf("per_module: {MODULE: {%s: …}}", s.key())})
		}
	}
	all = append(all, home{perModuleKey, "the top of the file", perModuleKey + ": {MODULE: …}"})
	for _, key := range yamlnode.KeysOf(reflect.TypeFor[sections]()) {
		all = append(all, home{key, "the top of the file", key + ": {NAME: …}"})
	}
	modules, err := passthroughModules(&configFile{})
	if err != nil { // an empty configuration has no mistakes
		panic(err)
	}
	defer closeAll(modules)
	for _, m := range modules {
		all = append(all, home{m.Name, "passthrough", fmt.Sprintf("passthrough: {%s: …}", m.Name)})
		if m.Policy != nil {
			all = appendHomes(all, reflect.TypeOf(m.Policy), "the "+m.Name+" policy", "passthrough: {"+m.Name+": ", "}")
		}
	}
	for field := range reflect.TypeFor[sections]().Fields() {
		key := field.Tag.Get("yaml")
		all = appendHomes(all, field.Type, key, key+": ", "")
	}
	return all
})

// appendHomes adds the keys of a type and of all types below it. Before and after are the
// text around such a value in the file.
func appendHomes(all []home, t reflect.Type, what, before, after string) []home {
	switch t.Kind() {
	case reflect.Pointer:
		return appendHomes(all, t.Elem(), what, before, after)
	case reflect.Slice:
		return appendHomes(all, t.Elem(), what, before+"[", "]"+after)
	case reflect.Map:
		return appendHomes(all, t.Elem(), what, before+"{NAME: ", "}"+after)
	case reflect.Struct:
		for field := range t.Fields() {
			key := field.Tag.Get("yaml")
			if key == "" || !field.IsExported() {
				continue
			}
			h := home{key, what, before + "{" + key + ": …}" + after}
			if !slices.Contains(all, h) {
				all = append(all, h)
			}
			all = appendHomes(all, field.Type, what, before+"{"+key+": ", "}"+after)
		}
	}
	return all
}
