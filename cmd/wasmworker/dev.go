package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v2"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/wasmworker/wasmworker/host"
)

func devCommand() *cli.Command {
	return &cli.Command{
		Name:  "dev",
		Usage: "serve modules on a Temporal development server that it starts itself",
		Description: `   wasmworker dev --modules ./acts

The server keeps its state in memory unless --db-filename is given, and ends with this
command. It is wasmworker-devserver where that lies beside this program or on the PATH,
else a temporal CLI on the PATH, else the Temporal SDK downloads one.`,
		Flags: slices.Concat(flagsOf(inDev), []cli.Flag{
			&cli.StringFlag{Name: "namespace", Aliases: []string{"n"}, EnvVars: []string{"TEMPORAL_NAMESPACE"}, Value: "default", Usage: "Temporal namespace, created by the server"},
			&cli.StringFlag{Name: "ip", EnvVars: []string{"WASMWORKER_DEV_IP"}, Value: "127.0.0.1", Usage: "address for server and UI to listen on"},
			&cli.IntFlag{Name: "port", EnvVars: []string{"WASMWORKER_DEV_PORT"}, Value: 7233, Usage: "port of the server; 0 takes a free one"},
			&cli.IntFlag{Name: "ui-port", EnvVars: []string{"WASMWORKER_DEV_UI_PORT"}, Value: 8233, Usage: "port of the UI; 0 takes a free one"},
			&cli.StringFlag{Name: "db-filename", EnvVars: []string{"WASMWORKER_DEV_DB_FILENAME"}, Usage: "`FILE` to keep the server's state in (default: memory)", TakesFile: true},
		}),
		Action: func(c *cli.Context) error {
			s, err := newServer(c)
			if err != nil {
				return err
			}
			dev := &devServer{ip: c.String("ip"), namespace: c.String("namespace"), db: c.String("db-filename"), output: c.App.ErrWriter}
			for port, flag := range map[*int]string{&dev.port: "port", &dev.uiPort: "ui-port"} {
				if *port = c.Int(flag); *port < 0 || *port > 65535 {
					return usagef("--%s %d is not a port", flag, *port)
				} else if *port == 0 {
					if *port, err = freePort(dev.ip); err != nil {
						return err
					}
				}
			}
			s.options.ClientOptions = client.Options{HostPort: dev.address(), Namespace: dev.namespace, Logger: sdklog.NewStructuredLogger(s.logger)}
			profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{DisableFile: true})
			if err != nil {
				return usagef("the environment's settings for Temporal: %w", err)
			}
			if err := useCodec(&s.options.ClientOptions, c, profile); err != nil {
				return err
			}
			s.before = func(ctx context.Context, _ *host.Host) error { return dev.start(ctx) }
			s.started = func(h *host.Host) {
				fmt.Fprintf(c.App.Writer, "Temporal server:  %s\nTemporal UI:      http://%s/namespaces/%s/workflows\nTry:              %s\nCtrl-C stops everything.\n",
					dev.address(), dev.uiAddress(), dev.namespace, tryCommand(h, dev))
			}
			defer dev.stop()
			return s.serve(c.Context)
		},
	}
}

// tryCommand suggests an activity to execute, or a workflow if there is none.
func tryCommand(h *host.Host, dev *devServer) string {
	names := h.Activities()
	if len(names) == 0 { // of workflows alone
		return fmt.Sprintf("temporal workflow execute --address %s --namespace %s --task-queue %s --type %s", dev.address(), dev.namespace, quoted(h.TaskQueue()), quoted(h.Workflows()[0]))
	}
	name, input := names[0], ""
	if slices.Contains(names, "Greet") { // the example that the documentation begins with
		name, input = "Greet", ` '{"name": "Ada"}'`
	}
	var flags strings.Builder
	if dev.port != 7233 {
		fmt.Fprintf(&flags, " --address %s", dev.address())
	}
	if dev.namespace != "default" {
		fmt.Fprintf(&flags, " --namespace %s", dev.namespace)
	}
	if h.TaskQueue() != host.DefaultTaskQueue {
		fmt.Fprintf(&flags, " --task-queue %s", h.TaskQueue())
	}
	return fmt.Sprintf("%s execute%s %s%s", os.Args[0], flags.String(), quoted(name), input)
}

// plainWord is a word that means itself to every shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:/-]*$`)

