// Package fsmod is the passthrough module fs: guests reach directories of the host
// through WASI's file functions, as far as the operator's policy mounts them. abi/SPEC.md
// describes it as a guest sees it.
//
// The module has no functions of its own. A [Policy] says what is mounted, and the
// sandbox's WASI functions follow it.
//
// A guest never leaves its directories: an [os.Root] resolves every path, symbolic links
// included. A guest gets regular files and directories only. Pipes, devices and sockets
// are refused, so that opening a file can neither block for ever nor reach a driver.
package fsmod

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wasmworker/wasmworker/host/passthrough"
)

// Name is the name that operators grant.
const Name = "fs"

// Defaults and bounds of [Policy].
const (
	DefaultMaxFileBytes    = 64 << 20
	DefaultMaxWrittenBytes = 64 << 20
	DefaultMaxOpen         = 256

	maxOpen = 4096

	// MaxPath is how many bytes a guest's path may have.
	MaxPath = 4096
)

// Policy is what an activity module may reach. The zero value is nothing.
type Policy struct {
	// Mounts are directories of the host by the paths at which the guest finds them, such
	// as /data. A path is absolute, clean, and not inside of another one; the directory
	// may be given alone. Default: none.
	Mounts map[string]Mount `yaml:"mounts" json:"mounts,omitempty"`
	// MaxFileBytes is the size up to which an activity can make a file grow, at most 1
	// TiB; larger ones can be read. Raise it for modules that write large results.
	// Default 64 MiB.
	MaxFileBytes passthrough.Size `yaml:"max_file_bytes" json:"max_file_bytes,omitempty"`
	// MaxWrittenBytes is how much one activity may write, to all files together, at most
	// 1 TiB. What it overwrites counts again, and each file and directory that it makes
	// counts as 4 KiB. It bounds what a bug or an attack can do to the disk, times the
	// number of activities: raise it together with the space that there is. Default 64
	// MiB.
	MaxWrittenBytes passthrough.Size `yaml:"max_written_bytes" json:"max_written_bytes,omitempty"`
	// MaxOpen is how many files and directories one activity may have open at once,
	// beside the mounts; 4096 at most. Each is one or two descriptors of the worker's
	// process: lower it where many activities run at once and that has few. Default 256.
	MaxOpen int `yaml:"max_open" json:"max_open,omitempty"`
}

// Mount is a directory that a guest may reach. In YAML, one that is only read may be the
// directory's path alone.
type Mount struct {
	// Directory is the absolute path of a directory of the host. It is opened when the
	// module is loaded, and stays that directory if another one takes its name. Choose a
	// local one: what blocks inside of the operating system, as a network's file system
	// may, cannot be interrupted. Whoever can write to it decides what the guest reads:
	// let nobody put hard links to other files there.
	Directory string `yaml:"directory" json:"directory"`
	// Write allows to create, change, rename and remove what is in the directory, for
	// modules whose results are files. Without it the guest reads. Default false.
	Write bool `yaml:"write" json:"write,omitempty"`
}

// UnmarshalYAML reads a mount, or a directory alone.
func (m *Mount) UnmarshalYAML(unmarshal func(any) error) error {
	if err := unmarshal(&m.Directory); err == nil {
		return nil
	}
	type fields Mount
	return unmarshal((*fields)(m))
}

// guestPaths returns the mounts' paths in the guest, sorted.
func (p *Policy) guestPaths() []string { return slices.Sorted(maps.Keys(p.Mounts)) }

