//go:build unix && !linux

package compiler

func mapWithoutEnd() {}
