package sqlmod

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

const (
	connectTime = 15 * time.Second // most time for making a physical connection
	tidyTime    = 5 * time.Second  // most time for resetting a session; then it is closed
	idleTime    = 5 * time.Minute  // then an idle connection is closed
	// A connection is replaced after this time, so that a changed password takes effect.
	maxLifetime  = 30 * time.Minute
	trustedBreak = time.Second // how long a connection that answered needs no further check
)

// errSecret replaces the errors of reading a password, because they name its source.
var errSecret = errors.New("the secret cannot be read")

// database is a connection that the operator defined, with its sessions.
type database struct {
	name    string
	driver  *Database
	maxOpen int

	mu      sync.Mutex
	pool    *sql.DB                        // made by the first use
	held    map[*passthrough.Resources]int // number of sessions of each activity
	tidying sync.WaitGroup
}

// connector makes connections for the pool of database/sql. Only the pool is used. Its
// interface for statements has no place for limits, and does not say what becomes of a
// text with several statements.
type connector struct{ *database }

// Connect implements [driver.Connector].
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	conn, err := c.driver.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &pooled{conn: conn, checked: time.Now()}, nil
}

// Driver implements [driver.Connector].
func (c connector) Driver() driver.Driver { return nil }

// pooled is a connection in the pool.
type pooled struct {
	conn    Conn
	broken  bool
	checked time.Time // when the database last answered on it
}

var errUnused = errors.New("sql: the pool is used for connections alone")

// Prepare implements [driver.Conn].
func (p *pooled) Prepare(string) (driver.Stmt, error) { return nil, errUnused }

// Begin implements [driver.Conn].
func (p *pooled) Begin() (driver.Tx, error) { return nil, errUnused }

// Close implements [driver.Conn].
func (p *pooled) Close() error { return p.conn.Close() }

// IsValid implements [driver.Validator].
func (p *pooled) IsValid() bool { return !p.broken }

// ResetSession implements [driver.SessionResetter]. The session was reset when it was
// released, so this only checks that the database still answers. It does nothing if that
// was seen within trustedBreak.
func (p *pooled) ResetSession(ctx context.Context) error {
	if time.Since(p.checked) < trustedBreak {
		return nil
	}
	if err := p.conn.Reset(ctx); err != nil {
		p.broken = true
		return driver.ErrBadConn // the pool then tries another connection
	}
	p.checked = time.Now()
	return nil
}

// open returns the pool, and makes it if there is none. The caller holds mu.
func (db *database) open() *sql.DB {
	if db.pool == nil {
		db.pool = sql.OpenDB(connector{db})
		db.pool.SetMaxOpenConns(db.maxOpen)
		db.pool.SetMaxIdleConns(db.maxOpen)
		db.pool.SetConnMaxIdleTime(idleTime)
		db.pool.SetConnMaxLifetime(maxLifetime)
		if db.driver.Single {
			db.pool.SetMaxOpenConns(1)
			db.pool.SetMaxIdleConns(1)
			db.pool.SetConnMaxIdleTime(0)
			db.pool.SetConnMaxLifetime(0)
		}
	}
	return db.pool
}

// hold counts a session for an activity and returns the pool. The error is EMFILE if the
// activity has all sessions, because it would wait for itself.
func (db *database) hold(owner *passthrough.Resources) (*sql.DB, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	pool := db.open()
	if most := pool.Stats().MaxOpenConnections; db.held[owner] >= most {
		return nil, fmt.Errorf("%w: the activity has all %d sessions of the connection (max_open) in its cursors and transactions: end some", abi.EMFILE, most)
	}
	if db.held == nil {
		db.held = map[*passthrough.Resources]int{}
	}
	db.held[owner]++
	return pool, nil
}

func (db *database) unhold(owner *passthrough.Resources) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.held[owner]--; db.held[owner] <= 0 {
		delete(db.held, owner)
	}
}

// close closes the pool. It waits until released sessions are back in the pool, or until
// ctx is done.
func (db *database) close(ctx context.Context) error {
	tidy := make(chan struct{})
	go func() {
		db.tidying.Wait()
		close(tidy)
	}()
	var err error
	select {
	case <-tidy:
	case <-ctx.Done():
		err = fmt.Errorf("connection %s: sessions are still being closed: %w", db.name, ctx.Err())
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.pool != nil {
		err = errors.Join(err, db.pool.Close())
	}
	return err
}

// session is a physical connection that an activity has.
type session struct {
	db    *database
	owner *passthrough.Resources
	lease *sql.Conn
	// Only closing the lease returns it to the pool. Nobody else has it until then.
	*pooled
	rows Rows // of the latest statement; nil if there is none to skip
}

// acquire takes a connection from the pool, or makes one. It blocks until there is one or
// the call ends. The caller releases the session.
func (m *module) acquire(call *call) (*session, error) {
	db := m.databases[call.name]
	if db == nil { // the policy was not checked
		return nil, fmt.Errorf("%w: there is no such connection", abi.EINVAL)
	}
	s := &session{db: db, owner: call.owner}
	pool, err := db.hold(s.owner)
	if err != nil {
		return nil, err
	}
	if s.lease, err = pool.Conn(call); err == nil {
		err = s.lease.Raw(func(conn any) error {
			s.pooled = conn.(*pooled)
			return nil
		})
	}
	if err != nil {
		db.unhold(s.owner)
		return nil, err
	}
	return s, nil
}

// begun acquires a session and begins a transaction in it.
func (m *module) begun(call *call, options TxOptions) (*session, error) {
	s, err := m.acquire(call)
	if err != nil {
		return nil, err
	}
	if err := s.conn.Begin(call, options); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

// query runs a statement, after skipping the rest of the one before.
func (s *session) query(call *call, statement *Statement) (Rows, error) {
	if err := s.skip(call); err != nil {
		return nil, err
	}
	statement.MaxRow = call.access.maxRowBytes()
	rows, err := s.conn.Query(call, statement)
	if err != nil {
		return nil, err
	}
	s.rows = rows
	return rows, nil
}

// skip skips the remaining rows of the latest statement.
func (s *session) skip(ctx context.Context) error {
	if s.rows == nil {
		return nil
	}
	rows := s.rows
	s.rows = nil
	return rows.Close(ctx)
}

// release rolls back the session's transaction and returns the connection to the pool. A
// connection that cannot be reset is closed. This asks the database, so it happens in the
// background, and an activity that has ended does not wait for it.
func (s *session) release() {
	s.db.unhold(s.owner)
	s.db.tidying.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), tidyTime)
		defer cancel()
		s.broken = errors.Join(s.skip(ctx), s.conn.End(ctx, false), s.conn.Reset(ctx)) != nil
		s.checked = time.Now()
		s.lease.Close() //nolint:errcheck // the pool closes broken connections
	})
}
