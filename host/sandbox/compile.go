package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/internal/meter"
)

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
	m.initialized = instance.memory.Size()
	if m.options.Isolation != IsolationPristine {
		return nil
	}
	if err := m.snapshot(instance, exposed); err != nil {
		return fmt.Errorf("%s: %w", m.file.Path, err)
	}
	return nil
}

// recovered makes an error of a panic. The compiler is fed with whatever lies in a
// directory. A bug in it must cost one module.
func (m *Module) recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s: the compiler failed on this module: %v", m.file.Path, p)
	}
}

// build makes the runtime with the compiled module in it, by way of the cache if that
// works.
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

// newRuntimes is held while a runtime is made: wazero finds out its own version when it
// is first asked, and writes that to a variable without any lock (internal/version,
// 1.11).
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
