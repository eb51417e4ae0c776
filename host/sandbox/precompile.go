package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/wasmworker/wasmworker/host/internal/compiler"
	"github.com/wasmworker/wasmworker/host/internal/meter"
)

// What the program, and DefaultPluginOptions of package host, have.
const (
	// DefaultCompileTimeout is three times what a module of 16 MB takes of one processor.
	DefaultCompileTimeout = 60 * time.Second
	// DefaultCompileMemoryLimit is five times what that takes, which is 400 MiB; one of 4
	// MB takes 80.
	DefaultCompileMemoryLimit = 2 << 30
)

// CompilerMain makes this program one that compiles its modules in processes of their
// own, which are bounded by Config.CompileTimeout and Config.CompileMemoryLimit whatever
// a module does to the compiler. Call it before anything else in main, and in TestMain:
//
//	func main() {
//		sandbox.CompilerMain()
//		…
//	}
//
// Such a process is this program once more, told what it is by its only argument. There,
// CompilerMain does the work and ends the process; otherwise it returns at once. What
// comes before it, the initialization of packages, happens in each of them, without this
// process's environment variables.
//
// Without it, modules are compiled in this process. The limits are then no more than what
// the compiler looks at between two functions of a module, a bug in it can end the
// process, and [Sandbox.Compile] warns of that.
func CompilerMain() { compiler.Main() }

// compileLimits are those of all modules of a sandbox.
type compileLimits struct {
	timeout time.Duration
	memory  uint64
	running atomic.Int64 // processes
	inside  sync.Once
}

// warn tells that modules are compiled in this process, once.
func (l *compileLimits) warn(m *Module, advice string, err error) {
	l.inside.Do(func() {
		attrs := []any{"advice", advice}
		if err != nil {
			attrs = append(attrs, "error", err)
		}
		m.logger.Warn("modules are compiled in this process, so that a module can take more time and memory for it than it should, or end the process", attrs...)
	})
}

// begin returns on how many processors a process may run, beside those that run already.
// There is one for each processor at most. The function that it returns is to be called
// when the process has ended.
func (l *compileLimits) begin() (procs int, end func()) {
	n := l.running.Add(1)
	return max(1, runtime.GOMAXPROCS(0)/int(n)), func() { l.running.Add(-1) }
}

// context bounds compilation in this process, where the compiler looks at its context
// between functions.
func (l *compileLimits) context(ctx context.Context) (context.Context, context.CancelFunc) {
	if l.timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, l.timeout, &compiler.TimeoutError{Timeout: l.timeout})
}

// precompile compiles the module in a process of its own, and returns the directory in
// which wazero finds what that has made: the given one, which is the cache's, or one of
// its own, which remove removes. It is "" where the code could not be handed over. Then
// the module is compiled once more, here: it was seen to take no more than it may.
func (m *Module) precompile(ctx context.Context, binary []byte, cache *codeCache, directory string) (code string, remove func(), err error) {
	remove = func() {}
	if !compiler.Available() {
		m.loader.compiling.warn(m, "call sandbox.CompilerMain() first in the program's main function", nil)
		return directory, remove, m.validate(ctx)
	}
	work := ""
	if !m.loader.interpreter { // which leaves nothing
		work = m.workDirectory(cache, directory)
	}
	if work != "" {
		remove = func() { os.RemoveAll(work) } //nolint:errcheck // what is left there is in nobody's way
	}
	procs, end := m.loader.compiling.begin()
	files, err := compiler.Compile(ctx, compiler.Request{
		Original: m.file.Binary, Binary: binary, Directory: work, Interpreter: m.loader.interpreter,
		Procs: procs, Memory: m.loader.compiling.memory, Timeout: m.loader.compiling.timeout,
	})
	end()
	_, notStarted := errors.AsType[*compiler.StartError](err)
	_, notHandedOver := errors.AsType[*compiler.DirectoryError](err)
	switch {
	case notStarted:
		remove()
		m.loader.compiling.warn(m, "let this process start further ones of its own program", err)
		return directory, func() {}, m.validate(ctx)
	case notHandedOver:
		remove()
		cache.cannotBeHandedOver(m, err)
		return "", func() {}, nil
	case err != nil:
		remove()
		return "", func() {}, m.compileError(ctx, err)
	case work == "" || cache == nil || !cache.has(work):
		return work, remove, nil
	}
	defer remove()
	if err := keep(work, directory, files); err != nil {
		cache.cannotBeWritten(err)
		return "", func() {}, nil
	}
	return directory, func() {}, nil
}

// validate validates the module as it lies in its file, in this process: what metering
// makes of an invalid one may be valid.
func (m *Module) validate(ctx context.Context) error {
	newRuntimes.Lock()
	r := wazero.NewRuntimeWithConfig(ctx, compiler.Config(m.loader.interpreter))
	newRuntimes.Unlock()
	defer r.Close(ctx) //nolint:errcheck // nothing runs in it
	if err := meter.Validate(ctx, r, m.file.Binary); err != nil {
		return m.errorf("the module is not valid", err)
	}
	return nil
}

