package main

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/yamlnode"
)

// setting is one row of the table of settings. Flags, environment variables, keys of the
// configuration file, the schema, the table of docs/operations.md and the limits that
// inspect shows are made of it. The table is in this package because its rows name fields
// of what this program makes, and nothing else reads it.
type setting struct {
	name     string // of the flag
	alias    string
	env      string
	commands commands // that have the flag; 0: it is a key below per_module alone
	noKey    bool     // it is none of the file's
	file     bool     // its values are names of files
	positive bool     // options take 0 for the default, which nobody means who writes it
	oneOf    []string // its values, if there are no others
	value    any      // the default, whose type is the type of all values
	unset    string   // what docs/operations.md says instead of the default
	usage    string   // for --help and the schema
	doc      string   // why to change it, for docs/operations.md

	// worker and module return pointers to the field that the setting sets. A setting
	// with neither is read by the command that needs it. One with the latter is for all
	// modules, and below per_module for single ones.
	worker func(*host.Options) any
	module func(*host.ModuleOptions) any
	// limit is what inspect says of a module's limit. Nil: it is none.
	limit func(*host.ModuleOptions) string
}

// commands is a set of commands.
type commands uint

const (
	inServe commands = 1 << iota
	inDev
	inInvoke
	inExecute
	inInspect
	inExplain
	inTest

	inWorkers = inServe | inDev
	inGrants  = inWorkers | inInspect | inExplain // what can be known before anything runs
	inModules = inGrants | inInvoke
	inLogging = inWorkers | inInvoke | inExecute
)

