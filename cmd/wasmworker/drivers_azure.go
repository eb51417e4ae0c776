//go:build !omit_azure

package main

import _ "github.com/wasmworker/wasmworker/contrib/azure"
