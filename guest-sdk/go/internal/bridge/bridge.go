// Package bridge lets the packages of this module see what others keep private,
// without putting it into anybody's public API. Package temporal fills it in.
package bridge

import "github.com/wasmworker/wasmworker/guest-sdk/go/converter"

var (
	// Details returns the details of an *ApplicationError or a *CanceledError: Go
	// values, or, for an error that came out of a payload, *converter.RawValue.
	Details func(err error) []any
	// NewPanicError makes a *PanicError.
	NewPanicError func(message, stackTrace string) error
)

// Spread returns the values that details of an error stand for: the payloads, if
// they are the single converter.EncodedValues of another error.
func Spread(values converter.EncodedValues) []any {
	p, ok := values.(interface{ Payloads() []*converter.Payload })
	if !ok {
		return nil
	}
	var out []any
	for _, payload := range p.Payloads() {
		out = append(out, converter.NewRawValue(payload))
	}
	return out
}
