package configmod_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/configmod"
	"github.com/wasmworker/wasmworker/internal/yamlnode"
)

// read makes a policy of YAML, as the command line does.
func read(text string) (*configmod.Policy, error) {
	policy := configmod.New().NewPolicy().(*configmod.Policy)
	if err := yamlnode.Unmarshal([]byte(text), policy); err != nil {
		return policy, err
	}
	return policy, policy.Validate()
}

func get(policy any, name string) (string, error) {
	call := &passthrough.Call{Module: "orders", Policy: policy}
	value, err := configmod.New().Functions["get"](context.Background(), call, []byte(name))
	return string(value), err
}

func TestGet(t *testing.T) {
	t.Setenv("WASMWORKER_TEST_REGION", "eu-central ☃")
	t.Setenv("WASMWORKER_TEST_EMPTY", "")
	policy, err := read(`
values: {bucket: invoices, version: "1.50", empty: "", with=odd chars: x}
from_env: {region: WASMWORKER_TEST_REGION, nothing: WASMWORKER_TEST_EMPTY}
`)
	if err != nil {
		t.Fatal(err)
	}
	// The values that validation read stay.
	t.Setenv("WASMWORKER_TEST_REGION", "changed")
	for name, want := range map[string]string{
		"bucket": "invoices", "version": "1.50", "empty": "", "with=odd chars": "x", "region": "eu-central ☃", "nothing": "",
	} {
		if got, err := get(policy, name); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", name, got, err, want)
		}
	}
	// Only the exact name finds the value: not the variable's name, not another case, and
	// nothing else of the environment.
	var texts []string
	for _, name := range []string{"", "Bucket", "bucket ", "bucket\x00", "WASMWORKER_TEST_REGION", "PATH", "values", "\xff"} {
		got, err := get(policy, name)
		if got != "" || !errors.Is(err, abi.ENOENT) {
			t.Fatalf("%q is %q, %v", name, got, err)
		}
		texts = append(texts, err.Error())
	}
	// The answer does not reveal whether a name exists for other modules.
	got, err := get(configmod.New().NewPolicy(), "bucket")
	if got != "" || !errors.Is(err, abi.ENOENT) || err.Error() != texts[0] {
		t.Errorf("without a policy: %q, %v", got, err)
	}
	for _, text := range texts {
		if text != texts[0] {
			t.Errorf("%q and %q differ", text, texts[0])
		}
	}
}

// A guest that changes what it got does not change what others get.
func TestGetReturnsACopy(t *testing.T) {
	policy := &configmod.Policy{Values: map[string]string{"a": "value"}}
	// The host may validate a policy twice.
	if err := errors.Join(policy.Validate(), policy.Validate()); err != nil {
		t.Fatal(err)
	}
	call := &passthrough.Call{Policy: policy}
	value, err := configmod.New().Functions["get"](context.Background(), call, []byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	copy(value, "XXXXX")
	if got, err := get(policy, "a"); got != "value" || err != nil {
		t.Error(got, err)
	}
}

// Every mistake is reported, and all of them at once.
func TestMistakes(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
	}{
		{`values: {version: 1.50, on: true, none: null, list: [x]}`, []string{`values.list: it is not a text; put quotes`, `values.none: it is not`, `values.on: it is not`, `values.version: it is not`}},
		{`from_env: {a: WASMWORKER_TEST_UNSET_1, b: WASMWORKER_TEST_UNSET_2}`, []string{`from_env.a: the environment variable WASMWORKER_TEST_UNSET_1 is not set`, `from_env.b: the environment variable WASMWORKER_TEST_UNSET_2`}},
		{`from_env: {a: "", b: "C=D"}`, []string{`"" is not the name of an environment variable`, `"C=D" is not the name`}},
		{`{values: {PATH: x}, from_env: {PATH: PATH}}`, []string{`from_env.PATH: it is in values too`}},
		{`values: {"": x}`, []string{"a name is empty"}},
		{`value: {a: b}`, []string{`there is no key "value"`}},
		{`[a, b]`, []string{"mapping is expected"}},
	} {
		_, err := read(tt.text)
		if err == nil {
			t.Errorf("%s: no error", tt.text)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", tt.text, err, want)
			}
		}
	}
}
