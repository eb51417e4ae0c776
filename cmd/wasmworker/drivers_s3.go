//go:build !omit_s3

package main

import _ "github.com/wasmworker/wasmworker/contrib/s3"
