//go:build !unix

package wasip1

import "os"

// openFlags are none: pipes and devices are no files of a directory on Windows, and
// os.Root refuses the names that stand for devices.
const openFlags = 0

// inodeOf tells files apart, where that is known.
func inodeOf(os.FileInfo) (ino, links uint64) { return 0, 1 }
