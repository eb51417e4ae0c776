package wasip1_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/host/internal/wasip1"
	"github.com/wasmworker/wasmworker/host/passthrough/wasi"
)

// Without a policy, all is real.
func TestReal(t *testing.T) {
	units := func() int64 { return 0 }
	if wasip1.NewVirtualClock(wasi.Clock{}, wasip1.Activity, units) != nil || wasip1.NewStream(wasi.Random{}, wasip1.Activity) != nil {
		t.Error("something is virtual without a policy")
	}
}

func TestVirtual(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	units := int64(0)
	policy := wasi.Clock{Start: start}
	made, v := wasip1.NewVirtualClock(policy, wasip1.Initialization, func() int64 { return units }), wasip1.NewVirtualClock(policy, wasip1.Activity, func() int64 { return units })
	if v.Walltime() != start.UnixNano() || made.Walltime() != v.Walltime() {
		t.Error(v.Walltime(), made.Walltime())
	}
	if made.Nanotime() <= 0 || v.Nanotime() <= made.Nanotime() {
		t.Errorf("the monotonic clocks begin at %d and %d", made.Nanotime(), v.Nanotime())
	}
	wall, mono := v.Walltime(), v.Nanotime()
	units = 1000
	v.Sleep(time.Second)
	v.Sleep(-time.Hour)
	if want := int64(time.Second) + 1000; v.Walltime()-wall != want || v.Nanotime()-mono != want || made.Walltime()-wall != 1000 {
		t.Error(v.Walltime()-wall, v.Nanotime()-mono, made.Walltime()-wall)
	}
	v.Sleep(math.MaxInt64)
	v.Sleep(math.MaxInt64)
	if v.Walltime() != math.MaxInt64 || v.Nanotime() != math.MaxInt64 {
		t.Error(v.Walltime(), v.Nanotime())
	}
}

// The streams are these for good: tests of others depend on them.
func TestStream(t *testing.T) {
	draw := func(seed int64, phase wasip1.Phase, pieces ...int) []byte {
		stream, all := wasip1.NewStream(wasi.Random{Seed: &seed}, phase), []byte(nil)
		for _, n := range pieces {
			piece := make([]byte, n)
			stream.Read(piece) //nolint:errcheck // never fails
			all = append(all, piece...)
		}
		return all
	}
	seen := map[string]bool{}
	for _, seed := range []int64{0, 1, -1, 42} {
		for _, phase := range []wasip1.Phase{wasip1.Initialization, wasip1.Activity} {
			whole := draw(seed, phase, 100)
			if !bytes.Equal(whole, draw(seed, phase, 1, 2, 3, 0, 94)) {
				t.Error("it depends on the size of the pieces")
			}
			seen[string(whole)] = true
		}
	}
	if len(seen) != 8 {
		t.Errorf("%d streams differ", len(seen))
	}
	if got := hex.EncodeToString(draw(42, wasip1.Activity, 16)); got != "8a06630f668df3178e5e4692b68ff410" {
		t.Errorf("the stream is %s", got)
	}
}
