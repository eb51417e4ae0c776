#!/bin/sh
# wazero's compiler calls a neighboring function where a module exports again what it imports from a module that has
# imports itself: no error, another result. wazero's interpreter calls the right one.
#
# Date:      2026-11-30
# Versions:  github.com/tetratelabs/wazero 1.11.0 (so) and 1.12.0 (right), amd64, Go 1.26
# Expected:  m has three functions, which return 1, 2 and 3, and exports the second. a imports that and exports it
#            again. Called by way of a, it returns 2, as it does called in m.
# Seen:      With the compiler of 1.11.0 it returns 1 as soon as m has an import of its own, whether that is used or not,
#            both for the host and for a further module that imports it from a. Without an import in m it returns 2.
#            1.12.0 returns 2 always. The specification's own tests do not show it, since their exporting modules
#            have no imports; they do once each module gets one, as rewriters and instrumenters add it.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/tetratelabs/wazero"
)

const header = "\x00asm\x01\x00\x00\x00"

// types has the one type () -> i32.
const types = "\x01\x05\x01\x60\x00\x01\x7f"

// body is a function that returns n.
func body(n byte) string { return string([]byte{4, 0, 0x41, n, 0x0b}) }

// m has three functions and exports the second as "two", and imports host.h if it is to.
func m(imports bool) string {
	text, second := header+types, byte(1)
	if imports {
		text += "\x02\x0a\x01\x04host\x01h\x00\x00"
		second = 2
	}
	text += "\x03\x04\x03\x00\x00\x00"
	text += "\x07\x07\x01\x03two\x00" + string([]byte{second})
	return text + "\x0a\x10\x03" + body(1) + body(2) + body(3)
}

// a imports m.two and exports it again as "again".
const a = header + types + "\x02\x09\x01\x01m\x03two\x00\x00" + "\x07\x09\x01\x05again\x00\x00"

func call(config wazero.RuntimeConfig, imports bool) uint64 {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, config)
	defer r.Close(ctx)
	check := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	_, err := r.NewHostModuleBuilder("host").NewFunctionBuilder().WithFunc(func() int32 { return 100 }).Export("h").Instantiate(ctx)
	check(err)
	_, err = r.InstantiateWithConfig(ctx, []byte(m(imports)), wazero.NewModuleConfig().WithName("m"))
	check(err)
	again, err := r.InstantiateWithConfig(ctx, []byte(a), wazero.NewModuleConfig().WithName("a"))
	check(err)
	results, err := again.ExportedFunction("again").Call(ctx)
	check(err)
	return results[0]
}

func main() {
	fmt.Println(
		"interpreter", call(wazero.NewRuntimeConfigInterpreter(), false), call(wazero.NewRuntimeConfigInterpreter(), true),
		"compiler", call(wazero.NewRuntimeConfigCompiler(), false), call(wazero.NewRuntimeConfigCompiler(), true))
}
GO
go mod init finding >/dev/null 2>&1
run() {
	go get "github.com/tetratelabs/wazero@$1" >/dev/null 2>&1
	go run .
}
old=$(run v1.11.0)
new=$(run v1.12.0)
printf 'without and with an import in m, where 2 is right:\n1.11.0: %s\n1.12.0: %s\n' "$old" "$new"
test "$old" = "interpreter 2 2 compiler 2 1" && test "$new" = "interpreter 2 2 compiler 2 2"
