package sqlite

import (
	"context"
	"fmt"
	"io"
	"strings"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough/sqlmod"
)

// What is read at once, where the reader wants as many rows.
const (
	mostRows  = 64
	mostBytes = 64 << 10
)

// rows are a statement.
type rows struct {
	c        *conn
	stmt     uintptr // 0: it has ended
	columns  []sqlmod.Column
	expected int // rows that the reader wants next
	page     *page
	before   int32
}

// page is what the runner has read. It belongs to the runner until that is done.
type page struct {
	columns  []sqlmod.Column // of the first page
	rows     [][]any
	ended    bool // the statement, after these rows
	affected int64
	err      error // after these rows
}

// begin binds the parameters and runs the statement to its first row.
func (r *rows) begin(ctx context.Context, args []any) error {
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
	if err := r.load(ctx, 1, true); err != nil {
		return err
	}
	r.columns = r.page.columns
	if len(r.page.rows) == 0 {
		return r.page.err
	}
	return nil
}

// load reads the next page.
func (r *rows) load(ctx context.Context, most int, first bool) error {
	p, stmt := &page{}, r.stmt
	if err := r.c.do(ctx, func() { r.read(ctx, stmt, p, most, first) }); err != nil {
		return err
	}
	if r.page = p; p.ended {
		r.stmt = 0
	} else if r.c.interrupted {
		// It has come to its end first, and the next step, of another call with time of its
		// own, would not.
		r.finalize(context.WithoutCancel(ctx))
		return ctx.Err()
	}
	return nil
}

// read fills a page, on the runner.
func (r *rows) read(ctx context.Context, stmt uintptr, p *page, most int, first bool) {
	c := r.c
	for size := 0; len(p.rows) < most && size < mostBytes; first = false {
		more, err := c.step(ctx, stmt, first)
		n := sqlite3.Xsqlite3_column_count(c.tls, stmt)
		if first && err == nil {
			// Only now: the first step compiles the statement again if another
			// connection has changed the schema since this one read it.
			p.columns = c.columns(stmt, n)
		}
		if !more {
			// without triggers' and foreign keys' changes
			if err == nil && sqlite3.Xsqlite3_total_changes(c.tls, c.db) != r.before {
				p.affected = int64(sqlite3.Xsqlite3_changes(c.tls, c.db))
			}
			p.ended, p.err = true, err
			c.end(stmt)
			return
		}
		row := make([]any, n)
		for i := range row {
			row[i] = r.value(stmt, int32(i))
			switch value := row[i].(type) {
			case string:
				size += len(value)
			case []byte:
				size += len(value)
			}
		}
		p.rows = append(p.rows, row)
	}
}

func (c *conn) columns(stmt uintptr, n int32) (columns []sqlmod.Column) {
	for i := range n {
		columns = append(columns, sqlmod.Column{
			Name: strings.ToValidUTF8(libc.GoString(sqlite3.Xsqlite3_column_name(c.tls, stmt, i)), "\ufffd"),
			Type: strings.ToUpper(strings.ToValidUTF8(libc.GoString(sqlite3.Xsqlite3_column_decltype(c.tls, stmt, i)), "\ufffd")),
		})
	}
	return columns
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
func (r *rows) Affected() int64 { return r.page.affected }

// Expect implements [sqlmod.Expecting].
func (r *rows) Expect(rows int) { r.expected = rows }

// Next implements [sqlmod.Rows].
func (r *rows) Next(ctx context.Context) ([]any, error) {
	for len(r.page.rows) == 0 {
		if r.stmt == 0 {
			if r.page.err != nil {
				return nil, r.page.err
			}
			return nil, io.EOF
		}
		if err := r.load(ctx, max(1, min(r.expected, mostRows)), false); err != nil {
			r.stmt = 0
			return nil, err
		}
	}
	row := r.page.rows[0]
	r.page.rows[0], r.page.rows = nil, r.page.rows[1:]
	r.expected--
	return row, nil
}

func (r *rows) value(stmt uintptr, i int32) any {
	tls := r.c.tls
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

func (r *rows) finalize(ctx context.Context) {
	r.c.finalize(ctx, r.stmt)
	r.stmt, r.page = 0, &page{}
}

// Close implements [sqlmod.Rows].
func (r *rows) Close(ctx context.Context) error {
	if r.stmt != 0 {
		r.finalize(ctx)
	}
	if r.c.lost {
		return errLost
	}
	return nil
}
