package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"
	"go.temporal.io/sdk/client"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/passthrough/secretmod"
	"github.com/wasmworker/wasmworker/host/passthrough/wasi"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/replay/cases"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// record runs an activity as invoke does, but with a reproducible clock and reproducible
// random numbers. It appends the activity, with all answers that it got, to a file of
// cases.
func record(c *cli.Context, path string, file *configFile, options replay.Options) error {
	if !strings.HasSuffix(path, cases.Suffix) {
		return usagef("--record %s: the name of a file with cases ends in %s", path, cases.Suffix)
	}
	args, err := parseArgs(c, c.Args().Slice()[min(2, c.NArg()):])
	if err != nil {
		return err
	}
	store, err := file.secretStore()
	if err != nil {
		return usageError{err}
	}
	first, second, stopSignals := signals(c.Context, discard)
	defer stopSignals()
	options.Fence = true
	options.Start, options.Seed = time.Now().UTC().Truncate(time.Second), rand.Int64()
	if _, err := os.Stat(path); err == nil { // all cases of a file share clock and seed
		there, err := cases.Read(path)
		if err != nil {
			return usageError{err}
		}
		options.Start, options.Seed = there.Start, there.Seed
	}
	options.CacheDir = cacheDir(c)
	options.NoCache = options.CacheDir == ""
	options.Passthrough = slices.DeleteFunc(slices.Clone(options.Passthrough), func(m host.PassthroughModule) bool { return m.Name == wasi.NameClock || m.Name == wasi.NameRandom })
	for _, o := range append(slices.Collect(maps.Values(options.PerModule)), options.Defaults) {
		if o.Policies[wasi.NameClock] != nil || o.Policies[wasi.NameRandom] != nil {
			return usagef("--record has a clock and random numbers of its own: leave the policies of clock and random out of the configuration")
		}
	}
	env, err := replay.Open(first, options)
	if err != nil {
		return usageError{err}
	}
	defer env.Close() //nolint:errcheck // the process ends
	a := replay.Activity{Type: c.Args().Get(1), Timeout: cmp.Or(c.Duration("timeout"), replay.DefaultTimeout)}
	activity, err := findActivity(a.Type, env.Activities())
	if err != nil {
		return err
	}
	for _, arg := range args {
		a.Args = append(a.Args, arg)
	}
	if activity.Export != activity.Type {
		a.Info = new(env.DefaultInfo(a.Type))
	}
	run := env.RunContext(second, a)
	if run.Outcome() != replay.Interrupted {
		name := fmt.Sprintf("%s recorded at %s", a.Type, time.Now().UTC().Format(time.RFC3339Nano))
		f := &cases.File{Path: path, Start: options.Start, Seed: options.Seed}
		secrets, err := known(store)
		if err != nil {
			return err
		}
		if err := keep(f, name, true, secrets, activity, a, run); err != nil {
			return err
		}
		fmt.Fprintf(c.App.ErrWriter, "wasmworker: recorded; `wasmworker test %s` replays it\n", path)
	}
	return printOutcome(c, run.Output, run.Err)
}

// known returns the current values of all secrets.
func known(store *secretmod.Store) (values cases.Secrets, err error) {
	for _, name := range store.Names() {
		value, err := store.Value(name)
		if err != nil {
			return nil, fmt.Errorf("secrets have to be known to be left out of records: secret %s: %w", name, err)
		}
		values = append(values, value)
	}
	return values, nil
}

// keep appends an attempt to the file at f.Path. The caller sets the file's clock and
// seed; keep takes the rest from the module. If exact is false, the case wants no fuel,
// because the attempt had another clock.
func keep(f *cases.File, name string, exact bool, secrets cases.Secrets, activity sandbox.Activity, a replay.Activity, run *replay.Run) error {
	module := activity.Module
	f.Module, f.Digest = module.File().Path, module.File().Digest
	if m := module.Options().MemoryLimit; m != abi.DefaultMemoryLimit {
		f.Limits.Memory = m
	}
	if n := module.Options().MaxOutput; n != abi.DefaultMaxOutput {
		f.Limits.Output = n
	}
	switch n := module.Options().MaxFuel; {
	case n == 0 && run.Fuel > replay.DefaultMaxFuel/2: // a worker has no limit of fuel by default, but a case has one
		f.Limits.Fuel = 2 * run.Fuel
	case n != replay.DefaultMaxFuel:
		f.Limits.Fuel = n
	}
	if options := module.Options(); options.CommandIO != sandbox.CommandPlain {
		f.Command.IO = options.CommandIO
	}
	if codes := module.Options().SuccessCodes; !slices.Equal(codes, sandbox.DefaultOptions().SuccessCodes) {
		f.Command.SuccessCodes = codes
	}
	f.Command.Args = nil
	for _, arg := range module.Options().Args {
		f.Command.Args = append(f.Command.Args, secrets.Redact(arg))
	}
	f.Env = module.Env()
	for name, value := range f.Env {
		f.Env[name] = secrets.Redact(value)
	}
	// A case has no prefixes and no renamed activities. Its info has the activity type.
	a.Type = activity.Export
	c := cases.Record(name, a, run, secrets)
	if !exact {
		c.Want.Fuel = 0
	}
	return f.Append(c)
}

