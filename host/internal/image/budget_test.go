package image

import (
	"sync"
	"testing"
)

// budgetRounds is enough for an update to be lost, if it could be, on a single busy core.
var budgetRounds uint64 = 2_000_000

func TestBudgetHoldsConcurrently(t *testing.T) {
	b := NewBudget(10)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			<-start
			for n := range budgetRounds {
				if n = 1 + n%3; b.Take(n) {
					if b.Used() > b.Limit() {
						t.Error("more than there is")
					}
					b.Give(n)
				}
			}
		})
	}
	close(start)
	wg.Wait()
	if b.Used() != 0 {
		t.Errorf("%d left", b.Used())
	}
	if b.Take(11) || !b.Take(10) || b.Take(1) {
		t.Error("the limit is not exact")
	}
}
