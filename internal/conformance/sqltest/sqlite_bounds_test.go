package sqlmod_test

import (
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

// numbers are the numbers from 1 on as n(n), before a SELECT.
const numbers = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT %d) "

// What SQLite keeps for a connection is bounded, whichever way it is asked for. A
// statement beyond it fails, and leaves nothing to others and to what follows.
func TestSQLiteMemoryIsBounded(t *testing.T) {
	const limit = 8 << 20
	connection := sqlite.connection(t)
	connection.MemoryLimit = limit
	both := newModule(t, map[string]sqlmod.Connection{"db": connection, "other": {URL: connection.URL, MemoryLimit: limit}})
	policy := &sqlmod.Policy{Connections: map[string]sqlmod.Access{"db": {Write: true, MaxRowBytes: 16 << 20}, "other": {}}}
	c := &client{module: both, policy: policy}
	many := fmt.Sprintf(numbers, 40_000)
	for name, text := range map[string]string{
		"aggregate":     many + "SELECT length(group_concat(printf('%.300d', n))) FROM n",
		"JSON":          many + "SELECT length(json_group_array(printf('%.300d', n))) FROM n",
		"nested JSON":   many + ", a(a) AS (SELECT json_group_array(n) FROM n) SELECT length(json_array(" + strings.Repeat("a, ", 99) + "a)) FROM a",
		"function":      "SELECT json_pretty(json_array(" + strings.Repeat("1, ", 99) + "1), printf('%.*c', 200000, ' '))",
		"sorting":       many + "SELECT printf('%.300d', n) AS s FROM n ORDER BY s DESC",
		"materialized":  many + ", m AS MATERIALIZED (SELECT n, printf('%.300d', n) AS s FROM n) SELECT count(*) FROM m, m b WHERE m.n = b.n",
		"distinct":      many + "SELECT count(DISTINCT printf('%.300d', n)) FROM n",
		"union":         many + "SELECT count(*) FROM (SELECT printf('%.300d', n) FROM n UNION SELECT '')",
		"window":        many + "SELECT max(length(s)) FROM (SELECT first_value(printf('%.300d', n)) OVER (ORDER BY -n) AS s FROM n)",
		"a long row":    "SELECT printf('%.*c', 9000000, 'x')",
		"a long blob":   "SELECT hex(randomblob(4500000))",
		"concatenation": "SELECT length(concat(" + strings.Repeat("zeroblob(200000), ", 99) + "1))",
	} {
		a := c.activity(t)
		for range 2 { // what the first try had is there again for the second
			a.refused("query", request{Connection: "db", SQL: text}, abi.E2BIG, "memory_limit")
		}
		if text := a.query("SELECT 1").rows; text != "[[1]]" {
			t.Errorf("%s: %s", name, text)
		}
	}
	// Others on the same file have memory of their own, and the sessions of a connection
	// have theirs together.
	a := c.activity(t)
	half := fmt.Sprintf(numbers, 16_000) + "SELECT printf('%.300d', n) AS s FROM n ORDER BY s"
	r := a.do("query", request{Connection: "db", SQL: half, MaxRows: 1})
	a.refused("query", request{Connection: "db", SQL: half, MaxRows: 1}, abi.E2BIG, "memory_limit")
	other := a.do("query", request{Connection: "other", SQL: half, MaxRows: 1})
	a.do("close", request{Cursor: r.Cursor})
	a.do("close", request{Cursor: other.Cursor})
	if rows, _ := a.drain(a.query(half)); rows != 16_000 {
		t.Errorf("%d rows", rows)
	}
	// A change that does not fit is undone.
	a.exec("CREATE TABLE t (s)")
	a.refused("exec", request{Connection: "db", SQL: "INSERT INTO t " + many + "SELECT printf('%.300d', n) AS s FROM n ORDER BY s DESC"}, abi.E2BIG, "memory_limit")
	if text := a.query("SELECT count(*) FROM t").rows; text != "[[0]]" {
		t.Error(text)
	}
}

func TestSQLiteMemoryLimitIsChecked(t *testing.T) {
	for _, test := range []struct {
		connection sqlmod.Connection
		want       string
	}{
		{sqlmod.Connection{URL: "sqlite:x.db", MemoryLimit: 1 << 20}, "db.memory_limit: 1048576 is not between"},
		{sqlmod.Connection{URL: "sqlite:x.db", MemoryLimit: -1}, "db.memory_limit: -1 is not between"},
		{sqlmod.Connection{URL: "postgres://r@localhost/db", MemoryLimit: 64 << 20}, "db.memory_limit: it is for databases inside of the worker"},
	} {
		if _, err := sqlmod.New(sqlmod.Options{Connections: map[string]sqlmod.Connection{"db": test.connection}}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v", test.connection, err)
		}
	}
}

