package flow

// spare are goroutines that have nothing to do. Their stacks have grown already, which
// matters: to grow one costs more than anything else in an activation.
var spare []chan func()

// spawn runs f in a goroutine of its own, which may be one that was another's before.
func spawn(f func()) {
	if n := len(spare); n > 0 {
		jobs := spare[n-1]
		spare = spare[:n-1]
		jobs <- f
		return
	}
	jobs := make(chan func())
	go func() {
		for {
			f()
			if len(spare) == mostSpare {
				return
			}
			spare = append(spare, jobs)
			f = <-jobs
		}
	}()
}

const mostSpare = 4
