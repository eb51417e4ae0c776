// Package secret reads secrets, by the host module wasmworker:secret/v1. A module that
// uses this package needs the grant of secret, and the operator has to list each secret
// that may be read.
//
// Most modules need none of that: {{secret:NAME}} in a header of a request (packages http
// and nethttp) stands for a secret that the host puts in, and databases and buckets have
// theirs from the operator. Read a secret only where its value is needed, such as a key
// to sign with.
package secret

import "github.com/wasmworker/wasmworker/guest-sdk/go/passthrough"

// Reveal returns the value of a secret, as it is at the moment: ask again rather than
// keep it, since secrets change. The error is a *passthrough.Error: EACCES if the
// operator does not reveal it, whether there is one of that name or not, and EIO if it
// cannot be read now.
func Reveal(name string) (string, error) {
	value, err := passthrough.Call(hostReveal, []byte(name))
	return string(value), err
}
