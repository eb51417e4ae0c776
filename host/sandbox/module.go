package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/internal/meter"
	"github.com/wasmworker/wasmworker/host/internal/wasip1"
	"github.com/wasmworker/wasmworker/host/internal/wazerotext"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

// Module is a module that was admitted. Its methods may be called concurrently, also while
// [Sandbox.Compile] runs.
type Module struct {
	file     *modules.File
	contract contract
	options  Options // effective: every default is filled in; not written after New

	logger  *slog.Logger
	denials denials

	interpreter bool
	budget      *memoryBudget // of all modules; nil: none
	grants      []passthrough.Module
	env         [][2]string

	cached   bool // its code came from the cache directory
	cache    wazero.CompilationCache
	runtime  wazero.Runtime
	wasi     *wasip1.System
	compiled wazero.CompiledModule
	live     atomic.Int64
	// initialised is how much memory the first instance had after its initialisation.
	initialised uint64
	data        []meter.Data // what new instances begin with, unless they have the image

	// The state after the initialisation, for IsolationPristine.
	image    *image.Image
	globals  []savedGlobal
	fallback atomic.Pointer[string] // why there is none, once it is known
}

// savedGlobal is a mutable global and its value after the initialisation.
type savedGlobal struct {
	name  string // of its export
	value uint64
}

// File returns what the module's file says. It must not be changed.
func (m *Module) File() *modules.File { return m.file }

// Options returns the module's effective options: every default is filled in. The maps and
// slices in it are shared and must not be changed. See [Module.Isolation] for what became of
// the isolation.
func (m *Module) Options() Options { return m.options }

// Isolation returns what becomes of the module's instances after a call. It is
// [IsolationFresh] where [IsolationPristine] was asked for and cannot be had, which is known
// once the module is compiled: see [Module.Fallback].
func (m *Module) Isolation() Isolation {
	if m.fallback.Load() != nil {
		return IsolationFresh
	}
	return m.options.Isolation
}

// Fallback returns why the module has [IsolationFresh] where [IsolationPristine] was asked
// for, or "". It is known once the module is compiled.
func (m *Module) Fallback() string {
	if reason := m.fallback.Load(); reason != nil {
		return *reason
	}
	return ""
}

// NotResettable returns why instances of a module cannot be reset after a call, as far as its
// file tells, or "". With IsolationPristine, such a module gets IsolationFresh.
func NotResettable(file *modules.File) (string, error) {
	contract, err := contractOf(file)
	if err != nil {
		return "", err
	}
	if once := contract.once(); once != "" {
		return once, nil
	}
	exposed, err := meter.Expose(file.Binary, maxTable)
	if err != nil {
		return "", err
	}
	return exposed.Irreversible, nil
}

// HeedsFlags tells whether a guest of the module can learn of a [Task]'s flags, and with that
// of a cancellation before it is interrupted.
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

// MemoryLimit returns the most memory in bytes that an instance may come to have.
func (m *Module) MemoryLimit() uint64 { return m.memoryLimit() }

