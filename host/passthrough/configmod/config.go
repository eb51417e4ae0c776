// Package configmod is the passthrough module config: guests read values by name, as far
// as the operator's policy gives them. abi/SPEC.md describes it as a guest sees it.
//
// The values are not secrets. They stand in the configuration file or come from the
// environment. A guest may do with them whatever it can do with data: log them, send
// them, return them.
package configmod

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

// Policy is what an activity module may read. The zero value is nothing.
type Policy struct {
	// Values are values by the names by which guests ask for them. Default: none.
	Values map[string]string `yaml:"values" json:"values,omitempty"`
	// FromEnv are names of environment variables of the worker, by the names by which
	// guests ask for their values: for what differs between deployments of one file. They
	// are read once, when the policy is validated, and must be set. Default: none.
	FromEnv map[string]string `yaml:"from_env" json:"from_env,omitempty"`

	values map[string]string // of Values and FromEnv together
}

// UnmarshalYAML implements the YAML library's interface. A value must be a text, because
// YAML would turn the version 1.50 into 1.5, and yes into true.
func (p *Policy) UnmarshalYAML(unmarshal func(any) error) error {
	var fields struct {
		Values  map[string]any    `yaml:"values"`
		FromEnv map[string]string `yaml:"from_env"`
	}
	if err := unmarshal(&fields); err != nil {
		return err
	}
	var errs []error
	*p = Policy{Values: map[string]string{}, FromEnv: fields.FromEnv}
	for _, name := range slices.Sorted(maps.Keys(fields.Values)) {
		value, ok := fields.Values[name].(string)
		if !ok {
			errs = append(errs, passthrough.At(errors.New("it is not a text; put quotes around it"), "values", name))
		}
		p.Values[name] = value
	}
	return errors.Join(errs...)
}

// Validate checks the policy and reads the environment. The error joins every mistake.
func (p *Policy) Validate() error {
	var errs []error
	values := map[string]string{}
	maps.Copy(values, p.Values)
	for _, name := range slices.Sorted(maps.Keys(p.FromEnv)) {
		variable := p.FromEnv[name]
		value, ok := os.LookupEnv(variable)
		switch {
		case variable == "" || strings.ContainsAny(variable, "=\x00"):
			errs = append(errs, passthrough.At(fmt.Errorf("%q is not the name of an environment variable", variable), "from_env", name))
		case !ok:
			errs = append(errs, passthrough.At(fmt.Errorf("the environment variable %s is not set", variable), "from_env", name))
		}
		if _, twice := values[name]; twice {
			errs = append(errs, passthrough.At(errors.New("it is in values too"), "from_env", name))
		}
		values[name] = value
	}
	if _, ok := values[""]; ok {
		errs = append(errs, errors.New("a name is empty"))
	}
	p.values = values
	return errors.Join(errs...)
}

// Explain implements [passthrough.Explainer]. The words are a value's name.
func (p *Policy) Explain(words []string) (passthrough.Verdict, error) {
	if len(words) != 1 {
		return passthrough.Verdict{}, errors.New("name one value")
	}
	name := words[0]
	if _, ok := p.Values[name]; ok {
		return passthrough.Verdict{Allowed: true, Reason: "it is in the policy's values", Path: []any{"values", name}}, nil
	}
	if variable, ok := p.FromEnv[name]; ok {
		return passthrough.Verdict{Allowed: true, Reason: "it is the environment variable " + variable, Path: []any{"from_env", name}}, nil
	}
	return passthrough.Verdict{Reason: "the config policy has no value of that name"}, nil
}

// New returns the passthrough module. Its policy is a [*Policy].
func New() passthrough.Module {
	return passthrough.Module{
		Name:      "config",
		Functions: map[string]passthrough.Func{"get": get},
		Policy:    &Policy{},
	}
}

// get is wasmworker:config/v1 get. A name that only another module's policy has gets the
// same answer as a name that does not exist.
func get(ctx context.Context, call *passthrough.Call, name []byte) ([]byte, error) {
	value, ok := passthrough.PolicyOf[Policy](call).values[string(name)]
	if !ok {
		return nil, fmt.Errorf("%w: there is no configuration value of that name", abi.ENOENT)
	}
	return []byte(value), nil
}
