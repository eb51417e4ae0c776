package flow

// Signal is the signals of one name that have come.
type Signal struct {
	name        string
	description string
	asked       bool
	pending     [][]Payload
	offer       func(args []Payload) bool
	taker       any
}

// Signal returns the signals of that name.
func (r *Run) Signal(name string) *Signal {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.signals {
		if s.name == name {
			return s
		}
	}
	s := &Signal{name: name}
	r.signals = append(r.signals, s)
	return s
}

// TakeSignal returns what takes the signals of that name. The first time, make makes it,
// and returns too what offers one signal to it, which tells whether it was taken.
func (r *Run) TakeSignal(name, description string, make func() (taker any, offer func(args []Payload) bool)) (taker any, s *Signal) {
	s = r.Signal(name)
	if s.taker != nil {
		return s.taker, s
	}
	r.mu.Lock()
	r.mutable("receive the signal " + name)
	s.asked, s.description = true, description
	s.taker, s.offer = make()
	r.describe = true
	r.mu.Unlock()
	s.Refill()
	return s.taker, s
}

func (s *Signal) deliver(args []Payload) {
	if s.offer != nil && len(s.pending) == 0 && s.offer(args) {
		return
	}
	s.pending = append(s.pending, args)
}

// Pending is the number of signals that have not been taken.
func (s *Signal) Pending() int { return len(s.pending) }

// Refill offers what is pending, and tells whether something was taken.
func (s *Signal) Refill() (some bool) {
	for len(s.pending) > 0 && s.offer != nil && s.offer(s.pending[0]) {
		s.pending[0] = nil
		s.pending = s.pending[1:]
		some = true
	}
	return some
}

func (r *Run) refill() (some bool) {
	for _, s := range r.signals {
		some = s.Refill() || some
	}
	return some
}

// Unhandled returns the names of signals that nobody has asked for.
func (r *Run) Unhandled() (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.signals {
		if len(s.pending) > 0 && !s.asked {
			names = append(names, s.name)
		}
	}
	return names
}
