package postgres

import (
	"context"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
	"go.uber.org/goleak"

	"github.com/wasmworker/wasmworker/contrib/postgres/pgtest"
	"github.com/wasmworker/wasmworker/host/passthrough/sqlmod"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

func TestMain(m *testing.M) {
	code := testbed.Main(pgtest.With(m.Run))
	if err := goleak.Find(); code == 0 && err != nil {
		println(err.Error())
		code = 1
	}
	os.Exit(code)
}

// Read-only is the server's promise, and not only that of the words that statements begin
// with: these go around them.
func TestServerKeepsReadOnly(t *testing.T) {
	server := pgtest.Shared(t)
	ctx, cancel := context.WithTimeout(context.Background(), testbed.Patience)
	defer cancel()
	if _, err := server.Admin(t, "postgres").Exec(ctx, "CREATE ROLE guest LOGIN PASSWORD 'x'; CREATE TABLE t (n int); GRANT ALL ON t TO guest"); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(server.URL("guest", "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	database, err := open(u, func() (string, error) { return "x", nil })
	if err != nil {
		t.Fatal(err)
	}
	opened, err := database.Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close() //nolint:errcheck // it is not what is tested
	c := opened.(*conn)
	for _, isolation := range []string{"", "read committed", "repeatable read", "serializable"} {
		for _, text := range []string{
			"SET TRANSACTION READ WRITE", "SET transaction_read_only = off", "SET LOCAL transaction_read_only = off", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; INSERT INTO t VALUES (1)",
			"INSERT INTO t VALUES (1)", "SET default_transaction_read_only = off; INSERT INTO t VALUES (1)", "RESET ALL; INSERT INTO t VALUES (1)", "RESET transaction_read_only; INSERT INTO t VALUES (1)",
			"SELECT set_config('transaction_read_only', NULL, false); INSERT INTO t VALUES (1)", "SELECT set_config('transaction_read_only', NULL, true); INSERT INTO t VALUES (1)",
		} {
			if err := c.Begin(ctx, sqlmod.TxOptions{ReadOnly: true, MayWrite: isolation == "", Isolation: isolation}); err != nil {
				t.Fatal(err)
			}
			// which is rolled back
			escapes := c.escapable && (strings.Contains(text, "NULL") || strings.HasPrefix(text, "RESET transaction"))
			if err := c.simple(ctx, text); (err == nil) != escapes {
				t.Errorf("%s: %s: %v", isolation, text, err)
			}
			if err := c.End(ctx, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	// A statement that got past the words and ended the transaction would end the session
	// too.
	if err := c.Begin(ctx, sqlmod.TxOptions{}); err != nil {
		t.Fatal(err)
	}
	r := &rows{c: c, portion: 1}
	if err := c.simple(ctx, "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(ctx); err == nil || !strings.Contains(err.Error(), "begun and ended by functions") {
		t.Errorf("the end of a transaction was not seen: %v", err)
	}
	if err := c.Reset(ctx); err == nil {
		t.Error("the session goes on")
	}
}

func TestFirstWord(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "SELECT": "SELECT", " \t\r\nselect 1": "SELECT", "((select": "SELECT", "(/**/(--\nvalues(1)": "VALUES", "COMMIT;": "COMMIT", "/*/*x*/*/commit": "COMMIT",
		"/* x": "", "/*/": "", "/**/": "", "--": "", "-- x\rBEGIN": "BEGIN", ";COMMIT": "", "\vCOMMIT": "", "\u00a0COMMIT": "", "\x00COMMIT": "", `"COMMIT"`: "", "1": "", "/COMMIT": "", "-COMMIT": "", "COMMIT-- x": "COMMIT", "end$": "END",
	} {
		if got := firstWord(text); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
}

func FuzzFirstWord(f *testing.F) {
	for _, seed := range []string{"SELECT 1", "/* /* */ */ COMMIT", "-- x\nBEGIN", "((", "/*/", ";", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		word := firstWord(text)
		if strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			t.Errorf("%q has the word %q", text, word)
		}
		if !strings.Contains(strings.ToUpper(text), word) {
			t.Errorf("%q does not have %q", text, word)
		}
		// What goes before a statement and means nothing does not hide it.
		for _, before := range []string{" ", "\n", "--\n", "/* COMMIT */", "/*/**/*/", "("} {
			if got := firstWord(before + text); got != word {
				t.Errorf("after %q, %q is %q, not %q", before, text, got, word)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, id := range []uint32{pgtype.BoolOID, pgtype.Int8OID, pgtype.Float8OID, pgtype.ByteaOID, pgtype.TimestamptzOID, pgtype.TimestampOID, pgtype.DateOID, pgtype.TextOID} {
		for _, raw := range []string{"", "t", "1.5", "12345678", "\x7f\xff\xff\xff\xff\xff\xff\xff", "\x80\x00\x00\x00", "\x80\x00\x00\x00\x00\x00\x00\x01"} {
			f.Add(id, []byte(raw))
		}
	}
	f.Fuzz(func(t *testing.T, id uint32, raw []byte) {
		value, err := oid(id).decode(raw)
		if err != nil {
			return
		}
		switch value := value.(type) {
		case bool, int64, float64, string, []byte:
		default:
			t.Errorf("%d makes a %T of %q", id, value, raw)
		}
	})
}

// A URL is taken as it is written: what it has is not overridden, and what it has not is
// not looked for elsewhere.
func TestOpenAsksNobodyElse(t *testing.T) {
	for name, value := range map[string]string{"PGSSLMODE": "disable", "PGSSLROOTCERT": "/nonexistent", "PGPORT": "1", "PGTARGETSESSIONATTRS": "nonsense", "PGPASSFILE": "/nonexistent", "PGCHANNELBINDING": "nonsense"} {
		t.Setenv(name, value)
	}
	for _, text := range []string{"postgres://u@h/d", "postgresql://u@h:77/d?sslmode=require&target_session_attrs=primary", "postgres://u@a,b:77/d"} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := open(u, nil); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
