//go:build !unix

package sandbox

// trusted returns nil: who may write to a directory is a matter of access control lists
// here, which is for the operator to see to.
func trusted(string) error { return nil }
