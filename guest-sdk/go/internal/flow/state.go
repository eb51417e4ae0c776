package flow

import "maps"

// SetMemo changes what Info tells of the memo.
func (r *Run) SetMemo(fields map[string]Payload) {
	r.mu.Lock()
	defer r.mu.Unlock()
	memo := maps.Clone(r.info.Memo)
	if memo == nil {
		memo = map[string]Payload{}
	}
	for name, p := range fields {
		if p.Encoding == "binary/null" {
			delete(memo, name)
		} else {
			memo[name] = p
		}
	}
	r.info.Memo = memo
}

// SetAttribute changes what the workflow sees of its search attributes.
func (r *Run) SetAttribute(name string, a Attribute, remove bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := maps.Clone(r.info.SearchAttributes)
	if all == nil {
		all = map[string]Attribute{}
	}
	if remove {
		delete(all, name)
	} else {
		all[name] = a
	}
	r.info.SearchAttributes = all
}

// Attributes returns the search attributes of the run.
func (r *Run) Attributes() map[string]Attribute {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.info.SearchAttributes
}

// Memo returns the memo of the run.
func (r *Run) Memo() map[string]Payload {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.info.Memo
}

// Version remembers the version of a change, which decide finds out once.
func (r *Run) Version(id string, decide func() int) int {
	r.mu.Lock()
	v, ok := r.versions[id]
	r.mu.Unlock()
	if ok {
		return v
	}
	v = decide()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.versions == nil {
		r.versions = map[string]int{}
	}
	r.versions[id] = v
	return v
}
