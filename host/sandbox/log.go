package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

func linkLog(ctx context.Context, r wazero.Runtime) error {
	types := passthrough.Builtin(abi.ModuleLog)
	return build(ctx, r, abi.ModuleLog, map[string]hostFunc{
		"write": func(c *call, mod api.Module, p []uint64) (int64, error) {
			level := slog.Level(int32(uint32(p[0])))
			message := cut(c.view(mod, "log write", p[1], p[2]))
			text := c.view(mod, "log write", p[3], p[4])
			held := len(message) + attributeCost*min(len(text), abi.MaxLogText)
			if err := c.hold(image.Logs, held); err != nil {
				return 0, err
			}
			defer c.letGo(image.Logs, held)
			var attrs []slog.Attr
			if len(text) > abi.MaxLogText {
				attrs = attrsCut(text)
			} else if len(text) > 0 {
				var err error
				if attrs, err = parseAttrs(text); err != nil {
					return 0, err
				}
			}
			c.log(level, message, attrs, len(message)+len(text))
			return 0, nil
		},
	}, func(name string) string { return types[name] })
}

// attributeCost is how many bytes a byte of JSON takes at most once it is decoded.
const attributeCost = 16

// cut makes text of bytes, and shortens it to the limit of a log record.
func cut(text []byte) string {
	if len(text) <= abi.MaxLogText {
		return strings.ToValidUTF8(string(text), "\uFFFD")
	}
	return strings.ToValidUTF8(string(text[:abi.MaxLogText]), "\uFFFD") + fmt.Sprintf("… (%d bytes in all)", len(text))
}

// attrsCut is the attribute in place of those that are more than a log should have.
func attrsCut(text []byte) []slog.Attr {
	return []slog.Attr{slog.String("attributes_cut", cut(text))}
}

// parseAttrs makes attributes of a JSON object, sorted by name.
func parseAttrs(text []byte) ([]slog.Attr, error) {
	var values map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&values); err != nil {
		return nil, fmt.Errorf("%w: the attributes of a log record are not a JSON object: %v", abi.EINVAL, err)
	}
	if _, err := decoder.Token(); values == nil || err != io.EOF {
		return nil, fmt.Errorf("%w: the attributes of a log record are not one JSON object", abi.EINVAL)
	}
	if size, depth := shown(values, 0, 1); size > abi.MaxLogShown || depth > abi.MaxLogDepth {
		return attrsCut(text), nil
	}
	attrs := make([]slog.Attr, 0, len(values))
	for name, value := range values {
		attrs = append(attrs, attr(name, value))
	}
	slices.SortFunc(attrs, func(a, b slog.Attr) int { return cmp.Compare(a.Key, b.Key) })
	return attrs, nil
}

// shown returns how many bytes a value has about as text for people, where each is told
// with the names of all objects around it, whose length is given; and how many objects
// and lists are in each other at most, with those around it. It stops beyond the limits.
func shown(value any, names, around int) (size, depth int) {
	depth = around
	inner := func(v any, names int) {
		if size <= abi.MaxLogShown && depth <= abi.MaxLogDepth {
			s, d := shown(v, names, around+1)
			size, depth = size+s, max(depth, d)
		}
	}
	switch v := value.(type) {
	case map[string]any:
		for name, value := range v {
			inner(value, names+len(name)+1)
		}
	case []any:
		size += names
		for _, value := range v {
			inner(value, 0)
		}
	case string:
		return names + len(v), around - 1
	case json.Number:
		return names + len(v), around - 1
	default:
		return names + len("false"), around - 1
	}
	return size, depth
}

func attr(name string, value any) slog.Attr {
	switch v := value.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return slog.Int64(name, n)
		}
		if f, err := v.Float64(); err == nil && !math.IsInf(f, 0) {
			return slog.Float64(name, f)
		}
		return slog.String(name, v.String())
	case map[string]any:
		var group []any
		for key, inner := range v {
			group = append(group, attr(key, inner))
		}
		return slog.Group(name, group...)
	}
	return slog.Any(name, value)
}

// log hands a record of the guest's on, within the limits of an activity. Its attributes
// are in a group of their own, so that they cannot pass for the host's.
func (c *call) log(level slog.Level, message string, attrs []slog.Attr, size int) {
	if c.task.Log == nil || c.logsDropped {
		return
	}
	c.logRecords++
	c.logVolume += size
	if c.logRecords > abi.MaxLogRecords || c.logVolume > abi.MaxLogVolume {
		c.logsDropped = true
		level, attrs = slog.LevelWarn, nil
		message = fmt.Sprintf("the activity has logged %d records with %d bytes; further ones are dropped", c.logRecords-1, c.logVolume-size)
	}
	if len(attrs) > 0 {
		attrs = []slog.Attr{{Key: "guest", Value: slog.GroupValue(attrs...)}}
	}
	c.task.Log(c.ctx, level, message, attrs)
}
