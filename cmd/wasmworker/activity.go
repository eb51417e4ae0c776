package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/urfave/cli/v2"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/grpc"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/nearest"
	"github.com/wasmworker/wasmworker/internal/visible"
)

var discard = slog.New(slog.DiscardHandler)

func describe(namespace string) *workflowservice.DescribeNamespaceRequest {
	return &workflowservice.DescribeNamespaceRequest{Namespace: namespace}
}

const argsHelp = `Flags come before the arguments. Each argument is JSON. @FILE stands for the JSON in a file and - for the JSON on standard
input; with --binary they stand for raw bytes (binary/plain) instead.`

func binaryFlag() cli.Flag {
	return &cli.BoolFlag{Name: "binary", Aliases: []string{"b"}, EnvVars: []string{"WASMWORKER_BINARY"}, Usage: "give @FILE and - to the activity as raw bytes, not as JSON"}
}

func invokeCommand() *cli.Command {
	return &cli.Command{
		Name:      "invoke",
		Usage:     "run one activity in the sandbox, without Temporal",
		ArgsUsage: "MODULE-OR-DIRECTORY ACTIVITY [JSON | @FILE | -]…",
		Description: `   wasmworker invoke ./acts Greet '{"name": "Ada"}'
   wasmworker invoke --binary ./acts/stats.wasm Stats @big.csv
   echo '"hello"' | wasmworker invoke ./acts Echo -

` + argsHelp + `

The result goes to standard output, logs and heartbeats to standard error. Ctrl-C once
requests the activity's cancellation, twice interrupts it.`,
		Flags: slices.Concat([]cli.Flag{
			binaryFlag(),
			&cli.DurationFlag{Name: "timeout", EnvVars: []string{"WASMWORKER_TIMEOUT"}, Usage: "interrupt the activity after this time, such as 10s (default: none)"},
			&cli.StringFlag{Name: "record", EnvVars: []string{"WASMWORKER_RECORD"}, Usage: "append the run to `FILE`.test.yaml as a case that wasmworker test replays offline, with the answers of passthrough modules in it", TakesFile: true},
		}, flagsOf(inInvoke)),
		Action: invoke,
	}
}

