// Package database is a driver of database/sql for the host module wasmworker:sql/v1. A
// module that uses this package needs the grant of sql, and the operator's policy has to
// name the connections that it may use.
//
//	var db = database.Open("warehouse")
//
//	rows, err := db.QueryContext(ctx, "SELECT id, name FROM customers WHERE country = $1", "NO")
//
// The host has the connections, with their addresses and passwords, and the module has a
// name. What database/sql pools here costs nothing. Rows come in batches, transactions
// are rolled back unless they are committed, and what is still open when the activity
// ends is closed.
//
// Parameters have the database's own notation: $1 for PostgreSQL, ? or ?1 for SQLite.
// There are no named ones. Times are sent as text in RFC 3339; all other arguments as
// what they are. One statement per call; BEGIN and its like are denied: use BeginTx, with
// sql.LevelDefault, LevelReadCommitted, LevelRepeatableRead or LevelSerializable.
//
// Columns arrive as int64, float64, bool, string, []byte, time.Time (of types that are
// dates and times) or nil; decimals, UUIDs, JSON and arrays as a string, in the
// database's own form. LastInsertId is not available.
//
// While one call waits for the database, the whole instance does, all goroutines
// included. The operator's policy limits the time; the context of a call is looked at
// before it, and its cancellation does not interrupt it. Errors are *passthrough.Error:
//
//	EACCES      the policy denies it: the connection, writing, or SQL that leaves the transaction or the database
//	EINVAL      the request is not valid
//	EBUSY       the transaction has rows open: read them to their end, or close them
//	EMFILE      256 rows and transactions are open
//	EMSGSIZE    a row, or all rows, are larger than the policy allows; or the statement with its arguments, other than bytes, has more than 1 MiB
//	ETIMEDOUT   the statement took longer than the policy allows
//	ECANCELED   the activity was interrupted
//	EIO         the database says no, and the message begins with its SQLSTATE if it has one; or it cannot be reached
//
// A statement that ended with one of the last three may have been carried out.
package database

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/host"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough"
)

// Open returns the database of a connection that the operator has defined. It does not
// connect, so it can be the value of a global variable: whether there is such a
// connection shows at the first call.
func Open(connection string) *sql.DB { return sql.OpenDB(Connector{Connection: connection}) }

// Connector is for sql.OpenDB, where the defaults of Open are not the right ones.
type Connector struct {
	// Connection is the operator's name for it.
	Connection string
	// BatchRows is how many rows the host sends at once, and the module holds: less for
	// large rows and little memory. A batch also ends once it has 1 MiB. Default 1000.
	BatchRows int
}

// Connect implements driver.Connector.
func (c Connector) Connect(context.Context) (driver.Conn, error) { return &conn{Connector: c}, nil }

// Driver implements driver.Connector.
func (c Connector) Driver() driver.Driver { return opener{} }

type opener struct{}

func (opener) Open(connection string) (driver.Conn, error) {
	return Connector{Connection: connection}.Connect(context.Background())
}

// conn is what database/sql takes for a connection: a name, and a transaction while there
// is one.
type conn struct {
	Connector
	tx   host.Handle
	inTx bool
}

var (
	errNamed  = errors.New("there are no named arguments; give them in their order")
	errClosed = &passthrough.Error{Errno: passthrough.EBADF, Message: "its activity is over"}
)

// statement is the request of query and exec.
type statement struct {
	Connection  string            `json:"connection,omitempty"`
	Transaction uint32            `json:"transaction,omitempty"`
	SQL         string            `json:"sql"`
	Args        []json.RawMessage `json:"args,omitempty"`
	MaxRows     int               `json:"max_rows,omitempty"`
}

func (c *conn) statement(query string, args []driver.NamedValue) (s statement, body []byte, err error) {
	if !utf8.ValidString(query) {
		return s, nil, &passthrough.Error{Errno: passthrough.EINVAL, Message: "the statement is not UTF-8"}
	}
	s = statement{Connection: c.Connection, SQL: query}
	if c.inTx {
		number, ok := c.tx.Number()
		if !ok {
			return s, nil, errClosed
		}
		s.Connection, s.Transaction = "", number
	}
	for _, a := range args {
		if a.Name != "" {
			return s, nil, errNamed
		}
		var text []byte
		if text, body, err = appendArg(body, a.Value); err != nil {
			return s, nil, fmt.Errorf("argument %d: %w", a.Ordinal, err)
		}
		s.Args = append(s.Args, text)
	}
	return s, body, nil
}

