// Package testbed starts the real things that tests need: a Temporal server, the
// wasmworker program, and guests built from source. Everything is a child process on
// loopback and ends with the test that started it.
package testbed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
)

// Patience is the longest wait for an expected event. It does not measure speed: CI
// machines have two slow cores.
const Patience = 90 * time.Second

// Root returns the repository's directory.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "abi", "SPEC.md")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			break
		}
		dir = parent
	}
	t.Fatal("the repository's root was not found above the working directory")
	return ""
}

// builds remembers what this test process has built.
var builds = struct {
	sync.Mutex
	dir  string
	done map[string]error
}{done: map[string]error{}}

// Main runs a package's tests and removes what they built. Use it as TestMain's body:
// os.Exit(testbed.Main(m.Run)).
func Main(run func() int) int {
	code := run()
	if shared.server != nil {
		shared.server.Stop()
	}
	if builds.dir != "" {
		os.RemoveAll(builds.dir)
	}
	return code
}

// build runs `go build` once for an output, and returns its path.
func build(t testing.TB, output, dir string, env []string, args ...string) string {
	t.Helper()
	builds.Lock()
	defer builds.Unlock()
	if builds.dir == "" {
		var err error
		if builds.dir, err = os.MkdirTemp("", "wasmworker-test-"); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(builds.dir, output)
	err, done := builds.done[output]
	if !done {
		cmd := exec.Command("go", append(append([]string{"build", "-o", path}, args...), ".")...)
		cmd.Dir = filepath.Join(Root(t), dir)
		cmd.Env = append(os.Environ(), env...)
		if out, buildErr := cmd.CombinedOutput(); buildErr != nil {
			err = fmt.Errorf("building %s: %w\n%s", dir, buildErr, out)
		}
		builds.done[output] = err
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// guestEnv is the environment for building guests. Each guest is a Go module of its own.
var guestEnv = []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOWORK=off"}

// Guest builds the native Go guest in a directory of the repository and returns the .wasm
// file.
func Guest(t testing.TB, dir string) string {
	t.Helper()
	return build(t, filepath.Base(dir)+".wasm", dir, guestEnv,
		"-buildmode=c-shared", "-trimpath", "-ldflags=-s -w")
}

// Command builds the WASI program in a directory of the repository and returns the .wasm
// file.
func Command(t testing.TB, dir string) string {
	t.Helper()
	return build(t, filepath.Base(dir)+".wasm", dir, guestEnv, "-trimpath", "-ldflags=-s -w")
}

// Directory makes a directory with the given .wasm files in it.
func Directory(t testing.TB, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Program builds wasmworker, with the race detector if the test has it, and returns its
// path.
func Program(t testing.TB) string {
	t.Helper()
	return ProgramWith(t)
}

// ProgramWith is Program with build tags.
func ProgramWith(t testing.TB, tags ...string) string {
	t.Helper()
	var args []string
	if Race {
		args = []string{"-race"}
	}
	if len(tags) > 0 {
		args = append(args, "-tags="+strings.Join(tags, ","))
	}
	return build(t, strings.Join(append([]string{"wasmworker"}, tags...), "-"), "cmd/wasmworker", nil, args...)
}

// DevServer returns the path of the development server's program,
// bin/wasmworker-devserver, which `make` builds. If there is none, it builds the program,
// which can take minutes.
func DevServer(t testing.TB) string {
	t.Helper()
	root := Root(t)
	path := filepath.Join(root, "bin", "wasmworker-devserver")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	// The tests of several packages run at once. One of them builds, and the others wait.
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		return path
	}
	fmt.Fprintln(os.Stderr, "testbed: building the development server; the first time this takes minutes")
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, ".")
	cmd.Dir = filepath.Join(root, "cmd", "wasmworker-devserver")
	cmd.Env = append(os.Environ(), "GOWORK=off") // go.work says why
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the development server: %v\n%s", err, out)
	}
	return path
}

// Python returns the path of the interpreter, bin/python.wasm, which it has `make python`
// build if it is not what its sources say. That takes minutes, and what `make toolchains`
// installs.
func Python(t testing.TB) string {
	t.Helper()
	root := Root(t)
	fmt.Fprintln(os.Stderr, "testbed: make python; the first time this takes minutes")
	cmd := exec.Command("sh", "guest-sdk/python/interpreter/build.sh")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the interpreter: %v\n%s", err, out)
	}
	return filepath.Join(root, "bin", "python.wasm")
}

