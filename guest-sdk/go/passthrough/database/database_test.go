//go:build !wasip1

package database_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough/database"
	"github.com/wasmworker/wasmworker/guest-sdk/go/testsuite"
)

// fakeHost answers the functions of wasmworker:sql/v1 with what a test says, and records
// the requests.
type fakeHost struct {
	answers map[string][]answer // by function, used up one by one
	calls   []string            // the function, the head, and the body in hexadecimal
}

type answer struct {
	head any
	body string
	err  error
}

func newHost(t *testing.T, answers map[string][]answer) *fakeHost {
	h := &fakeHost{answers: answers}
	for _, function := range []string{"query", "fetch", "exec", "begin", "commit", "rollback", "close"} {
		t.Cleanup(testsuite.SetPassthrough("wasmworker:sql/v1", function, func(frame []byte) ([]byte, error) {
			var head json.RawMessage
			body, err := passthrough.DecodeFrame(frame, &head)
			if err != nil {
				return nil, passthrough.EINVAL
			}
			call := function + " " + string(head)
			if len(body) > 0 {
				call += fmt.Sprintf(" %x", body)
			}
			h.calls = append(h.calls, call)
			if len(h.answers[function]) == 0 {
				return nil, nil
			}
			a := h.answers[function][0]
			h.answers[function] = h.answers[function][1:]
			if a.err != nil || a.head == nil {
				return nil, a.err
			}
			return passthrough.EncodeFrame(a.head, []byte(a.body))
		}))
	}
	return h
}

func (h *fakeHost) expect(t *testing.T, calls ...string) {
	t.Helper()
	if !slices.Equal(h.calls, calls) {
		t.Errorf("the host got\n%s\nwant\n%s", strings.Join(h.calls, "\n"), strings.Join(calls, "\n"))
	}
}

type object = map[string]any

func list(v ...any) []any { return v }

func columns(names ...string) []any {
	var c []any
	for _, n := range names {
		name, kind, _ := strings.Cut(n, " ")
		c = append(c, object{"name": name, "type": kind})
	}
	return c
}

func TestBatches(t *testing.T) {
	h := newHost(t, map[string][]answer{
		"query": {{head: object{"columns": columns("id INT8", "b BYTEA"), "rows": list(list(1, object{"bytes": list(0, 2)}), list(2, object{"bytes": list(2, 0)})), "cursor": 3}, body: "ab"}},
		"fetch": {{head: object{"rows": list(), "cursor": 3}}, {head: object{"rows": list(list(3, object{"bytes": list(1, 1)}))}, body: "xyz"}},
	})
	db := sql.OpenDB(database.Connector{Connection: "warehouse", BatchRows: 2})
	defer db.Close()
	rows, err := db.Query("SELECT id, b FROM t")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for rows.Next() {
		var id int
		var b []byte
		if err := rows.Scan(&id, &b); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d %q", id, b))
	}
	if err := rows.Err(); err != nil || !slices.Equal(got, []string{`1 "ab"`, `2 ""`, `3 "y"`}) {
		t.Error(got, err)
	}
	h.expect(t, `query {"connection":"warehouse","sql":"SELECT id, b FROM t","max_rows":2}`,
		// and no close: the cursor has ended
		`fetch {"cursor":3,"max_rows":2}`, `fetch {"cursor":3,"max_rows":2}`)
}

func TestEarlyEnd(t *testing.T) {
	h := newHost(t, map[string][]answer{"query": {{head: object{"columns": columns("id INT8"), "rows": list(list(1), list(2)), "cursor": 7}}}})
	db := database.Open("warehouse")
	defer db.Close()
	var id int
	if err := db.QueryRow("SELECT id FROM t").Scan(&id); err != nil || id != 1 {
		t.Error(id, err)
	}
	h.expect(t, `query {"connection":"warehouse","sql":"SELECT id FROM t"}`, `close {"cursor":7}`)
}

func TestErrorBetweenRows(t *testing.T) {
	newHost(t, map[string][]answer{
		"query": {{head: object{"columns": columns("id INT8"), "rows": list(list(1)), "cursor": 7}}},
		"fetch": {{err: &passthrough.Error{Errno: passthrough.EIO, Message: "22012: division by zero"}}},
		"close": {{err: passthrough.EBADF}},
	})
	db := database.Open("warehouse")
	defer db.Close()
	rows, err := db.Query("SELECT 1 / (2 - id) FROM t")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for rows.Next() {
		n++
	}
	if err := rows.Err(); n != 1 || !errors.Is(err, passthrough.EIO) || !strings.Contains(err.Error(), "22012: division by zero") {
		t.Error(n, err)
	}
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
}

