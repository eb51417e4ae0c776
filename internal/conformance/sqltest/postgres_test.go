package sqlmod_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/contrib/postgres/pgtest"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/secretmod"
	"github.com/wasmworker/wasmworker/host/passthrough/sqlmod"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// watcher sees, as the administrator, what the guest's sessions do.
type watcher struct {
	t        testing.TB
	server   *pgtest.Server
	database string
	admin    *pgx.Conn
}

// newWatched makes a database, a module with a connection to it, and somebody who sees
// what happens there.
func newWatched(t testing.TB, server *pgtest.Server, access sqlmod.Access) (*client, *watcher) {
	t.Helper()
	w := &watcher{t: t, server: server, database: newPostgresDatabase(t, server)}
	w.admin = server.Admin(t, w.database)
	return newClient(t, sqlmod.Connection{URL: server.URL("guest", w.database), Password: "guest", MaxOpen: 1}, access), w
}

func (w *watcher) exec(text string) {
	w.t.Helper()
	if _, err := w.admin.Exec(context.Background(), text); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watcher) count(text string, args ...any) (n int) {
	w.t.Helper()
	if err := w.admin.QueryRow(context.Background(), text, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// sessions are those of the guest in the database, of a state if there is one.
func (w *watcher) sessions(state string) int {
	return w.count("SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND usename = 'guest' AND ($2 = '' OR state = $2)", w.database, state)
}

func (w *watcher) wants(what string, want int, state string) {
	w.t.Helper()
	testbed.Eventually(w.t, what, func() error {
		if n := w.sessions(state); n != want {
			return fmt.Errorf("there are %d sessions %s, not %d", n, state, want)
		}
		return nil
	})
}

// A guest that may only read tries what it can.
func TestPostgresReadOnlyHolds(t *testing.T) {
	owner, w := newWatched(t, pgtest.Shared(t), sqlmod.Access{})
	setup := owner.with(t, writing).activity(t)
	for _, text := range []string{
		"CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)", "CREATE SEQUENCE s", "CREATE TABLE marks (n int)",
		"CREATE FUNCTION put() RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t VALUES (2); RETURN 1; END $$",
		"CREATE FUNCTION put_definer() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO t VALUES (2); RETURN 1; END $$",
		"CREATE FUNCTION put_anyway() RETURNS int LANGUAGE plpgsql AS $$ BEGIN SET TRANSACTION READ WRITE; INSERT INTO t VALUES (2); RETURN 1; END $$",
		"CREATE FUNCTION put_caught() RETURNS int LANGUAGE plpgsql AS $$ BEGIN SET LOCAL transaction_read_only = off; INSERT INTO t VALUES (2); RETURN 1; EXCEPTION WHEN OTHERS THEN PERFORM set_config('transaction_read_only', 'off', false); INSERT INTO t VALUES (3); RETURN 2; END $$",
		"CREATE FUNCTION commits() RETURNS int LANGUAGE plpgsql AS $$ BEGIN COMMIT; INSERT INTO t VALUES (2); RETURN 1; END $$",
		"CREATE FUNCTION put_reset() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RESET transaction_read_only; PERFORM nextval('s'); RETURN 1; END $$",
		"CREATE FUNCTION put_reset_all() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RESET ALL; PERFORM nextval('s'); RETURN 1; END $$",
		"CREATE PROCEDURE commits_too() LANGUAGE plpgsql AS $$ BEGIN COMMIT; INSERT INTO t VALUES (2); END $$",
	} {
		setup.exec(text)
	}
	w.exec("CREATE EXTENSION dblink")
	w.exec("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD '" + strings.ReplaceAll(guestPassword, "'", "''") + "'; GRANT ALL ON ALL TABLES IN SCHEMA public TO reader; GRANT ALL ON SCHEMA public TO reader")
	t.Cleanup(func() { w.exec("DROP OWNED BY reader; DROP ROLE reader") })
	c := newClient(t, sqlmod.Connection{URL: w.server.URL("reader", w.database), Password: "guest"}, sqlmod.Access{})
	if w.count("SELECT current_setting('server_version_num')::int / 10000") < 16 {
		// A version that cannot keep the owner of a sequence from changing it.
		for function, r := range map[string]request{"query": {Connection: "db", SQL: "SELECT 1"}, "begin": {Connection: "db"}} {
			owner.activity(t).refused(function, r, abi.EACCES, "before version 16")
		}
		// by its own wish
		tx := setup.do("begin", request{Connection: "db", ReadOnly: true}).Transaction
		setup.do("rollback", request{Transaction: tx})
	} else {
		w.exec("GRANT ALL ON SEQUENCE s TO reader")
	}
	loopback := fmt.Sprintf("host=127.0.0.1 port=%d dbname=%s user=guest", w.server.Port, w.database)

	texts := []string{
		"INSERT INTO t VALUES (2)", "SELECT nextval('s')", "SELECT setval('s', 9)", "SELECT put()", "SELECT put_definer()", "SELECT put_anyway()", "SELECT put_caught()",
		"SELECT commits()", "CALL commits_too()", "DO $$ BEGIN COMMIT; INSERT INTO t VALUES (2); END $$",
		"WITH x AS (INSERT INTO t VALUES (2) RETURNING n) SELECT * FROM x", "SELECT 1 INTO u", "SELECT n INTO TEMP u FROM t", "SELECT * FROM t FOR UPDATE",
		"EXPLAIN ANALYZE INSERT INTO t VALUES (2)", "TRUNCATE t", "LOCK t", "MERGE INTO t USING (SELECT 1) x ON false WHEN NOT MATCHED THEN INSERT VALUES (2)",
		"SET TRANSACTION READ WRITE", "SET transaction_read_only = off", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "RESET ALL", "DISCARD ALL",
		"SELECT set_config('transaction_read_only', 'off', true)", "SELECT set_config('transaction_read_only', 'off', false)",
		"COPY t TO STDOUT", "COPY t FROM STDIN", "COPY (SELECT 1) TO PROGRAM 'cat'", "COPY t TO '/tmp/t'",
		"PREPARE p AS INSERT INTO t VALUES (2)", "EXECUTE p", "DECLARE c CURSOR FOR SELECT 1", "LISTEN x", "NOTIFY x", "VACUUM", "LOAD 'plpgsql'",
		"SELECT query_to_xml('INSERT INTO t VALUES (2)', true, false, '')", "SELECT query_to_xml('COMMIT', true, false, '')",
		"SELECT dblink_exec('" + loopback + "', 'INSERT INTO t VALUES (2)')", "SELECT * FROM dblink('" + loopback + "', 'INSERT INTO t VALUES (2) RETURNING n') AS x(n int)",
		"SELECT pg_read_file('/etc/passwd')", "SELECT lo_import('/etc/passwd')", "SELECT lo_export(1, '/tmp/x')", "SELECT pg_ls_dir('/')",
		"CREATE FOREIGN DATA WRAPPER w", "GRANT ALL ON t TO PUBLIC", "ALTER ROLE guest PASSWORD 'x'", "SET ROLE admin", "SELECT set_config('role', 'admin', false)",
		"SELECT set_config('session_authorization', 'admin', false)",
		"SELECT set_config('transaction_read_only', NULL, true), nextval('s')", "SELECT put_reset()", "SELECT put_reset_all()",
		"SELECT 1; INSERT INTO t VALUES (2)", "/**/;INSERT INTO t VALUES (2)", "\vINSERT INTO t VALUES (2)",
	}
	a := c.activity(t)
	for _, text := range texts {
		if r, err := a.try("query", request{Connection: "db", SQL: text}); err == nil {
			t.Errorf("%s: %s", text, r.rows)
		}
		if _, err := a.try("exec", request{Connection: "db", SQL: text}); err == nil {
			t.Errorf("exec took %s", text)
		}
		tx := a.do("begin", request{Connection: "db", Isolation: "read committed"}).Transaction
		if r, err := a.try("query", request{Transaction: tx, SQL: text}); err == nil {
			t.Errorf("in a transaction, %s: %s", text, r.rows)
		}
		a.try("query", request{Transaction: tx, SQL: "SELECT put()"}) //nolint:errcheck // must not have an effect
		a.try("commit", request{Transaction: tx})                     //nolint:errcheck // nor this
	}
	// Some versions take these, and none keeps what they do.
	for _, text := range []string{"SELECT set_config('transaction_read_only', NULL, true), put()", "SELECT set_config('transaction_read_only', NULL, false)"} {
		a.try("query", request{Connection: "db", SQL: text}) //nolint:errcheck // must not have an effect
		tx := a.do("begin", request{Connection: "db"}).Transaction
		a.try("query", request{Transaction: tx, SQL: text})                                                       //nolint:errcheck // nor this
		a.try("query", request{Transaction: tx, SQL: "WITH x AS (INSERT INTO t VALUES (9) RETURNING n) TABLE x"}) //nolint:errcheck // nor this
		a.try("commit", request{Transaction: tx})                                                                 //nolint:errcheck // nor this
	}
	// These work, and leave nothing behind.
	w.exec("LISTEN gossip")
	for _, text := range []string{"EXPLAIN ANALYZE CREATE TABLE created AS SELECT 1", "SELECT pg_notify('gossip', 'x')", "SELECT lo_create(4711)", "SELECT set_config('default_transaction_read_only', 'off', false)", "SELECT pg_advisory_lock(1)", "SELECT txid_current()"} {
		a.query(text)
		for _, isolation := range []string{"", "serializable"} {
			tx := a.do("begin", request{Connection: "db", Isolation: isolation}).Transaction
			a.do("query", request{Transaction: tx, SQL: text})
			a.do("commit", request{Transaction: tx})
		}
	}
	if text := setup.query("SELECT n FROM t").rows; text != "[[1]]" {
		t.Errorf("the table has %s", text)
	}
	if n := w.count("SELECT last_value FROM s"); n != 1 {
		t.Errorf("the sequence is at %d", n)
	}
	if n := w.count("SELECT (SELECT count(*) FROM pg_largeobject_metadata) + (SELECT count(*) FROM pg_class WHERE relname IN ('u', 'created'))"); n != 0 {
		t.Errorf("there are %d large objects and tables", n)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if note, err := w.admin.WaitForNotification(ctx); err == nil {
		t.Errorf("a notification got out: %+v", note)
	}
}

// What reads is not in the way.
func TestPostgresReadingWorks(t *testing.T) {
	c, _ := newWatched(t, pgtest.Shared(t), sqlmod.Access{})
	a := c.activity(t)
	for _, text := range []string{
		"SELECT 1", "(SELECT 1)", "((select 1) union (select 2))", "VALUES (1)", "TABLE pg_class", "SHOW server_version", "EXPLAIN SELECT 1", "EXPLAIN ANALYZE SELECT 1",
		"WITH x AS (SELECT 1) SELECT * FROM x", "/* hello */ SELECT 1", "-- hello\nSELECT 1", "SELECT/**/1", "SELECT'x'",
	} {
		if r := a.query(text); len(r.Rows) == 0 {
			t.Errorf("%s: no rows", text)
		}
	}
	// Whatever a session's parameters are, times are as they should be.
	tx := a.do("begin", request{Connection: "db"}).Transaction
	a.do("query", request{Transaction: tx, SQL: "SELECT set_config('DateStyle', 'German', true), set_config('TimeZone', 'Asia/Tokyo', true), set_config('bytea_output', 'escape', true)"})
	r := a.do("query", request{Transaction: tx, SQL: `SELECT timestamptz '2026-01-02T00:00:00Z', date '2026-02-01', '\x00ff'::bytea`})
	if r.rows != `[["2026-01-02T00:00:00Z","2026-02-01",{"bytes":[0,2]}]]` {
		t.Error(r.rows)
	}
}

func TestPostgresErrors(t *testing.T) {
	c, _ := newWatched(t, pgtest.Shared(t), writing)
	a := c.activity(t)
	a.exec("CREATE TABLE t (n int PRIMARY KEY, private text CHECK (private <> 'bad'))")
	a.exec("INSERT INTO t VALUES (1, 'x')")
	a.refused("exec", request{Connection: "db", SQL: "INSERT INTO t VALUES (1, 'x')"}, abi.EIO, "EIO: 23505: duplicate key")
	_, err := a.try("exec", request{Connection: "db", SQL: "INSERT INTO t VALUES (2, 'bad')"})
	if err == nil || !strings.HasPrefix(err.Error(), "EIO: 23514: ") || strings.Contains(err.Error(), "bad") {
		t.Errorf("a row is in the error: %v", err)
	}
	// A transaction with an error takes nothing but its end, and commit says that it was
	// none.
	tx := a.do("begin", request{Connection: "db"}).Transaction
	a.do("exec", request{Transaction: tx, SQL: "INSERT INTO t VALUES (3, 'x')"})
	a.refused("exec", request{Transaction: tx, SQL: "INSERT INTO t VALUES (1, 'x')"}, abi.EIO, "23505")
	a.refused("query", request{Transaction: tx, SQL: "SELECT 1"}, abi.EIO, "25P02")
	a.refused("commit", request{Transaction: tx}, abi.EIO, "25P02")
	if text := a.query("SELECT n FROM t").rows; text != "[[1]]" {
		t.Error(text)
	}
	// An error in the middle of the rows, and one that the commit finds.
	r := a.do("query", request{Connection: "db", SQL: "SELECT 1 / (1500 - n) FROM generate_series(1, 3000) n", MaxRows: 1200})
	a.refused("fetch", request{Cursor: r.Cursor}, abi.EIO, "22012")
	a.exec("CREATE TABLE u (n int REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
	a.refused("query", request{Connection: "db", SQL: "INSERT INTO u VALUES (99) RETURNING n"}, abi.EIO, "23503")
	tx = a.do("begin", request{Connection: "db"}).Transaction
	a.do("exec", request{Transaction: tx, SQL: "INSERT INTO u VALUES (99)"})
	a.refused("commit", request{Transaction: tx}, abi.EIO, "23503")
	// Statements that cannot be in a transaction can be run without one.
	a.exec("VACUUM t")
	a.refused("query", request{Connection: "db", SQL: "VACUUM t"}, abi.EIO, "25001")
	a.refused("exec", request{Connection: "db", SQL: "COPY t FROM STDIN"}, abi.EACCES, "COPY")
}

// What one activity has set for its session, the next one does not find: there is one
// session here.
func TestPostgresSessionsLeakNothing(t *testing.T) {
	c, w := newWatched(t, pgtest.Shared(t), writing)
	a := c.activity(t)
	a.exec("SELECT set_config('search_path', 'pg_temp', false), set_config('app.user', 'alice', false)")
	a.exec("CREATE TEMP TABLE pg_class_of_mine (n int)")
	a.exec("SELECT pg_advisory_lock(42)")
	a.exec("LISTEN gossip")
	a.exec("DECLARE mine CURSOR WITH HOLD FOR SELECT 1")
	a.exec("SET statement_timeout = '1ms'")
	tx := a.do("begin", request{Connection: "db"}).Transaction
	a.do("exec", request{Transaction: tx, SQL: "SELECT pg_advisory_xact_lock(43)"})
	a.end()
	b := c.with(t, sqlmod.Access{}).activity(t)
	for text, want := range map[string]string{
		"SELECT current_setting('search_path')":                            `[["\"$user\", public"]]`,
		"SELECT coalesce(current_setting('app.user', true), '')":           `[[""]]`,
		"SELECT count(*) FROM pg_class WHERE relname = 'pg_class_of_mine'": `[[0]]`,
		"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'":        `[[0]]`,
		"SELECT count(*) FROM pg_listening_channels()":                     `[[0]]`,
		"SELECT count(*) FROM pg_cursors WHERE is_holdable":                `[[0]]`,
		"SELECT count(*) FROM pg_prepared_statements":                      `[[0]]`,
		"SELECT current_setting('statement_timeout')":                      `[["0"]]`,
		"SELECT current_setting('application_name')":                       `[["wasmworker"]]`,
	} {
		if got := b.query(text).rows; got != want {
			t.Errorf("%s: %s, not %s", text, got, want)
		}
	}
	if n := w.sessions(""); n != 1 {
		t.Errorf("it was not the same session: there are %d", n)
	}
	// While nobody has it, the session holds nothing either.
	testbed.Eventually(t, "the lock is free", func() error {
		if n := w.count("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"); n != 0 {
			return fmt.Errorf("%d locks", n)
		}
		return nil
	})
}

// What a guest does not wait for any more is stopped in the database, and its session is
// closed.
func TestPostgresStopsWorking(t *testing.T) {
	c, w := newWatched(t, pgtest.Shared(t), sqlmod.Access{Write: true, Timeout: passthrough.Duration(time.Second)})
	for _, function := range []string{"query", "exec"} {
		a := c.activity(t)
		a.refused(function, request{Connection: "db", SQL: "SELECT pg_sleep(1000)"}, abi.ETIMEDOUT, "")
		w.wants("the database has stopped after a timeout", 0, "active")

		a = c.with(t, writing).activity(t)
		ended := make(chan error)
		go func() {
			_, err := a.try(function, request{Connection: "db", SQL: "SELECT pg_sleep(1000)"})
			ended <- err
		}()
		w.wants("the statement runs", 1, "active")
		a.cancel()
		if err := <-ended; err == nil || !strings.HasPrefix(err.Error(), "ECANCELED") {
			t.Error(err)
		}
		w.wants("the database has stopped with the activity", 0, "active")
	}
	// In the middle of rows, which the server has more of than it can send.
	a := c.activity(t)
	r := a.do("query", request{Connection: "db", SQL: "SELECT repeat('x', 500000) FROM generate_series(1, 1000)"})
	if r.Cursor == 0 {
		t.Fatal("no cursor")
	}
	soon(t, "the end of the activity", 5*time.Second, a.end)
	w.wants("the database has stopped with the cursor", 0, "active")
	w.wants("no transaction is open", 0, "idle in transaction")
	c.activity(t).query("SELECT 1")
}

func TestPostgresIsClosed(t *testing.T) {
	server := pgtest.Shared(t)
	w := &watcher{t: t, server: server, database: newPostgresDatabase(t, server)}
	w.admin = server.Admin(t, w.database)
	// after the module was closed
	t.Cleanup(func() { w.wants("all sessions have ended with the module", 0, "") })
	c := newClient(t, sqlmod.Connection{URL: server.URL("guest", w.database), Password: "guest"}, sqlmod.Access{})
	before := descriptors(t)
	if n := w.sessions(""); n != 0 {
		t.Errorf("%d sessions before there is anything to do", n)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			a := c.activity(t)
			a.do("begin", request{Connection: "db"})
			a.end()
		})
	}
	wg.Wait()
	if n := w.sessions(""); n == 0 || n > sqlmod.DefaultMaxOpen {
		t.Errorf("%d sessions", n)
	}
	if now := descriptors(t); now > before+sqlmod.DefaultMaxOpen+2 {
		t.Errorf("%d descriptors became %d", before, now)
	}
	w.wants("no transaction is open", 0, "idle in transaction")
}

// A server that answers nothing, from the beginning or from some moment on.
func TestPostgresThatIsSilent(t *testing.T) {
	server := pgtest.Shared(t)
	database := newPostgresDatabase(t, server)
	for _, mute := range []bool{true, false} {
		t.Run(fmt.Sprint("from the beginning: ", mute), func(t *testing.T) {
			proxy := newProxy(t, fmt.Sprintf("127.0.0.1:%d", server.Port))
			proxy.muted(mute)
			url := strings.Replace(server.URL("guest", database), fmt.Sprint(":", server.Port), fmt.Sprint(":", proxy.port), 1)
			module, err := sqlmod.New(sqlmod.Options{Connections: map[string]sqlmod.Connection{"db": {URL: url, Password: "guest"}}, Secrets: secrets(t)})
			if err != nil {
				t.Fatal(err)
			}
			c := &client{module: module, policy: &sqlmod.Policy{Connections: map[string]sqlmod.Access{"db": {Timeout: passthrough.Duration(time.Second)}}}}
			a := c.activity(t)
			if !mute {
				a.query("SELECT 1")
				a.do("begin", request{Connection: "db"})
				a.do("query", request{Connection: "db", SQL: "SELECT generate_series(1, 5000)"})
			}
			proxy.muted(true)
			soon(t, "a query", 10*time.Second, func() {
				a.refused("query", request{Connection: "db", SQL: "SELECT 1"}, abi.ETIMEDOUT, "")
			})
			soon(t, "the end of the activity", 5*time.Second, a.end)
			a = c.activity(t)
			time.AfterFunc(100*time.Millisecond, a.cancel)
			soon(t, "an activity that is interrupted", 10*time.Second, func() {
				a.refused("begin", request{Connection: "db"}, abi.ECANCELED, "")
			})
			soon(t, "closing the module", 15*time.Second, func() {
				if err := module.Close(context.Background()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// proxy passes bytes on, until it is muted. Then it takes connections and says nothing.
type proxy struct {
	port int
	mu   sync.Mutex
	mute bool
}

func (p *proxy) muted(mute bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = mute
}

func (p *proxy) silent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mute
}

func newProxy(t testing.TB, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{port: l.Addr().(*net.TCPAddr).Port}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		l.Close()
		wg.Wait()
	})
	pass := func(from, to net.Conn) {
		defer to.Close()
		buffer := make([]byte, 32<<10)
		for {
			n, err := from.Read(buffer)
			if err != nil {
				return
			}
			if !p.silent() {
				to.Write(buffer[:n]) //nolint:errcheck // the other direction ends then
			}
		}
	}
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				return
			}
			stop := context.AfterFunc(ctx, func() { in.Close(); out.Close() })
			wg.Go(func() { pass(in, out); stop() })
			wg.Go(func() { pass(out, in) })
		}
	})
	return p
}

func TestPostgresThatIsKilled(t *testing.T) {
	server := pgtest.New(t)
	c, w := newWatched(t, server, sqlmod.Access{Write: true})
	a := c.activity(t)
	ended := make(chan error)
	go func() {
		_, err := a.try("query", request{Connection: "db", SQL: "SELECT pg_sleep(1000)"})
		ended <- err
	}()
	w.wants("the statement runs", 1, "active")
	w.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'guest'")
	if err := <-ended; err == nil || !strings.HasPrefix(err.Error(), "EIO: 57P01: ") {
		t.Error(err)
	}
	if a.query("SELECT 1").rows != "[[1]]" {
		t.Error("nothing works after a session was lost")
	}
	// A transaction whose session was lost says so, once, and ends.
	tx := a.do("begin", request{Connection: "db"}).Transaction
	w.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'guest'")
	w.wants("the session has ended", 0, "")
	a.refused("exec", request{Transaction: tx, SQL: "SELECT 1"}, abi.EIO, "57P01")
	a.refused("commit", request{Transaction: tx}, abi.EIO, "")
	a.refused("rollback", request{Transaction: tx}, abi.EBADF, "")
	// An idle one that was lost is not noticed, when there was time to see it.
	a.query("SELECT 1")
	testbed.Eventually(t, "the session is back in the pool", func() error {
		if n := w.sessions("idle"); n != 1 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})

	go func() {
		_, err := a.try("exec", request{Connection: "db", SQL: "SELECT pg_sleep(1000)"})
		ended <- err
	}()
	w.wants("the statement runs", 1, "active")
	server.Stop()
	if err := <-ended; err == nil || !strings.HasPrefix(err.Error(), "EIO: ") {
		t.Error(err)
	}
	a.refused("query", request{Connection: "db", SQL: "SELECT 1"}, abi.EIO, "connection refused")
}

// Roles that can leave the database, and servers that are not known, are refused.
func TestPostgresConnections(t *testing.T) {
	server := pgtest.Shared(t)
	database := newPostgresDatabase(t, server)
	admin := server.Admin(t, database)
	for _, statement := range []string{
		"DROP ROLE IF EXISTS super, sub, programs, files, plain", "CREATE ROLE super SUPERUSER LOGIN", "CREATE ROLE sub LOGIN IN ROLE super", "CREATE ROLE programs LOGIN IN ROLE pg_execute_server_program",
		"CREATE ROLE files LOGIN IN ROLE pg_read_server_files", "CREATE ROLE plain LOGIN CREATEDB CREATEROLE",
	} {
		if _, err := admin.Exec(context.Background(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for _, role := range []string{"super", "sub", "programs", "files", "plain"} {
		if _, err := admin.Exec(context.Background(), "ALTER ROLE "+role+" PASSWORD '"+strings.ReplaceAll(guestPassword, "'", "''")+"'"); err != nil {
			t.Fatal(err)
		}
		a := newClient(t, sqlmod.Connection{URL: server.URL(role, database), Password: "guest"}, writing).activity(t)
		if role == "plain" {
			a.query("SELECT 1")
			continue
		}
		a.refused("query", request{Connection: "db", SQL: "SELECT 1"}, abi.EIO, "a role without that")
		a.refused("exec", request{Connection: "db", SQL: "SELECT 1"}, abi.EIO, "a role without that")
	}
	for _, test := range []struct {
		name, url, password, want string
	}{
		{"no TLS", strings.Replace(server.URL("guest", database), "?sslmode=disable", "", 1), "guest", "the server has no TLS"},
		{"no password", server.URL("guest", database), "", "28P01: the database refuses"},
		{"no such database", server.URL("guest", "nope"), "guest", "3D000: the database refuses"},
		{"no such role", server.URL("nope", database), "guest", "28P01: the database refuses"},
		{"no such host", "postgres://guest@no-such-host.invalid/db?sslmode=disable", "guest", "cannot be resolved"},
		{"nobody there", fmt.Sprintf("postgres://guest@127.0.0.1:%d/db?sslmode=disable", testbed.FreePort(t)), "guest", "connection refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newClient(t, sqlmod.Connection{URL: test.url, Password: test.password}, sqlmod.Access{}).activity(t)
			a.refused("query", request{Connection: "db", SQL: "SELECT 1"}, abi.EIO, test.want)
			if _, err := a.try("query", request{Connection: "db", SQL: "SELECT 1"}); strings.Contains(err.Error(), "nope") || strings.Contains(err.Error(), "no-such-host") {
				t.Errorf("the error tells more than it may: %v", err)
			}
		})
	}
	t.Run("over a socket", func(t *testing.T) {
		url := fmt.Sprintf("postgres:///%s?host=%s&port=%d&user=guest", database, server.Directory, server.Port)
		newClient(t, sqlmod.Connection{URL: url, Password: "guest"}, sqlmod.Access{}).activity(t).query("SELECT 1")
	})
	t.Run("parameters", func(t *testing.T) {
		url := server.URL("guest", database) + "&application_name=reports&search_path=pg_catalog"
		a := newClient(t, sqlmod.Connection{URL: url, Password: "guest"}, sqlmod.Access{}).activity(t)
		if got := a.query("SELECT current_setting('application_name'), current_setting('search_path'), current_setting('statement_timeout')").rows; got != `[["reports","pg_catalog","0"]]` {
			t.Error(got)
		}
	})
}

// Whatever is read can be written back and is the same then, and its type has a name.
func TestPostgresValuesRoundTrip(t *testing.T) {
	a := postgres.client(t, writing).activity(t)
	for _, statement := range []string{
		"CREATE TYPE mood AS ENUM ('sad', 'so so')", `CREATE TYPE "Big Mood" AS ENUM ('x')`, "CREATE DOMAIN positive AS int CHECK (VALUE > 0)", "CREATE DOMAIN day AS date",
		"CREATE TYPE pair AS (at timestamptz, what mood, text text)", "CREATE TYPE span AS RANGE (subtype = timetz)", "CREATE DOMAIN pairs AS pair",
	} {
		a.exec(statement)
	}
	// want: how it is told, if that is not the text
	for _, test := range []struct{ kind, name, text, want string }{
		{"mood", "MOOD", "so so", ""}, {"mood[]", "_MOOD", `{sad,"so so",NULL}`, ""}, {`"Big Mood"`, "BIG MOOD", "x", ""},
		{"positive[]", "_POSITIVE", "{1,2}", ""}, {"day[]", "_DAY", `{"0044-03-15 BC",infinity}`, ""}, {"day", "DATE", "0044-03-15 BC", ""},
		{"pair", "PAIR", `("0044-03-15 12:00:00+00 BC","so so","a ""b"", c")`, ""}, {"pair[]", "_PAIR", `{"(infinity,sad,\"x y\")",NULL}`, ""}, {"pairs", "PAIR", "(-infinity,,)", ""},
		{"span", "SPAN", "[00:00:00+05:30,24:00:00-12)", ""}, {"span[]", "_SPAN", `{"[01:00:00+00,02:00:00+00]"}`, ""}, {"span_multirange", "SPAN_MULTIRANGE", "{[01:00:00+00,02:00:00+00]}", ""},
		{"money", "MONEY", "-$1,234,567.89", ""}, {"money[]", "_MONEY", `{"$1,000.00",-$0.01}`, ""},
		{"timetz", "TIMETZ", "24:00:00-15:59:59", ""}, {"timetz", "TIMETZ", "13:14:15.123456+05:30", ""}, {"timetz[]", "_TIMETZ", "{24:00:00+00}", ""},
		{"time", "TIME", "24:00:00", ""}, {"time", "TIME", "00:00:00.000001", ""},
		{"date", "DATE", "0044-03-15 BC", ""}, {"date", "DATE", "4713-01-01 BC", ""}, {"date", "DATE", "0001-12-31 BC", ""}, {"date", "DATE", "0001-01-01", ""}, {"date", "DATE", "0099-02-03", ""},
		{"date", "DATE", "9999-12-31", ""}, {"date", "DATE", "10000-01-01", ""}, {"date", "DATE", "5874897-12-31", ""}, {"date", "DATE", "infinity", ""}, {"date", "DATE", "-infinity", ""},
		{"date[]", "_DATE", `{"0044-03-15 BC",12345-01-01,-infinity}`, ""}, {"daterange", "DATERANGE", `["0044-03-15 BC",infinity)`, ""},
		{"timestamp", "TIMESTAMP", "0044-03-15 12:13:14.5 BC", "0044-03-15T12:13:14.5 BC"}, {"timestamp", "TIMESTAMP", "4714-11-24 00:00:00 BC", "4714-11-24T00:00:00 BC"},
		{"timestamp", "TIMESTAMP", "12345-06-07 08:09:10", "12345-06-07T08:09:10"}, {"timestamp", "TIMESTAMP", "294276-12-31 23:59:59.999999", "294276-12-31T23:59:59.999999"},
		{"timestamp", "TIMESTAMP", "0001-01-01 00:00:00", "0001-01-01T00:00:00"}, {"timestamp", "TIMESTAMP", "-infinity", ""}, {"timestamp", "TIMESTAMP", "infinity", ""},
		{"timestamptz", "TIMESTAMPTZ", "0044-03-15 12:13:14.000001+00 BC", "0044-03-15T12:13:14.000001Z BC"}, {"timestamptz", "TIMESTAMPTZ", "4714-11-24 00:00:00+00 BC", "4714-11-24T00:00:00Z BC"},
		{"timestamptz", "TIMESTAMPTZ", "294276-12-31 23:59:59.999999+00", "294276-12-31T23:59:59.999999Z"}, {"timestamptz", "TIMESTAMPTZ", "-infinity", ""},
		{"timestamptz[]", "_TIMESTAMPTZ", `{"0044-03-15 12:00:00+00 BC","12345-01-01 00:00:00+00",infinity}`, ""}, {"tstzrange", "TSTZRANGE", `["0044-03-15 12:00:00+00 BC",)`, ""},
		{"interval", "INTERVAL", "-178000000 years -1 days +24:00:00.000001", "-178000000 years -1 days +24:00:00.000001"}, {"numeric", "NUMERIC", "NaN", ""}, {"numeric", "NUMERIC", "-0.10", ""},
		{"float8", "FLOAT8", "5e-324", "5e-324"}, {"float4[]", "_FLOAT4", "{NaN,-Infinity,0.1}", ""}, {"bytea[]", "_BYTEA", `{"\\x00ff",NULL}`, ""}, {"bit(3)", "BIT", "101", ""}, {`"char"`, "CHAR", "x", ""},
		{"tsquery", "TSQUERY", "'a' & 'b'", ""}, {"tsvector", "TSVECTOR", "'a':1 'b':2", ""}, {"pg_lsn", "PG_LSN", "16/B374D848", ""}, {"regclass", "REGCLASS", "pg_class", ""}, {"int2vector", "INT2VECTOR", "1 2", ""},
		{"inet", "INET", "10.0.0.1/8", ""}, {"macaddr8", "MACADDR8", "08:00:2b:01:02:03:04:05", ""}, {"xml", "XML", "<a/>", ""}, {"jsonpath", "JSONPATH", `$."a"`, ""}, {"point", "POINT", "(1.5,-2)", ""},
	} {
		t.Run(test.kind+" "+test.text, func(t *testing.T) {
			if test.want == "" {
				test.want = test.text
			}
			got := a.query("SELECT $1::"+test.kind+" AS v", test.text)
			value := got.Rows[0][0]
			if got.Columns[0].Type != test.name || fmt.Sprint(value) != test.want {
				t.Errorf("%s: %v, not %s: %s", got.Columns[0].Type, value, test.name, test.want)
			}
			back := a.query("SELECT ($1::"+test.kind+")::text IS NOT DISTINCT FROM ($2::"+test.kind+")::text, ($1::"+test.kind+")::text", value, test.text)
			if back.Rows[0][0] != true {
				t.Errorf("%v came back as %s", value, back.rows)
			}
		})
	}
}

// The names of types are asked for once, in transactions too, in which an error is not of
// that question.
func TestPostgresTypeNames(t *testing.T) {
	c, _ := newWatched(t, pgtest.Shared(t), writing) // with one session
	a := c.activity(t)
	a.exec("CREATE TYPE mood AS ENUM ('sad')")
	tx := a.do("begin", request{Connection: "db", Isolation: "repeatable read"}).Transaction
	for range 3 {
		r := a.do("query", request{Transaction: tx, SQL: "SELECT 'sad'::mood AS a, '{sad}'::mood[] AS b, 1 AS c, '1'::money AS d"})
		if fmt.Sprint(r.Columns) != "[{a MOOD} {b _MOOD} {c INT4} {d MONEY}]" || r.rows != `[["sad","{sad}",1,"$1.00"]]` {
			t.Errorf("%v %s", r.Columns, r.rows)
		}
	}
	// It is the session that knows them by now: a name is that of the time when it was
	// asked for.
	a.do("exec", request{Transaction: tx, SQL: "ALTER TYPE mood RENAME TO temper"})
	if r := a.do("query", request{Transaction: tx, SQL: "SELECT 'sad'::temper AS a"}); r.Columns[0].Type != "MOOD" {
		t.Errorf("%v", r.Columns)
	}
	a.do("exec", request{Transaction: tx, SQL: "ALTER TYPE temper RENAME TO mood"})
	a.do("exec", request{Transaction: tx, SQL: "DROP TYPE mood"})
	a.refused("query", request{Transaction: tx, SQL: "SELECT 'sad'::mood"}, abi.EIO, "42704")
	a.do("rollback", request{Transaction: tx})
	// More types than a connection remembers.
	var many strings.Builder
	for i := range 1200 {
		fmt.Fprintf(&many, "CREATE TYPE t%d AS ENUM (); ", i)
	}
	a.exec("DO $$ BEGIN " + many.String() + "END $$")
	for from := 0; from < 1200; from += 200 {
		many.Reset()
		for i := range 200 {
			fmt.Fprintf(&many, ", NULL::t%d", from+i)
		}
		r := a.query("SELECT " + many.String()[2:])
		if first, last := r.Columns[0].Type, r.Columns[199].Type; first != fmt.Sprintf("T%d", from) || last != fmt.Sprintf("T%d", from+199) {
			t.Errorf("%s to %s", first, last)
		}
	}
}

// A password that changes is used for the next connection.
func TestPostgresPasswordRotates(t *testing.T) {
	server := pgtest.Shared(t)
	database := newPostgresDatabase(t, server)
	admin := server.Admin(t, database)
	file := filepath.Join(t.TempDir(), "password")
	rotate := func(password string) {
		if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := admin.Exec(context.Background(), "ALTER ROLE rotating PASSWORD '"+password+"'"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := admin.Exec(context.Background(), "DROP ROLE IF EXISTS rotating; CREATE ROLE rotating LOGIN"); err != nil {
		t.Fatal(err)
	}
	rotate("first")
	store, err := secretmod.Open(map[string]secretmod.Source{"db": {File: file}})
	if err != nil {
		t.Fatal(err)
	}
	module, err := sqlmod.New(sqlmod.Options{Connections: map[string]sqlmod.Connection{"db": {URL: server.URL("rotating", database), Password: "db"}}, Secrets: store})
	if err != nil {
		t.Fatal(err)
	}
	defer module.Close(context.Background()) //nolint:errcheck // it is not what is tested
	c := &client{module: module, policy: &sqlmod.Policy{Connections: map[string]sqlmod.Access{"db": {}}}}
	a := c.activity(t)
	a.do("begin", request{Connection: "db"})
	rotate("second")
	a.do("begin", request{Connection: "db"}) // over a second connection
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	a.refused("begin", request{Connection: "db"}, abi.EIO, "its password cannot be read")
	a.end()
}
