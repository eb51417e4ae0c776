package sandbox_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

var hostileRounds = flag.Int("hostile.rounds", 3, "rounds of TestHostileRounds")

const (
	roundGoroutines = 4 // as many instances may exist
	roundDeadline   = 6 * time.Millisecond
	// What may come on top of the level after the warm-up: Go's heap and what the
	// allocators keep vary by some MB, and a leak of a page in each call would be far
	// more.
	roundHeapMargin     = 16 << 20
	roundResidentMargin = 64 << 20
)

// footprint is what the process has when nothing runs.
type footprint struct {
	usage      image.Totals
	live       int
	goroutines int
	heap       uint64
	resident   uint64 // 0 where nobody knows
}

// Hostile modules on one worker, again and again, four at a time beside an honest one:
// nothing grows.
func TestHostileRounds(t *testing.T) {
	for _, policy := range []sandbox.Isolation{sandbox.IsolationFresh, sandbox.IsolationPristine} {
		t.Run(string(policy), func(t *testing.T) { hostileRound(t, policy) })
	}
}

func hostileRound(t *testing.T, policy sandbox.Isolation) {
	box, expected := hostileWorker(t, policy)
	defer func() {
		if err := box.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	every := max(*hostileRounds/20, 1)
	var first, warm footprint
	for round := range *hostileRounds {
		runRound(t, box, expected)
		if round > 0 && round%every != 0 && round != *hostileRounds-1 {
			continue
		}
		now := measure(t, box)
		if round == 0 {
			first = now
		}
		if round <= every { // caches and the heap have their size by then
			warm = now
		}
		equal(t, fmt.Sprintf("memories after round %d", round), now.usage, first.usage)
		equal(t, fmt.Sprintf("instances after round %d", round), now.live, first.live)
		if n := goroutines(first.goroutines); n > first.goroutines && round > 0 {
			t.Errorf("%d goroutines after round %d, %d after the first", n, round, first.goroutines)
		}
		if now.heap > warm.heap+roundHeapMargin {
			t.Errorf("a heap of %d KiB after round %d, %d after the warm-up", now.heap>>10, round, warm.heap>>10)
		}
		if now.resident > warm.resident+roundResidentMargin {
			t.Errorf("%d MiB are resident after round %d, %d after the warm-up", now.resident>>20, round, warm.resident>>20)
		}
		if t.Failed() {
			return
		}
		if round == 0 || round == *hostileRounds-1 {
			t.Logf("round %d: %+v", round, now)
		}
	}
}

// hostileWorker makes a sandbox of every hostile module that loads, and echo. It returns
// what is to come of the activity of each.
func hostileWorker(t *testing.T, policy sandbox.Isolation) (*sandbox.Sandbox, map[string]string) {
	t.Helper()
	files, err := modules.Open(filepath.Join("..", "..", "testdata", "hostile"), filepath.Join("..", "..", "testdata", "wat", "echo.wasm"))
	if err != nil && !strings.Contains(err.Error(), "name-control.wasm") {
		t.Fatal(err)
	}
	set, err := passthrough.NewSet()
	if err != nil {
		t.Fatal(err)
	}
	cfg := sandbox.Config{
		Passthrough: set, Limit: roundGoroutines, SkipRefused: true,
		Defaults: sandbox.Options{Isolation: policy}, PerModule: map[string]sandbox.Options{},
	}
	refused, expected := 0, map[string]string{}
	for _, file := range files {
		cfg.Modules = append(cfg.Modules, file)
		if file.Name == "echo" {
			continue
		}
		cfg.PerModule[file.Name] = sandbox.Options{Prefix: file.Name + "."}
		want := expectation(t, filepath.Join("..", "..", "testdata", "hostile", file.Name+".wat"))
		if strings.HasPrefix(want, "refused: ") {
			refused++
		} else {
			expected[file.Name+".A"] = want
		}
	}
	sandbox.SetTrialTimeout(t, time.Second)
	box, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := box.Compile(t.Context()); err != nil {
		t.Fatal(err)
	}
	equal(t, "refused modules", len(box.Refused()), refused)
	return box, expected
}

// runRound runs each activity once, and echo beside them.
func runRound(t *testing.T, box *sandbox.Sandbox, expected map[string]string) {
	activities := make(chan string)
	var wg sync.WaitGroup
	for range roundGoroutines {
		wg.Go(func() {
			for activity := range activities {
				if got := runBriefly(box, activity); got != expected[activity] && got != "interrupted" {
					t.Errorf("%s: %s, want %s", activity, got, expected[activity])
				}
				p, err := box.Run(context.Background(), sandbox.Task{Activity: "Echo", Args: []sandbox.Payload{jsonPayload("1")}})
				if err != nil || text(p) != "1" {
					t.Errorf("echo after %s: %v, %v", activity, p, err)
				}
			}
		})
	}
	for activity := range expected {
		activities <- activity
	}
	close(activities)
	wg.Wait()
}

// runBriefly runs an activity for some milliseconds and says how it ended.
func runBriefly(box *sandbox.Sandbox, activity string) string {
	ctx, cancel := context.WithTimeout(context.Background(), roundDeadline)
	defer cancel()
	return ending(runRecovered(ctx, box, sandbox.Task{Activity: activity}))
}

// measure measures what there is while nothing runs. What is idle differs from round to
// round, so echo takes all the room first.
func measure(t *testing.T, box *sandbox.Sandbox) footprint {
	t.Helper()
	echo, ok := box.Lookup("Echo")
	if !ok {
		t.Fatal("there is no echo")
	}
	var instances []*sandbox.Instance
	for range roundGoroutines {
		instance, err := box.Executor().Acquire(t.Context(), echo.Module)
		if err != nil {
			t.Fatal(err)
		}
		instances = append(instances, instance)
	}
	for _, instance := range instances {
		box.Executor().Release(instance)
	}
	now := footprint{usage: image.Usage(), live: live(box), goroutines: goroutines(0)}
	debug.FreeOSMemory() // collects garbage too
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	now.heap, now.resident = stats.HeapAlloc, resident()
	return now
}

// goroutines returns how many there are, once there are as few as wanted or it is clear
// that there will not be: one that has ended, or trims idle instances, may still be seen
// for a moment.
func goroutines(wanted int) int {
	least := runtime.NumGoroutine()
	for end := time.Now().Add(3 * time.Second); wanted > 0 && least > wanted && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
		least = min(least, runtime.NumGoroutine())
	}
	return least
}

// resident returns how much of the process is in memory.
func resident() uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}
