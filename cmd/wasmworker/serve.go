package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	sdklog "go.temporal.io/sdk/log"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/replay"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "serve modules on a Temporal task queue until a signal comes",
		Description: `   wasmworker serve --modules ./acts
   wasmworker serve --modules ./acts --address temporal:7233 --task-queue orders
   wasmworker serve --config wasmworker.yaml --health-address :8080

The connection is that of the Temporal SDK's environment configuration: TEMPORAL_ADDRESS,
TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_…, TEMPORAL_CODEC_AUTH, and profiles of
temporal.toml.

SIGTERM or Ctrl-C once: no new activities, those in flight may finish within the graceful
timeout. Twice: they are interrupted and Temporal hands them to another worker. Three
times: exit at once. SIGHUP, a closed terminal, is as the first of these. A log that nobody
reads any more ends nothing.`,
		Flags: flagsOf(inServe),
		Action: func(c *cli.Context) error {
			s, err := newServer(c)
			if err != nil {
				return err
			}
			profile, err := clientProfile(c)
			if err != nil {
				return err
			}
			if s.options.ClientOptions, err = clientOptions(c, profile, s.logger); err != nil {
				return err
			}
			if err := s.hardenBy(c, profile); err != nil {
				return err
			}
			return s.serve(c.Context)
		},
	}
}

// server is what serve and dev have in common.
type server struct {
	options host.Options
	config  *configFile
	logger  *slog.Logger
	health  string
	// What is left to the process: see harden.
	hardening hardening
	paths     []string // of modules
	tlsFiles  []string
	codec     string // its URL
	temporary string // directory for temporary files, made by harden
	// manifests that cannot be used, or were refused
	unserved error
	recorder *recorder                                     // nil: nothing is recorded
	before   func(ctx context.Context, h *host.Host) error // runs between the checks and the start
	started  func(h *host.Host)
}

// newServer makes host options of flags, environment and file.
func newServer(c *cli.Context) (*server, error) {
	surviveClosedOutput() // before anything is logged
	config, err := applyConfig(c)
	if err != nil {
		return nil, err
	}
	if c.Args().Present() {
		return nil, usagef("unexpected argument %q; modules are named with --modules", c.Args().First())
	}
	logger, err := newLogger(c)
	if err != nil {
		return nil, err
	}
	if len(c.StringSlice("modules")) == 0 {
		return nil, usagef("no modules are named; use --modules DIRECTORY, WASMWORKER_MODULES, or modules: in the file of --config")
	}
	modules, err := passthroughModules(config)
	if err != nil {
		return nil, err
	}
	set, err := passthrough.NewSet(modules...)
	if err != nil {
		return nil, err
	}
	defaults, perModule, err := moduleOptions(c, config, set)
	if err != nil {
		return nil, err
	}
	total, err := c.Generic("total-memory-limit").(*totalBytesFlag).resolve(logger)
	if err != nil {
		return nil, err
	}
	files, unusable := findModules(c.StringSlice("modules"))
	plugins, perModule, refused := files.grant(defaults, perModule, set)
	s := &server{config: config, logger: logger, health: c.String("health-address"), unserved: errors.Join(unusable, joinRefusals(refused))}
	s.options = host.Options{PluginOptions: host.PluginOptions{
		Modules:          files.paths,
		Files:            plugins,
		Defaults:         defaults,
		PerModule:        perModule,
		Passthrough:      modules,
		TotalMemoryLimit: total,
		CacheDir:         cacheDir(c),
		Logger:           logger,
	}}
	apply(c, &s.options, nil)
	if directory := c.String("record-dir"); directory != "" {
		if s.recorder, err = newRecorder(directory, c.Int("record-limit"), config, logger); err != nil {
			return nil, err
		}
		s.options.Interceptor = &replay.Recorder{MaxSize: maxRecord, Ended: s.recorder.ended}
		s.options.WorkflowEnded = s.recorder.workflowEnded
	}
	return s, nil
}

// clientProfile reads the connection's settings as the Temporal SDK does.
func clientProfile(c *cli.Context) (envconfig.ClientConfigProfile, error) {
	profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{ConfigFileProfile: c.String("profile")})
	if err != nil {
		return profile, usagef("the Temporal connection's settings: %w", err)
	}
	return profile, nil
}

// clientOptions are those of a profile, with ours on top.
func clientOptions(c *cli.Context, profile envconfig.ClientConfigProfile, logger *slog.Logger) (client.Options, error) {
	options, err := profile.ToClientOptions(envconfig.ToClientOptionsRequest{})
	if err != nil {
		return options, usagef("the Temporal connection's settings: %w", err)
	}
	if err := rotateTLS(&options, profile.TLS, logger); err != nil {
		return options, usagef("the Temporal connection's settings: %w", err)
	}
	if address := c.String("address"); address != "" {
		options.HostPort = address
	}
	if namespace := c.String("namespace"); namespace != "" {
		options.Namespace = namespace
	}
	options.Logger = sdklog.NewStructuredLogger(logger)
	return options, useCodec(&options, c, profile)
}

