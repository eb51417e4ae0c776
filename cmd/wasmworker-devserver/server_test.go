package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/urfave/cli/v2"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/server/chasm/lib/activity"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"
)

// testTimeout bounds every test; a healthy one takes a second or two.
const testTimeout = 60 * time.Second

const asProgram = "WASMWORKER_DEVSERVER_TEST_AS_PROGRAM"

// TestMain lets the test binary be the program: signals, exit codes and a closed
// stdin can only be tested on a real process.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestServe(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	p := launch(t, "server", "start-dev", "--port", "0", "--http-port", freePort(t),
		"--namespace", "team-a", "-n", "team-b,c", "-n", "default",
		"--search-attribute", "Color=keyword", "--ui-public-path", "/temporal/")
	p.ready()
	conn := p.dial()
	frontend := workflowservice.NewWorkflowServiceClient(conn)

	t.Run("namespaces", func(t *testing.T) {
		for _, name := range []string{"default", "team-a", "team-b,c"} {
			if _, err := frontend.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: name}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if got := searchAttributes(t, conn, name)["Color"]; got != enumspb.INDEXED_VALUE_TYPE_KEYWORD {
				t.Errorf("%s: Color is %v", name, got)
			}
		}
	})
	t.Run("http", func(t *testing.T) {
		for url, want := range map[string]string{
			p.addrs["UI"]:                               `base: "/temporal"`,
			p.addrs["Metrics"]:                          "restarts",
			p.addrs["HTTP"] + "/api/v1/namespaces":      "team-a",
			p.addrs["UI"] + "/api/v1/namespaces/team-a": "team-a",
		} {
			if body := fetch(t, ctx, url); !strings.Contains(body, want) {
				t.Errorf("%s: no %q in %.300q", url, want, body)
			}
		}
		if !strings.HasSuffix(p.addrs["UI"], "/temporal") {
			t.Errorf("UI at %s, want it at its public path", p.addrs["UI"])
		}
	})
	t.Run("standalone activity", func(t *testing.T) {
		queue := &taskqueuepb.TaskQueue{Name: "work"}
		const id = "activity-1"
		start := &workflowservice.StartActivityExecutionRequest{
			Namespace:           "team-a",
			RequestId:           "request-1",
			ActivityId:          id,
			ActivityType:        &commonpb.ActivityType{Name: "greet"},
			TaskQueue:           queue,
			StartToCloseTimeout: durationpb.New(testTimeout),
		}
		if _, err := frontend.StartActivityExecution(ctx, start); err != nil {
			t.Fatal(err)
		}
		// The operator commands are off unless our dynamic configuration
		// reaches the server.
		if _, err := frontend.PauseActivityExecution(ctx, &workflowservice.PauseActivityExecutionRequest{
			Namespace: "team-a", ActivityId: id, Identity: "test", Reason: "test",
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := frontend.UnpauseActivityExecution(ctx, &workflowservice.UnpauseActivityExecutionRequest{
			Namespace: "team-a", ActivityId: id, Identity: "test", Reason: "test",
		}); err != nil {
			t.Fatal(err)
		}
		task, err := frontend.PollActivityTaskQueue(ctx, &workflowservice.PollActivityTaskQueueRequest{
			Namespace: "team-a", TaskQueue: queue, Identity: "test",
		})
		if err != nil || task.GetActivityId() != id {
			t.Fatalf("polled %q, %v", task.GetActivityId(), err)
		}
		if _, err := frontend.RespondActivityTaskCompleted(ctx, &workflowservice.RespondActivityTaskCompletedRequest{
			Namespace: "team-a", TaskToken: task.GetTaskToken(),
		}); err != nil {
			t.Fatal(err)
		}
		done, err := frontend.PollActivityExecution(ctx, &workflowservice.PollActivityExecutionRequest{
			Namespace: "team-a", ActivityId: id,
		})
		if err != nil || done.GetOutcome().GetFailure() != nil {
			t.Fatalf("outcome %v, %v", done.GetOutcome(), err)
		}
	})
	t.Run("stop with a worker waiting", func(t *testing.T) {
		polled := make(chan error, 1)
		go func() {
			_, err := frontend.PollActivityTaskQueue(ctx, &workflowservice.PollActivityTaskQueueRequest{
				Namespace: "default", TaskQueue: &taskqueuepb.TaskQueue{Name: "idle"}, Identity: "test",
			})
			polled <- err
		}()
		p.waitForPoller(frontend, "idle")
		began := time.Now()
		if code := p.stop(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		took := time.Since(began)
		t.Logf("stopped in %v", took)
		// A real bound would be half of it; a busy machine is not a failure,
		// and neither is the bound of our own.
		if took > stopTimeout {
			t.Errorf("stopping took %v", took)
		}
		select {
		case <-polled:
		case <-ctx.Done():
			t.Error("the poll did not end")
		}
	})
	if len(p.rest) > 0 {
		t.Errorf("stdout has more than addresses: %q", p.rest)
	}
	if s := p.stderr.String(); strings.Contains(s, "level=") {
		t.Errorf("logs at the default level:\n%s", s)
	}
}

func TestDatabaseFile(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	// The name has what means something else in a database URI.
	file := filepath.Join(t.TempDir(), "data 1%20#.db")

	p := launch(t, "-p", "0", "--headless", "-f", file, "-n", "flag", "--search-attribute", "Old=Int")
	p.ready()
	if ui, ok := p.addrs["UI"]; ok {
		t.Errorf("a headless server has a UI at %s", ui)
	}
	frontend := workflowservice.NewWorkflowServiceClient(p.dial())
	if _, err := frontend.RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: "registered", WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	}); err != nil {
		t.Fatal(err)
	}
	before := namespaceID(t, frontend, "default")
	if _, err := frontend.StartWorkflowExecution(ctx, &workflowservice.StartWorkflowExecutionRequest{
		Namespace:    "default",
		RequestId:    "request-1",
		WorkflowId:   "kept",
		WorkflowType: &commonpb.WorkflowType{Name: "any"},
		TaskQueue:    &taskqueuepb.TaskQueue{Name: "any"},
	}); err != nil {
		t.Fatal(err)
	}
	if code := p.stop(); code != 0 {
		t.Fatalf("exit code %d, stderr:\n%s", code, p.stderr.String())
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}

	// Another port, one more search attribute, and the same data.
	p = launch(t, "-p", "0", "--headless", "-f", file, "-n", "flag",
		"--search-attribute", "Old=Int", "--search-attribute", "New=Keyword")
	p.ready()
	conn := p.dial()
	frontend = workflowservice.NewWorkflowServiceClient(conn)
	namespaceID(t, frontend, "registered")
	namespaceID(t, frontend, "flag")
	if after := namespaceID(t, frontend, "default"); after != before {
		t.Errorf("the default namespace was %s and is %s", before, after)
	}
	attributes := searchAttributes(t, conn, "default")
	if attributes["Old"] != enumspb.INDEXED_VALUE_TYPE_INT || attributes["New"] != enumspb.INDEXED_VALUE_TYPE_KEYWORD {
		t.Errorf("search attributes %v", attributes)
	}
	if _, err := frontend.DescribeWorkflowExecution(ctx, &workflowservice.DescribeWorkflowExecutionRequest{
		Namespace: "default", Execution: &commonpb.WorkflowExecution{WorkflowId: "kept"},
	}); err != nil {
		t.Error(err)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d, stderr:\n%s", code, p.stderr.String())
	}

	p = launch(t, "-p", "0", "--headless", "-f", file, "--search-attribute", "Old=Text")
	if code := p.wait(); code != exitFailure || !strings.Contains(p.stderr.String(), "Old exists and is a Int, not a Text") {
		t.Errorf("exit code %d, stderr: %s", code, p.stderr.String())
	}
}

