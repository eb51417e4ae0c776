package cases

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// equal compares JSON by value. Whole numbers are compared exactly. Other numbers are
// compared as float64, because languages write the same number in several ways.
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

// contains reports whether got has all keys of want, with the same values by the given
// comparison.
func contains(got, want *node, same func(got, want *node) bool) bool {
	for i, key := range want.keys {
		if value := got.get(key); value == nil || !same(value, want.items[i]) {
			return false
		}
	}
	return true
}

// subset reports whether want is a part of got. Maps of got may have more keys, also maps
// inside lists. Lists must have the same length, and scalars must be equal.
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
	// An exact value of 1e999999999 would take all memory.
	if len(a) > 40 || len(b) > 40 || strings.ContainsAny(a+b, "eE") {
		return true
	}
	p, okP := new(big.Rat).SetString(a)
	q, okQ := new(big.Rat).SetString(b)
	return okP && okQ && (p.Cmp(q) == 0 || !p.IsInt() && !q.IsInt())
}
