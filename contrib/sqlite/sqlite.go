// Package sqlite is the driver of package sql for SQLite, with URLs of the scheme sqlite:
//
//	sqlite:/var/lib/app.db        a file, which must exist (an empty file is an empty database)
//	sqlite:app.db                 relative to the worker's working directory
//	sqlite::memory:               a database in memory, empty at first, for tests; it has one session
//
// A URL has no more than that, and there is no password. The worker needs to write to the
// file's directory too, where SQLite keeps its journal.
//
// SQLite runs inside of the worker: its memory and its temporary files are the worker's,
// and so is the processor. A statement is interrupted between its steps, but a single
// call of a function on long texts is not, which takes seconds at worst. Where modules
// are not trusted to be reasonable, a database server is the better choice.
//
// Tables and results have 256 columns at most. Foreign keys are enforced. Temporary
// tables, ATTACH, VACUUM and extensions are not available, nor is PRAGMA but to describe
// tables and indexes.
package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
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
const hardened = "_defensive=1&_pragma=trusted_schema(0)&_pragma=foreign_keys(1)&_pragma=cell_size_check(1)&_pragma=busy_timeout(0)"

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
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, errors.New("its path cannot be used")
	}
	return &sqlmod.Database{Single: single, Connect: func(ctx context.Context) (sqlmod.Conn, error) { return connect(ctx, connector) }}, nil
}

// conn is a connection of modernc.org/sqlite, used by SQLite's own functions: that driver
// runs all statements of a text, cannot be interrupted between rows, and makes times of
// texts.
type conn struct {
	driver.Conn // for its Close
	db          uintptr
	tls         *libc.TLS
	own         bool   // the statement is the driver's, and not a guest's
	inTx        bool   // a transaction was begun and not ended
	readOnly    bool   // the transaction is
	denied      string // what the authorizer said no to
}

func connect(ctx context.Context, connector driver.Connector) (sqlmod.Conn, error) {
	opened, err := connector.Connect(ctx)
	if err != nil {
		if failed, ok := errors.AsType[*sqlite.Error](err); ok && failed.Code()&0xff == sqlite3.SQLITE_CANTOPEN {
			return nil, &sqlmod.Error{Message: "the file of the database cannot be opened: it does not exist, or the worker may not write to it"}
		}
		return nil, &sqlmod.Error{Message: "the database cannot be opened"}
	}
	c := &conn{Conn: opened, own: true}
	// The connection's handle is not public. A version of the package that has it
	// elsewhere ends here, and in the tests.
	handle := reflect.Indirect(reflect.ValueOf(opened)).FieldByName("db")
	registerer, ok := opened.(sqlite.AuthorizerRegisterer)
	if !ok || handle.Kind() != reflect.Uintptr || handle.Uint() == 0 {
		opened.Close() //nolint:errcheck // the other error says more
		return nil, &sqlmod.Error{Message: "this version of modernc.org/sqlite is not the one that the driver was made for"}
	}
	c.db, c.tls = uintptr(handle.Uint()), libc.NewTLS()
	if err := registerer.RegisterAuthorizer(c.authorize); err != nil {
		c.Close() //nolint:errcheck // the other error says more
		return nil, &sqlmod.Error{Message: "the database cannot be opened"}
	}
	for limit, most := range map[int32]int32{
		sqlite3.SQLITE_LIMIT_ATTACHED:            0,
		sqlite3.SQLITE_LIMIT_COLUMN:              256, // each can be of the full length
		sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000,
		sqlite3.SQLITE_LIMIT_WORKER_THREADS:      0,
	} {
		sqlite3.Xsqlite3_limit(c.tls, c.db, limit, most)
	}
	return c, nil
}

// describing are the pragmas that say what the tables are like, and one that full-text
// search uses itself. Others change the connection or the file, or tell its path.
var describing = []string{"table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list", "data_version"}

