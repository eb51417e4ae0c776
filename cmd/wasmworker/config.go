package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/blobmod"
	"github.com/wasmworker/wasmworker/host/passthrough/secretmod"
	"github.com/wasmworker/wasmworker/host/passthrough/sqlmod"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/nearest"
	"github.com/wasmworker/wasmworker/internal/yamlnode"
)

// configFile is the content of wasmworker.yaml: settings, a section for each module below
// per_module, and the sections for passthrough modules.
type configFile struct {
	sections
	path string
	root *yamlnode.Node // of the whole file; nil if there is no file or it is empty
}

// sections configure passthrough modules for all activity modules. The policies of
// activity modules name their entries.
type sections struct {
	Secrets     map[string]secretmod.Source  `yaml:"secrets" jsonschema_description:"Credentials that the host uses for guests, by the names by which policies, connections and buckets mention them."`
	Connections map[string]sqlmod.Connection `yaml:"connections" jsonschema_description:"Databases, by the names by which policies of sql grant them and guests use them."`
	Buckets     map[string]blobmod.Bucket    `yaml:"buckets" jsonschema_description:"Places for objects, by the names by which policies of blob grant them and guests use them."`
}

const perModuleKey = "per_module"

// list is a YAML list of strings, or a single string.
type list []string

// UnmarshalNode reads a list or a single string.
func (l *list) UnmarshalNode(n *yamlnode.Node) error {
	if n.Kind != yamlnode.List && n.Kind != yamlnode.Map {
		*l = list{n.Text}
		return nil
	}
	return n.Decode((*[]string)(l))
}

// readConfig reads the file and checks its form. Errors name the file and the line. For
// an unknown key they say where the key belongs, or name the most similar key.
func readConfig(path string) (*configFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef("the configuration file cannot be read: %w", err)
	}
	return parseConfig(path, data)
}

func parseConfig(path string, data []byte) (*configFile, error) {
	config := &configFile{path: path}
	root, err := yamlnode.Parse(data)
	if err != nil {
		return nil, usageError{config.located(err)}
	}
	if root == nil || root.Kind == yamlnode.Null {
		return config, nil
	}
	config.root = root
	if err := errors.Join(config.checkTop()...); err != nil {
		return nil, usageError{err}
	}
	return config, nil
}

// checkTop checks the form of the whole file. Values of the right form but without a
// meaning are reported where they are used.
func (f *configFile) checkTop() (errs []error) {
	if f.root.Kind != yamlnode.Map {
		return []error{f.located(f.root.Decode(&f.sections))}
	}
	own := reflect.ValueOf(&f.sections).Elem()
	for i, key := range f.root.Keys {
		n := f.root.Items[i]
		s := settingOf(key.Text)
		section := slices.Index(yamlnode.KeysOf(own.Type()), key.Text)
		switch {
		case key.Text == perModuleKey:
			errs = append(errs, f.checkPerModule(n)...)
		case section >= 0:
			errs = append(errs, f.located(n.Decode(own.Field(section).Addr().Interface()), key.Text))
		case s != nil && s.atTop():
			errs = append(errs, f.checkForm(s, n, key.Text))
		default:
			errs = append(errs, f.located(unknownKey(key, topKeys()), nil...))
		}
	}
	return errs
}

func (f *configFile) checkPerModule(n *yamlnode.Node) (errs []error) {
	if n.Kind != yamlnode.Map {
		return []error{f.located(n.Decode(new(map[string]any)))}
	}
	for i, module := range n.Keys {
		section := n.Items[i]
		if section.Kind != yamlnode.Map {
			errs = append(errs, f.located(section.Decode(new(map[string]any))))
			continue
		}
		for k, key := range section.Keys {
			if s := settingOf(key.Text); s != nil && s.module != nil {
				errs = append(errs, f.checkForm(s, section.Items[k], perModuleKey, module.Text, key.Text))
				continue
			}
			errs = append(errs, f.located(unknownKey(key, moduleKeys()), perModuleKey, module.Text))
		}
	}
	return errs
}

func (f *configFile) checkForm(s *setting, n *yamlnode.Node, path ...any) error {
	_, err := s.read(n)
	if !formError(err) {
		return nil
	}
	return f.located(err, path...)
}

// formError reports whether an error is about the form of a value in the file.
func formError(err error) bool {
	return slices.ContainsFunc(flatten(err), func(e error) bool {
		_, ok := e.(*yamlnode.Error)
		return ok
	})
}

func unknownKey(key yamlnode.Key, known []string) error {
	return &yamlnode.Error{Line: key.Line, Column: key.Column, Path: []any{key.Text}, Err: &yamlnode.UnknownKey{Key: key.Text, Known: known}}
}

// topKeys returns the keys at the top of the file.
func topKeys() (keys []string) {
	for i := range settings {
		if s := &settings[i]; s.atTop() {
			keys = append(keys, s.key())
		}
	}
	return append(append(keys, perModuleKey), yamlnode.KeysOf(reflect.TypeFor[sections]())...)
}

// moduleKeys returns the keys of a section below per_module.
func moduleKeys() (keys []string) {
	for i := range settings {
		if s := &settings[i]; s.module != nil {
			keys = append(keys, s.key())
		}
	}
	return keys
}

