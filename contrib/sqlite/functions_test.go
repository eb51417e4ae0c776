package sqlite

import (
	"database/sql"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/host/passthrough/sqlmod"
)

// The functions that stand in for SQLite's own say the same as these.
func TestFunctionsAreSQLites(t *testing.T) {
	theirs, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	ours := connection(t)
	defer ours.Close()
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []any{"a", "b", "ab", "é", "é", "日本", "\x80", "\xc3", "\xa9", "\xff", "", "aab", "ba", strings.Repeat("ab", 20), "😀", " ", "\x00"}
	value := func() any {
		switch random.IntN(12) {
		case 0:
			return nil
		case 1:
			return int64(random.IntN(200) - 100)
		case 2:
			return 1.5
		}
		var text strings.Builder
		for range random.IntN(6) {
			text.WriteString(pieces[random.IntN(len(pieces))].(string))
		}
		if random.IntN(4) == 0 {
			return []byte(text.String())
		}
		return text.String()
	}
	for _, call := range []string{"instr(?1, ?2)", "replace(?1, ?2, ?3)", "trim(?1, ?2)", "ltrim(?1, ?2)", "rtrim(?1, ?2)"} {
		// what is in ?1 is made of the other two as well, so that there is something to find
		text := "SELECT typeof(x), hex(x) FROM (SELECT " + strings.Replace(call, "?1", "CASE WHEN ?4 THEN ?2 || ?1 || ?2 || ?3 || ?2 ELSE ?1 END", 1) + " AS x, ?3)"
		for range 3000 {
			args := []any{value(), value(), value(), random.IntN(2) == 0}
			var want, got [2]string
			if err := theirs.QueryRow(text, args...).Scan(&want[0], &want[1]); err != nil {
				t.Fatal(err)
			}
			rows, err := ours.Query(t.Context(), &sqlmod.Statement{SQL: text, Args: args, MaxRow: 1 << 20})
			if err != nil {
				t.Fatalf("%s %q: %v", call, args, err)
			}
			row, err := rows.Next(t.Context())
			if err != nil {
				t.Fatalf("%s %q: %v", call, args, err)
			}
			got[0], got[1] = row[0].(string), row[1].(string)
			if err := rows.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Fatalf("%s of %q: %v, and SQLite's own is %v", call, args, got, want)
			}
		}
	}
}

func TestFinder(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		text := make([]byte, random.IntN(300))
		for i := range text {
			text[i] = 'a' + byte(random.IntN(20)/19)
		}
		what := make([]byte, 33+random.IntN(10))
		for i := range what {
			what[i] = 'a' + byte(random.IntN(20)/19)
		}
		if len(text) > 100 && random.IntN(2) == 0 {
			copy(what, text[50:])
		}
		if got, want := newFinder(what).in(text), strings.Index(string(text), string(what)); got != want {
			t.Fatalf("%q in %q: %d, not %d", what, text, got, want)
		}
	}
}

// All that a connection has allocated is given back.
func TestMemoryIsGivenBack(t *testing.T) {
	c := connection(t)
	used := func() int64 { return c.memory.account.used.Load() }
	run := func() {
		rows, err := c.Query(t.Context(), &sqlmod.Statement{SQL: "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 20000) SELECT printf('%.300d', n) AS s FROM n ORDER BY s", MaxRow: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if used() < 5<<20 {
			t.Errorf("sorting 6 MB is charged with %d bytes", used())
		}
		if err := rows.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	run()
	before := used()
	for range 5 {
		run()
	}
	if used() > before {
		t.Errorf("%d bytes became %d", before, used())
	}
	account := c.memory.account
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if n := account.used.Load(); n != 0 && n > 16<<10 {
		t.Errorf("%d bytes are left when the connection is closed", n)
	}
}

func connection(t *testing.T) *conn {
	t.Helper()
	db, err := open(&url.URL{Scheme: "sqlite", Opaque: ":memory:"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := db.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := opened.(*conn)
	c.own = false
	return c
}
