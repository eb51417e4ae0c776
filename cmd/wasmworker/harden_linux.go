package main

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
	landlocksys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

const (
	readFile  = landlock.AccessFSSet(landlocksys.AccessFSReadFile)
	readDir   = landlock.AccessFSSet(landlocksys.AccessFSReadDir)
	executing = landlock.AccessFSSet(landlocksys.AccessFSExecute)
	removing  = landlock.AccessFSSet(landlocksys.AccessFSRemoveDir)
)

// writing is everything but to run what was written.
var writing = landlock.V3.HandledAccessFS &^ executing

// harden applies a Landlock rule set, takes capabilities away, and sets no_new_privs. It
// says what it did.
func (n needs) harden() (by string, err error) {
	version, err := landlocksys.LandlockGetABIVersion()
	if err != nil || !enough(version) {
		return "", fmt.Errorf("%w: the kernel has no Landlock 2 (Linux 5.19 or later, with landlock among the security modules)", errCannotHarden)
	}
	if err := errors.Join(n.wrong...); err != nil {
		return "", fmt.Errorf("%w: %w", errWrong, err)
	}
	config := landlock.Config{HandledAccessFS: landlock.V5.HandledAccessFS, Scoped: landlock.V6.Scoped}
	var rules []landlock.Rule
	for _, path := range n.read {
		rules = append(rules, reading(path, 0)...)
	}
	for _, path := range n.write {
		// What cannot be looked at needs no rule, and whoever needs it tells.
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			rules = append(rules, landlock.PathAccess(writing, path).IgnoreIfMissing())
		}
	}
	for _, path := range n.clear {
		rules = append(rules, landlock.PathAccess(removing, path).IgnoreIfMissing())
	}
	if program, err := os.Executable(); err == nil { // it compiles modules in children
		rules = append(rules, reading(program, executing)...)
		if linker := linkerOf(program); linker != "" {
			rules = append(rules, reading(linker, executing)...)
		}
	}
	for _, libraries := range []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64"} {
		rules = append(rules, reading(libraries, 0)...)
	}
	rules = append(rules, landlock.RWFiles("/dev/null").IgnoreIfMissing())
	if n.connect != nil {
		config.HandledAccessNet = landlock.AccessNetSet(landlocksys.AccessNetConnectTCP)
		for _, port := range n.connect {
			rules = append(rules, landlock.ConnectTCP(port))
		}
	}
	if err := config.BestEffort().Restrict(rules...); err != nil {
		return "", err
	}
	if err := dropCapabilities(); err != nil {
		return "", err
	}
	return fmt.Sprintf("Landlock %d, no_new_privs, no capabilities", version), nil
}

// enough tells whether a version of Landlock allows files to be moved between
// directories. With rules that allow it to the first one, which cannot, the package for it
// would restrict nothing, and say nothing.
func enough(version int) bool { return version >= 2 }

// linkerOf is the dynamic linker of a program, which the kernel runs for it. Empty: it
// needs none.
func linkerOf(program string) string {
	f, err := elf.Open(program)
	if err != nil {
		return ""
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			path, err := io.ReadAll(io.LimitReader(p.Open(), unix.PathMax))
			if err != nil {
				return ""
			}
			return string(bytes.TrimRight(path, "\x00"))
		}
	}
	return ""
}

// reading is a rule for a file, or for a directory with all in it. None is for what is not
// there.
func reading(path string, more landlock.AccessFSSet) []landlock.Rule {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	access := readFile | more
	if info.IsDir() {
		access |= readDir
	}
	return []landlock.Rule{landlock.PathAccess(access, path).IgnoreIfMissing()}
}

// dropCapabilities leaves those that let root read and write its files whoever they belong
// to: Landlock says which these are.
func dropCapabilities() error {
	const keep = 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have [2]unix.CapUserData
	if err := unix.Capget(&header, &have[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	var left [2]unix.CapUserData
	left[0].Effective, left[0].Permitted = have[0].Effective&keep, have[0].Permitted&keep
	if left == have {
		return nil
	}
	// for each thread of the process, those of the future included
	if _, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&left[0])), 0); errno != 0 {
		return errors.Join(fmt.Errorf("capabilities: %w", errno))
	}
	return nil
}