var settings = []setting{
	{
		name: "config", alias: "c", env: "WASMWORKER_CONFIG", commands: inModules | inExecute, value: "", file: true, noKey: true,
		usage: "`FILE` with settings, such as wasmworker.yaml",
		doc:   "a file with the settings of the third column",
	},
	{
		name: "modules", alias: "m", env: "WASMWORKER_MODULES", commands: inWorkers | inInspect, value: list(nil), file: true,
		usage: "`DIRECTORY` with .wasm files and Extism manifests (.json), or a file; repeatable",
		doc:   "directories with `.wasm` files and [Extism manifests](extism.md), or files",
	},
	{
		name: "address", env: "TEMPORAL_ADDRESS", commands: inServe | inExecute, value: "", unset: "`localhost:7233`",
		usage: "`HOST:PORT` of the Temporal server (default: as the profile of temporal.toml says, or localhost:7233)",
		doc:   "where Temporal is",
	},
	{
		name: "namespace", alias: "n", env: "TEMPORAL_NAMESPACE", commands: inServe | inExecute, value: "", unset: "`default`",
		usage: "Temporal namespace (default: as the profile says, or default)",
		doc:   "the Temporal namespace",
	},
	{
		name: "profile", env: "TEMPORAL_PROFILE", commands: inServe | inExecute, value: "", unset: "`default`", noKey: true,
		usage: "profile of temporal.toml, for TLS and API keys too",
		doc:   "a profile of `temporal.toml`, with TLS and API key",
	},
	{
		name: "codec-endpoint", env: "TEMPORAL_CODEC_ENDPOINT", commands: inWorkers | inExecute, value: "", unset: "none",
		usage: "`URL` of a codec server that decrypts and encrypts payloads, {namespace} standing for the namespace (default: as the profile says, or none)",
		doc:   "URL of a codec server, see [payload codec](#payload-codec)",
	},
	{
		name: "task-queue", alias: "t", env: "TEMPORAL_TASK_QUEUE", commands: inWorkers | inExecute, value: "", unset: "`wasmworker`, or `wasmworker-<deployment>`",
		usage:  "Temporal task queue (default: wasmworker, or wasmworker-DEPLOYMENT)",
		doc:    "the Temporal task queue",
		worker: func(o *host.Options) any { return &o.TaskQueue },
	},
	{
		name: "deployment-name", env: "DEPLOYMENT_NAME", commands: inWorkers | inExecute, value: "",
		usage:  "tells deployments apart: part of the default task queue and of the worker's identity",
		doc:    "to tell deployments apart: in the default task queue and the worker's identity",
		worker: func(o *host.Options) any { return &o.DeploymentName },
	},
	{
		name: "max-concurrent-activities", env: "MAX_CONCURRENT_ACTIVITIES", commands: inWorkers, value: limitFlag(host.DefaultMaxConcurrentActivities),
		usage:  "most activities that run, and instances that live, at once: a `NUMBER` or none",
		doc:    "a number or `none`; caps activities and instances alike. Memory is at most this × memory limit",
		worker: func(o *host.Options) any { return &o.MaxConcurrentActivities },
	},
	{
		name: "graceful-shutdown-timeout", env: "GRACEFUL_SHUTDOWN_TIMEOUT_SECONDS", commands: inWorkers, value: durationFlag(host.DefaultGracefulShutdownTimeout),
		usage:  "how long activities may go on after the first signal: `SECONDS`, or with a unit",
		doc:    "seconds, or with a unit. Keep it below your platform's kill timeout",
		worker: func(o *host.Options) any { return &o.GracefulShutdownTimeout },
	},
	{
		name: "cancel-grace", env: "WASMWORKER_CANCEL_GRACE", commands: inModules, value: durationFlag(host.DefaultCancelGrace),
		usage:  "how long a canceled activity may go on before it is interrupted",
		doc:    "how long a canceled guest may clean up before it is interrupted",
		worker: func(o *host.Options) any { return &o.CancelGrace },
	},
	{
		name: "passthrough", env: "PASSTHROUGH_MODULES", commands: inModules, value: grants{}, unset: "none",
		usage:  "host `MODULE` that every guest may import; repeatable, or with commas",
		doc:    "host modules that every guest may import",
		module: func(o *host.ModuleOptions) any { return &o.Passthrough },
	},
	{
		name: "env", env: "WASMWORKER_ENV", commands: inModules, value: list(nil), unset: "none",
		usage:  "`NAME` of an environment variable that every guest may read; repeatable, or with commas",
		doc:    "names of environment variables that every guest may read. `NAME=VALUE` sets one for the guests",
		module: func(o *host.ModuleOptions) any { return &o.Env },
	},
	{
		name: "prefix", value: "",
		usage:  "Put before the name of each export to make its activity type, so that two modules can export the same name.",
		doc:    "put before the name of each export to make its activity type, so that two modules can export the same name",
		module: func(o *host.ModuleOptions) any { return &o.Prefix },
	},
	{
		name: "rename", value: map[string]string(nil),
		usage:  "Activity types by the names of exports, for exports that need another one. The prefix is not added to them.",
		doc:    "activity types by the names of exports, for exports that need another one. The prefix is not added to them",
		module: func(o *host.ModuleOptions) any { return &o.Rename },
	},
	{
		name: "args", value: list(nil), unset: "none",
		usage:  "Arguments that the module finds after its name, as a program does.",
		doc:    "arguments that the module finds after its name, as a program does: `[--quiet, -n, \"3\"]`",
		module: func(o *host.ModuleOptions) any { return &o.Args },
	},
	{
		name: "command-io", value: string(sandbox.CommandPlain), oneOf: []string{string(sandbox.CommandPlain), string(sandbox.CommandJSON)},
		usage:  "Of a command. plain: the activity's arguments are standard input, standard output is the result. json: the argument is {\"args\": [...], \"stdin\": \"...\"}, the result {\"exit_code\": 0, \"stdout\": \"...\", \"stderr\": \"...\"}; whoever starts activities chooses arguments of the program then.",
		doc:    "of a command: with `plain` the activity's arguments are standard input and standard output is the result, with `json` [both are objects](../abi/SPEC.md#commands), and whoever starts activities chooses arguments of the program",
		module: func(o *host.ModuleOptions) any { return &o.CommandIO },
	},
	{
		name: "success-codes", value: []uint32(nil), unset: "`[0]`",
		usage:  "Exit codes of a command that complete its activity. Default: 0 alone.",
		doc:    "exit codes of a command that complete its activity, such as `[0, 10, 20]` of a solver. The result tells [which it was](../abi/SPEC.md#commands)",
		module: func(o *host.ModuleOptions) any { return &o.SuccessCodes },
	},
	{
		name: "max-instances", value: int(0), unset: "`max_concurrent_activities`",
		usage:  "Most instances of this module, for one that is hungry for memory. Activities beyond it wait, each in one of the worker's slots. Default: max_concurrent_activities.",
		doc:    "most instances of this module, for one that is hungry for memory. See [waiting](#waiting-for-an-instance)",
		module: func(o *host.ModuleOptions) any { return &o.MaxInstances },
	},
	{
		name: "memory-limit", env: "WASMWORKER_MEMORY_LIMIT", commands: inModules, value: bytesFlag(abi.DefaultMemoryLimit),
		usage:  "most memory of an instance",
		doc:    "most memory of an instance",
		module: func(o *host.ModuleOptions) any { return &o.MemoryLimit },
		limit:  func(o *host.ModuleOptions) string { return "memory " + humanize.IBytes(o.MemoryLimit) },
	},
	{
		name: "total-memory-limit", env: "WASMWORKER_TOTAL_MEMORY_LIMIT", commands: inWorkers, value: totalBytesFlag(0),
		usage: "most memory of all instances together: a `SIZE`, none, or auto: what the container may have, or the machine has, less a quarter for the worker itself, and 256 MiB at least",
		doc:   "most memory of all instances together: a size, `none`, or `auto`, see [Memory](#memory). For a machine or container that could not give each its own limit at once. Beyond it idle instances are closed; if that does not suffice, activities wait, within their time and in the order in which they came, until others have ended",
	},
	{
		name: "max-output", env: "WASMWORKER_MAX_OUTPUT", commands: inModules, value: bytesFlag(abi.DefaultMaxOutput),
		usage:  "largest result of an activity with its metadata; the Temporal server's limit holds where it is lower",
		doc:    "largest result, and details of one heartbeat, [with their metadata](errors.md#sizes). The Temporal server has the same limit by default, and the lower one holds",
		module: func(o *host.ModuleOptions) any { return &o.MaxOutput },
		limit:  func(o *host.ModuleOptions) string { return "output " + humanize.IBytes(uint64(o.MaxOutput)) },
	},
	{
		name: "max-fuel", env: "WASMWORKER_MAX_FUEL", commands: inModules, value: int64(0), unset: "no limit",
		usage:  "most units of fuel of an activity, about an instruction each; 0 means no limit",
		doc:    "most units of fuel of an activity, about an instruction each: `invoke --log-level debug` shows what one takes",
		module: func(o *host.ModuleOptions) any { return &o.MaxFuel },
		limit: func(o *host.ModuleOptions) string {
			if o.MaxFuel == 0 {
				return "no limit of units"
			}
			return strconv.FormatInt(o.MaxFuel, 10) + " units"
		},
	},
	{
		name: "initialize-timeout", env: "WASMWORKER_INITIALIZE_TIMEOUT", commands: inModules, value: durationFlag(sandbox.DefaultOptions().InitializeTimeout), positive: true,
		usage:  "most time that the initialization of an instance may take: `SECONDS`, or with a unit",
		doc:    "most time that making an instance may take, which is its start function and its `_initialize`. A module whose first instance takes longer is refused",
		module: func(o *host.ModuleOptions) any { return &o.InitializeTimeout },
	},
	{
		name: "max-initialize-fuel", env: "WASMWORKER_MAX_INITIALIZE_FUEL", commands: inModules, value: sandbox.DefaultOptions().MaxInitializeFuel, positive: true,
		usage:  "most units of fuel that the initialization of an instance may use",
		doc:    "most units of fuel that making an instance may use, apart from `max_fuel`: a runtime that begins needs more than an activity. The default is about what a fast machine does in 10 seconds",
		module: func(o *host.ModuleOptions) any { return &o.MaxInitializeFuel },
	},
	{
		name: "isolation", env: "WASMWORKER_ISOLATION", commands: inGrants, value: string(sandbox.IsolationPristine),
		oneOf:  []string{string(sandbox.IsolationPristine), string(sandbox.IsolationFresh), string(sandbox.IsolationReuse)},
		usage:  "pristine: instances are reset after each activity; fresh: a new one for each; reuse: kept as they are, and state leaks between activities",
		doc:    "`pristine` sets an instance back after each activity; `fresh` initializes a new one for each, slower; `reuse` keeps it as it is, and leaks state between activities",
		module: func(o *host.ModuleOptions) any { return &o.Isolation },
	},
	{
		name: "max-calls", env: "WASMWORKER_MAX_CALLS", commands: inGrants, value: 1000, positive: true,
		usage:  "calls of an instance before it is replaced, with --isolation reuse",
		doc:    "calls of an instance under `reuse`",
		module: func(o *host.ModuleOptions) any { return &o.MaxCalls },
	},
	{
		name: "skip-refused", env: "WASMWORKER_SKIP_REFUSED", commands: inWorkers, value: false,
		usage:  "serve the rest when modules are refused, instead of nothing",
		doc:    "serve the rest when modules are refused",
		worker: func(o *host.Options) any { return &o.SkipRefused },
	},
	{
		name: "harden", env: "WASMWORKER_HARDEN", commands: inServe, value: string(hardenAuto),
		oneOf: []string{string(hardenAuto), string(hardenOn), string(hardenOff)},
		usage: "auto: leave the process only the files and ports that it was configured with, where the kernel can (Linux with Landlock); on: refuse to start elsewhere; off",
		doc:   "`auto` leaves the process only what it was configured with where the kernel can, `on` refuses to start elsewhere, `off` leaves all. See [Hardening](#hardening)",
	},
	{
		name: "preload", env: "WASMWORKER_PRELOAD", commands: inWorkers, value: string(sandbox.PreloadAll),
		oneOf:  []string{string(sandbox.PreloadAll), string(sandbox.PreloadUsed), string(sandbox.PreloadNone)},
		usage:  "all: load every module before the worker begins; used: those whose activities have run before; none: load each when the first of its activities comes",
		doc:    "`all` loads every module before the worker begins; `used` those whose activities have run before; `none` loads each when the first of its activities comes, which waits for that. See [Loading](#loading)",
		worker: func(o *host.Options) any { return &o.Preload },
	},
	{
		name: "module-idle-timeout", env: "WASMWORKER_MODULE_IDLE_TIMEOUT", commands: inWorkers, value: durationFlag(host.DefaultModuleIdleTimeout),
		usage:  "how long a module stays loaded that no activity needs, if its code is in the cache; 0 means for ever",
		doc:    "how long a module stays loaded that no activity needs, if its code is in the cache; `0` means for ever",
		worker: func(o *host.Options) any { return &o.ModuleIdleTimeout },
	},
	{
		name: "max-awake-workflows", env: "WASMWORKER_MAX_AWAKE_WORKFLOWS", commands: inWorkers, value: limitFlag(host.DefaultMaxAwakeWorkflows),
		usage:  "workflow runs of modules that keep an instance while they wait: a `NUMBER` or none",
		doc:    "a number or `none`: workflow runs of modules that keep an instance while they wait. Of others what they changed is kept, some KiB, and they are woken within a millisecond. See [Workflows](workflows.md#limits)",
		worker: func(o *host.Options) any { return &o.MaxAwakeWorkflows },
	},
	{
		name: "versioning", env: "WASMWORKER_VERSIONING", commands: inServe, value: false,
		usage:  "make the worker a version of the Worker Deployment that --deployment-name names",
		doc:    "make the worker a version of the Worker Deployment `deployment_name`. See [Versions](workflows.md#versions)",
		worker: func(o *host.Options) any { return &o.Versioning },
	},
	{
		name: "build-id", env: "WASMWORKER_BUILD_ID", commands: inServe, value: "", unset: "a digest of the modules that have workflows",
		usage:  "the worker's build `ID` (default: a digest of the modules that have workflows)",
		doc:    "what tells this version of the worker from others",
		worker: func(o *host.Options) any { return &o.BuildID },
	},
	{
		name: "auto-upgrade", env: "WASMWORKER_AUTO_UPGRADE", commands: inServe, value: list(nil), unset: "none: runs end with the version that they began with",
		usage:  "`TYPE` of workflows whose runs go on with the newest version, with --versioning; repeatable, or with commas",
		doc:    "types of workflows whose runs go on with the newest version of the worker",
		worker: func(o *host.Options) any { return &o.AutoUpgrade },
	},
	{
		name: "health-address", env: "WASMWORKER_HEALTH_ADDRESS", commands: inWorkers, value: "", unset: "none",
		usage: "`HOST:PORT` for /healthz and /readyz, such as :8080 (default: none)",
		doc:   "for `/healthz` and `/readyz`",
	},
	{
		name: "cache-dir", env: "WASMWORKER_CACHE_DIR", commands: inModules | inTest, value: "", unset: "user's cache directory",
		usage: "`DIRECTORY` for compiled modules, or none; only trusted users may write to it (default: wasmworker in the user's cache directory)",
		doc:   "`none` to keep nothing. Only trusted users may write there: it holds machine code. See [Cache](#cache)",
	},
	{
		name: "compile-timeout", env: "WASMWORKER_COMPILE_TIMEOUT", commands: inWorkers | inInvoke, value: durationFlag(sandbox.DefaultCompileTimeout),
		usage:  "most time that compiling a module may take: `SECONDS`, or with a unit; 0 means no limit",
		doc:    "most time that compiling a module may take, which happens in a process of its own. `0` means no limit. See [Compilation](#compilation)",
		worker: func(o *host.Options) any { return &o.CompileTimeout },
	},
	{
		name: "compile-memory-limit", env: "WASMWORKER_COMPILE_MEMORY_LIMIT", commands: inWorkers | inInvoke, value: boundFlag(sandbox.DefaultCompileMemoryLimit),
		usage:  "most memory that compiling a module may take; 0 means no limit",
		doc:    "most memory that compiling a module may take. `0` means no limit",
		worker: func(o *host.Options) any { return &o.CompileMemoryLimit },
	},
	{
		name: "cache-limit", env: "WASMWORKER_CACHE_LIMIT", commands: inWorkers, value: boundFlag(host.DefaultCacheLimit),
		usage:  "most that the cache of compiled modules may have; 0 means no limit",
		doc:    "most that the cache of compiled modules may have. What has not been of use for longest makes room. `0` means no limit",
		worker: func(o *host.Options) any { return &o.CacheLimit },
	},
	{
		name: "record-dir", alias: "record", env: "WASMWORKER_RECORD_DIR", commands: inWorkers, value: "", unset: "none", file: true,
		usage: "write a sample of the activities to `DIRECTORY`, as cases that wasmworker test replays, with their inputs and what they were answered, and histories of workflows of modules, but without secrets (default: none)",
		doc:   "a directory for a [sample of real tasks](testing.md#a-sample-of-real-tasks), as cases for `wasmworker test`, and of histories of workflows of modules. They have inputs, requests and answers in them: keep it to those who may see these",
	},
	{
		name: "record-limit", env: "WASMWORKER_RECORD_LIMIT", commands: inWorkers, value: 3,
		usage: "most cases that --record-dir gets of each activity and way in which it ends, and most histories of each workflow",
		doc:   "most cases in that directory of each activity, way of ending and version of the module",
	},
	{
		name: "log-level", env: "WASMWORKER_LOG_LEVEL", commands: inLogging, value: "info",
		usage: "debug, info, warn or error",
	},
	{
		name: "log-format", env: "WASMWORKER_LOG_FORMAT", commands: inLogging, value: "auto", oneOf: []string{"auto", "text", "json"},
		usage: "text, json, or auto: text on a terminal",
		doc:   "`auto` is text on a terminal and JSON elsewhere",
	},
}

