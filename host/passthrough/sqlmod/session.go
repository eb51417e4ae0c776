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
	connectTime = 15 * time.Second // for a physical connection, whoever waits for it
	tidyTime    = 5 * time.Second  // after which a session that does not come clean is closed
	idleTime    = 5 * time.Minute  // after which a connection that nobody needs is closed
	// after which a connection is replaced, and with it its password
	maxLifetime  = 30 * time.Minute
	trustedBreak = time.Second // for which a connection that was well is taken for well
)

// errSecret stands for the errors of reading a password, which say where that is.
var errSecret = errors.New("the secret cannot be read")

// database is a connection as the operator defines it, with its sessions.
type database struct {
	name    string
	driver  *Database
	maxOpen int

	mu      sync.Mutex
	pool    *sql.DB                        // made by the first use
	held    map[*passthrough.Resources]int // sessions that an activity has
	tidying sync.WaitGroup
}

// connector makes connections for the pool of database/sql, of which nothing but the pool
// is used: its interface for statements has no place for limits, and cannot promise what
// it does with a text of several.
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
	checked time.Time // when it was last seen to be well
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

// ResetSession implements [driver.SessionResetter]. It was reset when it was given back;
// what remains to be seen is whether the database still knows it.
func (p *pooled) ResetSession(ctx context.Context) error {
	if time.Since(p.checked) < trustedBreak {
		return nil
	}
	if err := p.conn.Reset(ctx); err != nil {
		p.broken = true
		return driver.ErrBadConn // which makes the pool look for another one
	}
	p.checked = time.Now()
	return nil
}

// open returns the pool.
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

// hold counts a session for an activity. One that has all of them would wait for itself.
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

// close closes the pool, after the sessions that are on their way back to it.
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

// session is a physical connection while an activity has it.
type session struct {
	db    *database
	owner *passthrough.Resources
	lease *sql.Conn
	// The lease alone gives it back, so that nobody else has it until then.
	*pooled
	rows Rows // of the latest statement, unless they are at their end
}

// acquire takes a connection from the pool, or makes one.
func (m *module) acquire(call *call) (*session, error) {
	db := m.databases[call.name]
	if db == nil { // a policy that was not checked
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

// begun is a session with a transaction.
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

// query runs a statement.
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

// skip ends the latest statement.
func (s *session) skip(ctx context.Context) error {
	if s.rows == nil {
		return nil
	}
	rows := s.rows
	s.rows = nil
	return rows.Close(ctx)
}

// release ends the session's transaction without committing, and gives the connection
// back, or closes it if it does not come clean. That asks the database, which an activity
// that has ended does not wait for.
func (s *session) release() {
	s.db.unhold(s.owner)
	s.db.tidying.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), tidyTime)
		defer cancel()
		s.broken = errors.Join(s.skip(ctx), s.conn.End(ctx, false), s.conn.Reset(ctx)) != nil
		s.checked = time.Now()
		s.lease.Close() //nolint:errcheck // the pool closes what is broken
	})
}
