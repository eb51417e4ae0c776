package sqlmod_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/sqlmod"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// What would leave the file, or stay in the session, is denied with any right.
func TestSQLiteGuestsStayInside(t *testing.T) {
	path := newFile(t)
	c := newClient(t, sqlmod.Connection{URL: "sqlite:" + path, MaxOpen: 1}, writing)
	setup := c.activity(t)
	setup.exec("CREATE TABLE t (n int)")
	setup.exec("INSERT INTO t VALUES (1)")
	other := newFile(t)
	for _, access := range []sqlmod.Access{writing, {}} {
		a := c.with(t, access).activity(t)
		for _, text := range []string{
			"ATTACH '" + other + "' AS x", "ATTACH ':memory:' AS x", "ATTACH '' AS x", "DETACH main", "VACUUM", "VACUUM INTO '" + other + "2'",
			"SELECT load_extension('x')", "SELECT load_extension('x', 'y')",
			"CREATE TEMP TABLE u (n int)", "CREATE TEMP VIEW t AS SELECT 2 AS n", "CREATE TABLE temp.u (n int)", "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
			"CREATE TEMP TABLE u AS SELECT 1",
			"PRAGMA query_only = 0", "PRAGMA query_only", "PRAGMA writable_schema = 1", "PRAGMA database_list", "SELECT * FROM pragma_database_list", "PRAGMA journal_mode = OFF", "PRAGMA journal_mode",
			"PRAGMA foreign_keys = 0", "PRAGMA trusted_schema = 1", "PRAGMA temp_store_directory = '/tmp'", "PRAGMA user_version = 7", "PRAGMA busy_timeout = 1000000", "PRAGMA mmap_size = 1000000000",
			"PRAGMA cache_size = 1000000000", "PRAGMA wal_checkpoint", "PRAGMA locking_mode = EXCLUSIVE", "PRAGMA hard_heap_limit = 1", "PRAGMA optimize", "PRAGMA incremental_vacuum",
			"UPDATE sqlite_schema SET sql = 'x'", "INSERT INTO sqlite_temp_schema VALUES (1)", "UPDATE sqlite_temp_schema SET sql = 'x'", "UPDATE temp.sqlite_master SET sql = 'x'", "DELETE FROM sqlite_dbpage", "UPDATE sqlite_dbpage SET data = zeroblob(4096) WHERE pgno = 1",
			"PRAGMA main.query_only = 0", "EXPLAIN PRAGMA query_only = 0",
		} {
			for _, function := range []string{"query", "exec"} {
				if r, err := a.try(function, request{Connection: "db", SQL: text}); err == nil {
					t.Errorf("%s: %s: %s", function, text, r.rows)
				}
			}
			tx := a.do("begin", request{Connection: "db"}).Transaction
			if r, err := a.try("query", request{Transaction: tx, SQL: text}); err == nil {
				t.Errorf("in a transaction: %s: %s", text, r.rows)
			}
			a.do("commit", request{Transaction: tx})
		}
		for _, text := range []string{"PRAGMA table_info(t)", "SELECT name FROM pragma_table_list", "SELECT * FROM sqlite_schema", "EXPLAIN QUERY PLAN SELECT * FROM t", "WITH RECURSIVE n(n) AS (SELECT 1 UNION SELECT n + 1 FROM n LIMIT 5) SELECT * FROM n", "SELECT json_extract('{\"a\": 1}', '$.a')"} {
			if r := a.query(text); len(r.Rows) == 0 {
				t.Errorf("%s: no rows", text)
			}
		}
		a.refused("query", request{Connection: "db", SQL: "ATTACH '" + other + "' AS x"}, abi.EACCES, "not available")
		a.refused("query", request{Connection: "db", SQL: "PRAGMA query_only = 0"}, abi.EACCES, "PRAGMA")
	}
	// With write, everything else of a file's own works: triggers have semicolons inside.
	setup.exec("CREATE TABLE log (n int)")
	setup.exec("CREATE TRIGGER logs AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.n); INSERT INTO log VALUES (-new.n); END;")
	if r := setup.exec("INSERT INTO t VALUES (5), (6)"); r.RowsAffected != 2 {
		t.Errorf("%d rows affected", r.RowsAffected)
	}
	if r := setup.exec("CREATE INDEX i ON t (n)"); r.RowsAffected != 0 {
		t.Errorf("%d rows affected", r.RowsAffected)
	}
	setup.exec("CREATE VIRTUAL TABLE words USING fts5(word)")
	setup.exec("INSERT INTO words VALUES ('hello')")
	setup.exec("ALTER TABLE t RENAME COLUMN n TO m")
	if text := setup.query("SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM log), (SELECT count(*) FROM words WHERE words MATCH 'hello')").rows; text != "[[3,4,1]]" {
		t.Error(text)
	}
	if _, err := os.Stat(other + "2"); err == nil {
		t.Error("VACUUM INTO has written a file")
	}
}

