package wasip1

import (
	"context"
	"errors"
	"io"
	"math"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/hostfunc"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
)

// Host is the call that a guest serves, as far as WASI needs it. Its methods are called
// from the guest's goroutine.
type Host interface {
	// Context ends when the guest is to be interrupted.
	Context() context.Context
	// Interrupted tells whether it is, after the host has worked on n more bytes for it.
	Interrupted(n int) bool
	// StopIfInterrupted ends the guest, by a panic, if it is to be interrupted.
	StopIfInterrupted()
	// Stdout and Stderr take what the guest writes.
	Stdout(p []byte) error
	Stderr(p []byte) error
	// Denied is told what a policy denied.
	Denied(capability string, denial *passthrough.Denial)
	// FilesOpen is told how many files are open, or are about to be. It returns ENOMEM if
	// there is no memory for them.
	FilesOpen(n int) error
	// FilesChanged is told of each change of a file or a directory in a replay, see
	// [OpenMounts].
	FilesChanged()
}

// Process is what a guest finds while it serves a call, or while its instance is being
// made. Nothing in it outlives that. It belongs to the guest's goroutine.
type Process struct {
	Name  string   // the first argument
	Args  []string // those after it, without zero bytes
	Stdin []byte   // what is left of it
	Clock Clock    // nil: the real one
	Drawn Drawn    // while its instance was being made

	host   Host
	phase  Phase
	random io.Reader // nil: real random numbers
	run    *Timeline // of a workflow; nil: the guest has none
	files  *FDTable  // nil: the module has no directories
}

// Begin makes proc a new process. Units returns how many units of computation it has
// used. It is to be closed. Mounts take the place of the system's own at the same paths;
// nil: they do not.
func (s *System) Begin(proc *Process, host Host, phase Phase, units func() int64, mounts *Mounts) {
	*proc = Process{
		Name: s.config.Name, Args: s.config.Args,
		host: host, phase: phase,
	}
	if s.config.Workflow && phase == Activity { // it follows its run's timeline
		return
	}
	// An interface of a nil pointer would not be nil.
	if clock := NewVirtualClock(s.config.Clock, phase, units); clock != nil {
		proc.Clock = clock
	}
	if stream := NewStream(s.config.Random, phase); stream != nil {
		proc.random = stream
	}
	if s.mounts == nil {
		return
	}
	if mounts == nil {
		mounts = s.mounts
	}
	proc.files = mounts.Begin(host.Interrupted, func() time.Time {
		host.FilesChanged()
		return proc.now()
	})
}

// Close closes what the process has open.
func (proc *Process) Close() error {
	if proc.files == nil {
		return nil
	}
	return proc.files.Close()
}

// now is the process's clock.
func (proc *Process) now() time.Time {
	if proc.Clock == nil {
		return time.Now()
	}
	return time.Unix(0, proc.Clock.Walltime())
}

// fileError tells the operator what was denied, and returns the number.
func (proc *Process) fileError(err error) abi.Errno {
	if err == nil {
		return 0
	}
	if denial, ok := errors.AsType[*passthrough.Denial](err); ok {
		proc.host.Denied(fsmod.Name, denial)
	}
	errno, _ := abi.ErrnoOf(err)
	return errno
}

// file returns the file of a descriptor.
func (proc *Process) file(fd uint64) (*File, error) { return proc.files.Get(uint32(fd)) }

// path copies a path of the guest's.
func (proc *Process) path(mod api.Module, ptr, length uint64) (string, error) {
	data, ok := bytesOf(mod, ptr, uint64(uint32(length)))
	if !ok {
		return "", abi.EFAULT
	}
	if len(data) > fsmod.MaxPath {
		return "", abi.ENAMETOOLONG
	}
	return string(data), nil
}

// at returns the directory and the path of a function that looks something up.
func (proc *Process) at(mod api.Module, fd, ptr, length uint64) (*File, string, error) {
	dir, err := proc.file(fd)
	if err != nil {
		return nil, "", err
	}
	name, err := proc.path(mod, ptr, length)
	return dir, name, err
}

// bytesOf returns the guest's own bytes, valid until the guest runs on.
func bytesOf(mod api.Module, ptr, length uint64) ([]byte, bool) {
	mem := hostfunc.Memory(mod)
	if mem == nil || length > math.MaxUint32 {
		return nil, false
	}
	return mem.Read(uint32(ptr), uint32(length))
}