// authorize is asked by SQLite when it compiles a guest's statement.
func (c *conn) authorize(action sqlite.AuthorizerActionCode, first, second, database, _ string) sqlite.AuthorizerReturnCode {
	if c.own {
		return sqlite.AuthorizerOK
	}
	denied := ""
	switch action {
	case sqlite.AuthSelect, sqlite.AuthRead, sqlite.AuthRecursive:
	case sqlite.AuthFunction:
		if strings.EqualFold(second, "load_extension") {
			denied = "load_extension"
		}
	case sqlite.AuthPragma:
		if !slices.Contains(describing, strings.ToLower(first)) {
			denied = "PRAGMA"
		}
	case sqlite.AuthTransaction, sqlite.AuthSavepoint:
		denied = "control of transactions"
	case sqlite.AuthInsert, sqlite.AuthUpdate, sqlite.AuthDelete, sqlite.AuthAlterTable, sqlite.AuthReindex, sqlite.AuthAnalyze,
		sqlite.AuthCreateIndex, sqlite.AuthCreateTable, sqlite.AuthCreateTrigger, sqlite.AuthCreateView,
		sqlite.AuthDropIndex, sqlite.AuthDropTable, sqlite.AuthDropTrigger, sqlite.AuthDropView,
		sqlite.AuthCreateVTable, sqlite.AuthDropVTable:
		if c.readOnly {
			denied = "a change"
		}
		if strings.EqualFold(database, "temp") || action == sqlite.AuthAlterTable && strings.EqualFold(first, "temp") {
			denied = "a temporary table" // which would be there for the next activity
		}
		if action == sqlite.AuthUpdate && first == "sqlite_temp_master" && !c.readOnly {
			// ALTER TABLE looks there too, for triggers; a guest's own UPDATE of it
			// SQLite refuses
			denied = ""
		}
	case sqlite.AuthAttach, sqlite.AuthDetach:
		denied = "ATTACH, DETACH or VACUUM"
	default: // temporary tables, and what a later version of SQLite may ask
		denied = "a temporary table"
	}
	if denied == "" {
		return sqlite.AuthorizerOK
	}
	if c.denied == "" {
		c.denied = denied
	}
	return sqlite.AuthorizerDeny
}

// refusal is the error for what the authorizer denied.
func (c *conn) refusal() error {
	switch c.denied {
	case "a change":
		return &sqlmod.RejectedError{What: c.denied, Why: "the sql policy would allow it with write: true"}
	case "control of transactions":
		return &sqlmod.RejectedError{What: c.denied, Why: "transactions are begun and ended by functions of the module: begin, commit and rollback"}
	}
	return &sqlmod.RejectedError{What: c.denied, Why: "it is not available, since it would reach beyond the database or stay behind in the session"}
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
	case sqlite3.SQLITE_TOOBIG:
		return fmt.Errorf("%w: a value is larger than max_row_bytes of the sql policy", abi.EMSGSIZE)
	}
	if c.denied != "" { // the authorizer's no has other codes in places
		return c.refusal()
	}
	return &sqlmod.Error{Message: libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db))}
}