func TestArguments(t *testing.T) {
	h := newHost(t, map[string][]answer{"exec": {{head: object{"rows_affected": 7}}}})
	db := database.Open("warehouse")
	defer db.Close()
	when := time.Date(2026, 1, 2, 3, 4, 5, 600, time.FixedZone("", 3600))
	result, err := db.Exec("INSERT …", nil, true, 42, int64(math.MinInt64), 1.0, 1e300, 0.1, "ö<\"", []byte("ab"), []byte{}, []byte(nil), []byte{0xff}, when, sql.NullString{}, sql.Null[int]{V: 5, Valid: true})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := result.RowsAffected(); n != 7 || err != nil {
		t.Error(n, err)
	}
	if _, err := result.LastInsertId(); err == nil {
		t.Error("there is a last ID")
	}
	h.expect(t, `exec {"connection":"warehouse","sql":"INSERT …","args":[null,true,42,-9223372036854775808,1.0,1e+300,0.1,"ö\u003c\"",{"bytes":[0,2]},{"bytes":[2,0]},null,{"bytes":[2,1]},"2026-01-02T03:04:05.0000006+01:00",null,5]} 6162ff`)
	for name, arg := range map[string]any{"NaN": math.NaN(), "infinity": math.Inf(-1), "not UTF-8": "\xff", "a name": sql.Named("x", 1), "too large": uint64(math.MaxUint64), "a struct": struct{}{}} {
		if _, err := db.Exec("INSERT …", arg); err == nil {
			t.Error(name, "was sent")
		}
	}
	if _, err := db.Exec("\xff"); !errors.Is(err, passthrough.EINVAL) {
		t.Error(err)
	}
	if len(h.calls) != 1 {
		t.Error(h.calls)
	}
}

func TestValues(t *testing.T) {
	zone := time.FixedZone("", -2*3600)
	for _, c := range []struct {
		kind string
		text string // JSON
		want any
	}{
		{"INT8", `9223372036854775807`, int64(math.MaxInt64)},
		{"INTEGER", `-9007199254740993`, int64(-9007199254740993)},
		{"NUMERIC", `"12.340"`, "12.340"},
		{"INT8", `92233720368547758070`, "92233720368547758070"},
		{"FLOAT8", `3`, 3.0},
		{"REAL", `"NaN"`, math.NaN()},
		{"FLOAT4", `"-Infinity"`, math.Inf(-1)},
		{"", `1.5e3`, 1500.0},
		{"", `2`, int64(2)},
		{"BOOL", `true`, true},
		{"TEXT", `"ö \"x\""`, `ö "x"`},
		{"TEXT", `"Infinity"`, "Infinity"},
		{"TEXT", `"2026-01-02"`, "2026-01-02"},
		{"TEXT", `null`, nil},
		{"BYTEA", `{"bytes": [1, 2]}`, []byte("bc")},
		{"TIMESTAMPTZ", `"2026-01-02T03:04:05.6-02:00"`, time.Date(2026, 1, 2, 3, 4, 5, 600e6, zone)},
		{"TIMESTAMP", `"2026-01-02T03:04:05.6"`, time.Date(2026, 1, 2, 3, 4, 5, 600e6, time.UTC)},
		{"date", `"2026-01-02"`, time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)},
		{"TIMESTAMPTZ", `"infinity"`, "infinity"},
		{"JSONB", `"{\"bytes\": [0, 1]}"`, `{"bytes": [0, 1]}`},
	} {
		newHost(t, map[string][]answer{"query": {{head: object{"columns": columns("x " + c.kind), "rows": list(list(json.RawMessage(c.text)))}, body: "abcd"}}})
		db := database.Open("warehouse")
		rows, err := db.Query("SELECT x")
		if err != nil || !rows.Next() {
			t.Fatal(err)
		}
		types, err := rows.ColumnTypes()
		if err != nil || types[0].DatabaseTypeName() != c.kind || types[0].Name() != "x" {
			t.Error(types[0], err)
		}
		var got any
		err = rows.Scan(&got)
		gotTime, isTime := got.(time.Time)
		wantTime, _ := c.want.(time.Time)
		gotNaN, _ := got.(float64)
		wantNaN, _ := c.want.(float64)
		if err != nil || !reflect.DeepEqual(got, c.want) && !(isTime && gotTime.Equal(wantTime)) && !(math.IsNaN(gotNaN) && math.IsNaN(wantNaN)) {
			t.Errorf("%s %s: got %v (%T), %v, want %v", c.kind, c.text, got, got, err, c.want)
		}
		rows.Close()
		db.Close()
	}
}

