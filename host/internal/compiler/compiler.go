// Package compiler compiles modules in processes of their own, so that compilation is
// bounded whatever wazero's compiler does: it looks at its context between functions
// only, and panics in goroutines of its own, which nobody can recover from.
//
// A child is the running program once more. [Main], which its main function calls first,
// serves there and never returns. The parent, [Compile], starts one child for each
// module, kills it at the deadline, and takes the machine code over by a directory. What
// they say to each other:
//
//	parent -> child  a request, as a line of JSON, and the binaries
//	child -> parent  that it is ready, as a line of JSON; then its report, as another
//
// The child ends by itself when its standard input does, which is when the parent has
// gone. It has no environment, no terminal and no files but its directory, and bounds its
// own memory. Where the system has limits for processes, those hold even if it fails to.
package compiler

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

const (
	// argument is the only argument of a child. It is no command and no file of anybody.
	argument = "wasmworker:compile-a-module"
	// readyTimeout bounds how long a child may take until its main function has called
	// [Main]. It takes 0.1 s, and more on a busy machine. A child that is too late leaves
	// the module to this process, without limits.
	readyTimeout = time.Minute
	// maxLine bounds what is read of what the other side says.
	maxLine = 64 << 10
	// maxStderr is how much is kept of the end of what a child says on standard error.
	maxStderr = 32 << 10
	// maxMessage bounds what an error quotes of a child.
	maxMessage = 2 << 10
)

// Request is what to compile, and within which limits.
type Request struct {
	// Original is what the module was made of, and is validated first. Nil: nothing is.
	Original []byte
	// Binary is the module. Nil: nothing is compiled.
	Binary []byte
	// Directory is where the child leaves the machine code, by wazero's
	// NewCompilationCacheWithDir. It should be one that nobody else uses, and belongs to
	// the child until Compile has returned: a child whose parent has died removes it.
	// Empty: the module is compiled for nothing but to see that this can be done within
	// the limits.
	Directory string
	// Interpreter compiles for wazero's interpreter, which leaves nothing in the
	// directory.
	Interpreter bool
	// Procs is on how many processors the child may run. 0: all.
	Procs int
	// Memory is the most memory in bytes that compiling may take, beyond the few
	// megabytes of a program that does nothing. 0: no limit.
	Memory uint64
	// Timeout is the most time that it may take. 0: no limit.
	Timeout time.Duration
}

