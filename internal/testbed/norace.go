//go:build !race

package testbed

// Race tells whether the race detector is on.
const Race = false
