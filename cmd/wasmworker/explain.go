package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/configmod"
	"github.com/wasmworker/wasmworker/host/passthrough/wasi"
	"github.com/wasmworker/wasmworker/internal/nearest"
)

// explanation is what explain --json prints.
type explanation struct {
	Allowed bool   `json:"allowed"`
	Reason  string `json:"reason"`
	Where   string `json:"where,omitempty"` // FILE:LINE:COLUMN of the part that decided
	Path    string `json:"path,omitempty"`  // the path of that part in the file
}

func explainCommand() *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "say whether a module may do something, and which line of the configuration decides",
		ArgsUsage: "MODULE CAPABILITY WORD…",
		Description: `   wasmworker explain --config wasmworker.yaml orders http GET https://api.example.com/v1/x
   wasmworker explain --config wasmworker.yaml orders sql write warehouse
   wasmworker explain --config wasmworker.yaml orders blob put exports/out/x.jsonl
   wasmworker explain --config wasmworker.yaml orders fs read /data/x
   wasmworker explain --config wasmworker.yaml orders config region
   wasmworker explain --config wasmworker.yaml orders secret api-token

Nothing is connected to. MODULE is a file's name without .wasm, as in per_module.

Exit codes: 0 allowed, 1 denied, 2 wrong usage or configuration.`,
		Flags: append(flagsOf(inExplain), jsonFlag()),
		Action: func(c *cli.Context) error {
			file, err := applyConfig(c)
			if err != nil {
				return err
			}
			if c.NArg() < 2 {
				return usagef("name a module, a capability and what it is to do: wasmworker explain --config wasmworker.yaml orders http GET https://api.example.com/")
			}
			e, err := explain(c, file, c.Args().First(), c.Args().Get(1), c.Args().Slice()[2:])
			if err != nil {
				return err
			}
			if err := e.print(c); err != nil {
				return err
			}
			if !e.Allowed {
				return cli.Exit("", exitFailure)
			}
			return nil
		},
	}
}

func explain(c *cli.Context, file *configFile, module, capability string, words []string) (*explanation, error) {
	granting, err := passthroughModules(file)
	if err != nil {
		return nil, err
	}
	defer closeAll(granting)
	set, err := passthrough.NewSet(granting...)
	if err != nil {
		return nil, err
	}
	m, err := set.WithPolicy(capability)
	if err != nil {
		return nil, usagef("%w%s", err, nearest.Hint(capability, set.Names()))
	}
	defaults, perModule, err := moduleOptions(c, file, set)
	if err != nil {
		return nil, err
	}
	own := perModule[module]
	if path := broughtBy(file.modules(), module, capability, words, policyOf[configmod.Policy]("config", defaults, own)); path != "" {
		return &explanation{Allowed: true, Reason: "it is among the config values of the manifest " + path}, nil
	}
	ownGrant := slices.Contains(own.Passthrough, capability)
	// WASI has these without a grant.
	needsGrant := capability != wasi.NameClock && capability != wasi.NameRandom
	if needsGrant && !ownGrant && !slices.Contains(defaults.Passthrough, capability) {
		return &explanation{Reason: fmt.Sprintf("%s is not granted to %s: it may not even import it. Add it to passthrough, or to per_module: {%s: {passthrough: …}}", capability, module, module)}, nil
	}
	policy, section := own.Policies[capability], []any{"per_module", module, "passthrough"}
	if policy == nil && (!ownGrant || defaults.Policies[capability] != nil) {
		policy, section = defaults.Policies[capability], []any{"passthrough"}
	}
	if policy == nil {
		policy = m.NewPolicy()
	}
	explainer, ok := policy.(passthrough.Explainer)
	if !ok {
		return nil, usagef("the policy of %s cannot explain itself", capability)
	}
	verdict, err := explainer.Explain(words)
	if err != nil {
		return nil, usagef("explain %s: %w", capability, err)
	}
	e := &explanation{Allowed: verdict.Allowed, Reason: verdict.Reason}
	if file.root != nil && (verdict.Path != nil || !verdict.Allowed) {
		path := slices.Concat(section, []any{capability}, verdict.Path)
		e.Where = file.where(path)
		if verdict.Path != nil {
			e.Path = passthrough.PathString(path)
		}
	}
	return e, nil
}

func (e *explanation) print(c *cli.Context) error {
	if c.Bool("json") {
		encoder := json.NewEncoder(raw(c.App.Writer))
		encoder.SetEscapeHTML(false)
		return encoder.Encode(e)
	}
	word := "denied"
	if e.Allowed {
		word = "allowed"
	}
	where := strings.TrimSuffix(e.Where+": "+e.Path, ": ")
	if where != "" {
		where = " (" + where + ")"
	}
	_, err := fmt.Fprintf(c.App.Writer, "%s: %s%s\n", word, e.Reason, where)
	return err
}
