package task

// goroutine runs f in a goroutine other than the caller's, always the same one if
// possible: the stack that it has grown is there for the next activity, which
// matters in WebAssembly, where growing a stack costs more than a small activity.
func goroutine(f func()) {
	if idle == nil {
		idle = make(chan func())
		go func(jobs <-chan func()) {
			for f := range jobs {
				f()
			}
		}(idle)
	}
	idle <- f
}

var idle chan func()

// goroutineEnded is called when f's goroutine is about to end, by runtime.Goexit.
func goroutineEnded() { idle = nil }
