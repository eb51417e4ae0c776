package main

import (
	"cmp"
	"errors"
	"log/slog"
	"math"
	"slices"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/dustin/go-humanize"

	"github.com/wasmworker/wasmworker/host/sandbox"
)

// memory is how much memory the process may have, in bytes. 0 means that it is unknown,
// or that there is no limit.
type memory struct {
	container uint64 // by the tightest of its cgroups
	physical  uint64
}

// readMemory asks the system for the limits. The error is about the cgroups.
func readMemory() (m memory, err error) {
	m.container, err = memlimit.FromCgroup()
	if errors.Is(err, memlimit.ErrNoLimit) || errors.Is(err, memlimit.ErrNoCgroup) || errors.Is(err, memlimit.ErrCgroupsNotSupported) {
		err = nil
	}
	if physical, failed := memlimit.FromSystem(); failed == nil {
		m.physical = physical
	}
	return m, err
}

// minRoom is how many bytes --total-memory-limit auto leaves at least to the process
// itself: the program, compiled code, and payloads. A worker with two modules of 4 MB
// from standard Go takes 120 MiB, and 260 MiB while it compiles them.
const minRoom = 256 << 20

// auto returns the limit for all instances together that --total-memory-limit auto means,
// and the source of the limit.
func (m memory) auto() (limit uint64, source string, err error) {
	of, source := m.container, "the memory limit of the container (cgroup)"
	if of == 0 || m.physical > 0 && m.physical < of {
		of, source = m.physical, "the physical memory"
	}
	if of == 0 {
		return 0, "", usagef("--total-memory-limit auto: this system tells neither a limit nor how much memory it has; name a size, such as 2GiB")
	}
	room := max(of/4, minRoom)
	if of <= room {
		return 0, "", usagef("--total-memory-limit auto: %s is %s, which leaves nothing for guests beside the %s for the worker itself; raise it, or name a size",
			source, humanize.IBytes(of), humanize.IBytes(room))
	}
	return of - room, source + " of " + humanize.IBytes(of), nil
}

// resolve returns the limit in bytes, or 0 for none.
func (b totalBytesFlag) resolve(logger *slog.Logger) (uint64, error) {
	if b != autoBytes {
		return uint64(b), nil
	}
	m, err := readMemory()
	if err != nil {
		return 0, usagef("--total-memory-limit auto: the memory limit of the container cannot be read: %w; name a size, such as 2GiB", err)
	}
	limit, source, err := m.auto()
	if err == nil {
		logger.Info("total_memory_limit auto", "total_memory_limit", humanize.IBytes(limit), "from", source)
	}
	return limit, err
}

// warnOfMemory logs a warning if the instances together may need more memory than the
// container has. That would end the process and all activities in it.
func (m memory) warnOfMemory(logger *slog.Logger, total uint64, slots int, modules []*sandbox.Module) {
	if m.container == 0 {
		return
	}
	if total > m.container {
		logger.Warn("total_memory_limit is more than the memory limit of this container, so the system may kill the worker; lower it, or use auto",
			"total_memory_limit", humanize.IBytes(total), "container", humanize.IBytes(m.container))
		return
	}
	if most := mostMemory(slots, demands(modules)); total == 0 && most > m.container {
		text := "no limit"
		if most < math.MaxUint64 {
			text = humanize.IBytes(most)
		}
		logger.Warn("the instances of all modules may come to have more memory than this container, so the system may kill the worker; "+
			"use --total-memory-limit auto, or lower max_concurrent_activities, max_instances or memory_limit",
			"instances", text, "container", humanize.IBytes(m.container))
	}
}

// demand is how much memory a module can ask for: the limit of each instance, and the
// number of instances if it is less than the worker's slots.
type demand struct {
	limit     uint64
	instances int // 0 means as many as there are slots
}

func demands(modules []*sandbox.Module) (all []demand) {
	for _, m := range modules {
		all = append(all, demand{m.MemoryLimit(), m.Options().MaxInstances})
	}
	return all
}

// mostMemory returns the most memory, in bytes, that the instances of the modules can
// have together in that many slots. Without a limit of slots it is math.MaxUint64.
func mostMemory(slots int, modules []demand) (most uint64) {
	if slots <= 0 {
		return math.MaxUint64
	}
	for _, m := range slices.SortedFunc(slices.Values(modules), func(a, b demand) int { return cmp.Compare(b.limit, a.limit) }) {
		n := slots
		if m.instances > 0 {
			n = min(n, m.instances)
		}
		most += uint64(n) * m.limit
		slots -= n
	}
	return most
}
