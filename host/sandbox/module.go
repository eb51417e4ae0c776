package sandbox

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/internal/meter"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

// Module is a module that was admitted. Its methods may be called concurrently, also
// while [Sandbox.Compile] runs.
type Module struct {
	file     *modules.File
	contract contract
	options  Options // effective: every default is filled in; not written after New

	logger  *slog.Logger
	denials denials

	budget *memoryBudget // of all modules; nil: none
	ledger image.Ledger
	grants []passthrough.Module
	env    [][2]string

	loader   *loader
	live     atomic.Int64
	fallback atomic.Pointer[string] // why its instances cannot be reset, once it is known
	drew     atomic.Bool            // the operator knows of its random numbers

	mu        sync.Mutex
	program   *program    // nil unless it is loaded
	loading   *loading    // nil unless it is being loaded
	refused   error       // why it cannot be loaded
	marked    bool        // the cache knows that it is used
	users     int         // activities that need it
	used      time.Time   // when it was last needed, or loaded
	idleTimer *time.Timer // nil unless unloadIdle is to come
}

// File returns what the module's file says. It must not be changed.
func (m *Module) File() *modules.File { return m.file }

// Options returns the module's effective options: every default is filled in. The maps
// and slices in it are shared and must not be changed. See [Module.Isolation] for what
// became of the isolation.
func (m *Module) Options() Options { return m.options }

// Isolation returns what becomes of the module's instances after a call. It is
// [IsolationFresh] where [IsolationPristine] was asked for and cannot be had, which is
// known once the module is compiled: see [Module.Fallback].
func (m *Module) Isolation() Isolation {
	if m.fallback.Load() != nil {
		return IsolationFresh
	}
	return m.options.Isolation
}

// Fallback returns why the module has [IsolationFresh] where [IsolationPristine] was
// asked for, or "". It is known once the module is compiled.
func (m *Module) Fallback() string {
	if reason := m.fallback.Load(); reason != nil {
		return *reason
	}
	return ""
}

// NotResettable returns why instances of a module cannot be reset after a call, as far as
// its file tells, or "". With IsolationPristine, such a module gets IsolationFresh.
func NotResettable(file *modules.File) (string, error) {
	contract, err := contractOf(file)
	if err != nil {
		return "", err
	}
	if once := contract.once(); once != "" {
		return once, nil
	}
	exposed, err := meter.Expose(context.Background(), file.Binary, maxTable)
	if err != nil {
		return "", err
	}
	return exposed.Irreversible, nil
}

// HeedsFlags tells whether a guest of the module can learn of a [Task]'s flags, and with
// that of a cancellation before it is interrupted.
func (m *Module) HeedsFlags() bool { return m.contract.heedsFlags() }

// Env returns the environment variables that the module's instances have.
func (m *Module) Env() map[string]string {
	env := map[string]string{}
	for _, variable := range m.env {
		env[variable[0]] = variable[1]
	}
	return env
}

// Live returns how many instances of the module exist now, idle ones included.
func (m *Module) Live() int { return int(m.live.Load()) }

// admit checks the module against its grant and limits before anything is compiled.
func (m *Module) admit(set passthrough.Set) error {
	if err := set.Check(m.file, m.options.Passthrough); err != nil {
		return err
	}
	if option := m.options.forCommands(); option != "" && m.file.Kind != modules.KindCommand {
		return &OptionError{m.file.Name, option, fmt.Errorf("%s: refused, because this is for commands alone, and the module is %s", m.file.Path, m.file.Kind)}
	}
	if need := m.file.MemoryMin; need > m.options.MemoryLimit {
		return &OptionError{m.file.Name, "MemoryLimit", fmt.Errorf("%s: refused, because it needs %s of memory at the start and may have %s: raise the limit, or build it with a smaller initial memory",
			m.file.Path, mebibytes(need), mebibytes(m.options.MemoryLimit))}
	}
	if m.file.TableMin > maxTable {
		return fmt.Errorf("%s: refused, because its tables have %d elements at the start and at most %d are allowed", m.file.Path, m.file.TableMin, maxTable)
	}
	if need := m.startBytes(); need > image.Allowance && m.file.MemoryMin+need-image.Allowance > m.options.MemoryLimit {
		return &OptionError{m.file.Name, "MemoryLimit", fmt.Errorf("%s: refused, because it needs %s of memory at the start, and the host %s for its tables, globals and element segments, of which %s are free, and together they may have %s: raise the limit",
			m.file.Path, mebibytes(m.file.MemoryMin), mebibytes(need), mebibytes(image.Allowance), mebibytes(m.options.MemoryLimit))}
	}
	for _, need := range set.Needs(m.file) {
		if need.Grant != "" {
			m.grants = append(m.grants, set.Granted(need))
		}
	}
	for _, variable := range m.options.Env {
		name, value, ok := strings.Cut(variable, "=")
		if !ok {
			value, ok = os.LookupEnv(name)
		}
		if ok {
			m.env = append(m.env, [2]string{name, value})
		}
	}
	return nil
}

// MemoryLimit returns the most memory in bytes that an instance may come to have.
func (m *Module) MemoryLimit() uint64 {
	// Not the last page of 4 GiB: wazero overflows where an access ends exactly there.
	limit := min(m.options.MemoryLimit, 4<<30-64<<10)
	if declared := m.file.MemoryMax; declared > 0 {
		return min(declared, limit)
	}
	return limit
}
