//go:build omit_azure

package main

func init() { omit("azblob", "omit_azure") }
