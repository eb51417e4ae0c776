// Package sqlmod is the passthrough module sql: guests query databases over connections that the operator has
// defined. abi/SPEC.md describes it as a guest sees it.
//
// What keeps a guest within its policy:
//
//   - Deny by default: a connection has to be named in the module's policy, which lets it read. Changes need write.
//   - The guest names a connection and never sees its URL or its password, nor errors that have parts of them.
//   - The database itself keeps read-only statements from changing anything, in a transaction that is rolled back at its end,
//     and drivers let through no SQL that would end that transaction.
//   - A session is reset before another activity gets it: parameters, locks, temporary tables.
//   - Sizes are bounded before they get into memory, and what takes too long is canceled in the database too.
//
// The role that a connection has in the database is the outer bound: give each connection a role that may do no more
// than all of its modules need. Calls of functions are reading, whatever they do outside of transactions.
//
// Drivers are linked by importing them for their effect, as with database/sql:
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
	// URL says where the database is, without a password: postgres://app@db.example.com/orders (package postgres), or
	// sqlite:/var/lib/app.db (package sqlite). The packages say what else it may have. Required.
	URL string `yaml:"url" json:"url"`
	// Password is the name of a secret with the role's password, which does not belong into a file of settings. It is
	// read for each new connection to the database, so that it can be changed without a restart. Default: none is sent.
	Password string `yaml:"password" json:"password,omitempty"`
	// MaxOpen is the most sessions that the worker has in the database for this connection, between 1 and 1000.
	// Each cursor and each transaction of an activity has one; calls wait for one within their timeout. Raise it for more
	// activities at once, as far as the database allows. Modules that must not wait for each other need connections of their own. Default 10.
	MaxOpen int `yaml:"max_open" json:"max_open,omitempty"`
}

// DefaultMaxOpen is the default of [Connection].MaxOpen.
const DefaultMaxOpen = 10

// Options are what a module has. The zero value has no connections.
type Options struct {
	// Connections are the databases by the names that policies and guests use.
	Connections map[string]Connection
	// Secrets are what Connection.Password names. Default: none.
	Secrets *secretmod.Store
}

// New makes the passthrough module. Its policy is a [*Policy]. Nothing is connected before it is used. The error
// joins all that is wrong, each part with its place by [passthrough.At], relative to the map of connections, and without URLs.
//
// The module's Close waits for sessions that are being tidied up, some seconds at most, or until its context is done.
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
	case err != nil || u.Scheme == "": // whose text has the URL in it, and what is meant as a password
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
		return &database{name: name, driver: driver, maxOpen: cmp.Or(c.MaxOpen, DefaultMaxOpen)}, errors.Join(errs...)
	}
	return nil, errors.Join(errs...)
}

// hasPassword finds passwords where URLs of databases have them.
func hasPassword(u *url.URL) bool {
	_, has := u.User.Password()
	for key := range u.Query() {
		has = has || strings.Contains(strings.ToLower(key), "password")
	}
	return has
}

// check compares a policy with the connections that there are.
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

// close closes the connections, none of which is in use any more.
func (m *module) close(ctx context.Context) error {
	var errs []error
	for _, db := range m.databases {
		errs = append(errs, db.close(ctx))
	}
	return errors.Join(errs...)
}

// request is the head of any request.
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
	batchRows  = 1000    // of a batch, if the guest does not say
	batchBytes = 1 << 20 // beyond which a batch has no further row
)

// transaction is a session between begin and commit.
type transaction struct {
	name     string
	access   Access
	readOnly bool
	s        *session // nil: it has ended
	cursor   *cursor  // which is open, or nil
}

// Close implements [io.Closer], for the end of the activity.
func (t *transaction) Close() error {
	if t.s != nil {
		t.s.release()
		t.s, t.cursor = nil, nil
	}
	return nil
}

// cursor is a query that has rows left.
type cursor struct {
	name   string
	access Access
	s      *session     // nil: it has ended
	tx     *transaction // or nil: the session is the cursor's own
	commit bool         // at the end of the rows
	rows   Rows
	next   []any // a row that was read to see that there is one
	count  int64
}

