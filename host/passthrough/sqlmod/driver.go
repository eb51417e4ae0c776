package sqlmod

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Open is a driver. It checks the URL of a connection and returns how to connect; it does
// not connect itself. The password is nil if the operator configured none. It is a
// function so that each new connection reads the current password. Errors must not
// contain the URL.
type Open func(u *url.URL, password func() (string, error)) (*Database, error)

// Database describes how to connect to a database.
type Database struct {
	// Connect makes a physical connection. It may be called concurrently. Required.
	Connect func(ctx context.Context) (Conn, error)
	// Single means that the database lives in its one connection, which must not be
	// closed before the worker ends. Default: false.
	Single bool
	// LimitMemory sets how many bytes all sessions of the database may have at once. It
	// holds for statements that begin later. Without a call the limit is
	// [DefaultMemoryLimit]. It is nil if the database runs outside of the worker.
	LimitMemory func(bytes int64)
}

// Conn is a physical connection. It belongs to one goroutine at a time, and serves one
// transaction and one statement at a time.
//
// Its methods return soon after ctx is done. A method that ended because of ctx, or with
// an error not listed below, leaves the connection in an unknown state. Every method but
// Close must fail from then on.
//
// A guest is told of an [*Error], a [*RejectedError], and an error that wraps an
// [abi.Errno]. Any other error counts as a lost connection.
type Conn interface {
	// Begin begins a transaction.
	Begin(ctx context.Context, options TxOptions) error
	// End ends the transaction. It commits if commit is true, and rolls back otherwise.
	// Without a transaction it does nothing.
	End(ctx context.Context, commit bool) error
	// Query runs the one statement of a text. It refuses a text with more than one.
	// Without a transaction, the database commits the statement at the end of its rows.
	Query(ctx context.Context, s *Statement) (Rows, error)
	// Reset undoes what guests have set for the session, such as parameters, locks and
	// temporary tables. It fails if the database no longer answers. It is called outside
	// of transactions.
	Reset(ctx context.Context) error
	// Close closes the connection, and stops statements that still run in the database.
	// It blocks for a few seconds at most.
	Close() error
}

// TxOptions are the options of a transaction.
type TxOptions struct {
	// ReadOnly means that the transaction only reads. Without MayWrite it is a promise to
	// the operator: the guest must find no way to change anything. With MayWrite it is
	// only the guest's own wish.
	ReadOnly, MayWrite bool
	// Isolation is empty, "read committed", "repeatable read" or "serializable". The
	// transaction is isolated at least that much. Empty means the database's default.
	Isolation string
	// Single means that the transaction is for one statement.
	Single bool
}

// Statement is a statement that a guest wants to run.
type Statement struct {
	SQL string // without NUL
	// Args are the arguments, each nil, bool, int64, float64, string or []byte.
	Args []any
	// MaxRow is about how many bytes a row may have in memory. A larger row is an error
	// that wraps EMSGSIZE.
	MaxRow int
}

// Column is a column of a result.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"` // the database's name of the type, in upper case, or empty
}

// Rows are the result of a statement. Until they are at their end or closed, Close is the
// only method of their connection that may be called.
type Rows interface {
	// Columns returns the columns. The caller must not change them.
	Columns() []Column
	// Next returns the next row, which is the caller's. Its values are nil, bool, int64,
	// float64, string or []byte. The error is io.EOF after the last row.
	Next(ctx context.Context) ([]any, error)
	// Affected returns how many rows the statement changed. It is known once Next has
	// returned io.EOF.
	Affected() int64
	// Close skips the remaining rows. A second call does nothing.
	Close(ctx context.Context) error
}

// Expecting is implemented by [Rows] that can read several rows at once if they know how
// many the caller will read.
type Expecting interface {
	// Expect announces at least that many calls of Next, unless the rows end before.
	Expect(rows int)
}

// Error is an error that the database reported. It must contain nothing about the
// connection, and no rows.
type Error struct {
	Code    string // SQLSTATE, or empty
	Message string
}

// Error returns the text that the guest is told.
func (e *Error) Error() string {
	if e.Code == "" {
		return e.Message
	}
	return e.Code + ": " + e.Message
}

// RejectedError is the error for SQL that no policy allows, or none without write.
type RejectedError struct {
	What string // such as "COMMIT"; the operator reads it, so it must not be the guest's text
	Why  string
}

// Error says what was refused and why.
func (r *RejectedError) Error() string { return r.What + ": " + r.Why }

var drivers = struct {
	sync.RWMutex
	byScheme map[string]Open
}{byScheme: map[string]Open{}}

// imports are the packages of the drivers that come with wasmworker, by scheme.
var imports = map[string]string{
	"postgres":   "github.com/wasmworker/wasmworker/contrib/postgres",
	"postgresql": "github.com/wasmworker/wasmworker/contrib/postgres",
	"sqlite":     "github.com/wasmworker/wasmworker/contrib/sqlite",
}

// Register makes a driver known by the schemes of its URLs. A driver's package calls it
// in its initialization. It panics if a scheme already has a driver. It may be called
// concurrently.
func Register(open Open, schemes ...string) {
	drivers.Lock()
	defer drivers.Unlock()
	for _, scheme := range schemes {
		if drivers.byScheme[scheme] != nil {
			panic("sql: the scheme " + scheme + " has a driver already")
		}
		drivers.byScheme[scheme] = open
	}
}

func driverOf(scheme string) (Open, error) {
	drivers.RLock()
	defer drivers.RUnlock()
	if open := drivers.byScheme[scheme]; open != nil {
		return open, nil
	}
	if path := imports[scheme]; path != "" {
		return nil, fmt.Errorf("this program has no driver for %s: it has to import _ %q", scheme, path)
	}
	known := "none is linked into this program"
	if len(drivers.byScheme) > 0 {
		known = "there are: " + strings.Join(slices.Sorted(maps.Keys(drivers.byScheme)), ", ")
	}
	return nil, fmt.Errorf("there is no driver for the scheme %q; %s", scheme, known)
}
