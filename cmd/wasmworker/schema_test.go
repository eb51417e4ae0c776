package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"

	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
	"github.com/wasmworker/wasmworker/host/passthrough/httpmod"
)

var writeSchema = flag.Bool("schema", false, "write docs/wasmworker.schema.json")

const schemaPath = "docs/wasmworker.schema.json"

// The committed schema is that of the types, so that what editors propose is what the
// program reads.
func TestSchema(t *testing.T) {
	want := schema(t)
	if *writeSchema {
		if err := os.WriteFile(schemaPath, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaPath)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/wasmworker.schema.json is not what the types say (%v): run `make schema`", err)
	}
	for _, text := range []string{
		// from comments
		`"description": "Timeout is the most time that a request may take`, `"description": "Allow lists the requests`,
		`"per_module"`, `"max_concurrent_activities"`, `"from_env"`, `"reveal"`, `"path_prefixes"`,
	} {
		if !bytes.Contains(want, []byte(text)) {
			t.Errorf("the schema has no %s", text)
		}
	}
}

func schema(t *testing.T) []byte {
	t.Helper()
	t.Chdir("../..") // for the comments, and for schemaPath
	r := &jsonschema.Reflector{
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		DoNotReference:             true,
		ExpandedStruct:             true,
		Anonymous:                  true,
	}
	if err := r.AddGoComments("github.com/wasmworker/wasmworker", "./host/passthrough", jsonschema.WithFullComment()); err != nil {
		t.Fatal(err)
	}
	for name, comment := range r.CommentMap {
		r.CommentMap[name] = strings.Join(strings.Fields(comment), " ")
	}
	modules, err := passthroughModules(&configFile{})
	if err != nil {
		t.Fatal(err)
	}
	var grantsSchema *jsonschema.Schema
	var mapper func(reflect.Type) *jsonschema.Schema
	mapper = func(typ reflect.Type) *jsonschema.Schema {
		text := &jsonschema.Schema{Type: "string"}
		switch typ {
		case reflect.TypeFor[list]():
			return &jsonschema.Schema{OneOf: []*jsonschema.Schema{text, {Type: "array", Items: text}}}
		case reflect.TypeFor[limitFlag](), reflect.TypeFor[durationFlag](), reflect.TypeFor[bytesFlag](), reflect.TypeFor[boundFlag](), reflect.TypeFor[totalBytesFlag](), reflect.TypeFor[passthrough.Duration](), reflect.TypeFor[passthrough.Size]():
			return &jsonschema.Schema{OneOf: []*jsonschema.Schema{text, {Type: "number"}}}
		case reflect.TypeFor[httpmod.Rule](), reflect.TypeFor[fsmod.Mount](): // which may be their first field alone
			r.Mapper = nil // the object form, which would come here again
			object := r.ReflectFromType(typ)
			r.Mapper = mapper
			object.Version = ""
			object.Required = []string{object.Properties.Oldest().Key}
			return &jsonschema.Schema{OneOf: []*jsonschema.Schema{text, object}}
		case reflect.TypeFor[grants]():
			policies := jsonschema.NewProperties()
			var names []any
			for _, m := range modules {
				names = append(names, m.Name)
				policy := &jsonschema.Schema{Type: "null"}
				if m.Policy != nil {
					object := r.ReflectFromType(reflect.TypeOf(m.Policy).Elem())
					object.Version = ""
					policy = &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "null"}, object}}
				}
				policies.Set(m.Name, policy)
			}
			name := &jsonschema.Schema{Type: "string", Enum: names}
			grantsSchema = &jsonschema.Schema{OneOf: []*jsonschema.Schema{
				name, {Type: "array", Items: name}, {Type: "object", Properties: policies, AdditionalProperties: jsonschema.FalseSchema},
			}}
			return &jsonschema.Schema{Ref: "#/$defs/grants"}
		}
		return nil
	}
	r.Mapper = mapper
	s := r.ReflectFromType(reflect.TypeFor[sections]())
	rest := s.Properties
	s.Properties = jsonschema.NewProperties()
	single := jsonschema.NewProperties()
	for i := range settings {
		row := &settings[i]
		of := r.ReflectFromType(reflect.TypeOf(row.value))
		for _, value := range row.oneOf {
			of.Enum = append(of.Enum, value)
		}
		of.Version, of.Description = "", strings.ReplaceAll(row.usage, "`", "")
		if row.atTop() {
			s.Properties.Set(row.key(), of)
		}
		if row.module != nil {
			single.Set(row.key(), of)
		}
	}
	s.Properties.Set(perModuleKey, &jsonschema.Schema{
		Type:                 "object",
		AdditionalProperties: &jsonschema.Schema{Type: "object", Properties: single, AdditionalProperties: jsonschema.FalseSchema},
		Description:          "What is different for single modules, by the file's name without .wasm. Grants add to those for all modules; everything else replaces what is set for all.",
	})
	for pair := rest.Oldest(); pair != nil; pair = pair.Next() {
		s.Properties.Set(pair.Key, pair.Value)
	}
	s.Title = "wasmworker.yaml"
	s.Definitions = jsonschema.Definitions{"grants": grantsSchema}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(data, '\n')
}

// Each example of the documentation names the schema in its first line, so that editors
// find it, and is read.
func TestExamplesNameTheSchema(t *testing.T) {
	for _, path := range []string{"../../docs/passthrough.md"} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, example, found := strings.Cut(string(data), "```yaml\n# yaml-language-server: $schema=")
		example, _, _ = strings.Cut(example, "```")
		_, example, _ = strings.Cut(example, "\n")
		if _, err := parseConfig(path, []byte(example)); !found || err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
