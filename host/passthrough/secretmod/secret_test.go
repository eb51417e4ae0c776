package secretmod_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/secretmod"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestValues(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("WASMWORKER_TEST_SECRET", "from the environment\n")
	mounted := write(t, filepath.Join(dir, "mounted"), "first\r\n")
	store, err := secretmod.Open(map[string]secretmod.Source{
		"env":     {Env: "WASMWORKER_TEST_SECRET"},
		"mounted": {File: mounted},
		"exact":   {File: write(t, filepath.Join(dir, "exact"), "two\n\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"env": "from the environment\n", "mounted": "first", "exact": "two\n"} {
		if got, err := store.Value(name); err != nil || got != want {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
	write(t, mounted, "rotated")
	if got, err := store.Expand("a {{secret:mounted}} b {{secret:mounted}}{{secret:exact}}{{secret}}"); err != nil || got != "a rotated b rotatedtwo\n{{secret}}" {
		t.Errorf("%q, %v", got, err)
	}
	// A value is not expanded again.
	write(t, mounted, "{{secret:exact}}")
	if got, err := store.Expand("{{secret:mounted}}"); err != nil || got != "{{secret:exact}}" {
		t.Errorf("%q, %v", got, err)
	}
	os.Remove(mounted)
	if got, err := store.Expand("{{secret:exact}}{{secret:mounted}}{{secret:none}}"); err == nil || got != "" || strings.Contains(err.Error(), "two") {
		t.Errorf("%q, %v", got, err)
	}
	if got := secretmod.Mentioned("{{secret:a}} {{secret:}} {{ secret:b}} {{secret:c d}}"); !reflect.DeepEqual(got, []string{"a", "", "c d"}) {
		t.Errorf("mentioned %q", got)
	}
}

// Every mistake is found before anything starts, with its place, and shows no value.
func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("WASMWORKER_TEST_SECRET", strings.Repeat("hidden", 20_000))
	t.Setenv("WASMWORKER_TEST_EMPTY", "")
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	go os.WriteFile(fifo, []byte("hidden"), 0o600) //nolint:errcheck // a writer, without which opening it would block
	_, err := secretmod.Open(map[string]secretmod.Source{
		"both": {Env: "A", File: "b"}, "neither": {}, "unset": {Env: "WASMWORKER_TEST_UNSET"}, "empty-env": {Env: "WASMWORKER_TEST_EMPTY"},
		"long-env": {Env: "WASMWORKER_TEST_SECRET"}, "missing": {File: filepath.Join(dir, "none")}, "directory": {File: dir}, "fifo": {File: fifo},
		"empty": {File: write(t, filepath.Join(dir, "empty"), "\n")}, "long": {File: write(t, filepath.Join(dir, "long"), strings.Repeat("hidden", 20_000))},
		"sp ace": {Env: "HOME"}, "": {Env: "HOME"},
	})
	for _, want := range []string{
		"both: the secret has to have one of env and file", "neither: the secret has to have one", "unset: the environment variable WASMWORKER_TEST_UNSET is not set",
		"empty-env: the environment variable WASMWORKER_TEST_EMPTY is not set, or empty", "long-env: the environment variable WASMWORKER_TEST_SECRET has more than 65536 bytes",
		"missing: the file cannot be read", "directory: the file " + dir + " is not a regular file", "fifo: the file", "empty: the file", "long: the file", "sp ace: a secret's name",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	if lines := strings.Count(err.Error(), "\n") + 1; lines != 12 || strings.Contains(err.Error(), "hidden") {
		t.Errorf("%d lines: %v", lines, err)
	}
}

func TestReveal(t *testing.T) {
	t.Setenv("WASMWORKER_TEST_SECRET", "value")
	store, err := secretmod.Open(map[string]secretmod.Source{"key": {Env: "WASMWORKER_TEST_SECRET"}, "other": {Env: "WASMWORKER_TEST_SECRET"}})
	if err != nil {
		t.Fatal(err)
	}
	module := secretmod.New(store)
	reveal := func(policy any, name string) (string, error) {
		call := &passthrough.Call{Module: "orders", Policy: policy}
		value, err := module.Functions["reveal"](context.Background(), call, []byte(name))
		return string(value), err
	}
	policy := &secretmod.Policy{Reveal: []string{"key"}}
	if got, err := reveal(policy, "key"); err != nil || got != "value" {
		t.Errorf("%q, %v", got, err)
	}
	for _, name := range []string{"other", "none", "", "KEY", "key ", "x\x00", strings.Repeat("x", 1000)} {
		got, err := reveal(policy, name)
		denial, ok := errors.AsType[*passthrough.Denial](err)
		if got != "" || !ok || !errors.Is(err, abi.EACCES) || len(denial.Target) > 120 {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	if got, err := reveal(module.NewPolicy(), "key"); got != "" || !errors.Is(err, abi.EACCES) {
		t.Errorf("without a policy: %q, %v", got, err)
	}
	if err := module.CheckPolicy(policy); err != nil {
		t.Error(err)
	}
	if err := module.CheckPolicy(&secretmod.Policy{Reveal: []string{"key", "kye"}}); err == nil || err.Error() != `reveal[1]: there is no secret "kye"; there are: key, other` {
		t.Error(err)
	}
	if err := secretmod.New(nil).CheckPolicy(policy); err == nil || !strings.Contains(err.Error(), "the configuration has none") {
		t.Error(err)
	}
	for name, want := range map[string]bool{"key": true, "other": false} {
		if verdict, err := policy.Explain([]string{name}); err != nil || verdict.Allowed != want || verdict.Reason == "" {
			t.Errorf("%s: %+v, %v", name, verdict, err)
		}
	}
}
