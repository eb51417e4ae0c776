package abi

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// The contract itself is at the top of the repository. A copy of this module alone
// does not have it.
const contract = "../../../../abi/"

func TestAgreesWithTheContract(t *testing.T) {
	if _, err := os.Stat(contract); err != nil {
		t.Skip("the contract is not here:", err)
	}
	theirs, ours := load(t, contract+"abi.go", contract+"generated.go"), load(t, "abi.go")
	compared := 0
	for _, name := range ours.Names() {
		their := theirs.Lookup(name)
		if their == nil {
			t.Errorf("%s is not in the contract", name)
			continue
		}
		switch our := ours.Lookup(name).(type) {
		case *types.Const:
			if want := their.(*types.Const).Val().ExactString(); our.Val().ExactString() != want {
				t.Errorf("%s is %s here and %s in the contract", name, our.Val().ExactString(), want)
			}
		case *types.TypeName:
			if want := shape(their); shape(our) != want {
				t.Errorf("%s is\n%s here and\n%s in the contract", name, shape(our), want)
			}
		default:
			continue
		}
		compared++
	}
	if compared < 25 {
		t.Errorf("only %d names compared", compared)
	}
}

func shape(o types.Object) string {
	return types.TypeString(o.Type().Underlying(), func(*types.Package) string { return "" })
}

func load(t *testing.T, paths ...string) *types.Scope {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	// Without the packages that it imports: nothing that is compared needs them.
	config := types.Config{Error: func(error) {}}
	pkg, _ := config.Check("abi", fset, files, nil)
	return pkg.Scope()
}

func TestMetadata(t *testing.T) {
	in := map[string][]byte{"encoding": []byte("json/plain"), "binary": {0xff, 0}, "empty": {}}
	data := MarshalMetadata(in)
	if want := `"binary":{"base64":"/wA="}`; !strings.Contains(string(data), want) {
		t.Errorf("%s does not contain %s", data, want)
	}
	out, err := UnmarshalMetadata(data)
	if err != nil || !maps.EqualFunc(in, out, bytes.Equal) {
		t.Errorf("%v, %v", out, err)
	}
	for _, bad := range []string{``, `[]`, `{"a":1}`, `{"a":null}`, `{"a":{}}`} {
		if out, err := UnmarshalMetadata([]byte(bad)); err == nil {
			t.Errorf("%s became %v", bad, out)
		}
	}
}

func TestMilliseconds(t *testing.T) {
	for in, want := range map[time.Duration]string{0: "0", 1: "1", time.Millisecond: "1", 1500 * time.Microsecond: "1", time.Hour: "3600000"} {
		if data, err := json.Marshal(Milliseconds(in)); err != nil || string(data) != want {
			t.Errorf("%v is %s, %v; want %s", in, data, err, want)
		}
	}
	var m Milliseconds
	if err := json.Unmarshal([]byte("9223372036854775807"), &m); err != nil || m <= 0 {
		t.Errorf("%v, %v", m, err)
	}
	if err := json.Unmarshal([]byte(`"1"`), &m); err == nil {
		t.Error("text was taken for milliseconds")
	}
}

func TestFailureShape(t *testing.T) {
	data, _ := json.Marshal(Failure{Message: "m"})
	if string(data) != `{"message":"m"}` {
		t.Errorf("%s", data)
	}
	fields := slices.Collect(strings.SplitSeq(`{"type":"T","message":"m","non_retryable":true,"next_retry_delay_ms":1,"category":"benign"}`, ","))
	data, _ = json.Marshal(Failure{Type: "T", Message: "m", NonRetryable: true, NextRetryDelay: 1, Category: CategoryBenign})
	if string(data) != strings.Join(fields, ",") {
		t.Errorf("%s", data)
	}
}
