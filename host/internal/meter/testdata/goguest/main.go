// A Go guest: kernels for the benchmarks, and the largest module of the tests.
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared
package main

import (
	"crypto/sha256"
	"encoding/json"
	"hash/fnv"
	"regexp"
	"slices"
	"strings"
)

func main() {}

type item struct {
	ID    int            `json:"id"`
	Name  string         `json:"name"`
	Tags  []string       `json:"tags"`
	Price float64        `json:"price"`
	Attr  map[string]int `json:"attr"`
}

var (
	document []byte
	address  = regexp.MustCompile(`([a-z]+)@([a-z]+)\.(com|org|net)`)
	text     = strings.Repeat("lorem ipsum dolor sit amet foo@bar.com consectetur nobody@example elit baz@quux.org ", 50)
	data     = make([]byte, 200_000)
)

func init() {
	var items []item
	for i := range 50 {
		items = append(items, item{i, "name of the item", []string{"a", "bb", "ccc"}, float64(i) * 1.25, map[string]int{"x": i, "y": 2 * i}})
	}
	document, _ = json.Marshal(items)
}

//go:wasmexport go_json
func goJSON() uint32 {
	var items []item
	if err := json.Unmarshal(document, &items); err != nil {
		panic(err)
	}
	b, err := json.Marshal(items)
	if err != nil {
		panic(err)
	}
	return uint32(len(b))
}

//go:wasmexport go_small_json
func goSmallJSON() uint32 {
	var it item
	json.Unmarshal([]byte(`{"id":1,"name":"n","tags":["a"],"price":2.5}`), &it)
	b, _ := json.Marshal(it)
	return uint32(len(b))
}

//go:wasmexport go_sha256
func goSHA256() uint32 {
	s := sha256.Sum256(data)
	return uint32(s[0])<<8 | uint32(s[1])
}

//go:wasmexport go_sort
func goSort() uint32 {
	a := make([]int, 50_000)
	s := uint32(1)
	for i := range a {
		s = s*1664525 + 1013904223
		a[i] = int(s)
	}
	slices.Sort(a)
	return uint32(a[77])
}

//go:wasmexport go_regexp
func goRegexp() uint32 { return uint32(len(address.FindAllStringIndex(text, -1))) }

//go:wasmexport go_fnv
func goFNV() uint32 {
	h := fnv.New64a()
	h.Write(data)
	return uint32(h.Sum64())
}

func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

//go:wasmexport go_fib
func goFib() uint32 { return uint32(fib(25)) }
