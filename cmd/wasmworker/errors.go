package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// explained returns the text of an error in the words of the command line. The library
// packages name Go fields and no remedies, because an embedder has other ones.
func explained(err error) string {
	switch e := err.(type) {
	case *sandbox.OptionError:
		return optionText(e)
	case *passthrough.AdmissionError:
		return e.Explain(func(n passthrough.Need) string {
			return fmt.Sprintf("to grant it, add --passthrough %s, or to the configuration file:\n      per_module: {%s: {passthrough: [%s]}}", n.Grant, e.File.Name, n.Grant)
		})
	case *host.UnreachableError:
		return e.Error() + "; check the address (--address, TEMPORAL_ADDRESS), TLS and API key, or run `wasmworker dev` for a server of your own"
	case interface{ Unwrap() []error }:
		var texts, plain []string
		for _, each := range e.Unwrap() {
			texts, plain = append(texts, explained(each)), append(plain, each.Error())
		}
		if strings.Join(plain, "\n") == err.Error() { // made by errors.Join, not by fmt.Errorf
			return strings.Join(texts, "\n")
		}
	default:
		if cause := errors.Unwrap(err); cause != nil {
			if prefix, ok := strings.CutSuffix(err.Error(), cause.Error()); ok {
				return prefix + explained(cause)
			}
		}
	}
	return err.Error()
}

// optionText returns the text of an error about an option. It names the key of the
// configuration file, and the flag if there is one.
func optionText(e *sandbox.OptionError) string {
	s := optionSetting(e.Option)
	switch {
	case s == nil:
		return e.Error()
	case e.Module != "":
		return fmt.Sprintf("per_module: {%s: {%s}}: %s", e.Module, s.key(), explained(e.Err))
	}
	return fmt.Sprintf("--%s: %s", s.name, explained(e.Err))
}