// appendArg encodes an argument. Bytes become a part of the body.
func appendArg(body []byte, value driver.Value) (text, grown []byte, err error) {
	switch v := value.(type) {
	case []byte:
		if v == nil {
			return []byte("null"), body, nil
		}
		return fmt.Appendf(nil, `{"bytes":[%d,%d]}`, len(body), len(v)), append(body, v...), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, nil, errors.New("JSON has no such number; a database that has one reads it as text, such as NaN")
		}
		text = strconv.AppendFloat(nil, v, 'g', -1, 64)
		if !strings.ContainsAny(string(text), ".e") { // it would be a whole number
			text = append(text, ".0"...)
		}
		return text, body, nil
	case time.Time:
		value = v.Format(time.RFC3339Nano)
	case string:
		if !utf8.ValidString(v) {
			return nil, nil, errors.New("the text is not UTF-8; give it as []byte")
		}
	}
	text, err = json.Marshal(value)
	return text, body, err
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, body, err := c.statement(query, args)
	if err != nil {
		return nil, err
	}
	s.MaxRows = c.BatchRows
	r := &rows{maxRows: c.BatchRows}
	return r, r.get(hostQuery, s, body)
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, body, err := c.statement(query, args)
	if err != nil {
		return nil, err
	}
	var result struct {
		Affected int64 `json:"rows_affected"`
	}
	_, err = passthrough.CallFrame(hostExec, s, body, &result)
	return driver.RowsAffected(result.Affected), err
}

// BeginTx implements driver.ConnBeginTx.
func (c *conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	isolation := sql.IsolationLevel(options.Isolation)
	switch isolation {
	case sql.LevelDefault, sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable:
	default:
		return nil, &passthrough.Error{Errno: passthrough.EINVAL, Message: "there is no isolation level " + isolation.String()}
	}
	head := struct {
		Connection string `json:"connection"`
		ReadOnly   bool   `json:"read_only,omitempty"`
		Isolation  string `json:"isolation,omitempty"`
	}{Connection: c.Connection, ReadOnly: options.ReadOnly}
	if isolation != sql.LevelDefault {
		head.Isolation = strings.ToLower(isolation.String())
	}
	var begun struct {
		Transaction uint32 `json:"transaction"`
	}
	if _, err := passthrough.CallFrame(hostBegin, head, nil, &begun); err != nil {
		return nil, err
	}
	c.tx, c.inTx = host.NewHandle(begun.Transaction), true
	return transaction{c}, nil
}

// Begin, Prepare and Close implement driver.Conn.
func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}
func (c *conn) Prepare(query string) (driver.Stmt, error) { return prepared{c, query}, nil }
func (c *conn) Close() error {
	if !c.inTx {
		return nil
	}
	return transaction{c}.Rollback()
}

// transaction is the one that its connection has.
type transaction struct{ c *conn }

func (t transaction) Commit() error { return t.end(hostCommit) }

func (t transaction) Rollback() error {
	if _, ok := t.c.tx.Number(); !ok { // it ended with its activity
		t.c.inTx = false
		return nil
	}
	return t.end(hostRollback)
}

func (t transaction) end(fn passthrough.Func) error {
	number, ok := t.c.tx.Number()
	t.c.tx, t.c.inTx = host.Handle{}, false
	if !ok {
		return errClosed
	}
	_, err := passthrough.CallFrame(fn, map[string]uint32{"transaction": number}, nil, nil)
	return err
}

// prepared is a statement that is sent as a whole each time.
type prepared struct {
	c     *conn
	query string
}

func (p prepared) Close() error  { return nil }
func (p prepared) NumInput() int { return -1 } // the database knows

func (p prepared) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return p.c.ExecContext(ctx, p.query, args)
}

func (p prepared) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return p.c.QueryContext(ctx, p.query, args)
}

// Exec and Query are for versions of database/sql before contexts, and never called.
func (p prepared) Exec([]driver.Value) (driver.Result, error) { return nil, driver.ErrSkip }
func (p prepared) Query([]driver.Value) (driver.Rows, error)  { return nil, driver.ErrSkip }

// rows are the rows of a query, of which one batch is here.
type rows struct {
	maxRows int
	columns []column
	batch   [][]value
	body    []byte
	cursor  host.Handle // of the rest
}

