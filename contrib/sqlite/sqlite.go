// Package sqlite is the driver of package sql for SQLite, with URLs of the scheme sqlite:
//
//	sqlite:/var/lib/app.db        a file, which must exist (an empty file is an empty database)
//	sqlite:app.db                 relative to the worker's working directory
//	sqlite::memory:               a database in memory, empty at first, for tests; it has one session
//
// A URL has no more than that, and there is no password. The worker needs to write to the
// file's directory too, where SQLite keeps its journal.
//
// SQLite runs inside of the worker. What it may have and for how long is bounded:
//
//   - The memory of all sessions of a connection together: memory_limit of the connection.
//     Temporary files are part of that, and none is written.
//   - A call returns within 100 ms after its timeout or the end of its activity. A statement
//     is interrupted between its steps, in each allocation, and before each call of a
//     function. If a single call still goes on, as long ones do for about a second, the
//     session is left to it and counts in max_open until it has ended.
//   - Values and rows are as long as max_row_bytes (and 256 KiB at least on the way), texts
//     of SQL 1 MiB; tables, results and indexes have 256 columns, calls 127 arguments, a
//     compound SELECT has 500 parts, an expression the depth 1000; triggers start each
//     other 100 deep, and a statement is compiled to 250,000 steps at most. LIKE and GLOB
//     take patterns of 256 bytes, and with texts longer than 1 MiB shorter ones;
//     json_patch(), jsonb_patch() and unhex() with two arguments refuse texts that are too
//     long for each other.
//
// Foreign keys are enforced. Temporary tables, ATTACH, VACUUM and extensions are not
// available, nor is PRAGMA but to describe tables and indexes. What the file still has of
// deleted rows is not shown: sqlite_dbpage, dbstat, sqlite_stat4 and the tables that
// virtual tables keep their data in cannot be read. geopoly_overlap() and geopoly_within()
// are not available.
package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net/url"
	"path/filepath"
	"reflect"
	"time"

	"modernc.org/libc"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough/sqlmod"
)

func init() { sqlmod.Register(open, "sqlite") }

// hardened are settings of each connection. Defensive keeps SQL from writing to the
// file's internals, and untrusted schemas keep a view or trigger from calling functions
// that have effects.
const hardened = "vfs=" + vfsName + "&_defensive=1&_pragma=trusted_schema(0)&_pragma=foreign_keys(1)&_pragma=cell_size_check(1)&_pragma=busy_timeout(0)"

func open(u *url.URL, password func() (string, error)) (*sqlmod.Database, error) {
	path := u.Opaque
	if path == "" {
		path = u.Path
	}
	path, err := url.PathUnescape(path)
	switch {
	case password != nil:
		return nil, errors.New("a database in a file has no password")
	case err != nil || path == "" || u.Host != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("it is not sqlite: and a path, such as sqlite:/var/lib/app.db, nor sqlite::memory: for tests")
	}
	dsn, single := "file::memory:?"+hardened, path == ":memory:"
	if !single {
		if path, err = filepath.Abs(path); err != nil {
			return nil, err
		}
		file := url.URL{Scheme: "file", Path: filepath.ToSlash(path)}
		dsn = file.String() + "?mode=rw&" + hardened
	}
	if err := errors.Join(configured, registered(), guarded()); err != nil {
		return nil, err
	}
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, errors.New("its path cannot be used")
	}
	account := newAccount(sqlmod.DefaultMemoryLimit)
	return &sqlmod.Database{
		Single:      single,
		LimitMemory: account.limit.Store,
		Connect:     func(ctx context.Context) (sqlmod.Conn, error) { return connect(ctx, connector, account) },
	}, nil
}

// conn is a connection of modernc.org/sqlite, used by SQLite's own functions: that driver
// runs all statements of a text, cannot be interrupted between rows, and makes times of
// texts.
type conn struct {
	driver.Conn // for its Close
	*runner
	db       uintptr
	tls      *libc.TLS
	aside    *libc.TLS // for who interrupts, since each goroutine has one
	memory   *allocator
	before   uintptr              // an int64: the changes of who had the session before
	open     map[uintptr]struct{} // statements; of the runner
	own      bool                 // the statement is the driver's, and not a guest's
	inTx     bool                 // a transaction was begun and not ended
	readOnly bool                 // the transaction is
	denied   string               // what the authorizer said no to
	opening  bool                 // the statement is compiled for what that opens, and not run
	suspects []string             // tables that a guest may not read if they belong to a virtual one
}

