//go:build omit_s3

package main

func init() { omit("s3", "omit_s3") }
