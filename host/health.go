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
// /readyz, which is 200 while [Host.Ready] returns nil, with how many modules are loaded.
// Otherwise they answer 503 and say why in a line of text.
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

// modulesText says how many modules there are, and what became of them.
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