// SQLite ends a transaction by itself when a change is interrupted. What follows must not
// be committed one by one.
func TestSQLiteTransactionThatIsGone(t *testing.T) {
	connection := sqlite.connection(t)
	c := newClient(t, connection, sqlmod.Access{Write: true, Timeout: passthrough.Duration(300 * time.Millisecond)})
	a := c.activity(t)
	a.exec("CREATE TABLE t (n int)")
	tx := a.do("begin", request{Connection: "db"}).Transaction
	a.do("exec", request{Transaction: tx, SQL: "INSERT INTO t VALUES (1)"})
	a.refused("exec", request{Transaction: tx, SQL: "INSERT INTO t " + strings.Replace(sqlite.forever, "count(*)", "n", 1)}, abi.ETIMEDOUT, "")
	a.refused("exec", request{Transaction: tx, SQL: "INSERT INTO t VALUES (2)"}, abi.EIO, "rolled back")
	a.refused("commit", request{Transaction: tx}, abi.EIO, "rolled back")
	testbed.Eventually(t, "the end of the rollback", func() error {
		r, err := a.try("query", request{Connection: "db", SQL: "SELECT count(*) FROM t"})
		if err == nil && r.rows != "[[0]]" {
			err = errors.New(r.rows)
		}
		return err
	})
	// An interruption of what only reads leaves the transaction as it was.
	tx = a.do("begin", request{Connection: "db"}).Transaction
	a.do("exec", request{Transaction: tx, SQL: "INSERT INTO t VALUES (1)"})
	a.refused("query", request{Transaction: tx, SQL: sqlite.forever}, abi.ETIMEDOUT, "")
	a.do("commit", request{Transaction: tx})
	if text := a.query("SELECT count(*) FROM t").rows; text != "[[1]]" {
		t.Error(text)
	}
}

// A statement that has begun to return rows can be interrupted as well.
func TestSQLiteIsInterruptedBetweenRows(t *testing.T) {
	c := sqlite.client(t, sqlmod.Access{Timeout: passthrough.Duration(300 * time.Millisecond)})
	a := c.activity(t)
	endless := "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT * FROM (" + sqlite.forever + ")"
	r := a.do("query", request{Connection: "db", SQL: endless, MaxRows: 1})
	soon(t, "a batch", 10*time.Second, func() {
		a.refused("fetch", request{Cursor: r.Cursor}, abi.ETIMEDOUT, "")
	})
	a.refused("fetch", request{Cursor: r.Cursor}, abi.EBADF, "")
	// And one that waits for somebody else's lock.
	w := c.with(t, sqlmod.Access{Write: true, Timeout: passthrough.Duration(300 * time.Millisecond)}).activity(t)
	w.exec("CREATE TABLE t (n int)")
	tx := w.do("begin", request{Connection: "db"}).Transaction
	soon(t, "waiting for a lock", 10*time.Second, func() {
		w.refused("exec", request{Connection: "db", SQL: "INSERT INTO t VALUES (1)"}, abi.ETIMEDOUT, "")
		w.refused("begin", request{Connection: "db"}, abi.ETIMEDOUT, "")
	})
	time.AfterFunc(50*time.Millisecond, func() {
		w.client.module.Functions["rollback"](w.ctx, w.call, []byte(fmt.Sprintf("%c\x00\x00\x00{\"transaction\":%d}", len(fmt.Sprintf(`{"transaction":%d}`, tx)), tx)))
	}) //nolint:errcheck // what follows needs it
	patient := &activity{t: t, client: c.with(t, writing), ctx: w.ctx}
	patient.call = &passthrough.Call{Policy: patient.client.policy, Resources: new(passthrough.Resources)}
	patient.exec("INSERT INTO t VALUES (1)")
}

