package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// Every flag of serve is a row of docs/operations.md, with its environment variable and,
// unless it has none, its key in the file; and every key has a flag.
func TestOperationsTableIsComplete(t *testing.T) {
	data, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(data)
	flags := flagsOf(inServe)
	var names []string
	for _, f := range flags {
		name := f.Names()[0]
		names = append(names, name)
		if name == "config" {
			continue
		}
		if !strings.Contains(doc, "`--"+name+"`") {
			t.Errorf("docs/operations.md has no --%s", name)
		}
		for _, env := range f.(cli.DocGenerationFlag).GetEnvVars() {
			if !strings.Contains(doc, env) && !strings.HasPrefix(env, "WASMWORKER_LOG_") {
				t.Errorf("docs/operations.md has no %s", env)
			}
		}
		key := strings.ReplaceAll(name, "-", "_")
		if name != "profile" && !slices.Contains(topKeys(), key) {
			t.Errorf("--%s has no key in the configuration file", name)
		}
	}
	for _, key := range topKeys() {
		if !slices.Contains(flagless, key) && !slices.Contains(names, strings.ReplaceAll(key, "_", "-")) {
			t.Errorf("key %s has no flag", key)
		}
	}
}

// The table of docs/operations.md is that of the program.
func TestSettingsTable(t *testing.T) {
	const path, begin, end = "../../docs/operations.md", "<!-- settings: written by make schema -->\n", "<!-- end -->\n"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(data), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("docs/operations.md has no place for the table: %s", begin)
	}
	want := before + begin + settingsTable() + end + after
	if *writeSchema {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(data) != want {
		t.Error("the table in docs/operations.md is not what the settings say: run `make schema`")
	}
}

func settingsTable() string {
	var b strings.Builder
	b.WriteString("| flag | environment | `wasmworker.yaml` | default | why change it |\n|---|---|---|---|---|\n")
	for i := range settings {
		s := &settings[i]
		var flag, env, key string
		if s.commands != 0 {
			flag, env = "`--"+s.name+"`", "`"+s.env+"`"
		}
		switch {
		case len(s.alias) == 1:
			flag += ", `-" + s.alias + "`"
		case s.alias != "":
			flag += ", `--" + s.alias + "`"
		}
		switch {
		case s.noKey:
		case s.module == nil:
			key = "`" + s.key() + "`"
		case s.commands == 0:
			key = "`" + s.key() + "`, below `per_module` alone"
		default:
			key = "`" + s.key() + "`, also below `per_module`"
		}
		fmt.Fprintf(&b, "|%s|%s|%s|%s|%s|\n", cell(flag), cell(env), cell(key), cell(defaultOf(s)), cell(cmp.Or(s.doc, s.usage)))
	}
	return b.String()
}

func cell(text string) string {
	if text == "" {
		return " "
	}
	return " " + text + " "
}

// defaultOf is a default as people read it.
func defaultOf(s *setting) string {
	if s.unset != "" {
		return s.unset
	}
	switch value := s.value.(type) {
	case string:
		if value == "" {
			return ""
		}
		return "`" + value + "`"
	case bytesFlag:
		return strings.ReplaceAll(humanize.IBytes(uint64(value)), ".0 ", " ")
	case boundFlag:
		return strings.ReplaceAll(humanize.IBytes(uint64(value)), ".0 ", " ")
	case durationFlag:
		return fmt.Sprintf("%g s", time.Duration(value).Seconds())
	case list, grants, map[string]string, []uint32:
		return ""
	}
	return texts(s.value)[0]
}

// Each row is complete: what has a flag has a variable and says what it is for; options
// that may be refused have a setting, so that the refusal can name it.
func TestSettingsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for i := range settings {
		s := &settings[i]
		if s.usage == "" || (s.commands != 0) != (s.env != "") || s.module != nil && s.worker != nil || seen[s.name] || seen[s.env] {
			t.Errorf("%s: %+v", s.name, s)
		}
		seen[s.name], seen[s.env] = true, s.env != ""
		if s.limit != nil && s.module == nil {
			t.Errorf("%s is a limit of nothing", s.name)
		}
	}
	for field := range reflect.TypeFor[host.ModuleOptions]().Fields() {
		if field.Name == "Timeout" || !field.IsExported() { // of manifests, and of tests
			continue
		}
		if optionSetting(field.Name) == nil {
			t.Errorf("the option %s has no setting", field.Name)
		}
	}
	// which package host may refuse
	for _, option := range []string{"MaxConcurrentActivities", "GracefulShutdownTimeout", "CancelGrace"} {
		if optionSetting(option) == nil {
			t.Errorf("the option %s has no setting", option)
		}
	}
	if got := explained(&sandbox.OptionError{Option: "MaxOutput", Err: errors.New("no")}); got != "--max-output: no" {
		t.Error(got)
	}
	if got := explained(&sandbox.OptionError{Module: "m", Option: "Policies", Err: errors.New("no")}); got != "per_module: {m: {passthrough}}: no" {
		t.Error(got)
	}
}

