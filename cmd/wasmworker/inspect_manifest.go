package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/wasmworker/wasmworker/host/modules"
)

// manifestReport is what inspect --json prints for an Extism manifest.
type manifestReport struct {
	Path        string   `json:"path"`
	Asks        []ask    `json:"asks"`   // with whether the configuration grants them, if one is given
	Config      []string `json:"config"` // names of its configuration values
	MemoryLimit uint64   `json:"memory_limit_bytes,omitempty"`
	MaxResponse int64    `json:"max_response_bytes,omitempty"`
	Timeout     int64    `json:"timeout_ms,omitempty"`
}

// report returns the report on a module's manifest, or nil if it has none.
func (f moduleFiles) report(module *modules.File) *manifestReport {
	for _, m := range f.manifests {
		if m.Plugin != module {
			continue
		}
		return &manifestReport{
			Path: m.Path, Asks: append([]ask{}, asksOf(m, nil, nil, nil)...), Config: append([]string{}, slices.Sorted(maps.Keys(m.Config))...),
			MemoryLimit: m.MaxMemory, MaxResponse: m.MaxResponse, Timeout: m.Timeout.Milliseconds(),
		}
	}
	return nil
}

func (r *manifestReport) print(table io.Writer) {
	row(table, "manifest", r.Path)
	for i, a := range r.Asks {
		row(table, first(i, "asks for"), fmt.Sprintf("%s (%s)", a.What, a.Field))
	}
	if len(r.Asks) == 0 {
		row(table, "asks for", "no host and no directory")
	}
	if len(r.Config) > 0 {
		row(table, "brings", "config values "+strings.Join(r.Config, ", "))
	}
	var bounds []string
	if r.MemoryLimit > 0 {
		bounds = append(bounds, "memory "+humanize.IBytes(r.MemoryLimit))
	}
	if r.MaxResponse > 0 {
		bounds = append(bounds, "responses of "+humanize.IBytes(uint64(r.MaxResponse)))
	}
	if r.Timeout > 0 {
		bounds = append(bounds, (time.Duration(r.Timeout) * time.Millisecond).String())
	}
	if bounds != nil {
		row(table, "bounds", strings.Join(bounds, ", "))
	}
}
