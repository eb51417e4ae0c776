package task

import (
	"log/slog"

	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/host"
)

// What package flow has in common with activities.

// NewLogger returns a logger whose records go to the host, of which Log and LastError are
// called.
func NewLogger(h host.Host) *slog.Logger { return slog.New(&handler{task: &Task{host: h}}) }

// Causes is what [causesOf] returns.
func Causes(err error) (others []error, cause error) { return causesOf(err) }

// Listed is [listed] with as much room as a failure and its causes have, or with what is
// left of it.
func Listed(message string, others []error, room *int) string { return listed(message, others, room) }

// ListedRoom is how much [Listed] may add to a failure and its causes.
const ListedRoom = maxListedAll

// TypeName is the name of an error's Go type, empty for errors of errors.New.
func TypeName(err error) string { return typeName(err) }

// Cut shortens a text to at most n bytes, between characters.
func Cut(s string, n int) string { return cut(s, n) }