// flagless are the keys that have no flag.
var flagless = []string{"per_module", "secrets", "connections", "buckets"}

// Every key of the file reaches its flag, and the environment wins over it.
func TestConfigFileSetsFlags(t *testing.T) {
	path := t.TempDir() + "/wasmworker.yaml"
	yaml := `
address: a:1
namespace: n
codec_endpoint: https://c
task_queue: q
deployment_name: d
modules: [x, y]
passthrough: p
env: [E, F]
skip_refused: true
max_concurrent_activities: none
graceful_shutdown_timeout: 45
cancel_grace: 2m
preload: none
compile_timeout: 50
compile_memory_limit: 3GiB
initialize_timeout: 4
max_initialize_fuel: 6
cache_limit: 1GiB
harden: on
module_idle_timeout: 3m
max_awake_workflows: 8
versioning: true
build_id: b1
auto_upgrade: [T]
health_address: :1
cache_dir: none
record_dir: records
record_limit: 9
log_level: debug
log_format: text
isolation: reuse
max_calls: 7
memory_limit: 64MiB
total_memory_limit: 2GiB
max_output: 1024
max_fuel: 5
`
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEMPORAL_TASK_QUEUE", "from-env")
	want := map[string]any{
		"address": "a:1", "namespace": "n", "codec-endpoint": "https://c", "task-queue": "from-env", "deployment-name": "d",
		"modules": []string{"x", "y"}, "passthrough": []string{"p"}, "env": []string{"E", "F"}, "skip-refused": true,
		"max-concurrent-activities": "none", "graceful-shutdown-timeout": "45s", "cancel-grace": "2m0s", "preload": "none", "compile-timeout": "50s", "compile-memory-limit": "3GiB", "initialize-timeout": "4s", "max-initialize-fuel": int64(6), "cache-limit": "1GiB", "harden": "on", "module-idle-timeout": "3m0s", "max-awake-workflows": "8", "versioning": true, "build-id": "b1", "auto-upgrade": []string{"T"},
		"health-address": ":1", "cache-dir": "none", "log-level": "debug", "log-format": "text",
		"isolation": "reuse", "max-calls": 7, "memory-limit": "64MiB", "total-memory-limit": "2GiB", "max-output": "1KiB", "max-fuel": int64(5),
		"record-dir": "records", "record-limit": 9,
	}
	app := &cli.App{
		Flags: flagsOf(inServe),
		Action: func(c *cli.Context) error {
			c.Command.Flags = c.App.Flags
			if _, err := applyConfig(c); err != nil {
				return err
			}
			for name, w := range want {
				var got any
				switch flagNamed(c.App.Flags, name).(type) {
				case *cli.GenericFlag:
					got = c.Generic(name).(cli.Generic).String()
				case *cli.StringSliceFlag:
					got = c.StringSlice(name)
				default:
					got = c.Value(name)
				}
				if !reflect.DeepEqual(got, w) {
					t.Errorf("%s is %v (%T), want %v", name, got, got, w)
				}
			}
			return nil
		},
	}
	if err := app.Run([]string{"wasmworker", "--config", path}); err != nil {
		t.Fatal(err)
	}
	for _, key := range topKeys() {
		if _, ok := want[strings.ReplaceAll(key, "_", "-")]; !ok && !slices.Contains(flagless, key) {
			t.Errorf("key %s is not tested", key)
		}
	}
}

func flagNamed(flags []cli.Flag, name string) cli.Flag {
	i := slices.IndexFunc(flags, func(f cli.Flag) bool { return f.Names()[0] == name })
	return flags[i]
}
