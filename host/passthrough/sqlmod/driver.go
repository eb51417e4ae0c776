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

// Open is a driver: it checks the URL of a connection and says how to connect. It does
// not connect itself. The password is a function, or nil where the operator configured
// none, so that each connection finds the password of its time. Errors must not hold the
// URL.
type Open func(u *url.URL, password func() (string, error)) (*Database, error)

// Database is how to connect to a database.
type Database struct {
	// Connect makes a physical connection. It may be called concurrently.
	Connect func(ctx context.Context) (Conn, error)
	// Single is for a database that lives in its one connection, which must not be closed
	// before the worker ends.
	Single bool
	// LimitMemory is there if the database runs inside of the worker: it sets how many
	// bytes all its sessions may have at once, for statements that begin later. Without a
	// call it is [DefaultMemoryLimit].
	LimitMemory func(bytes int64)
}

// Conn is a physical connection. It belongs to one goroutine at a time, and serves one
// transaction and one statement at a time. Its methods return soon after ctx is done.
// What ended that way, or with an error that is none of those below, has left it in no
// known state, and all but Close must fail from then on.
//
// Errors that the guest is told about are [*Error], [*RejectedError], and those that wrap
// an [abi.Errno]. Any other is taken for a lost connection.
type Conn interface {
	// Begin begins a transaction.
	Begin(ctx context.Context, options TxOptions) error
	// End ends the transaction and undoes its work unless commit is true. Without a
	// transaction it does nothing.
	End(ctx context.Context, commit bool) error
	// Query runs a statement: the one that the text has, and no text with more than one.
	// Without a transaction the database commits it when its rows are at their end.
	Query(ctx context.Context, s *Statement) (Rows, error)
	// Reset takes back what guests have set for the session, such as parameters, locks
	// and temporary tables, and finds out whether the database still answers. There is no
	// transaction then.
	Reset(ctx context.Context) error
	// Close closes the connection, and stops what still runs in the database. It takes a
	// few seconds at most.
	Close() error
}

// TxOptions are how a transaction is begun.
type TxOptions struct {
	// ReadOnly is a promise to the operator: the guest must find no way to change
	// anything then. It is no more than a wish of the guest's own if MayWrite is set.
	ReadOnly, MayWrite bool
	// Isolation is empty, "read committed", "repeatable read" or "serializable": at least
	// that much.
	Isolation string
	// Single says that it is for one statement.
	Single bool
}

// Statement is what a guest wants to run.
type Statement struct {
	SQL string // without NUL
	// Args are nil, bool, int64, float64, string or []byte.
	Args []any
	// MaxRow is about how many bytes of a row may get into memory; a larger row is
	// EMSGSIZE.
	MaxRow int
}

// Column is a column of a result.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"` // in the database's words, in upper case; empty where it has none
}

// Rows are the result of a statement. Only one method of the connection may be used
// before they are at their end or closed: its Close.
type Rows interface {
	// Columns are the columns. The caller does not change them.
	Columns() []Column
	// Next returns a row, which is the caller's: nil, bool, int64, float64, string and
	// []byte. io.EOF: there are no more.
	Next(ctx context.Context) ([]any, error)
	// Affected is how many rows the statement changed. It is known at the rows' end.
	Affected() int64
	// Close skips the other rows. Closing twice does nothing.
	Close(ctx context.Context) error
}

// Expecting is for [Rows] that read several rows at once if they know how many the caller
// goes on to read.
type Expecting interface {
	// Expect says that at least so many calls of Next follow, unless the rows end before.
	Expect(rows int)
}

// Error is an error that the database has reported. It must hold nothing about the
// connection, and no rows.
type Error struct {
	Code    string // SQLSTATE, or empty
	Message string
}

// Error is what the guest is told.
func (e *Error) Error() string {
	if e.Code == "" {
		return e.Message
	}
	return e.Code + ": " + e.Message
}

// RejectedError is the error for SQL that no policy lets through, or none without write.
type RejectedError struct {
	What string // such as "COMMIT": the operator reads it, so it must be a word of the driver's own
	Why  string
}

// Error says what was refused and why.
func (r *RejectedError) Error() string { return r.What + ": " + r.Why }

var drivers = struct {
	sync.RWMutex
	byScheme map[string]Open
}{byScheme: map[string]Open{}}

// imports are the packages to import for the drivers that come with wasmworker.
var imports = map[string]string{
	"postgres":   "github.com/wasmworker/wasmworker/contrib/postgres",
	"postgresql": "github.com/wasmworker/wasmworker/contrib/postgres",
	"sqlite":     "github.com/wasmworker/wasmworker/contrib/sqlite",
}

// Register makes a driver known by the schemes of its URLs. Packages of drivers call it
// when they are initialized. It panics if a scheme has a driver already.
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
