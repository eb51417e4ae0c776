package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/urfave/cli/v2"
	"github.com/xrash/smetrics"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// configFile is wasmworker.yaml. Each field at its top is a flag with dashes for the
// underscores, and means the same; only per_module has no flag.
type configFile struct {
	Address                 *string                 `yaml:"address"`
	Namespace               *string                 `yaml:"namespace"`
	TaskQueue               *string                 `yaml:"task_queue"`
	DeploymentName          *string                 `yaml:"deployment_name"`
	Modules                 list                    `yaml:"modules"`
	Passthrough             grants                  `yaml:"passthrough"`
	Env                     list                    `yaml:"env"`
	SkipRefused             *bool                   `yaml:"skip_refused"`
	MaxConcurrentActivities *scalar                 `yaml:"max_concurrent_activities"`
	GracefulShutdownTimeout *scalar                 `yaml:"graceful_shutdown_timeout"`
	CancelGrace             *scalar                 `yaml:"cancel_grace"`
	HealthAddress           *string                 `yaml:"health_address"`
	CacheDir                *string                 `yaml:"cache_dir"`
	LogLevel                *string                 `yaml:"log_level"`
	LogFormat               *string                 `yaml:"log_format"`
	Policy                  *string                 `yaml:"policy"`
	MaxCalls                *int                    `yaml:"max_calls"`
	MemoryLimit             *scalar                 `yaml:"memory_limit"`
	TotalMemoryLimit        *scalar                 `yaml:"total_memory_limit"`
	MaxOutput               *scalar                 `yaml:"max_output"`
	MaxUnits                *int64                  `yaml:"max_units"`
	PerModule               map[string]moduleConfig `yaml:"per_module"`
}

// moduleConfig is one module's section below per_module.
type moduleConfig struct {
	Passthrough  grants            `yaml:"passthrough"`
	Env          list              `yaml:"env"`
	Prefix       string            `yaml:"prefix"`
	Rename       map[string]string `yaml:"rename"`
	Policy       string            `yaml:"policy"`
	MaxCalls     int               `yaml:"max_calls"`
	MaxInstances int               `yaml:"max_instances"`
	MemoryLimit  *scalar           `yaml:"memory_limit"`
	MaxOutput    *scalar           `yaml:"max_output"`
	MaxUnits     int64             `yaml:"max_units"`
}

// list is a YAML list of strings, or a single string.
type list []string

// UnmarshalYAML implements goccy/go-yaml's InterfaceUnmarshaler.
func (l *list) UnmarshalYAML(unmarshal func(any) error) error {
	var one string
	if err := unmarshal(&one); err == nil {
		*l = list{one}
		return nil
	}
	return unmarshal((*[]string)(l))
}

// grants are the names of passthrough modules: one, a list, or a map from names to policies.
type grants struct {
	names    []string
	policies map[string]ast.Node
}

// UnmarshalYAML implements goccy/go-yaml's NodeUnmarshaler.
func (g *grants) UnmarshalYAML(node ast.Node) error {
	entries, ok := node.(*ast.MappingNode)
	if !ok {
		var names list
		err := yaml.NodeToValue(node, &names)
		g.names = names
		return err
	}
	g.policies = map[string]ast.Node{}
	for _, entry := range entries.Values {
		name := entry.Key.String()
		g.names = append(g.names, name)
		if entry.Value.Type() != ast.NullType {
			g.policies[name] = entry.Value
		}
	}
	return nil
}

// decode makes policies of what the file says about them.
func (g grants) decode(path string, set passthrough.Set) (map[string]any, error) {
	var policies map[string]any
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(g.policies)) {
		node := g.policies[name]
		policy, err := set.NewPolicy(name)
		if err == nil {
			err = yaml.NodeToValue(node, policy, yaml.Strict())
		}
		if err != nil {
			errs = append(errs, policyError(path, node, err))
			continue
		}
		if policies == nil {
			policies = map[string]any{}
		}
		policies[name] = policy
	}
	return policies, errors.Join(errs...)
}

