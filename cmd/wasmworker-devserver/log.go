package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
)

// levelNever is above every level that is logged.
const levelNever = slog.Level(100)

func parseLevel(value string) (slog.Level, error) {
	switch value {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	case "never":
		return levelNever, nil
	}
	return 0, fmt.Errorf("--log-level: %q is none of debug, info, warn, error, never", value)
}

// newLogger returns a logger for the server, and its level, which may be changed
// at any time.
func newLogger(w io.Writer, level slog.Level, format string) (logger, *slog.LevelVar) {
	var threshold slog.LevelVar
	threshold.Set(level)
	opts := &slog.HandlerOptions{Level: &threshold}
	var handler slog.Handler = slog.NewTextHandler(w, opts)
	if format == "json" {
		handler = slog.NewJSONHandler(w, opts)
	}
	return logger{slog.New(handler)}, &threshold
}

// logger hands the server's log over to slog. Temporal's own zap logger would
// do, but its level cannot be changed and it has no "never".
type logger struct{ out *slog.Logger }

var (
	_ log.Logger      = logger{}
	_ log.WithLogger  = logger{}
	_ log.SLogWrapper = logger{}
)

func (l logger) Debug(msg string, tags ...tag.Tag)  { l.log(slog.LevelDebug, msg, tags) }
func (l logger) Info(msg string, tags ...tag.Tag)   { l.log(slog.LevelInfo, msg, tags) }
func (l logger) Warn(msg string, tags ...tag.Tag)   { l.log(slog.LevelWarn, msg, tags) }
func (l logger) Error(msg string, tags ...tag.Tag)  { l.log(slog.LevelError, msg, tags) }
func (l logger) DPanic(msg string, tags ...tag.Tag) { l.log(slog.LevelError, msg, tags) }

func (l logger) Panic(msg string, tags ...tag.Tag) {
	l.log(slog.LevelError, msg, tags)
	panic(msg)
}

// Fatal must not return: callers go on as if their error had not happened. It
// prints whatever the level is, because the process ends here.
func (l logger) Fatal(msg string, tags ...tag.Tag) {
	var text strings.Builder
	for _, attr := range attrs(tags) {
		_, _ = fmt.Fprintf(&text, " %s", attr)
	}
	_, _ = fmt.Fprintf(os.Stderr, "%s: %s%s\n", program, msg, text.String())
	os.Exit(exitFailure)
}

func (l logger) With(tags ...tag.Tag) log.Logger {
	return logger{slog.New(l.out.Handler().WithAttrs(attrs(tags)))}
}

func (l logger) SLog() *slog.Logger { return l.out }

func (l logger) log(level slog.Level, msg string, tags []tag.Tag) {
	ctx := context.Background()
	if l.out.Enabled(ctx, level) {
		l.out.LogAttrs(ctx, level, msg, attrs(tags)...)
	}
}

func attrs(tags []tag.Tag) []slog.Attr {
	out := make([]slog.Attr, len(tags))
	for i, t := range tags {
		out[i] = slog.Any(t.Key(), t.Value())
	}
	return out
}
