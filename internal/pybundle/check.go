package pybundle

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// Activities of a module that is not kept: what is in it.
const (
	listDefined  = "list"
	listCompiled = "compiled"
	listNotes    = "notes"
)

// Build returns the module of an app that asks for passthrough modules, and what it
// defines. It starts the app in a sandbox, which keeps what it compiles in cacheDir; "" for
// nowhere.
func (b *Base) Build(ctx context.Context, app *App, passthrough []string, cacheDir string) (module []byte, defined Defined, err error) {
	archive, err := app.archive(passthrough, nil, true)
	if err != nil {
		return nil, Defined{}, err
	}
	// Asks for nothing: what is started here is not granted anything.
	probe, err := b.Attach(archive, nil, Defined{})
	if err != nil {
		return nil, Defined{}, err
	}
	listed, err := list(ctx, probe, cacheDir)
	if err != nil {
		return nil, Defined{}, app.explain(err)
	}
	defined, app.Notes = listed.defined, listed.notes
	if err := b.check(defined, passthrough); err != nil {
		return nil, Defined{}, fmt.Errorf("%s: %w", app.Entry, err)
	}
	// What was imported needs not be compiled at each start.
	if archive, err = app.archive(passthrough, listed.compiled, false); err != nil {
		return nil, Defined{}, err
	}
	module, err = b.Attach(archive, passthrough, defined)
	if err != nil {
		return nil, Defined{}, err
	}
	// As the worker will read it.
	if _, err := modules.Parse(app.Entry, module); err != nil {
		return nil, Defined{}, err
	}
	return module, defined, nil
}

// startError is an app that does not start.
type startError struct {
	err    error
	output string // what Python had to say, its traceback above all
}

func (e *startError) Error() string {
	if e.output == "" {
		return e.err.Error()
	}
	return e.output
}

func (e *startError) Unwrap() error { return e.err }

// maxCompiled is the most bytes of compiled code that are taken over.
const maxCompiled = 256 << 20

// listing is what a start of an app tells.
type listing struct {
	defined  Defined
	compiled map[string][]byte // files with the code of what it imports
	notes    []string          // what its author should know
}

// What a start that compiles may take. It compiles what the app imports, which no later start
// does: sqlglot alone takes twice the default limits.
const (
	buildTimeout = time.Minute
	maxBuildFuel = 100_000_000_000
)

// list starts the module and returns what it tells.
func list(ctx context.Context, module []byte, cacheDir string) (l listing, err error) {
	file, err := modules.Parse("python", module)
	if err != nil {
		return l, err
	}
	output := &transcript{}
	box, err := sandbox.New(sandbox.Config{
		Modules: []*modules.File{file}, Limit: 1, Logger: slog.New(output), CacheDir: cacheDir,
		Defaults: sandbox.Options{MaxOutput: maxCompiled, InitializeTimeout: buildTimeout, MaxInitializeFuel: maxBuildFuel},
	})
	if err != nil {
		return l, err
	}
	defer box.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing of it is kept
	if err := box.Compile(ctx); err != nil {
		return l, &startError{err, output.text()}
	}
	var results [3][]byte
	for i, name := range []string{listDefined, listCompiled, listNotes} {
		result, err := box.Run(ctx, sandbox.Task{Activity: name})
		if err != nil {
			return l, &startError{err, output.text()}
		}
		if result != nil {
			results[i] = result.Data
		}
	}
	if err := json.Unmarshal(results[0], &l.defined); err != nil {
		return l, fmt.Errorf("the interpreter lists what is defined in another way: %w", err)
	}
	if l.compiled, err = compiledOf(results[1]); err != nil || results[2] == nil {
		return l, err
	}
	if err := json.Unmarshal(results[2], &l.notes); err != nil {
		return l, fmt.Errorf("the interpreter lists its notes in another way: %w", err)
	}
	return l, nil
}

// compiledOf reads the result of listCompiled: for each file the lengths of its name and
// its bytes, 4 bytes each, and both.
func compiledOf(data []byte) (map[string][]byte, error) {
	files := map[string][]byte{}
	for r := (reader{rest: data}); len(r.rest) > 0; {
		sizes := r.bytes(8)
		if r.err != nil {
			return nil, fmt.Errorf("compiled code: %w", r.err)
		}
		name := r.bytes(uint64(binary.LittleEndian.Uint32(sizes)))
		code := r.bytes(uint64(binary.LittleEndian.Uint32(sizes[4:])))
		if r.err != nil {
			return nil, fmt.Errorf("compiled code: %w", r.err)
		}
		files[string(name)] = code
	}
	return files, nil
}

// transcript is what a module writes to standard error and output: each line is a log
// record.
type transcript struct {
	mu    sync.Mutex
	lines []string
}

func (t *transcript) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

func (t *transcript) Handle(_ context.Context, r slog.Record) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, r.Message)
	return nil
}

func (t *transcript) WithAttrs([]slog.Attr) slog.Handler { return t }
func (t *transcript) WithGroup(string) slog.Handler      { return t }

func (t *transcript) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}

var (
	noModule = regexp.MustCompile(`(?m)^ModuleNotFoundError: No module named '([^']+)'`)
	// What the interpreter does before it gets to the app.
	ownFrames = regexp.MustCompile(`(?m)^  File "<frozen [^\n]*\n(?:    [^\n]*\n)*`)
)

// explain adds what to do to an error of an app that does not start.
func (a *App) explain(err error) error {
	start, ok := err.(*startError)
	if !ok || start.output == "" {
		return fmt.Errorf("%s does not start: %w", a.Entry, err)
	}
	text := strings.ReplaceAll(ownFrames.ReplaceAllString(start.output+"\n", ""), `File "/app/`, `File "`)
	text = strings.TrimSpace(text)
	advice := ""
	if missing := noModule.FindStringSubmatch(text); missing != nil {
		advice = a.adviceFor(missing[1])
	}
	return fmt.Errorf("%s does not start:\n%s%s", a.Entry, text, advice)
}

func (a *App) adviceFor(module string) string {
	stem := strings.ReplaceAll(module, ".", "/")
	for _, n := range a.Native {
		if strings.HasPrefix(n.File, stem+".") || strings.HasPrefix(n.File, stem+"/") {
			what := n.File
			if n.Distribution != "" {
				what += " of " + n.Distribution
			}
			return fmt.Sprintf("\n%s is native code, which cannot run in the sandbox: use a version or a package that is Python alone, or call a service for it", what)
		}
	}
	return fmt.Sprintf("\nThe bundle has no module %s: add its package to the file of --requirements, or its directory with --dependencies; name the app's directory if it is a file of the app", module)
}