// File is a file that a child has left.
type File struct {
	Name   string `json:"name"` // below the directory, with slashes
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Config is how children configure wazero for what they compile. What loads their code
// has to use the same.
func Config(interpreter bool) wazero.RuntimeConfig {
	config := wazero.NewRuntimeConfig()
	if interpreter {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	return config.WithCoreFeatures(api.CoreFeaturesV2)
}

var mainCalled atomic.Bool

// Available tells whether there can be children: whether this program has called [Main].
func Available() bool { return mainCalled.Load() }

// request is what the parent says.
type request struct {
	Directory   string `json:"directory"`
	Interpreter bool   `json:"interpreter"`
	Memory      uint64 `json:"memory"`
	Seconds     int64  `json:"seconds"`  // of the processors' time; 0: no limit
	Original    int    `json:"original"` // the size of the original, which follows
	Size        int    `json:"size"`     // of the binary, which follows then
}

// ready is what a child says first.
type ready struct {
	Build string `json:"build"`
}

// report is what a child says in the end.
type report struct {
	Files []File `json:"files"`
	Peak  uint64 `json:"peak"` // the most memory that it was seen to take
	// At most one of these is set.
	Invalid   string `json:"invalid"`   // what is wrong with the module
	Directory string `json:"directory"` // what is wrong with the directory
}

// build tells programs apart: a child must be what its parent is.
var build = sync.OnceValue(func() string {
	text := runtime.Version()
	if info, ok := debug.ReadBuildInfo(); ok {
		text += info.String()
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
})

// StartError is the error of [Compile] where no child could be started. It has nothing
// to do with the module.
type StartError struct{ Err error }

// Error says why.
func (e *StartError) Error() string {
	return "the compiler's process could not be started: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *StartError) Unwrap() error { return e.Err }

// DirectoryError is the error of [Compile] where the machine code could not be handed
// over. The module itself has been compiled, within the limits.
type DirectoryError struct{ Err error }

// Error says why.
func (e *DirectoryError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *DirectoryError) Unwrap() error { return e.Err }

// InvalidError is the error of [Compile] where wazero refuses the module.
type InvalidError struct{ Text string }

// Error is what wazero says.
func (e *InvalidError) Error() string { return e.Text }

// TimeoutError is the error of [Compile] for a module that took too long.
type TimeoutError struct{ Timeout time.Duration }

// Error names the limit.
func (e *TimeoutError) Error() string { return fmt.Sprintf("compiling took longer than %s", e.Timeout) }

// MemoryError is the error of [Compile] for a module that took too much memory.
type MemoryError struct {
	Limit uint64
	// System tells that it was not this limit, but the system that ended the child.
	System bool
}

// Error names the limit.
func (e *MemoryError) Error() string {
	if e.System {
		return "compiling was ended by the system, which does that for want of memory"
	}
	return fmt.Sprintf("compiling took more than %d MiB of memory", e.Limit>>20)
}

// SystemError is the error of [Compile] where the system did not give the compiler what it
// needs. It has nothing to do with the module, and may not be there another time.
type SystemError struct{ Text string }

// Error says what the system refused.
func (e *SystemError) Error() string { return "the compiler's process failed: " + e.Text }

// CrashError is the error of [Compile] for a module that crashed the compiler.
type CrashError struct {
	Text   string // in a line
	Stderr string // the end of what the child has said
}

// Error says what became of the compiler.
func (e *CrashError) Error() string { return "the compiler failed on this module: " + e.Text }

// Compile compiles a module in a child, and returns the files which that has left in the
// directory, once it has seen that they are those which the child wrote. It blocks until
// the child has gone, which is soon after ctx ends or the time is over. The error is ctx's
// cause, or one of the errors of this package. Compile needs [Available].
func Compile(ctx context.Context, r Request) ([]File, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if r.Directory != "" { // the child's own is another
		absolute, err := filepath.Abs(r.Directory)
		if err != nil {
			return nil, &DirectoryError{err}
		}
		r.Directory = absolute
	}
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	c, err := start(running, r.Procs)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	// From now on it is the module that takes time.
	timeout := &TimeoutError{r.Timeout}
	if r.Timeout > 0 {
		defer time.AfterFunc(r.Timeout*slowdown, func() { stop(timeout) }).Stop()
	}
	said, err := c.ask(r)
	if garbled, ok := errors.AsType[*garbledError](err); ok {
		stop(&CrashError{Text: garbled.Error()}) // it may be waiting for somebody to read on
	}
	ended := c.wait()
	switch {
	case err == nil && said.Invalid != "":
		return nil, &InvalidError{said.Invalid}
	case err == nil && said.Directory != "":
		return nil, &DirectoryError{errors.New(said.Directory)}
	case err == nil && ended == nil:
		return said.Files, check(r, said.Files)
	case running.Err() != nil:
		return nil, context.Cause(running)
	}
	return nil, c.crash(r, ended, err)
}

// child is a process that compiles.
type child struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr tail
}

// start starts a child, and waits until it is ready.
func start(ctx context.Context, procs int) (*child, error) {
	program, err := program()
	if err != nil {
		return nil, &StartError{err}
	}
	c := &child{cmd: exec.CommandContext(ctx, program, argument)}
	c.cmd.Args[0] = os.Args[0]
	c.cmd.Dir = filepath.Dir(program)
	c.cmd.Env = environment(procs)
	c.cmd.SysProcAttr = ownGroup()
	c.cmd.Stderr = &c.stderr
	c.cmd.WaitDelay = time.Second // nobody else should have its ends of the pipes
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, &StartError{err}
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, &StartError{err}
	}
	c.stdout = bufio.NewReaderSize(io.LimitReader(stdout, maxLine), 4<<10)
	if err := c.cmd.Start(); err != nil {
		return nil, &StartError{err}
	}
	late := time.AfterFunc(readyTimeout, func() { c.cmd.Process.Kill() }) //nolint:errcheck // it may have ended
	var hello ready
	err = c.read(&hello)
	if !late.Stop() {
		err = fmt.Errorf("it was not ready after %s", readyTimeout)
	}
	if err == nil && hello.Build != build() {
		err = fmt.Errorf("%s has been replaced by another version since this process began", program)
	}
	if err != nil {
		c.cmd.Process.Kill() //nolint:errcheck // it may have ended
		if ended := c.wait(); ended != nil && c.stderr.lastLine() != "" {
			err = fmt.Errorf("%w: %s", err, c.stderr.lastLine())
		}
		return nil, &StartError{err}
	}
	return c, nil
}

// program is [executable], or what a test has instead.
var program = executable

// executable returns the path of the running program. That of /proc leads to it even
// when another one lies in its place now.
func executable() (string, error) {
	const self = "/proc/self/exe"
	if _, err := os.Stat(self); runtime.GOOS == "linux" && err == nil {
		return self, nil
	}
	return os.Executable()
}

// environment is what a child needs of this process's environment. What may be secret in
// that is none of its business.
func environment(procs int) []string {
	env := []string{}
	names := []string{"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH"} // where libraries are
	if raceDetector {
		names = append(names, "GORACE")
	}
	for _, name := range names {
		if value, ok := os.LookupEnv(name); ok && (name != "PATH" || runtime.GOOS == "windows") {
			env = append(env, name+"="+value)
		}
	}
	if procs > 0 {
		env = append(env, "GOMAXPROCS="+strconv.Itoa(procs))
	}
	return env
}

// ask sends the request and reads the report.
func (c *child) ask(r Request) (said report, err error) {
	head := request{Directory: r.Directory, Interpreter: r.Interpreter, Memory: r.Memory, Original: len(r.Original), Size: len(r.Binary)}
	if r.Timeout > 0 {
		// More than it can need, for a child that is not killed in time.
		head.Seconds = int64((r.Timeout*slowdown*time.Duration(runtime.NumCPU()))/time.Second) + 10
	}
	line, err := json.Marshal(head)
	if err != nil {
		return said, err
	}
	if _, err := c.stdin.Write(append(line, '\n')); err != nil {
		return said, err
	}
	for _, binary := range [][]byte{r.Original, r.Binary} {
		if _, err := c.stdin.Write(binary); err != nil {
			return said, err
		}
	}
	return said, c.read(&said)
}

// read reads a line of what the child says.
func (c *child) read(to any) error {
	line, err := c.stdout.ReadBytes('\n')
	if errors.Is(err, io.EOF) && len(line) == 0 {
		return errors.New("it ended")
	}
	if err == nil {
		err = json.Unmarshal(line, to)
	}
	if err != nil {
		return &garbledError{line}
	}
	return nil
}

// garbledError is the error for something other than what a child has to say.
type garbledError struct{ line []byte }

func (e *garbledError) Error() string {
	return fmt.Sprintf("what it says is not understood: %.100q", e.line)
}

// wait waits until the child has gone.
func (c *child) wait() error {
	err := c.cmd.Wait()
	c.stdin.Close() //nolint:errcheck // nobody reads from it
	return err
}

// crash says why a child ended that was not told to.
func (c *child) crash(r Request, ended, unread error) error {
	state := c.cmd.ProcessState
	stderr := c.stderr.String()
	text := cause(stderr)
	switch {
	case state.ExitCode() == exitMemory || r.Memory > 0 && outOfMemory(stderr):
		return &MemoryError{Limit: r.Memory}
	case killed(state):
		return &MemoryError{Limit: r.Memory, System: true}
	case strings.Contains("\n"+stderr, "\n"+noThread):
		return &SystemError{noThread}
	case text == "" && ended != nil:
		text = ended.Error()
	case text == "":
		text = unread.Error()
	}
	return &CrashError{Text: text, Stderr: stderr}
}

// noThread is how Go's runtime begins what it says when it cannot start a thread.
const noThread = "runtime: failed to create new OS thread"

// outOfMemory tells whether Go's runtime could get no more memory.
func outOfMemory(stderr string) bool {
	return strings.Contains(stderr, "fatal error: runtime: out of memory") ||
		strings.Contains(stderr, "fatal error: runtime: cannot allocate memory") ||
		strings.Contains(stderr, "fatal error: out of memory") ||
		strings.Contains(stderr, "cannot allocate memory")
}

// cause is the line of what a program wrote that says why it ended.
func cause(stderr string) string {
	last := ""
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			last = line
			break
		}
		if line != "" {
			last = line
		}
	}
	if len(last) > maxMessage {
		last = last[:maxMessage] + "…"
	}
	return strings.ToValidUTF8(last, "\uFFFD")
}