// What is sorted or kept for a statement needs no file, however much it is.
func TestSQLiteHasNoTemporaryFiles(t *testing.T) {
	files := func() (n int) {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("there is no /proc here")
		}
		for _, entry := range entries {
			if to, _ := os.Readlink(filepath.Join("/proc/self/fd", entry.Name())); strings.HasSuffix(to, " (deleted)") || strings.Contains(to, "etilqs") {
				n++
			}
		}
		return n
	}
	a := sqlite.client(t, writing).activity(t)
	many := fmt.Sprintf(numbers, 40_000)
	a.exec("CREATE TABLE t (n INTEGER PRIMARY KEY, s TEXT UNIQUE)")
	a.exec("INSERT INTO t " + many + "SELECT n, printf('%.200d', n) FROM n")
	for name, text := range map[string]string{
		"sorting":      "SELECT n, s || 'x' AS x FROM t ORDER BY x DESC, n",
		"distinct":     "SELECT DISTINCT 40001 - n, s || 'x' FROM t ORDER BY 2",
		"materialized": "WITH m AS MATERIALIZED (SELECT n, s || 'x' AS s FROM t) SELECT 40001 - n, s FROM m",
		"window":       "SELECT 40001 - n, count(*) OVER (ORDER BY s || 'x' ROWS 1 PRECEDING) FROM t",
	} {
		r := a.do("query", request{Connection: "db", SQL: text, MaxRows: 1})
		if n := files(); n > 0 {
			t.Errorf("%s: %d temporary files", name, n)
		}
		want := 40_000.0
		for count := 0; ; {
			for _, row := range r.Rows {
				if row[0] != want {
					t.Fatalf("%s: row %d is %v, not %v", name, count, row[0], want)
				}
				want--
				count++
			}
			if r.Cursor == 0 {
				if count != 40_000 {
					t.Errorf("%s: %d rows", name, count)
				}
				break
			}
			r = a.do("fetch", request{Cursor: r.Cursor})
		}
	}
	// A statement that fails at its last row takes back what it did, from its journal.
	tx := a.do("begin", request{Connection: "db"}).Transaction
	a.do("exec", request{Transaction: tx, SQL: "UPDATE t SET s = s || 'y' WHERE n <= 20000"})
	a.refused("exec", request{Transaction: tx, SQL: "UPDATE t SET s = CASE n WHEN 40000 THEN (SELECT s FROM t WHERE n = 1) ELSE s || 'z' END"}, abi.EIO, "UNIQUE")
	a.do("commit", request{Transaction: tx})
	if text := a.query("SELECT count(*), sum(s LIKE '%y'), sum(s LIKE '%z') FROM t").rows; text != "[[40000,20000,0]]" {
		t.Error(text)
	}
}

// longCall is a call of a function of SQLite's that takes about as long as one can: half
// a second.
const longCall = "SELECT printf('%.*c', 1048000, 'a') LIKE '%' || printf('%.*c', 250, 'a') || 'b'"

