// Package sqlmod is the passthrough module sql: guests query databases over connections
// that the operator has defined. abi/SPEC.md describes it as a guest sees it.
//
// These rules keep a guest within its policy:
//
//   - Deny by default: the module's policy must name a connection, which lets the module
//     read. Changes need write.
//   - The guest names a connection. It sees neither the connection's URL and password nor
//     errors that contain parts of them.
//   - The database itself keeps read-only statements from changing anything, in a
//     transaction that is rolled back at its end. Drivers refuse SQL that would end that
//     transaction.
//   - A session is reset before another activity gets it: parameters, locks, temporary
//     tables.
//   - Sizes are bounded before data gets into memory. A statement that takes too long is
//     canceled in the database too.
//
// The connection's role in the database is the outer bound. Give each connection a role
// that may do no more than its modules need together. A call of a database function
// counts as reading, whatever the function does outside of transactions.
//
// Importing a driver for its effect links it, as with database/sql:
//
//	import (
//		_ "github.com/wasmworker/wasmworker/contrib/postgres"
//		_ "github.com/wasmworker/wasmworker/contrib/sqlite"
//	)
package sqlmod

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/secretmod"
)

// Connection is a database that policies can name, as the operator defines it.
type Connection struct {
	// URL says where the database is, without a password:
	// postgres://app@db.example.com/orders (package postgres), or sqlite:/var/lib/app.db
	// (package sqlite). The packages say what else it may have. Required.
	URL string `yaml:"url" json:"url"`
	// Password is the name of a secret with the role's password, which does not belong
	// into a file of settings. It is read for each new connection to the database, so
	// that it can be changed without a restart. Default: none is sent.
	Password string `yaml:"password" json:"password,omitempty"`
	// MaxOpen is the most sessions that the worker has in the database for this
	// connection, between 1 and 1000. Each cursor and each transaction of an activity has
	// one; calls wait for one within their timeout. Raise it for more activities at once,
	// as far as the database allows. Modules that must not wait for each other need
	// connections of their own. Default 10.
	MaxOpen int `yaml:"max_open" json:"max_open,omitempty"`
	// MemoryLimit is the most memory that a database inside of the worker (SQLite) takes
	// for all sessions of this connection together, between 8 MiB and 64 GiB: caches,
	// statements, and what would be temporary files elsewhere. A statement beyond it
	// fails. Raise it for queries that sort much. Modules that must not take memory from
	// each other need connections of their own. Other databases have none. Default 256
	// MiB.
	MemoryLimit passthrough.Size `yaml:"memory_limit" json:"memory_limit,omitempty"`
}

// Defaults and bounds of [Connection].
const (
	DefaultMaxOpen     = 10
	DefaultMemoryLimit = 256 << 20

	minMemory, maxMemory = 8 << 20, 64 << 30
)

// Options are the options of the module. The zero value has no connections.
type Options struct {
	// Connections are the databases by the names that policies and guests use.
	Connections map[string]Connection
	// Secrets are the secrets that Connection.Password can name. Default: none.
	Secrets *secretmod.Store
}

// New returns the passthrough module. Its policy is a [*Policy]. New connects to nothing;
// the first use of a connection does. The error joins every mistake and contains no URL.
// The place of each mistake, by [passthrough.At], is relative to the map of connections.
//
// The module's Close waits a few seconds at most for sessions that are being reset, or
// until its context is done.
func New(options Options) (passthrough.Module, error) {
	m := &module{databases: map[string]*database{}}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(options.Connections)) {
		db, err := newDatabase(name, options.Connections[name], options.Secrets)
		if err != nil {
			errs = append(errs, passthrough.At(err, name))
			continue
		}
		m.databases[name] = db
	}
	if err := errors.Join(errs...); err != nil {
		return passthrough.Module{}, err
	}
	return passthrough.Module{
		Name: "sql",
		Functions: map[string]passthrough.Func{
			"query": m.query, "fetch": m.fetch, "exec": m.exec,
			"begin": m.begin, "commit": m.commit, "rollback": m.rollback, "close": m.closeCursor,
		},
		Policy: &Policy{},
		Check:  m.check,
		Close:  m.close,
	}, nil
}

type module struct{ databases map[string]*database }

