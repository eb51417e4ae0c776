package sandbox

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/image"
)

// What the runtime holds for an instance beside its memory (wazero 1.11).
const (
	tableEntry   = 10 // bytes: 8, and as much again as a table that grows is too large
	globalSize   = 80 // of a global
	elementEntry = 48 // of an entry of an element segment: a reference to a function, and that
)

// startBytes is what the host holds for an instance from its beginning on.
func (m *Module) startBytes() uint64 {
	return m.file.TableMin*tableEntry + m.file.Globals*globalSize + m.file.ElementEntries*elementEntry
}

// holdStart charges that.
func (m *Module) holdStart(memory *image.Memory) bool {
	return memory.Hold(image.Tables, m.file.TableMin*tableEntry) &&
		memory.Hold(image.Globals, m.file.Globals*globalSize) &&
		memory.Hold(image.Elements, m.file.ElementEntries*elementEntry)
}

// reserveTables charges for what the tables of an instance grow by, up to maxTable
// entries of all of them together.
func reserveTables(memory *image.Memory) func(entries int64) bool {
	return func(entries int64) bool {
		if entries < 0 {
			memory.Release(image.Tables, uint64(-entries)*tableEntry)
			return true
		}
		more := uint64(entries) * tableEntry
		return memory.Held(image.Tables)+more <= maxTable*tableEntry && memory.Hold(image.Tables, more)
	}
}

// hold charges n bytes that the host is to hold for the call. What it returns is for the
// guest.
func (c *call) hold(p image.Part, n int) error {
	if c.memory.Hold(p, uint64(n)) {
		return nil
	}
	return fmt.Errorf("%w: the host was to hold %d more bytes for the activity (%s), which are %s",
		abi.ENOMEM, n, p, c.module.refusal(c.memory.GrowFailure()))
}

// letGo gives them back.
func (c *call) letGo(p image.Part, n int) { c.memory.Release(p, uint64(n)) }

// MemoryUse is what the instances of a module have of one kind.
type MemoryUse struct {
	// Part names the kind: "memory" and "images" of the guests, and what the host holds
	// for them: "tables", "globals", "element segments", "open responses", "requests",
	// "output", "heartbeat details", "plugin memory", "plugin variables", "log records",
	// "open files" and "saved states".
	Part  string
	Bytes uint64
}

// MemoryUse returns what the module's instances have now, and the image that they begin
// with, by parts. Parts of which there is nothing are left out. All of it counts against
// Config.MemoryLimit, but for the first 64 KiB that the host holds for an instance.
func (m *Module) MemoryUse() []MemoryUse {
	var list []MemoryUse
	m.ledger.Each(func(p image.Part, bytes uint64) { list = append(list, MemoryUse{p.String(), bytes}) })
	return list
}

// holders says which modules have most of the budget, and of what.
func (b *memoryBudget) holders() string {
	type holder struct {
		bytes uint64
		text  string
	}
	var list []holder
	for _, m := range b.modules {
		h := holder{}
		var of []string
		for _, use := range m.MemoryUse() {
			h.bytes += use.Bytes
			of = append(of, fmt.Sprintf("%s %s", mebibytes(use.Bytes), use.Part))
		}
		if h.bytes > 0 {
			h.text = m.file.Name + ": " + strings.Join(of, ", ")
			list = append(list, h)
		}
	}
	slices.SortStableFunc(list, func(a, b holder) int { return cmp.Compare(b.bytes, a.bytes) })
	var texts []string
	for _, h := range list[:min(len(list), maxHolders)] {
		texts = append(texts, h.text)
	}
	if more := len(list) - maxHolders; more > 0 {
		texts = append(texts, fmt.Sprintf("%d more modules", more))
	}
	if texts == nil {
		return "by no module at the moment"
	}
	return strings.Join(texts, "; ")
}

// maxHolders is how many modules are named.
const maxHolders = 3
