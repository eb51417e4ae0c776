//go:build unix

package sandbox

import (
	"fmt"
	"os"
	"syscall"
)

// trusted returns why what lies in the directory may be somebody else's, or nil: it
// belongs to another user than this process's or root, or others may write to it.
func trusted(directory string) error {
	info, err := os.Stat(directory)
	if err != nil {
		return err
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 0 && int(owner) != os.Geteuid() {
		return fmt.Errorf("it belongs to user %d, and this process is user %d", owner, os.Geteuid())
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("its mode is %04o, so that others may write to it", mode)
	}
	return nil
}