// FreePort returns a port of loopback that was free a moment ago.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Server is a Temporal server in a process of its own.
type Server struct {
	Address string
	program string
	db      string
	args    []string
	process *Process
}

var shared struct {
	sync.Mutex
	server *Server
}

// Shared returns the server that all tests of a package use. The first call starts it,
// and [Main] stops it. Tests avoid each other with their own task queues.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		s := &Server{program: DevServer(t), Address: fmt.Sprintf("127.0.0.1:%d", FreePort(t))}
		s.start(t)
		shared.server = s
	}
	return shared.server
}

// NewServer starts a server that keeps its state in a file. It is for tests that kill and
// restart the server, or give it arguments. It ends with the test.
func NewServer(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{program: DevServer(t), Address: fmt.Sprintf("127.0.0.1:%d", FreePort(t)), db: filepath.Join(t.TempDir(), "temporal.db"), args: args}
	s.start(t)
	t.Cleanup(s.Stop)
	return s
}

func (s *Server) start(t testing.TB) {
	t.Helper()
	_, port, _ := net.SplitHostPort(s.Address)
	args := []string{"--ip", "127.0.0.1", "--port", port, "--headless", "--log-level", "never", "--exit-with-parent"}
	if s.db != "" {
		args = append(args, "--db-filename", s.db)
	}
	process, err := Launch(exec.Command(s.program, append(args, s.args...)...))
	if err != nil {
		t.Fatal(err)
	}
	s.process = process
	c := s.Dial(t)
	defer c.Close()
	Eventually(t, "the Temporal server answers", func() error {
		if exited, code := process.Exited(); exited {
			t.Fatalf("the Temporal server ended with code %d: %s", code, process.Stderr())
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: "default"})
		return err
	})
}

// Kill ends the server at once, as a crash would.
func (s *Server) Kill() {
	s.process.Signal(syscall.SIGKILL)
	<-s.process.exited
}

// Freeze stops the server without ending it: connections stay, and nothing answers.
func (s *Server) Freeze() { s.process.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() { s.process.Signal(syscall.SIGCONT) }

// Restart starts a killed server again, at the same address.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.start(t)
}

// Stop stops the server and waits for its end.
func (s *Server) Stop() { s.process.Stop() }

// Dial returns a client, which the caller must close. It connects when it is first used.
func (s *Server) Dial(t testing.TB) client.Client {
	t.Helper()
	c, err := client.NewLazyClient(s.Options())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Client returns a client that is closed with the test.
func (s *Server) Client(t testing.TB) client.Client {
	t.Helper()
	c := s.Dial(t)
	t.Cleanup(c.Close)
	return c
}

// Options returns options of a client that logs nothing.
func (s *Server) Options() client.Options {
	return client.Options{HostPort: s.Address, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))}
}

// Process is a child process.
type Process struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout buffer
	stderr buffer
	exited chan struct{}
}

// Start starts a program. It ends with the test.
func Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p, err := Launch(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("%s\nstdout:\n%s\nstderr:\n%s", strings.Join(cmd.Args, " "), p.Stdout(), p.Stderr())
		}
	})
	return p
}

// Launch starts a program, which the caller must stop.
func Launch(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, exited: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = &p.stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.stderr
	}
	var err error
	if cmd.Stdin == nil {
		if p.stdin, err = cmd.StdinPipe(); err != nil {
			return nil, err
		}
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		cmd.Wait() //nolint:errcheck // ProcessState has the result
		close(p.exited)
	}()
	return p, nil
}

// Signal sends a signal.
func (p *Process) Signal(s os.Signal) { p.cmd.Process.Signal(s) } //nolint:errcheck // the process may have ended

// PID returns the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited reports whether the process has ended, and its exit code.
func (p *Process) Exited() (bool, int) {
	select {
	case <-p.exited:
		return true, p.cmd.ProcessState.ExitCode()
	default:
		return false, 0
	}
}

// Wait waits for the process to end and returns its exit code.
func (p *Process) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(Patience):
		t.Fatalf("%s did not end within %s; stderr:\n%s", p.cmd.Args[0], Patience, p.Stderr())
		return 0
	}
}

