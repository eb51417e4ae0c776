//go:build omit_gcs

package main

func init() { omit("gs", "omit_gcs") }
