// Command wasmworker-devserver is a Temporal server for development and tests:
// one process with the four Temporal services, SQLite and the web UI. Its flags
// are those of `temporal server start-dev`, so either can stand in for the
// other.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	uiversion "github.com/temporalio/ui-server/v2/server/version"
	"github.com/urfave/cli/v2"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/headers"
	"go.temporal.io/server/common/searchattribute/sadefs"
)

const (
	program = "wasmworker-devserver"

	// Long enough for a stop in order even with workers connected, short
	// enough for a test suite that stops a server per test.
	stopTimeout = 5 * time.Second

	exitFailure     = 1
	exitUsage       = 2
	exitInterrupted = 130 // what shells report for a process ended by Ctrl-C
)

// version is set by the release build with -ldflags "-X main.version=v1.2.3".
var version string

// usageError marks mistakes on the command line, which exit with their own code
// so that a script can tell them from a server that failed to start.
type usageError struct{ error }

func main() {
	stdout := os.Stdout
	// Libraries in this process write logs to os.Stdout (the UI's HTTP server
	// does). Ours is read by programs, so nobody else gets it.
	os.Stdout = os.Stderr
	os.Exit(run(os.Args[1:], os.Stdin, stdout, os.Stderr))
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	err := newApp(stdin, stdout, stderr).Run(append([]string{program}, normalize(args)...))
	if err == nil {
		return 0
	}
	for line := range strings.Lines(err.Error()) {
		_, _ = fmt.Fprintf(stderr, "%s: %s\n", program, strings.TrimRight(line, "\n"))
	}
	if errors.As(err, new(usageError)) {
		_, _ = fmt.Fprintf(stderr, "Run '%s --help' for usage.\n", program)
		return exitUsage
	}
	return exitFailure
}

// normalize turns the temporal command's ways to say something into the one that
// the flag library here understands.
func normalize(args []string) []string {
	out := slices.Clone(args)
	// `server start-dev` is optional, also behind global flags as in
	// `temporal --log-level info server start-dev`. No flag takes two values, so
	// the pair cannot be anything else.
	for i := range len(out) - 1 {
		if out[i] == "server" && out[i+1] == "start-dev" {
			out = slices.Delete(out, i, i+2)
			break
		}
	}
	// A flag given by both of its names is an error to the library.
	for i, arg := range out {
		flag, value, hasValue := strings.Cut(arg, "=")
		long, ok := map[string]string{"-f": "--db-filename", "-n": "--namespace", "-p": "--port"}[flag]
		switch {
		case ok && hasValue:
			out[i] = long + "=" + value
		case ok:
			out[i] = long
		}
	}
	return out
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *cli.App {
	onUsageError := func(_ *cli.Context, err error, _ bool) error { return usageError{err} }
	return &cli.App{
		Name:            program,
		Usage:           "Temporal server with SQLite and the Temporal UI, for development and tests",
		UsageText:       program + " [flags]\n" + program + " server start-dev [flags]",
		Version:         versions(),
		Writer:          stdout,
		ErrWriter:       stderr,
		HideHelpCommand: true,
		// A comma is part of a JSON value or of a name, not a separator.
		DisableSliceFlagSeparator: true,
		// run reports errors; the library would exit by itself.
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   onUsageError,
		Commands: []*cli.Command{{
			Name:         "version",
			Usage:        "print the version",
			OnUsageError: onUsageError,
			Action: func(c *cli.Context) error {
				cli.ShowVersion(c)
				return nil
			},
		}},
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "ip", Value: "localhost", Usage: "IP address of the frontend (gRPC) service"},
			&cli.IntFlag{Name: "port", Aliases: []string{"p"}, Value: 7233, Usage: "port of the frontend (gRPC) service; 0 for any free port"},
			&cli.IntFlag{Name: "http-port", DefaultText: "any free port", Usage: "port of the HTTP API"},
			&cli.IntFlag{Name: "metrics-port", DefaultText: "any free port", Usage: "port of /metrics, on the loopback address"},
			&cli.StringFlag{Name: "ui-ip", DefaultText: "same as --ip", Usage: "IP address of the web UI"},
			&cli.IntFlag{Name: "ui-port", DefaultText: "--port + 1000, or any free port with --port 0", Usage: "port of the web UI"},
			&cli.StringFlag{Name: "ui-public-path", Usage: "base path of the web UI"},
			&cli.StringFlag{Name: "ui-asset-path", Usage: "directory with UI assets to serve instead of the embedded ones"},
			&cli.StringFlag{Name: "ui-codec-endpoint", Usage: "URL of a remote codec for the web UI"},
			&cli.BoolFlag{Name: "ui-disable-news-fetch", DisableDefaultText: true, Usage: "keep the web UI from fetching news"},
			&cli.BoolFlag{Name: "headless", DisableDefaultText: true, Usage: "do not serve the web UI"},
			&cli.StringFlag{Name: "db-filename", Aliases: []string{"f"}, DefaultText: "in memory", Usage: "SQLite file to keep the data in"},
			&cli.StringSliceFlag{Name: "sqlite-pragma", Usage: "`PRAGMA=VALUE` for SQLite (repeatable)"},
			&cli.StringSliceFlag{Name: "namespace", Aliases: []string{"n"}, Usage: "namespace to create besides \"default\" (repeatable)"},
			&cli.StringSliceFlag{Name: "search-attribute", Usage: "search attribute of these namespaces, `NAME=TYPE` (repeatable)"},
			&cli.StringSliceFlag{Name: "dynamic-config-value", Usage: "dynamic configuration, `KEY=JSONVALUE` (repeatable)"},
			&cli.StringFlag{Name: "log-level", Value: "warn", Usage: "debug, info, warn, error or never"},
			&cli.StringFlag{Name: "log-format", Value: "text", Usage: "text or json; pretty is text"},
			&cli.BoolFlag{Name: "log-config", DisableDefaultText: true, Usage: "print the server's configuration to stderr"},
			&cli.BoolFlag{Name: "exit-with-parent", DisableDefaultText: true, Usage: "stop when stdin, a pipe held by the parent, is closed"},
			// Global flags of the temporal command that keep it from reading
			// its configuration. There is none here to read.
			&cli.BoolFlag{Name: "disable-config-file", Hidden: true},
			&cli.BoolFlag{Name: "disable-config-env", Hidden: true},
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usageError{fmt.Errorf("unexpected argument %q", c.Args().First())}
			}
			opts, err := parseOptions(c)
			if err != nil {
				return usageError{err}
			}
			return serve(c, opts, stdin, stdout, stderr)
		},
	}
}