// A timeout holds within the expressions of one row, and within a call of a function.
func TestSQLiteIsInterruptedWithinARow(t *testing.T) {
	const timeout = 200 * time.Millisecond
	text := func(n int) string { return fmt.Sprintf("printf('%%.*c', %d, 'a')", n) }
	likes := strings.TrimSuffix(strings.Repeat("s LIKE p, ", 250), ", ")
	for name, sql := range map[string]string{
		"many calls":      "SELECT " + likes + " FROM (SELECT " + text(200_000) + " AS s, '%' || " + text(240) + " || 'b' AS p)",
		"printf":          "SELECT " + strings.TrimSuffix(strings.Repeat("printf('"+strings.Repeat("%.0q", 100)+"', "+strings.Repeat("s, ", 99)+"s), ", 100), ", ") + " FROM (SELECT " + text(1_000_000) + " AS s)",
		"a long call":     longCall,
		"subqueries":      "SELECT (SELECT count(*) FROM (" + fmt.Sprintf(numbers, 1_000_000_000) + "SELECT n FROM n))",
		"sorting at once": fmt.Sprintf(numbers, 5_000_000) + "SELECT n FROM n ORDER BY n % 997, n",
	} {
		c := sqlite.client(t, sqlmod.Access{Timeout: passthrough.Duration(timeout), MaxRowBytes: 16 << 20})
		soon(t, name, time.Second, func() {
			c.activity(t).refused("query", request{Connection: "db", SQL: sql}, abi.ETIMEDOUT, "timeout")
		})
	}
	// What took the product of two lengths.
	c := sqlite.client(t, sqlmod.Access{})
	a := c.activity(t)
	for sql, want := range map[string]string{
		"SELECT instr(s, p || 'b') FROM (SELECT " + text(300_000) + " AS s, " + text(150_000) + " AS p)":                             "[[0]]",
		"SELECT instr(CAST(s AS BLOB), CAST(p || 'b' AS BLOB)) FROM (SELECT " + text(300_000) + " AS s, " + text(150_000) + " AS p)": "[[0]]",
		"SELECT length(replace(s, p || 'b', '')) FROM (SELECT " + text(300_000) + " AS s, " + text(150_000) + " AS p)":               "[[300000]]",
		"SELECT length(trim(s, replace(p, 'a', 'bc') || 'a')) FROM (SELECT " + text(300_000) + " AS s, " + text(150_000) + " AS p)":  "[[0]]",
	} {
		soon(t, sql, 2*time.Second, func() {
			if text := a.query(sql).rows; text != want {
				t.Errorf("%s: %s", sql, text)
			}
		})
	}
	keys := fmt.Sprintf(numbers, 8_000) + "SELECT json_patch(a, b) FROM (SELECT json_group_object('a' || n, 0) AS a, json_group_object('b' || n, 0) AS b FROM n)"
	a.refused("query", request{Connection: "db", SQL: keys}, abi.EIO, "json_patch(): 78894 and 78894 bytes")
	if text := a.query(`SELECT json_object('x', json_patch('{"a": 1, "b": 2}', '{"b": null, "c": 3}'))`).rows; text != `[["{\"x\":{\"a\":1,\"c\":3}}"]]` {
		t.Error(text)
	}
	a.refused("query", request{Connection: "db", SQL: "SELECT unhex(" + text(100_000) + ", " + text(100_000) + ")"}, abi.EIO, "unhex(): ")
	wide := newClient(t, sqlite.connection(t), sqlmod.Access{MaxRowBytes: 16 << 20}).activity(t)
	wide.refused("query", request{Connection: "db", SQL: "SELECT " + text(8_000_000) + " LIKE " + text(100)}, abi.EIO, "like(): ")
	// Steps that nothing is between.
	a.refused("query", request{Connection: "db", SQL: "SELECT 1 WHERE 1 IN (" + strings.Repeat("2,", 200_000) + "2)"}, abi.E2BIG, "steps")
}

// The session of a call that goes on after its end counts until it is over. Then there is
// another one.
func TestSQLiteSessionThatIsBusyStillCounts(t *testing.T) {
	connection := sqlite.connection(t)
	connection.MaxOpen = 1
	c := newClient(t, connection, sqlmod.Access{Timeout: passthrough.Duration(50 * time.Millisecond), MaxRowBytes: 2 << 20})
	a := c.activity(t)
	long := request{Connection: "db", SQL: longCall}
	for range 2 {
		soon(t, "a call that is canceled", time.Second, func() { a.refused("query", long, abi.ETIMEDOUT, "") })
		if _, err := a.try("query", request{Connection: "db", SQL: "SELECT 1"}); err == nil {
			t.Error("there is another session while the first one is busy")
		}
		testbed.Eventually(t, "another session", func() error {
			_, err := a.try("query", request{Connection: "db", SQL: "SELECT 1"})
			return err
		})
	}
	tx := a.do("begin", request{Connection: "db"}).Transaction
	a.refused("query", request{Transaction: tx, SQL: long.SQL}, abi.ETIMEDOUT, "")
	if _, err := a.try("query", request{Transaction: tx, SQL: "SELECT 1"}); err == nil {
		t.Error("the transaction's session still works")
	}
	a.do("rollback", request{Transaction: tx})
}

