package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

// Policy says what becomes of an instance after a call.
type Isolation string

// The policies.
const (
	// IsolationPristine keeps an instance, and after each call reset it to what it
	// was after its initialization: its memory byte for byte, the size of that, and
	// its globals. What the module computed while it was initialized is shared by all its
	// instances, and with it whatever it drew from the random numbers then, but for the
	// generator of Go's runtime, which is seeded anew for each call. A module that cannot
	// be reset, since its code changes tables or drops segments, gets IsolationFresh
	// instead: see [Module.Fallback].
	IsolationPristine Isolation = "pristine"
	// IsolationFresh makes a new instance for every activity, each initialized anew:
	// 20 us for a C or Rust guest, milliseconds for standard Go. For modules that must
	// not share what they drew from the random numbers when they were initialized.
	IsolationFresh Isolation = "fresh"
	// IsolationReuse keeps an instance for more calls. Faster, and whatever a guest
	// leaves in its globals and memory is there for the next activity: only for
	// modules that you trust with the data of all their activities.
	IsolationReuse Isolation = "reuse"
)

// Options are the settings of a module. The zero value of a field means its default.
type Options struct {
	// Passthrough names the host modules that the module may import beyond the
	// harmless ones. Deny by default.
	Passthrough []string
	// Policies say what the module may do with the host modules that it was granted, by
	// their names: pointers of the type of [passthrough.Module.Policy]. A module without
	// one has the zero policy, which by convention denies what could do harm.
	Policies map[string]any
	// Env names the environment variables of this process that the module may read. Their
	// values are fixed when the module is loaded. NAME=VALUE sets one for the module
	// alone. Deny by default.
	Env []string
	// Args are the arguments that the module finds after its name, as a program does.
	// They are fixed when the module is loaded, and none may have a zero byte. Default:
	// none.
	Args []string
	// CommandIO is how a command gets its input, and what becomes of its output. Default
	// CommandPlain. SuccessCodes are the exit codes of a command that complete its
	// activity: programs such as solvers say by them what they found. Default: 0 alone. A
	// module that is no command is refused with either.
	CommandIO    CommandIO
	SuccessCodes []uint32
	// Prefix is put before the name of each export to make its activity type, so
	// that two modules can export the same name.
	Prefix string
	// Rename gives an export another activity type; Prefix is not added to it. For
	// single modules only.
	Rename map[string]string
	// Policy is what becomes of an instance after a call. Default IsolationPristine.
	Isolation Isolation
	// MaxCalls is how many calls an instance serves under IsolationReuse before it is
	// replaced, which bounds what leaks in a guest can add up to. Default 1000.
	MaxCalls int
	// MaxInstances caps the instances of this module below the limit of the sandbox, so
	// that one module cannot take every slot. Activities beyond it wait for an instance
	// while their own time runs, and do not hold up other modules. Default: no cap.
	MaxInstances int
	// MemoryLimit is the most memory in bytes that an instance may have, together with
	// what the host holds for it: its tables, the responses that are open, the output, and
	// so on, of which the first 8 MiB are not counted. Default 256 MiB.
	MemoryLimit uint64
	// MaxFuel is the most units of fuel that an activity may use, see [Usage]: for
	// modules whose work has a known size, so that a bug or an attack costs little. An
	// activity that needs more fails with the type OutOfFuel. 0: no limit.
	MaxFuel int64
	// Timeout is how long an activity may compute and wait for the host, from when it has
	// its instance. One that takes longer fails with the type TimedOut, retryable. 0: no
	// limit but the activity's own.
	Timeout time.Duration
	// InitializeTimeout is how long making an instance may take: its start function and
	// its _initialize, or what its kind has instead. MaxInitializeFuel is the most units
	// of fuel that these may use. They hold whenever an instance is made, and are apart
	// from Timeout and MaxFuel, which are an activity's: what is fit for that says
	// nothing of a runtime that has to begin. A module whose first instance needs more is
	// refused, and an activity for which a further one does fails with the type TimedOut,
	// or OutOfFuel. Default 10 s, and 10 billion, which is about what a fast machine does
	// in that time. Neither can be without a limit.
	InitializeTimeout time.Duration
	MaxInitializeFuel int64
	// MaxOutput is the most bytes that an activity may return, and put into one
	// heartbeat, as [Size] counts them. The Temporal server's limit for payloads holds
	// where it is lower. Default 2 MiB.
	MaxOutput int

	canonicalNaN bool // see engine.CanonicalNaN
}

// CommandIO is how a command gets its input, and what becomes of its output.
type CommandIO string

// The ways of commands.
const (
	// CommandPlain puts the activity's arguments on standard input, and takes standard
	// output for the result.
	CommandPlain CommandIO = "plain"
	// CommandJSON takes an argument {"args": ["--quiet"], "stdin": "text"}, both optional,
	// and returns {"exit_code": 0, "stdout": "text", "stderr": "its last 2 KiB"}. A second
	// argument takes the place of stdin: its bytes, unchanged. Whoever starts activities
	// chooses the program's arguments then, after those of Args.
	CommandJSON CommandIO = "json"
)

const (
	defaultMaxCalls = 1000
	// defaultMaxInitializeFuel has room: even a large interpreter is ready in well under
	// a second.
	defaultMaxInitializeFuel = 10_000_000_000
	// maxTable caps the elements of all tables of an instance together. A large Go
	// program has 30,000.
	maxTable = 1 << 20
)

// defaultInitializeTimeout has room, too. A variable for the tests.
var defaultInitializeTimeout = 10 * time.Second

