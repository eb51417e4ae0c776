package sandbox_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// The data segments, which the host writes itself, are there as the specification says: in every
// instance of every policy, before the module's code runs, and again after a call changed them.
func TestDataSegments(t *testing.T) {
	want := make([]byte, 320)
	copy(want[100:], "aaaaaaaaaa")
	copy(want[95:], "bbbbbbbb")
	copy(want[110:], "c\x00d")
	copy(want[10:], "0123456789")
	copy(want[300:], "e")
	for _, policy := range []sandbox.Policy{sandbox.PolicyFresh, sandbox.PolicyPristine} {
		s := startOne(t, "dirty", sandbox.Options{Policy: policy})
		for range 3 {
			equal(t, "data of policy "+string(policy), text(run(t, s, "Read")), string(want))
			run(t, s, "Dirty")
		}
	}
}

// An instance that has grown to the maximum that its module declares is set back like any other.
func TestPristineAtTheMaximum(t *testing.T) {
	s := startOne(t, "dirty", sandbox.Options{Policy: sandbox.PolicyPristine})
	for range 3 {
		equal(t, "pages before", text(run(t, s, "Grow")), string(rune(48+32)))
		equal(t, "live instances", live(s), 1)
	}
	_, err := s.Run(t.Context(), sandbox.Task{Activity: "TooMuch"})
	if f := failure(t, err, abi.TypeOutOfMemory); !strings.Contains(f.Message, "the maximum of 3 MiB that it declares") {
		t.Error(f.Message)
	}
}

// An idle instance gives back what it does not share, and then does its work as before.
func TestIdleInstancesGiveMemoryBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := copies(t, "dirty", sandbox.Options{Policy: sandbox.PolicyPristine}, "a", "b")
		s := start(t, cfg)
		pool := s.Executor().(*sandbox.Pool)
		before := text(run(t, s, "a.Read"))
		for range 3 {
			run(t, s, "a.Dirty")
			time.Sleep(sandbox.TrimAfter / 2)
			run(t, s, "b.Dirty")
			both := pool.Private()
			time.Sleep(sandbox.TrimAfter/2 + 1)
			synctest.Wait()
			one := pool.Private()
			time.Sleep(sandbox.TrimAfter)
			synctest.Wait()
			if none := pool.Private(); both < 2<<20 || one >= both || one < 1<<20 || none != 0 {
				t.Errorf("idle instances have %d bytes for themselves, %d when the first has been idle for long, %d in the end", both, one, none)
			}
			equal(t, "data", text(run(t, s, "a.Read")), before)
			equal(t, "live instances", live(s), 2)
		}
	})
}

// The limit of all instances together closes idle ones first, then refuses to make more, and
// what is refused may be tried again later.
func TestTotalMemoryLimit(t *testing.T) {
	// Two modules of 2 MiB: an image of each, and instances of which one more fits at a time.
	cfg := copies(t, "dirty", sandbox.Options{Policy: sandbox.PolicyPristine}, "a", "b")
	cfg.MemoryLimit = 4<<20 + 2<<20 + 1<<20
	s := start(t, cfg)
	for range 2 {
		run(t, s, "a.Read")
		run(t, s, "b.Read")
		equal(t, "live instances", live(s), 1)
	}
	// A guest that asks for more is told that it is not its own limit which it has reached.
	_, err := s.Run(t.Context(), sandbox.Task{Activity: "a.TooMuch"})
	if f := failure(t, err, abi.TypeOutOfMemory); !strings.Contains(f.Message, "declares") { // its own comes first
		t.Error(f.Message)
	}
	run(t, s, "a.Grow") // it is refused one MiB, and traps
}

// A limit that has no room for the images of all modules refuses to start.
func TestTotalMemoryLimitTooSmall(t *testing.T) {
	cfg := copies(t, "dirty", sandbox.Options{}, "a", "b")
	cfg.MemoryLimit = 5 << 20
	s, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	if err := s.Compile(t.Context()); !errors.Is(err, sandbox.ErrMemoryLimit) {
		t.Errorf("Compile: %v", err)
	}
}

// While the memory is in use, an activity of another module fails, to be retried.
func TestTotalMemoryLimitInUse(t *testing.T) {
	cfg := copies(t, "dirty", sandbox.Options{Policy: sandbox.PolicyPristine}, "a", "b")
	cfg.MemoryLimit = 7 << 20
	s := start(t, cfg)
	instance, err := s.Executor().Acquire(t.Context(), s.Modules()[0])
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Run(t.Context(), sandbox.Task{Activity: "b.Read"})
	f := failure(t, err, abi.TypeNoInstance)
	if f.NonRetryable || !strings.Contains(f.Message, "6 MiB of 7 MiB are taken") {
		t.Errorf("%+v", f)
	}
	s.Executor().Release(instance)
	run(t, s, "b.Read")
}
