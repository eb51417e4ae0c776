package workflows

import (
	"fmt"
	"slices"

	"github.com/wasmworker/wasmworker/host/replay"
)

// TakeOver implements [replay.WorkflowEnv].
func (e *Env) TakeOver(w Workflow, most int) (result *replay.WorkflowRun, points int) {
	tasks := len(e.run(w, hooks{}).tasks)
	every := max(1, (tasks+most-1)/max(most, 1))
	r := e.run(w, hooks{evict: func(task int) bool {
		if task%every != 0 {
			return false
		}
		points++
		return true
	}})
	return r.result, points
}

// Rearrange implements [replay.WorkflowEnv].
func (e *Env) Rearrange(w Workflow, most int, each func(what string, result *replay.WorkflowRun)) {
	for n, t := range e.run(w, hooks{}).tasks {
		var places []int // of what may be in another order
		for i, d := range t.due {
			if d.command != nil {
				places = append(places, i)
			}
		}
		for _, order := range orders(len(places)) {
			if most--; most < 0 {
				return
			}
			r := e.run(w, hooks{arrange: func(task int, due []*delivery) {
				if task != n || len(due) != len(t.due) {
					return
				}
				was := slices.Clone(due)
				for i, from := range order {
					due[places[i]] = was[places[from]]
				}
			}})
			each(fmt.Sprintf("what came %s after the start in the order %v", t.at.Sub(e.start), numbered(order)), r.result)
		}
	}
}

// orders returns other orders of so many things: from the last to the first, and each one
// first once.
func orders(n int) (all [][]int) {
	if n < 2 {
		return nil
	}
	backward := make([]int, n)
	for i := range backward {
		backward[i] = n - 1 - i
	}
	all = append(all, backward)
	for begin := 1; begin < n && n > 2; begin++ {
		rotated := make([]int, n)
		for i := range rotated {
			rotated[i] = (begin + i) % n
		}
		all = append(all, rotated)
	}
	return all
}

// numbered counts from 1.
func numbered(order []int) []int {
	out := make([]int, len(order))
	for i, n := range order {
		out[i] = n + 1
	}
	return out
}
