//go:build !race

package compiler

// raceDetector is explained in race.go.
const raceDetector = false