func TestForeignDatabase(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, []byte("certainly not a database\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, "-p", "0", "-f", file)
	if code := p.wait(); code != exitFailure || !strings.Contains(p.stderr.String(), "--db-filename") {
		t.Errorf("exit code %d, stderr: %s", code, p.stderr.String())
	}
}

func TestBusyPort(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"--port", "--ui-port", "--http-port", "--metrics-port"} {
		p := launch(t, "--port", "0", flag, port)
		code := p.wait()
		stderr := p.stderr.String()
		if code != exitFailure || !strings.Contains(stderr, "port "+port) || !strings.Contains(stderr, "("+flag+")") {
			t.Errorf("%s: exit code %d, stderr: %s", flag, code, stderr)
		}
		if len(p.rest) > 0 {
			t.Errorf("%s: stdout %q", flag, p.rest)
		}
	}
}

func TestExitWithParent(t *testing.T) {
	t.Parallel()
	p := launch(t, "-p", "0", "--headless")
	p.ready()
	if err := p.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d, stderr:\n%s", code, p.stderr.String())
	}
}

func TestExitWithParentDuringStart(t *testing.T) {
	t.Parallel()
	p := launch(t, "-p", "0", "--headless")
	if err := p.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d, stderr:\n%s", code, p.stderr.String())
	}
}