// recorder keeps a sample of a worker's attempts and of the histories of its workflows: for
// each activity and each workflow of a module, the first ones of each way to end.
type recorder struct {
	secrets    *secretmod.Store
	directory  string
	limit      int // attempts of each way to end
	logger     *slog.Logger
	activities []sandbox.Activity
	client     func() client.Client // histories come from it

	mu      sync.Mutex
	kinds   map[string]map[string]int // number of records, by activity and way to end
	writing sync.WaitGroup
}

const (
	// maxRecord is how many bytes of input and output an attempt may have to be recorded.
	maxRecord = 1 << 20
	// maxKinds is how many ways to end are recorded for an activity. A guest can make up
	// any number of them.
	maxKinds = 20
)

// newRecorder makes the directory if there is none, and checks that files can be made in
// it.
func newRecorder(directory string, limit int, config *configFile, logger *slog.Logger) (*recorder, error) {
	if limit < 1 {
		return nil, usagef("--record-limit %d: it has to be 1 or more", limit)
	}
	store, err := config.secretStore()
	if err != nil {
		return nil, usageError{err}
	}
	err = os.MkdirAll(directory, 0o700)
	if err == nil {
		var probe *os.File
		if probe, err = os.CreateTemp(directory, ".probe-*"); err == nil {
			err = cmp.Or(probe.Close(), os.Remove(probe.Name()))
		}
	}
	if err != nil {
		return nil, usagef("--record: no files can be made there: %w", err)
	}
	return &recorder{secrets: store, directory: directory, limit: limit, logger: logger, kinds: map[string]map[string]int{}}, nil
}

// ended is called with each attempt that ended. It does not block for the disk.
func (r *recorder) ended(a replay.Activity, run *replay.Run) {
	kind := string(run.Outcome())
	switch failure := run.Failure(); {
	case run.Outcome() == replay.Interrupted, run.Outcome() == replay.Failed && failure == nil:
		return // the worker or the machine caused this end
	case failure != nil:
		kind = cmp.Or(failure.Type, kind)
	}
	i := slices.IndexFunc(r.activities, func(known sandbox.Activity) bool { return known.Type == a.Type })
	if i < 0 {
		return
	}
	number := r.next(a.Type, kind)
	if number == 0 {
		return
	}
	r.writing.Go(func() { // Temporal does not wait for the disk
		if path, err := r.write(r.activities[i], kind, number, a, run); err != nil {
			r.logger.Warn("an attempt was not recorded", "activity", a.Type, "error", err)
		} else if path != "" {
			r.logger.Info("recorded an attempt", "activity", a.Type, "file", path)
		}
	})
}

// next returns the number of an attempt, from 1, among those of the activity that ended
// in the same way. It returns 0 if there are enough.
func (r *recorder) next(activity, kind string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	kinds := r.kinds[activity]
	if kinds == nil {
		kinds = map[string]int{}
		r.kinds[activity] = kinds
	}
	if kinds[kind] == r.limit || kinds[kind] == 0 && len(kinds) == maxKinds {
		return 0
	}
	kinds[kind]++
	return kinds[kind]
}

var unsafeInNames = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// safeInName returns a guest's text as it may be in the name of a file.
func safeInName(text string) string {
	return fmt.Sprintf("%.80s", unsafeInNames.ReplaceAllString(text, "_"))
}

// write writes the file of an attempt and returns its path. It returns "" if the file
// exists, which then is from an earlier run of the worker.
func (r *recorder) write(activity sandbox.Activity, kind string, number int, a replay.Activity, run *replay.Run) (string, error) {
	secrets, err := known(r.secrets)
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s.%s.%.8s.%d", safeInName(a.Type), safeInName(secrets.Redact(kind)), activity.Module.File().Digest, number)
	f := &cases.File{Path: filepath.Join(r.directory, name+cases.Suffix), Start: a.Info.StartedTime}
	if _, err := os.Lstat(f.Path); err == nil {
		return "", nil
	}
	return f.Path, keep(f, fmt.Sprintf("attempt %d of %s", a.Info.Attempt, cmp.Or(a.Info.WorkflowID, a.Info.ActivityID)), false, secrets, activity, a, run)
}

// wait blocks until all files are written.
func (r *recorder) wait() { r.writing.Wait() }
