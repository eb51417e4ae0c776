//go:build unix && !linux

package compiler

import (
	"errors"

	"golang.org/x/sys/unix"
)

// restrict sets the limits of the system, all of them above those which the child and its
// parent keep by themselves. None of them counts memory in a way that fits Go.
func restrict(r request) error {
	errs := []error{limit(unix.RLIMIT_CORE, 0), limit(unix.RLIMIT_NOFILE, 64)}
	if r.Seconds > 0 {
		errs = append(errs, limit(unix.RLIMIT_CPU, r.Seconds))
	}
	if r.Memory > 0 {
		errs = append(errs, limit(unix.RLIMIT_FSIZE, int64(r.Memory)))
	}
	return errors.Join(errs...)
}

// limit lowers a limit. One that is lower already stays.
func limit(resource int, value int64) error {
	var now unix.Rlimit
	if err := unix.Getrlimit(resource, &now); err != nil {
		return err
	}
	if max := now.Max; uint64(max) < uint64(value) {
		value = int64(max)
	}
	now.Cur, now.Max = toLimit(now.Max, value), toLimit(now.Max, value)
	return unix.Setrlimit(resource, &now)
}

// toLimit makes a limit, whose type differs between systems.
func toLimit[T int64 | uint64](_ T, value int64) T { return T(value) }