// policyError names the place of a mistake.
func policyError(path string, node ast.Node, err error) error {
	if located, ok := errors.AsType[yaml.Error](err); ok && located.GetToken() != nil {
		return configError(path, err)
	}
	at := node.GetToken().Position
	return fmt.Errorf("%s:%d:%d: %w", path, at.Line, at.Column, err)
}

// scalar is a number or a string, kept as text: 100, none, 30s, 64MiB.
type scalar string

// UnmarshalYAML implements goccy/go-yaml's InterfaceUnmarshaler.
func (s *scalar) UnmarshalYAML(unmarshal func(any) error) error {
	var text string
	if err := unmarshal(&text); err == nil {
		*s = scalar(text)
		return nil
	}
	var number float64
	if err := unmarshal(&number); err != nil {
		return err
	}
	*s = scalar(strconv.FormatFloat(number, 'f', -1, 64))
	return nil
}

// readConfig reads the file and checks its form. Errors name the file, the line and,
// for a key that does not exist, the nearest one that does.
func readConfig(path string) (*configFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef("the configuration file cannot be read: %w", err)
	}
	config := &configFile{}
	if err := yaml.UnmarshalWithOptions(data, config, yaml.Strict()); err != nil && !errors.Is(err, errEmpty) {
		return nil, usageError{configError(path, err)}
	}
	return config, nil
}

var errEmpty = errors.New("EOF")

func configError(path string, err error) error {
	located, ok := errors.AsType[yaml.Error](err)
	if !ok || located.GetToken() == nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	token := located.GetToken()
	where := fmt.Sprintf("%s:%d:%d", path, token.Position.Line, token.Position.Column)
	if _, unknown := errors.AsType[*yaml.UnknownFieldError](err); unknown {
		keys := append(yamlKeys(configFile{}), yamlKeys(moduleConfig{})...)
		return fmt.Errorf("%s: there is no key %q%s", where, token.Value, didYouMean(token.Value, keys))
	}
	return fmt.Errorf("%s: %s", where, located.GetMessage())
}

func yamlKeys(v any) (keys []string) {
	for field := range reflect.TypeOf(v).Fields() {
		keys = append(keys, field.Tag.Get("yaml"))
	}
	return keys
}

