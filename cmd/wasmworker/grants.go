package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/blobmod"
	"github.com/wasmworker/wasmworker/host/passthrough/configmod"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
	"github.com/wasmworker/wasmworker/host/passthrough/httpmod"
	"github.com/wasmworker/wasmworker/host/passthrough/secretmod"
	"github.com/wasmworker/wasmworker/host/passthrough/sqlmod"
	"github.com/wasmworker/wasmworker/host/passthrough/wasi"
	"github.com/wasmworker/wasmworker/internal/yamlnode"
)

// passthroughModules returns the host modules of this program, configured by the file. It
// connects and opens nothing, but it reads each secret once to see that it is there.
func passthroughModules(file *configFile) ([]passthrough.Module, error) {
	secrets, err := file.secretStore()
	errs := []error{err}
	databases, err := sqlmod.New(sqlmod.Options{Connections: file.Connections, Secrets: secrets})
	errs = append(errs, file.at(err, "connections"))
	objects, err := blobmod.New(blobmod.Options{Buckets: file.Buckets, Secrets: secrets})
	errs = append(errs, file.at(err, "buckets"))
	if err := errors.Join(errs...); err != nil {
		return nil, usageError{err}
	}
	return []passthrough.Module{
		configmod.New(),
		httpmod.New(httpmod.Options{Secrets: secrets}),
		secretmod.New(secrets),
		databases,
		objects,
		fsmod.New(),
		wasi.NewClock(),
		wasi.NewRandom(),
	}, nil
}

// secretStore opens the secrets of the file. It reads each of them once.
func (f *configFile) secretStore() (*secretmod.Store, error) {
	store, err := secretmod.Open(f.Secrets)
	return store, f.at(err, "secrets")
}

// grants are the names of passthrough modules: one, a list, or a map from names to
// policies.
type grants struct {
	names    []string
	policies map[string]*yamlnode.Node
}

// UnmarshalNode reads a name, a list of names, or a map from names to policies.
func (g *grants) UnmarshalNode(n *yamlnode.Node) error {
	if n.Kind != yamlnode.Map {
		return n.Decode((*list)(&g.names))
	}
	g.policies = map[string]*yamlnode.Node{}
	for i, key := range n.Keys {
		g.names = append(g.names, key.Text)
		if n.Items[i].Kind != yamlnode.Null {
			g.policies[key.Text] = n.Items[i]
		}
	}
	return nil
}

// policies decodes and checks the policies of grants. The section is the path of the
// section that has the grants. It reports all mistakes, each with its place.
func (f *configFile) policies(g grants, set passthrough.Set, section ...any) (map[string]any, error) {
	var policies map[string]any
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(g.policies)) {
		path := append(slices.Clone(section), "passthrough", name)
		module, err := set.WithPolicy(name)
		if err != nil {
			if other := belongs(name); other != "" {
				err = fmt.Errorf("%s is no passthrough module: it belongs to %s", name, other)
			}
			errs = append(errs, f.at(err, path...))
			continue
		}
		policy := module.NewPolicy()
		if err := g.policies[name].Decode(policy); err != nil {
			errs = append(errs, f.mistakes(err, path...))
			continue
		}
		if data, err := json.Marshal(policy); err == nil && string(data) == "{}" {
			errs = append(errs, f.at(fmt.Errorf("the policy is empty, so that nothing is allowed that needs one; say what is, or grant %s by its name alone (%s: with nothing behind it)", name, name), path...))
			continue
		}
		if err := module.CheckPolicy(policy); err != nil {
			errs = append(errs, f.at(err, path...))
			continue
		}
		if policies == nil {
			policies = map[string]any{}
		}
		policies[name] = policy
	}
	return policies, errors.Join(errs...)
}

// mistakes puts the place before each mistake in the form of a policy. It is the place of
// the value, or the one that the policy's own decoder reports.
func (f *configFile) mistakes(err error, path ...any) error {
	var errs []error
	for _, e := range flatten(err) {
		if field, ok := errors.AsType[*passthrough.FieldError](e); ok {
			within := path
			if mistake, ok := e.(*yamlnode.Error); ok {
				within = slices.Concat(path, mistake.Path)
			}
			errs = append(errs, f.at(field, within...))
			continue
		}
		errs = append(errs, f.located(e, path...))
	}
	return errors.Join(errs...)
}

// closeAll closes the passthrough modules. No activity may be running.
func closeAll(modules []passthrough.Module) {
	for _, m := range slices.Backward(modules) {
		if m.Close != nil {
			m.Close(context.Background()) //nolint:errcheck // the process ends
		}
	}
}