// located puts the place before an error of package yamlnode, or before each error that
// it joins. The path is that of the value that was read.
func (f *configFile) located(err error, path ...any) error {
	var errs []error
	for _, e := range flatten(err) {
		mistake, ok := e.(*yamlnode.Error)
		if !ok {
			errs = append(errs, fmt.Errorf("%s: %w", f.path, e))
			continue
		}
		where := f.path + mistake.Place()
		unknown, ok := errors.AsType[*yamlnode.UnknownKey](e)
		switch {
		case !ok:
			if key := slices.Concat(path, mistake.Path); len(key) > 0 {
				where += ": " + passthrough.PathString(key)
			}
			errs = append(errs, fmt.Errorf("%s: %w", where, e))
		case belongs(unknown.Key) != "":
			errs = append(errs, fmt.Errorf("%s: %s is not a key here: it belongs to %s", where, unknown.Key, belongs(unknown.Key)))
		default:
			errs = append(errs, fmt.Errorf("%s: %w%s", where, unknown, nearest.Hint(unknown.Key, unknown.Known)))
		}
	}
	return errors.Join(errs...)
}

// at puts the place in the file before an error, or before each error that it joins. The
// path is that of [passthrough.FieldError].
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

// flatten returns the errors that an error joins, or the error itself. It returns nil for
// nil.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
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

// where returns the place of a path: file, line and column.
func (f *configFile) where(path []any) string {
	if f.root == nil {
		return f.path
	}
	return f.path + f.root.Where(path...)
}

// node returns the value at a path, or nil if there is none.
func (f *configFile) node(path ...string) *yamlnode.Node {
	n := f.root
	for _, key := range path {
		if n == nil {
			return nil
		}
		n = n.Get(key)
	}
	if n == nil || n.Kind == yamlnode.Null {
		return nil
	}
	return n
}

// granted returns the grants of a section of the file, which is the top of the file, or
// per_module and a name.
func (f *configFile) granted(section ...string) grants {
	var g grants
	if n := f.node(append(slices.Clone(section), "passthrough")...); n != nil {
		n.Decode(&g) //nolint:errcheck // the form was checked
	}
	return g
}

// modules returns the paths of the modules that the file names.
func (f *configFile) modules() []string {
	var paths list
	if n := f.node("modules"); n != nil {
		n.Decode(&paths) //nolint:errcheck // the form was checked
	}
	return paths
}

// applyConfig reads the file that --config names. It sets the flags that neither the
// command line nor the environment has set. It returns the file, or an empty one if
// --config is not given.
func applyConfig(c *cli.Context) (*configFile, error) {
	path := c.String("config")
	if path == "" {
		return &configFile{}, nil
	}
	config, err := readConfig(path)
	if err != nil {
		return nil, err
	}
	for i := range settings {
		s := &settings[i]
		n := config.node(s.key())
		if n == nil || s.noKey || c.IsSet(s.name) || !hasFlag(c, s.name) {
			continue
		}
		value, err := s.read(n)
		if err != nil {
			return nil, usageError{config.at(err, s.key())}
		}
		for _, text := range texts(value) {
			if err := c.Set(s.name, text); err != nil {
				return nil, usageError{config.at(err, s.key())}
			}
		}
	}
	return config, nil
}

// moduleOptions makes the options of modules from flags and file: the defaults, and those
// of single modules by name. It goes on after mistakes and reports all of them.
func moduleOptions(c *cli.Context, config *configFile, set passthrough.Set) (defaults host.ModuleOptions, perModule map[string]host.ModuleOptions, err error) {
	defaults, err = moduleDefaults(c)
	errs := []error{err}
	defaults.Policies, err = config.policies(config.granted(), set)
	errs = append(errs, err)
	perModule = map[string]host.ModuleOptions{}
	if sections := config.node(perModuleKey); sections != nil {
		for _, key := range sections.Keys {
			name := key.Text
			options, err := config.section(name)
			errs = append(errs, err)
			options.Policies, err = config.policies(config.granted(perModuleKey, name), set, perModuleKey, name)
			errs = append(errs, err)
			perModule[name] = options
		}
	}
	if err := errors.Join(errs...); err != nil {
		return defaults, nil, usageError{err}
	}
	return defaults, perModule, nil
}

// section makes options from a module's own section.
func (f *configFile) section(module string) (options host.ModuleOptions, err error) {
	var errs []error
	for i := range settings {
		s := &settings[i]
		n := f.node(perModuleKey, module, s.key())
		if n == nil || s.module == nil {
			continue
		}
		value, err := s.read(n)
		if err != nil {
			errs = append(errs, f.at(err, perModuleKey, module, s.key()))
			continue
		}
		put(s.module(&options), value)
	}
	return options, errors.Join(errs...)
}

// The types below are values of flags with a form of their own.

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
	text, _ := passthrough.Size(*b).MarshalText() // MarshalText returns no error
	return string(text)
}

// boundFlag is a size like bytesFlag, or "0", which is no limit.
type boundFlag bytesFlag

func (b *boundFlag) Set(text string) error {
	if text == "0" {
		*b = 0
		return nil
	}
	if err := (*bytesFlag)(b).Set(text); err != nil {
		return fmt.Errorf("%w, nor 0, which means no limit", err)
	}
	return nil
}

func (b *boundFlag) String() string {
	if *b == 0 {
		return "0"
	}
	return (*bytesFlag)(b).String()
}

// totalBytesFlag is a size like bytesFlag, or "none", which is zero, or "auto"; see
// [totalBytesFlag.resolve].
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

// cacheDir returns the directory that --cache-dir means, or "" for none.
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

// moduleDefaults makes the options of every module from the flags.
func moduleDefaults(c *cli.Context) (host.ModuleOptions, error) {
	var errs []error
	for i := range settings {
		if s := &settings[i]; (s.positive || s.oneOf != nil) && hasFlag(c, s.name) {
			if err := s.check(s.resolved(c)); err != nil {
				errs = append(errs, fmt.Errorf("--%s: %w", s.name, err))
			}
		}
	}
	var options host.ModuleOptions
	apply(c, nil, &options)
	return options, errors.Join(errs...)
}
