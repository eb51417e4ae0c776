package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/cmd/wasmworker/internal/manifest"
	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/configmod"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
	"github.com/wasmworker/wasmworker/host/passthrough/httpmod"
)

// moduleFiles are the files that --modules names: modules, and Extism manifests of
// plugins.
type moduleFiles struct {
	paths     []string // .wasm files, and directories with such files
	manifests []*manifest.Manifest
	broken    []string // names of modules whose manifests cannot be used
}

// findModules separates manifests from modules, and reads the manifests. A file is a
// manifest if its name ends in .json, or if its content looks like one. In a directory,
// .json files that do not look like manifests are ignored. A module that a manifest in
// the directory names is not served a second time by itself. The error joins every
// mistake in manifests.
func findModules(paths []string) (moduleFiles, error) {
	var found moduleFiles
	var errs []error
	for _, path := range paths {
		stat, err := os.Stat(path)
		switch {
		case err != nil: // package modules reports it
			found.paths = append(found.paths, path)
		case stat.IsDir():
			errs = append(errs, found.addDirectory(path))
		default:
			errs = append(errs, found.addFile(path, stat))
		}
	}
	return found, errors.Join(errs...)
}

// addFile adds a file that --modules names.
func (f *moduleFiles) addFile(path string, stat os.FileInfo) error {
	named := strings.HasSuffix(path, ".json")
	if named && stat.Mode().IsRegular() && stat.Size() > manifest.MaxSize {
		return fmt.Errorf("%s: %d bytes are more than the %d that a manifest may have", path, stat.Size(), manifest.MaxSize)
	}
	data, err := manifest.Peek(path)
	if err != nil || data == nil || bytes.HasPrefix(data, []byte("\x00asm")) || !named && !manifest.Sniff(data) {
		f.paths = append(f.paths, path)
		return nil
	}
	return f.addManifest(path, data)
}

func (f *moduleFiles) addManifest(path string, data []byte) error {
	m, err := manifest.Parse(path, data)
	if err != nil {
		f.broken = append(f.broken, manifest.Name(path))
		return err
	}
	f.manifests = append(f.manifests, m)
	return nil
}

// addDirectory adds a directory as it is if it has no manifest, and its files otherwise.
func (f *moduleFiles) addDirectory(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		f.paths = append(f.paths, path)
		return nil
	}
	var errs []error
	var modules []string
	manifests, taken := false, map[string]bool{} // the modules that the manifests name
	for _, e := range entries {
		file := filepath.Join(path, e.Name())
		switch {
		case e.IsDir() || strings.HasPrefix(e.Name(), "."):
		case strings.HasSuffix(e.Name(), ".wasm"):
			modules = append(modules, file)
		case strings.HasSuffix(e.Name(), ".json"):
			data, err := manifest.Peek(file)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: it cannot be told whether this is a manifest: %w", file, err))
			}
			if !manifest.Sniff(data) {
				continue
			}
			manifests = true
			// An invalid manifest counts too: the plugin must not run without its limits.
			for _, module := range manifest.Sources(file, data) {
				taken[module] = true
			}
			if err := f.addManifest(file, data); err != nil {
				taken[strings.TrimSuffix(file, ".json")+".wasm"] = true // the module that the manifest may have meant
				errs = append(errs, err)
			}
		}
	}
	if !manifests {
		f.paths = append(f.paths, path)
	} else {
		f.paths = append(f.paths, slices.DeleteFunc(modules, func(file string) bool { return taken[file] })...)
	}
	return errors.Join(errs...)
}

// open reads the modules without a manifest, and adds the plugins of manifests.
func (f moduleFiles) open() ([]*modules.File, error) {
	modules, err := modules.Open(f.paths...)
	for _, m := range f.manifests {
		modules = append(modules, m.Plugin)
	}
	return modules, err
}

