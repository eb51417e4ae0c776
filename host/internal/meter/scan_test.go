package meter

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/host/internal/wasm"
)

// TestScanFindsTheSameInstructions puts each instruction that the metering accepts before
// a block. The scan that limits what a compiler gets would miss that if it took the
// instruction for a longer or a shorter one.
func TestScanFindsTheSameInstructions(t *testing.T) {
	for _, s := range samples {
		imm, _ := hex.DecodeString(strings.ReplaceAll(s.immediates, " ", ""))
		first, _ := strconv.ParseInt(s.first, 16, 0)
		last, _ := strconv.ParseInt(s.last, 16, 0)
		for op := int(first); op <= int(last); op++ {
			instr := append(opcode(op), imm...)
			blocks := uint64(2)
			if op >= opBlock && op <= opIf {
				blocks = 3
			}
			m, err := wasm.Parse(withBody(slices.Concat(instr, []byte{opBlock, typeNone, opEnd, opEnd})))
			if err != nil || m.Sizes.Blocks != blocks {
				t.Errorf("% x: %+v, %v; want %d blocks", instr, m, err, blocks)
			}
		}
	}
}