// What was deleted is not there for guests, in whatever form the file still has it.
func TestSQLiteShowsNoDeletedRows(t *testing.T) {
	connection := sqlite.connection(t)
	c := newClient(t, connection, writing)
	w := c.activity(t)
	for _, text := range []string{
		"CREATE TABLE t (n, s)", "CREATE INDEX i ON t (s)", "INSERT INTO t " + fmt.Sprintf(numbers, 100) + "SELECT n, 'topsecret' || n FROM n", "ANALYZE", "DELETE FROM t",
		"CREATE VIRTUAL TABLE words USING fts5(s)", "INSERT INTO words VALUES ('topsecret'), ('open')", "DELETE FROM words WHERE words MATCH 'topsecret'",
		"CREATE VIRTUAL TABLE places USING rtree(id, a, b)", "INSERT INTO places VALUES (1, 2, 3), (2, 3, 4)", "DELETE FROM places WHERE id = 1",
		"CREATE VIEW v AS SELECT block FROM words_data", "CREATE TABLE my_data (block)", "INSERT INTO my_data VALUES ('mine')",
	} {
		w.exec(text)
	}
	for _, access := range []sqlmod.Access{writing, {}} {
		if text := newClient(t, connection, access).activity(t).query("SELECT id FROM places").rows; text != "[[2]]" {
			t.Error(text)
		}
		a := newClient(t, connection, access).activity(t) // with sessions that have read no schema yet
		for _, text := range []string{
			"SELECT data FROM sqlite_dbpage", "SELECT count(*) FROM sqlite_dbpage", "SELECT * FROM sqlite_dbpage('main')", "SELECT * FROM dbstat",
			"SELECT block FROM words_data", "SELECT * FROM Words_DATA", "SELECT 1 WHERE EXISTS (SELECT 1 FROM words_idx)", "SELECT * FROM words_content", "SELECT block FROM v",
			"SELECT * FROM words_config", "SELECT data FROM places_node", "SELECT * FROM my_data, places_rowid", "SELECT sample FROM sqlite_stat4", "SELECT count(*) FROM sqlite_stat4",
		} {
			if r, err := a.try("query", request{Connection: "db", SQL: text}); err == nil {
				t.Errorf("%s: %s", text, r.rows)
			}
		}
		a.refused("query", request{Connection: "db", SQL: "SELECT block FROM words_data"}, abi.EACCES, "internal table")
		if text := a.query("SELECT (SELECT count(*) FROM words WHERE words MATCH 'open'), (SELECT id FROM places WHERE a > 2), (SELECT block FROM my_data), (SELECT count(*) FROM json_each('[1,2]')), (SELECT count(*) FROM t WHERE s = 'x')").rows; text != `[[1,2,"mine",2,0]]` {
			t.Error(text)
		}
	}
	for _, text := range []string{"CREATE VIRTUAL TABLE p USING sqlite_dbpage", "CREATE VIRTUAL TABLE p USING dbstat(main)", "CREATE TABLE copied AS SELECT block FROM words_data", "INSERT INTO my_data SELECT data FROM places_node"} {
		if _, err := w.try("exec", request{Connection: "db", SQL: text}); err == nil {
			t.Errorf("%s works", text)
		}
	}
}

// What a module did in a session does not show in what the next one is told.
func TestSQLiteCountersAreTheActivitys(t *testing.T) {
	const counters = "SELECT last_insert_rowid(), changes(), total_changes()"
	for _, url := range []string{"sqlite:" + newFile(t), "sqlite::memory:"} {
		c := newClient(t, sqlmod.Connection{URL: url, MaxOpen: 1}, writing)
		w := c.activity(t)
		w.exec("CREATE TABLE t (n INTEGER PRIMARY KEY)")
		for range 2 {
			tx := w.do("begin", request{Connection: "db"}).Transaction
			w.do("exec", request{Transaction: tx, SQL: "DELETE FROM t"})
			w.do("exec", request{Transaction: tx, SQL: "INSERT INTO t VALUES (5), (6), (4711)"})
			if text := w.do("query", request{Transaction: tx, SQL: "SELECT last_insert_rowid(), changes()"}).rows; text != "[[4711,3]]" {
				t.Errorf("in the transaction: %s", text)
			}
			w.do("exec", request{Transaction: tx, SQL: "DELETE FROM t WHERE n = 99"})
			if text := w.do("query", request{Transaction: tx, SQL: "SELECT changes(), total_changes() >= 3"}).rows; text != "[[0,1]]" {
				t.Errorf("in the transaction: %s", text)
			}
			w.do("commit", request{Transaction: tx})
			for _, access := range []sqlmod.Access{{}, writing} {
				if text := c.with(t, access).activity(t).query(counters).rows; text != "[[0,0,0]]" {
					t.Errorf("another module is told %s", text)
				}
			}
		}
	}
}