// Close implements [io.Closer], for the end of the activity. A transaction of the guest's ends right after it.
func (c *cursor) Close() error {
	if c.s != nil && c.tx == nil {
		c.s.release()
	}
	c.s = nil
	return nil
}

// call is one call of a guest: what it may do, and how long that may take.
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

// fail makes of any error what the guest is told. What it says comes from the host or from the database, and holds nothing of the connection.
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

// reason says why a connection does not work, without where it goes to.
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

// decode reads a request. At most one of connection and transaction is there.
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

// running returns the transaction of a handle, if it can run a statement now.
func running(caller *passthrough.Call, handle uint32) (*transaction, error) {
	t, err := passthrough.Resource[*transaction](caller, handle)
	switch {
	case err != nil:
		return nil, err
	case t.cursor != nil:
		return nil, fmt.Errorf("%w: the transaction has a cursor open: close it, or fetch to its end", abi.EBUSY)
	}
	return t, nil
}

// query is wasmworker:sql/v1 query.
func (m *module) query(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	req, statement, err := decode(frame)
	if err != nil {
		return nil, err
	}
	c := &cursor{name: req.Connection}
	if req.Transaction != 0 {
		if c.tx, err = running(caller, req.Transaction); err != nil {
			return nil, err
		}
		c.name, c.access, c.s = c.tx.name, c.tx.access, c.tx.s
	} else if c.access, err = passthrough.PolicyOf[Policy](caller).check(req.Connection, false); err != nil {
		return nil, err
	}
	call := newCall(ctx, caller, c.name, c.access)
	defer call.cancel()
	if c.tx == nil {
		c.commit = c.access.Write
		if c.s, err = m.begun(call, TxOptions{ReadOnly: !c.access.Write, MayWrite: c.access.Write, Single: true}); err != nil {
			return nil, call.fail(err)
		}
	}
	kept := false
	defer func() {
		if !kept { // after an error or a panic; a cursor that has ended well does nothing more
			c.Close() //nolint:errcheck // it returns none
		}
	}()
	if c.rows, err = c.s.query(call, statement); err != nil {
		return nil, call.fail(err)
	}
	columns := slices.Clone(c.rows.Columns())
	if columns == nil {
		columns = []Column{}
	}
	return c.batch(call, req.MaxRows, result{Columns: columns}, func() (uint32, error) {
		handle, err := caller.Open(c)
		if kept = err == nil; kept && c.tx != nil {
			c.tx.cursor = c
		}
		return handle, err
	}, func() {})
}

// fetch is wasmworker:sql/v1 fetch.
func (m *module) fetch(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	req, _, err := decode(frame)
	if err != nil {
		return nil, err
	}
	c, err := openCursor(caller, req.Cursor)
	if err != nil {
		return nil, err
	}
	call := newCall(ctx, caller, c.name, c.access)
	defer call.cancel()
	return c.batch(call, req.MaxRows, result{}, func() (uint32, error) { return req.Cursor, nil }, func() {
		passthrough.CloseResource[*cursor](caller, req.Cursor) //nolint:errcheck // it has ended
	})
}

// openCursor returns the cursor of a handle.
func openCursor(caller *passthrough.Call, handle uint32) (*cursor, error) {
	c, err := passthrough.Resource[*cursor](caller, handle)
	if err == nil && (c.s == nil || c.tx != nil && c.tx.s == nil) {
		err = fmt.Errorf("%w: the transaction of the cursor has ended", abi.EBADF)
	}
	return c, err
}

// batch reads rows and makes a response of them. keep is called for a cursor that has more, and drop for one that has ended.
func (c *cursor) batch(call *call, most int64, head result, keep func() (uint32, error), drop func()) ([]byte, error) {
	b, more, err := c.read(call, most)
	if err == nil && more {
		head.Cursor, err = keep()
	} else {
		if end := c.end(call, err == nil); err == nil {
			err = end
		}
		drop()
	}
	if err != nil {
		return nil, call.fail(err)
	}
	head.Rows = b.json()
	return passthrough.EncodeFrame(head, b.body)
}

