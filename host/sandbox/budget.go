package sandbox

import (
	"fmt"
	"sync"

	"github.com/wasmworker/wasmworker/host/internal/image"
)

// memoryBudget is what Config.MemoryLimit allows.
type memoryBudget struct {
	*image.Budget
	modules []*Module // that share it
	// trial is held while a module makes its first instance and its image: together with
	// others at first, and alone where there was not enough for all.
	trial sync.RWMutex
}

// imageBudget returns the budget, which may be nil: no limit.
func (m *Module) imageBudget() *image.Budget {
	if m.budget == nil {
		return nil
	}
	return m.budget.Budget
}

// exceeded tells how much of the budget is taken, and by whom.
func (b *memoryBudget) exceeded() error {
	return fmt.Errorf("%w: %s of %s are taken (%s); raise total_memory_limit (or auto), or lower max_concurrent_activities, or memory_limit or max_instances of a module",
		ErrMemoryLimit, mebibytes(b.Used()), mebibytes(b.Limit()), b.holders())
}