// check looks whether the directory has the files that the child said, and no others.
func check(r Request, files []File) error {
	if r.Directory == "" {
		return nil
	}
	reported := map[string]File{}
	for _, f := range files {
		reported[f.Name] = f
	}
	found, err := list(r.Directory)
	if err != nil {
		return &DirectoryError{err}
	}
	for _, f := range found {
		if reported[f.Name] != f {
			return &DirectoryError{fmt.Errorf("%s is not what the compiler left there", filepath.Join(r.Directory, filepath.FromSlash(f.Name)))}
		}
		delete(reported, f.Name)
	}
	for name := range reported {
		return &DirectoryError{fmt.Errorf("%s has vanished", filepath.Join(r.Directory, filepath.FromSlash(name)))}
	}
	return nil
}

// list returns the files below a directory.
func list(directory string) (files []File, err error) {
	root := os.DirFS(directory)
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !d.Type().IsRegular() {
			return &fs.PathError{Op: "read", Path: name, Err: errors.New("not a regular file")}
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		sum := sha256.New()
		size, err := io.CopyBuffer(struct{ io.Writer }{sum}, struct{ io.Reader }{f}, make([]byte, 256<<10))
		files = append(files, File{name, size, hex.EncodeToString(sum.Sum(nil))})
		return err
	})
	return files, err
}

// tail keeps the end of what is written to it.
type tail struct{ buffer bytes.Buffer }

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	if n > maxStderr {
		p = p[n-maxStderr:]
	}
	if over := t.buffer.Len() + len(p) - maxStderr; over > 0 {
		t.buffer.Next(over)
	}
	t.buffer.Write(p)
	return n, nil
}

func (t *tail) String() string   { return t.buffer.String() }
func (t *tail) lastLine() string { return cause(t.buffer.String()) }