func TestUsageErrors(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--no-such-flag"}, "no-such-flag"},
		{[]string{"server", "start-dev", "--no-such-flag"}, "no-such-flag"},
		{[]string{"version", "--no-such-flag"}, "no-such-flag"},
		{[]string{"start-dev"}, `unexpected argument "start-dev"`},
		{[]string{"--port", "x"}, "port"},
		{[]string{"--port", "65536"}, "65536"},
		{[]string{"--ip", "example.org"}, "example.org"},
		{[]string{"--log-level", "loud"}, "loud"},
		{[]string{"--log-format", "xml"}, "xml"},
		{[]string{"--namespace", ""}, "--namespace"},
		{[]string{"--ui-asset-path", t.TempDir()}, "index.html"},
		{[]string{"--sqlite-pragma", "mode=ro"}, `no pragma "mode"`},
		{[]string{"--search-attribute", "Color"}, "NAME=VALUE"},
		{[]string{"--search-attribute", "Color=Hue"}, "KeywordList"},
		{[]string{"--search-attribute", "WorkflowId=Keyword"}, "WorkflowId"},
		{[]string{"--dynamic-config-value", "frontend.rps=many"}, "not JSON"},
		{[]string{"--dynamic-config-value", `frontend.rps="many"`}, "frontend.rps"},
		{[]string{"--dynamic-config-value", "frontend.rsp=1"}, "frontend.rsp"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(tt.args, strings.NewReader(""), &stdout, &stderr)
		if code != exitUsage || !strings.Contains(stderr.String(), tt.want) || stdout.Len() > 0 {
			t.Errorf("%q: exit code %d, stdout %q, stderr %q", tt.args, code, stdout.String(), stderr.String())
		}
	}
}

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}, {"server", "start-dev", "--version"}} {
		var stdout, stderr bytes.Buffer
		code := run(args, strings.NewReader(""), &stdout, &stderr)
		if code != 0 || !strings.HasPrefix(stdout.String(), program+" version ") || stderr.Len() > 0 {
			t.Errorf("%q: exit code %d, stdout %q, stderr %q", args, code, stdout.String(), stderr.String())
		}
	}
}

func TestOptions(t *testing.T) {
	parse := func(args ...string) options {
		t.Helper()
		var opts options
		app := newApp(nil, io.Discard, io.Discard)
		app.Action = func(c *cli.Context) (err error) {
			opts, err = parseOptions(c)
			return err
		}
		if err := app.Run(append([]string{program}, normalize(args)...)); err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		return opts
	}

	opts := parse()
	if opts.ip.String() != "127.0.0.1" || opts.uiIP != opts.ip || opts.port != 7233 || opts.uiPort != 8233 ||
		opts.logLevel != slog.LevelWarn || !slices.Equal(opts.namespaces, []string{"default"}) {
		t.Errorf("defaults: %+v", opts)
	}

	opts = parse("--log-level", "never", "--disable-config-file", "server", "start-dev",
		"--ip=::", "--ui-ip", "localhost", "--port", "1", "-p=65000", "--headless=false",
		"--sqlite-pragma", "JOURNAL_MODE=wal", "--ui-public-path", "a/b/",
		"--dynamic-config-value", "history.enableStandaloneActivityOperatorCommands=false",
		"--dynamic-config-value", `frontend.enableTokenNamespaceEnforcement = true`)
	if opts.ip.String() != "::" || opts.uiIP != loopback || opts.uiPort != 65535 || opts.headless ||
		opts.logLevel != levelNever || opts.uiPublicPath != "/a/b" ||
		!reflect.DeepEqual(opts.pragmas, map[string]string{"journal_mode": "wal"}) {
		t.Errorf("%+v", opts)
	}
	values := dynamicConfig(opts.dynamicConfig).GetValue(activity.EnableStandaloneActivityOperatorCommands.Key())
	if len(values) != 1 || values[0].Value != false {
		t.Errorf("the flag does not override our default: %v", values)
	}

	if opts := parse("--port", "0"); opts.uiPort != 0 {
		t.Errorf("UI port %d beside a system-chosen port", opts.uiPort)
	}
	if opts := parse("--port", "0", "--ui-port", "8080"); opts.uiPort != 8080 {
		t.Errorf("UI port %d", opts.uiPort)
	}
}

