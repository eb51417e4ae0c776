// Package wazerotext has what wazero says in words where it has no error values to tell
// by. The test makes wazero say each of them, so that an upgrade that says something else
// fails here.
package wazerotext

import "strings"

const (
	// traceStart comes before the wasm stack, in the error of a call that a guest's code,
	// or a host function that it called, has ended.
	traceStart = "wasm stack trace:"
	// goTraceStart comes before the host's own stack, where the host panicked.
	goTraceStart = "\nGo runtime stack trace:"

	trapped   = "wasm error: "
	recovered = " (recovered by wazero)"

	stackOverflow    = "stack overflow"
	compilationCache = "compilationcache: "
)

// IsFromGuest tells whether an error is from code of a guest, or from a host function
// that this called. The compiler's code has no trace where it overflows the stack.
func IsFromGuest(text string) bool {
	return strings.Contains(text, traceStart) || IsStackOverflow(text)
}

// WithoutTrace returns what an error says before the wasm stack, if it has one.
func WithoutTrace(text string) string {
	text, _, _ = strings.Cut(text, "\n"+traceStart)
	return text
}

// SplitTrace takes an error apart: what it says, without wazero's own words around it,
// and the frames of the wasm stack, a line each, if found is true. The host's own stack,
// which wazero adds when a host function panicked, is in neither.
func SplitTrace(text string) (message, frames string, found bool) {
	message, frames, found = strings.Cut(text, "\n"+traceStart)
	frames, _, _ = strings.Cut(frames, goTraceStart)
	return strings.TrimPrefix(strings.TrimSuffix(message, recovered), trapped), frames, found
}

// IsStackOverflow tells whether the message of a trap says that calls are nested too
// deeply.
func IsStackOverflow(message string) bool { return strings.Contains(message, stackOverflow) }

// IsAboutCache tells whether compilation failed because of what is in the cache. The text
// is that of wazero's own error: elsewhere than at its begin may be names of the module's.
// Errors of the file system are wrapped, and not told by this.
func IsAboutCache(text string) bool { return strings.HasPrefix(text, compilationCache) }
