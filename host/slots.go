package host

import (
	"context"
	"sync"

	"go.temporal.io/sdk/worker"
)

// slots supplies the worker's activity slots where a module has MaxInstances.
//
// The worker takes a slot before it polls, and cannot know whose activity will arrive. An
// activity waits for an instance when its module is at MaxInstances. Its slot is lent to
// another activity meanwhile, so that other modules are not delayed. At most limit slots
// are lent. Running activities never exceed limit, because each of them needs an
// instance.
type slots struct {
	limit int

	mu      sync.Mutex
	issued  int
	waiting int
	more    chan struct{} // closed, and made anew, when there may be a slot
}

var _ worker.SlotSupplier = (*slots)(nil)

func newSlots(limit int) *slots { return &slots{limit: limit, more: make(chan struct{})} }

// ReserveSlot implements [worker.SlotSupplier]. It blocks until there is a slot or ctx
// ends.
func (s *slots) ReserveSlot(ctx context.Context, info worker.SlotReservationInfo) (*worker.SlotPermit, error) {
	for {
		s.mu.Lock()
		permit, more := s.try(), s.more
		s.mu.Unlock()
		if permit != nil {
			return permit, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// TryReserveSlot implements [worker.SlotSupplier].
func (s *slots) TryReserveSlot(worker.SlotReservationInfo) *worker.SlotPermit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.try()
}

func (s *slots) try() *worker.SlotPermit {
	if s.issued-min(s.waiting, s.limit) >= s.limit {
		return nil
	}
	s.issued++
	return &worker.SlotPermit{}
}

// MarkSlotUsed implements [worker.SlotSupplier].
func (s *slots) MarkSlotUsed(worker.SlotMarkUsedInfo) {}

// ReleaseSlot implements [worker.SlotSupplier].
func (s *slots) ReleaseSlot(worker.SlotReleaseInfo) { s.change(-1, 0) }

// MaxSlots implements [worker.SlotSupplier].
func (s *slots) MaxSlots() int { return 2 * s.limit }

// wait changes the number of activities that wait for an instance of a module at
// MaxInstances.
func (s *slots) wait(more int) { s.change(0, more) }

func (s *slots) change(issued, waiting int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issued += issued
	s.waiting += waiting
	close(s.more)
	s.more = make(chan struct{})
}

// tuner makes a tuner from the slots. For all other kinds of slot it takes the sizes in
// the worker's options.
func (s *slots) tuner(o *worker.Options) (worker.WorkerTuner, error) {
	sizes := worker.FixedSizeTunerOptions{
		NumWorkflowSlots:      o.MaxConcurrentWorkflowTaskExecutionSize,
		NumActivitySlots:      s.limit,
		NumLocalActivitySlots: o.MaxConcurrentLocalActivityExecutionSize,
		NumNexusSlots:         o.MaxConcurrentNexusTaskExecutionSize,
	}
	fixed, err := worker.NewFixedSizeTuner(sizes)
	if err != nil {
		return nil, err
	}
	// The SDK refuses them beside a tuner.
	o.MaxConcurrentWorkflowTaskExecutionSize, o.MaxConcurrentLocalActivityExecutionSize, o.MaxConcurrentNexusTaskExecutionSize = 0, 0, 0
	return worker.NewCompositeTuner(worker.CompositeTunerOptions{
		WorkflowSlotSupplier:        fixed.GetWorkflowTaskSlotSupplier(),
		ActivitySlotSupplier:        s,
		LocalActivitySlotSupplier:   fixed.GetLocalActivitySlotSupplier(),
		NexusSlotSupplier:           fixed.GetNexusSlotSupplier(),
		SessionActivitySlotSupplier: fixed.GetSessionActivitySlotSupplier(),
	})
}

// hasMaxInstances reports whether any module has a limit of instances of its own.
func hasMaxInstances(options PluginOptions) bool {
	for _, o := range options.PerModule {
		if o.MaxInstances > 0 {
			return true
		}
	}
	return options.Defaults.MaxInstances > 0
}
