package sandbox

import (
	"testing"
	"time"
)

// SetTrialTimeout shortens, for one test, how long a module may take to initialize.
func SetTrialTimeout(t *testing.T, d time.Duration) {
	before := defaultInitializeTimeout
	defaultInitializeTimeout = d
	t.Cleanup(func() { defaultInitializeTimeout = before })
}

// TrimAfter is how long an instance is idle before it gives memory back.
var TrimAfter = trimAfter

// Private returns how much memory the idle instances have for themselves.
func (p *Pool) Private() (bytes uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, i := range p.idle {
		n, _ := i.memory.Private()
		bytes += n
	}
	return bytes
}

// ForgetInitialised makes the module know no more of its memory than its file says, as if
// its initialization took another amount each time.
func (m *Module) ForgetInitialised() { m.program.initialized = 0 }

// Patient makes Compile wait for all modules, however long that takes.
func Patient() { patience = time.Hour }

// SetPatience sets, for one test, how long Compile waits for the last modules.
func SetPatience(t *testing.T, d time.Duration) {
	before := patience
	patience = d
	t.Cleanup(func() { patience = before })
}
