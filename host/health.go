package host

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
)

// Ready returns nil when the worker polls and Temporal answers, and otherwise why not.
// It asks the server, for at most a second, and goes by the last answer for another one.
func (h *Host) Ready(ctx context.Context) error {
	h.mu.Lock()
	state, failure, c := h.state, h.failure, h.client
	h.mu.Unlock()
	switch {
	case failure != nil:
		return failure
	case state == stateNew || state == stateStarting:
		return fmt.Errorf("starting")
	case state == stateStopped:
		return fmt.Errorf("stopped")
	case h.plugin.stopping.Load(): // polling has ended, as far as the server knows too
		return fmt.Errorf("draining")
	case state == stateStopping:
		return fmt.Errorf("stopping")
	}
	if err := cmp.Or(h.plugin.reports.activityPolls.failure(), h.plugin.reports.workflowPolls.failure()); err != nil {
		return fmt.Errorf("polling for activities fails: %w", err)
	}
	if err := h.server.ask(ctx, c); err != nil {
		return fmt.Errorf("the Temporal server does not answer: %w", err)
	}
	return nil
}

// serverCheck is what the server answered last. However many ask, the server is asked
// once a second.
type serverCheck struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

const checkInterval = time.Second

func (s *serverCheck) ask(ctx context.Context, c client.Client) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.at.IsZero() && time.Since(s.at) < checkInterval {
		return s.err
	}
	// Who asked may go away, and the answer is for the others, too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, s.err = c.CheckHealth(ctx, &client.CheckHealthRequest{})
	s.at = time.Now()
	return s.err
}

// HealthHandler serves /healthz, which is 200 until the worker fails for good, and
// /readyz, which is 200 while [Host.Ready] returns nil. Otherwise they answer 503 and
// say why in a line of text.
func (h *Host) HealthHandler() http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, err error) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, h.Err()) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { answer(w, h.Ready(r.Context())) })
	return mux
}
