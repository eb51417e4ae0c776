package compiler

import (
	"bufio"
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// dataSlack is what the system's limit allows beyond the child's own. Go takes memory in
// arenas of 64 MiB, of which it need not use much, and the machine code is outside of
// its heap.
const dataSlack = 256 << 20

// restrict sets the limits of the system, all of them above those which the child and its
// parent keep by themselves.
func restrict(r request) error {
	// Where memory is short, it is this process that is ended, and not its parent. Landlock
	// may forbid it.
	os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0) //nolint:errcheck // where there is such a thing
	errs := []error{
		limit(unix.RLIMIT_CORE, 0),
		limit(unix.RLIMIT_NOFILE, 64),
	}
	if r.Seconds > 0 {
		errs = append(errs, limit(unix.RLIMIT_CPU, uint64(r.Seconds)))
	}
	if r.Memory > 0 {
		errs = append(errs, limit(unix.RLIMIT_FSIZE, r.Memory))
		if now := data(); !raceDetector {
			errs = append(errs, limit(unix.RLIMIT_DATA, now+r.Memory+dataSlack))
		}
	}
	return errors.Join(errs...)
}

// limit lowers a limit. One that is lower already stays.
func limit(resource int, value uint64) error {
	var now unix.Rlimit
	if err := unix.Getrlimit(resource, &now); err != nil {
		return err
	}
	value = min(value, now.Max)
	return unix.Setrlimit(resource, &unix.Rlimit{Cur: value, Max: value})
}

// unknownData is what a program has at least that cannot find that out: Landlock may keep
// /proc from it.
const unknownData = 256 << 20

// data is what RLIMIT_DATA counts, as of now: the private memory that can be written to,
// without what is only reserved.
func data() (bytes uint64) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return unknownData
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "VmData:"); ok {
			if kib, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64); err == nil {
				return kib << 10
			}
		}
	}
	return unknownData
}
