package passthrough

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// Validator is implemented by policies with rules beyond their types. Validate may be
// called more than once, and may prepare unexported fields. Its error joins every
// mistake, each with its place by [At].
type Validator interface {
	Validate() error
}

// Explainer is implemented by policies that can explain their decisions to people, for
// `wasmworker explain MODULE NAME WORD…`. The error of Explain says what the words should
// be.
type Explainer interface {
	Explain(words []string) (Verdict, error)
}

// Verdict is a policy's decision on a call.
type Verdict struct {
	Allowed bool
	// Reason says what allows the call, or what would allow it.
	Reason string
	// Path leads to the part of the policy that decided, as in [FieldError]. It is empty
	// if no part did.
	Path []any
}

// FieldError is a mistake in a policy, or elsewhere in the configuration, with its place.
type FieldError struct {
	// Path leads to the place. A string is the name of a field or the key of a map, and
	// an int is the index in a list.
	Path []any
	Err  error
}

// Error names the place, as [PathString] writes it, and the mistake.
func (e *FieldError) Error() string { return PathString(e.Path) + ": " + e.Err.Error() }

// Unwrap returns the mistake.
func (e *FieldError) Unwrap() error { return e.Err }

// At adds a place to an error: At(err, "allow", 2, "origin"). If the error is a
// [*FieldError], its own place becomes relative to that one. If the error joins several,
// At adds the place to each. At returns nil for a nil error.
func At(err error, path ...any) error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var errs []error
		for _, e := range joined.Unwrap() {
			errs = append(errs, At(e, path...))
		}
		return errors.Join(errs...)
	}
	if inner, ok := err.(*FieldError); ok {
		return &FieldError{Path: slices.Concat(path, inner.Path), Err: inner.Err}
	}
	return &FieldError{Path: path, Err: err}
}

// PathString renders a path: allow[2].origin.
func PathString(path []any) string {
	var b strings.Builder
	for _, step := range path {
		switch step := step.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", step)
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			fmt.Fprint(&b, step)
		}
	}
	return b.String()
}

// Size is a number of bytes in a policy. Its text is 8MiB, or a plain number of bytes.
type Size int64

// MarshalText implements [encoding.TextMarshaler].
func (s Size) MarshalText() ([]byte, error) {
	for _, unit := range []string{"GiB", "MiB", "KiB"} {
		if size, err := humanize.ParseBytes("1" + unit); err == nil && s != 0 && uint64(s)%size == 0 {
			return fmt.Appendf(nil, "%d%s", uint64(s)/size, unit), nil
		}
	}
	return strconv.AppendInt(nil, int64(s), 10), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Size) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n == 0 || n > math.MaxInt64 {
		return fmt.Errorf("%q is not a size such as 8MiB or 1048576", text)
	}
	*s = Size(n)
	return nil
}

// Duration is a time.Duration in a policy. Its text is 30s or 2m, or a plain number of
// seconds.
type Duration time.Duration

// MarshalText implements [encoding.TextMarshaler].
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Duration) UnmarshalText(text []byte) error {
	word := string(text)
	if _, err := strconv.ParseFloat(word, 64); err == nil {
		word += "s"
	}
	parsed, err := time.ParseDuration(word)
	if err != nil || parsed <= 0 {
		return fmt.Errorf("%q is neither a number of seconds nor a duration such as 30s or 2m", text)
	}
	*d = Duration(parsed)
	return nil
}
