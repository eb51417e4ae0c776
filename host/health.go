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

// Ready returns nil while the worker polls and Temporal answers, and otherwise the reason
// why it is not ready. It asks the server and blocks for at most a second. An answer is
// reused for a second.
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
	case h.plugin.stopping.Load(): // polling has ended, and the server was told
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

// serverCheck holds the server's last answer. The server is asked at most once a second,
// however often Ready is called.
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
	// The caller may go away, but its answer serves the other callers too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, s.err = c.CheckHealth(ctx, &client.CheckHealthRequest{})
	s.at = time.Now()
	return s.err
}

// HealthHandler returns a handler for GET /healthz and GET /readyz. /healthz answers 200
// until the worker fails for good. /readyz answers 200 while [Host.Ready] returns nil,
// and says how many modules are loaded. Otherwise they answer 503 with the reason as a
// line of text.
func (h *Host) HealthHandler() http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, err error, text string) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, text)
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, h.Err(), "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { answer(w, h.Ready(r.Context()), "ok, "+h.modulesText()) })
	return mux
}

// modulesText says how many modules there are, how many are loaded and how many were left
// out.
func (h *Host) modulesText() string {
	modules, loaded := h.plugin.Modules(), 0
	for _, m := range modules {
		if m.Loaded() {
			loaded++
		}
	}
	text := fmt.Sprintf("%d of %d modules loaded", loaded, len(modules))
	if refused := len(h.plugin.Refused()); refused > 0 {
		text += fmt.Sprintf(", %d left out", refused)
	}
	return text
}