func newDatabase(name string, c Connection, secrets *secretmod.Store) (*database, error) {
	var errs []error
	complain := func(field, format string, args ...any) {
		errs = append(errs, passthrough.At(fmt.Errorf(format, args...), field))
	}
	if name == "" {
		errs = append(errs, errors.New("the name of a connection is empty"))
	}
	if c.MaxOpen < 0 || c.MaxOpen > 1000 {
		complain("max_open", "%d is not between 1 and 1000", c.MaxOpen)
	}
	if n := int64(c.MemoryLimit); n != 0 && (n < minMemory || n > maxMemory) {
		complain("memory_limit", "%d is not between %d and %d bytes (8 MiB and 64 GiB)", n, minMemory, int64(maxMemory))
	}
	var password func() (string, error)
	if c.Password != "" {
		if err := secrets.Check(c.Password); err != nil {
			errs = append(errs, passthrough.At(err, "password"))
		}
		password = func() (string, error) {
			value, err := secrets.Value(c.Password)
			if err != nil {
				err = errSecret
			}
			return value, err
		}
	}
	u, err := url.Parse(c.URL)
	switch {
	case c.URL == "":
		complain("url", "it is missing; it says where the database is, such as postgres://app@db.example.com/orders")
	case err != nil || u.Scheme == "": // the text of err contains the URL, and perhaps a password
		complain("url", "it is not a URL such as postgres://app@db.example.com/orders")
	case hasPassword(u):
		complain("url", "it has a password; make a secret of that, and put the secret's name into password")
	default:
		open, err := driverOf(u.Scheme)
		var driver *Database
		if err == nil {
			driver, err = open(u, password)
		}
		if err != nil {
			errs = append(errs, passthrough.At(err, "url"))
			break
		}
		switch {
		case c.MemoryLimit == 0:
		case driver.LimitMemory == nil:
			complain("memory_limit", "it is for databases inside of the worker (SQLite), and %s has its memory elsewhere", u.Scheme)
		default:
			driver.LimitMemory(int64(c.MemoryLimit))
		}
		return &database{name: name, driver: driver, maxOpen: cmp.Or(c.MaxOpen, DefaultMaxOpen)}, errors.Join(errs...)
	}
	return nil, errors.Join(errs...)
}

// hasPassword reports whether the URL of a database has a password, as user information
// or as a parameter.
func hasPassword(u *url.URL) bool {
	_, has := u.User.Password()
	for key := range u.Query() {
		has = has || strings.Contains(strings.ToLower(key), "password")
	}
	return has
}

// check returns an error for each connection in a policy that does not exist.
func (m *module) check(policy any) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(policy.(*Policy).Connections)) {
		if m.databases[name] == nil {
			known := "the configuration has none"
			if len(m.databases) > 0 {
				known = "there are: " + strings.Join(slices.Sorted(maps.Keys(m.databases)), ", ")
			}
			errs = append(errs, passthrough.At(fmt.Errorf("there is no connection of that name; %s", known), "connections", name))
		}
	}
	return errors.Join(errs...)
}

// close closes the connections. None of them is in use any more.
func (m *module) close(ctx context.Context) error {
	var errs []error
	for _, db := range m.databases {
		errs = append(errs, db.close(ctx))
	}
	return errors.Join(errs...)
}

// request is the head of a request of any function.
type request struct {
	Connection  string            `json:"connection"`
	Transaction uint32            `json:"transaction"`
	Cursor      uint32            `json:"cursor"`
	SQL         string            `json:"sql"`
	Args        []json.RawMessage `json:"args"`
	MaxRows     int64             `json:"max_rows"`
	ReadOnly    bool              `json:"read_only"`
	Isolation   string            `json:"isolation"`
}

// result is the head of a response with rows.
type result struct {
	Columns []Column        `json:"columns,omitzero"`
	Rows    json.RawMessage `json:"rows"`
	Cursor  uint32          `json:"cursor,omitempty"`
}

const (
	batchRows  = 1000    // rows of a batch if the guest does not say
	batchBytes = 1 << 20 // bytes from which on a batch gets no further row
)

// call is one call of a guest, with its access and its deadline.
type call struct {
	context.Context
	outer  context.Context
	cancel context.CancelFunc
	access Access
	name   string // of the connection
	owner  *passthrough.Resources
}

