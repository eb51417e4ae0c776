//go:build !linux

package main

import "fmt"

func (needs) harden() (string, error) {
	return "", fmt.Errorf("%w: it is for Linux, with Landlock", errCannotHarden)
}