// quoted is a module's name as a shell takes it for itself: the line is there to be
// copied.
func quoted(name string) string {
	if plainWord.MatchString(name) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

func freePort(ip string) (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// devServer is a Temporal server as a child process.
type devServer struct {
	ip, namespace, db string
	port, uiPort      int
	output            io.Writer

	cmd    *exec.Cmd
	stdin  io.Closer
	ending atomic.Bool
	exited chan struct{}
	cached *testsuite.DevServer // the SDK's own download
}

func (d *devServer) address() string   { return net.JoinHostPort(d.ip, strconv.Itoa(d.port)) }
func (d *devServer) uiAddress() string { return net.JoinHostPort(d.ip, strconv.Itoa(d.uiPort)) }

// start starts the server and waits until it answers, or ctx ends.
func (d *devServer) start(ctx context.Context) error {
	program, own := findServer()
	if program == "" {
		fmt.Fprintln(d.output, "wasmworker: neither wasmworker-devserver nor temporal was found; the Temporal SDK downloads a server")
		var err error
		d.cached, err = testsuite.StartDevServer(ctx, testsuite.DevServerOptions{
			ClientOptions: &client.Options{HostPort: d.address(), Namespace: d.namespace},
			DBFilename:    d.db, EnableUI: true, UIPort: strconv.Itoa(d.uiPort), LogLevel: "error",
			Stdout: io.Discard, Stderr: d.output,
		})
		if err != nil {
			return fmt.Errorf("there is no development server: %w; put wasmworker-devserver (make build) beside this program, or install the temporal CLI", err)
		}
		return nil
	}
	args := []string{"server", "start-dev", "--ip", d.ip, "--port", strconv.Itoa(d.port), "--ui-port", strconv.Itoa(d.uiPort),
		"--namespace", d.namespace, "--log-level", "error"}
	if d.db != "" {
		args = append(args, "--db-filename", d.db)
	}
	if own {
		args = append(args, "--exit-with-parent")
	}
	d.cmd = exec.Command(program, args...)
	d.cmd.Stderr = d
	// a Ctrl-C on the terminal must reach the server after the worker has drained
	separateGroup(d.cmd)
	stdin, err := d.cmd.StdinPipe()
	if err != nil {
		return err
	}
	d.stdin = stdin
	if err := d.cmd.Start(); err != nil {
		return fmt.Errorf("the development server %s cannot be started: %w", program, err)
	}
	d.exited = make(chan struct{})
	go func() {
		d.cmd.Wait() //nolint:errcheck // the state tells
		close(d.exited)
	}()
	return d.waitReady(ctx, program)
}

// waitReady waits until the server answers for the namespace.
func (d *devServer) waitReady(ctx context.Context, program string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, fmt.Errorf("the development server %s did not answer at %s within a minute", program, d.address()))
	defer cancel()
	c, err := client.NewLazyClient(client.Options{HostPort: d.address(), Namespace: d.namespace, Logger: sdklog.NewStructuredLogger(discard)})
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		attempt, stop := context.WithTimeout(ctx, time.Second)
		_, err := c.WorkflowService().DescribeNamespace(attempt, describe(d.namespace))
		stop()
		if err == nil {
			return nil
		}
		select {
		case <-d.exited:
			return fmt.Errorf("the development server %s ended at once (%s); is port %d or %d taken? choose others with --port and --ui-port", program, d.cmd.ProcessState, d.port, d.uiPort)
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), context.Canceled) {
				return nil // a signal: Start sees it too
			}
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Write passes on what the server has to say. Once it is told to end, its parts complain
// about each other. It never fails: an error would close the pipe, and the server would
// end with its next word.
func (d *devServer) Write(text []byte) (int, error) {
	if !d.ending.Load() {
		d.output.Write(text) //nolint:errcheck // nobody reads it any more
	}
	return len(text), nil
}

// stop ends the server and waits for it.
func (d *devServer) stop() {
	d.ending.Store(true)
	if d.cached != nil {
		d.cached.Stop() //nolint:errcheck // there is nothing to do about it
	}
	if d.cmd == nil || d.cmd.Process == nil {
		return
	}
	d.stdin.Close() // which ends ours
	terminate(d.cmd.Process)
	select {
	case <-d.exited:
	case <-time.After(10 * time.Second):
		d.cmd.Process.Kill() //nolint:errcheck // it is gone, or soon will be
		<-d.exited
	}
}

// findServer looks for a server program: ours beside this program or on the PATH, or the
// temporal CLI.
func findServer() (program string, own bool) {
	name := "wasmworker-devserver"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if beside := filepath.Join(programDirectory(), name); isFile(beside) {
		return beside, true
	}
	if path, err := exec.LookPath("wasmworker-devserver"); err == nil {
		return path, true
	}
	if path, err := exec.LookPath("temporal"); err == nil {
		return path, false
	}
	return "", false
}

func isFile(path string) bool {
	stat, err := os.Stat(path)
	return err == nil && stat.Mode().IsRegular()
}
