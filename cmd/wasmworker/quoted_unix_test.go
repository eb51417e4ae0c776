//go:build unix

package main

import (
	"os/exec"
	"testing"
)

// A shell gives back each name as it is, and runs nothing of it.
func TestQuoted(t *testing.T) {
	for name, want := range map[string]string{"Greet": "Greet", "orders.charge/v2": "orders.charge/v2", "a b": "'a b'", "-x": "'-x'", "": "''"} {
		if got := quoted(name); got != want {
			t.Errorf("%q is quoted as %s, want %s", name, got, want)
		}
	}
	for _, name := range []string{"Greet", "$(echo x)", "`echo x`", "a;b", "it's", "a'$(echo x)'b", `\'`, "*", "~", "é"} {
		output, err := exec.Command("sh", "-c", "printf %s "+quoted(name)).Output()
		if err != nil || string(output) != name {
			t.Errorf("%q: the shell makes %q of it, %v", name, output, err)
		}
	}
}
