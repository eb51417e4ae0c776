package host

import (
	"context"
	"sync"
	"time"
)

// polls tracks whether the worker's polls of one kind succeed. A poll of an idle task
// queue is answered after a minute, so one that has been open for pollSettles counts as a
// success.
type polls struct {
	mu      sync.Mutex
	started time.Time // the last one that began
	failed  time.Time // the last one that failed, if none has succeeded since
	err     error     // why
	running int
}

// pollSettles is how long a poll must stay open after a failure to count as a success. A
// refusal arrives within milliseconds.
const pollSettles = time.Second

// watch runs one poll and records its outcome. It returns the poll's error.
func (p *polls) watch(ctx context.Context, poll func() error) error {
	p.mu.Lock()
	p.started = time.Now()
	p.running++
	p.mu.Unlock()
	err := poll()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running--
	switch {
	case err == nil:
		p.err = nil
	case ctx.Err() != context.Canceled: // the worker itself ends its polls when it stops
		p.failed, p.err = time.Now(), err
	}
	return err
}

// failure returns why polls fail, or nil if they do not.
func (p *polls) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil && p.running > 0 && !p.started.Before(p.failed) && time.Since(p.started) > pollSettles {
		return nil
	}
	return p.err
}
