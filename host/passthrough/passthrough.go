// Package passthrough decides which host modules a guest may import, and lets an embedder
// add such modules.
//
// A module's wasm imports are its request. The names that the operator grants to it are
// what is allowed. [Set.Check] compares the two before anything is compiled. Only modules
// that were granted are linked into a guest's runtime. There is therefore no second check
// at run time that could be forgotten.
package passthrough

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
)

// Func is one function of a passthrough module. The call that it serves is never nil and
// must not be kept. The request is the function's own copy of what the guest sent. The
// function returns the response.
//
// An error becomes a negative errno for the guest, with the error's text as its message.
// The text must therefore not hold secrets. The errno is EIO unless the error is or wraps
// an [abi.Errno].
//
// The function must return soon after ctx is done, which is when the activity is
// interrupted. Several activities may call it at once. A panic is recovered and logged;
// the guest gets EIO without the panic's text.
type Func func(ctx context.Context, call *Call, req []byte) ([]byte, error)

// Module is a host module that guests may import when it is granted.
type Module struct {
	// Name is the name that operators grant. Guests import
	// "wasmworker:<Name>/v<Version>". It consists of lower-case letters, digits and
	// dashes, and begins with a letter. Required.
	Name string
	// Version is part of the import name. A breaking change is a new Module with the next
	// version, registered beside the old one. Default 1.
	Version int
	// Functions are the module's functions by name. All have the same signature in wasm:
	// (req_ptr i32, req_len i32) -> i64, see abi/SPEC.md. A module may have no functions
	// if it has a Policy; the policy then governs a part of WASI.
	Functions map[string]Func
	// Policy is a pointer to the zero value of a struct type, or nil if there is nothing
	// to decide. The operator's configuration for one activity module, in YAML, is
	// decoded into a value of this type. Functions get that value from [PolicyOf]. A
	// module that was granted by name alone has the zero value. The zero value must be
	// valid, and should deny whatever could do harm.
	//
	// The type may implement [Validator], which is called before the policy is used, and
	// [Explainer].
	Policy any
	// Check compares a valid policy with the module's own configuration, for example
	// whether the connections that the policy names exist. The error joins every mistake,
	// each with its place by [At]. Default: no check.
	Check func(policy any) error
	// Close closes what the functions keep between calls, such as connections. The host
	// calls it at most once, when it stops, after the last call has returned. Default:
	// nothing is closed.
	Close func(ctx context.Context) error
}

// ImportName is the name by which guests import the module.
func (m Module) ImportName() string {
	return fmt.Sprintf("wasmworker:%s/v%d", m.Name, max(m.Version, 1))
}

// NewPolicy returns a new zero policy, or nil if the module has none.
func (m Module) NewPolicy() any {
	if m.Policy == nil {
		return nil
	}
	return reflect.New(reflect.TypeOf(m.Policy).Elem()).Interface()
}

// CheckPolicy validates a policy of the module's type. The error joins every mistake. A
// mistake with a known place is a [*FieldError].
func (m Module) CheckPolicy(policy any) error {
	if v, ok := policy.(Validator); ok {
		if err := v.Validate(); err != nil {
			return err
		}
	}
	if m.Check != nil {
		return m.Check(policy)
	}
	return nil
}

var validName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// Set holds the passthrough modules of a host. The zero value holds none. A Set cannot be
// changed once it is made.
type Set struct {
	modules map[string]Module // by import name
}