func newCall(ctx context.Context, caller *passthrough.Call, name string, access Access) *call {
	limited, cancel := context.WithTimeout(ctx, access.timeout())
	return &call{limited, ctx, cancel, access, name, caller.Resources}
}

// fail converts an error to the one that the guest is told. Its text comes from the host
// or the database, and contains nothing of the connection.
func (c *call) fail(err error) error {
	if err == nil {
		return nil
	}
	if refusal, ok := errors.AsType[*RejectedError](err); ok {
		return passthrough.Deny(refusal.What+" on "+printable(c.name), "%s", refusal.Why)
	}
	if said, ok := errors.AsType[*Error](err); ok {
		return fmt.Errorf("%w: %s", abi.EIO, shorten(said.Error()))
	}
	if _, known := errors.AsType[abi.Errno](err); known {
		return err
	}
	switch {
	case c.outer.Err() != nil:
		return fmt.Errorf("%w: it was aborted with its activity", abi.ECANCELED)
	case c.Err() != nil:
		return fmt.Errorf("%w: it took more than the %s that the sql policy gives it with timeout", abi.ETIMEDOUT, c.access.timeout())
	}
	return fmt.Errorf("%w: the connection to the database is lost, or cannot be made: %s", abi.EIO, reason(err))
}

// reason returns why a connection does not work, without its address.
func reason(err error) string {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the name of its host cannot be resolved"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "its certificate cannot be verified"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		var inner error = op
		for next := errors.Unwrap(inner); next != nil; next = errors.Unwrap(inner) {
			inner = next
		}
		return op.Op + ": " + inner.Error()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "the database does not answer"
	}
	if errors.Is(err, errSecret) {
		return "its password cannot be read"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the database has closed it"
	}
	return "it does not work as it should"
}

func shorten(text string) string {
	if len(text) > 1000 {
		text = strings.ToValidUTF8(text[:1000], "") + "…"
	}
	return text
}

// decode reads a request. The error is EINVAL if it names both a connection and a
// transaction.
func decode(frame []byte) (*request, *Statement, error) {
	var req request
	body, err := passthrough.DecodeFrame(frame, &req)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case req.Connection != "" && req.Transaction != 0:
		return nil, nil, fmt.Errorf("%w: the request names a connection and a transaction, which has one already", abi.EINVAL)
	case req.MaxRows < 0:
		return nil, nil, fmt.Errorf("%w: max_rows is negative", abi.EINVAL)
	case strings.ContainsRune(req.SQL, 0):
		return nil, nil, fmt.Errorf("%w: the SQL has a NUL character", abi.EINVAL)
	}
	if req.MaxRows == 0 {
		req.MaxRows = batchRows
	}
	args, err := parseArgs(req.Args, body)
	if err != nil {
		return nil, nil, err
	}
	return &req, &Statement{SQL: req.SQL, Args: args}, nil
}

// exec is wasmworker:sql/v1 exec.
func (m *module) exec(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	req, statement, err := decode(frame)
	if err != nil {
		return nil, err
	}
	var t *transaction
	name := req.Connection
	if req.Transaction != 0 {
		if t, err = running(caller, req.Transaction); err != nil {
			return nil, err
		}
		name = t.name
	}
	access, err := passthrough.PolicyOf[Policy](caller).check(name, true)
	if err != nil {
		return nil, err
	}
	call := newCall(ctx, caller, name, access)
	defer call.cancel()
	var s *session
	switch {
	case t == nil: // no transaction is begun, because some statements cannot run in one
		if s, err = m.acquire(call); err != nil {
			return nil, call.fail(err)
		}
		defer s.release()
	case t.readOnly:
		return nil, passthrough.Deny(target(name, true), "the transaction was begun as one that only reads")
	default:
		s = t.s
	}
	rows, err := s.query(call, statement)
	if err == nil {
		if rows, ok := rows.(Expecting); ok {
			rows.Expect(math.MaxInt32)
		}
	}
	for err == nil {
		_, err = rows.Next(call)
	}
	if !errors.Is(err, io.EOF) {
		return nil, call.fail(err)
	}
	if err := s.skip(call); err != nil {
		return nil, call.fail(err)
	}
	return passthrough.EncodeFrame(map[string]int64{"rows_affected": rows.Affected()}, nil)
}
