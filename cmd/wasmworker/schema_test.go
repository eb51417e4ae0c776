package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/invopop/jsonschema"
	"github.com/urfave/cli/v2"

	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
	"github.com/wasmworker/wasmworker/host/passthrough/httpmod"
)

var writeSchema = flag.Bool("schema", false, "write docs/wasmworker.schema.json")

const schemaPath = "docs/wasmworker.schema.json"

// The committed schema is that of the types, so that what editors propose is what the program reads.
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
		`"description": "Timeout is the most time that a request may take`, `"description": "Allow lists the requests`, // from comments
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
		case reflect.TypeFor[scalar](), reflect.TypeFor[passthrough.Duration](), reflect.TypeFor[passthrough.Size]():
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
	s := r.ReflectFromType(reflect.TypeFor[configFile]())
	s.Title = "wasmworker.yaml"
	s.Definitions = jsonschema.Definitions{"grants": grantsSchema}
	describeKeys(s)
	perModule, _ := s.Properties.Get("per_module")
	describeKeys(perModule.AdditionalProperties)
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(data, '\n')
}

// describeKeys takes the description of a key from the flag that means the same.
func describeKeys(s *jsonschema.Schema) {
	var flags []cli.Flag
	for _, command := range newApp(nil, nil, nil).Commands {
		flags = slices.Concat(flags, command.Flags)
	}
	for pair := s.Properties.Oldest(); pair != nil; pair = pair.Next() {
		if i := slices.IndexFunc(flags, func(f cli.Flag) bool { return f.Names()[0] == strings.ReplaceAll(pair.Key, "_", "-") }); i >= 0 && pair.Value.Description == "" {
			pair.Value.Description = strings.ReplaceAll(flags[i].(cli.DocGenerationFlag).GetUsage(), "`", "")
		}
	}
}

// Each example of the documentation names the schema in its first line, so that editors find it, and is read.
func TestExamplesNameTheSchema(t *testing.T) {
	for _, path := range []string{"../../docs/passthrough.md"} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, example, found := strings.Cut(string(data), "```yaml\n# yaml-language-server: $schema=")
		example, _, _ = strings.Cut(example, "```")
		_, example, _ = strings.Cut(example, "\n")
		var config configFile
		if err := yaml.UnmarshalWithOptions([]byte(example), &config, yaml.Strict()); !found || err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
