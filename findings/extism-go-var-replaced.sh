#!/bin/sh
# Extism's Go SDK refuses a plugin to replace the value of a variable that has more than half the room
# for variables: it counts the value that goes beside the one that comes.
#
# Date:      2026-11-30
# Versions:  github.com/extism/go-sdk 1.7.1, github.com/extism/go-pdk 1.1.3, Go 1.26
# Expected:  max_var_bytes bounds what a plugin keeps, 1 MiB by default. A plugin that keeps 600,000 bytes in one variable
#            may put other 600,000 bytes in their place: nobody ever keeps more than these.
# Seen:      The second var_set ends the plugin with "Variable store is full". The same two values are taken if the
#            plugin removes the variable in between. A plugin that keeps its state in a variable, and saves it
#            after each call, so fails at half the size that the manifest allows, and works as long as it is smaller.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
cd "$dir"

mkdir plugin
cat >plugin/main.go <<'GO'
package main

import "github.com/extism/go-pdk"

func main() {}

func keep(remove bool) int32 {
	value := make([]byte, 600000)
	pdk.SetVar("state", value)
	if remove {
		pdk.RemoveVar("state")
	}
	value[0] = 1
	pdk.SetVar("state", value)
	return 0
}

//go:wasmexport replace
func replace() int32 { return keep(false) }

//go:wasmexport remove
func remove() int32 { return keep(true) }
GO
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	extism "github.com/extism/go-sdk"
)

func call(export string) error {
	ctx := context.Background()
	plugin, err := extism.NewPlugin(ctx, extism.Manifest{Wasm: []extism.Wasm{extism.WasmFile{Path: "plugin.wasm"}}}, extism.PluginConfig{EnableWasi: true}, nil)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	defer plugin.Close(ctx)
	_, _, err = plugin.Call(export, nil)
	text, _, _ := strings.Cut(fmt.Sprint(err), "\n")
	fmt.Printf("%-8s %d bytes in the variable, error: %s\n", export+":", len(plugin.Var["state"]), text)
	return err
}

func main() {
	replaced, removed := call("replace"), call("remove")
	if replaced == nil || !strings.Contains(replaced.Error(), "Variable store is full") || removed != nil {
		fmt.Println("not as it was seen: a variable can be removed and set, but not set anew")
		os.Exit(1)
	}
}
GO
GOWORK=off GOFLAGS=
export GOWORK GOFLAGS
go mod init example.com/finding >/dev/null 2>&1
go get github.com/extism/go-sdk@v1.7.1 github.com/extism/go-pdk@v1.1.3 >get.log 2>&1 || { cat get.log; exit 1; }
go mod tidy >get.log 2>&1 || { cat get.log; exit 1; }
GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o plugin.wasm ./plugin
go build -o finding . && ./finding