// validateApart is validate in a process of its own, if there can be one.
func (m *Module) validateApart(ctx context.Context) error {
	if !compiler.Available() {
		return m.validate(ctx)
	}
	procs, end := m.loader.compiling.begin()
	defer end()
	_, err := compiler.Compile(ctx, compiler.Request{
		Original: m.file.Binary, Interpreter: m.loader.interpreter,
		Procs: procs, Memory: m.loader.compiling.memory, Timeout: m.loader.compiling.timeout,
	})
	if _, notStarted := errors.AsType[*compiler.StartError](err); notStarted {
		return m.validate(ctx)
	}
	return err
}

// compileError says why a module could not be compiled, and what helps.
func (m *Module) compileError(ctx context.Context, err error) error {
	limited := func(option, remedy string) error {
		e := &OptionError{Option: option, Err: fmt.Errorf("%s: %w; %s", m.file.Path, err, remedy)}
		return &moduleError{e.Error(), e}
	}
	const remedy = "raise the limit if the module is to be trusted, or build it with fewer or smaller functions"
	switch e := err.(type) {
	case *compiler.TimeoutError:
		return limited("CompileTimeout", remedy)
	case *compiler.MemoryError:
		if e.System { // which may have more another time
			return fmt.Errorf("%s: %w; give the worker more memory", m.file.Path, err)
		}
		return limited("CompileMemoryLimit", remedy)
	case *compiler.SystemError:
		return fmt.Errorf("%s: %w; let the worker have more processes and threads", m.file.Path, err)
	case *compiler.CrashError:
		m.logger.Debug("what the compiler said", "output", e.Stderr)
		return m.errorf("the compiler failed on this module", errors.New(e.Text))
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", m.file.Path, err)
	}
	return m.errorf("the module is not valid", err)
}

// workPrefix begins the names of directories in which code is handed over.
const workPrefix = ".wasmworker-compiling-"

// workDirectory makes a directory that the module's code can be handed over in: in the
// cache if it is to stay there, or anywhere else. It returns "" if there can be none.
func (m *Module) workDirectory(cache *codeCache, directory string) string {
	if directory != "" && !cache.readOnly.Load() {
		work, err := os.MkdirTemp(cache.dir, workPrefix)
		if err == nil {
			return work
		}
		cache.cannotBeWritten(err)
	}
	work, err := makeDirectory(os.TempDir(), memoryDirectory)
	if err != nil {
		m.logger.Debug("there is no directory for temporary files, so the module is compiled twice", "error", err)
	}
	return work
}

// memoryDirectory is what Linux has for temporary files also in containers whose root
// file system is read-only.
const memoryDirectory = "/dev/shm"

// makeDirectory makes a directory in the first of several that can be written to.
func makeDirectory(parents ...string) (string, error) {
	var errs []error
	for _, parent := range parents {
		work, err := os.MkdirTemp(parent, workPrefix)
		if err == nil {
			return work, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// has tells whether a directory is one of the cache's.
func (c *codeCache) has(work string) bool { return filepath.Dir(work) == c.dir }

// keep moves code from where it was handed over to the module's directory. No other
// process sees it there without its checksum.
func keep(work, directory string, files []compiler.File) error {
	for _, f := range files {
		from := filepath.Join(work, filepath.FromSlash(f.Name))
		to := filepath.Join(directory, filepath.FromSlash(f.Name))
		sum, err := sumOf(from)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		if err := replaceFile(to+sumSuffix, []byte(sum)); err != nil {
			return err
		}
		if err := os.Rename(from, to); err != nil {
			return err
		}
	}
	return nil
}

// cannotBeHandedOver tells why code did not come from where it was made to here.
func (c *codeCache) cannotBeHandedOver(m *Module, err error) {
	if c != nil {
		c.cannotBeWritten(err)
		return
	}
	m.logger.Warn("machine code could not be handed over, so the module is compiled twice", "error", err)
}

// abandonedAfter is when a work directory belongs to nobody any more.
const abandonedAfter = 24 * time.Hour

// tidy removes what processes left in the cache that were killed together with their
// compilers.
func (c *codeCache) tidy() {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return // who needs it finds out
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), workPrefix) {
			continue
		}
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > abandonedAfter {
			os.RemoveAll(filepath.Join(c.dir, entry.Name())) //nolint:errcheck // the next start tries again
		}
	}
}

// engineName names wazero's compiler and the processor: machine code is of use only to
// who has the same. It is what wazero calls the code of an empty module.
func engineName(parents ...string) (name string) {
	defer func() {
		if recover() != nil { // the system refuses executable memory
			name = unknownEngine
		}
	}()
	dir, err := makeDirectory(parents...)
	if err != nil {
		return unknownEngine
	}
	defer os.RemoveAll(dir) //nolint:errcheck // see tidy
	newRuntimes.Lock()
	defer newRuntimes.Unlock()
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return unknownEngine
	}
	ctx := context.Background()
	defer cache.Close(ctx) //nolint:errcheck // it has nothing to write
	r := wazero.NewRuntimeWithConfig(ctx, compiler.Config(false).WithCompilationCache(cache))
	defer r.Close(ctx) //nolint:errcheck // nothing runs in it
	_, err = r.CompileModule(ctx, []byte("\x00asm\x01\x00\x00\x00"))
	files, failed := filepath.Glob(filepath.Join(dir, "wazero-*", "*"))
	if err != nil || failed != nil || len(files) != 1 {
		return unknownEngine
	}
	return filepath.Base(files[0])[:16]
}

// unknownEngine is the name where no directory can be written, the cache's neither: what
// lies in that has another one.
const unknownEngine = "unknown"
