package sandbox_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/internal/wasmgen"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

var (
	promisesModules = flag.Int("promises.modules", 200, "modules of TestPromises")
	promisesSeed    = flag.Uint64("promises.seed", 1, "what the modules of TestPromises are made of")
	promisesOnly    = flag.Int("promises.only", -1, "the one module of TestPromises to take, by its number")
)

const (
	promisesTries = 400 // of making a failure smaller
	// What the process may come to have beside what it had: two modules at a time in as
	// many sandboxes, their code, and Go's heap.
	promisesResident = 512 << 20
)

// Generated modules, the same ones for the same seed, are admitted, metered, reset and
// interrupted, and what was promised of that is kept: see promise.check. `make
// fuzz-sandbox` takes 10,000 of them.
func TestPromises(t *testing.T) {
	sandbox.KeepExports(t)
	count, only := *promisesModules, *promisesOnly
	if testing.Short() {
		count = min(count, 50)
	}
	usage, resident := image.Usage(), residentPeak(t)
	var next atomic.Int64
	var mu sync.Mutex
	var total tally
	var wg sync.WaitGroup
	began := time.Now()
	// Where to look if the process dies, or hangs for good.
	running, err := os.MkdirTemp("", "wasmworker-promises-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(running)
	for worker := range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			note := filepath.Join(running, fmt.Sprint("running-", worker))
			for !t.Failed() {
				n := int(next.Add(1)) - 1
				if only >= 0 {
					n += only
				}
				if n >= count && only < 0 || only >= 0 && n > only {
					return
				}
				if err := os.WriteFile(note, fmt.Appendf(nil, "seed %d, module %d\n", *promisesSeed, n), 0o600); err != nil {
					t.Error(err)
					return
				}
				source := wasmgen.Seeded(*promisesSeed, uint64(n))
				p := &promise{module: wasmgen.New(source)}
				if err := p.check(); err != nil {
					report(t, n, source.Choices(), err)
					return
				}
				mu.Lock()
				total.add(p.tally)
				if total.modules%1000 == 0 {
					t.Logf("%d modules, %v", total.modules, time.Since(began).Round(time.Second))
					if testing.Verbose() { // t.Log waits for the end
						fmt.Fprintf(os.Stderr, "%d of %d modules, %v\n", total.modules, count, time.Since(began).Round(time.Second))
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("%v", total)
	equal(t, "what is left", image.Usage(), usage)
	if now := residentPeak(t); now > resident+promisesResident {
		t.Errorf("the process came to have %d MiB, and had %d before", now>>20, resident>>20)
	}
	if only < 0 && !t.Failed() {
		total.covers(t, count)
	}
}

// report makes a module that broke a promise smaller, and keeps it.
func report(t *testing.T, number int, choices []uint32, err error) {
	t.Errorf("module %d of seed %d: %v", number, *promisesSeed, err)
	i := slices.IndexFunc(promises, func(promise error) bool { return errors.Is(err, promise) })
	began := time.Now()
	small := wasmgen.Shrink(choices, promisesTries, func(choices []uint32) bool {
		if time.Since(began) > time.Minute {
			return false
		}
		p := &promise{module: wasmgen.New(wasmgen.Replay(choices))}
		err := p.check()
		return err != nil && (i < 0 || errors.Is(err, promises[i])) // the same promise, not just any
	})
	p := &promise{module: wasmgen.New(wasmgen.Replay(small))}
	directory, mkdirErr := os.MkdirTemp("", "wasmworker-promises-")
	if mkdirErr != nil {
		t.Error(mkdirErr)
		return
	}
	path := filepath.Join(directory, fmt.Sprintf("seed%d-module%d.wasm", *promisesSeed, number))
	if err := os.WriteFile(path, p.module.Binary, 0o600); err != nil {
		t.Error(err)
	}
	t.Errorf("made smaller, it is %s, of %d bytes: %v\nagain: go test ./host/sandbox -run '^TestPromises$' -promises.seed %d -promises.only %d",
		path, len(p.module.Binary), p.check(), *promisesSeed, number)
}

// tally is what the modules did.
type tally struct {
	modules, refused, endless, resettable int
	runs, traps, outOfFuel, interrupted   int
	reckoned                              int           // activities whose fuel was known before
	slowest                               time.Duration // from the end of a context to that of its activity
}

func (a *tally) add(b tally) {
	a.modules += b.modules
	a.refused += b.refused
	a.endless += b.endless
	a.resettable += b.resettable
	a.runs += b.runs
	a.traps += b.traps
	a.outOfFuel += b.outOfFuel
	a.interrupted += b.interrupted
	a.reckoned += b.reckoned
	a.slowest = max(a.slowest, b.slowest)
}

func (a tally) String() string {
	return fmt.Sprintf("%d modules, of which %d did not instantiate, %d need not end and %d can be reset; %d activities, of which %d trapped, %d ran out of fuel, %d took the fuel that was reckoned and %d were interrupted, within %v",
		a.modules, a.refused, a.endless, a.resettable, a.runs, a.traps, a.outOfFuel, a.reckoned, a.interrupted, a.slowest.Round(time.Millisecond))
}

// covers checks that the modules did something of everything.
func (a tally) covers(t *testing.T, count int) {
	for what, n := range map[string]int{"resettable": a.resettable, "endless": a.endless, "traps": a.traps, "out of fuel": a.outOfFuel, "interrupted": a.interrupted, "reckoned": a.reckoned} {
		if n < count/50 {
			t.Errorf("of %d modules there are %d for: %s", count, n, what)
		}
	}
	if a.refused > count/5 {
		t.Errorf("of %d modules %d did not instantiate", count, a.refused)
	}
}

// residentPeak is the most memory that the process has had, or 0 where nobody knows.
func residentPeak(t *testing.T) uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kib uint64
	if _, err := fmt.Sscanf(rest, "%d kB", &kib); err != nil {
		t.Errorf("/proc/self/status: %v", err)
	}
	return kib << 10
}

var errDeadline = errors.New("the time is up")

// interruption is a context that ends soon.
func interruption() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.Background(), 4*time.Millisecond, errDeadline)
}
