package compiler

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/wasmworker/wasmworker/host/internal/meter"
	"github.com/wasmworker/wasmworker/host/internal/wazerotext"
)

// Exit codes of a child that has not reported.
const (
	exitMemory = 86 // it took too much memory
	exitFailed = 1  // it was started by somebody else, or its parent has gone
)

// gcPercent is GOGC of a child: it lives for a second, and has memory to spare.
const gcPercent = 200

// What the tests do in a child, before it compiles and before it reports.
var (
	beforeCompiling = func(binary []byte) {}
	beforeReporting = func(binary []byte, directory string) {}
)

// Main makes this program one that can compile modules in children. It has to be called
// before anything else in the main function: it returns at once, unless this process is
// such a child. Then it does its work and ends the process.
func Main() {
	if len(os.Args) != 2 || os.Args[1] != argument {
		mainCalled.Store(true)
		return
	}
	// Who stops the worker, by a signal to all of its processes, stops the parent, and
	// that decides.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, hangup)
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "this is for wasmworker's own use:", err)
		os.Exit(exitFailed)
	}
	os.Exit(0)
}

// serve does what the parent asks for.
func serve(stdin io.Reader, stdout io.Writer) error {
	answer := json.NewEncoder(stdout)
	if err := answer.Encode(ready{Build: build()}); err != nil {
		return err
	}
	in := bufio.NewReader(stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	var r request
	if err := json.Unmarshal(line, &r); err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	if err := restrict(r); err != nil {
		return fmt.Errorf("setting limits: %w", err)
	}
	peak := watchMemory(r.Memory)
	original, binary := make([]byte, r.Original), make([]byte, r.Size)
	for _, part := range [][]byte{original, binary} {
		if _, err := io.ReadFull(in, part); err != nil {
			return fmt.Errorf("reading the module: %w", err)
		}
	}
	go func() { // the parent has gone when there is an end
		_, _ = io.Copy(io.Discard, in)
		if r.Directory != "" {
			os.RemoveAll(r.Directory) //nolint:errcheck // nobody is left to hear of it
		}
		os.Exit(exitFailed)
	}()
	beforeCompiling(binary)
	said := compile(r, original, binary)
	said.Peak = peak.Load()
	beforeReporting(binary, r.Directory)
	return answer.Encode(said)
}

// compile compiles the module. Who runs out of memory, or panics, ends the process.
func compile(r request, original, binary []byte) (said report) {
	ctx := context.Background()
	config := Config(r.Interpreter)
	if len(original) > 0 {
		if err := meter.Validate(ctx, wazero.NewRuntimeWithConfig(ctx, config), original); err != nil {
			return report{Invalid: shorten(err)}
		}
	}
	if len(binary) == 0 {
		return said
	}
	if r.Directory != "" {
		cache, err := wazero.NewCompilationCacheWithDir(r.Directory)
		if err != nil {
			said.Directory = shorten(err)
		} else {
			config = config.WithCompilationCache(cache)
		}
	}
	// Nothing is closed: the process ends.
	_, err := wazero.NewRuntimeWithConfig(ctx, config).
		CompileModule(experimental.WithCompilationWorkers(ctx, runtime.GOMAXPROCS(0)), binary)
	switch {
	case err != nil && aboutDirectory(err): // the module has been compiled
		return report{Directory: shorten(err)}
	case err != nil:
		return report{Invalid: shorten(err)}
	case r.Directory == "" || said.Directory != "":
		return said
	}
	if said.Files, err = list(r.Directory); err != nil {
		return report{Directory: shorten(err)}
	}
	return said
}

// aboutDirectory tells whether an error is about a file, and not about the module.
func aboutDirectory(err error) bool {
	_, path := errors.AsType[*fs.PathError](err)
	_, link := errors.AsType[*os.LinkError](err)
	return path || link || wazerotext.IsAboutCache(err.Error())
}

// shorten keeps a report within what the parent reads.
func shorten(err error) string {
	text := err.Error()
	if len(text) > maxMessage {
		text = text[:maxMessage] + "…"
	}
	return text
}

// watchEvery is how often a child looks at its memory. It can fill some 10 MB meanwhile.
const watchEvery = 5 * time.Millisecond

// watchMemory ends the process when it takes more memory than it may, and notes the most
// that it was seen to take. Go's collector works harder the closer it gets to the limit.
func watchMemory(limit uint64) (peak *atomic.Uint64) {
	debug.SetGCPercent(gcPercent)
	peak = new(atomic.Uint64)
	begin := mapped()
	if limit > 0 {
		debug.SetMemoryLimit(int64(begin + limit - limit/8))
	}
	go func() {
		for {
			now := mapped()
			now -= min(begin, now)
			peak.Store(max(peak.Load(), now))
			if limit > 0 && now > limit {
				os.Exit(exitMemory)
			}
			time.Sleep(watchEvery)
		}
	}()
	return peak
}

// mapped is how much memory Go's runtime has of the system.
func mapped() uint64 {
	samples := [...]metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples[:])
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}
