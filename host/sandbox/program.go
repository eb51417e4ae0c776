package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/generator"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/internal/meter"
	"github.com/wasmworker/wasmworker/host/internal/wasip1"
	"github.com/wasmworker/wasmworker/host/modules"
)

// program is a module as it was loaded: its runtime, its code, and the image that its
// instances begin with. Nothing in it is written once newProgram has returned it, but the
// count of those who hold it: the module until it is unloaded, and each of its instances.
// The last of them frees it. A module that is loaded again while instances of before are
// in use has two for a while.
type program struct {
	module  *Module
	holders atomic.Int64
	// unloaded tells that the module's next instance will be made of another one.
	unloaded atomic.Bool

	cached   bool // its code came from the cache directory
	kept     bool // its code is in the cache directory
	cache    wazero.CompilationCache
	runtime  wazero.Runtime
	wasi     *wasip1.System
	compiled wazero.CompiledModule
	// initialized is how much memory the first instance had after its initialization.
	initialized uint64
	data        []meter.Data // what new instances begin with, unless they have the image

	generator *generator.Generator // seeded anew for each call; nil: none was found

	// The state after the initialization, for IsolationPristine.
	image    *image.Image
	globals  []savedGlobal
	fallback string // why there is no image
}

// savedGlobal is a mutable global and its value after the initialization.
type savedGlobal struct {
	name  string // of its export
	value uint64
}

// hold is called by who holds it already, for another.
func (p *program) hold() *program {
	p.holders.Add(1)
	return p
}

// release lets go of it, and frees it if nobody else holds it.
func (p *program) release(ctx context.Context) error {
	if p.holders.Add(-1) > 0 {
		return nil
	}
	return p.free(ctx)
}

// free frees what load made. No instance may be live.
func (p *program) free(ctx context.Context) error {
	var errs []error
	if p.image != nil {
		p.image.Close()
	}
	if p.compiled != nil {
		errs = append(errs, p.compiled.Close(ctx))
	}
	if p.runtime != nil {
		errs = append(errs, p.runtime.Close(ctx))
	}
	if p.cache != nil {
		errs = append(errs, p.cache.Close(ctx))
	}
	if p.wasi != nil {
		errs = append(errs, p.wasi.Close())
	}
	p.image, p.compiled, p.runtime, p.cache, p.wasi = nil, nil, nil, nil, nil
	return errors.Join(errs...)
}

// isolation is what becomes of its instances after a call.
func (p *program) isolation() Isolation {
	if p.fallback != "" {
		return IsolationFresh
	}
	return p.module.options.Isolation
}

// newProgram compiles a module into a runtime of its own, links what was granted, and
// makes one instance to see that it works. The caller holds what it returns.
func newProgram(ctx context.Context, m *Module, cache *codeCache) (*program, error) {
	p := &program{module: m}
	p.holders.Store(1)
	if err := p.load(ctx, cache); err != nil {
		if closing := p.release(context.WithoutCancel(ctx)); closing != nil {
			m.logger.Warn("what was made of a module that cannot be loaded could not be freed", "error", closing)
		}
		return nil, err
	}
	return p, nil
}

func (p *program) load(ctx context.Context, cache *codeCache) (err error) {
	m := p.module
	defer m.recovered(&err)
	exposed, err := m.rewrite(ctx, cache)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return m.errorf("the module is not valid", err)
	}
	p.data = exposed.Data
	if err := p.build(ctx, exposed.Binary, cache); err != nil {
		return err
	}
	if m.budget == nil {
		return p.try(ctx, exposed)
	}
	m.budget.trial.RLock()
	err = p.try(ctx, exposed)
	m.budget.trial.RUnlock()
	if !errors.Is(err, ErrMemoryLimit) {
		return err
	}
	// What fits one after the other must not be refused because it was tried at once.
	m.budget.trial.Lock()
	defer m.budget.trial.Unlock()
	return p.try(ctx, exposed)
}