// Stop ends the process with SIGTERM, and kills it after 10 seconds.
func (p *Process) Stop() { p.StopBy(syscall.SIGTERM) }

// StopBy is Stop with another signal in place of SIGTERM.
func (p *Process) StopBy(s os.Signal) {
	if p.stdin != nil {
		p.stdin.Close()
	}
	p.Signal(s)
	select {
	case <-p.exited:
	case <-time.After(10 * time.Second):
		p.Signal(syscall.SIGKILL)
		<-p.exited
	}
}

// Stdout returns what the process has written to its standard output so far.
func (p *Process) Stdout() string { return p.stdout.String() }

// Stderr returns what the process has written to its standard error so far.
func (p *Process) Stderr() string { return p.stderr.String() }

// Logs returns the JSON records on standard error so far.
func (p *Process) Logs() (records []map[string]any) {
	for line := range strings.Lines(p.Stderr()) {
		var record map[string]any
		if json.Unmarshal([]byte(line), &record) == nil {
			records = append(records, record)
		}
	}
	return records
}

// Worker is a wasmworker that serves.
type Worker struct {
	*Process
	health string
}

// Serve starts `wasmworker serve` with the arguments, and waits until it is ready.
func (s *Server) Serve(t testing.TB, args ...string) *Worker {
	t.Helper()
	w := s.StartServe(t, args...)
	w.WaitReady(t)
	return w
}

// StartServe starts `wasmworker serve` and does not wait.
func (s *Server) StartServe(t testing.TB, args ...string) *Worker {
	t.Helper()
	return s.StartServeTo(t, nil, args...)
}

// StartServeTo is StartServe with a file for the worker's output. If the file is nil,
// Stdout and Stderr return the output.
func (s *Server) StartServeTo(t testing.TB, output *os.File, args ...string) *Worker {
	t.Helper()
	health := fmt.Sprintf("127.0.0.1:%d", FreePort(t))
	cmd := exec.Command(Program(t), append([]string{"serve", "--address", s.Address, "--health-address", health, "--log-format", "json"}, args...)...)
	cmd.Env = append(CleanEnv(), "XDG_CACHE_HOME="+filepath.Join(filepath.Dir(cmd.Path), "cache"))
	if output != nil {
		cmd.Stdout, cmd.Stderr = output, output
	}
	return &Worker{Process: Start(t, cmd), health: health}
}

// CleanEnv returns the environment without variables that configure wasmworker or
// Temporal.
func CleanEnv() (env []string) {
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch {
		case strings.HasPrefix(name, "TEMPORAL_"), strings.HasPrefix(name, "WASMWORKER_"):
		case name == "MAX_CONCURRENT_ACTIVITIES", name == "GRACEFUL_SHUTDOWN_TIMEOUT_SECONDS", name == "DEPLOYMENT_NAME",
			name == "APPLICATION_MODE", name == "PASSTHROUGH_MODULES":
		default:
			env = append(env, v)
		}
	}
	return env
}

// Get returns status and body of a path of the worker's health address.
func (w *Worker) Get(path string) (int, string, error) {
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := c.Get("http://" + w.health + path)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, strings.TrimSpace(string(body)), err
}

// WaitReady waits until the worker says that it is ready.
func (w *Worker) WaitReady(t testing.TB) {
	t.Helper()
	Eventually(t, "the worker is ready", func() error {
		if exited, code := w.Exited(); exited {
			t.Fatalf("the worker ended with code %d: %s", code, w.Stderr())
		}
		status, body, err := w.Get("/readyz")
		if err == nil && status != http.StatusOK {
			err = errors.New(body)
		}
		return err
	})
}

// Eventually waits until the condition holds, and fails the test if it does not.
func Eventually(t testing.TB, what string, condition func() error) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s until %s: %v", Patience, what, err)
		}
		time.Sleep(10 * time.Millisecond) // a pause between two looks at another process
	}
}

// buffer is a bytes.Buffer that two goroutines may use at once.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// ForExample replaces the testing.T that godoc examples lack. A failure panics.
var ForExample testing.TB = exampleTB{}

type exampleTB struct{ testing.TB }

func (exampleTB) Helper()                           {}
func (exampleTB) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (exampleTB) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
