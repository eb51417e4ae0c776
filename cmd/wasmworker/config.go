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

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/urfave/cli/v2"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/blobmod"
	"github.com/wasmworker/wasmworker/host/passthrough/secretmod"
	"github.com/wasmworker/wasmworker/host/passthrough/sqlmod"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/nearest"
)

// configFile is wasmworker.yaml. Each field at its top is a flag with dashes for the
// underscores, and means the same; only per_module has no flag.
type configFile struct {
	Address                 *string                 `yaml:"address"`
	Namespace               *string                 `yaml:"namespace"`
	CodecEndpoint           *string                 `yaml:"codec_endpoint"`
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
	RecordDir               *string                 `yaml:"record_dir"`
	RecordLimit             *int                    `yaml:"record_limit"`
	LogLevel                *string                 `yaml:"log_level"`
	LogFormat               *string                 `yaml:"log_format"`
	Isolation               *string                 `yaml:"isolation"`
	MaxCalls                *int                    `yaml:"max_calls"`
	MemoryLimit             *scalar                 `yaml:"memory_limit"`
	TotalMemoryLimit        *scalar                 `yaml:"total_memory_limit"`
	MaxOutput               *scalar                 `yaml:"max_output"`
	MaxFuel                 *int64                  `yaml:"max_fuel"`
	PerModule               map[string]moduleConfig `yaml:"per_module" jsonschema_description:"What is different for single modules, by the file's name without .wasm. Grants add to those for all modules; everything else replaces what is set for all."`
	// What passthrough modules have for all activity modules; the policies name these.
	Secrets     map[string]secretmod.Source  `yaml:"secrets" jsonschema_description:"Credentials that the host uses for guests, by the names by which policies, connections and buckets mention them."`
	Connections map[string]sqlmod.Connection `yaml:"connections" jsonschema_description:"Databases, by the names by which policies of sql grant them and guests use them."`
	Buckets     map[string]blobmod.Bucket    `yaml:"buckets" jsonschema_description:"Places for objects, by the names by which policies of blob grant them and guests use them."`

	path string
	root ast.Node // of the whole file, to find the places of mistakes; nil: there is no file
}

// moduleConfig is one module's section below per_module.
type moduleConfig struct {
	Passthrough  grants            `yaml:"passthrough"`
	Env          list              `yaml:"env"`
	Prefix       string            `yaml:"prefix" jsonschema_description:"Put before the name of each export to make its activity type, so that two modules can export the same name."`
	Rename       map[string]string `yaml:"rename" jsonschema_description:"Activity types by the names of exports, for exports that need another one. The prefix is not added to them."`
	Isolation    string            `yaml:"isolation"`
	MaxCalls     int               `yaml:"max_calls"`
	MaxInstances int               `yaml:"max_instances" jsonschema_description:"Most instances of this module, for one that is hungry for memory. Activities beyond it wait, each in one of the worker's slots. Default: max_concurrent_activities."`
	MemoryLimit  *scalar           `yaml:"memory_limit"`
	MaxOutput    *scalar           `yaml:"max_output"`
	MaxFuel      int64             `yaml:"max_fuel"`
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
	config := &configFile{path: path}
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, usageError{config.located(err, configFile{})}
	}
	if len(parsed.Docs) > 1 {
		return nil, usagef("%s: it has %d YAML documents, and has to have one", path, len(parsed.Docs))
	}
	if len(parsed.Docs) == 0 || parsed.Docs[0].Body == nil {
		return config, nil
	}
	config.root = parsed.Docs[0].Body
	if err := yaml.NodeToValue(config.root, config, yaml.Strict()); err != nil {
		return nil, usageError{config.located(err, configFile{})}
	}
	return config, nil
}

// located puts the place before an error of the YAML decoder. The keys of a value of the type of into are proposed
// for one that does not exist.
func (f *configFile) located(err error, into any) error {
	located, ok := errors.AsType[yaml.Error](err)
	if !ok || located.GetToken() == nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	token := located.GetToken()
	where := fmt.Sprintf("%s:%d:%d", f.path, token.Position.Line, token.Position.Column)
	if _, unknown := errors.AsType[*yaml.UnknownFieldError](err); unknown {
		return fmt.Errorf("%s: there is no key %q%s", where, token.Value, nearest.Hint(token.Value, yamlKeys(reflect.TypeOf(into))))
	}
	return fmt.Errorf("%s: %s", where, located.GetMessage())
}

