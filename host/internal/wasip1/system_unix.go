//go:build unix

package wasip1

import (
	"os"
	"syscall"
)

// openFlags keep the opening of a pipe or a device, which is refused once it is seen to
// be one, from waiting or from becoming the terminal of the process. Regular files do not
// care.
const openFlags = syscall.O_NONBLOCK | syscall.O_NOCTTY

// inodeOf tells files apart.
func inodeOf(info os.FileInfo) (ino, links uint64) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Ino), uint64(stat.Nlink)
	}
	return 0, 1
}
