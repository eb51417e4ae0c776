package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/host/passthrough"
)

// No text makes the reader of the configuration panic, and each mistake in its form has a
// place.
func FuzzConfig(f *testing.F) {
	modules, err := passthroughModules(&configFile{})
	if err != nil {
		f.Fatal(err)
	}
	defer closeAll(modules)
	set, err := passthrough.NewSet(modules...)
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{
		"modules: x\nper_module: {echo: {memory_limit: 1GiB, rename: {a: b}, passthrough: {http: {allow: [x]}}}}",
		"passthrough: {config: {values: {a: 1.5}}, clock: {start: x}, random: {seed: 1e3}, fs: {mounts: {/a: b}}}",
		"secrets: {a: {env: A}}\nconnections: {b: {url: x, max_open: -1}}\nbuckets: *x", "per_module:\n  a:\n  b: 3", "- a", "a: &a [*a]",
		"max_calls: 99999999999999999999\nskip_refused: no\nenv: [[a]]\npassthrough: {http: {http: x}}",
	} {
		f.Add(text)
	}
	place := regexp.MustCompile(`^w\.yaml(:\d+:\d+)?: `)
	f.Fuzz(func(t *testing.T, text string) {
		config, err := parseConfig("w.yaml", []byte(text))
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				if !place.MatchString(line) {
					t.Errorf("%q has no place", line)
				}
			}
			return
		}
		config.policies(config.granted(), set) //nolint:errcheck // any outcome is right
		if sections := config.node(perModuleKey); sections != nil {
			for _, key := range sections.Keys {
				config.section(key.Text)                                                             //nolint:errcheck // as above
				config.policies(config.granted(perModuleKey, key.Text), set, perModuleKey, key.Text) //nolint:errcheck // as above
			}
		}
	})
}
