//go:build !wasip1

package flow

// spawn runs f in a goroutine of its own.
func spawn(f func()) { go f() }
