//go:build !race

package compiler

// Both are explained in race.go.
const (
	raceDetector = false
	slowdown     = 1
)