func invoke(c *cli.Context) error {
	file, err := applyConfig(c)
	if err != nil {
		return err
	}
	logger, err := newLogger(c)
	if err != nil {
		return err
	}
	if c.NArg() < 1 {
		return usagef("name a module or directory, and an activity: wasmworker invoke ./acts Greet '{\"name\": \"Ada\"}'")
	}
	found, err := findModules([]string{c.Args().First()})
	if err != nil {
		return usageError{err}
	}
	files, err := found.open()
	if err != nil {
		return usageError{err}
	}
	granting, err := passthroughModules(file)
	if err != nil {
		return err
	}
	defer closeAll(granting)
	set, err := passthrough.NewSet(granting...)
	if err != nil {
		return err
	}
	defaults, perModule, err := moduleOptions(c, file, set)
	if err != nil {
		return err
	}
	// Sections of modules that are not used here are left out.
	maps.DeleteFunc(perModule, func(name string, _ sandbox.Options) bool {
		return !slices.ContainsFunc(files, func(m *modules.File) bool { return m.Name == name })
	})
	plugins, perModule, refused := found.grant(defaults, perModule, set)
	if refused != nil {
		return usageError{joinRefusals(refused)}
	}
	if path := c.String("record"); path != "" {
		return record(c, path, file, replay.Options{Modules: found.paths, Files: plugins, Defaults: defaults, PerModule: perModule, Passthrough: granting})
	}
	config := sandbox.Config{Modules: files, Defaults: defaults, PerModule: perModule, Passthrough: set, Limit: 1, Logger: logger, CacheDir: cacheDir(c)}
	var worker host.Options
	apply(c, &worker, nil)
	config.CompileTimeout, config.CompileMemoryLimit = worker.CompileTimeout, worker.CompileMemoryLimit
	box, err := sandbox.New(config)
	if err != nil {
		return usageError{err}
	}
	defer box.Close(context.Background()) //nolint:errcheck // the process ends
	name := c.Args().Get(1)
	if _, err := findActivity(name, box.Activities()); err != nil {
		return err
	}
	args, err := parseArgs(c, c.Args().Slice()[2:])
	if err != nil {
		return err
	}

	first, second, stopSignals := signals(c.Context, discard)
	defer stopSignals()
	if err := box.Compile(first); err != nil {
		return usageError{err}
	}
	ctx, interrupt := context.WithCancelCause(second)
	defer interrupt(nil)
	timeout := c.Duration("timeout")
	info := abi.Info{ActivityID: "invoke", ActivityType: name, Attempt: 1, StartedTime: time.Now().UTC()}
	if timeout > 0 {
		info.StartToCloseTimeout = abi.Milliseconds(timeout)
		info.Deadline = info.StartedTime.Add(timeout)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, fmt.Errorf("it took longer than --timeout %s", timeout))
		defer cancel()
	}
	var flags atomic.Uint32
	grace := time.Duration(*c.Generic("cancel-grace").(*durationFlag))
	defer context.AfterFunc(first, func() {
		flags.Or(uint32(abi.FlagCancelRequested))
		time.AfterFunc(grace, func() {
			interrupt(fmt.Errorf("it went on for %s after its cancellation", grace))
		})
	})()
	var usage sandbox.Usage
	result, err := box.Run(ctx, sandbox.Task{
		Activity: name, Args: args, Info: info, Usage: &usage,
		Flags: func(context.Context) abi.Flags { return abi.Flags(flags.Load()) },
		Log: func(ctx context.Context, level slog.Level, message string, attrs []slog.Attr) {
			logger.LogAttrs(ctx, level, message, attrs...)
		},
		Heartbeat: func(ctx context.Context, details []sandbox.Payload) error {
			var texts []string
			for _, d := range details {
				texts = append(texts, payloadText(d))
			}
			logger.InfoContext(ctx, "heartbeat", "details", strings.Join(texts, ", "))
			return nil
		},
	})
	logger.Debug("guest returned", "fuel", usage.Fuel, "initialize_fuel", usage.InitializeFuel)
	return printOutcome(c, result, err)
}

// findActivity returns an activity. The error lists the activities that there are.
func findActivity(name string, activities []sandbox.Activity) (sandbox.Activity, error) {
	var known []string
	for _, a := range activities {
		if a.Type == name {
			return a, nil
		}
		known = append(known, a.Type)
	}
	if len(known) == 0 {
		return sandbox.Activity{}, usagef("there is no activity in these modules, which have workflows alone; a worker runs those, with wasmworker serve or dev")
	}
	if name == "" {
		return sandbox.Activity{}, usagef("name an activity; there are: %s", strings.Join(known, ", "))
	}
	return sandbox.Activity{}, usagef("there is no activity %q%s; there are: %s", name, nearest.Hint(name, known), strings.Join(known, ", "))
}

// printOutcome prints a result, or the reason why there is none.
func printOutcome(c *cli.Context, result *sandbox.Payload, err error) error {
	if failure, ok := errors.AsType[*abi.Failure](err); ok {
		fmt.Fprint(c.App.ErrWriter, failureText(failure))
		return cli.Exit("", exitFailure)
	}
	if err != nil {
		return err
	}
	if result == nil {
		result = &sandbox.Payload{}
	}
	return printResult(c.App.Writer, *result)
}

// failureText renders a failure for people.
func failureText(f *abi.Failure) string {
	var b strings.Builder
	retry := "retryable"
	if f.NonRetryable {
		retry = "not retryable"
	}
	kind := f.Type
	if kind == "" {
		kind = "no type"
	}
	fmt.Fprintf(&b, "wasmworker: the activity failed (%s, %s): %s\n", visible.Line(kind), retry, indented(f.Message, 2))
	for _, detail := range f.Details {
		fmt.Fprintf(&b, "  details: %s\n", indented(string(detail), 4))
	}
	if f.StackTrace != "" {
		fmt.Fprintf(&b, "  stack:\n    %s\n", indented(strings.TrimSpace(f.StackTrace), 4))
	}
	for cause := f.Cause; cause != nil; cause = cause.Cause {
		fmt.Fprintf(&b, "  cause: %s\n", indented(cause.Error(), 4))
	}
	return b.String()
}