// process is the program running as a child.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr bytes.Buffer // complete after wait
	addrs  map[string]string
	rest   []byte // of stdout
}

func launch(t *testing.T, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, addrs: map[string]string{}}
	// A test that panics closes the pipe, and the server goes with it.
	p.cmd = exec.CommandContext(testContext(t), self, append(args, "--exit-with-parent")...)
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stderr = &p.stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdout = bufio.NewReader(stdout)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			p.wait()
		}
	})
	return p
}

// ready reads the addresses, which the program prints when it is.
func (p *process) ready() {
	p.t.Helper()
	for p.addrs["Metrics"] == "" {
		line, err := p.stdout.ReadString('\n')
		if err != nil {
			code := p.wait()
			p.t.Fatalf("not ready, exit code %d, stderr:\n%s", code, p.stderr.String())
		}
		what, where, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			p.t.Fatalf("stdout: %q", line)
		}
		p.addrs[what] = strings.TrimSpace(where)
	}
}

func (p *process) dial() *grpc.ClientConn {
	p.t.Helper()
	conn, err := grpc.NewClient(p.addrs["Server"], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// waitForPoller returns when the server knows of a worker polling the queue.
func (p *process) waitForPoller(frontend workflowservice.WorkflowServiceClient, queue string) {
	p.t.Helper()
	ctx := testContext(p.t)
	if err := until(ctx, func() error {
		resp, err := frontend.DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
			Namespace:     "default",
			TaskQueue:     &taskqueuepb.TaskQueue{Name: queue},
			TaskQueueType: enumspb.TASK_QUEUE_TYPE_ACTIVITY,
		})
		if err == nil && len(resp.GetPollers()) == 0 {
			err = errors.New("no pollers")
		}
		return err
	}); err != nil {
		p.t.Fatal(err)
	}
}

// stop asks the program to end, as an operator would, and returns its exit code.
func (p *process) stop() int {
	p.t.Helper()
	var err error
	if runtime.GOOS == "windows" { // has no signals to send
		err = p.stdin.Close()
	} else {
		err = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return p.wait()
}

func (p *process) wait() int {
	p.rest, _ = io.ReadAll(p.stdout)
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	return ctx
}

func freePort(t *testing.T) string {
	t.Helper()
	var r reservation
	defer r.release()
	at, err := r.reserve(loopback, 0)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(int(at.Port()))
}

func fetch(t *testing.T, ctx context.Context, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func namespaceID(t *testing.T, frontend workflowservice.WorkflowServiceClient, namespace string) string {
	t.Helper()
	resp, err := frontend.DescribeNamespace(testContext(t), &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	if err != nil {
		t.Fatalf("%s: %v", namespace, err)
	}
	return resp.GetNamespaceInfo().GetId()
}

func searchAttributes(t *testing.T, conn grpc.ClientConnInterface, namespace string) map[string]enumspb.IndexedValueType {
	t.Helper()
	resp, err := operatorservice.NewOperatorServiceClient(conn).ListSearchAttributes(testContext(t),
		&operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		t.Fatal(err)
	}
	return resp.GetCustomAttributes()
}