// serve runs the server until a signal or, if asked for, the end of stdin.
func serve(c *cli.Context, opts options, stdin io.Reader, stdout, stderr io.Writer) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(exitInterrupted)
	}()
	if c.Bool("exit-with-parent") {
		// The system closes the parent's end of the pipe however the parent
		// ends, also when it is killed.
		go func() {
			_, _ = io.Copy(io.Discard, stdin)
			cancel()
		}()
	}

	logs, level := newLogger(stderr, opts.logLevel, opts.logFormat)
	if opts.logConfig {
		opts.onConfig = func(yaml string) { _, _ = io.WriteString(stderr, yaml) }
	}

	type outcome struct {
		srv *server
		err error
	}
	started := make(chan outcome, 1)
	go func() {
		srv, err := start(ctx, opts, logs)
		started <- outcome{srv, err}
	}()
	var srv *server
	select {
	case <-ctx.Done():
		// Temporal cannot be stopped halfway through its start. Leaving does no
		// harm: memory is gone either way, and SQLite's file survives it.
		return nil
	case o := <-started:
		if o.err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return o.err
		}
		srv = o.srv
	}

	if _, err := io.WriteString(stdout, srv.describe()); err != nil {
		return fmt.Errorf("writing the addresses to stdout: %w", err)
	}
	<-ctx.Done()

	if !c.IsSet("log-level") {
		// Services that lose each other while stopping warn about it. Nobody
		// can act on that, so only those who asked for logs see it.
		level.Set(levelNever)
	}
	if !srv.stop(stopTimeout) {
		_, _ = fmt.Fprintf(stderr, "%s: not stopped after %v, leaving anyway\n", program, stopTimeout)
	}
	return nil
}

// options is the command line, checked.
type options struct {
	ip, uiIP                              netip.Addr
	port, httpPort, metricsPort, uiPort   int
	headless, uiDisableNews               bool
	uiPublicPath, uiAssetPath, uiCodecURL string
	dbFile                                string
	pragmas                               map[string]string
	namespaces                            []string
	searchAttributes                      map[string]enumspb.IndexedValueType
	dynamicConfig                         dynamicconfig.ConfigValueMap
	logLevel                              slog.Level
	logFormat                             string
	logConfig                             bool
	onConfig                              func(yaml string)
}