// Validate checks the policy, and that its directories exist. The error joins every
// mistake.
func (p *Policy) Validate() error {
	const most = 1 << 40
	var errs []error
	complain := func(err error, path ...any) { errs = append(errs, passthrough.At(err, path...)) }
	real := map[string]string{} // the directories with symbolic links resolved, by the guest's path
	for _, guest := range p.guestPaths() {
		if err := checkGuestPath(guest); err != nil {
			complain(err, "mounts", guest)
		}
		for _, other := range p.guestPaths() {
			if other != guest && within(guest, other, "/") {
				complain(fmt.Errorf("%s is inside of the mount %s: mount one of them elsewhere", guest, other), "mounts", guest)
			}
		}
		directory, err := checkDirectory(p.Mounts[guest].Directory)
		if err != nil {
			complain(err, "mounts", guest, "directory")
			continue
		}
		for _, other := range slices.Sorted(maps.Keys(real)) {
			if p.Mounts[guest].Write != p.Mounts[other].Write &&
				(within(directory, real[other], string(filepath.Separator)) || within(real[other], directory, string(filepath.Separator))) {
				complain(fmt.Errorf("it has a directory in common with %s, and only one of them has write: what one may only read, the other could change", other), "mounts", guest)
			}
		}
		real[guest] = directory
	}
	if len(p.Mounts) == 0 && (p.MaxFileBytes != 0 || p.MaxWrittenBytes != 0 || p.MaxOpen != 0) {
		complain(errors.New("it is empty, so that nothing would be reached"), "mounts")
	}
	if n := p.MaxFileBytes; n < 0 || n > most {
		complain(fmt.Errorf("%d is not between 1 and 1TiB", n), "max_file_bytes")
	}
	if n := p.MaxWrittenBytes; n < 0 || n > most {
		complain(fmt.Errorf("%d is not between 1 and 1TiB", n), "max_written_bytes")
	}
	if n := p.MaxOpen; n < 0 || n > maxOpen {
		complain(fmt.Errorf("%d is not between 1 and %d", n, maxOpen), "max_open")
	}
	return errors.Join(errs...)
}

func checkGuestPath(guest string) error {
	switch {
	case !path.IsAbs(guest):
		return fmt.Errorf("%q is not an absolute path such as /data", guest)
	case path.Clean(guest) != guest:
		return fmt.Errorf("%q is not a clean path; write it as %s", guest, path.Clean(guest))
	case strings.ContainsRune(guest, 0) || len(guest) > MaxPath:
		return fmt.Errorf("a path is at most %d bytes, without a zero byte", MaxPath)
	}
	return nil
}

// checkDirectory returns the directory's path with all symbolic links resolved. The error
// says if it is not an absolute path or not a directory.
func checkDirectory(directory string) (string, error) {
	if !filepath.IsAbs(directory) {
		return "", fmt.Errorf("%q is not the absolute path of a directory", directory)
	}
	real, err := filepath.EvalSymlinks(directory)
	if err != nil {
		return "", fmt.Errorf("the directory cannot be used: %w", err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", fmt.Errorf("the directory cannot be used: %w", err)
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is not a directory", directory)
	}
	return real, nil
}

// within reports whether a clean path is the directory or lies below it.
func within(name, directory, separator string) bool {
	return name == directory || strings.HasPrefix(name, strings.TrimSuffix(directory, separator)+separator)
}

// Explain implements [passthrough.Explainer]. The words are "read" or "write", and a path
// in the guest.
func (p *Policy) Explain(words []string) (passthrough.Verdict, error) {
	if len(words) != 2 || words[0] != "read" && words[0] != "write" {
		return passthrough.Verdict{}, errors.New("name read or write, and a path, such as read /data/x")
	}
	name := words[1]
	if !path.IsAbs(name) || strings.ContainsRune(name, 0) {
		return passthrough.Verdict{}, fmt.Errorf("%q is not an absolute path", name)
	}
	name = path.Clean(name)
	for _, guest := range p.guestPaths() {
		if !within(name, guest, "/") {
			continue
		}
		m := p.Mounts[guest]
		if words[0] == "write" && !m.Write {
			return passthrough.Verdict{
				Reason: fmt.Sprintf("the mount %s is only read; the fs policy would allow it with write: true", guest),
				Path:   []any{"mounts", guest},
			}, nil
		}
		return passthrough.Verdict{
			Allowed: true,
			Reason:  fmt.Sprintf("the mount %s has it, unless a symbolic link leads out of its directory %s", guest, m.Directory),
			Path:    []any{"mounts", guest},
		}, nil
	}
	return passthrough.Verdict{Reason: "no mount of the fs policy has the path " + name}, nil
}

// New returns the passthrough module. Its policy is a [*Policy]. It has no functions.
func New() passthrough.Module {
	return passthrough.Module{Name: Name, Policy: &Policy{}}
}