func TestSQLiteConnections(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "text"), []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"nothing": "cannot be opened", "text": "not a database"} {
		a := newClient(t, sqlmod.Connection{URL: "sqlite:" + dir + "/" + name}, writing).activity(t)
		_, err := a.try("query", request{Connection: "db", SQL: "SELECT * FROM sqlite_schema"})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "nothing")); err == nil {
		t.Error("a file was created")
	}
	// What is in memory stays there for all activities, and for each module of its own.
	c := newClient(t, sqlmod.Connection{URL: "sqlite::memory:"}, writing)
	a := c.activity(t)
	a.exec("CREATE TABLE t (n int)")
	tx := a.do("begin", request{Connection: "db"}).Transaction
	a.do("exec", request{Transaction: tx, SQL: "INSERT INTO t VALUES (1)"})
	a.refused("query", request{Connection: "db", SQL: "SELECT 1"}, abi.EMFILE, "all 1 sessions")
	a.do("commit", request{Transaction: tx})
	a.end()
	if text := c.activity(t).query("SELECT n FROM t").rows; text != "[[1]]" {
		t.Error(text)
	}
	if _, err := newClient(t, sqlmod.Connection{URL: "sqlite::memory:"}, writing).activity(t).try("query", request{Connection: "db", SQL: "SELECT n FROM t"}); err == nil {
		t.Error("two databases in memory are one")
	}
}

func TestSQLiteValuesOfManyColumns(t *testing.T) {
	a := sqlite.client(t, sqlmod.Access{}).activity(t)
	columns := strings.Repeat("1, ", 255) + "1"
	a.query("SELECT " + columns)
	a.refused("query", request{Connection: "db", SQL: "SELECT " + columns + ", 1"}, abi.EIO, "too many columns")
}

// A session that has read the schema before another one changes it tells the columns as
// they are then.
func TestSQLiteColumnsAfterChange(t *testing.T) {
	a := sqlite.client(t, writing).activity(t)
	both := func(text string) (responses []response) { // in two sessions
		t.Helper()
		for range 2 {
			r := a.do("query", request{Connection: "db", SQL: text, MaxRows: 1})
			if r.Cursor == 0 {
				t.Fatal("the session is not kept")
			}
			responses = append(responses, r)
		}
		for _, r := range responses {
			a.do("close", request{Cursor: r.Cursor})
		}
		return responses
	}
	a.exec("CREATE TABLE t (v)")
	a.exec("INSERT INTO t VALUES (1), (2)")
	both("SELECT * FROM t")
	a.exec("DROP TABLE t")
	a.exec("CREATE TABLE t (w datetime, v int)")
	a.exec("INSERT INTO t VALUES ('x', 1), ('y', 2)")
	for _, r := range both("SELECT * FROM t") {
		if fmt.Sprint(r.Columns) != "[{w DATETIME} {v INT}]" || r.rows != `[["x",1]]` {
			t.Errorf("%v %s", r.Columns, r.rows)
		}
	}
}
