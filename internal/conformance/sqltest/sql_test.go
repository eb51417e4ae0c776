package sqlmod_test

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/sqlmod"
)

var writing = sqlmod.Access{Write: true}

// drain reads a cursor to its end and returns how many rows there were, and in how many
// batches.
func (a *activity) drain(r response) (rows, batches int) {
	a.t.Helper()
	rows, batches = len(r.Rows), 1
	for cursor := r.Cursor; cursor != 0; batches++ {
		next := a.do("fetch", request{Cursor: cursor, MaxRows: 500})
		if next.Cursor != 0 && next.Cursor != cursor {
			a.t.Fatalf("cursor %d became %d", cursor, next.Cursor)
		}
		rows, cursor = rows+len(next.Rows), next.Cursor
	}
	return rows, batches
}

func TestValuesGoThereAndBack(t *testing.T) {
	clients := map[string]*client{"postgres": postgres.client(t, writing), "sqlite": sqlite.client(t, writing)}
	for _, test := range []struct {
		b       backend
		kind    string // of the column
		arg     any
		body    string
		want    string // in JSON
		content string
	}{
		{postgres, "int8", nil, "", `null`, ""},
		{postgres, "bool", true, "", `true`, ""},
		{postgres, "bool", false, "", `false`, ""},
		{postgres, "text", "Zoë <\u2028\n\"", "", `"Zoë \u003c\u2028\n\""`, ""},
		{postgres, "text", "", "", `""`, ""},
		{postgres, "int2", int64(-5), "", `-5`, ""},
		{postgres, "int8", int64(math.MinInt64), "", `-9223372036854775808`, ""},
		{postgres, "text", int64(7), "", `"7"`, ""},
		{postgres, "float8", 1.5, "", `1.5`, ""},
		{postgres, "float8", 1e300, "", `1e+300`, ""},
		{postgres, "float8", 0.1, "", `0.1`, ""},
		{postgres, "float4", 0.1, "", `0.1`, ""},
		{postgres, "float8", "NaN", "", `"NaN"`, ""},
		{postgres, "float8", "-Infinity", "", `"-Infinity"`, ""},
		{postgres, "numeric", "12345678901234567890.5", "", `"12345678901234567890.5"`, ""},
		{postgres, "bytea", map[string]any{"bytes": []int{1, 3}}, "xA\x00\xffy", `{"bytes":[0,3]}`, "A\x00\xff"},
		{postgres, "bytea", map[string]any{"bytes": []int{0, 0}}, "", `{"bytes":[0,0]}`, ""},
		{postgres, "timestamptz", "2026-01-02T15:04:05.5+02:00", "", `"2026-01-02T13:04:05.5Z"`, ""},
		{postgres, "timestamptz", "infinity", "", `"infinity"`, ""},
		{postgres, "timestamp", "1969-12-31T23:59:59.999999", "", `"1969-12-31T23:59:59.999999"`, ""},
		{postgres, "timestamp", "1999-12-31T23:59:59.25", "", `"1999-12-31T23:59:59.25"`, ""},
		{postgres, "date", "1582-10-15", "", `"1582-10-15"`, ""},
		{postgres, "date", "-infinity", "", `"-infinity"`, ""},
		{postgres, "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "", `"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`, ""},
		{postgres, "jsonb", `{"a": [1]}`, "", `"{\"a\": [1]}"`, ""},
		{postgres, "int4[]", "{1,2}", "", `"{1,2}"`, ""},
		{sqlite, "any", nil, "", `null`, ""},
		{sqlite, "any", true, "", `1`, ""},
		{sqlite, "any", int64(math.MaxInt64), "", `9223372036854775807`, ""},
		{sqlite, "any", 1.5, "", `1.5`, ""},
		{sqlite, "any", "Zoë", "", `"Zoë"`, ""},
		{sqlite, "any", "", "", `""`, ""},
		{sqlite, "any", map[string]any{"bytes": []int{1, 3}}, "xA\x00\xffy", `{"bytes":[0,3]}`, "A\x00\xff"},
		{sqlite, "any", map[string]any{"bytes": []int{0, 0}}, "", `{"bytes":[0,0]}`, ""},
		{sqlite, "datetime", "2026-01-02 15:04:05", "", `"2026-01-02 15:04:05"`, ""},
	} {
		t.Run(fmt.Sprint(test.b.name, "/", test.kind, "/", test.arg), func(t *testing.T) {
			a := clients[test.b.name].activity(t)
			column := "v " + test.kind
			if test.kind == "any" {
				column = "v"
			}
			a.exec("DROP TABLE IF EXISTS t")
			a.exec("CREATE TABLE t (" + column + ")")
			r := a.do("exec", request{Connection: "db", SQL: "INSERT INTO t VALUES (" + test.b.parameter + ")", Args: []any{test.arg}, body: []byte(test.body)})
			if r.RowsAffected != 1 {
				t.Errorf("%d rows affected", r.RowsAffected)
			}
			got := a.query("SELECT v FROM t")
			if got.rows != "[["+test.want+"]]" || string(got.body) != test.content {
				t.Errorf("%s with %q, not [[%s]] with %q", got.rows, got.body, test.want, test.content)
			}
			if got.Cursor != 0 || got.Columns[0].Name != "v" || test.kind != "any" && !strings.EqualFold(got.Columns[0].Type, strings.Replace(test.kind, "int4[]", "_int4", 1)) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestBatches(t *testing.T) {
	both(t, func(t *testing.T, b backend) {
		a := b.client(t, sqlmod.Access{}).activity(t)
		for _, test := range []struct {
			rows, first, batches int
			ask                  int64
		}{
			{0, 0, 1, 0}, {1, 1, 1, 0}, {1000, 1000, 1, 0}, {1001, 1000, 2, 0}, {10, 10, 1, 10}, {11, 10, 2, 10}, {2501, 1, 6, 1}, {3000, 2999, 2, 2999},
		} {
			r := a.do("query", request{Connection: "db", SQL: fmt.Sprintf(b.manyRows, test.rows), MaxRows: test.ask})
			// a LIMIT of 0 is not what recursion begins with
			if b.name == "sqlite" && test.rows == 0 {
				r = a.query("SELECT 1 WHERE 0")
			}
			if len(r.Rows) != test.first || len(r.Columns) != 1 {
				t.Errorf("%d rows first, not %d: %v", len(r.Rows), test.first, r.Columns)
			}
			if rows, batches := a.drain(r); rows != test.rows || batches != test.batches {
				t.Errorf("%d rows in %d batches, not %d in %d", rows, batches, test.rows, test.batches)
			}
			if r.Cursor != 0 {
				a.refused("fetch", request{Cursor: r.Cursor}, abi.EBADF, "")
			}
		}
		// A batch ends with 1 MiB too.
		fat := "SELECT n, " + strings.TrimPrefix(fmt.Sprintf(b.bigRow, 300<<10), "SELECT ") + " FROM (" + fmt.Sprintf(b.manyRows, 10) + ") AS fat"
		r := a.query(fat)
		if len(r.Rows) != 4 {
			t.Errorf("%d rows of 300 KiB in a batch", len(r.Rows))
		}
		if rows, batches := a.drain(r); rows != 10 || batches != 3 {
			t.Errorf("%d rows in %d batches", rows, batches)
		}
		// A cursor that is closed has given back its session.
		for range 3 * sqlmod.DefaultMaxOpen {
			r := a.query(fmt.Sprintf(b.manyRows, 100_000))
			a.do("close", request{Cursor: r.Cursor})
			a.refused("close", request{Cursor: r.Cursor}, abi.EBADF, "")
		}
	})
}

func TestTransactions(t *testing.T) {
	both(t, func(t *testing.T, b backend) {
		c := b.client(t, writing)
		a := c.activity(t)
		a.exec("CREATE TABLE t (n int)")
		count := func() float64 { return a.query("SELECT count(*) FROM t").Rows[0][0].(float64) }
		for _, isolation := range []string{"", "read committed", "repeatable read", "serializable"} {
			tx := a.do("begin", request{Connection: "db", Isolation: isolation}).Transaction
			before := count()
			if r := a.do("exec", request{Transaction: tx, SQL: "INSERT INTO t VALUES (1), (2)"}); r.RowsAffected != 2 {
				t.Errorf("%d rows affected", r.RowsAffected)
			}
			if n := a.do("query", request{Transaction: tx, SQL: "SELECT count(*) FROM t"}).Rows[0][0].(float64); n != before+2 {
				t.Errorf("inside there are %v", n)
			}
			if count() != before {
				t.Error("what was not committed is there")
			}
			a.do("commit", request{Transaction: tx})
			if count() != before+2 {
				t.Error("what was committed is not there")
			}
			for _, function := range []string{"query", "exec", "commit", "rollback"} {
				a.refused(function, request{Transaction: tx, SQL: "SELECT 1"}, abi.EBADF, "")
			}
		}
		tx := a.do("begin", request{Connection: "db"}).Transaction
		a.do("exec", request{Transaction: tx, SQL: "DELETE FROM t"})
		a.do("rollback", request{Transaction: tx})
		if count() != 8 {
			t.Error("rollback did not take it back")
		}
		a.refused("begin", request{Connection: "db", Isolation: "chaos"}, abi.EINVAL, "isolation")

		// One left open ends with its activity, and so does a cursor that changes
		// something.
		other := c.activity(t)
		tx = other.do("begin", request{Connection: "db"}).Transaction
		other.do("exec", request{Transaction: tx, SQL: "DELETE FROM t"})
		other.end()
		other = c.activity(t)
		if r := other.do("query", request{Connection: "db", SQL: "DELETE FROM t RETURNING n", MaxRows: 3}); r.Cursor == 0 || len(r.Rows) != 3 {
			t.Fatalf("%+v", r)
		}
		other.end()
		if count() != 8 {
			t.Error("the end of an activity did not take it back")
		}
		// Such a cursor counts when it is at its end, or closed.
		r := a.do("query", request{Connection: "db", SQL: "UPDATE t SET n = n + 10 RETURNING n", MaxRows: 3})
		a.drain(r)
		r = a.do("query", request{Connection: "db", SQL: "UPDATE t SET n = n + 10 RETURNING n", MaxRows: 3})
		a.do("close", request{Cursor: r.Cursor})
		if n := a.query("SELECT sum(n) FROM t").Rows[0][0]; n != float64(4*1+4*2+8*20) {
			t.Errorf("the sum is %v", n)
		}
	})
}

func TestCursorsInTransactions(t *testing.T) {
	both(t, func(t *testing.T, b backend) {
		a := b.client(t, writing).activity(t)
		a.exec("CREATE TABLE t (n int)")
		tx := a.do("begin", request{Connection: "db"}).Transaction
		many := request{Transaction: tx, SQL: fmt.Sprintf(b.manyRows, 5000), MaxRows: 10}
		r := a.do("query", many)
		for function, request := range map[string]request{
			"query": {Transaction: tx, SQL: "SELECT 1"}, "exec": {Transaction: tx, SQL: "DELETE FROM t"}, "commit": {Transaction: tx},
		} {
			a.refused(function, request, abi.EBUSY, "cursor")
		}
		a.do("close", request{Cursor: r.Cursor})
		a.do("exec", request{Transaction: tx, SQL: "INSERT INTO t VALUES (1)"})
		if rows, _ := a.drain(a.do("query", many)); rows != 5000 {
			t.Errorf("%d rows", rows)
		}
		r = a.do("query", many)
		a.do("rollback", request{Transaction: tx})
		a.refused("fetch", request{Cursor: r.Cursor}, abi.EBADF, "")
		a.do("close", request{Cursor: r.Cursor})
		if n := a.query("SELECT count(*) FROM t").Rows[0][0]; n != 0.0 {
			t.Errorf("%v rows were committed", n)
		}
		a.refused("fetch", request{Cursor: tx}, abi.EBADF, "")
	})
}

// Each clause of the policy denies what it is there for.
func TestPolicyIsKept(t *testing.T) {
	both(t, func(t *testing.T, b backend) {
		connection := b.connection(t)
		writer := newClient(t, connection, writing)
		setup := writer.activity(t)
		setup.exec("CREATE TABLE t (n int PRIMARY KEY)")
		setup.exec("INSERT INTO t VALUES (1), (2), (3)")

		t.Run("connections", func(t *testing.T) {
			c := &client{module: writer.module, policy: &sqlmod.Policy{}}
			a := c.activity(t)
			for _, function := range []string{"query", "exec", "begin"} {
				a.refused(function, request{Connection: "db", SQL: "SELECT 1"}, abi.EACCES, "connections: {db: {")
			}
			a.refused("query", request{Connection: "d\nb", SQL: "SELECT 1"}, abi.EACCES, `d\nb`)
			a.refused("query", request{SQL: "SELECT 1"}, abi.EACCES, "")
		})
		t.Run("write", func(t *testing.T) {
			a := writer.with(t, sqlmod.Access{}).activity(t)
			tx := a.do("begin", request{Connection: "db"}).Transaction
			for _, text := range []string{
				"INSERT INTO t VALUES (9)", "UPDATE t SET n = n + 10", "DELETE FROM t", "DELETE FROM t RETURNING n", "DROP TABLE t",
				"CREATE TABLE u (n int)", "CREATE TEMPORARY TABLE u (n int)", "CREATE VIEW v AS SELECT 1", "ALTER TABLE t ADD COLUMN m int",
				"WITH x AS (SELECT 9) INSERT INTO t SELECT * FROM x", "CREATE TABLE u AS SELECT 1", "/* SELECT */ DELETE FROM t", "-- SELECT\nDELETE FROM t",
				"REINDEX TABLE t", "ANALYZE", "EXPLAIN ANALYZE DELETE FROM t",
			} {
				if b.name == "sqlite" && (strings.HasPrefix(text, "EXPLAIN") || strings.HasPrefix(text, "REINDEX")) {
					continue
				}
				a.refused("exec", request{Connection: "db", SQL: text}, abi.EACCES, "write: true")
				a.refused("exec", request{Transaction: tx, SQL: text}, abi.EACCES, "")
				a.refused("query", request{Connection: "db", SQL: text}, abi.EACCES, "")
				a.refused("query", request{Transaction: tx, SQL: text}, abi.EACCES, "")
				a.do("rollback", request{Transaction: tx}) // PostgreSQL wants that
				tx = a.do("begin", request{Connection: "db"}).Transaction
			}
			if n := a.query("SELECT sum(n) FROM t").Rows[0][0]; n != 6.0 {
				t.Errorf("the sum became %v", n)
			}
			// A transaction that the guest wants to be read-only is that for a module
			// that may write, too.
			w := writer.activity(t)
			tx = w.do("begin", request{Connection: "db", ReadOnly: true}).Transaction
			w.refused("exec", request{Transaction: tx, SQL: "DELETE FROM t"}, abi.EACCES, "only reads")
			w.refused("query", request{Transaction: tx, SQL: "DELETE FROM t RETURNING n"}, abi.EACCES, "")
		})
		t.Run("max_rows", func(t *testing.T) {
			a := writer.with(t, sqlmod.Access{MaxRows: 100}).activity(t)
			if rows, _ := a.drain(a.query(fmt.Sprintf(b.manyRows, 100))); rows != 100 {
				t.Errorf("%d rows", rows)
			}
			a.refused("query", request{Connection: "db", SQL: fmt.Sprintf(b.manyRows, 101)}, abi.EMSGSIZE, "max_rows")
			r := a.do("query", request{Connection: "db", SQL: fmt.Sprintf(b.manyRows, 101), MaxRows: 60})
			a.refused("fetch", request{Cursor: r.Cursor, MaxRows: 60}, abi.EMSGSIZE, "max_rows")
			a.refused("fetch", request{Cursor: r.Cursor}, abi.EBADF, "")
		})
		t.Run("max_row_bytes", func(t *testing.T) {
			for _, most := range []int{100, 1 << 20, 2 << 20} {
				a := writer.with(t, sqlmod.Access{MaxRowBytes: passthrough.Size(most)}).activity(t)
				if r := a.query(fmt.Sprintf(b.bigRow, most)); len(r.Rows) != 1 {
					t.Error(r)
				}
				a.refused("query", request{Connection: "db", SQL: fmt.Sprintf(b.bigRow, most+1)}, abi.EMSGSIZE, "max_row_bytes")
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			a := writer.with(t, sqlmod.Access{}).activity(t)
			a.refused("query", request{Connection: "db", SQL: fmt.Sprintf(b.bigRow, 100<<20)}, abi.EMSGSIZE, "max_row_bytes")
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 10<<20 {
				t.Errorf("a row of 100 MB took %d bytes", used)
			}
		})
		t.Run("timeout", func(t *testing.T) {
			a := writer.with(t, sqlmod.Access{Write: true, Timeout: passthrough.Duration(300 * time.Millisecond)}).activity(t)
			soon(t, "a query with a timeout", 10*time.Second, func() {
				a.refused("query", request{Connection: "db", SQL: b.forever}, abi.ETIMEDOUT, "300ms")
				a.refused("exec", request{Connection: "db", SQL: b.forever}, abi.ETIMEDOUT, "timeout")
			})
			if a.query("SELECT 1").rows != "[[1]]" {
				t.Error("nothing works after a timeout")
			}
		})
	})
}

func TestOneStatement(t *testing.T) {
	both(t, func(t *testing.T, b backend) {
		a := b.client(t, writing).activity(t)
		a.exec("CREATE TABLE t (n int)")
		for _, text := range []string{"INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)", "SELECT 1; SELECT 2", "SELECT 1;; /**/ DELETE FROM t"} {
			for _, function := range []string{"query", "exec"} {
				if _, err := a.try(function, request{Connection: "db", SQL: text}); err == nil {
					t.Errorf("%s took %q", function, text)
				}
			}
		}
		for _, text := range []string{"SELECT 1;", "SELECT 1 ; -- that was it", " /* first */ SELECT 1;\n"} {
			if r := a.query(text); r.rows != "[[1]]" {
				t.Errorf("%q: %s", text, r.rows)
			}
		}
		for _, text := range []string{"", " ", ";", "-- nothing", "/* nothing", "SELECT 1\x00"} {
			a.refused("query", request{Connection: "db", SQL: text}, abi.EINVAL, "")
			a.refused("exec", request{Connection: "db", SQL: text}, abi.EINVAL, "")
		}
		if n := a.query("SELECT count(*) FROM t").Rows[0][0]; n != 0.0 {
			t.Errorf("%v rows", n)
		}
		a.refused("query", request{Connection: "db", SQL: "SELECT no_such"}, abi.EIO, "no_such")
	})
}

// What begins or ends a transaction is denied, with any right and in any place.
func TestTransactionsAreNotBegunBySQL(t *testing.T) {
	both(t, func(t *testing.T, b backend) {
		c := b.client(t, writing)
		setup := c.activity(t)
		setup.exec("CREATE TABLE t (n int)")
		for _, access := range []sqlmod.Access{writing, {}} {
			a := c.with(t, access).activity(t)
			tx := a.do("begin", request{Connection: "db"}).Transaction
			for _, text := range []string{
				"BEGIN", "begin", "COMMIT", "commit;", "END", "ROLLBACK", "SAVEPOINT s", "RELEASE s", "ROLLBACK TO s",
				"/* a /* b */ */ COMMIT", "-- x\r\n\tCoMmIt", "COMMIT/**/", "COMMIT AND CHAIN", "START TRANSACTION", "ABORT", "PREPARE TRANSACTION 'x'",
			} {
				if b.name == "sqlite" && !strings.HasPrefix(strings.TrimSpace(text), "-- x") && slices.Contains([]string{"COMMIT AND CHAIN", "START TRANSACTION", "ABORT", "PREPARE TRANSACTION 'x'", "/* a /* b */ */ COMMIT"}, text) {
					continue // it has no such statement
				}
				for _, function := range []string{"query", "exec"} {
					a.refused(function, request{Connection: "db", SQL: text}, abi.EACCES, "")
					a.refused(function, request{Transaction: tx, SQL: text}, abi.EACCES, "")
				}
			}
			if a.do("query", request{Transaction: tx, SQL: "SELECT 1"}).rows != "[[1]]" {
				t.Error("the transaction was hurt")
			}
			a.do("rollback", request{Transaction: tx})
		}
	})
}

func TestRequestsThatAreWrong(t *testing.T) {
	both(t, func(t *testing.T, b backend) {
		a := b.client(t, writing).activity(t)
		for _, test := range []struct {
			r    request
			want abi.Errno
			text string
		}{
			{request{Connection: "db", Transaction: 1, SQL: "SELECT 1"}, abi.EINVAL, "a connection and a transaction"},
			{request{Connection: "db", SQL: "SELECT 1", MaxRows: -1}, abi.EINVAL, "max_rows"},
			{request{Transaction: 17, SQL: "SELECT 1"}, abi.EBADF, ""},
			{request{Connection: "db", SQL: "SELECT " + b.parameter}, abi.EINVAL, "1 parameters"},
			{request{Connection: "db", SQL: "SELECT 1", Args: []any{[]int{1}}}, abi.EINVAL, "argument 1 is a list"},
			{request{Connection: "db", SQL: "SELECT 1", Args: []any{1, map[string]any{"bytes": []int{0, 1}}}}, abi.EINVAL, "argument 2 are bytes beyond"},
			{request{Connection: "db", SQL: "SELECT 1", Args: []any{map[string]any{"bytes": []uint64{1, math.MaxUint64}}}}, abi.EINVAL, "beyond"},
			{request{Connection: "db", SQL: "SELECT 1", Args: []any{map[string]any{"bites": 1}}}, abi.EINVAL, "object"},
			{request{Connection: "db", SQL: "SELECT '" + strings.Repeat("x", passthrough.MaxHead) + "'"}, abi.EMSGSIZE, "head"},
		} {
			a.refused("query", test.r, test.want, test.text)
			a.refused("exec", test.r, test.want, test.text)
		}
		surplus := abi.EINVAL
		if b.name == "postgres" { // which wants to know its type before all
			surplus = abi.EIO
		}
		a.refused("query", request{Connection: "db", SQL: "SELECT 1", Args: []any{1}}, surplus, "parameter")
		for _, head := range []string{`{"args": [9223372036854775808]}`, `{"args": [1e999]}`, `[]`, `{"sql": 1}`, `{"cursor": -1}`} {
			frame := append([]byte{byte(len(head)), 0, 0, 0}, head...)
			for _, function := range []string{"query", "exec", "fetch", "begin", "commit", "rollback", "close"} {
				if _, err := a.send(function, frame); err == nil {
					t.Errorf("%s took %s", function, head)
				}
			}
		}
		for _, function := range []string{"fetch", "commit", "rollback", "close"} {
			a.refused(function, request{Transaction: 9, Cursor: 9}, abi.EBADF, "")
		}
	})
}

func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("there is no /proc here")
	}
	return len(entries)
}

// A guest that opens all it can gets an error, at once, and its activity's end gives
// everything back.
func TestTenThousandCursors(t *testing.T) {
	both(t, func(t *testing.T, b backend) {
		connection := b.connection(t)
		connection.MaxOpen = 5
		c := newClient(t, connection, sqlmod.Access{})
		c.activity(t).query("SELECT 1")
		before := descriptors(t)
		for range 3 {
			a := c.activity(t)
			opened := 0
			soon(t, "opening 10,000 cursors", 30*time.Second, func() {
				for range 10_000 {
					if r, err := a.try("query", request{Connection: "db", SQL: fmt.Sprintf(b.manyRows, 100_000)}); err == nil && r.Cursor != 0 {
						opened++
					}
				}
			})
			a.refused("begin", request{Connection: "db"}, abi.EMFILE, "all 5 sessions")
			if opened != 5 {
				t.Errorf("%d cursors were opened", opened)
			}
			soon(t, "the end of the activity", 5*time.Second, a.end)
		}
		if c.activity(t).query("SELECT 1").rows != "[[1]]" {
			t.Error("nothing works after that")
		}
		if now := descriptors(t); now > before+3*5 {
			t.Errorf("%d descriptors became %d", before, now)
		}
	})
}

func TestEndOfAnActivityAbortsAStatement(t *testing.T) {
	both(t, func(t *testing.T, b backend) {
		c := b.client(t, writing)
		for _, function := range []string{"query", "exec"} {
			a := c.activity(t)
			tx := a.do("begin", request{Connection: "db"}).Transaction
			time.AfterFunc(200*time.Millisecond, a.cancel)
			soon(t, "aborting a statement", 5*time.Second, func() {
				a.refused(function, request{Transaction: tx, SQL: b.forever}, abi.ECANCELED, "")
			})
			soon(t, "ending an activity", time.Second, a.end)
		}
		if c.activity(t).query("SELECT 1").rows != "[[1]]" {
			t.Error("nothing works after that")
		}
	})
}

func TestManyActivitiesShareAPool(t *testing.T) {
	both(t, func(t *testing.T, b backend) {
		connection := b.connection(t)
		connection.MaxOpen = 3
		c := newClient(t, connection, writing)
		c.activity(t).exec("CREATE TABLE t (n int)")
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				a := c.activity(t)
				defer a.end()
				for range 5 {
					a.exec("INSERT INTO t VALUES ("+b.parameter+")", i)
					tx := a.do("begin", request{Connection: "db", ReadOnly: true}).Transaction
					r := a.do("query", request{Transaction: tx, SQL: fmt.Sprintf(b.manyRows, 50), MaxRows: 20})
					if rows, _ := a.drain(r); rows != 50 {
						t.Errorf("%d rows", rows)
					}
					a.do("commit", request{Transaction: tx})
				}
			})
		}
		wg.Wait()
		if n := c.activity(t).query("SELECT count(*) FROM t").Rows[0][0]; n != 100.0 {
			t.Errorf("%v rows", n)
		}
	})
}

func TestConfiguration(t *testing.T) {
	for _, test := range []struct {
		name       string
		connection sqlmod.Connection
		want       []string
	}{
		{"nothing", sqlmod.Connection{}, []string{"x.url: it is missing"}},
		{"no URL", sqlmod.Connection{URL: "warehouse"}, []string{"x.url: it is not a URL"}},
		{"malformed", sqlmod.Connection{URL: "postgres://u:hunter2@[::1/db"}, []string{"x.url: it is not a URL"}},
		{"a password", sqlmod.Connection{URL: "postgres://u:hunter2@h/db"}, []string{"x.url: it has a password; make a secret"}},
		{"a password in the query", sqlmod.Connection{URL: "postgres://u@h/db?password=hunter2"}, []string{"x.url: it has a password"}},
		{"another password in the query", sqlmod.Connection{URL: "postgres://u@h/db?sslpassword=hunter2"}, []string{"x.url: it has a password"}},
		{"no driver", sqlmod.Connection{URL: "mysql://u@h/db"}, []string{"x.url: there is no driver for the scheme \"mysql\"; there are: postgres, postgresql, sqlite"}},
		{"no secret", sqlmod.Connection{URL: "postgres://u@h/db", Password: "nope"}, []string{"x.password: there is no secret \"nope\"; there are: guest"}},
		{"many", sqlmod.Connection{URL: "postgres://u@h/db", Password: "nope", MaxOpen: 1001}, []string{"x.password: ", "x.max_open: 1001 is not between"}},
		{"no user", sqlmod.Connection{URL: "postgres://h/db"}, []string{"names no user"}},
		{"no host", sqlmod.Connection{URL: "postgres://u@/db"}, []string{"names no host"}},
		{"no database", sqlmod.Connection{URL: "postgres://u@h"}, []string{"names no database"}},
		{"a service", sqlmod.Connection{URL: "postgres://u@h/db?service=hunter2"}, []string{"service cannot be used"}},
		{"a bad port", sqlmod.Connection{URL: "postgres://u@h/db?port=hunter2"}, []string{"invalid port"}},
		{"a bad sslmode", sqlmod.Connection{URL: "postgres://u@h/db?sslmode=hunter2"}, []string{"failed to configure TLS"}},
		{"no path", sqlmod.Connection{URL: "sqlite:"}, []string{"sqlite: and a path"}},
		{"a query", sqlmod.Connection{URL: "sqlite:x.db?mode=ro"}, []string{"sqlite: and a path"}},
		{"a password for a file", sqlmod.Connection{URL: "sqlite:x.db", Password: "guest"}, []string{"no password"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := sqlmod.New(sqlmod.Options{Connections: map[string]sqlmod.Connection{"x": test.connection, "fine": {URL: "sqlite:x.db"}}, Secrets: secrets(t)})
			if err == nil {
				t.Fatal("it was taken")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("it tells: %v", err)
			}
		})
	}
	module := newModule(t, map[string]sqlmod.Connection{"warehouse": {URL: "sqlite:x.db"}, "audit": {URL: "postgres://u@h/db", Password: "guest"}})
	err := module.CheckPolicy(&sqlmod.Policy{Connections: map[string]sqlmod.Access{"warehose": {}}})
	if err == nil || !strings.Contains(err.Error(), "connections.warehose: there is no connection of that name; there are: audit, warehouse") {
		t.Error(err)
	}
	err = module.CheckPolicy(&sqlmod.Policy{Connections: map[string]sqlmod.Access{"warehouse": {Timeout: -1, MaxRows: -1, MaxRowBytes: 1 << 30}}})
	for _, want := range []string{"connections.warehouse.timeout: ", "connections.warehouse.max_rows: ", "connections.warehouse.max_row_bytes: 1073741824 is not between 1 and 67108864"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if err := module.CheckPolicy(module.NewPolicy()); err != nil {
		t.Errorf("the zero policy is refused: %v", err)
	}
}

func TestExplain(t *testing.T) {
	policy := &sqlmod.Policy{Connections: map[string]sqlmod.Access{"warehouse": {}, "orders": {Write: true}}}
	for words, want := range map[string]string{
		"read warehouse":  "true connections.warehouse",
		"write warehouse": "false connections.warehouse write: true",
		"read orders":     "true connections.orders",
		"write orders":    "true connections.orders.write",
		"read nope":       "false  connections: {nope: {}}",
		"write nope":      "false  connections: {nope: {write: true}}",
	} {
		verdict, err := policy.Explain(strings.Fields(words))
		got := fmt.Sprint(verdict.Allowed, " ", passthrough.PathString(verdict.Path))
		allowed, rest, _ := strings.Cut(want, " ")
		path, text, _ := strings.Cut(rest, " ")
		if err != nil || got != allowed+" "+path || !strings.Contains(verdict.Reason, text) {
			t.Errorf("%s: %s, %q, %v", words, got, verdict.Reason, err)
		}
	}
	for _, words := range []string{"", "read", "drop orders", "read orders now"} {
		if _, err := policy.Explain(strings.Fields(words)); err == nil {
			t.Errorf("%q was explained", words)
		}
	}
}

func TestModuleCanBeRegistered(t *testing.T) {
	module := newModule(t, nil)
	set, err := passthrough.NewSet(module)
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := set.Lookup("wasmworker:sql/v1"); !ok || m.Name != "sql" {
		t.Errorf("there is %+v", m)
	}
}
