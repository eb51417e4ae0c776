//go:build !omit_gcs

package main

import _ "github.com/wasmworker/wasmworker/contrib/gcs"
