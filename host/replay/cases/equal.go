package cases

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// JSON is compared by its value: whole numbers exactly, others by their nearest float64,
// since languages write the same one in several ways.
func equal(got, want *node) bool {
	if got.kind != want.kind {
		return false
	}
	switch got.kind {
	case kindNumber:
		return got.text == want.text || sameNumber(got.text, want.text)
	case kindList:
		return slices.EqualFunc(got.items, want.items, equal)
	case kindMap:
		return len(got.keys) == len(want.keys) && contains(got, want, equal)
	}
	return got.text == want.text
}

// contains tells whether all of the keys that want has are those of got, by the
// comparison.
func contains(got, want *node, same func(got, want *node) bool) bool {
	for i, key := range want.keys {
		if value := got.get(key); value == nil || !same(value, want.items[i]) {
			return false
		}
	}
	return true
}

// subset tells whether want is a part of got: maps may have more keys; lists and scalars
// are equal, but for the maps in the lists.
func subset(got, want *node) bool {
	switch {
	case got.kind != want.kind:
		return false
	case got.kind == kindMap:
		return contains(got, want, subset)
	case got.kind == kindList:
		return slices.EqualFunc(got.items, want.items, subset)
	}
	return equal(got, want)
}

func sameNumber(a, b string) bool {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX != nil || errY != nil || x != y {
		return false
	}
	// 1e999999999 exactly would take all memory
	if len(a) > 40 || len(b) > 40 || strings.ContainsAny(a+b, "eE") {
		return true
	}
	p, okP := new(big.Rat).SetString(a)
	q, okQ := new(big.Rat).SetString(b)
	return okP && okQ && (p.Cmp(q) == 0 || !p.IsInt() && !q.IsInt())
}
