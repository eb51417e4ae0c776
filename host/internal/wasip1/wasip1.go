// Package wasip1 is preview 1 of WASI as guests find it: the standard streams, clocks,
// random numbers, and the directories that a module was granted. Nothing else of the host
// is reachable by it.
//
// A [System] is what the guests of a module have in common, an [Instance] what wazero
// fixes when an instance is made, and a [Process] what one call finds. What would change
// the streams for the rest of an instance's life succeeds and does nothing: nobody could
// reset it for the next call.
package wasip1

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/hostfunc"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
	"github.com/wasmworker/wasmworker/host/passthrough/wasi"
)

// Config is what the guests of a module find. The zero value is a real clock, real random
// numbers, and nothing else.
type Config struct {
	Name   string      // the first argument
	Args   []string    // those after it
	Env    [][2]string // names and values
	Clock  wasi.Clock
	Random wasi.Random
	Files  *fsmod.Policy // validated; nil: there are no directories
	From   time.Time     // of the files, see [OpenMounts]
	// Workflow is for workflows: their processes follow a [Timeline] once they are
	// initialized, and descriptor 0 can be read when all else waits. Clock and Random are
	// those of the initialization, and there are no files.
	Workflow bool
}

// System is a Config whose directories are open. It can be used by several instances at
// once.
type System struct {
	config Config
	mounts *Mounts // nil: none
}

// New opens the directories. The system is to be closed.
func New(config Config) (*System, error) {
	s := &System{config: config}
	if config.Files == nil || len(config.Files.Mounts) == 0 {
		return s, nil
	}
	var err error
	s.mounts, err = OpenMounts(config.Files, config.From)
	return s, err
}

// Close closes the directories. No process may have files in them.
func (s *System) Close() error {
	if s.mounts == nil {
		return nil
	}
	return s.mounts.Close()
}

// Instance connects what is fixed when an instance is made with the process that runs in
// it at the moment.
type Instance struct{ process *Process }

// Attach makes proc the process of the moment.
func (i *Instance) Attach(proc *Process) { i.process = proc }

// Configure returns the configuration with what the system has for a further instance.
func (s *System) Configure(config wazero.ModuleConfig, i *Instance) wazero.ModuleConfig {
	config = config.WithStdout(i.stdout()).WithStderr(i.stderr())
	for _, env := range s.config.Env {
		config = config.WithEnv(env[0], env[1])
	}
	if s.config.Clock.Start.IsZero() {
		return config.WithSysWalltime().WithNanotime(monotonic, 1)
	}
	return config.
		WithWalltime(func() (int64, int32) {
			now := i.process.Clock.Walltime()
			return now / int64(time.Second), int32(now % int64(time.Second))
		}, 1).
		WithNanotime(func() int64 { return i.process.Clock.Nanotime() }, 1)
}

// fileFunc is a function of a module that has directories. What the descriptors are of
// belongs to the process, so that each finds the mounts and nothing else, whatever became
// of the instance before.
type fileFunc func(proc *Process, mod api.Module, p []uint64) error

// bareFunc is a function of a module that has none, or that is the same for both.
type bareFunc func(proc *Process, mod api.Module, p []uint64) abi.Errno

// function is a function that is not wazero's.
type function struct {
	signature string
	// bare is for modules without directories. Nil: wazero's.
	bare bareFunc
	// files is for modules with directories. Nil: bare is for them too.
	files fileFunc
	// stream is what files need not answer about a stream. [errOwn]: it does.
	stream error
}

var errOwn = errors.New("the function answers about streams itself")

