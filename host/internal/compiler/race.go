//go:build race

package compiler

// raceDetector tells that Go's race detector maps several times the memory that the
// program uses.
const raceDetector = true

// slowdown is how many times longer than others such a program may take.
const slowdown = 10