// grant compares the requests of manifests with the operator's grants. It returns the
// plugins whose requests are all granted, the options of all modules within the limits
// and with the values of the manifests, and the refusals. A refused plugin has no
// options.
func (f moduleFiles) grant(defaults host.ModuleOptions, perModule map[string]host.ModuleOptions, set passthrough.Set) (served []*modules.File, options map[string]host.ModuleOptions, refused []*manifestRefusal) {
	options = maps.Clone(perModule)
	if options == nil {
		options = map[string]host.ModuleOptions{}
	}
	for _, name := range f.broken {
		delete(options, name)
	}
	for _, m := range f.manifests {
		own := within(m, defaults, perModule[m.Plugin.Name])
		granted := slices.Concat(defaults.Passthrough, own.Passthrough)
		refusal := &manifestRefusal{manifest: m, needs: set.Check(m.Plugin, granted)}
		for _, a := range asksOf(m, granted, policyOf[httpmod.Policy]("http", defaults, own), policyOf[fsmod.Policy](fsmod.Name, defaults, own)) {
			if !a.Granted {
				refusal.asks = append(refusal.asks, a)
			}
		}
		if refusal.asks != nil || refusal.needs != nil {
			refused = append(refused, refusal)
			delete(options, m.Plugin.Name)
			continue
		}
		served = append(served, m.Plugin)
		options[m.Plugin.Name] = own
	}
	return served, options, refused
}

// policyOf returns a module's policy for a capability, or nil if there is none.
func policyOf[T any](capability string, defaults, own host.ModuleOptions) *T {
	policy, _ := cmp.Or(own.Policies[capability], defaults.Policies[capability]).(*T)
	return policy
}

// within returns a module's own options, bounded by its manifest's limits and with the
// manifest's values.
func within(m *manifest.Manifest, defaults, own host.ModuleOptions) host.ModuleOptions {
	if m.MaxMemory > 0 {
		own.MemoryLimit = min(m.MaxMemory, cmp.Or(own.MemoryLimit, defaults.MemoryLimit, abi.DefaultMemoryLimit))
	}
	if m.Timeout > 0 {
		own.Timeout = min(m.Timeout, cmp.Or(own.Timeout, defaults.Timeout, m.Timeout))
	}
	policies := maps.Clone(own.Policies)
	if policies == nil {
		policies = map[string]any{}
	}
	if policy := policyOf[httpmod.Policy]("http", defaults, own); policy != nil && m.MaxResponse > 0 {
		bounded := *policy
		most := cmp.Or(int64(policy.MaxResponseBytes), httpmod.DefaultMaxResponseBytes)
		bounded.MaxResponseBytes = passthrough.Size(min(most, m.MaxResponse))
		policies["http"] = &bounded
	}
	if len(m.Config) > 0 {
		own.Passthrough = append(slices.Clone(own.Passthrough), "config")
		policies["config"] = withConfig(m.Config, policyOf[configmod.Policy]("config", defaults, own))
	}
	own.Policies = policies
	return own
}

// withConfig adds the values of a manifest to those of the operator's policy. The
// operator's values win.
func withConfig(values map[string]string, policy *configmod.Policy) *configmod.Policy {
	merged := &configmod.Policy{Values: maps.Clone(values)}
	if policy == nil {
		return merged
	}
	maps.Copy(merged.Values, policy.Values)
	merged.FromEnv = policy.FromEnv
	for name := range policy.FromEnv {
		delete(merged.Values, name)
	}
	return merged
}

// broughtBy returns the path of the manifest that has the configuration value asked for.
// It returns "" if there is none, or if the operator's policy has a value of that name.
func broughtBy(paths []string, module, capability string, words []string, policy *configmod.Policy) string {
	if capability != "config" || len(words) != 1 {
		return ""
	}
	if policy != nil {
		_, value := policy.Values[words[0]]
		_, variable := policy.FromEnv[words[0]]
		if value || variable {
			return ""
		}
	}
	files, _ := findModules(paths) // this only looks for a value; other errors do not matter
	for _, m := range files.manifests {
		if _, ok := m.Config[words[0]]; ok && m.Plugin.Name == module {
			return m.Path
		}
	}
	return ""
}

// ask is one request of a manifest.
type ask struct {
	Field   string `json:"field"`
	What    string `json:"asks_for"`
	Granted bool   `json:"-"`

	reason string // why it is not granted, if there is more to say
	host   *manifest.Host
	mount  *manifest.Mount
}

// asksOf returns a manifest's requests that need a grant, compared with the policies,
// which may be nil. A policy may be narrower in ways that a manifest cannot express:
// ports, paths, methods.
func asksOf(m *manifest.Manifest, granted []string, http *httpmod.Policy, fs *fsmod.Policy) (asks []ask) {
	for _, h := range m.Hosts {
		a := ask{Field: h.Field, What: fmt.Sprintf("requests to %q", h.Pattern), host: &h}
		if slices.Contains(granted, "http") && http != nil {
			a.Granted = slices.ContainsFunc(http.Allow, func(r httpmod.Rule) bool { return h.Meets(r.Origin) })
		}
		asks = append(asks, a)
	}
	for _, mount := range m.Mounts {
		a := ask{Field: mount.Field, What: fmt.Sprintf("to read %q", mount.Guest), mount: &mount}
		word := "read"
		if mount.Write {
			word, a.What = "write", fmt.Sprintf("to read and write %q", mount.Guest)
		}
		if slices.Contains(granted, fsmod.Name) && fs != nil {
			if verdict, err := fs.Explain([]string{word, mount.Guest}); err == nil {
				a.Granted, a.reason = verdict.Allowed, verdict.Reason
			}
		}
		asks = append(asks, a)
	}
	return asks
}

