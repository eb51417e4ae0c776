package sandbox_test

import (
	"bytes"
	"context"
	binenc "encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// seeds are the modules that mutants are made of.
func seeds(t *testing.T) map[string][]byte {
	t.Helper()
	list := map[string][]byte{}
	for _, directory := range []string{"wat", "hostile"} {
		paths, err := filepath.Glob(filepath.Join("..", "..", "testdata", directory, "*.wasm"))
		if err != nil || len(paths) < 10 {
			t.Fatalf("%d modules, %v", len(paths), err)
		}
		for _, path := range paths {
			if list[filepath.Base(path)], err = os.ReadFile(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	return list
}

// codeOf returns where the section of code begins, or 8.
func codeOf(binary []byte) int {
	for at := 8; at < len(binary); {
		size, n := binenc.Uvarint(binary[at+1:])
		if binary[at] == sectionCode {
			return at + 1 + n
		}
		at += 1 + n + int(size)
	}
	return 8
}

// mutate changes a binary in some places, most often a byte of the code: elsewhere there
// are mostly names and sizes, and whatever happens to those refuses the module.
func mutate(r *rand.Rand, binary, other []byte) []byte {
	out, from := slices.Clone(binary), 8
	if r.IntN(4) > 0 {
		from = codeOf(binary)
	}
	at := func() int { return min(from, len(out)-8) + r.IntN(len(out)-min(from, len(out)-8)) }
	for range 1 + r.IntN(2) {
		if len(out) < 16 {
			break
		}
		switch i := at(); r.IntN(32) {
		case 0:
			out = out[:i]
		case 1:
			out = slices.Delete(out, i, min(i+1+r.IntN(4), len(out)))
		case 2:
			out = slices.Insert(out, i, byte(r.Uint32()))
		case 3: // a part of another module
			part := other[8+r.IntN(len(other)-8):]
			copy(out[i:], part[:min(1+r.IntN(16), len(part))])
		case 4: // a part once more, elsewhere
			copy(out[i:], bytes.Clone(out[at():]))
		case 5: // a number that is larger than any
			copy(out[i:], []byte{0xff, 0xff, 0xff, 0xff, 0x0f})
		case 6, 7, 8, 9, 10, 11:
			out[i] = []byte{0, 1, 0x40, 0x7f, 0x80, 0xff, 0x0b, 0x10, 0x41}[r.IntN(9)]
		case 12, 13, 14, 15, 16, 17:
			out[i] ^= 1 << r.IntN(8)
		case 18, 19, 20, 21, 22, 23, 24:
			out[i] += byte(1 - 2*r.IntN(2))
		default:
			out[i] = byte(r.Uint32())
		}
	}
	return out
}

// Thousands of mutants of the modules of testdata, the same ones in every run: each is
// refused, or its activities end like those of any module, and nothing of it is left.
func TestHostileMutants(t *testing.T) {
	count, workers := 10_000, runtime.GOMAXPROCS(0)
	if testing.Short() {
		count = 1000
	}
	sandbox.SetTrialTimeout(t, 20*time.Millisecond)
	modules := seeds(t)
	var names []string
	for name := range modules {
		names = append(names, name)
	}
	slices.Sort(names)
	usage := image.Usage()
	var mu sync.Mutex
	var wg sync.WaitGroup
	refused, served, ran := 0, 0, map[string]int{}
	for w := range workers {
		wg.Go(func() {
			for n := w; n < count; n += workers {
				r := rand.New(rand.NewPCG(1, uint64(n)))
				name := names[r.IntN(len(names))]
				m := &mutant{name: name, number: n, binary: mutate(r, modules[name], modules[names[r.IntN(len(names))]])}
				m.policy = []sandbox.Isolation{sandbox.IsolationFresh, sandbox.IsolationPristine, sandbox.IsolationReuse}[n%3]
				ok := m.live(t)
				mu.Lock()
				if ok {
					served++
				} else {
					refused++
				}
				for _, end := range m.ends {
					ran[end]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("%d mutants were refused, %d were served; activities ended with %v", refused, served, ran)
	if served < count/20 || refused < count/20 {
		t.Errorf("%d mutants were refused and %d served: that tests too little of the one or the other", refused, served)
	}
	if n := ran[errHostPanic.Error()]; n > 0 {
		t.Errorf("%d mutants made the host panic", n)
	}
	equal(t, "what is left", image.Usage(), usage)
}

type mutant struct {
	name   string // of the module that it was made of
	number int
	binary []byte
	policy sandbox.Isolation
	ends   []string
}

// live takes a mutant through its life. It returns false if it was refused.
func (m *mutant) live(t *testing.T) bool {
	started := time.Now()
	defer func() {
		if took := time.Since(started); took > time.Minute {
			t.Errorf("mutant %d, of %s, took %v", m.number, m.name, took)
		}
	}()
	file, err := modules.Parse("mutant", m.binary)
	if err != nil {
		m.check(t, err.Error())
		return false
	}
	hello := func(context.Context, *passthrough.Call, []byte) ([]byte, error) { return []byte("hello"), nil }
	set, err := passthrough.NewSet(passthrough.Module{Name: "greeter", Functions: map[string]passthrough.Func{"hello": hello}})
	if err != nil {
		t.Error(err)
		return false
	}
	box, err := sandbox.New(sandbox.Config{
		Modules: []*modules.File{file}, Passthrough: set, Limit: 1,
		Defaults: sandbox.Options{Isolation: m.policy, Passthrough: []string{"greeter"}, MemoryLimit: 24 << 20},
	})
	if err != nil && file.Kind == modules.KindCommand && m.policy == sandbox.IsolationReuse {
		return false
	}
	if err != nil {
		m.check(t, err.Error())
		return false
	}
	defer func() {
		if err := box.Close(context.Background()); err != nil {
			t.Errorf("mutant %d, of %s: %v", m.number, m.name, err)
		}
		if n := live(box); n != 0 && !slices.Contains(m.ends, errHostPanic.Error()) {
			t.Errorf("mutant %d, of %s: %d instances are left", m.number, m.name, n)
		}
	}()
	if err := box.Compile(context.Background()); err != nil {
		m.check(t, err.Error())
		return false
	}
	for i, activity := range box.Activities() {
		if i == 5 {
			break
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		err := runRecovered(ctx, box, sandbox.Task{Activity: activity.Type, Args: []sandbox.Payload{jsonPayload(`"x"`)}})
		cancel()
		var failed *abi.Failure
		var interrupted *sandbox.InterruptedError
		var canceled *sandbox.CanceledError
		switch {
		case errors.Is(err, errHostPanic):
			m.ends = append(m.ends, errHostPanic.Error())
			t.Logf("mutant %d, of %s: %v", m.number, m.name, err)
		case err == nil:
			m.ends = append(m.ends, "a result")
		case errors.As(err, &failed):
			m.ends = append(m.ends, failed.Type)
			m.check(t, failed.Message)
		case errors.As(err, &interrupted):
			m.ends = append(m.ends, "an interruption")
		case errors.As(err, &canceled):
			m.ends = append(m.ends, "a cancellation")
		default:
			t.Errorf("mutant %d, of %s: %T %v", m.number, m.name, err, err)
		}
	}
	if n := stats(box).InUse; n != 0 {
		t.Errorf("mutant %d, of %s: %d instances are in use", m.number, m.name, n)
	}
	return true
}

// check checks that a message does not come out of the depths of the host.
func (m *mutant) check(t *testing.T, text string) {
	for _, bad := range []string{".go:", "goroutine", "compiler failed", "index out of range", "slice bounds", "BUG"} {
		if strings.Contains(text, bad) {
			t.Errorf("mutant %d, of %s: %.500s", m.number, m.name, text)
			return
		}
	}
	if len(text) > 4<<10 {
		t.Errorf("mutant %d, of %s: a message of %d bytes: %.300q", m.number, m.name, len(text), text)
	}
}

// Every module of testdata, cut off at each of its bytes.
func TestHostileTruncations(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 31
	}
	sandbox.SetTrialTimeout(t, 20*time.Millisecond)
	for name, binary := range seeds(t) {
		for n := 0; n < len(binary); n += step {
			box, err := loadQuietly("truncated", binary[:n], sandbox.Config{})
			if err == nil { // it was cut off between sections, and what is left is a module
				if err := box.Close(context.Background()); err != nil {
					t.Error(err)
				}
				if kind := binary[n]; kind != sectionData && kind != 0 {
					t.Errorf("%s is served without its last %d bytes", name, len(binary)-n)
				}
			} else if len(err.Error()) > 2<<10 {
				t.Errorf("%s, %d bytes of it: a message of %d bytes", name, n, len(err.Error()))
			}
		}
	}
}