// forCommands returns the first option that is of use to commands alone and is not at its
// default, or "".
func (o Options) forCommands() string {
	switch {
	case o.CommandIO != CommandPlain:
		return "CommandIO"
	case len(o.SuccessCodes) != 1 || o.SuccessCodes[0] != 0:
		return "SuccessCodes"
	}
	return ""
}

// over returns the options of a module: o where it says something, otherwise def.
// Grants add up.
func (o Options) over(def Options) Options {
	o.Passthrough = slices.Concat(def.Passthrough, o.Passthrough)
	o.Env = slices.Concat(def.Env, o.Env)
	if o.Args == nil {
		o.Args = def.Args
	}
	if o.CommandIO == "" {
		o.CommandIO = def.CommandIO
	}
	if o.SuccessCodes == nil {
		o.SuccessCodes = def.SuccessCodes
	}
	if o.Policies == nil {
		o.Policies = def.Policies
	} else if def.Policies != nil {
		policies := maps.Clone(def.Policies)
		maps.Copy(policies, o.Policies)
		o.Policies = policies
	}
	if o.Prefix == "" {
		o.Prefix = def.Prefix
	}
	if o.Isolation == "" {
		o.Isolation = def.Isolation
	}
	if o.MaxCalls == 0 {
		o.MaxCalls = def.MaxCalls
	}
	if o.MaxInstances == 0 {
		o.MaxInstances = def.MaxInstances
	}
	if o.MemoryLimit == 0 {
		o.MemoryLimit = def.MemoryLimit
	}
	if o.MaxFuel == 0 {
		o.MaxFuel = def.MaxFuel
	}
	if o.Timeout == 0 {
		o.Timeout = def.Timeout
	}
	if o.InitializeTimeout == 0 {
		o.InitializeTimeout = def.InitializeTimeout
	}
	if o.MaxInitializeFuel == 0 {
		o.MaxInitializeFuel = def.MaxInitializeFuel
	}
	if o.MaxOutput == 0 {
		o.MaxOutput = def.MaxOutput
	}
	o.canonicalNaN = o.canonicalNaN || def.canonicalNaN
	return o
}

// DefaultOptions returns what a zero value of each field means.
func DefaultOptions() Options {
	return Options{
		CommandIO:         CommandPlain,
		SuccessCodes:      []uint32{0},
		Isolation:         IsolationPristine,
		MaxCalls:          defaultMaxCalls,
		MemoryLimit:       abi.DefaultMemoryLimit,
		InitializeTimeout: defaultInitializeTimeout,
		MaxInitializeFuel: defaultMaxInitializeFuel,
		MaxOutput:         abi.DefaultMaxOutput,
	}
}

// OptionError is a mistake in an option. The Option is the name of a field of [Options],
// or of what embeds them.
type OptionError struct {
	Module string // whose option it is; empty: that of all modules
	Option string
	Err    error
}

// Error names the module and the option.
func (e *OptionError) Error() string {
	if e.Module == "" {
		return fmt.Sprintf("%s: %v", e.Option, e.Err)
	}
	return fmt.Sprintf("module %q: %s: %v", e.Module, e.Option, e.Err)
}

// Unwrap returns what is wrong with the value.
func (e *OptionError) Unwrap() error { return e.Err }

// check reports mistakes in the options of a module, or of all modules if it is empty.
func (o Options) check(module string, set passthrough.Set) error {
	var errs []error
	complain := func(option, format string, args ...any) {
		errs = append(errs, &OptionError{module, option, fmt.Errorf(format, args...)})
	}
	if o.Isolation != IsolationPristine && o.Isolation != IsolationFresh && o.Isolation != IsolationReuse {
		complain("Isolation", "%q is none of %q, %q and %q", o.Isolation, IsolationPristine, IsolationFresh, IsolationReuse)
	}
	if o.CommandIO != CommandPlain && o.CommandIO != CommandJSON {
		complain("CommandIO", "%q is neither %q nor %q", o.CommandIO, CommandPlain, CommandJSON)
	}
	if len(o.SuccessCodes) == 0 {
		complain("SuccessCodes", "there is none, so that no activity could complete")
	}
	for _, arg := range o.Args {
		if strings.Contains(arg, "\x00") {
			complain("Args", "%q has a zero byte, which ends an argument", arg)
		}
	}
	if o.MaxCalls < 0 {
		complain("MaxCalls", "%d is negative", o.MaxCalls)
	}
	if o.MaxInstances < 0 {
		complain("MaxInstances", "%d is negative", o.MaxInstances)
	}
	if o.MemoryLimit > 4<<30 {
		complain("MemoryLimit", "%d is more than the 4 GiB that a 32-bit memory can have", o.MemoryLimit)
	}
	if o.MaxFuel < 0 {
		complain("MaxFuel", "%d is negative", o.MaxFuel)
	}
	if o.Timeout < 0 {
		complain("Timeout", "%s is negative", o.Timeout)
	}
	if o.InitializeTimeout < 0 {
		complain("InitializeTimeout", "%s is negative", o.InitializeTimeout)
	}
	if o.MaxInitializeFuel < 0 {
		complain("MaxInitializeFuel", "%d is negative", o.MaxInitializeFuel)
	}
	if o.MaxOutput < 0 {
		complain("MaxOutput", "%d is negative", o.MaxOutput)
	}
	if err := set.CheckGrant(o.Passthrough); err != nil {
		complain("Passthrough", "%w", err)
	}
	if _, err := set.CheckPolicies(nil, o.Policies); err != nil {
		complain("Policies", "%w", err)
	}
	for _, variable := range o.Env {
		if name, _, _ := strings.Cut(variable, "="); name == "" || strings.Contains(variable, "\x00") {
			complain("Env", "%q is neither the name of an environment variable nor NAME=VALUE", variable)
		}
	}
	return errors.Join(errs...)
}