// NewSet makes a Set of modules. The error names every mistake: bad or reserved names,
// negative versions, policies of the wrong type, modules without functions and policy,
// and modules that occur twice.
func NewSet(modules ...Module) (Set, error) {
	set := map[string]Module{}
	var problems []string
	for _, m := range modules {
		name := m.ImportName()
		switch {
		case !validName.MatchString(m.Name):
			problems = append(problems, fmt.Sprintf("passthrough module %q: a name is lower-case letters, digits and dashes, beginning with a letter", m.Name))
		case m.Name == "activity" || m.Name == "log" || m.Name == "env":
			problems = append(problems, fmt.Sprintf("passthrough module %q: the name is taken by the host", m.Name))
		case m.Version < 0:
			problems = append(problems, fmt.Sprintf("passthrough module %q: version %d is negative", m.Name, m.Version))
		case m.Policy != nil && (reflect.TypeOf(m.Policy).Kind() != reflect.Pointer || reflect.TypeOf(m.Policy).Elem().Kind() != reflect.Struct):
			problems = append(problems, fmt.Sprintf("passthrough module %q: its policy is a %T, not a pointer to a struct", m.Name, m.Policy))
		case len(m.Functions) == 0 && m.Policy == nil:
			problems = append(problems, fmt.Sprintf("passthrough module %q has no functions", m.Name))
		case set[name].Name != "":
			problems = append(problems, fmt.Sprintf("passthrough module %q is registered twice in version %d", m.Name, max(m.Version, 1)))
		default:
			set[name] = m
		}
	}
	if problems != nil {
		return Set{}, fmt.Errorf("%s", strings.Join(problems, "\n"))
	}
	return Set{set}, nil
}

// Lookup returns the module of an import name, such as "wasmworker:http/v1".
func (s Set) Lookup(importName string) (Module, bool) {
	m, ok := s.modules[importName]
	return m, ok
}

// Modules returns the modules, sorted by import name.
func (s Set) Modules() []Module {
	var all []Module
	for _, name := range slices.Sorted(maps.Keys(s.modules)) {
		all = append(all, s.modules[name])
	}
	return all
}

// WithPolicy returns the module of a name that has a policy. It returns an error if no
// module has the name, or none of them has a policy.
func (s Set) WithPolicy(name string) (Module, error) {
	if err := s.CheckGrant([]string{name}); err != nil {
		return Module{}, err
	}
	for _, m := range s.modules {
		if m.Name == name && m.Policy != nil {
			return m, nil
		}
	}
	return Module{}, fmt.Errorf("passthrough module %q has no policy: grant it by its name alone", name)
}

// Wrap returns a set in which each function is replaced by the result of wrap. It serves
// to count calls, to record them, or to answer in place of the functions.
func (s Set) Wrap(wrap func(m Module, function string, f Func) Func) Set {
	wrapped := make(map[string]Module, len(s.modules))
	for name, m := range s.modules {
		functions := make(map[string]Func, len(m.Functions))
		for function, f := range m.Functions {
			if f != nil {
				f = wrap(m, function, f)
			}
			functions[function] = f
		}
		m.Functions = functions
		wrapped[name] = m
	}
	return Set{wrapped}
}

