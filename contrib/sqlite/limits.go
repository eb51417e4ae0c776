package sqlite

import (
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"
)

// mostSteps is the most that a statement may be compiled to: SQLite may go through all
// without a look for interrupts, and a step may compare two values of the full length.
const mostSteps = 250_000

// limits are SQLite's own, of each connection. The package's comment and
// docs/passthrough.md list them. The length of values follows max_row_bytes.
var limits = map[int32]int32{
	sqlite3.SQLITE_LIMIT_ATTACHED:            0,
	sqlite3.SQLITE_LIMIT_COLUMN:              256, // each can be of the full length
	sqlite3.SQLITE_LIMIT_COMPOUND_SELECT:     500,
	sqlite3.SQLITE_LIMIT_EXPR_DEPTH:          1000,
	sqlite3.SQLITE_LIMIT_FUNCTION_ARG:        127, // each can be of the full length
	sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 256, // times the length of the text
	sqlite3.SQLITE_LIMIT_SQL_LENGTH:          1 << 20,
	sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH:       100,
	sqlite3.SQLITE_LIMIT_VDBE_OP:             mostSteps,
	sqlite3.SQLITE_LIMIT_WORKER_THREADS:      0,
}

// modules are the kinds of virtual tables that a guest may use. Those that are not here
// read the file's pages (sqlite_dbpage, dbstat), where deleted rows still are. Those for
// JSON and pragmas SQLite has anyway.
var modules = []string{"fts5", "fts5vocab", "rtree", "rtree_i32", "geopoly"}

// dropModules leaves a connection no others.
func (c *conn) dropModules() bool {
	list := libc.Xcalloc(c.tls, types.Size_t(len(modules)+1), types.Size_t(unsafe.Sizeof(uintptr(0))))
	defer libc.Xfree(c.tls, list)
	for i, module := range modules {
		name, err := libc.CString(module)
		if err != nil {
			return false
		}
		defer libc.Xfree(c.tls, name)
		*at[uintptr](list + uintptr(i)*unsafe.Sizeof(uintptr(0))) = name
	}
	return sqlite3.Xsqlite3_drop_modules(c.tls, c.db, list) == sqlite3.SQLITE_OK
}