// serve checks, starts, waits for a signal, and stops.
func (s *server) serve(ctx context.Context) error {
	first, second, stopSignals := signals(ctx, s.logger)
	defer stopSignals()
	h, err := s.newHost(ctx)
	if err != nil {
		return usageError{err}
	}
	if s.recorder != nil {
		s.recorder.activities, s.recorder.client = h.Plugin().Activities(), h.Client
		defer s.recorder.wait()
	}
	if s.health != "" {
		shut, err := serveHealth(s.health, h)
		if err != nil {
			return errors.Join(usagef("--health-address: %w", err), h.Stop(ctx))
		}
		defer shut()
	}
	if s.before != nil {
		if err := s.before(first, h); err != nil {
			return errors.Join(err, h.Stop(ctx))
		}
	}
	defer s.cleanUp()
	if err := s.harden(); err != nil {
		return errors.Join(usageError{err}, h.Stop(ctx))
	}
	if err := h.Start(first); err != nil {
		if first.Err() != nil {
			s.logger.Info("stopped before polling began")
			return nil
		}
		if _, refused := errors.AsType[*host.LoadError](err); refused {
			return usageError{err}
		}
		return err
	}
	if m, err := readMemory(); err == nil {
		m.warnOfMemory(s.logger, s.options.TotalMemoryLimit, h.Limit(), h.Plugin().Modules())
	}
	s.logger.Info("serving", "task_queue", h.TaskQueue(), "activities", strings.Join(h.Activities(), ", "), "workflows", strings.Join(h.Workflows(), ", "),
		"max_concurrent_activities", limitText(h.Limit()), "build_id", h.Plugin().BuildID(), "version", buildVersion())
	if s.started != nil {
		s.started(h)
	}
	select {
	case <-first.Done():
	case <-h.Failed():
		s.logger.Error("the worker failed and stops", "error", h.Err())
	}
	begin := time.Now()
	err = h.Stop(second)
	s.logger.Info("stopped", "duration", time.Since(begin).Round(time.Millisecond), "interrupted", h.Plugin().Interrupted(), "undelivered", h.Plugin().Undelivered())
	switch {
	case h.Err() != nil:
		return errors.Join(h.Err(), err)
	case errors.Is(err, host.ErrInterrupted), errors.Is(err, host.ErrUndelivered):
		return cli.Exit(err.Error(), exitInterrupted)
	}
	return err
}

func limitText(limit int) string {
	l := limitFlag(limit)
	return l.String()
}

// signals returns contexts that end with the first and the second signal. The third ends
// the process. A hangup counts only as the first. Signals are taken until the process
// ends: stop ends the contexts alone, so that none cuts off what comes last.
func signals(parent context.Context, logger *slog.Logger) (first, second context.Context, stop func()) {
	first, cancelFirst := context.WithCancel(parent)
	second, cancelSecond := context.WithCancel(parent)
	received := make(chan os.Signal, 3)
	// On Windows, Ctrl-C and Ctrl-Break arrive as Interrupt, and closing the console,
	// logging off and shutting down as SIGTERM.
	signal.Notify(received, append(hangup(), os.Interrupt, syscall.SIGTERM)...)
	go func() {
		n := 0
		for sig := range received {
			if n > 0 && isHangup(sig) {
				// shell and kernel send one each when a terminal is closed: nobody is in
				// a hurry
				continue
			}
			n++
			switch n {
			case 1:
				logger.Info("stopping: waiting for activities in flight; signal again to interrupt them", "signal", sig.String())
				cancelFirst()
			case 2:
				logger.Warn("interrupting activities in flight; signal again to exit at once", "signal", sig.String())
				cancelSecond()
			default:
				logger.Error("exiting at once", "signal", sig.String())
				code := 128 + int(syscall.SIGTERM)
				if number, ok := sig.(syscall.Signal); ok {
					code = 128 + int(number)
				}
				os.Exit(code)
			}
		}
	}()
	return first, second, func() {
		cancelFirst()
		cancelSecond()
	}
}

// serveHealth answers health checks from now on, until shut is called.
func serveHealth(address string, h *host.Host) (shut func(), err error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Handler: h.HealthHandler(), MaxHeaderBytes: 16 << 10,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute,
	}
	go server.Serve(listener) //nolint:errcheck // always ErrServerClosed
	return func() { server.Close() }, nil
}

// programDirectory is where this program lies.
func programDirectory() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	return filepath.Dir(path)
}
