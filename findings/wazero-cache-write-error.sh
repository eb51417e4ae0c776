#!/bin/sh
# wazero's CompileModule fails when its file cache cannot be written, although the module was compiled, and
# the same call works when it is made again.
#
# Date:      2026-11-30
# Versions:  github.com/tetratelabs/wazero 1.11.0, Go 1.26
# Expected:  A cache is for speed. When its folder is removed under a running program, as jobs that tidy folders for temporary
#            files do, the module is compiled and used, without being kept; or every attempt fails alike.
# Seen:      The first CompileModule returns (nil, error): a bare *fs.PathError about a temporary file, with no word of a
#            cache or of wazero, nor a type by which it could be told from an error in the module. The module is in the memory of
#            the runtime by then, so the second CompileModule succeeds, and the module works.
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
	"path/filepath"
	"strings"

	"github.com/tetratelabs/wazero"
)

// module exports a function "answer" that returns 42.
var module = []byte("\x00asm\x01\x00\x00\x00" +
	"\x01\x05\x01\x60\x00\x01\x7f" +
	"\x03\x02\x01\x00" +
	"\x07\x0a\x01\x06answer\x00\x00" +
	"\x0a\x06\x01\x04\x00\x41\x2a\x0b")

func main() {
	ctx := context.Background()
	folder := filepath.Join(os.Args[1], "cache")
	cache, err := wazero.NewCompilationCacheWithDir(folder)
	check(err)
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCompilationCache(cache))
	defer runtime.Close(ctx)
	check(os.RemoveAll(folder))

	first, err := runtime.CompileModule(ctx, module)
	text := strings.ReplaceAll(fmt.Sprint(err), folder, "FOLDER")
	fmt.Printf("first CompileModule: module %t, error %T: %s\n", first != nil, err, text)
	second, again := runtime.CompileModule(ctx, module)
	fmt.Printf("second CompileModule: module %t, error %v\n", second != nil, again)
	_, isPath := err.(*os.PathError)
	if err == nil || first != nil || !isPath || strings.Contains(strings.ReplaceAll(text, "FOLDER", ""), "cache") || again != nil {
		fmt.Println("not as it was seen: only the first attempt fails, with a bare error of the file system")
		os.Exit(1)
	}
	instance, err := runtime.InstantiateModule(ctx, second, wazero.NewModuleConfig())
	check(err)
	results, err := instance.ExportedFunction("answer").Call(ctx)
	check(err)
	fmt.Println("its function returns", results[0])
	if results[0] != 42 {
		os.Exit(1)
	}
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
GO
GOWORK=off GOFLAGS=
export GOWORK GOFLAGS
go mod init example.com/finding >/dev/null 2>&1
go get github.com/tetratelabs/wazero@v1.11.0 >get.log 2>&1 || { cat get.log; exit 1; }
go mod tidy >get.log 2>&1 || { cat get.log; exit 1; }
go build -o finding . && ./finding "$dir"