// indented escapes a module's text and indents all lines but the first, so that they
// cannot pass for lines of this program.
func indented(text string, by int) string {
	return strings.ReplaceAll(visible.Text(text), "\n", "\n"+strings.Repeat(" ", by))
}

func executeCommand() *cli.Command {
	return &cli.Command{
		Name:      "execute",
		Usage:     "execute one activity through Temporal, wait, and print its result",
		ArgsUsage: "ACTIVITY [JSON | @FILE | -]…",
		Description: `   wasmworker execute Greet '{"name": "Ada"}'
   wasmworker execute --task-queue orders --timeout 5m Price @order.json

` + argsHelp + `

It is a standalone activity: no workflow is involved. Ctrl-C requests its cancellation, and
a second one stops waiting. While the server is away it is waited for.`,
		Flags: slices.Concat([]cli.Flag{
			binaryFlag(),
			&cli.StringFlag{Name: "id", EnvVars: []string{"WASMWORKER_ACTIVITY_ID"}, Usage: "activity id (default: a new one)"},
			&cli.DurationFlag{Name: "timeout", EnvVars: []string{"WASMWORKER_TIMEOUT"}, Value: 10 * time.Minute, Usage: "how long the activity may take, retries included (schedule to close)"},
			&cli.DurationFlag{Name: "attempt-timeout", EnvVars: []string{"WASMWORKER_ATTEMPT_TIMEOUT"}, Usage: "how long one attempt may take (start to close) (default: as --timeout)"},
			&cli.DurationFlag{Name: "heartbeat-timeout", EnvVars: []string{"WASMWORKER_HEARTBEAT_TIMEOUT"}, Usage: "how long the activity may be silent (default: no limit)"},
			&cli.IntFlag{Name: "max-attempts", EnvVars: []string{"WASMWORKER_MAX_ATTEMPTS"}, Usage: "how often the activity is tried; 0 means without limit"},
		}, flagsOf(inExecute)),
		Action: execute,
	}
}

