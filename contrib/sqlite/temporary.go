package sqlite

import (
	"errors"
	"sync"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"
)

// SQLite writes what does not fit into its caches to temporary files: what it sorts,
// tables that are made for a statement, journals of statements. Here they are memory, and
// charged as the rest. temp_store=MEMORY is not the same: with it SQLite sorts everything
// in one step, which nothing interrupts.

const vfsName = "wasmworker"

// blockSize is what a temporary file grows by.
const blockSize = 64 << 10

// temporaryFile is a file in memory. SQLite reads its methods, and nothing of the rest.
type temporaryFile struct {
	methods uintptr
	blocks  uintptr // an array of pointers
	length  int64   // of the array
	size    int64
}

var vfs struct {
	methods uintptr // of temporary files
	next    func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32
}

// registered makes the file system known to SQLite.
var registered = sync.OnceValue(func() error {
	tls := libc.NewTLS()
	defer tls.Close()
	system := sqlite3.Xsqlite3_vfs_find(tls, 0)
	if system == 0 {
		return errors.New("SQLite has no file system here")
	}
	own := allocateAs[sqlite3.Tsqlite3_vfs](tls)
	*at[sqlite3.Tsqlite3_vfs](own) = *at[sqlite3.Tsqlite3_vfs](system)
	v := at[sqlite3.Tsqlite3_vfs](own)
	name, err := libc.CString(vfsName)
	if err != nil {
		return err
	}
	open := struct{ f uintptr }{v.FxOpen}
	vfs.next = *(*func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32)(unsafe.Pointer(&open))
	v.FzName, v.FpNext, v.FxOpen = name, 0, functionPointer(openFile)
	v.FszOsFile = max(v.FszOsFile, int32(unsafe.Sizeof(temporaryFile{})))
	vfs.methods = allocateAs[sqlite3.Tsqlite3_io_methods](tls)
	*at[sqlite3.Tsqlite3_io_methods](vfs.methods) = sqlite3.Tsqlite3_io_methods{
		FiVersion: 1, FxClose: functionPointer(closeTemporary), FxRead: functionPointer(readTemporary), FxWrite: functionPointer(writeTemporary),
		FxTruncate: functionPointer(truncateTemporary), FxSync: functionPointer(fileDoesNothing), FxFileSize: functionPointer(sizeTemporary),
		FxLock: functionPointer(fileDoesNothing), FxUnlock: functionPointer(fileDoesNothing), FxCheckReservedLock: functionPointer(fileIsNotLocked),
		FxFileControl: functionPointer(controlTemporary), FxSectorSize: functionPointer(fileHasNone), FxDeviceCharacteristics: functionPointer(fileHasNone),
	}
	if code := sqlite3.Xsqlite3_vfs_register(tls, own, 0); code != sqlite3.SQLITE_OK {
		return errors.New("SQLite does not take a file system for temporary files")
	}
	return nil
})

// allocateAs is memory that is never released.
func allocateAs[T any](tls *libc.TLS) uintptr {
	var value T
	p := libc.Xcalloc(tls, 1, types.Size_t(unsafe.Sizeof(value)))
	if p == 0 {
		panic("sqlite: there is no memory")
	}
	return p
}

func openFile(tls *libc.TLS, pVfs, name, file uintptr, flags int32, outFlags uintptr) int32 {
	const temporary = sqlite3.SQLITE_OPEN_TEMP_DB | sqlite3.SQLITE_OPEN_TEMP_JOURNAL | sqlite3.SQLITE_OPEN_TRANSIENT_DB | sqlite3.SQLITE_OPEN_SUBJOURNAL
	if flags&temporary == 0 {
		return vfs.next(tls, pVfs, name, file, flags, outFlags)
	}
	*at[temporaryFile](file) = temporaryFile{methods: vfs.methods}
	if outFlags != 0 {
		*at[int32](outFlags) = flags
	}
	return sqlite3.SQLITE_OK
}

