package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/blobmod"
	"github.com/wasmworker/wasmworker/host/passthrough/configmod"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
	"github.com/wasmworker/wasmworker/host/passthrough/httpmod"
	"github.com/wasmworker/wasmworker/host/passthrough/secretmod"
	"github.com/wasmworker/wasmworker/host/passthrough/sqlmod"
	"github.com/wasmworker/wasmworker/host/passthrough/wasi"
)

// passthroughModules are the host modules that this program has, with what the file gives to them. Nothing is connected
// or opened, but secrets are read once to see that they are there.
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

// secretStore opens what the file has below secrets. It reads each of them once.
func (f *configFile) secretStore() (*secretmod.Store, error) {
	store, err := secretmod.Open(f.Secrets)
	return store, f.at(err, "secrets")
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
		name := entry.Key.GetToken().Value
		g.names = append(g.names, name)
		if entry.Value.Type() != ast.NullType {
			g.policies[name] = entry.Value
		}
	}
	return nil
}

// policies makes policies of what the file says about them, at a path: that of the section which the grants are in. It
// reports all mistakes, each with its place.
func (f *configFile) policies(g grants, set passthrough.Set, section ...any) (map[string]any, error) {
	var policies map[string]any
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(g.policies)) {
		path := append(slices.Clone(section), "passthrough", name)
		module, err := set.WithPolicy(name)
		if err != nil {
			errs = append(errs, f.at(err, path...))
			continue
		}
		policy := module.NewPolicy()
		if err := yaml.NodeToValue(g.policies[name], policy, yaml.Strict()); err != nil {
			if _, ok := errors.AsType[*passthrough.FieldError](err); ok {
				err = f.at(fieldErrors(err), path...)
			} else {
				err = f.located(err, policy)
			}
			errs = append(errs, err)
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

// fieldErrors takes out of an error what a policy's own decoder complained about.
func fieldErrors(err error) error {
	for ; err != nil; err = errors.Unwrap(err) {
		if _, ok := err.(interface{ Unwrap() []error }); ok {
			return err
		}
		if _, ok := err.(*passthrough.FieldError); ok {
			return err
		}
	}
	return err
}

// closeAll closes what passthrough modules keep, when no activity runs any more.
func closeAll(modules []passthrough.Module) {
	for _, m := range slices.Backward(modules) {
		if m.Close != nil {
			m.Close(context.Background()) //nolint:errcheck // the process ends
		}
	}
}