// manifestRefusal is the error for a plugin with a manifest that may not be loaded.
type manifestRefusal struct {
	manifest *manifest.Manifest
	asks     []ask // not granted
	needs    error // a *passthrough.AdmissionError, or nil if the imports are granted
}

// Unwrap returns the error about the plugin's imports, or nil.
func (r *manifestRefusal) Unwrap() error { return r.needs }

// Error names the file, each request that is not granted, and what would grant them all.
func (r *manifestRefusal) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: refused, because it asks for more than it was granted:", r.manifest.Path)
	for _, a := range r.asks {
		fmt.Fprintf(&b, "\n  %s: %s", a.Field, a.What)
		if a.reason != "" {
			fmt.Fprintf(&b, " (%s)", a.reason)
		}
	}
	names, policies := []string{}, map[string]any{}
	if needs, ok := errors.AsType[*passthrough.AdmissionError](r.needs); ok {
		for _, n := range needs.Needs {
			functions, _ := json.Marshal(n.Functions)
			fmt.Fprintf(&b, "\n  %q of %s imports %s", n.Import, r.manifest.Plugin.Path, functions)
			if n.Problem != "" {
				fmt.Fprintf(&b, ": %s", n.Problem)
				continue
			}
			policies[n.Grant] = nil
			names = append(names, n.Grant)
		}
	}
	maps.Copy(policies, r.policies())
	if len(policies) == 0 {
		return b.String()
	}
	fmt.Fprintf(&b, "\n  to grant that, add ")
	if len(r.asks) == 0 {
		fmt.Fprintf(&b, "--passthrough %s, or ", strings.Join(names, ","))
	}
	var n yaml.Node
	err := n.Encode(map[string]any{r.manifest.Plugin.Name: map[string]any{"passthrough": policies}})
	if err != nil { // strings and maps always can be encoded
		panic(err)
	}
	n.Style = yaml.FlowStyle
	line, err := yaml.Dump(&n, yaml.WithLineWidth(-1))
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(&b, "to the configuration file, beside what it has there:\n      per_module: %s", bytes.TrimSpace(line))
	return b.String()
}

// policies returns the policies that would grant the missing requests.
func (r *manifestRefusal) policies() map[string]any {
	var origins []string
	var all *manifest.Host // any other origin satisfies it
	mounts := map[string]any{}
	for _, a := range r.asks {
		switch {
		case a.host != nil && a.host.Pattern != "*":
			origins = append(origins, a.host.Origin())
		case a.host != nil:
			all = a.host
		case a.mount.Write:
			mounts[a.mount.Guest] = map[string]any{"directory": a.mount.Host, "write": true}
		default:
			mounts[a.mount.Guest] = a.mount.Host
		}
	}
	if all != nil && origins == nil {
		origins = []string{all.Origin()}
	}
	policies := map[string]any{}
	if origins != nil {
		policies["http"] = map[string]any{"allow": origins}
	}
	if len(mounts) > 0 {
		policies[fsmod.Name] = map[string]any{"mounts": mounts}
	}
	return policies
}

// joinRefusals joins refusals to one error. It returns nil if there are none.
func joinRefusals(refused []*manifestRefusal) error {
	var errs []error
	for _, r := range refused {
		errs = append(errs, r)
	}
	return errors.Join(errs...)
}

// newHost makes the host. It fails if manifests are invalid or refused, unless such
// modules may be left out. It reports every mistake at once.
func (s *server) newHost(ctx context.Context) (*host.Host, error) {
	left := len(s.options.Modules)+len(s.options.Files) > 0
	switch {
	case s.unserved == nil:
		return host.New(s.options)
	case !left:
		return nil, s.unserved
	case s.options.SkipRefused:
		s.logger.Warn("module left out", "error", s.unserved)
		return host.New(s.options)
	}
	h, err := host.New(s.options)
	if err == nil {
		err = h.Stop(ctx)
	}
	return nil, errors.Join(s.unserved, err)
}