func connect(ctx context.Context, connector driver.Connector, account *account) (sqlmod.Conn, error) {
	opened, err := connector.Connect(ctx)
	if err != nil {
		if failed, ok := errors.AsType[*sqlite.Error](err); ok && failed.Code()&0xff == sqlite3.SQLITE_CANTOPEN {
			return nil, &sqlmod.Error{Message: "the file of the database cannot be opened: it does not exist, or the worker may not write to it"}
		}
		return nil, &sqlmod.Error{Message: "the database cannot be opened"}
	}
	// The connection's handle is not public. A version of the package that has it
	// elsewhere ends here, and in the tests.
	handle := reflect.Indirect(reflect.ValueOf(opened)).FieldByName("db")
	registerer, ok := opened.(sqlite.AuthorizerRegisterer)
	if !ok || handle.Kind() != reflect.Uintptr || handle.Uint() == 0 {
		opened.Close() //nolint:errcheck // the other error says more
		return nil, &sqlmod.Error{Message: errOther.Error()}
	}
	c := &conn{Conn: opened, runner: startRunner(), db: uintptr(handle.Uint()), tls: libc.NewTLS(), aside: libc.NewTLS(), memory: &allocator{account: account}, open: map[uintptr]struct{}{}, own: true}
	c.before = libc.Xcalloc(c.tls, 1, 8)
	allocators.Store(c.tls, c.memory)
	for limit, most := range limits {
		sqlite3.Xsqlite3_limit(c.tls, c.db, limit, most)
	}
	if !c.addFunctions() || !c.dropModules() || registerer.RegisterAuthorizer(c.authorize) != nil {
		c.Close() //nolint:errcheck // the other error says more
		return nil, &sqlmod.Error{Message: "the database cannot be opened"}
	}
	return c, nil
}

// fail makes an error of a result code.
func (c *conn) fail(ctx context.Context, code int32) error {
	switch code & 0xff {
	case sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		if ctx.Err() != nil {
			return ctx.Err()
		}
	case sqlite3.SQLITE_AUTH:
		return c.refusal()
	case sqlite3.SQLITE_READONLY:
		return &sqlmod.RejectedError{What: "a change", Why: "the database says that it can only be read"}
	case sqlite3.SQLITE_NOMEM:
		return c.noMemory(ctx)
	case sqlite3.SQLITE_IOERR:
		if code == sqlite3.SQLITE_IOERR_NOMEM {
			return c.noMemory(ctx)
		}
	case sqlite3.SQLITE_TOOBIG:
		return fmt.Errorf("%w: a value is larger than max_row_bytes of the sql policy", abi.EMSGSIZE)
	}
	if c.denied != "" { // the authorizer's no has other codes in places
		return c.refusal()
	}
	return &sqlmod.Error{Message: libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db))}
}

// noMemory is the error for what could not be allocated.
func (c *conn) noMemory(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case c.memory.ran.Load():
		return fmt.Errorf("%w: the statement needs more memory than is left of the memory_limit of the connection, %d bytes, which all its sessions share", abi.E2BIG, c.memory.account.limit.Load())
	}
	return fmt.Errorf("%w: the statement has more than %d steps, or needs more memory than there is", abi.E2BIG, mostSteps)
}

// pause waits for other connections to the file, whose locks SQLite reports as busy.
func pause(ctx context.Context, attempt int) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(min(time.Millisecond<<min(attempt, 6), 50*time.Millisecond)):
		return nil
	}
}

func busy(code int32) bool {
	// which waiting does not help
	return code&0xff == sqlite3.SQLITE_BUSY && code != sqlite3.SQLITE_BUSY_SNAPSHOT
}

