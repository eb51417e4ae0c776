package wasip1

import (
	"encoding/binary"
	"io/fs"

	"github.com/tetratelabs/wazero/api"

	"github.com/wasmworker/wasmworker/abi"
)

// Rights of WASI.
const (
	rightDatasync = 1 << iota
	rightRead
	rightSeek
	rightSetFlags
	rightSync
	rightTell
	rightWrite
	rightAdvise
	rightAllocate
	rightCreateDirectory
	rightCreateFile
	rightLinkSource
	rightLinkTarget
	rightOpen
	rightReaddir
	rightReadlink
	rightRenameSource
	rightRenameTarget
	rightPathFilestat
	rightPathSetSize
	rightPathSetTimes
	rightFilestat
	rightSetSize
	rightSetTimes
	rightSymlink
	rightRemoveDirectory
	rightUnlink
	rightPoll

	rightsFile      = rightDatasync | rightSync | rightSeek | rightTell | rightSetFlags | rightAdvise | rightFilestat | rightPoll
	rightsWrite     = rightWrite | rightAllocate | rightSetSize
	rightsDirectory = rightDatasync | rightSync | rightSetFlags | rightOpen | rightReaddir | rightReadlink | rightPathFilestat | rightFilestat
	rightsChanges   = rightCreateDirectory | rightCreateFile | rightRenameSource | rightRenameTarget | rightPathSetSize | rightPathSetTimes | rightSetTimes | rightRemoveDirectory | rightUnlink
)

// rights are what may be done with a file, and with what is opened below it.
func rights(f *File) (base, inheriting uint64) {
	base = rightsFile
	if f.IsDir() {
		base = rightsDirectory
		inheriting = rightsDirectory | rightsFile | rightRead
		if f.MayWrite() {
			base |= rightsChanges
			inheriting |= rightsChanges | rightsWrite
		}
		return base, inheriting
	}
	if f.Readable {
		base |= rightRead
	}
	if f.Writable {
		base |= rightsWrite
	}
	if f.MayWrite() {
		base |= rightSetTimes
	}
	return base, 0
}

// Flags of descriptors.
const (
	flagAppend = 1 << iota
	flagDsync
	flagNonblock
	flagRsync
	flagSync

	flagsAll = flagAppend | flagDsync | flagNonblock | flagRsync | flagSync
)

// Kinds of files.
const (
	kindUnknown = iota
	kindBlockDevice
	kindCharacterDevice
	kindDirectory
	kindRegular
	_ // sockets for datagrams
	kindSocket
	kindSymlink

	// kindStream is wazero's for the standard streams: a character device would be a
	// terminal, to which programs write line by line.
	kindStream = kindBlockDevice
)

func kindOf(mode fs.FileMode) byte {
	switch {
	case mode.IsRegular():
		return kindRegular
	case mode.IsDir():
		return kindDirectory
	case mode&fs.ModeSymlink != 0:
		return kindSymlink
	case mode&fs.ModeCharDevice != 0:
		return kindCharacterDevice
	case mode&fs.ModeDevice != 0:
		return kindBlockDevice
	case mode&fs.ModeSocket != 0:
		return kindSocket
	}
	return kindUnknown
}

// putFilestat stores what WASI says about a file. The host's other two times are those of
// programs that the guest has nothing to do with.
func putFilestat(mod api.Module, ptr uint64, info Info) error {
	out, ok := bytesOf(mod, ptr, 64)
	if !ok {
		return abi.EFAULT
	}
	clear(out)
	binary.LittleEndian.PutUint64(out, info.Device)
	binary.LittleEndian.PutUint64(out[8:], info.Inode)
	out[16] = kindOf(info.Mode)
	binary.LittleEndian.PutUint64(out[24:], info.Links)
	binary.LittleEndian.PutUint64(out[32:], uint64(info.Size))
	if modified := info.Modified.UnixNano(); !info.Modified.IsZero() && modified > 0 {
		for _, at := range []int{40, 48, 56} {
			binary.LittleEndian.PutUint64(out[at:], uint64(modified))
		}
	}
	return nil
}