func TestBrokenRows(t *testing.T) {
	for name, row := range map[string]string{
		"bytes beyond the body": `[{"bytes": [3, 2]}]`, "a negative offset": `[{"bytes": [-1, 2]}]`, "too few values": `[]`, "too many": `[1, 2]`,
		"an overflow": `[{"bytes": [2, 9223372036854775807]}]`,
	} {
		newHost(t, map[string][]answer{"query": {{head: object{"columns": columns("x TEXT"), "rows": list(json.RawMessage(row))}, body: "abcd"}}})
		db := database.Open("warehouse")
		var got any
		if err := db.QueryRow("SELECT x").Scan(&got); !errors.Is(err, passthrough.EIO) {
			t.Error(name, got, err)
		}
		db.Close()
	}
}

func TestTransactions(t *testing.T) {
	h := newHost(t, map[string][]answer{
		"begin": {{head: object{"transaction": 4}}, {head: object{"transaction": 5}}},
		"query": {{head: object{"columns": columns("n INT8"), "rows": list(list(1))}}},
	})
	db := database.Open("warehouse")
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRow("SELECT 1").Scan(&n); err != nil {
		t.Error(err)
	}
	statement, err := tx.Prepare("UPDATE t SET x = $1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := statement.Exec(1); err != nil {
		t.Error(err)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	if err := tx.Rollback(); !errors.Is(err, sql.ErrTxDone) {
		t.Error(err)
	}
	tx, err = db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	// on the same connection, which has no transaction now
	if _, err := db.Exec("UPDATE t"); err != nil {
		t.Error(err)
	}
	if _, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelSnapshot}); !errors.Is(err, passthrough.EINVAL) {
		t.Error(err)
	}
	h.expect(t, `begin {"connection":"warehouse","read_only":true,"isolation":"repeatable read"}`,
		`query {"transaction":4,"sql":"SELECT 1"}`,
		`exec {"transaction":4,"sql":"UPDATE t SET x = $1","args":[1]}`,
		`commit {"transaction":4}`,
		`begin {"connection":"warehouse"}`,
		`rollback {"transaction":5}`,
		`exec {"connection":"warehouse","sql":"UPDATE t"}`)
}

func TestCommitThatFails(t *testing.T) {
	h := newHost(t, map[string][]answer{
		"begin":  {{head: object{"transaction": 4}}},
		"commit": {{err: &passthrough.Error{Errno: passthrough.EIO, Message: "40001: could not serialize access"}}},
	})
	db := database.Open("warehouse")
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); !errors.Is(err, passthrough.EIO) || !strings.Contains(err.Error(), "40001") {
		t.Error(err)
	}
	if _, err := db.Exec("UPDATE t"); err != nil {
		t.Error(err)
	}
	h.expect(t, `begin {"connection":"warehouse"}`, `commit {"transaction":4}`, `exec {"connection":"warehouse","sql":"UPDATE t"}`)
}

func TestEndedContext(t *testing.T) {
	h := newHost(t, nil)
	db := database.Open("warehouse")
	defer db.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.QueryContext(ctx, "SELECT 1"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := db.ExecContext(ctx, "SELECT 1"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := db.BeginTx(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	h.expect(t)
}

func TestDenied(t *testing.T) {
	denied := answer{err: &passthrough.Error{Errno: passthrough.EACCES, Message: "the sql policy does not name the connection"}}
	newHost(t, map[string][]answer{"query": {denied}, "exec": {denied}, "begin": {denied}})
	db := database.Open("other")
	defer db.Close()
	_, err := db.Query("SELECT 1")
	_, execErr := db.Exec("UPDATE t")
	_, beginErr := db.Begin()
	for _, err := range []error{err, execErr, beginErr} {
		if !errors.Is(err, passthrough.EACCES) || !strings.Contains(err.Error(), "does not name the connection") {
			t.Error(err)
		}
	}
}

func FuzzRow(f *testing.F) {
	f.Add("INT8", `[1]`, "body")
	f.Add("BYTEA", `[{"bytes": [0, 4]}]`, "body")
	f.Add("TIMESTAMP", `["2026-01-02T03:04:05"]`, "")
	f.Fuzz(func(t *testing.T, kind, row, body string) {
		if !json.Valid([]byte(row)) {
			return
		}
		newHost(t, map[string][]answer{"query": {{head: object{"columns": columns("x " + kind), "rows": list(json.RawMessage(row))}, body: body}}})
		db := database.Open("warehouse")
		defer db.Close()
		var got any
		_ = db.QueryRow("SELECT x").Scan(&got) // must not panic
	})
}