// flagsOf are the flags of a command, beside those that it alone has.
func flagsOf(command commands) (flags []cli.Flag) {
	for i := range settings {
		if s := &settings[i]; s.commands&command != 0 {
			flags = append(flags, s.flag())
		}
	}
	return flags
}

// settingOf finds a setting by a key of the file. Nil: there is none.
func settingOf(key string) *setting {
	for i := range settings {
		if s := &settings[i]; s.key() == key && !s.noKey {
			return s
		}
	}
	return nil
}

func (s *setting) key() string { return strings.ReplaceAll(s.name, "-", "_") }

// atTop tells whether the key can be at the top of the file.
func (s *setting) atTop() bool { return s.commands != 0 && !s.noKey }

func (s *setting) flag() cli.Flag {
	var aliases []string
	if s.alias != "" {
		aliases = []string{s.alias}
	}
	env := []string{s.env}
	switch value := s.value.(type) {
	case string:
		return &cli.StringFlag{Name: s.name, Aliases: aliases, EnvVars: env, Usage: s.usage, TakesFile: s.file, Value: value}
	case bool:
		return &cli.BoolFlag{Name: s.name, Aliases: aliases, EnvVars: env, Usage: s.usage, Value: value}
	case int:
		return &cli.IntFlag{Name: s.name, Aliases: aliases, EnvVars: env, Usage: s.usage, Value: value}
	case int64:
		return &cli.Int64Flag{Name: s.name, Aliases: aliases, EnvVars: env, Usage: s.usage, Value: value}
	case list, grants:
		return &cli.StringSliceFlag{Name: s.name, Aliases: aliases, EnvVars: env, Usage: s.usage, TakesFile: s.file}
	}
	value := reflect.New(reflect.TypeOf(s.value))
	value.Elem().Set(reflect.ValueOf(s.value))
	return &cli.GenericFlag{Name: s.name, Aliases: aliases, EnvVars: env, Usage: s.usage, Value: value.Interface().(cli.Generic)}
}