// at puts the place in the file before an error, or before each of those that it joins. The path is that of
// [passthrough.FieldError].
func (f *configFile) at(err error, path ...any) error {
	if err == nil {
		return nil
	}
	var errs []error
	for _, e := range flatten(passthrough.At(err, path...)) {
		field, ok := e.(*passthrough.FieldError)
		if !ok {
			field = &passthrough.FieldError{Err: e}
		}
		errs = append(errs, fmt.Errorf("%s: %w", f.where(field.Path), e))
	}
	return errors.Join(errs...)
}

func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}

// where is the place of a path: file, line and column of the value there, or of its key if the value goes over several
// lines. Where the file does not have all of the path, it is the place of the last part that it has.
func (f *configFile) where(path []any) string {
	if f.root == nil {
		return f.path
	}
	node, at := f.root, f.root.GetToken().Position
	for _, step := range path {
		next, key := child(node, step)
		if next == nil {
			break
		}
		node, at = next, next.GetToken().Position
		switch node := node.(type) {
		case *ast.MappingNode, *ast.SequenceNode:
			if mapping, ok := node.(*ast.MappingNode); ok && len(mapping.Values) > 0 && !mapping.IsFlowStyle { // whose own token is its first colon
				at = mapping.Values[0].Key.GetToken().Position
			}
			if key != nil {
				at = key.GetToken().Position
			}
		}
	}
	return fmt.Sprintf("%s:%d:%d", f.path, at.Line, at.Column)
}

// child is what a step of a path leads to, and its key in a map.
func child(node ast.Node, step any) (value, key ast.Node) {
	switch node := node.(type) {
	case *ast.AnchorNode:
		return child(node.Value, step)
	case *ast.MappingNode:
		for _, entry := range node.Values {
			if entry.Key.GetToken().Value == step {
				return entry.Value, entry.Key
			}
		}
	case *ast.SequenceNode:
		if i, ok := step.(int); ok && i < len(node.Values) {
			return node.Values[i], nil
		}
	}
	return nil, nil
}

// yamlKeys are the keys of a type, and of all that is below it.
func yamlKeys(t reflect.Type) (keys []string) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return yamlKeys(t.Elem())
	case reflect.Struct:
		for field := range t.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			if name != "" {
				keys = append(keys, name)
			}
			if field.IsExported() || field.Anonymous {
				keys = append(keys, yamlKeys(field.Type)...)
			}
		}
	}
	return keys
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
	defaults, err = moduleDefaults(c)
	errs := []error{err}
	defaults.Policies, err = config.policies(config.Passthrough, set)
	errs = append(errs, err)
	perModule = map[string]host.ModuleOptions{}
	for _, name := range slices.Sorted(maps.Keys(config.PerModule)) {
		section := config.PerModule[name]
		options, err := section.options()
		errs = append(errs, config.at(err, "per_module", name))
		options.Policies, err = config.policies(section.Passthrough, set, "per_module", name)
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
func (m moduleConfig) options() (host.ModuleOptions, error) {
	memory, memoryErr := parseBytes(m.MemoryLimit)
	output, outputErr := parseBytes(m.MaxOutput)
	return host.ModuleOptions{
		Passthrough: m.Passthrough.names, Env: m.Env, Prefix: m.Prefix, Rename: m.Rename,
		Isolation: sandbox.Isolation(m.Isolation), MaxCalls: m.MaxCalls, MaxInstances: m.MaxInstances,
		MemoryLimit: memory, MaxOutput: int(output), MaxFuel: m.MaxFuel,
	}, errors.Join(passthrough.At(memoryErr, "memory_limit"), passthrough.At(outputErr, "max_output"))
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

// limitFlag is a positive number, or "none", which is zero.
type limitFlag int

func (l *limitFlag) Set(text string) error {
	if text == "none" {
		*l = 0
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
	if *l == 0 {
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

// bytesFlag is a size such as 64MiB, or a number of bytes.
type bytesFlag passthrough.Size

func (b *bytesFlag) Set(text string) error { return (*passthrough.Size)(b).UnmarshalText([]byte(text)) }

func (b *bytesFlag) String() string {
	text, _ := passthrough.Size(*b).MarshalText() // which has no error
	return string(text)
}

// totalBytesFlag is a size as above; "none", which is zero; or "auto", see [totalBytesFlag.resolve].
type totalBytesFlag bytesFlag

const autoBytes = totalBytesFlag(math.MaxInt64)

func (b *totalBytesFlag) Set(text string) error {
	switch text {
	case "none":
		*b = 0
		return nil
	case "auto":
		*b = autoBytes
		return nil
	}
	if err := (*bytesFlag)(b).Set(text); err != nil {
		return fmt.Errorf("%w, nor \"none\" or \"auto\"", err)
	}
	return nil
}

func (b *totalBytesFlag) String() string {
	switch *b {
	case 0:
		return "none"
	case autoBytes:
		return "auto"
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
		codecFlag(),
	}
}

func queueFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "task-queue", Aliases: []string{"t"}, EnvVars: []string{"TEMPORAL_TASK_QUEUE"}, Usage: "Temporal task queue (default: wasmworker, or wasmworker-DEPLOYMENT)"},
		&cli.StringFlag{Name: "deployment-name", EnvVars: []string{"DEPLOYMENT_NAME"}, Usage: "tells deployments apart: part of the default task queue and of the worker's identity"},
	}
}

func instanceFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "isolation", EnvVars: []string{"WASMWORKER_ISOLATION"}, Value: string(sandbox.IsolationPristine), Usage: "pristine: instances are reset after each activity; fresh: a new one for each; reuse: kept as they are, and state leaks between activities"},
		&cli.IntFlag{Name: "max-calls", EnvVars: []string{"WASMWORKER_MAX_CALLS"}, Value: 1000, Usage: "calls of an instance before it is replaced, with --isolation reuse"},
	}
}

func moduleFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "passthrough", EnvVars: []string{"PASSTHROUGH_MODULES"}, Usage: "host `MODULE` that every guest may import; repeatable, or with commas"},
		&cli.StringSliceFlag{Name: "env", EnvVars: []string{"WASMWORKER_ENV"}, Usage: "`NAME` of an environment variable that every guest may read; repeatable, or with commas"},
		&cli.GenericFlag{Name: "memory-limit", EnvVars: []string{"WASMWORKER_MEMORY_LIMIT"}, Value: valueOf(bytesFlag(abi.DefaultMemoryLimit)), Usage: "most memory of an instance"},
		&cli.GenericFlag{Name: "max-output", EnvVars: []string{"WASMWORKER_MAX_OUTPUT"}, Value: valueOf(bytesFlag(abi.DefaultMaxOutput)), Usage: "largest result of an activity with its metadata; the Temporal server's limit holds where it is lower"},
		&cli.Int64Flag{Name: "max-fuel", EnvVars: []string{"WASMWORKER_MAX_FUEL"}, Usage: "most units of fuel of an activity, about an instruction each; 0 means no limit"},
		&cli.GenericFlag{Name: "cancel-grace", EnvVars: []string{"WASMWORKER_CANCEL_GRACE"}, Value: valueOf(durationFlag(host.DefaultCancelGrace)), Usage: "how long a canceled activity may go on before it is interrupted"},
		&cli.StringFlag{Name: "cache-dir", EnvVars: []string{"WASMWORKER_CACHE_DIR"}, Usage: "`DIRECTORY` for compiled modules, or none; only trusted users may write to it (default: wasmworker in the user's cache directory)"},
	}
}

// cacheDir is the directory that --cache-dir stands for: "" for none.
func cacheDir(c *cli.Context) string {
	switch dir := c.String("cache-dir"); dir {
	case "":
		return sandbox.DefaultCacheDir()
	case "none":
		return ""
	default:
		return dir
	}
}

func valueOf[T any](v T) *T { return &v }

// moduleDefaults makes the options of every module from the flags.
func moduleDefaults(c *cli.Context) (host.ModuleOptions, error) {
	var err error
	if hasFlag(c, "max-calls") && c.Int("max-calls") < 1 {
		err = fmt.Errorf("--max-calls %d is not positive", c.Int("max-calls"))
	}
	return host.ModuleOptions{
		Isolation:   sandbox.Isolation(c.String("isolation")), // of a command without these flags, the defaults
		MaxCalls:    c.Int("max-calls"),
		Passthrough: c.StringSlice("passthrough"),
		Env:         c.StringSlice("env"),
		MemoryLimit: uint64(*c.Generic("memory-limit").(*bytesFlag)),
		MaxOutput:   int(*c.Generic("max-output").(*bytesFlag)),
		MaxFuel:     c.Int64("max-fuel"),
	}, err
}
