// Package secretmod keeps the credentials that passthrough modules use for guests. It is
// also the passthrough module secret, by which a guest reads a credential. abi/SPEC.md
// describes that module as a guest sees it.
//
// A guest rarely needs the value of a secret. It names a secret in a header of a request
// (package httpmod), or uses a connection or a bucket that has one (packages sqlmod and
// blobmod). The value then goes from the host to the service, and the guest's memory
// never holds it. A guest can read only the secrets that the operator lists under reveal.
package secretmod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/wasmworker/wasmworker/host/passthrough"
)

// Source is where the value of a secret is: in one of the two.
type Source struct {
	// Env is the name of an environment variable of the worker, for platforms that hand
	// secrets over that way. It is read when it is used. Its value must not be empty.
	Env string `yaml:"env" json:"env,omitempty"`
	// File is a file with nothing but the value, such as a mounted secret; one line break
	// at its end is not part of that. It is read whenever the value is used, so that a
	// secret can be changed without a restart. At most 64 KiB, not empty.
	File string `yaml:"file" json:"file,omitempty"`
}

// MaxSize is the most bytes that a secret may have.
const MaxSize = 64 << 10

// Store knows where secrets are. It does not keep their values. A nil *Store has no
// secrets. Its methods may be called concurrently.
type Store struct{ sources map[string]Source }

var validName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,100}$`)

// Open makes a store. It reads each secret once, to see that it is there. The error joins
// every mistake, each with its place by [passthrough.At], and contains no value.
func Open(sources map[string]Source) (*Store, error) {
	s := &Store{maps.Clone(sources)}
	var errs []error
	for _, name := range s.Names() {
		if !validName.MatchString(name) {
			errs = append(errs, passthrough.At(errors.New("a secret's name is letters, digits, dashes, dots and underscores, 100 at most"), name))
			continue
		}
		if _, err := s.Value(name); err != nil {
			errs = append(errs, passthrough.At(err, name))
		}
	}
	return s, errors.Join(errs...)
}

// Names returns the names of all secrets, sorted.
func (s *Store) Names() []string {
	if s == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(s.sources))
}

// Has reports whether there is a secret of a name.
func (s *Store) Has(name string) bool { return slices.Contains(s.Names(), name) }

// Check returns an error if there is no secret of a name. The error lists the secrets
// that there are. Policies use it.
func (s *Store) Check(name string) error {
	if s.Has(name) {
		return nil
	}
	if len(s.Names()) == 0 {
		return fmt.Errorf("there is no secret %q: the configuration has none", name)
	}
	return fmt.Errorf("there is no secret %q; there are: %s", name, strings.Join(s.Names(), ", "))
}

// Value reads a secret from its source. Errors name the source and contain nothing of the
// value.
func (s *Store) Value(name string) (string, error) {
	if err := s.Check(name); err != nil {
		return "", err
	}
	source := s.sources[name]
	switch {
	case (source.Env == "") == (source.File == ""):
		return "", fmt.Errorf("the secret has to have one of env and file")
	case source.Env != "":
		value := os.Getenv(source.Env)
		if value == "" {
			return "", fmt.Errorf("the environment variable %s is not set, or empty", source.Env)
		}
		if len(value) > MaxSize {
			return "", fmt.Errorf("the environment variable %s has more than %d bytes", source.Env, MaxSize)
		}
		return value, nil
	}
	f, err := os.Open(source.File)
	if err != nil {
		return "", fmt.Errorf("the file cannot be read: %w", err)
	}
	defer f.Close()
	// Reading another kind of file could block for ever.
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", fmt.Errorf("the file %s is not a regular file", source.File)
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+3))
	if err != nil {
		return "", fmt.Errorf("the file cannot be read: %w", err)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case value == "":
		return "", fmt.Errorf("the file %s is empty", source.File)
	case len(value) > MaxSize:
		return "", fmt.Errorf("the file %s has more than %d bytes", source.File, MaxSize)
	}
	return value, nil
}

// placeholder matches {{secret:NAME}}, which stands for a secret in a text.
var placeholder = regexp.MustCompile(`\{\{secret:([^{}]*)\}\}`)

// Mentioned returns the names of the secrets that a text mentions as {{secret:NAME}}, in
// the text's order.
func Mentioned(text string) []string {
	if !strings.Contains(text, "{{secret:") {
		return nil
	}
	var names []string
	for _, match := range placeholder.FindAllStringSubmatch(text, -1) {
		names = append(names, match[1])
	}
	return names
}

// Expand replaces each {{secret:NAME}} in a text with the secret's value. Values are not
// expanded again. The error joins the errors of all secrets that cannot be read.
func (s *Store) Expand(text string) (string, error) {
	if Mentioned(text) == nil {
		return text, nil
	}
	var errs []error
	expanded := placeholder.ReplaceAllStringFunc(text, func(match string) string {
		value, err := s.Value(placeholder.FindStringSubmatch(match)[1])
		errs = append(errs, err)
		return value
	})
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	return expanded, nil
}

// Policy is which secrets an activity module may read. The zero value is none.
type Policy struct {
	// Reveal are names of secrets that the guest may have, with all that it may do with
	// them then. Only for guests that need the value itself, such as a key to sign with.
	// Default: none.
	Reveal []string `yaml:"reveal" json:"reveal,omitempty"`
}

// Explain implements [passthrough.Explainer]. The words are a secret's name.
func (p *Policy) Explain(words []string) (passthrough.Verdict, error) {
	if len(words) != 1 {
		return passthrough.Verdict{}, errors.New("name one secret")
	}
	if i := slices.Index(p.Reveal, words[0]); i >= 0 {
		return passthrough.Verdict{Allowed: true, Reason: "reveal names it", Path: []any{"reveal", i}}, nil
	}
	return passthrough.Verdict{Reason: fmt.Sprintf("reveal does not name it; the secret policy would allow it with reveal: [%s]", words[0])}, nil
}

// New returns the passthrough module. Its policy is a [*Policy]. A nil store has nothing
// to reveal.
func New(store *Store) passthrough.Module {
	return passthrough.Module{
		Name:   "secret",
		Policy: &Policy{},
		Functions: map[string]passthrough.Func{"reveal": func(ctx context.Context, call *passthrough.Call, name []byte) ([]byte, error) {
			if !slices.Contains(passthrough.PolicyOf[Policy](call).Reveal, string(name)) {
				what := "a secret"
				if validName.Match(name) {
					what += " " + string(name)
				}
				return nil, passthrough.Deny(what, "reveal of the secret policy does not name it")
			}
			value, err := store.Value(string(name))
			return []byte(value), err
		}},
		Check: func(policy any) error {
			var errs []error
			for i, name := range policy.(*Policy).Reveal {
				errs = append(errs, passthrough.At(store.Check(name), "reveal", i))
			}
			return errors.Join(errs...)
		},
	}
}