// read makes a value of what the file has. An error is a [*yamlnode.Error], or joins
// several, where that has not the form of such values.
func (s *setting) read(n *yamlnode.Node) (any, error) {
	value := reflect.New(reflect.TypeOf(s.value))
	generic, ok := value.Interface().(cli.Generic)
	if !ok {
		if err := n.Decode(value.Interface()); err != nil {
			return value.Elem().Interface(), err
		}
		return value.Elem().Interface(), s.check(value.Elem().Interface())
	}
	var text string
	if err := n.Decode(&text); err != nil {
		return nil, err
	}
	if number, err := strconv.ParseFloat(text, 64); err == nil && n.Kind == yamlnode.Number {
		text = strconv.FormatFloat(number, 'f', -1, 64)
	}
	if err := generic.Set(text); err != nil {
		return nil, err
	}
	return value.Elem().Interface(), s.check(value.Elem().Interface())
}

// check reports a value that has the form, and is none that the setting can have.
func (s *setting) check(value any) error {
	if s.oneOf != nil && !slices.Contains(s.oneOf, value.(string)) {
		last := len(s.oneOf) - 1
		return fmt.Errorf("%q is none of %s and %s", value, strings.Join(s.oneOf[:last], ", "), s.oneOf[last])
	}
	if s.positive && reflect.ValueOf(value).Int() <= 0 {
		return fmt.Errorf("%s is not positive, and there is always a limit", texts(value)[0])
	}
	return nil
}

