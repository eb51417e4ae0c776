package spectest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/host/internal/wasm"
)

// value is an argument or a result. Numbers are decimal, of the bits; those of vectors
// are several.
type value struct {
	Type     string          `json:"type"`
	LaneType string          `json:"lane_type"`
	Value    json.RawMessage `json:"value"`
}

// lane is a number and how many bits it has. What is NaN is any, or the canonical one.
type lane struct {
	text string
	bits int
	kind string
}

func (v value) lanes() ([]lane, error) {
	kind, texts := v.Type, []string{}
	if v.Type == "v128" {
		kind = v.LaneType
		if err := json.Unmarshal(v.Value, &texts); err != nil {
			return nil, err
		}
	} else {
		var text string
		if err := json.Unmarshal(v.Value, &text); err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	bits := 64
	if n, err := strconv.Atoi(kind[1:]); err == nil {
		bits = n
	}
	var lanes []lane
	for _, text := range texts {
		lanes = append(lanes, lane{text, bits, kind})
	}
	return lanes, nil
}

// number returns the bits of a lane.
func (l lane) number() (uint64, error) {
	switch {
	case l.text == "null":
		return 0, nil
	case l.kind == "externref":
		n, err := strconv.ParseUint(l.text, 10, 64)
		return n + 1, err // wazero takes 0 for null
	}
	return strconv.ParseUint(l.text, 10, l.bits)
}

// encode makes wazero's arguments of values.
func encode(values []value) (args []uint64, err error) {
	for _, v := range values {
		lanes, err := v.lanes()
		if err != nil {
			return nil, err
		}
		words := make([]uint64, max(1, len(lanes)*lanes[0].bits/64))
		for i, l := range lanes {
			n, err := l.number()
			if err != nil {
				return nil, err
			}
			words[i*l.bits/64] |= n << (i * l.bits % 64)
		}
		args = append(args, words...)
	}
	return args, nil
}

// compare checks results.
func compare(results []uint64, types []api.ValueType, want []value) error {
	for i, v := range want {
		lanes, err := v.lanes()
		if err != nil {
			return err
		}
		if i >= len(types) {
			return fmt.Errorf("%d results instead of %d", len(types), len(want))
		}
		words := 1
		if types[i] == wasm.V128 {
			words = 2
		}
		if len(results) < words {
			return fmt.Errorf("there are too few results")
		}
		for j, l := range lanes {
			got := results[j*l.bits/64] >> (j * l.bits % 64)
			if l.bits < 64 {
				got &= 1<<l.bits - 1
			}
			if err := l.check(got); err != nil {
				return fmt.Errorf("result %d, number %d: %w", i, j, err)
			}
		}
		results = results[words:]
	}
	if len(results) > 0 {
		return fmt.Errorf("there are %d results too many", len(results))
	}
	return nil
}

// check compares a number with the lane.
func (l lane) check(got uint64) error {
	if !strings.HasPrefix(l.text, "nan:") {
		if want, err := l.number(); err != nil || got != want {
			return fmt.Errorf("%#x instead of %s (%v)", got, l.text, err)
		}
		return nil
	}
	quiet, sign := uint64(0x7fc00000), uint64(1)<<31
	if l.bits == 64 {
		quiet, sign = 0x7ff8<<48, 1<<63
	}
	if l.text == "nan:canonical" && got&^sign != quiet || got&quiet != quiet {
		return fmt.Errorf("%#x instead of %s", got, l.text)
	}
	return nil
}

// declaredMaximum returns the maximum of a module's memory, in bytes.
func declaredMaximum(binary []byte) (uint64, bool) {
	m, err := wasm.Parse(binary)
	if err != nil || len(m.Memories) == 0 {
		return 0, false
	}
	return m.Memories[0].Max * wasm.PageSize, m.Memories[0].HasMax
}