// prepare compiles the one statement of a text.
func (c *conn) prepare(ctx context.Context, text string) (stmt uintptr, err error) {
	var compiled struct {
		stmt uintptr
		err  error
	}
	if err := c.do(ctx, func() { compiled.stmt, compiled.err = c.compile(ctx, text) }); err != nil {
		return 0, err
	}
	return compiled.stmt, compiled.err
}

func (c *conn) compile(ctx context.Context, text string) (stmt uintptr, err error) {
	c.memory.ran.Store(false)
	cText, err := libc.CString(text)
	if err != nil {
		return 0, err
	}
	defer libc.Xfree(c.tls, cText)
	out := c.tls.Alloc(2 * pointerSize)
	defer c.tls.Free(2 * pointerSize)
	begin := cText
	for {
		for attempt := 0; ; attempt++ {
			code := sqlite3.Xsqlite3_prepare_v2(c.tls, c.db, begin, -1, out, out+pointerSize)
			if code == sqlite3.SQLITE_OK {
				break
			}
			if !busy(code) {
				err = c.fail(ctx, code)
			} else {
				err = pause(ctx, attempt)
			}
			if err != nil {
				sqlite3.Xsqlite3_finalize(c.tls, stmt)
				return 0, err
			}
		}
		next, tail := pointer(out), pointer(out+pointerSize)
		switch {
		case next != 0 && stmt != 0:
			sqlite3.Xsqlite3_finalize(c.tls, next)
			sqlite3.Xsqlite3_finalize(c.tls, stmt)
			return 0, fmt.Errorf("%w: the SQL has more than one statement", abi.EINVAL)
		case next != 0:
			stmt = next
		}
		// the rest, if there was any, is comments
		if int(tail-cText) >= len(text) || tail == begin {
			break
		}
		begin = tail
	}
	if stmt == 0 {
		return 0, fmt.Errorf("%w: the SQL has no statement", abi.EINVAL)
	}
	c.open[stmt] = struct{}{}
	return stmt, nil
}

const pointerSize = bits.UintSize / 8

// pointer reads a pointer that SQLite has written.
func pointer(at uintptr) uintptr {
	if pointerSize == 4 {
		return uintptr(binary.NativeEndian.Uint32(libc.GoBytes(at, 4)))
	}
	return uintptr(binary.NativeEndian.Uint64(libc.GoBytes(at, 8)))
}

func (c *conn) finalize(ctx context.Context, stmt uintptr) {
	if stmt != 0 {
		c.do(ctx, func() { c.end(stmt) }) //nolint:errcheck // Close does it then
	}
}

// run runs a statement of the driver's own, and tells whether it has a row.
func (c *conn) run(ctx context.Context, text string) (row bool, err error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if c.lost {
		return false, errLost
	}
	c.own, c.denied = true, ""
	var ran struct {
		row bool
		err error
	}
	err = c.do(ctx, func() {
		stmt, err := c.compile(ctx, text)
		if err == nil {
			ran.row, err = c.step(ctx, stmt, true)
			c.end(stmt)
		}
		ran.err = err
	})
	if err != nil { // SQLite may ask the authorizer right now
		return false, err
	}
	c.own = false
	return ran.row, ran.err
}

// end finalizes a statement, on the runner.
func (c *conn) end(stmt uintptr) {
	delete(c.open, stmt)
	sqlite3.Xsqlite3_finalize(c.tls, stmt)
}

// step goes on to the next row, if there is one, on the runner. A statement that is at
// its beginning waits for locks.
func (c *conn) step(ctx context.Context, stmt uintptr, beginning bool) (row bool, err error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	c.memory.ran.Store(false)
	for attempt := 0; ; attempt++ {
		code := sqlite3.Xsqlite3_step(c.tls, stmt)
		switch {
		case code == sqlite3.SQLITE_ROW:
			return true, nil
		case code == sqlite3.SQLITE_DONE:
			return false, nil
		case !beginning || !busy(code):
			return false, c.fail(ctx, code)
		}
		sqlite3.Xsqlite3_reset(c.tls, stmt)
		if err := pause(ctx, attempt); err != nil {
			return false, err
		}
	}
}