type column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// get has the host run the query, or fetch the next batch.
func (r *rows) get(fn passthrough.Func, head any, body []byte) error {
	var answer struct {
		Columns []column  `json:"columns"`
		Rows    [][]value `json:"rows"`
		Cursor  uint32    `json:"cursor"`
	}
	body, err := passthrough.CallFrame(fn, head, body, &answer)
	if err != nil {
		return err
	}
	if answer.Columns != nil {
		r.columns = answer.Columns
	}
	r.batch, r.body, r.cursor = answer.Rows, body, host.NewHandle(answer.Cursor)
	return nil
}

// Columns implements driver.Rows.
func (r *rows) Columns() []string {
	names := make([]string, len(r.columns))
	for i, c := range r.columns {
		names[i] = c.Name
	}
	return names
}

// ColumnTypeDatabaseTypeName implements driver.RowsColumnTypeDatabaseTypeName.
func (r *rows) ColumnTypeDatabaseTypeName(i int) string { return r.columns[i].Type }

// Next implements driver.Rows.
func (r *rows) Next(dest []driver.Value) error {
	for len(r.batch) == 0 {
		if r.cursor == (host.Handle{}) {
			return io.EOF
		}
		number, ok := r.cursor.Number()
		if !ok {
			return errClosed
		}
		if err := r.get(hostFetch, map[string]any{"cursor": number, "max_rows": cmp.Or(r.maxRows, 1000)}, nil); err != nil {
			return err
		}
	}
	row := r.batch[0]
	r.batch = r.batch[1:]
	if len(row) != len(r.columns) {
		return &passthrough.Error{Errno: passthrough.EIO, Message: fmt.Sprintf("a row has %d values, and there are %d columns", len(row), len(r.columns))}
	}
	for i, v := range row {
		var err error
		if dest[i], err = v.of(r.columns[i].Type, r.body); err != nil {
			return err
		}
	}
	return nil
}

// Close implements driver.Rows.
func (r *rows) Close() error {
	number, ok := r.cursor.Number()
	r.cursor, r.batch, r.body = host.Handle{}, nil, nil
	if !ok {
		return nil
	}
	_, err := passthrough.CallFrame(hostClose, map[string]uint32{"cursor": number}, nil, nil)
	if errors.Is(err, passthrough.EBADF) { // an error of fetch has ended it
		return nil
	}
	return err
}

// value is a value in a row.
type value struct {
	scalar any     // nil, bool, string, json.Number
	bytes  *[2]int // a part of the body
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *value) UnmarshalJSON(text []byte) error {
	switch text[0] {
	case '{':
		var object struct {
			Bytes *[2]int `json:"bytes"`
		}
		err := json.Unmarshal(text, &object)
		v.bytes = object.Bytes
		return err
	case '"', 'n', 't', 'f':
		return json.Unmarshal(text, &v.scalar)
	}
	v.scalar = json.Number(text)
	return nil
}

// of returns what database/sql gets of a column of a type.
func (v value) of(kind string, body []byte) (driver.Value, error) {
	if v.bytes != nil {
		offset, length := v.bytes[0], v.bytes[1]
		if offset < 0 || length < 0 || offset > len(body) || length > len(body)-offset {
			return nil, &passthrough.Error{Errno: passthrough.EIO, Message: "a row has bytes that are not in the response"}
		}
		return body[offset : offset+length : offset+length], nil
	}
	kind = strings.ToUpper(kind)
	switch s := v.scalar.(type) {
	case json.Number:
		if isFloat(kind) || strings.ContainsAny(string(s), ".eE") {
			return s.Float64()
		}
		if n, err := s.Int64(); err == nil {
			return n, nil
		}
		return string(s), nil
	case string:
		if isFloat(kind) {
			if f, err := strconv.ParseFloat(s, 64); err == nil { // NaN, Infinity
				return f, nil
			}
		}
		if strings.HasPrefix(kind, "TIMESTAMP") || kind == "DATETIME" || kind == "DATE" {
			for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateOnly} {
				if t, err := time.Parse(layout, s); err == nil {
					return t, nil
				}
			}
		}
	}
	return v.scalar, nil
}

// isFloat tells whether a type is floating point, as PostgreSQL and SQLite name it.
func isFloat(kind string) bool {
	return strings.HasPrefix(kind, "FLOAT") || strings.HasPrefix(kind, "DOUBLE") || kind == "REAL"
}
