package main

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/hosttest"
	"github.com/wasmworker/wasmworker/host/hosttest/cases"
	"github.com/wasmworker/wasmworker/host/passthrough/wasi"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// record runs an activity as invoke does, but with a clock and random numbers that can be had again, and appends it to a file of
// cases with all that it was answered.
func record(c *cli.Context, path string, options hosttest.Options) error {
	if !strings.HasSuffix(path, cases.Suffix) {
		return usagef("--record %s: the name of a file with cases ends in %s", path, cases.Suffix)
	}
	args, err := parseArgs(c, c.Args().Slice()[min(2, c.NArg()):])
	if err != nil {
		return err
	}
	first, second, stopSignals := signals(c.Context, discard)
	defer stopSignals()
	options.Fence = true
	options.Start, options.Seed = time.Now().UTC().Truncate(time.Second), rand.Int64()
	if _, err := os.Stat(path); err == nil { // all cases of a file have the same
		there, err := cases.Read(path)
		if err != nil {
			return usageError{err}
		}
		options.Start, options.Seed = there.Start, there.Seed
	}
	options.CacheDir = c.String("cache-dir")
	options.Passthrough = slices.DeleteFunc(slices.Clone(options.Passthrough), func(m host.PassthroughModule) bool { return m.Name == wasi.NameClock || m.Name == wasi.NameRandom })
	for _, o := range append(slices.Collect(maps.Values(options.PerModule)), options.Defaults) {
		if o.Policies[wasi.NameClock] != nil || o.Policies[wasi.NameRandom] != nil {
			return usagef("--record has a clock and random numbers of its own: leave the policies of clock and random out of the configuration")
		}
	}
	env, err := hosttest.Open(first, options)
	if err != nil {
		return usageError{err}
	}
	defer env.Close() //nolint:errcheck // the process ends
	a := hosttest.Activity{Type: c.Args().Get(1), Patience: cmp.Or(c.Duration("timeout"), hosttest.DefaultPatience)}
	if err := checkActivity(a.Type, env.Activities()); err != nil {
		return err
	}
	for _, arg := range args {
		a.Args = append(a.Args, arg)
	}
	run := env.RunContext(second, a)
	if run.Outcome() != hosttest.Interrupted {
		if err := keep(path, env, options, a, run); err != nil {
			return err
		}
		fmt.Fprintf(c.App.ErrWriter, "wasmworker: recorded; `wasmworker test %s` replays it\n", path)
	}
	return printOutcome(c, run.Output, run.Err)
}

// keep appends a run to a file. What a guest was told of secrets is left out.
func keep(path string, env *hosttest.Env, options hosttest.Options, a hosttest.Activity, run *hosttest.Run) error {
	for i, call := range run.Calls {
		if call.Module == "wasmworker:secret/v1" && call.Err == nil {
			run.Calls[i].Response = []byte("REDACTED")
		}
	}
	i := slices.IndexFunc(env.Activities(), func(known sandbox.Activity) bool { return known.Type == a.Type })
	module := env.Activities()[i].Module
	f := &cases.File{Path: path, Module: module.File.Path, Digest: module.File.Digest, Start: options.Start, Seed: options.Seed}
	if m := module.Options.MemoryLimit; m != abi.DefaultMemoryLimit {
		f.Limits.Memory = m
	}
	if n := module.Options.MaxOutput; n != abi.DefaultMaxOutput {
		f.Limits.Output = n
	}
	if n := module.Options.MaxUnits; n != hosttest.DefaultMaxUnits {
		f.Limits.Units = n
	}
	return f.Append(cases.Record(fmt.Sprintf("%s recorded at %s", a.Type, time.Now().UTC().Format(time.RFC3339Nano)), a, run))
}
