// Command guest is a module with state in every place that Go has for it: data segment, bss,
// heap, maps, goroutine stacks. It is built as a reactor (wasip1, c-shared).
package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
)

type order struct {
	ID    string            `json:"id"`
	Items []item            `json:"items"`
	Notes map[string]string `json:"notes"`
}

type item struct {
	Name  string  `json:"name"`
	Count int     `json:"count"`
	Price float64 `json:"price"`
}

var (
	calls   uint32 = 1000 // in a data segment
	zeroed  uint32        // in bss
	seen    = map[string]int{"start": 1}
	history []string
	ballast [][]byte
)

func init() { work(1); runtime.GC() }

// work encodes and decodes JSON, as an activity would.
func work(n uint32) int {
	in := order{ID: fmt.Sprint("order-", n), Notes: map[string]string{"k": "v"}}
	for i := range 10 {
		in.Items = append(in.Items, item{Name: fmt.Sprint("item ", i), Count: i, Price: 1.5})
	}
	data, err := json.Marshal(in)
	if err != nil {
		panic(err)
	}
	var out order
	if err := json.Unmarshal(data, &out); err != nil {
		panic(err)
	}
	return len(data) + len(out.Items)
}

// next does some work and returns how often it was called in this instance, as far as each
// place that keeps state knows: 0 when they disagree.
//
//go:wasmexport next
func next() uint32 {
	calls++
	zeroed++
	n := calls - 1000
	seen[fmt.Sprint("call ", n)] = int(n)
	history = append(history, strings.Repeat("x", int(n)))
	work(n)
	if zeroed != n || len(seen) != int(n)+1 || len(history) != int(n) {
		return 0
	}
	return n
}

// eat allocates and keeps mib MiB.
//
//go:wasmexport eat
func eat(mib uint32) uint32 {
	for range mib {
		b := make([]byte, 1<<20)
		for i := range b {
			b[i] = byte(i)
		}
		ballast = append(ballast, b)
	}
	return uint32(len(ballast))
}

// collect runs the garbage collector.
//
//go:wasmexport collect
func collect() { runtime.GC() }

func main() {}
