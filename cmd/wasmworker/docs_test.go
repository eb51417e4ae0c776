package main

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// Every flag of serve is a row of docs/operations.md, with its environment variable and,
// unless it has none, its key in the file; and every key has a flag.
func TestOperationsTableIsComplete(t *testing.T) {
	data, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(data)
	flags := slices.Concat(serveFlags(), connectionFlags())
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
		if !slices.Contains(sections, key) && !slices.Contains(names, strings.ReplaceAll(key, "_", "-")) {
			t.Errorf("key %s has no flag", key)
		}
	}
}

// sections are the keys that have no flag.
var sections = []string{"per_module", "secrets", "connections", "buckets"}

// topKeys are the keys at the top of the configuration file.
func topKeys() (keys []string) {
	for field := range reflect.TypeFor[configFile]().Fields() {
		if key := field.Tag.Get("yaml"); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

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
		"max-concurrent-activities": "none", "graceful-shutdown-timeout": "45s", "cancel-grace": "2m0s",
		"health-address": ":1", "cache-dir": "none", "log-level": "debug", "log-format": "text",
		"isolation": "reuse", "max-calls": 7, "memory-limit": "64MiB", "total-memory-limit": "2GiB", "max-output": "1KiB", "max-fuel": int64(5),
		"record-dir": "records", "record-limit": 9,
	}
	app := &cli.App{
		Flags: slices.Concat(serveFlags(), connectionFlags()),
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
		if _, ok := want[strings.ReplaceAll(key, "_", "-")]; !ok && !slices.Contains(sections, key) {
			t.Errorf("key %s is not tested", key)
		}
	}
}

func flagNamed(flags []cli.Flag, name string) cli.Flag {
	i := slices.IndexFunc(flags, func(f cli.Flag) bool { return f.Names()[0] == name })
	return flags[i]
}