// functions take the place of wazero's, which work for as long, or take as much of the
// host's memory, as the guest says, and do not look at the context; or panic where there
// is no file. Of a path they make a copy and clean it, of any length, before they look at
// the descriptor.
var functions = map[string]function{
	"args_get":                {"(i32, i32) -> i32", argsGet, nil, nil},
	"args_sizes_get":          {"(i32, i32) -> i32", argsSizes, nil, nil},
	"fd_advise":               {"(i32, i64, i64, i32) -> i32", nil, onFile(fdAdvise), nil},
	"fd_allocate":             {"(i32, i64, i64) -> i32", nil, onFile(fdAllocate), abi.EINVAL},
	"fd_close":                {"(i32) -> i32", onStreams(1, 0), fdClose, nil},
	"fd_datasync":             {"(i32) -> i32", nil, onFile(fdSync), nil},
	"fd_fdstat_get":           {"(i32, i32) -> i32", nil, fdStat, errOwn},
	"fd_fdstat_set_flags":     {"(i32, i32) -> i32", onStreams(1, 0), onFile(fdSetFlags), nil},
	"fd_filestat_get":         {"(i32, i32) -> i32", nil, fdFilestat, errOwn},
	"fd_filestat_set_size":    {"(i32, i64) -> i32", nil, onFile(fdSetSize), abi.EINVAL},
	"fd_filestat_set_times":   {"(i32, i64, i64, i32) -> i32", onStreams(1, abi.ENOSYS), fdSetTimes, abi.ENOSYS},
	"fd_pread":                {"(i32, i32, i32, i64, i32) -> i32", onStreams(1, abi.EBADF), fdPread, abi.ESPIPE},
	"fd_prestat_dir_name":     {"(i32, i32, i32) -> i32", nil, fdPrestatName, abi.EBADF},
	"fd_prestat_get":          {"(i32, i32) -> i32", nil, fdPrestat, abi.EBADF},
	"fd_pwrite":               {"(i32, i32, i32, i64, i32) -> i32", nil, fdPwrite, abi.ESPIPE},
	"fd_read":                 {"(i32, i32, i32, i32) -> i32", readStream, fdRead, errOwn},
	"fd_readdir":              {"(i32, i32, i32, i64, i32) -> i32", nil, fdReaddir, abi.ENOTDIR},
	"fd_renumber":             {"(i32, i32) -> i32", onStreams(2, 0), fdRenumber, errOwn},
	"fd_seek":                 {"(i32, i64, i32, i32) -> i32", nil, fdSeek, abi.ESPIPE},
	"fd_sync":                 {"(i32) -> i32", nil, onFile(fdSync), nil},
	"fd_tell":                 {"(i32, i32) -> i32", nil, fdTell, abi.ESPIPE},
	"fd_write":                {"(i32, i32, i32, i32) -> i32", nil, fdWrite, errOwn},
	"path_create_directory":   {"(i32, i32, i32) -> i32", noDirectory, onPath((*FDTable).Mkdir), abi.ENOTDIR},
	"path_filestat_get":       {"(i32, i32, i32, i32, i32) -> i32", noDirectory, pathFilestat, abi.ENOTDIR},
	"path_filestat_set_times": {"(i32, i32, i32, i32, i64, i64, i32) -> i32", noDirectory, pathSetTimes, abi.ENOTDIR},
	"path_link":               {"(i32, i32, i32, i32, i32, i32, i32) -> i32", noDirectory, noLinks, abi.ENOTDIR},
	"path_open":               {"(i32, i32, i32, i32, i32, i64, i64, i32, i32) -> i32", noDirectory, pathOpen, abi.ENOTDIR},
	"path_readlink":           {"(i32, i32, i32, i32, i32, i32) -> i32", noDirectory, pathReadlink, abi.ENOTDIR},
	"path_remove_directory":   {"(i32, i32, i32) -> i32", noDirectory, onPath((*FDTable).Rmdir), abi.ENOTDIR},
	"path_rename":             {"(i32, i32, i32, i32, i32, i32) -> i32", noDirectory, pathRename, abi.ENOTDIR},
	"path_symlink":            {"(i32, i32, i32, i32, i32) -> i32", noDirectory, noLinks, errOwn},
	"path_unlink_file":        {"(i32, i32, i32) -> i32", noDirectory, onPath((*FDTable).Unlink), abi.ENOTDIR},
	"poll_oneoff":             {"(i32, i32, i32, i32) -> i32", poll, nil, nil},
	"random_get":              {"(i32, i32) -> i32", randomGet, nil, nil},
	"sock_accept":             {"(i32, i32, i32) -> i32", noSocket, nil, nil},
	"sock_recv":               {"(i32, i32, i32, i32, i32, i32) -> i32", noSocket, nil, nil},
	"sock_send":               {"(i32, i32, i32, i32, i32) -> i32", noSocket, nil, nil},
	"sock_shutdown":           {"(i32, i32) -> i32", noSocket, nil, nil},
}

// onStreams answers for descriptors that are streams; there are no others.
func onStreams(descriptors int, errno abi.Errno) bareFunc {
	return func(_ *Process, _ api.Module, p []uint64) abi.Errno {
		for _, fd := range p[:descriptors] {
			if uint32(fd) > lastStream {
				return abi.EBADF
			}
		}
		return errno
	}
}

// errNotSocket is WASI's number. The contract's own functions have no use for it.
const errNotSocket abi.Errno = 57

// noSocket answers for descriptors, none of which is a socket.
func noSocket(proc *Process, _ api.Module, p []uint64) abi.Errno {
	if uint32(p[0]) <= lastStream {
		return errNotSocket
	}
	if proc.files != nil {
		if _, err := proc.file(p[0]); err == nil {
			return errNotSocket
		}
	}
	return abi.EBADF
}

func noDirectory(*Process, api.Module, []uint64) abi.Errno { return abi.EBADF }

// Link puts WASI into a runtime. Process returns the process of a call from the context
// that the guest's function was called with.
func (s *System) Link(ctx context.Context, r wazero.Runtime, process func(context.Context) *Process) error {
	builder := r.NewHostModuleBuilder(abi.ModuleWASI)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(builder)
	for name, fn := range functions {
		f := fn.bare
		if s.mounts != nil && fn.files != nil {
			f = fn.withFiles(name)
		}
		if s.config.Workflow && name == "fd_fdstat_get" {
			f = statOfStream
		}
		if f == nil {
			continue
		}
		params, results := hostfunc.Signature(fn.signature)
		builder.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, mod api.Module, stack []uint64) {
			proc := process(ctx)
			errno := f(proc, mod, stack)
			proc.host.StopIfInterrupted()
			stack[0] = uint64(errno)
		}), params, results).Export(name)
	}
	_, err := builder.Instantiate(ctx)
	return err
}

// callWork is what a call to the system counts as, in bytes of [Host].Interrupted.
const callWork = 4 << 10

func (fn function) withFiles(name string) bareFunc {
	// While an instance is made, runtimes ask for the mounts. More would be shared by its
	// activities, or not, as the policy has it.
	lookup := strings.HasPrefix(name, "path_") || name == "fd_readdir"
	return func(proc *Process, mod api.Module, p []uint64) abi.Errno {
		switch {
		case proc.host.Interrupted(callWork):
			return abi.EINTR
		case fn.stream != errOwn && uint32(p[0]) <= lastStream:
			return proc.fileError(fn.stream)
		case lookup && proc.phase == Initialization:
			return abi.ENOTCAPABLE
		}
		return proc.fileError(fn.files(proc, mod, p))
	}
}
