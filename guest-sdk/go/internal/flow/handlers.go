package flow

import "context"

// Handler handles a query or an update.
type Handler struct {
	name        string
	description string
	fn          function
	validator   *function
	abandon     bool // nobody minds if the workflow ends before it
}

func find(list []*Handler, name string) *Handler {
	for _, h := range list {
		if h.name == name {
			return h
		}
	}
	return nil
}

func set(list *[]*Handler, h *Handler) {
	for i := range *list {
		if (*list)[i].name == h.name {
			(*list)[i] = h
			return
		}
	}
	*list = append(*list, h)
}

// SetQuery sets what handles a query.
func (r *Run) SetQuery(name, description string, fn any) error {
	f, err := inspect("the handler of a query", fn)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mutable("set the handler of a query")
	set(&r.queries, &Handler{name: name, description: description, fn: f})
	r.describe = true
	return nil
}

// SetUpdate sets what handles an update, and a validator of it unless that is nil. Updates
// that have waited for it begin.
func (r *Run) SetUpdate(name, description string, fn, validator any, abandon bool) error {
	h := &Handler{name: name, description: description, abandon: abandon}
	var err error
	if h.fn, err = inspect("the handler of an update", fn); err != nil {
		return err
	}
	if validator != nil {
		v, err := inspect("the validator of an update", validator)
		if err != nil {
			return err
		}
		h.validator = &v
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mutable("set the handler of an update")
	set(&r.updates, h)
	r.describe = true
	late := r.late[:0:0]
	for _, j := range r.late {
		if j.name == name {
			r.startUpdate(h, j)
		} else {
			late = append(late, j)
		}
	}
	r.late = late
	return nil
}

// UpdateInfo identifies an update that is being handled.
type UpdateInfo struct{ ID, Name string }

type updateKey struct{}

// Update returns which update ctx belongs to; nil for none.
func Update(ctx context.Context) *UpdateInfo {
	info, _ := ctx.Value(updateKey{}).(*UpdateInfo)
	return info
}

type update struct {
	UpdateInfo
	handler *Handler
}

func (r *Run) beginUpdate(j job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := find(r.updates, j.name); h != nil {
		r.startUpdate(h, j)
		return
	}
	r.late = append(r.late, j)
}

func (r *Run) startUpdate(h *Handler, j job) {
	u := &update{UpdateInfo{j.update, j.name}, h}
	r.running = append(r.running, u)
	r.Go(func() {
		result, err := h.fn.call(context.WithValue(r.ctx, updateKey{}, &u.UpdateInfo), j.args)
		r.mu.Lock()
		defer r.mu.Unlock()
		for i := range r.running {
			if r.running[i] == u {
				r.running = append(r.running[:i:i], r.running[i+1:]...)
				break
			}
		}
		r.updated(u.ID, result, err)
	})
}

func (r *Run) updated(id string, result Payload, err error) {
	r.write("updated", func(w *Writer) {
		w.Text("update_id", id)
		if err != nil {
			w.Failure(err)
			return
		}
		w.Payload("result", result)
	})
}

// refuseLate answers updates for which nobody has set a handler.
func (r *Run) refuseLate() {
	for _, j := range r.late {
		r.updated(j.update, Payload{}, unknownUpdate(j.name, r.updates))
	}
	r.late = nil
}

// AllHandlersFinished tells whether no update is being handled.
func (r *Run) AllHandlersFinished() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.running) == 0
}

// warnOfUnfinished says which updates end with the run and not by themselves.
func (r *Run) warnOfUnfinished() {
	for _, u := range r.running {
		if !u.handler.abandon {
			r.logger.Warn("[TMPRL1102] Workflow finished while an update handler was still running. Wait for workflow.AllHandlersFinished at its end, or set UnfinishedPolicy.",
				"UpdateName", u.Name, "UpdateID", u.ID)
		}
	}
}

func (r *Run) writeDescription() {
	r.write("describe", func(w *Writer) {
		var signals []*Handler
		for _, s := range r.signals {
			if s.asked {
				signals = append(signals, &Handler{name: s.name, description: s.description})
			}
		}
		w.described("signals", signals)
		w.described("queries", r.queries)
		w.described("updates", r.updates)
	})
}

func (w *Writer) described(name string, list []*Handler) {
	if len(list) == 0 {
		return
	}
	w.Name(name)
	for i, h := range list {
		c := byte(',')
		if i == 0 {
			c = '['
		}
		w.head = append(w.head, c)
		w.head = append(w.head, `{"name":`...)
		w.head = appendText(w.head, h.name)
		w.Text("description", h.description)
		w.head = append(w.head, '}')
	}
	w.head = append(w.head, ']')
}
