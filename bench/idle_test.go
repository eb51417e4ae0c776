package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/bench/order"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// What BenchmarkIdle tells its child processes: the policy, and how many instances.
const (
	idleVariable  = "BENCH_IDLE"
	countVariable = "BENCH_IDLE_COUNT"
	guestVariable = "BENCH_IDLE_GUEST" // the module's path
)

// idleFor is longer than a pool waits until it takes memory back from idle instances.
const idleFor = 12 * time.Second

// BenchmarkIdle measures what idle instances of the Go guest hold that have served one
// call each: an operation is an instance, so use -benchtime 500x. Each policy is measured
// in a process of its own. Instances of the isolation reuse are made as fresh ones are,
// each by an initialization of its own, but are still there after the call.
func BenchmarkIdle(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("reads /proc/self/smaps_rollup")
	}
	module := guest(b, "go")
	for name, policy := range map[string]sandbox.Isolation{"pristine": sandbox.IsolationPristine, "fresh": sandbox.IsolationReuse} {
		b.Run(name, func(b *testing.B) {
			if b.N == 1 {
				return // the testing package only tries; a try takes as long as a measurement
			}
			kib := idleElsewhere(b, policy, module)
			b.ReportMetric(kib.Soon/float64(b.N), "KiB-soon/instance")
			b.ReportMetric(kib.Later/float64(b.N), "KiB/instance")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// idleElsewhere measures b.N instances of a module in a process of their own.
func idleElsewhere(b *testing.B, policy sandbox.Isolation, module string) (kib idleMemory) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), idleVariable+"="+string(policy), countVariable+"="+strconv.Itoa(b.N), guestVariable+"="+module, scratchVariable+"="+filepath.Dir(module))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatal(err)
	}
	if err := json.Unmarshal(out, &kib); err != nil {
		b.Fatal(err)
	}
	return kib
}

// idleMemory is what the instances hold, in KiB: while all of them are in a call, at once
// after it, and after a while without work.
type idleMemory struct{ Busy, Soon, Later float64 }

// idleChild makes the instances, prints what they hold, and returns the exit code.
func idleChild(policy sandbox.Isolation) int {
	n, err := strconv.Atoi(os.Getenv(countVariable))
	var result idleMemory
	if err == nil {
		result, err = idle(policy, n)
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(result)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func idle(policy sandbox.Isolation, n int) (held idleMemory, err error) {
	module, err := modules.Read(os.Getenv(guestVariable))
	if err != nil {
		return held, err
	}
	s, err := sandbox.New(sandbox.Config{
		Modules: []*modules.File{module}, Defaults: sandbox.Options{Isolation: policy},
		Limit: n, CacheDir: filepath.Join(scratch, "cache"),
	})
	if err != nil {
		return held, err
	}
	ctx := context.Background()
	if err := s.Compile(ctx); err != nil {
		return held, err
	}
	defer s.Close(ctx) //nolint:errcheck // the process ends
	before, err := memory()
	if err != nil {
		return held, err
	}
	var busy float64
	var failed error
	if err := errors.Join(useAll(ctx, s, n, func() { busy, failed = memory() }), failed); err != nil {
		return held, err
	}
	if got := s.Executor().(*sandbox.Pool).Stats().Idle; got != n {
		return held, fmt.Errorf("%d instances are idle, want %d", got, n)
	}
	soon, err := memory()
	if err != nil {
		return held, err
	}
	if policy == sandbox.IsolationPristine { // others have nothing that they could give back
		time.Sleep(idleFor)
	}
	later, err := memory()
	return idleMemory{busy - before, soon - before, later - before}, err
}

// useAll has n instances serve a call each: none may end before all of them have begun, and
// something is done while they are in it.
func useAll(ctx context.Context, s *sandbox.Sandbox, n int, meanwhile func()) error {
	input, err := json.Marshal(order.Sample())
	if err != nil {
		return err
	}
	var begun, ended sync.WaitGroup
	begun.Add(n)
	errs := make([]error, n)
	done := make(chan struct{})
	go func() {
		begun.Wait()
		meanwhile()
		close(done)
	}()
	for i := range n {
		ended.Go(func() {
			arrived := sync.OnceFunc(begun.Done)
			defer arrived() // also if it fails before
			_, errs[i] = s.Run(ctx, sandbox.Task{
				Activity: "Hold", Args: []sandbox.Payload{sandbox.NewPayload(abi.EncodingJSON, input)},
				Heartbeat: func(context.Context, []sandbox.Payload) error {
					arrived()
					<-done
					return nil
				},
			})
		})
	}
	ended.Wait()
	<-done
	return errors.Join(errs...)
}

// memory returns the proportional set size of this process in KiB, and what its memory
// files take: pages of an image count even if nobody has mapped them, and the others
// twice.
func memory() (float64, error) {
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return 0, err
	}
	var kib float64
	for line := range strings.Lines(string(text)) {
		if n, _ := fmt.Sscanf(line, "Pss: %f kB", &kib); n == 1 {
			break
		}
	}
	if kib == 0 {
		return 0, errors.New("smaps_rollup has no Pss")
	}
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0, err
	}
	for _, d := range descriptors {
		path := "/proc/self/fd/" + d.Name()
		if target, _ := os.Readlink(path); !strings.HasPrefix(target, "/memfd:") {
			continue
		}
		var stat syscall.Stat_t
		if err := syscall.Stat(path, &stat); err != nil {
			return 0, err
		}
		kib += float64(stat.Blocks) / 2
	}
	return kib, nil
}
