// Package conformance runs the case files of testdata/conformance/cases against the
// modules of every language, in an environment with real passthrough modules.
package conformance

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/replay/cases"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// Case is a case of a case file.
type Case struct {
	*cases.Case
	// Feature is the subject of the file, which is the file's name.
	Feature string
}

// Suite is all cases, in the order of the names of their files.
type Suite struct {
	Cases []Case
	// Mounts are the directories that the files name.
	Mounts replay.Mounts
}

// Read reads the case files of a directory. The names of cases are unique in all of them.
func Read(directory string) (*Suite, error) {
	paths, err := filepath.Glob(filepath.Join(directory, "*.yaml"))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("there are no case files in %s: %w", directory, err)
	}
	s := &Suite{Mounts: replay.Mounts{}}
	names := map[string]bool{}
	for _, path := range paths {
		f, err := cases.Parse(path)
		if err != nil {
			return nil, err
		}
		for mount, write := range f.Mounts {
			s.Mounts[mount] = write
		}
		feature := strings.ReplaceAll(strings.TrimSuffix(filepath.Base(path), ".yaml"), "-", " ")
		for _, c := range f.Cases {
			if names[c.Name] {
				return nil, fmt.Errorf("%s: another file has a case %q, too", path, c.Name)
			}
			names[c.Name] = true
			s.Cases = append(s.Cases, Case{c, feature})
		}
	}
	return s, nil
}

// For returns the cases for a kind of module and for the language of a directory.
func (s *Suite) For(kind modules.Kind, language string) (list []Case) {
	for _, c := range s.Cases {
		if slices.Contains(c.Tags, string(kind)) || slices.Contains(c.Tags, language) {
			list = append(list, c)
		}
	}
	return list
}

// tagDenied is the tag of cases in which the policies allow nothing.
const tagDenied = "denied"

// originOf stands for the origin of a world's server in arguments.
const originOf = "$ORIGIN"

// In returns the case as it is run in a world: with the world's origin in its arguments,
// and with the information that every activity has.
func (c Case) In(w *World) *cases.Case {
	in := *c.Case
	in.Activity.Args = nil
	for _, a := range c.Activity.Args {
		p := a.(sandbox.Payload) // what a case file has
		p.Data = bytes.ReplaceAll(p.Data, []byte(originOf), []byte(w.server.URL))
		in.Activity.Args = append(in.Activity.Args, p)
	}
	in.Activity.Info = &abi.Info{
		ActivityID: "17", ActivityType: c.Activity.Type, Attempt: 3, Namespace: "conformance", TaskQueue: "queue ☃",
		WorkflowID: "order-17", WorkflowType: "Order", WorkflowRunID: "0197", HeartbeatTimeout: abi.Milliseconds(30 * time.Second),
	}
	return &in
}

// Context returns a context for the activity of the case. By it the world knows whether
// to deny the activity's calls.
func (c Case) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, deniedKey{}, slices.Contains(c.Tags, tagDenied))
}

// Run runs the case in an environment of a world. The error has everything that is not as
// expected.
func (c Case) Run(ctx context.Context, env *replay.Env, w *World) error {
	result := c.In(w).Run(c.Context(ctx), env)
	if !result.Passed() {
		return fmt.Errorf("%s", result)
	}
	return c.exact(result.Run.Output)
}

// exact looks at what a null in a case file leaves open: no result is none at all, and
// echo returns null as it came.
func (c Case) exact(output *sandbox.Payload) error {
	switch want := c.Want.Output; {
	case want == nil || want.Encoding() != abi.EncodingNull:
	case slices.Contains([]string{"nothing", "logs"}, c.Activity.Type) && output != nil:
		return fmt.Errorf("the result is %s %q, want none", output.Encoding(), output.Data)
	case c.Activity.Type == "echo" && (output == nil || output.Encoding() != abi.EncodingNull):
		return fmt.Errorf("the result is %v, want %s", output, abi.EncodingNull)
	}
	return nil
}