// admit checks the module against its grant and limits before anything is compiled.
func (m *Module) admit(set passthrough.Set) error {
	if err := set.Check(m.file, m.options.Passthrough); err != nil {
		return err
	}
	if need := m.file.MemoryMin; need > m.options.MemoryLimit {
		return &OptionError{m.file.Name, "MemoryLimit", fmt.Errorf("%s: refused, because it needs %s of memory at the start and may have %s: raise the limit, or build it with a smaller initial memory",
			m.file.Path, mebibytes(need), mebibytes(m.options.MemoryLimit))}
	}
	if m.file.TableMin > maxTable {
		return fmt.Errorf("%s: refused, because its tables have %d elements at the start and at most %d are allowed", m.file.Path, m.file.TableMin, maxTable)
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

// memoryLimit is the most memory that an instance may have.
func (m *Module) memoryLimit() uint64 {
	// Not the last page of 4 GiB: wazero overflows where an access ends exactly there.
	limit := min(m.options.MemoryLimit, 4<<30-64<<10)
	if declared := m.file.MemoryMax; declared > 0 {
		return min(declared, limit)
	}
	return limit
}

// shorten makes one line of a text that a module has had a part in, and of 500 bytes at most.
func shorten(err error) string {
	text := wazerotext.WithoutTrace(err.Error())
	if len(text) > 500 {
		text = strings.ToValidUTF8(text[:500], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// moduleError is an error about a module, with what a wrapped error says about it shortened.
type moduleError struct {
	text string
	err  error
}

func (e *moduleError) Error() string { return e.text }
func (e *moduleError) Unwrap() error { return e.err }

func (m *Module) errorf(what string, err error) error {
	return &moduleError{fmt.Sprintf("%s: %s: %s", m.file.Path, what, shorten(err)), err}
}

func mebibytes(n uint64) string {
	return fmt.Sprintf("%.4g MiB", float64(n)/(1<<20))
}

// trialTimeout bounds the instantiation that compile tries. Even a large interpreter is
// ready in well under a second. A variable for the tests.
var trialTimeout = 10 * time.Second

// compile compiles the module into a runtime of its own, links what was granted, and
// makes one instance to see that it works.
func (m *Module) compile(ctx context.Context, cache *codeCache) (err error) {
	defer m.recovered(&err)
	exposed, err := m.rewrite(cache)
	if err != nil {
		return m.errorf("the module is not valid", err)
	}
	m.data = exposed.Data
	if err := m.build(ctx, exposed.Binary, cache); err != nil {
		return err
	}
	if m.budget != nil {
		// What fits one after the other must not be refused because it was tried at once.
		m.budget.trial.Lock()
		defer m.budget.trial.Unlock()
	}
	trial, cancel := context.WithTimeoutCause(ctx, trialTimeout, fmt.Errorf("its start function or _initialize did not return within %s", trialTimeout))
	defer cancel()
	instance, err := m.NewInstance(trial)
	if err != nil {
		if trial.Err() != nil {
			err = context.Cause(trial)
		}
		return m.errorf("the module cannot be instantiated", err)
	}
	defer instance.Close()
	m.initialised = instance.memory.Size()
	if m.options.Isolation != IsolationPristine {
		return nil
	}
	if err := m.snapshot(instance, exposed); err != nil {
		return fmt.Errorf("%s: %w", m.file.Path, err)
	}
	return nil
}

// recovered makes an error of a panic. The compiler is fed with whatever lies in a directory. A
// bug in it must cost one module.
func (m *Module) recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s: the compiler failed on this module: %v", m.file.Path, p)
	}
}

// build makes the runtime with the compiled module in it, by way of the cache if that works.
func (m *Module) build(ctx context.Context, binary []byte, cache *codeCache) error {
	directory, whole := cache.open(m)
	if directory == "" {
		return m.buildIn(ctx, binary, "")
	}
	failure := m.buildIn(ctx, binary, directory)
	if failure == nil {
		m.cached = cache.seal(directory) == 0 && whole > 0
		return nil
	}
	if ctx.Err() != nil || !aboutCache(failure) {
		return failure
	}
	if err := m.close(ctx); err != nil {
		return fmt.Errorf("%s: %w", m.file.Path, err)
	}
	if err := m.buildIn(ctx, binary, ""); err != nil {
		return err
	}
	cache.cannotBeWritten(cmp.Or(errors.Unwrap(failure), failure)) // it is not the module's
	return nil
}

// buildIn is build with a directory for wazero's cache, or none.
func (m *Module) buildIn(ctx context.Context, binary []byte, cacheDir string) (err error) {
	defer m.recovered(&err)
	if err := m.newRuntime(ctx, cacheDir); err != nil {
		return fmt.Errorf("%s: %w", m.file.Path, err)
	}
	if err := m.link(ctx); err != nil {
		return fmt.Errorf("%s: %w", m.file.Path, err)
	}
	// With two workers or more, compilation looks at ctx between functions.
	compiling := experimental.WithCompilationWorkers(ctx, max(2, runtime.GOMAXPROCS(0)))
	if m.compiled, err = m.runtime.CompileModule(compiling, binary); err != nil {
		return m.errorf("the module is not valid", err)
	}
	return nil
}

// newRuntimes is held while a runtime is made: wazero finds out its own version when it is first asked, and writes that to a variable
// without any lock (internal/version, 1.11).
var newRuntimes sync.Mutex

// newRuntime makes the runtime, and the cache if there is to be one.
func (m *Module) newRuntime(ctx context.Context, cacheDir string) error {
	newRuntimes.Lock()
	defer newRuntimes.Unlock()
	config := wazero.NewRuntimeConfig()
	if m.interpreter {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	config = config.WithCoreFeatures(api.CoreFeaturesV2)
	if cacheDir != "" {
		// A cache object for each runtime: in wazero 1.12 type ids differ between
		// runtimes that share one. The directory can be shared.
		cache, err := wazero.NewCompilationCacheWithDir(cacheDir)
		if err != nil {
			return &cacheError{err}
		}
		m.cache = cache
		config = config.WithCompilationCache(cache)
	}
	m.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	return nil
}

// memoryBudget is what Config.MemoryLimit allows.
type memoryBudget struct {
	*image.Budget
	trial sync.Mutex // held while a module makes its first instance and its image
}

// imageBudget returns the budget, which may be nil: no limit.
func (m *Module) imageBudget() *image.Budget {
	if m.budget == nil {
		return nil
	}
	return m.budget.Budget
}

// exceeded tells how much of the budget is taken.
func (b *memoryBudget) exceeded() error {
	return fmt.Errorf("%w: %s of %s are taken", ErrMemoryLimit, mebibytes(b.Used()), mebibytes(b.Limit()))
}

// snapshot makes the image that all further instances begin with and are reset to. A
// module for which there can be none gets fresh instances.
func (m *Module) snapshot(first *Instance, exposed *meter.Exposed) error {
	reason := exposed.Irreversible
	if reason == "" {
		img, err := first.memory.Snapshot()
		if errors.Is(err, image.ErrBudget) {
			return m.budget.exceeded()
		}
		if err == nil {
			m.image, m.data = img, nil
			for _, name := range exposed.Globals {
				m.globals = append(m.globals, savedGlobal{name, first.wasm.ExportedGlobal(name).Get()})
			}
			return nil
		}
		reason = err.Error()
	}
	m.fallback.Store(&reason)
	m.logger.Info("each activity of this module gets a fresh instance, since one cannot be reset", "reason", reason)
	return nil
}

// link puts the host modules that the module was granted into its runtime, and no others.
func (m *Module) link(ctx context.Context) error {
	if err := meter.Instantiate(ctx, m.runtime); err != nil {
		return err
	}
	imported := map[string]bool{}
	for _, imp := range m.file.Imports {
		imported[imp.Module] = true
	}
	if err := m.linkWASI(ctx, imported[abi.ModuleWASI]); err != nil {
		return err
	}
	if err := m.contract.link(ctx, m); err != nil {
		return err
	}
	if imported[abi.ModuleLog] {
		if err := linkLog(ctx, m.runtime); err != nil {
			return err
		}
	}
	for _, granted := range m.grants {
		if !imported[granted.ImportName()] {
			continue // an Extism plugin asks for it by a function of extism:host/env
		}
		if err := m.linkPassthrough(ctx, granted); err != nil {
			return err
		}
	}
	return nil
}

// close frees what compile made. No instance may be live.
func (m *Module) close(ctx context.Context) error {
	var errs []error
	if m.image != nil {
		m.image.Close()
	}
	if m.compiled != nil {
		errs = append(errs, m.compiled.Close(ctx))
	}
	if m.runtime != nil {
		errs = append(errs, m.runtime.Close(ctx))
	}
	if m.cache != nil {
		errs = append(errs, m.cache.Close(ctx))
	}
	if m.wasi != nil {
		errs = append(errs, m.wasi.Close())
	}
	m.image, m.compiled, m.runtime, m.cache, m.wasi = nil, nil, nil, nil, nil
	return errors.Join(errs...)
}
