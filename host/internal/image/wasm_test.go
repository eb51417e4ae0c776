package image

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// Ids of sections (WebAssembly Core Specification 2.0, 5.5.2).
const (
	sectionMemory = 5
	sectionGlobal = 6
	sectionExport = 7
	sectionStart  = 8
	sectionData   = 11
)

// rewrite returns a module with the body of one section replaced by what change makes of
// it. A section that is not there is added where it belongs.
func rewrite(wasm []byte, id byte, change func(body []byte) []byte) []byte {
	out := slices.Clone(wasm[:8])
	done := false
	put := func(id byte, body []byte) {
		out = append(binary.AppendUvarint(append(out, id), uint64(len(body))), body...)
	}
	for rest := wasm[8:]; len(rest) > 0; {
		n, k := binary.Uvarint(rest[1:])
		at, body := rest[0], rest[1+k:][:n]
		rest = rest[1+k+int(n):]
		if !done && at > id && at != 12 {
			put(id, change(nil))
			done = true
		}
		if at == id {
			body, done = change(body), true
		}
		put(at, body)
	}
	if !done {
		put(id, change(nil))
	}
	return out
}

// withMemory returns a module with other limits of memory, in wasm pages; less than 0: no
// maximum.
func withMemory(wasm []byte, least, most int) []byte {
	return rewrite(wasm, sectionMemory, func([]byte) []byte {
		if most < 0 {
			return binary.AppendUvarint([]byte{1, 0}, uint64(least))
		}
		return binary.AppendUvarint(binary.AppendUvarint([]byte{1, 1}, uint64(least)), uint64(most))
	})
}

// withStart returns a module with a function that runs at instantiation.
func withStart(wasm []byte, function uint64) []byte {
	return rewrite(wasm, sectionStart, func([]byte) []byte { return binary.AppendUvarint(nil, function) })
}

// withGlobals returns a module that exports its first n globals as g0, g1, …
func withGlobals(wasm []byte, n int) []byte {
	return rewrite(wasm, sectionExport, func(body []byte) []byte {
		count, k := binary.Uvarint(body)
		out := append(binary.AppendUvarint(nil, count+uint64(n)), body[k:]...)
		for i := range n {
			name := fmt.Sprint("g", i)
			out = append(binary.AppendUvarint(out, uint64(len(name))), name...)
			out = binary.AppendUvarint(append(out, 3), uint64(i))
		}
		return out
	})
}

// withoutData returns a module with every active data segment emptied; indices stay.
func withoutData(wasm []byte) []byte {
	return rewrite(wasm, sectionData, func(body []byte) []byte {
		count, k := binary.Uvarint(body)
		out := binary.AppendUvarint(nil, count)
		rest := body[k:]
		for range count {
			if rest[0] != 0 || rest[1] != 0x41 {
				panic("only i32.const offsets are known here")
			}
			end := 2
			for rest[end]&0x80 != 0 {
				end++
			}
			end += 2 // the number's last byte, and end
			out = append(append(out, rest[:end]...), 0)
			n, k := binary.Uvarint(rest[end:])
			rest = rest[end+k+int(n):]
		}
		return out
	})
}

func stateModule(t testing.TB) []byte {
	t.Helper()
	wasm, err := os.ReadFile("testdata/state.wasm")
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// goGlobals is how many globals Go's linker makes: the stack pointer and the registers of
// its virtual machine (cmd/link/internal/wasm).
const goGlobals = 8

var goGuest = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "image")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", out, "./testdata/guest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, text.String())
	}
	wasm, err := os.ReadFile(out)
	return withGlobals(wasm, goGlobals), err
})

func goModule(t testing.TB) []byte {
	t.Helper()
	wasm, err := goGuest()
	if err != nil {
		t.Fatalf("the Go guest could not be built: %v", err)
	}
	return wasm
}
