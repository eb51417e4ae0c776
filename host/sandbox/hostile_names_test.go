package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// load takes a binary through all that a file goes through at the start of a worker.
// Where it is refused, that must be with a text that a person can read.
func load(t *testing.T, name string, binary []byte, cfg sandbox.Config) (*sandbox.Sandbox, error) {
	t.Helper()
	box, err := loadQuietly(name, binary, cfg)
	if err != nil {
		checkText(t, name, err.Error())
	}
	return box, err
}

func loadQuietly(name string, binary []byte, cfg sandbox.Config) (*sandbox.Sandbox, error) {
	m, err := modules.Parse(name, binary)
	if err != nil {
		return nil, err
	}
	cfg.Modules = append(cfg.Modules, m)
	box, err := sandbox.New(cfg)
	if err != nil {
		return nil, err
	}
	if err := box.Compile(context.Background()); err != nil {
		return nil, errors.Join(err, box.Close(context.Background()))
	}
	return box, nil
}

// simple builds a module of one function of type () -> i32, which returns 0 or what the
// body says.
func simple(imports [][]byte, exports [][]byte, more ...[]byte) []byte {
	return module(
		section(sectionType, vec(builtTypes...)),
		section(sectionImport, vec(imports...)),
		section(sectionFunction, []byte{1, typeActivity}),
		section(sectionMemory, []byte{1, 0, 1}),
		section(sectionExport, vec(exports...)),
		section(sectionCode, vec(sized([]byte{0, 0x41, 0, 0x0b}))),
		slices.Concat(more...),
	)
}

// hostileNames are no names for anything.
func hostileNames() map[string]string {
	return map[string]string{
		"1 MB":                          strings.Repeat("x", 1<<20),
		"1 MB of two bytes each":        strings.Repeat("é", 1<<19),
		"1 MB of escape sequences":      strings.Repeat("\x1b[2J", 1<<18),
		"1 MB of zeroes":                strings.Repeat("\x00", 1<<20),
		"1 MB of quotation marks":       strings.Repeat(`"`, 1<<20),
		"1 MB of percent signs":         strings.Repeat("%n", 1<<19),
		"1 MB of line breaks":           strings.Repeat("\n", 1<<20),
		"an escape sequence":            "\x1b]0;title\a",
		"a C1 control character":        "a\u009b31m",
		"a line that looks like a log":  "A\nlevel=ERROR msg=\"all is lost\"",
		"a name that turns its reader":  "A\u202egnp.exe",
		"a name of 999 long characters": strings.Repeat("\U0010ffff", 999),
	}
}

// Names that would fill a log or disturb a terminal, wherever a module has names. Most
// refuse the module, and no message carries them on.
func TestHostileNames(t *testing.T) {
	status := hostImport(abi.ModuleActivity, "status", typeActivity)
	a := export("A", 0, 1)
	for what, name := range hostileNames() {
		for where, binary := range map[string][]byte{
			"export":            simple([][]byte{status}, [][]byte{export(name, 0, 1)}),
			"export beside":     simple([][]byte{status}, [][]byte{a, export(name, 0, 1)}),
			"export twice":      simple([][]byte{status}, [][]byte{export(name, 0, 1), export(name, 0, 1)}),
			"other type":        simple([][]byte{hostImport(abi.ModuleActivity, "output_write", typeWrite)}, [][]byte{export(name, 0, 0)}),
			"no function":       simple([][]byte{status}, [][]byte{export(name, 0, 99)}),
			"memory":            simple([][]byte{status}, [][]byte{a, export(name, 2, 0)}),
			"memory twice":      simple([][]byte{status}, [][]byte{a, export(name, 2, 0), export(name, 2, 0)}),
			"memory 1":          simple([][]byte{status}, [][]byte{a, export(name, 2, 1)}),
			"global":            simple([][]byte{status}, [][]byte{a, export(name, 3, 0)}),
			"kind 9":            simple([][]byte{status}, [][]byte{a, export(name, 9, 0)}),
			"import module":     simple([][]byte{status, hostImport(name, "f", typeNothing)}, [][]byte{export("A", 0, 2)}),
			"import name":       simple([][]byte{status, hostImport(abi.ModuleActivity, name, typeNothing)}, [][]byte{export("A", 0, 2)}),
			"import of log":     simple([][]byte{status, hostImport(abi.ModuleLog, name, typeNothing)}, [][]byte{export("A", 0, 2)}),
			"import of WASI":    simple([][]byte{status, hostImport(abi.ModuleWASI, name, typeNothing)}, [][]byte{export("A", 0, 2)}),
			"import of meter":   simple([][]byte{status, hostImport("wasmworker:meter/v1", name, typeNothing)}, [][]byte{export("A", 0, 2)}),
			"import of Extism":  simple([][]byte{hostImport(abi.ModuleExtism, name, typeNothing)}, [][]byte{a}),
			"both":              simple([][]byte{status, hostImport(name, name, typeNothing)}, [][]byte{export("A", 0, 2)}),
			"many":              simple(append(slices.Repeat([][]byte{hostImport(name[:min(len(name), 999)], name[:min(len(name), 999)], typeNothing)}, 500), status), [][]byte{export("A", 0, 501)}),
			"import of no func": simple([][]byte{status, slices.Concat(sized([]byte(name)), sized([]byte(name)), []byte{2, 0, 1})}, [][]byte{a}),
			"import of kind 9":  simple([][]byte{status, slices.Concat(sized([]byte(name)), sized([]byte(name)), []byte{9, 0, 1})}, [][]byte{a}),
		} {
			t.Run(what+"/"+where, func(t *testing.T) {
				box, err := load(t, "module", binary, sandbox.Config{})
				harmless := where == "memory" || (where == "export" || where == "export beside") && len(name) < 1000 && !strings.ContainsAny(name, "\x1b\a\n\u009b\u202e")
				if err != nil {
					if harmless {
						t.Errorf("refused: %.300v", err)
					}
					return
				}
				defer box.Close(context.Background())
				if !harmless {
					t.Fatal("the module is served")
				}
				for _, activity := range box.Activities() {
					run(t, box, activity.Type)
				}
			})
		}
	}
}

