package wasm

import "fmt"

// MaxSize is how many bytes a module may have at most.
const MaxSize = 128 << 20

// The limits of what a compiler has to hold at once, or takes more than linear time for.
// Modules of a few kilobytes took it gigabytes and minutes before there were any. What
// real programs have is in docs/security.md: they are at a quarter of each, or less.
const (
	maxTypes          = 20_000
	maxTypesSquared   = 500_000_000 // at 2 ns each
	maxImports        = 10_000
	maxFunctions      = 300_000
	maxTables         = 100
	maxGlobals        = 150_000
	maxExports        = 400_000
	maxElements       = 1000    // segments
	maxElementEntries = 400_000 // of all segments: a runtime holds some 50 bytes for each, in every instance
	maxDataSegments   = 500_000

	maxBlocks      = 60_000 // of a function
	maxNesting     = 32_000 // of blocks: a large switch has one for each case
	maxLoopNesting = 64
	maxLabels      = 65_520 // of one br_table, as browsers have it
)

// Sizes are how much a module has of what is limited.
type Sizes struct {
	File uint64 // bytes

	Types, Imports, Functions, Tables, Globals, Exports uint64
	Elements, ElementEntries, DataSegments              uint64

	// TypesSquared adds the parameters and results of a type, multiplied by themselves: a
	// runtime makes a name of them, one after the other.
	TypesSquared uint64

	// Of the function that has most of it.
	Blocks, Nesting, LoopNesting, Labels uint64

	// Of all functions together.
	Locals uint64 // variables that are no parameters
	Values uint64 // that calls, blocks and branches carry
	// BlocksSquared adds the blocks of a function multiplied by themselves: what takes a
	// compiler quadratic time.
	BlocksSquared uint64
	// VariablesAndBranches adds the variables of a function, multiplied by its blocks and
	// branches: a compiler may have to merge each variable wherever paths join.
	VariablesAndBranches uint64
	// VariablesInLoops adds the variables of a function, multiplied by its loops, of
	// which each counts as often as it has loops around it.
	VariablesInLoops uint64
}

// A Limit is a limit of a module's sizes, and how much of that the module has.
type Limit struct {
	What       string
	Has, Limit uint64
	Relative   bool // to the size of the file
}

// Limits returns all limits for a module of these sizes. Those that are relative have a
// least value, for small files.
func (s *Sizes) Limits() []Limit {
	relative := func(what string, has, factor, least uint64) Limit {
		return Limit{what, has, max(factor*s.File, least), true}
	}
	fixed := func(what string, has, limit uint64) Limit { return Limit{what, has, limit, false} }
	return []Limit{
		fixed("bytes", s.File, MaxSize),
		fixed("types", s.Types, maxTypes),
		fixed("parameters and results of each type, squared", s.TypesSquared, maxTypesSquared),
		fixed("imports", s.Imports, maxImports),
		fixed("functions", s.Functions, maxFunctions),
		fixed("tables", s.Tables, maxTables),
		fixed("globals", s.Globals, maxGlobals),
		fixed("exports", s.Exports, maxExports),
		fixed("element segments", s.Elements, maxElements),
		fixed("entries of element segments", s.ElementEntries, maxElementEntries),
		fixed("data segments", s.DataSegments, maxDataSegments),
		fixed("blocks in one function", s.Blocks, maxBlocks),
		fixed("blocks within each other", s.Nesting, maxNesting),
		fixed("loops within each other", s.LoopNesting, maxLoopNesting),
		fixed("labels in one br_table", s.Labels, maxLabels),
		relative("local variables", s.Locals, 1, 64<<10),
		relative("values carried by calls, blocks and branches", s.Values, 1, 64<<10),
		relative("blocks of each function, squared,", s.BlocksSquared, 200, 4<<20),
		relative("variables of each function, times its blocks and branches,", s.VariablesAndBranches, 8, 512<<10),
		relative("variables of each function, times its loops,", s.VariablesInLoops, 1, 2<<20),
	}
}

// within returns an error if the module has too much of something.
func (s *Sizes) within() error {
	for _, l := range s.Limits() {
		switch {
		case l.Has <= l.Limit:
		case l.Relative:
			return fmt.Errorf("the module has %d %s together; at most %d are supported in a file of %d bytes", l.Has, l.What, l.Limit, s.File)
		default:
			return fmt.Errorf("the module has %d %s; at most %d are supported", l.Has, l.What, l.Limit)
		}
	}
	return nil
}