// watch makes ctx interrupt what SQLite does, until done is called.
func (c *conn) watch(ctx context.Context) (done func()) {
	over, ended := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		tls := libc.NewTLS() // one for each goroutine
		defer tls.Close()
		for { // since SQLite forgets an interrupt that comes right before a statement begins
			sqlite3.Xsqlite3_interrupt(tls, c.db)
			select {
			case <-over:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	return func() {
		close(over)
		if !stop() {
			<-ended // it must not touch a connection that is closed
		}
	}
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
	defer c.watch(ctx)()
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
				c.finalize(stmt)
				return 0, err
			}
		}
		next, tail := pointer(out), pointer(out+pointerSize)
		switch {
		case next != 0 && stmt != 0:
			c.finalize(next)
			c.finalize(stmt)
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

func (c *conn) finalize(stmt uintptr) {
	if stmt != 0 {
		sqlite3.Xsqlite3_finalize(c.tls, stmt)
	}
}

// run runs a statement of the driver's own.
func (c *conn) run(ctx context.Context, text string) error {
	c.own, c.denied = true, ""
	defer func() { c.own = false }()
	stmt, err := c.prepare(ctx, text)
	if err != nil {
		return err
	}
	defer c.finalize(stmt)
	_, err = c.step(ctx, stmt, true)
	return err
}

// step goes on to the next row, if there is one. A statement that is at its beginning
// waits for locks.
func (c *conn) step(ctx context.Context, stmt uintptr, beginning bool) (row bool, err error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	defer c.watch(ctx)()
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
	if err := c.run(ctx, text); err != nil {
		return err
	}
	c.inTx = true
	// besides the authorizer, which reads SQL, something that looks at what is done
	if options.ReadOnly {
		if err := c.run(ctx, "PRAGMA query_only = 1"); err != nil {
			return err
		}
	}
	c.readOnly = options.ReadOnly
	return nil
}

// End implements [sqlmod.Conn].
func (c *conn) End(ctx context.Context, commit bool) error {
	if c.readOnly {
		if err := c.run(ctx, "PRAGMA query_only = 0"); err != nil {
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
		return c.run(ctx, "ROLLBACK")
	}
	// a constraint that is deferred leaves the transaction open
	if err := c.run(ctx, "COMMIT"); err != nil {
		c.inTx = true
		return err
	}
	return nil
}

// gone tells whether SQLite has ended the transaction by itself, as it does with a change
// that was interrupted or did not fit on the disk. Further statements would each be
// committed.
func (c *conn) gone() bool { return c.inTx && sqlite3.Xsqlite3_get_autocommit(c.tls, c.db) != 0 }

var errGone = &sqlmod.Error{Message: "the transaction had an error and was rolled back"}

// Reset implements [sqlmod.Conn]. The authorizer lets guests leave nothing behind.
func (c *conn) Reset(ctx context.Context) error { return ctx.Err() }

// Close implements [sqlmod.Conn].
func (c *conn) Close() error {
	err := c.Conn.Close()
	if c.tls != nil {
		c.tls.Close()
		c.tls = nil
	}
	return err
}

// Query implements [sqlmod.Conn].
func (c *conn) Query(ctx context.Context, s *sqlmod.Statement) (sqlmod.Rows, error) {
	if c.gone() {
		return nil, errGone
	}
	c.own, c.denied = false, ""
	// Some functions need a little more on the way, and schemas have values too.
	sqlite3.Xsqlite3_limit(c.tls, c.db, sqlite3.SQLITE_LIMIT_LENGTH, int32(max(s.MaxRow+(4<<10), 256<<10)))
	stmt, err := c.prepare(ctx, s.SQL)
	if _, said := errors.AsType[*sqlmod.Error](err); said {
		// Another connection may have changed the schema since this one read it, which
		// SQLite finds out only when a statement runs.
		if c.run(ctx, "SELECT 1 FROM sqlite_schema LIMIT 1") == nil {
			stmt, err = c.prepare(ctx, s.SQL)
		}
	}
	if err != nil {
		return nil, err
	}
	r := &rows{c: c, stmt: stmt, before: sqlite3.Xsqlite3_total_changes(c.tls, c.db)}
	if err := r.begin(ctx, s.Args); err != nil {
		r.finalize()
		return nil, err
	}
	return r, nil
}

// rows are a statement.
type rows struct {
	c        *conn
	stmt     uintptr // 0: it has ended
	columns  []sqlmod.Column
	first    bool // there is a row that was stepped to and not returned
	before   int32
	affected int64
}

func (r *rows) begin(ctx context.Context, args []any) (err error) {
	c := r.c
	if c.readOnly && sqlite3.Xsqlite3_stmt_readonly(c.tls, r.stmt) == 0 {
		c.denied = "a change"
		return c.refusal()
	}
	if want := int(sqlite3.Xsqlite3_bind_parameter_count(c.tls, r.stmt)); want != len(args) {
		return fmt.Errorf("%w: the statement has %d parameters, and args has %d", abi.EINVAL, want, len(args))
	}
	for i, arg := range args {
		if code := r.bind(int32(i+1), arg); code != sqlite3.SQLITE_OK {
			return c.fail(ctx, code)
		}
	}
	if r.first, err = c.step(ctx, r.stmt, true); err != nil {
		return err
	}
	// Only now: the first step compiles the statement again if another connection has
	// changed the schema since this one read it.
	for i := range sqlite3.Xsqlite3_column_count(c.tls, r.stmt) {
		r.columns = append(r.columns, sqlmod.Column{
			Name: strings.ToValidUTF8(libc.GoString(sqlite3.Xsqlite3_column_name(c.tls, r.stmt, i)), "\ufffd"),
			Type: strings.ToUpper(strings.ToValidUTF8(libc.GoString(sqlite3.Xsqlite3_column_decltype(c.tls, r.stmt, i)), "\ufffd")),
		})
	}
	if !r.first {
		r.end()
	}
	return nil
}

// bind sets a parameter, and returns a result code.
func (r *rows) bind(i int32, arg any) int32 {
	tls := r.c.tls
	switch arg := arg.(type) {
	case bool:
		n := int64(0)
		if arg {
			n = 1
		}
		return sqlite3.Xsqlite3_bind_int64(tls, r.stmt, i, n)
	case int64:
		return sqlite3.Xsqlite3_bind_int64(tls, r.stmt, i, arg)
	case float64:
		return sqlite3.Xsqlite3_bind_double(tls, r.stmt, i, arg)
	case string:
		return r.bindBytes(i, arg, sqlite3.Xsqlite3_bind_text)
	case []byte:
		if len(arg) == 0 {
			return sqlite3.Xsqlite3_bind_zeroblob(tls, r.stmt, i, 0)
		}
		return r.bindBytes(i, string(arg), sqlite3.Xsqlite3_bind_blob)
	}
	return sqlite3.Xsqlite3_bind_null(tls, r.stmt, i)
}

func (r *rows) bindBytes(i int32, value string, bind func(tls *libc.TLS, stmt uintptr, i int32, value uintptr, size int32, free uintptr) int32) int32 {
	p, err := libc.CString(value)
	if err != nil {
		return sqlite3.SQLITE_NOMEM
	}
	defer libc.Xfree(r.c.tls, p)
	const transient = ^uintptr(0) // SQLite makes a copy
	return bind(r.c.tls, r.stmt, i, p, int32(len(value)), transient)
}

// Columns implements [sqlmod.Rows].
func (r *rows) Columns() []sqlmod.Column { return r.columns }

// Affected implements [sqlmod.Rows].
func (r *rows) Affected() int64 { return r.affected }

// Next implements [sqlmod.Rows].
func (r *rows) Next(ctx context.Context) ([]any, error) {
	if r.stmt == 0 {
		return nil, io.EOF
	}
	if !r.first {
		more, err := r.c.step(ctx, r.stmt, false)
		if err != nil {
			r.finalize()
			return nil, err
		}
		if !more {
			r.end()
			return nil, io.EOF
		}
	}
	r.first = false
	row := make([]any, len(r.columns))
	for i := range row {
		row[i] = r.value(int32(i))
	}
	return row, nil
}

func (r *rows) value(i int32) any {
	tls, stmt := r.c.tls, r.stmt
	switch sqlite3.Xsqlite3_column_type(tls, stmt, i) {
	case sqlite3.SQLITE_INTEGER:
		return sqlite3.Xsqlite3_column_int64(tls, stmt, i)
	case sqlite3.SQLITE_FLOAT:
		return sqlite3.Xsqlite3_column_double(tls, stmt, i)
	case sqlite3.SQLITE_TEXT:
		p := sqlite3.Xsqlite3_column_text(tls, stmt, i)
		return string(view(p, sqlite3.Xsqlite3_column_bytes(tls, stmt, i)))
	case sqlite3.SQLITE_BLOB:
		p := sqlite3.Xsqlite3_column_blob(tls, stmt, i)
		return append([]byte{}, view(p, sqlite3.Xsqlite3_column_bytes(tls, stmt, i))...)
	}
	return nil
}

// view is memory of SQLite's, until the next step.
func view(p uintptr, size int32) []byte {
	if p == 0 || size == 0 {
		return nil
	}
	return libc.GoBytes(p, int(size))
}

func (r *rows) finalize() {
	r.c.finalize(r.stmt)
	r.stmt = 0
}

// end ends a statement that has no more rows.
func (r *rows) end() {
	// without triggers' and foreign keys' changes
	if sqlite3.Xsqlite3_total_changes(r.c.tls, r.c.db) != r.before {
		r.affected = int64(sqlite3.Xsqlite3_changes(r.c.tls, r.c.db))
	}
	r.finalize()
}

// Close implements [sqlmod.Rows].
func (r *rows) Close(context.Context) error {
	r.finalize()
	return nil
}