// try makes the first instance, to see that this works, and the image of it.
func (p *program) try(ctx context.Context, exposed *meter.Exposed) error {
	m := p.module
	memory, err := p.newMemory()
	if err != nil {
		return fmt.Errorf("%s: %w", m.file.Path, err)
	}
	instance, err := p.instantiate(ctx, memory)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return m.errorf("the module cannot be instantiated", err)
	}
	defer instance.Close()
	p.initialized = instance.memory.Size()
	p.findGenerator(instance)
	if m.options.Isolation != IsolationPristine {
		return nil
	}
	return p.snapshot(instance, exposed)
}

// recovered makes an error of a panic. What reads a module here, the metering and wazero's
// decoder, is fed with whatever lies in a directory. A bug in it must cost one module.
// wazero's compiler panics in goroutines of its own, which this does not reach: that is
// what [CompilerMain] is for.
func (m *Module) recovered(err *error) {
	switch p := recover(); p {
	case nil:
	case syscall.ENOMEM: // the system has none for its code, which is not its doing
		*err = fmt.Errorf("%s: %w for its code", m.file.Path, errSystemMemory)
	default:
		*err = m.errorf("the compiler failed on this module", fmt.Errorf("%v", p))
	}
}

// build makes the runtime with the compiled module in it, by way of the cache if that
// works.
func (p *program) build(ctx context.Context, binary []byte, cache *codeCache) error {
	directory, whole := cache.open(p.module)
	if whole == 0 && directory != "" { // a module with the same code may be at it
		defer cache.alone(directory)()
		if directory, whole = cache.open(p.module); whole == 0 && cache.adopt(directory, binary, func() bool { return p.module.validateApart(ctx) == nil }) {
			directory, whole = cache.open(p.module)
		}
	}
	if whole == 0 {
		code, remove, err := p.module.precompile(ctx, binary, cache, directory)
		if err != nil {
			return err
		}
		defer remove()
		if code != directory {
			return p.buildIn(ctx, binary, code)
		}
	}
	if directory == "" {
		return p.buildIn(ctx, binary, "")
	}
	failure := p.buildIn(ctx, binary, directory)
	if failure == nil {
		p.cached = cache.seal(directory) == 0 && whole > 0
		if !p.cached {
			cache.label(directory, binary)
		}
		p.kept = !cache.readOnly.Load() || p.cached
		return nil
	}
	if ctx.Err() != nil || !aboutCache(failure) {
		return failure
	}
	if err := p.free(ctx); err != nil {
		return fmt.Errorf("%s: %w", p.module.file.Path, err)
	}
	if err := p.buildIn(ctx, binary, ""); err != nil {
		return err
	}
	cache.cannotBeWritten(cmp.Or(errors.Unwrap(failure), failure)) // it is not the module's
	return nil
}

// buildIn is build with a directory for wazero's cache, or none.
func (p *program) buildIn(ctx context.Context, binary []byte, cacheDir string) (err error) {
	defer p.module.recovered(&err)
	if err := p.newRuntime(ctx, cacheDir); err != nil {
		return fmt.Errorf("%s: %w", p.module.file.Path, err)
	}
	if err := p.link(ctx); err != nil {
		return fmt.Errorf("%s: %w", p.module.file.Path, err)
	}
	// With two workers or more, compilation looks at ctx between functions.
	limited, cancel := p.module.loader.compiling.context(ctx)
	defer cancel()
	compiling := experimental.WithCompilationWorkers(limited, max(2, runtime.GOMAXPROCS(0)))
	if p.compiled, err = p.runtime.CompileModule(compiling, binary); err != nil {
		return p.module.compileError(ctx, err)
	}
	return nil
}

// newRuntimes is held while a runtime is made: wazero finds out its own version when it
// is first asked, and writes that to a variable without any lock (internal/version,
// 1.11).
var newRuntimes sync.Mutex

// newRuntime makes the runtime, and the cache if there is to be one.
func (p *program) newRuntime(ctx context.Context, cacheDir string) error {
	newRuntimes.Lock()
	defer newRuntimes.Unlock()
	config := wazero.NewRuntimeConfig()
	if p.module.loader.interpreter {
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
		p.cache = cache
		config = config.WithCompilationCache(cache)
	}
	p.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	return nil
}