func execute(c *cli.Context) error {
	if _, err := applyConfig(c); err != nil {
		return err
	}
	logger, err := newLogger(c)
	if err != nil {
		return err
	}
	name := c.Args().First()
	if name == "" {
		return usagef("name an activity: wasmworker execute Greet '{\"name\": \"Ada\"}'")
	}
	if c.Int("max-attempts") < 0 {
		return usagef("--max-attempts %d is negative", c.Int("max-attempts"))
	}
	payloads, err := parseArgs(c, c.Args().Slice()[1:])
	if err != nil {
		return err
	}
	args := make([]any, len(payloads))
	for i, p := range payloads {
		args[i] = converter.NewRawValue(&commonpb.Payload{Metadata: p.Metadata, Data: p.Data})
	}
	profile, err := clientProfile(c)
	if err != nil {
		return err
	}
	options, err := clientOptions(c, profile, logger)
	if err != nil {
		return err
	}
	first, second, stopSignals := signals(c.Context, discard)
	defer stopSignals()
	id := c.String("id")
	if id == "" {
		id = "wasmworker-" + uuid.NewString()
	}
	waiter := &waiter{output: c.App.ErrWriter, activity: id}
	options.ConnectionOptions.DialOptions = append(options.ConnectionOptions.DialOptions, grpc.WithChainUnaryInterceptor(waiter.watch))
	temporalClient, err := client.DialContext(first, options)
	if err != nil {
		return fmt.Errorf("the Temporal server cannot be reached: %w; check --address, or run `wasmworker dev`", err)
	}
	defer temporalClient.Close()
	taskQueue := c.String("task-queue")
	if taskQueue == "" {
		taskQueue = host.TaskQueueFor(c.String("deployment-name"))
	}
	handle, err := temporalClient.ExecuteActivity(first, client.StartActivityOptions{
		ID: id, TaskQueue: taskQueue,
		ScheduleToCloseTimeout: c.Duration("timeout"),
		StartToCloseTimeout:    c.Duration("attempt-timeout"),
		HeartbeatTimeout:       c.Duration("heartbeat-timeout"),
		RetryPolicy:            &temporal.RetryPolicy{MaximumAttempts: int32(c.Int("max-attempts"))},
	}, name, args...)
	if err != nil && isConnectionError(err) {
		return fmt.Errorf("the connection was lost while activity %s was being started, and it may have been: %w; look for that id before starting it again", id, err)
	}
	if err != nil {
		return fmt.Errorf("the activity could not be started: %w", err)
	}
	logger.Debug("started", "activity_id", id, "task_queue", taskQueue)
	defer context.AfterFunc(first, func() {
		fmt.Fprintf(c.App.ErrWriter, "wasmworker: requesting the cancellation of activity %s; signal again to stop waiting\n", id)
		if err := waiter.cancel(second, handle); err != nil && second.Err() == nil {
			fmt.Fprintf(c.App.ErrWriter, "wasmworker: the cancellation could not be requested: %v\n", err)
		}
	})()
	var result converter.RawValue
	if err := waiter.wait(second, handle, &result); err != nil {
		if second.Err() != nil {
			return fmt.Errorf("stopped waiting; activity %s goes on", id)
		}
		return fmt.Errorf("activity %s failed: %w", name, err)
	}
	return printResult(c.App.Writer, sandbox.Payload{Metadata: result.Payload().GetMetadata(), Data: result.Payload().GetData()})
}

// parseArgs makes payloads from the arguments on the command line.
func parseArgs(c *cli.Context, args []string) ([]sandbox.Payload, error) {
	var payloads []sandbox.Payload
	stdinUsed := false
	for _, arg := range args {
		what, data := "the argument "+arg, []byte(arg)
		file := arg == "-" || strings.HasPrefix(arg, "@")
		var err error
		switch {
		case arg == "-" && stdinUsed:
			return nil, usagef("standard input (-) can be used once")
		case arg == "-":
			stdinUsed, what = true, "standard input"
			data, err = io.ReadAll(c.App.Reader)
		case file:
			what = arg[1:]
			data, err = os.ReadFile(what)
		}
		if err != nil {
			return nil, usagef("an argument cannot be read: %w", err)
		}
		if file && c.Bool("binary") {
			payloads = append(payloads, sandbox.NewPayload(abi.EncodingBinary, data))
			continue
		}
		data = bytes.TrimSpace(data)
		if !json.Valid(data) {
			hint := fmt.Sprintf("a string needs quotes of its own, as in '%q'", arg)
			if file {
				hint = "use --binary to give it as raw bytes"
			}
			return nil, usagef("%s is not JSON; %s", what, hint)
		}
		payloads = append(payloads, sandbox.NewPayload(abi.EncodingJSON, data))
	}
	return payloads, nil
}

// printResult writes a result: JSON as a line, null for no result, and anything else as
// it is. On a terminal, characters that the terminal would obey are escaped.
func printResult(w io.Writer, p sandbox.Payload) error {
	data := p.Data
	switch p.Encoding() {
	case abi.EncodingJSON, abi.EncodingProtoJSON:
		data = append(bytes.TrimSpace(data), '\n')
	case abi.EncodingNull, "":
		data = []byte("null\n")
	}
	if !isTerminal(w) {
		w = raw(w)
	}
	_, err := w.Write(data)
	return err
}

// payloadText renders a payload for a log.
func payloadText(p sandbox.Payload) string {
	if p.Encoding() == abi.EncodingJSON {
		return string(p.Data)
	}
	return fmt.Sprintf("%d bytes of %s", len(p.Data), p.Encoding())
}