// didYouMean names the known word nearest to an unknown one, if one is near.
func didYouMean(word string, known []string) string {
	best, score := "", 0.0
	for _, k := range known {
		if s := smetrics.JaroWinkler(word, k, 0.7, 4); s > score {
			best, score = k, s
		}
	}
	if score < 0.7 {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// applyConfig reads the file that --config names and sets the flags that neither the
// command line nor the environment set. It returns the file, which is empty if none is named.
func applyConfig(c *cli.Context) (*configFile, error) {
	path := c.String("config")
	if path == "" {
		return &configFile{}, nil
	}
	config, err := readConfig(path)
	if err != nil {
		return nil, err
	}
	v := reflect.ValueOf(*config)
	for i := range v.NumField() {
		name := strings.ReplaceAll(v.Type().Field(i).Tag.Get("yaml"), "_", "-")
		if name == "per-module" || c.IsSet(name) || !hasFlag(c, name) {
			continue
		}
		var values []string
		switch field := v.Field(i); {
		case name == "passthrough":
			values = config.Passthrough.names
		case field.Kind() == reflect.Slice:
			values = field.Interface().(list)
		case !field.IsNil():
			values = []string{fmt.Sprint(field.Elem().Interface())}
		}
		for _, value := range values {
			if err := c.Set(name, value); err != nil {
				return nil, usagef("%s: %s: %w", path, strings.ReplaceAll(name, "-", "_"), err)
			}
		}
	}
	return config, nil
}

// moduleOptions makes the options of modules from flags and file: the defaults, and those of
// single modules by their names. It goes on after mistakes and reports all of them.
func moduleOptions(c *cli.Context, config *configFile, set passthrough.Set) (defaults host.ModuleOptions, perModule map[string]host.ModuleOptions, err error) {
	path := c.String("config")
	defaults = moduleDefaults(c)
	policies, err := config.Passthrough.decode(path, set)
	defaults.Policies = policies
	errs := []error{err}
	perModule = map[string]host.ModuleOptions{}
	for _, name := range slices.Sorted(maps.Keys(config.PerModule)) {
		section := config.PerModule[name]
		options, err := section.options(fmt.Sprintf("%s: per_module %s", path, name))
		errs = append(errs, err)
		options.Policies, err = section.Passthrough.decode(path, set)
		errs = append(errs, err)
		perModule[name] = options
	}
	if err := errors.Join(errs...); err != nil {
		return defaults, nil, usageError{err}
	}
	return defaults, perModule, nil
}

func hasFlag(c *cli.Context, name string) bool {
	return slices.ContainsFunc(c.Command.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
}

// options makes host options of the section.
func (m moduleConfig) options(where string) (host.ModuleOptions, error) {
	memory, err := parseBytes(m.MemoryLimit)
	if err != nil {
		return host.ModuleOptions{}, usagef("%s: memory_limit: %w", where, err)
	}
	output, err := parseBytes(m.MaxOutput)
	if err != nil {
		return host.ModuleOptions{}, usagef("%s: max_output: %w", where, err)
	}
	return host.ModuleOptions{
		Passthrough: m.Passthrough.names, Env: m.Env, Prefix: m.Prefix, Rename: m.Rename,
		Policy: sandbox.Policy(m.Policy), MaxCalls: m.MaxCalls, MaxInstances: m.MaxInstances,
		MemoryLimit: memory, MaxOutput: int(output), MaxUnits: m.MaxUnits,
	}, nil
}

func parseBytes(s *scalar) (uint64, error) {
	if s == nil {
		return 0, nil
	}
	var b bytesFlag
	err := b.Set(string(*s))
	return uint64(b), err
}

// Values of flags that have a form of their own.

// limitFlag is a positive number, or "none".
type limitFlag int

func (l *limitFlag) Set(text string) error {
	if text == "none" {
		*l = host.NoLimit
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return fmt.Errorf("%q is neither a positive number nor \"none\"", text)
	}
	*l = limitFlag(n)
	return nil
}

func (l *limitFlag) String() string {
	if *l == host.NoLimit {
		return "none"
	}
	return strconv.Itoa(int(*l))
}

// durationFlag is a duration with a unit, or a number of seconds.
type durationFlag time.Duration

func (d *durationFlag) Set(text string) error {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		text = strconv.FormatFloat(seconds, 'f', -1, 64) + "s"
	}
	parsed, err := time.ParseDuration(text)
	if err != nil || parsed < 0 {
		return fmt.Errorf("%q is neither a number of seconds nor a duration such as 30s or 2m", text)
	}
	*d = durationFlag(parsed)
	return nil
}

func (d *durationFlag) String() string { return time.Duration(*d).String() }

// option returns the duration as host options want it: zero there means the default.
func (d *durationFlag) option() time.Duration {
	if *d == 0 {
		return host.Immediately
	}
	return time.Duration(*d)
}

// bytesFlag is a size such as 64MiB, or a number of bytes.
type bytesFlag uint64

func (b *bytesFlag) Set(text string) error {
	n, err := humanize.ParseBytes(text)
	if err != nil || n == 0 || n > math.MaxInt64 {
		return fmt.Errorf("%q is not a size such as 64MiB or 1048576", text)
	}
	*b = bytesFlag(n)
	return nil
}

func (b *bytesFlag) String() string { return humanize.IBytes(uint64(*b)) }

// totalBytesFlag is a size as above, or "none", which is zero.
type totalBytesFlag uint64

func (b *totalBytesFlag) Set(text string) error {
	if text == "none" {
		*b = 0
		return nil
	}
	if err := (*bytesFlag)(b).Set(text); err != nil {
		return fmt.Errorf("%w, nor \"none\"", err)
	}
	return nil
}

func (b *totalBytesFlag) String() string {
	if *b == 0 {
		return "none"
	}
	return (*bytesFlag)(b).String()
}

// Flags that several commands share.

func configFlag() cli.Flag {
	return &cli.StringFlag{Name: "config", Aliases: []string{"c"}, EnvVars: []string{"WASMWORKER_CONFIG"}, Usage: "`FILE` with settings, such as wasmworker.yaml", TakesFile: true}
}

func logFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "log-level", EnvVars: []string{"WASMWORKER_LOG_LEVEL"}, Value: "info", Usage: "debug, info, warn or error"},
		&cli.StringFlag{Name: "log-format", EnvVars: []string{"WASMWORKER_LOG_FORMAT"}, Value: "auto", Usage: "text, json, or auto: text on a terminal"},
	}
}

func connectionFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "address", EnvVars: []string{"TEMPORAL_ADDRESS"}, Usage: "`HOST:PORT` of the Temporal server (default: as the profile of temporal.toml says, or localhost:7233)"},
		&cli.StringFlag{Name: "namespace", Aliases: []string{"n"}, EnvVars: []string{"TEMPORAL_NAMESPACE"}, Usage: "Temporal namespace (default: as the profile says, or default)"},
		&cli.StringFlag{Name: "profile", EnvVars: []string{"TEMPORAL_PROFILE"}, Usage: "profile of temporal.toml, for TLS and API keys too"},
	}
}

func queueFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "task-queue", Aliases: []string{"t"}, EnvVars: []string{"TEMPORAL_TASK_QUEUE"}, Usage: "Temporal task queue (default: wasmworker, or wasmworker-DEPLOYMENT)"},
		&cli.StringFlag{Name: "deployment-name", EnvVars: []string{"DEPLOYMENT_NAME"}, Usage: "tells deployments apart: part of the default task queue and of the worker's identity"},
	}
}

func moduleFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "passthrough", EnvVars: []string{"PASSTHROUGH_MODULES"}, Usage: "host `MODULE` that every guest may import; repeatable, or with commas"},
		&cli.StringSliceFlag{Name: "env", EnvVars: []string{"WASMWORKER_ENV"}, Usage: "`NAME` of an environment variable that every guest may read; repeatable, or with commas"},
		&cli.GenericFlag{Name: "memory-limit", EnvVars: []string{"WASMWORKER_MEMORY_LIMIT"}, Value: valueOf(bytesFlag(abi.DefaultMemoryLimit)), Usage: "most memory of an instance"},
		&cli.GenericFlag{Name: "max-output", EnvVars: []string{"WASMWORKER_MAX_OUTPUT"}, Value: valueOf(bytesFlag(abi.DefaultMaxOutput)), Usage: "largest result of an activity; the Temporal server has a limit of its own"},
		&cli.Int64Flag{Name: "max-units", EnvVars: []string{"WASMWORKER_MAX_UNITS"}, Usage: "most units of computation of an activity, about an instruction each; 0 means no limit"},
		&cli.GenericFlag{Name: "cancel-grace", EnvVars: []string{"WASMWORKER_CANCEL_GRACE"}, Value: valueOf(durationFlag(host.DefaultCancelGrace)), Usage: "how long a cancelled activity may go on before it is interrupted"},
		&cli.StringFlag{Name: "cache-dir", EnvVars: []string{"WASMWORKER_CACHE_DIR"}, Usage: "`FOLDER` for compiled modules, or none; only trusted users may write to it (default: wasmworker in the user's cache folder)"},
	}
}

func valueOf[T any](v T) *T { return &v }

// moduleDefaults makes the options of every module from the flags.
func moduleDefaults(c *cli.Context) host.ModuleOptions {
	return host.ModuleOptions{
		Passthrough: c.StringSlice("passthrough"),
		Env:         c.StringSlice("env"),
		MemoryLimit: uint64(*c.Generic("memory-limit").(*bytesFlag)),
		MaxOutput:   int(*c.Generic("max-output").(*bytesFlag)),
		MaxUnits:    c.Int64("max-units"),
	}
}