// Names returns the names that can be granted, sorted and without duplicates.
func (s Set) Names() []string {
	var names []string
	for _, m := range s.modules {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// CheckGrant returns an error for the first of the names that no module of the set has.
// Without this check, a misspelled grant would show up as a refused module.
func (s Set) CheckGrant(names []string) error {
	for _, name := range names {
		if !slices.Contains(s.Names(), name) {
			known := "this host has none"
			if len(s.modules) > 0 {
				known = "this host has: " + strings.Join(s.Names(), ", ")
			}
			return fmt.Errorf("passthrough module %q does not exist (%s)", name, known)
		}
	}
	return nil
}

// CheckPolicies validates the policies of an activity module and completes them. The keys
// are names of passthrough modules. A granted module without a policy gets its zero
// policy. The error joins every mistake.
func (s Set) CheckPolicies(granted []string, policies map[string]any) (map[string]any, error) {
	var complete map[string]any
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(policies)) {
		if !slices.Contains(s.Names(), name) {
			errs = append(errs, s.CheckGrant([]string{name}))
		}
	}
	for _, m := range s.Modules() {
		policy := policies[m.Name]
		if policy == nil {
			if m.Policy == nil || !slices.Contains(granted, m.Name) {
				continue
			}
			policy = m.NewPolicy()
		}
		if reflect.TypeOf(policy) != reflect.TypeOf(m.Policy) || reflect.ValueOf(policy).IsNil() {
			errs = append(errs, fmt.Errorf("passthrough module %q: a policy of type %T was given, it takes %T", m.Name, policy, m.Policy))
			continue
		}
		if err := m.CheckPolicy(policy); err != nil {
			errs = append(errs, fmt.Errorf("passthrough module %q: %w", m.Name, err))
			continue
		}
		if complete == nil {
			complete = map[string]any{}
		}
		complete[m.Name] = policy
	}
	return complete, errors.Join(errs...)
}

// Need is what a guest imports from one host module, as far as one grant decides it.
type Need struct {
	// Import is the wasm import module's name.
	Import string `json:"import"`
	// Grant is the name to grant. It is empty if the module is always available.
	Grant string `json:"grant,omitempty"`
	// Functions are the names of the imported functions, in the order of the file.
	Functions []string `json:"functions"`
	// Problem says why no grant can help: the host has no such module or function. It is
	// empty if a grant can.
	Problem string `json:"problem,omitempty"`
}

// Resolve returns the passthrough function that answers an import: the import name of its
// module, and the function's name. They equal the import's own names, except for Extism's
// functions. Both are empty for an import that needs no grant, or that no passthrough
// module answers.
func Resolve(imp modules.Import) (importName, function string) {
	extism, ok := extismFunctions[imp.Name]
	switch {
	case imp.Module == abi.ModuleExtism && ok:
		return Module{Name: extism.module}.ImportName(), extism.function
	case strings.HasPrefix(imp.Module, "wasmworker:") && always[imp.Module] == nil:
		return imp.Module, imp.Name
	}
	return "", ""
}

// Builtin returns the functions, with their types, of a host module that every guest may
// import. It returns nil for any other module. The map is the caller's. Some of Extism's
// functions still need a grant. WASI is always available too, but its functions are those
// of preview 1 and are not listed here.
func Builtin(importModule string) map[string]string { return maps.Clone(always[importModule]) }

// Needs returns what a module imports, with one entry for each import module and grant,
// in the order of the file.
func (s Set) Needs(m *modules.File) []Need {
	var needs []Need
	index := map[[2]string]int{}
	for _, imp := range m.Imports {
		var grant string
		if imp.Module == abi.ModuleExtism {
			grant = extismFunctions[imp.Name].module
		}
		key := [2]string{imp.Module, grant}
		i, ok := index[key]
		if !ok {
			i = len(needs)
			index[key] = i
			if grant == "" {
				needs = append(needs, s.need(imp.Module))
			} else {
				needs = append(needs, s.needOf(imp.Module, grant))
			}
		}
		n := &needs[i]
		n.Functions = append(n.Functions, imp.Name)
		if n.Problem == "" {
			n.Problem = s.importProblem(imp)
		}
	}
	return needs
}

func (s Set) need(importModule string) Need {
	n := Need{Import: importModule}
	if importModule == abi.ModuleWASI || always[importModule] != nil {
		return n
	}
	if m, ok := s.modules[importModule]; ok {
		n.Grant = m.Name
		return n
	}
	switch {
	case importModule == "wasi_unstable":
		n.Problem = "WASI preview 0 is not supported; build with a toolchain that targets wasm32-wasip1"
	case importModule == "extism:host/user":
		n.Problem = "functions of an Extism host's own are not provided; a passthrough module can take their place"
	case strings.HasPrefix(importModule, "wasi:"):
		n.Problem = "WASI preview 2 is not supported; build for wasm32-wasip1"
	default:
		n.Problem = "this host has no module of that name"
		if near := s.nearest(importModule); near != "" {
			n.Problem += fmt.Sprintf("; it has %s", near)
		}
	}
	return n
}

// needOf returns a need that the passthrough module of the given name answers, under an
// import name that is not its own.
func (s Set) needOf(importModule, name string) Need {
	n := Need{Import: importModule, Grant: name}
	if !slices.Contains(s.Names(), name) {
		n.Problem = "this host has no passthrough module " + name + ", which would answer that"
	}
	return n
}

// Granted returns the module that answers a need that has a grant, or the zero Module if
// there is none.
func (s Set) Granted(n Need) Module {
	if m, ok := s.modules[n.Import]; ok {
		return m
	}
	var found Module
	for _, m := range s.modules {
		// Extism's functions are mapped to the lowest version.
		if m.Name == n.Grant && (found.Name == "" || m.Version < found.Version) {
			found = m
		}
	}
	return found
}

// nearest returns the import names of other versions of the module that a guest asked
// for, separated by commas.
func (s Set) nearest(importModule string) string {
	base, _, _ := strings.Cut(importModule, "/")
	var found []string
	for name := range s.modules {
		if b, _, _ := strings.Cut(name, "/"); b == base {
			found = append(found, name)
		}
	}
	for name := range always {
		if b, _, _ := strings.Cut(name, "/"); b == base {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return strings.Join(found, ", ")
}

func (s Set) importProblem(imp modules.Import) string {
	if imp.Kind != "func" {
		return fmt.Sprintf(`%s "%s" is imported, and only functions can be`, imp.Kind, printable(imp.Name))
	}
	if imp.Module == abi.ModuleWASI {
		return "" // the trial instantiation reports missing WASI functions
	}
	want, ok := always[imp.Module][imp.Name], always[imp.Module] != nil
	if ok && want == "" {
		return fmt.Sprintf(`it has no function "%s"`, printable(imp.Name))
	}
	if !ok {
		m, granted := s.modules[imp.Module]
		if !granted {
			return ""
		}
		if m.Functions[imp.Name] == nil {
			return fmt.Sprintf(`it has no function "%s"`, printable(imp.Name))
		}
		want = abi.PassthroughType
	}
	if imp.Type != want {
		return fmt.Sprintf(`function "%s" has the type %s, not %s as imported`, printable(imp.Name), want, imp.Type)
	}
	return ""
}

// AdmissionError is the error for a module that may not be loaded. It lists every import
// beyond the module's grants.
type AdmissionError struct {
	// File is the refused module.
	File *modules.File
	// Needs are the imports that were not granted, or that cannot be granted.
	Needs []Need
}

// maxShown is how many import modules a message lists. A guest can have any number of
// them.
const maxShown = 20

// Error names the file, the refused imports, and the grants that they need.
func (r *AdmissionError) Error() string {
	return r.Explain(func(n Need) string { return fmt.Sprintf("it is not granted %q", n.Grant) })
}

// Explain returns the text of Error, but with the text of remedy for each import that a
// grant would allow.
func (r *AdmissionError) Explain(remedy func(Need) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: refused, because it imports more than it was granted:", r.File.Path)
	for i, n := range r.Needs {
		if i == maxShown {
			fmt.Fprintf(&b, "\n  and %d more", len(r.Needs)-i)
			break
		}
		fmt.Fprintf(&b, "\n  %s (%s)", printable(n.Import), printable(strings.Join(n.Functions, ", ")))
		if n.Problem != "" {
			fmt.Fprintf(&b, ": %s", n.Problem)
			continue
		}
		fmt.Fprintf(&b, ": %s", remedy(n))
	}
	return b.String()
}

// printable quotes a name and cuts it after 200 bytes, so that a hostile name cannot
// disturb a terminal or fill a log.
func printable(name string) string {
	quoted := fmt.Sprintf("%q", name)
	name = quoted[1 : len(quoted)-1]
	if len(name) > 200 {
		name = strings.ToValidUTF8(name[:200], "") + "…"
	}
	return name
}

// Check compares what a module imports with the names that it was granted. It returns nil
// or an [*AdmissionError].
func (s Set) Check(m *modules.File, granted []string) error {
	var refused []Need
	for _, n := range s.Needs(m) {
		if n.Problem != "" || n.Grant != "" && !slices.Contains(granted, n.Grant) {
			refused = append(refused, n)
		}
	}
	if refused != nil {
		return &AdmissionError{File: m, Needs: refused}
	}
	return nil
}