// snapshot makes the image that all further instances begin with and are reset to. A
// module for which there can be none gets fresh instances.
func (p *program) snapshot(first *Instance, exposed *meter.Exposed) error {
	m := p.module
	reason := exposed.Irreversible
	if reason == "" {
		img, err := first.memory.Snapshot()
		if errors.Is(err, image.ErrBudget) {
			return fmt.Errorf("%s: %w", m.file.Path, m.budget.exceeded())
		}
		if err == nil {
			p.image, p.data = img, nil
			for _, name := range exposed.Globals {
				p.globals = append(p.globals, savedGlobal{name, first.wasm.ExportedGlobal(name).Get()})
			}
			p.tellDrawn(first)
			return nil
		}
		if passes(err) {
			return fmt.Errorf("%s: an image of its memory: %w", m.file.Path, err)
		}
		reason = err.Error()
	}
	if m.file.Kind == modules.KindWorkflow {
		return m.errorf("the module cannot be one of workflows", fmt.Errorf("its instances cannot be set back: %s", reason))
	}
	p.fallback = reason
	if m.fallback.Swap(&reason) == nil {
		m.logger.Info("each activity of this module gets a fresh instance, since one cannot be reset", "reason", reason)
	}
	return nil
}

// passes tells whether an error of the system is one that may not be there another time. A
// module must not be slow for good because of it.
func passes(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.EAGAIN)
}

// findGenerator finds what is seeded for each call, in instances of any isolation, so that
// the same seed of a policy means the same numbers in all of them.
func (p *program) findGenerator(first *Instance) {
	if first.drawn.Bytes == 0 {
		return
	}
	memory, _ := first.wasm.Memory().Read(0, first.wasm.Memory().Size())
	if g, ok := generator.Find(memory, first.drawn.First); ok {
		p.generator = &g
	}
}

// tellDrawn tells the operator of other random numbers that are in the image, with a
// warning if they began like the seed of a generator, such as Go's where it was not found.
// SDKs may seed theirs anew, which is not seen here.
func (p *program) tellDrawn(first *Instance) {
	if p.module.file.Kind == modules.KindWorkflow {
		return // it is the same in each worker
	}
	m, drawn := p.module, first.drawn
	level := slog.LevelInfo
	switch {
	case p.generator != nil:
		drawn.Bytes -= generator.SeedSize
	case len(drawn.First) == stackGuard:
		drawn.Bytes -= stackGuard
	case len(drawn.First) == generator.SeedSize:
		level = slog.LevelWarn
	}
	if drawn.Bytes > 0 && !m.drew.Swap(true) {
		m.logger.Log(context.Background(), level, "this module drew random numbers while it was initialized, and what it made of them is the same in each of its activities unless it draws them anew; give it fresh instances if that matters",
			"bytes", drawn.Bytes)
	}
}

// stackGuard is what C libraries begin with: a word for overflowing stacks to hit, which
// no result depends on.
const stackGuard = 4

// link puts the host modules that the module was granted into its runtime, and no others.
func (p *program) link(ctx context.Context) error {
	m := p.module
	if err := meter.Instantiate(ctx, p.runtime); err != nil {
		return err
	}
	imported := map[string]bool{}
	for _, imp := range m.file.Imports {
		imported[imp.Module] = true
	}
	if err := p.linkWASI(ctx, imported[abi.ModuleWASI]); err != nil {
		return err
	}
	if err := m.contract.link(ctx, p); err != nil {
		return err
	}
	if imported[abi.ModuleLog] {
		if err := linkLog(ctx, p.runtime); err != nil {
			return err
		}
	}
	for _, granted := range m.grants {
		if !imported[granted.ImportName()] {
			continue // an Extism plugin asks for it by a function of extism:host/env
		}
		if err := p.linkPassthrough(ctx, granted); err != nil {
			return err
		}
	}
	return nil
}
