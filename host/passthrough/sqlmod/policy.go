package sqlmod

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

// Defaults and bounds of [Access].
const (
	DefaultTimeout     = 30 * time.Second
	DefaultMaxRows     = 1_000_000
	DefaultMaxRowBytes = 1 << 20

	maxRowBytes = 64 << 20 // the worker holds several copies of a row in memory
)

// Policy is which connections an activity module may use. The zero value is none.
type Policy struct {
	// Connections are what the module may do with a connection, by the connection's name.
	// What is not named is denied. An empty value lets the module read. Default: none.
	Connections map[string]Access `yaml:"connections" json:"connections,omitempty"`
}

// Access is what an activity module may do with a connection. The zero value lets it read
// all that the connection's role may read.
type Access struct {
	// Write lets the module change what the connection's role may change, definitions of
	// tables included. Without it the database itself refuses changes. Default false.
	Write bool `yaml:"write" json:"write,omitempty"`
	// Timeout is the most time for one call of the guest: a statement with its first
	// batch, a further batch, a commit. The time that the call waits for a connection is
	// part of it. When it is over, the statement is canceled in the database. Raise it
	// for reports, lower it where somebody waits. Default 30 s.
	Timeout passthrough.Duration `yaml:"timeout" json:"timeout,omitempty"`
	// MaxRows is the most rows that a query may return, all batches together. Lower it
	// for modules that have no business with whole tables. At least 1; default 1,000,000.
	MaxRows int64 `yaml:"max_rows" json:"max_rows,omitempty"`
	// MaxRowBytes is the most bytes of a row's values, at most 64 MiB. Raise it for
	// tables with documents or pictures in them; the worker holds a row in memory,
	// several times over. Default 1 MiB.
	MaxRowBytes passthrough.Size `yaml:"max_row_bytes" json:"max_row_bytes,omitempty"`
}

// Validate checks the policy. The error joins every mistake.
func (p *Policy) Validate() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(p.Connections)) {
		complain := func(field, format string, args ...any) {
			errs = append(errs, passthrough.At(fmt.Errorf(format, args...), "connections", name, field))
		}
		a := p.Connections[name]
		if a.Timeout < 0 {
			complain("timeout", "%s is negative", time.Duration(a.Timeout))
		}
		if a.MaxRows < 0 {
			complain("max_rows", "%d is negative", a.MaxRows)
		}
		if n := a.MaxRowBytes; n < 0 || n > maxRowBytes {
			complain("max_row_bytes", "%d is not between 1 and %d", n, maxRowBytes)
		}
	}
	return errors.Join(errs...)
}

// Explain implements [passthrough.Explainer]. The words are "read" or "write", and a
// connection's name.
func (p *Policy) Explain(words []string) (passthrough.Verdict, error) {
	if len(words) != 2 || words[0] != "read" && words[0] != "write" {
		return passthrough.Verdict{}, errors.New("say read or write, and the name of a connection, such as read warehouse")
	}
	write, name := words[0] == "write", words[1]
	if why := p.why(name, write); why != "" {
		verdict := passthrough.Verdict{Reason: why}
		if _, ok := p.Connections[name]; ok {
			verdict.Path = []any{"connections", name}
		}
		return verdict, nil
	}
	verdict := passthrough.Verdict{Allowed: true, Reason: "the policy names the connection", Path: []any{"connections", name}}
	if write {
		verdict.Reason, verdict.Path = "the policy lets the module write", append(verdict.Path, "write")
	}
	return verdict, nil
}

// why returns why the policy denies an access and what would allow it, or "" if the
// policy allows it.
func (p *Policy) why(name string, write bool) string {
	access, ok := p.Connections[name]
	switch {
	case !ok && write:
		return fmt.Sprintf("the sql policy does not name the connection; it would allow it with connections: {%s: {write: true}}", printable(name))
	case !ok:
		return fmt.Sprintf("the sql policy does not name the connection; it would allow it with connections: {%s: {}}", printable(name))
	case write && !access.Write:
		return fmt.Sprintf("the connection is read-only for this module; the sql policy would allow it with connections: {%s: {write: true}}", printable(name))
	}
	return ""
}

// check returns the access to a connection, or a denial.
func (p *Policy) check(name string, write bool) (Access, error) {
	if why := p.why(name, write); why != "" {
		return Access{}, passthrough.Deny(target(name, write), "%s", why)
	}
	return p.Connections[name], nil
}

// target returns the name that the operator's log has for an access.
func target(name string, write bool) string {
	if write {
		return "write " + printable(name)
	}
	return "read " + printable(name)
}

// printable quotes a name and cuts it after 100 bytes, so that a hostile name cannot
// disturb a log.
func printable(name string) string {
	quoted := strings.Trim(fmt.Sprintf("%+q", name), `"`)
	if len(quoted) > 100 {
		quoted = quoted[:100] + "…"
	}
	return quoted
}

func (a Access) timeout() time.Duration {
	return time.Duration(cmp.Or(a.Timeout, passthrough.Duration(DefaultTimeout)))
}
func (a Access) maxRows() int64   { return cmp.Or(a.MaxRows, DefaultMaxRows) }
func (a Access) maxRowBytes() int { return int(cmp.Or(a.MaxRowBytes, DefaultMaxRowBytes)) }

// checkIsolation refuses isolation levels that SPEC.md does not name, because drivers put
// the level into SQL. The error wraps EINVAL.
func checkIsolation(level string) error {
	if !slices.Contains([]string{"", "read committed", "repeatable read", "serializable"}, level) {
		return fmt.Errorf("%w: isolation is empty, read committed, repeatable read or serializable", abi.EINVAL)
	}
	return nil
}