// texts are a value as flags take it.
func texts(value any) []string {
	switch value := value.(type) {
	case grants:
		return value.names
	case list:
		return value
	}
	pointer := reflect.New(reflect.TypeOf(value))
	pointer.Elem().Set(reflect.ValueOf(value))
	if generic, ok := pointer.Interface().(cli.Generic); ok {
		return []string{generic.String()}
	}
	return []string{text(value)}
}

func text(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case bool:
		return strconv.FormatBool(value)
	}
	return strconv.FormatInt(reflect.ValueOf(value).Int(), 10)
}

// resolved is the value that holds, once the file was applied.
func (s *setting) resolved(c *cli.Context) any {
	switch s.value.(type) {
	case string, bool, int, int64:
		return c.Value(s.name)
	case list, grants:
		return list(c.StringSlice(s.name))
	}
	return reflect.ValueOf(c.Generic(s.name)).Elem().Interface()
}

// put sets the field that a pointer leads to. Its type is one that values can be
// converted to.
func put(field, value any) {
	if granted, ok := value.(grants); ok {
		value = granted.names
	}
	to := reflect.ValueOf(field).Elem()
	to.Set(reflect.ValueOf(value).Convert(to.Type()))
}

// apply sets the fields of what settings of the worker, or of all modules, resolved to.
// The command has its own flags for them, or the fields stay as they are.
func apply(c *cli.Context, worker *host.Options, module *host.ModuleOptions) {
	for i := range settings {
		s := &settings[i]
		switch {
		case !hasFlag(c, s.name):
		case s.worker != nil && worker != nil:
			put(s.worker(worker), s.resolved(c))
		case s.module != nil && module != nil:
			put(s.module(module), s.resolved(c))
		}
	}
}

func hasFlag(c *cli.Context, name string) bool {
	return slices.ContainsFunc(c.Command.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
}

// optionSetting finds the setting of an option, whose name is that of a field of
// [host.ModuleOptions] or [host.Options]. Nil: there is none.
func optionSetting(option string) *setting {
	var worker host.Options
	var module host.ModuleOptions
	is := func(options, field any) bool {
		f := reflect.ValueOf(options).Elem().FieldByName(option)
		return f.IsValid() && f.Addr().Interface() == field
	}
	if option == "Policies" { // which the file has together with what they are for
		option = "Passthrough"
	}
	for i := range settings {
		s := &settings[i]
		if s.module != nil && is(&module, s.module(&module)) || s.worker != nil && is(&worker, s.worker(&worker)) {
			return s
		}
	}
	return nil
}