// Begin implements [sqlmod.Conn]. SQLite's transactions are serializable, whatever was
// asked for.
func (c *conn) Begin(ctx context.Context, options sqlmod.TxOptions) error {
	text := "BEGIN IMMEDIATE" // since two that read first could both not go on to write
	if options.ReadOnly || options.Single {
		text = "BEGIN"
	}
	if _, err := c.run(ctx, text); err != nil {
		return err
	}
	c.inTx = true
	// besides the authorizer, which reads SQL, something that looks at what is done
	if options.ReadOnly {
		if _, err := c.run(ctx, "PRAGMA query_only = 1"); err != nil {
			return err
		}
	}
	c.readOnly = options.ReadOnly
	return nil
}

// End implements [sqlmod.Conn].
func (c *conn) End(ctx context.Context, commit bool) error {
	if c.readOnly {
		if _, err := c.run(ctx, "PRAGMA query_only = 0"); err != nil {
			return err
		}
		c.readOnly = false
	}
	if !c.inTx {
		return nil
	}
	gone := c.gone()
	c.inTx = false
	switch {
	case gone && commit:
		return errGone
	case gone:
		return nil
	case !commit:
		_, err := c.run(ctx, "ROLLBACK")
		return err
	}
	// a constraint that is deferred leaves the transaction open
	if _, err := c.run(ctx, "COMMIT"); err != nil {
		c.inTx = true
		return err
	}
	return nil
}

// gone tells whether SQLite has ended the transaction by itself, as it does with a change
// that was interrupted or did not fit on the disk. Further statements would each be
// committed.
func (c *conn) gone() bool {
	return !c.lost && c.inTx && sqlite3.Xsqlite3_get_autocommit(c.tls, c.db) != 0
}

var errGone = &sqlmod.Error{Message: "the transaction had an error and was rolled back"}

// Reset implements [sqlmod.Conn]. The authorizer lets guests leave nothing behind but the
// counters.
func (c *conn) Reset(ctx context.Context) error {
	if c.lost {
		return errLost
	}
	sqlite3.Xsqlite3_set_last_insert_rowid(c.tls, c.db, 0)
	*at[int64](c.before) = sqlite3.Xsqlite3_total_changes64(c.tls, c.db)
	return ctx.Err()
}

// Close implements [sqlmod.Conn]. A function of SQLite's that was left to itself keeps it
// waiting, so that no other session takes the place of this one meanwhile.
func (c *conn) Close() error {
	c.stop()
	for stmt := range c.open { // that could not be ended before
		sqlite3.Xsqlite3_finalize(c.tls, stmt)
	}
	err := c.Conn.Close()
	allocators.Delete(c.tls)
	libc.Xfree(c.tls, c.before)
	c.tls.Close()
	c.aside.Close()
	return err
}

// Query implements [sqlmod.Conn].
func (c *conn) Query(ctx context.Context, s *sqlmod.Statement) (sqlmod.Rows, error) {
	switch {
	case c.lost:
		return nil, errLost
	case c.gone():
		return nil, errGone
	}
	c.own, c.denied = false, ""
	// Some functions need a little more on the way, and schemas have values too.
	sqlite3.Xsqlite3_limit(c.tls, c.db, sqlite3.SQLITE_LIMIT_LENGTH, int32(max(s.MaxRow+(4<<10), 256<<10)))
	stmt, err := c.prepareGuest(ctx, s.SQL)
	if _, said := errors.AsType[*sqlmod.Error](err); said {
		// Another connection may have changed the schema since this one read it, which
		// SQLite finds out only when a statement runs.
		if _, failed := c.run(ctx, "SELECT 1 FROM sqlite_schema LIMIT 1"); failed == nil {
			stmt, err = c.prepareGuest(ctx, s.SQL)
		}
	}
	if err != nil {
		return nil, err
	}
	r := &rows{c: c, stmt: stmt, before: sqlite3.Xsqlite3_total_changes(c.tls, c.db)}
	if err := r.begin(ctx, s.Args); err != nil {
		r.finalize(ctx)
		return nil, err
	}
	return r, nil
}
