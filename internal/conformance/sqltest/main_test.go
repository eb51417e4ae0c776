// The tests of sqlmod with its drivers, against the real servers. They are in the module
// of the conformance suite because sqlmod must not require a driver.
package sqlmod_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wasmworker/wasmworker/abi"
	_ "github.com/wasmworker/wasmworker/contrib/postgres"
	"github.com/wasmworker/wasmworker/contrib/postgres/pgtest"
	_ "github.com/wasmworker/wasmworker/contrib/sqlite"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/secretmod"
	"github.com/wasmworker/wasmworker/host/passthrough/sqlmod"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

func TestMain(m *testing.M) {
	// What a connection must not take anything from.
	for name, value := range map[string]string{"PGPASSWORD": "of-the-environment", "PGUSER": "nobody", "PGSSLMODE": "disable", "PGOPTIONS": "-c statement_timeout=1", "PGHOST": "192.0.2.1"} {
		os.Setenv(name, value)
	}
	os.Setenv("TEST_GUEST_PASSWORD", guestPassword)
	code := testbed.Main(pgtest.With(m.Run))
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

const guestPassword = "the guest's: pa/ss?word"

func secrets(t testing.TB) *secretmod.Store {
	t.Helper()
	store, err := secretmod.Open(map[string]secretmod.Source{"guest": {Env: "TEST_GUEST_PASSWORD"}})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// backend is a database that tests are run with.
type backend struct {
	name string
	// connection makes a database, which is empty.
	connection func(t testing.TB) sqlmod.Connection
	// dialect has what the databases say differently.
	parameter, forever, manyRows, blob, bigRow string
}

var databases atomic.Int32

// newPostgresDatabase makes a database whose owner is a role named guest, and returns its
// name.
func newPostgresDatabase(t testing.TB, p *pgtest.Server) string {
	t.Helper()
	name := fmt.Sprintf("test%d", databases.Add(1))
	admin := p.Admin(t, "postgres")
	for _, statement := range []string{
		`DO $$ BEGIN CREATE ROLE guest LOGIN PASSWORD '` + strings.ReplaceAll(guestPassword, "'", "''") + `'; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
		"CREATE DATABASE " + name + " OWNER guest",
	} {
		if _, err := admin.Exec(context.Background(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return name
}

var postgres = backend{
	name: "postgres",
	connection: func(t testing.TB) sqlmod.Connection {
		p := pgtest.Shared(t)
		return sqlmod.Connection{URL: p.URL("guest", newPostgresDatabase(t, p)), Password: "guest"}
	},
	parameter: "$1",
	forever:   "SELECT count(*) FROM generate_series(1, 10) a, pg_sleep(1000)",
	manyRows:  "SELECT n FROM generate_series(1, %d) n",
	blob:      "bytea",
	bigRow:    "SELECT repeat('x', %d)",
}

var sqlite = backend{
	name: "sqlite",
	connection: func(t testing.TB) sqlmod.Connection {
		return sqlmod.Connection{URL: "sqlite:" + newFile(t)}
	},
	parameter: "?",
	forever:   "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT count(*) FROM n",
	manyRows:  "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT %d) SELECT n FROM n",
	blob:      "blob",
	bigRow:    "SELECT printf('%%.*c', %d, 'x')",
}

// newFile makes an empty database.
func newFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a b.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// both runs a test with each database.
func both(t *testing.T, test func(t *testing.T, b backend)) {
	for _, b := range []backend{postgres, sqlite} {
		t.Run(b.name, func(t *testing.T) { test(t, b) })
	}
}

// client is an activity module that has been granted sql, with a connection named db.
type client struct {
	module passthrough.Module
	policy *sqlmod.Policy
}

func newModule(t testing.TB, connections map[string]sqlmod.Connection) passthrough.Module {
	t.Helper()
	module, err := sqlmod.New(sqlmod.Options{Connections: connections, Secrets: secrets(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testbed.Patience)
		defer cancel()
		if err := module.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return module
}

func (b backend) client(t testing.TB, access sqlmod.Access) *client {
	t.Helper()
	return newClient(t, b.connection(t), access)
}

func newClient(t testing.TB, connection sqlmod.Connection, access sqlmod.Access) *client {
	t.Helper()
	c := &client{module: newModule(t, map[string]sqlmod.Connection{"db": connection})}
	return c.with(t, access)
}

// with is another module that was granted the same sql, with a policy of its own.
func (c *client) with(t testing.TB, access sqlmod.Access) *client {
	t.Helper()
	policy := &sqlmod.Policy{Connections: map[string]sqlmod.Access{"db": access}}
	if err := c.module.CheckPolicy(policy); err != nil {
		t.Fatal(err)
	}
	return &client{module: c.module, policy: policy}
}

// activity is a run of an activity, which ends with end, or with the test.
type activity struct {
	t      testing.TB
	client *client
	ctx    context.Context
	cancel context.CancelFunc
	call   *passthrough.Call
	open   passthrough.Resources
}

func (c *client) activity(t testing.TB) *activity {
	a := &activity{t: t, client: c}
	ctx, cancel := context.WithCancel(context.Background())
	a.ctx, a.cancel = ctx, cancel
	a.call = &passthrough.Call{Module: "orders", Activity: "Test", Policy: c.policy, Resources: &a.open}
	t.Cleanup(a.end)
	return a
}

func (a *activity) end() {
	a.cancel()
	if err := a.open.Close(); err != nil {
		a.t.Error(err)
	}
}

// request is the head of a request.
type request struct {
	Connection  string `json:"connection,omitempty"`
	Transaction uint32 `json:"transaction,omitempty"`
	Cursor      uint32 `json:"cursor,omitempty"`
	SQL         string `json:"sql,omitempty"`
	Args        []any  `json:"args,omitempty"`
	MaxRows     int64  `json:"max_rows,omitempty"`
	ReadOnly    bool   `json:"read_only,omitempty"`
	Isolation   string `json:"isolation,omitempty"`
	body        []byte
}

// response is the head of a response.
type response struct {
	Columns      []sqlmod.Column `json:"columns"`
	Rows         [][]any         `json:"rows"`
	Cursor       uint32          `json:"cursor"`
	RowsAffected int64           `json:"rows_affected"`
	Transaction  uint32          `json:"transaction"`
	rows         string          // as JSON
	body         []byte
}

func (a *activity) try(function string, r request) (response, error) {
	a.t.Helper()
	frame, err := passthrough.EncodeFrame(r, r.body)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.send(function, frame)
}

func (a *activity) send(function string, frame []byte) (result response, err error) {
	a.t.Helper()
	answer, err := a.client.module.Functions[function](a.ctx, a.call, frame)
	if err != nil {
		for _, secret := range []string{guestPassword, "127.0.0.1", "guest", "sslmode", "of-the-environment", "/tmp"} {
			if strings.Contains(err.Error(), secret) {
				a.t.Errorf("the error tells %q: %v", secret, err)
			}
		}
		return result, err
	}
	if answer == nil {
		return result, nil
	}
	head, body, err := passthrough.SplitFrame(answer)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := json.Unmarshal(head, &result); err != nil {
		a.t.Fatalf("%v: %s", err, head)
	}
	var raw struct{ Rows json.RawMessage }
	json.Unmarshal(head, &raw) //nolint:errcheck // it was possible just now
	result.rows, result.body = string(raw.Rows), body
	return result, nil
}

// do is try for what must work. Without a place it is the connection db.
func (a *activity) do(function string, r request) response {
	a.t.Helper()
	result, err := a.try(function, r)
	if err != nil {
		a.t.Fatalf("%s: %v", function, err)
	}
	return result
}

func (a *activity) exec(text string, args ...any) response {
	a.t.Helper()
	return a.do("exec", request{Connection: "db", SQL: text, Args: args})
}

func (a *activity) query(text string, args ...any) response {
	a.t.Helper()
	return a.do("query", request{Connection: "db", SQL: text, Args: args})
}

// refused wants an error with an errno, and a text if there is one.
func (a *activity) refused(function string, r request, errno abi.Errno, text string) {
	a.t.Helper()
	_, err := a.try(function, r)
	if !errors.Is(err, errno) {
		a.t.Errorf("%s %+v: %v, not %s", function, r, err, errno)
	} else if !strings.Contains(err.Error(), text) {
		a.t.Errorf("%s %+v: %q does not say %q", function, r, err, text)
	}
}

// soon fails a test in which something takes longer than it may.
func soon(t testing.TB, what string, most time.Duration, f func()) {
	t.Helper()
	begin := time.Now()
	f()
	if took := time.Since(begin); took > most {
		t.Errorf("%s took %s, more than %s", what, took, most)
	}
}
