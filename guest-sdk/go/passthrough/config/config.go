// Package config reads values that the operator has configured for this module, by the
// host module wasmworker:config/v1. A module that uses this package needs the grant of
// config.
//
// The values are no secrets: see package secret for those.
package config

import "github.com/wasmworker/wasmworker/guest-sdk/go/passthrough"

// Get returns the value of a name. The operator gives values in the configuration file,
// or from the worker's environment; they do not change while the worker runs. The error
// is a *passthrough.Error: ENOENT if there is no value of that name. It belongs into an
// activity, and fails with EINVAL when a package is initialized.
func Get(name string) (string, error) {
	value, err := passthrough.Call(hostGet, []byte(name))
	return string(value), err
}