// What a module calls itself and its functions in its section of names stands in stack
// traces.
func TestHostileNameSection(t *testing.T) {
	for what, name := range hostileNames() {
		names := func(id byte, content ...[]byte) []byte { return section(id, content...) }
		custom := section(0, sized([]byte("name")),
			names(0, sized([]byte(name))),
			names(1, []byte{1, 1}, sized([]byte(name))), // function 1
			names(2, []byte{1, 1, 1, 0}, sized([]byte(name))))
		binary := module(
			section(sectionType, vec(builtTypes...)),
			section(sectionImport, vec(hostImport(abi.ModuleActivity, "status", typeActivity))),
			section(sectionFunction, []byte{1, typeActivity}),
			section(sectionExport, vec(export("A", 0, 1), export("_initialize", 0, 1))),
			// unreachable, at the end
			section(sectionCode, vec(sized([]byte{1, 1, api.ValueTypeI32, 0x41, 0, 0x04, 0x40, 0x0b, 0x10, 0, 0x1a, 0, 0x0b}))),
			custom,
		)
		t.Run(what+"/initialize", func(t *testing.T) {
			if _, err := load(t, "module", binary, sandbox.Config{}); err == nil || !strings.Contains(err.Error(), "unreachable") {
				t.Errorf("%.300v", err)
			}
		})
		box, err := load(t, "module", []byte(strings.Replace(string(binary), "_initialize", "_initialise", 1)), sandbox.Config{})
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		_, err = box.Run(t.Context(), sandbox.Task{Activity: "A"})
		checkFailure(t, what, failure(t, err, abi.TypeWasmTrap))
		if err := box.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// What a module is called by its file reaches messages as it is, so package modules looks
// at that too; and a message about very many things names some of them.
func TestHostileQuantities(t *testing.T) {
	status := hostImport(abi.ModuleActivity, "status", typeActivity)
	var exports, imports [][]byte
	for i := range 5000 {
		exports = append(exports, export(fmt.Sprintf("%s%d", strings.Repeat("n", 900), i), 0, 1))
		imports = append(imports, hostImport(fmt.Sprintf("%s%d", strings.Repeat("m", 900), i), "f", typeNothing))
	}
	box, err := load(t, "module", simple([][]byte{status}, exports), sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close(context.Background())
	equal(t, "activities", len(box.Activities()), len(exports))
	if _, err := loadQuietly("module", simple(append(imports, status), [][]byte{export("A", 0, 5001)}), sandbox.Config{}); err == nil || len(err.Error()) > 16<<10 {
		t.Errorf("5000 imports: %d bytes of message", len(fmt.Sprint(err)))
	}
}