// block is a block of the file's.
func (f *temporaryFile) block(i int64) *uintptr {
	return at[uintptr](f.blocks + uintptr(i)*unsafe.Sizeof(uintptr(0)))
}

// grow makes blocks for a size.
func (f *temporaryFile) grow(tls *libc.TLS, size int64) bool {
	need := (size + blockSize - 1) / blockSize
	if capacity := int64(sizeOf(tls, f.blocks)) / int64(unsafe.Sizeof(uintptr(0))); need > capacity {
		most := max(need, 2*capacity, 8)
		if most > 1<<24 { // a terabyte
			return false
		}
		blocks := reallocate(tls, f.blocks, int32(most)*int32(unsafe.Sizeof(uintptr(0))))
		if blocks == 0 {
			return false
		}
		f.blocks = blocks
	}
	for ; f.length < need; f.length++ {
		p := allocate(tls, blockSize)
		if p == 0 {
			return false
		}
		clear(unsafe.Slice(at[byte](p), blockSize))
		*f.block(f.length) = p
	}
	f.size = max(f.size, size)
	return true
}

// each calls do for the parts of the file that a range is in.
func (f *temporaryFile) each(offset, n int64, do func(part []byte)) {
	for n > 0 {
		begin := offset % blockSize
		size := min(n, blockSize-begin)
		do(unsafe.Slice(at[byte](*f.block(offset / blockSize)), blockSize)[begin : begin+size])
		offset, n = offset+size, n-size
	}
}

func readTemporary(_ *libc.TLS, file, buffer uintptr, n int32, offset int64) int32 {
	f := at[temporaryFile](file)
	rest := unsafe.Slice(at[byte](buffer), n)
	f.each(offset, min(int64(n), max(f.size-offset, 0)), func(part []byte) { rest = rest[copy(rest, part):] })
	if len(rest) > 0 {
		clear(rest)
		return sqlite3.SQLITE_IOERR_SHORT_READ
	}
	return sqlite3.SQLITE_OK
}

func writeTemporary(tls *libc.TLS, file, buffer uintptr, n int32, offset int64) int32 {
	f := at[temporaryFile](file)
	if !f.grow(tls, offset+int64(n)) {
		return sqlite3.SQLITE_IOERR_NOMEM
	}
	rest := unsafe.Slice(at[byte](buffer), n)
	f.each(offset, int64(n), func(part []byte) { rest = rest[copy(part, rest):] })
	return sqlite3.SQLITE_OK
}

func truncateTemporary(tls *libc.TLS, file uintptr, size int64) int32 {
	f := at[temporaryFile](file)
	if size > f.size {
		return sqlite3.SQLITE_OK // what is written there makes it as long
	}
	for keep := (size + blockSize - 1) / blockSize; f.length > keep; {
		f.length--
		release(tls, *f.block(f.length))
	}
	if size%blockSize != 0 {
		f.each(size, blockSize-size%blockSize, func(part []byte) { clear(part) })
	}
	f.size = size
	return sqlite3.SQLITE_OK
}

func closeTemporary(tls *libc.TLS, file uintptr) int32 {
	truncateTemporary(tls, file, 0)
	f := at[temporaryFile](file)
	release(tls, f.blocks)
	*f = temporaryFile{}
	return sqlite3.SQLITE_OK
}

func sizeTemporary(_ *libc.TLS, file, size uintptr) int32 {
	*at[int64](size) = at[temporaryFile](file).size
	return sqlite3.SQLITE_OK
}

func fileDoesNothing(*libc.TLS, uintptr, int32) int32 { return sqlite3.SQLITE_OK }

func fileHasNone(*libc.TLS, uintptr) int32 { return 0 }

func fileIsNotLocked(_ *libc.TLS, _, locked uintptr) int32 {
	*at[int32](locked) = 0
	return sqlite3.SQLITE_OK
}

func controlTemporary(*libc.TLS, uintptr, int32, uintptr) int32 { return sqlite3.SQLITE_NOTFOUND }