// read reads the rows of a batch, and tells whether there are more.
func (c *cursor) read(call *call, most int64) (b *batch, more bool, err error) {
	b = newBatch()
	for n := int64(0); ; n++ {
		row := c.next
		if c.next = nil; row == nil {
			row, err = c.rows.Next(call)
		}
		switch {
		case errors.Is(err, io.EOF):
			return b, false, nil
		case err != nil:
			return nil, false, err
		case n == most || b.size() >= batchBytes:
			c.next = row
			return b, true, nil
		}
		if c.count++; c.count > c.access.maxRows() {
			return nil, false, fmt.Errorf("%w: the query has more rows than max_rows of the sql policy, %d", abi.EMSGSIZE, c.access.maxRows())
		}
		if size := rowSize(row); size > c.access.maxRowBytes() {
			return nil, false, fmt.Errorf("%w: a row has %d bytes, and max_row_bytes of the sql policy is %d", abi.EMSGSIZE, size, c.access.maxRowBytes())
		}
		if err := b.add(row); err != nil {
			return nil, false, err
		}
	}
}

// end ends a cursor that was not ended before. What it has written is committed if the guest has its rows, or does not want them.
func (c *cursor) end(call *call, well bool) error {
	if c.s == nil {
		return nil
	}
	s := c.s
	c.s = nil
	if c.tx != nil {
		c.tx.cursor = nil
		return s.skip(call)
	}
	defer s.release()
	if !well || !c.commit {
		return nil // release rolls back, and nobody has to wait for that
	}
	if err := s.skip(call); err != nil {
		return err
	}
	return s.conn.End(call, true)
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
	case t == nil: // without a transaction, in which some statements cannot run
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

// begin is wasmworker:sql/v1 begin. A module that may only read gets a transaction that only reads.
func (m *module) begin(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	req, _, err := decode(frame)
	if err != nil {
		return nil, err
	}
	if err := checkIsolation(req.Isolation); err != nil {
		return nil, err
	}
	access, err := passthrough.PolicyOf[Policy](caller).check(req.Connection, false)
	if err != nil {
		return nil, err
	}
	t := &transaction{name: req.Connection, access: access, readOnly: req.ReadOnly || !access.Write}
	call := newCall(ctx, caller, t.name, access)
	defer call.cancel()
	if t.s, err = m.begun(call, TxOptions{ReadOnly: t.readOnly, MayWrite: access.Write, Isolation: req.Isolation}); err != nil {
		return nil, call.fail(err)
	}
	handle, err := caller.Open(t)
	if err != nil {
		return nil, err
	}
	return passthrough.EncodeFrame(map[string]uint32{"transaction": handle}, nil)
}

// commit is wasmworker:sql/v1 commit. Whatever comes of it, the transaction has ended then.
func (m *module) commit(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	req, _, err := decode(frame)
	if err != nil {
		return nil, err
	}
	t, err := running(caller, req.Transaction)
	if err != nil {
		return nil, err
	}
	defer passthrough.CloseResource[*transaction](caller, req.Transaction) //nolint:errcheck // there it is
	if t.readOnly {
		return nil, nil // there is nothing to commit, and rolling back takes back what does not count as writing too
	}
	call := newCall(ctx, caller, t.name, t.access)
	defer call.cancel()
	return nil, call.fail(t.s.conn.End(call, true))
}

// rollback is wasmworker:sql/v1 rollback. It works for any transaction, so it need not wait for the database.
func (m *module) rollback(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	req, _, err := decode(frame)
	if err != nil {
		return nil, err
	}
	return nil, passthrough.CloseResource[*transaction](caller, req.Transaction)
}

// closeCursor is wasmworker:sql/v1 close.
func (m *module) closeCursor(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	req, _, err := decode(frame)
	if err != nil {
		return nil, err
	}
	c, err := passthrough.Resource[*cursor](caller, req.Cursor)
	if err != nil {
		return nil, err
	}
	defer passthrough.CloseResource[*cursor](caller, req.Cursor) //nolint:errcheck // there it is
	if c.tx != nil && c.tx.s == nil {
		return nil, nil // it has ended with its transaction
	}
	call := newCall(ctx, caller, c.name, c.access)
	defer call.cancel()
	return nil, call.fail(c.end(call, true))
}
