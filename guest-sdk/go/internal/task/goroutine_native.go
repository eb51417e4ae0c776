//go:build !wasip1

package task

// goroutine runs f in a goroutine other than the caller's.
func goroutine(f func()) { go f() }

// goroutineEnded is called when f's goroutine is about to end, by runtime.Goexit.
func goroutineEnded() {}
