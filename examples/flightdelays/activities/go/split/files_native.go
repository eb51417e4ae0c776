//go:build !wasip1

package main

// What tests read instead of the host's files.
var readFile func(file string, offset, length int) ([]byte, error)
