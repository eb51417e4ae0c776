package compiler

// restrict does nothing: the child watches its memory by itself, and its parent the time.
func restrict(request) error { return nil }