func parseOptions(c *cli.Context) (options, error) {
	opts := options{
		port:          c.Int("port"),
		httpPort:      c.Int("http-port"),
		metricsPort:   c.Int("metrics-port"),
		uiPort:        c.Int("ui-port"),
		headless:      c.Bool("headless"),
		uiDisableNews: c.Bool("ui-disable-news-fetch"),
		uiAssetPath:   c.String("ui-asset-path"),
		uiCodecURL:    c.String("ui-codec-endpoint"),
		dbFile:        c.String("db-filename"),
		logFormat:     c.String("log-format"),
		logConfig:     c.Bool("log-config"),
	}
	// All mistakes are reported at once rather than one per attempt.
	var errs []error
	check := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}

	var err error
	opts.ip, err = parseIP("ip", c.String("ip"))
	check(err)
	opts.uiIP = opts.ip
	if v := c.String("ui-ip"); v != "" {
		opts.uiIP, err = parseIP("ui-ip", v)
		check(err)
	}
	for _, flag := range []string{"port", "http-port", "metrics-port", "ui-port"} {
		if v := c.Int(flag); v < 0 || v > 65535 {
			check(fmt.Errorf("--%s: %d is not a port", flag, v))
		}
	}
	if opts.uiPort == 0 && opts.port != 0 {
		opts.uiPort = min(opts.port+1000, 65535)
	}

	if v := strings.Trim(c.String("ui-public-path"), "/"); v != "" {
		opts.uiPublicPath = "/" + v
	}
	if opts.uiAssetPath != "" {
		// The UI server would start without it and answer 404 to everything.
		if _, err := os.Stat(filepath.Join(opts.uiAssetPath, "index.html")); err != nil {
			check(fmt.Errorf("--ui-asset-path: %w", err))
		}
	}

	opts.logLevel, err = parseLevel(c.String("log-level"))
	check(err)
	if !slices.Contains([]string{"text", "json", "pretty"}, opts.logFormat) {
		check(fmt.Errorf("--log-format: %q is none of text, json, pretty", opts.logFormat))
	}

	opts.namespaces = []string{"default"}
	for _, v := range c.StringSlice("namespace") {
		if strings.TrimSpace(v) == "" {
			check(errors.New("--namespace: empty name"))
		} else if !slices.Contains(opts.namespaces, v) {
			opts.namespaces = append(opts.namespaces, v)
		}
	}

	opts.pragmas = map[string]string{}
	check(keyValues(c, "sqlite-pragma", func(key, value string) error {
		key = strings.ToLower(key)
		opts.pragmas[key] = value
		return checkPragma(key)
	}))
	opts.searchAttributes = map[string]enumspb.IndexedValueType{}
	check(keyValues(c, "search-attribute", func(key, value string) error {
		typ, err := parseSearchAttributeType(value)
		if err != nil {
			return err
		}
		if sadefs.IsReserved(key) {
			return fmt.Errorf("%q is a name of Temporal's own", key)
		}
		opts.searchAttributes[key] = typ
		return nil
	}))
	opts.dynamicConfig = dynamicconfig.ConfigValueMap{}
	check(keyValues(c, "dynamic-config-value", func(key, value string) error {
		return addDynamicConfig(opts.dynamicConfig, key, value)
	}))
	return opts, errors.Join(errs...)
}

func parseIP(flag, value string) (netip.Addr, error) {
	if value == "localhost" {
		return loopback, nil
	}
	ip, err := netip.ParseAddr(value)
	if err != nil || ip.Zone() != "" {
		return ip, fmt.Errorf("--%s: %q is not an IP address", flag, value)
	}
	return ip, nil
}

func keyValues(c *cli.Context, flag string, set func(key, value string) error) error {
	var errs []error
	for _, v := range c.StringSlice(flag) {
		key, value, ok := strings.Cut(v, "=")
		key = strings.TrimSpace(key)
		if !ok || key == "" {
			errs = append(errs, fmt.Errorf("--%s: %q is not of the form NAME=VALUE", flag, v))
		} else if err := set(key, value); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", flag, err))
		}
	}
	return errors.Join(errs...)
}

func parseSearchAttributeType(value string) (enumspb.IndexedValueType, error) {
	var names []string
	for typeName, v := range enumspb.IndexedValueType_shorthandValue {
		typ := enumspb.IndexedValueType(v)
		if typ == enumspb.INDEXED_VALUE_TYPE_UNSPECIFIED {
			continue
		}
		if strings.EqualFold(typeName, value) {
			return typ, nil
		}
		names = append(names, typeName)
	}
	slices.Sort(names)
	return 0, fmt.Errorf("%q is not a type; types are %s", value, strings.Join(names, ", "))
}

// addDynamicConfig parses a value with Temporal's loader of dynamic
// configuration files. It knows each key's type and tells a misspelled key, which
// the server itself would ignore.
func addDynamicConfig(into dynamicconfig.ConfigValueMap, key, value string) error {
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(value)); err != nil {
		return fmt.Errorf("%s: %q is not JSON: %w", key, value, err)
	}
	// JSON is YAML, once it has no tabs.
	loaded := dynamicconfig.LoadYamlFile(fmt.Appendf(nil, "%q: [{value: %s}]\n", key, compact.Bytes()))
	if err := errors.Join(slices.Concat(loaded.Errors, loaded.Warnings)...); err != nil {
		return err
	}
	for k, v := range loaded.Map {
		into[k] = v
	}
	return nil
}

func versions() string {
	v := version
	if v == "" {
		v = "dev"
		if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
			v = info.Main.Version
		}
	}
	return fmt.Sprintf("%s (Temporal Server %s, UI %s)", v, headers.ServerVersion, uiversion.UIVersion)
}
