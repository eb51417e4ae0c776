package host

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"go.temporal.io/sdk/client"
)

// Ready returns nil when the worker polls and Temporal answers, and otherwise why not.
// It asks the server, for at most a second.
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
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if _, err := c.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		return fmt.Errorf("the Temporal server does not answer: %w", err)
	}
	return nil
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
