package sqlite

import (
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"
)

// What SQLite allocates while it works for a guest is charged to the connection that the
// operator defined, and refused beyond its limit. SQLite's own hard_heap_limit would be
// one for the whole process: a guest with a connection of its own could leave nothing to
// the others. An allocation is also a place to stop at for calls of functions that would
// run for long.

// account is what all sessions of a connection have allocated. It is in SQLite's memory,
// since the headers of allocations point to it.
type account struct{ used, limit atomic.Int64 }

func newAccount(limit int64) *account {
	tls := libc.NewTLS()
	defer tls.Close()
	a := at[account](libc.Xcalloc(tls, 1, types.Size_t(unsafe.Sizeof(account{})))) // there for good
	a.limit.Store(limit)
	return a
}

// take charges for n bytes more, unless they are too many.
func (a *account) take(n int64) bool {
	if a.used.Add(n) > a.limit.Load() && n > 0 {
		a.used.Add(-n)
		return false
	}
	return true
}

// allocator is who allocates: a session.
type allocator struct {
	account *account
	refuses atomic.Bool // everything, so that a statement ends
	ran     atomic.Bool // out of memory
}

// allocators are those of all sessions, by *libc.TLS. What has none is not charged: it is
// the package's own, or that of somebody else in the program.
var allocators sync.Map

func allocatorOf(tls *libc.TLS) *allocator {
	if a, ok := allocators.Load(tls); ok {
		return a.(*allocator)
	}
	return nil
}

// header is in front of each allocation.
type header struct {
	size    int64
	account uintptr // or 0
}

const (
	headerSize = 16 // which keeps the alignment
	largeSize  = 64 << 10
)

// at is memory of SQLite's.
func at[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }

// functionPointer is a function declared in Go as SQLite calls it.
func functionPointer[T any](f T) uintptr { return *(*uintptr)(unsafe.Pointer(&struct{ f T }{f})) }

func allocate(tls *libc.TLS, n int32) uintptr {
	var account *account
	if a := allocatorOf(tls); a != nil {
		if a.refuses.Load() {
			return 0
		}
		if !a.account.take(int64(n) + headerSize) {
			a.ran.Store(true)
			return 0
		}
		account = a.account
	}
	p := libc.Xmalloc(tls, types.Size_t(n)+headerSize)
	if p == 0 {
		if account != nil {
			account.take(-int64(n) - headerSize)
		}
		return 0
	}
	*at[header](p) = header{int64(n), uintptr(unsafe.Pointer(account))}
	return p + headerSize
}

func release(tls *libc.TLS, p uintptr) {
	if p == 0 {
		return
	}
	h := at[header](p - headerSize)
	if h.account != 0 {
		at[account](h.account).take(-h.size - headerSize)
	}
	libc.Xfree(tls, p-headerSize)
}

// reallocate makes a small allocation larger where it is, and copies a large one: libc
// would copy it while nobody else can allocate, and keep both without saying so.
func reallocate(tls *libc.TLS, p uintptr, n int32) uintptr {
	if p == 0 {
		return allocate(tls, n)
	}
	h := at[header](p - headerSize)
	more := int64(n) - h.size
	if n > largeSize && more > 0 {
		q := allocate(tls, n)
		if q != 0 {
			copy(unsafe.Slice(at[byte](q), n), unsafe.Slice(at[byte](p), h.size))
			release(tls, p)
		}
		return q
	}
	a := allocatorOf(tls)
	if a != nil && more > 0 && a.refuses.Load() {
		return 0
	}
	if h.account != 0 && !at[account](h.account).take(more) {
		if a != nil {
			a.ran.Store(true)
		}
		return 0
	}
	q := libc.Xrealloc(tls, p-headerSize, types.Size_t(n)+headerSize)
	if q == 0 {
		if h.account != 0 {
			at[account](h.account).take(-more)
		}
		return 0
	}
	at[header](q).size = int64(n)
	return q + headerSize
}

func sizeOf(_ *libc.TLS, p uintptr) int32 {
	if p == 0 {
		return 0
	}
	return int32(at[header](p - headerSize).size)
}

func roundUp(_ *libc.TLS, n int32) int32 { return (n + 7) &^ 7 }

func memoryInit(*libc.TLS, uintptr) int32 { return sqlite3.SQLITE_OK }

func memoryShutdown(*libc.TLS, uintptr) {}

// configured tells whether SQLite allocates by the functions above. It can be told that
// only before it is initialized, by the first use in a program, so that it is done when
// the package is.
var configured = configure()

func configure() error {
	tls := libc.NewTLS()
	defer tls.Close()
	methods := libc.Xcalloc(tls, 1, types.Size_t(unsafe.Sizeof(sqlite3.Tsqlite3_mem_methods{})))
	defer libc.Xfree(tls, methods) // SQLite makes a copy
	*at[sqlite3.Tsqlite3_mem_methods](methods) = sqlite3.Tsqlite3_mem_methods{
		FxMalloc: functionPointer(allocate), FxFree: functionPointer(release), FxRealloc: functionPointer(reallocate),
		FxSize: functionPointer(sizeOf), FxRoundup: functionPointer(roundUp),
		FxInit: functionPointer(memoryInit), FxShutdown: functionPointer(memoryShutdown),
	}
	list := libc.Xcalloc(tls, 1, 8)
	defer libc.Xfree(tls, list)
	if code := sqlite3.Xsqlite3_config(tls, sqlite3.SQLITE_CONFIG_MALLOC, libc.VaList(list, methods)); code != sqlite3.SQLITE_OK {
		return fmt.Errorf("the program has used SQLite before its memory could be bounded (code %d): import modernc.org/sqlite/vec nowhere, and use no SQLite while packages are initialized", code)
	}
	return nil
}
