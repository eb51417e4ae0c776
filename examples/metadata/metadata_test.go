//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.uber.org/goleak"

	"github.com/wasmworker/wasmworker/contrib/postgres/pgtest"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

func TestMain(m *testing.M) { os.Exit(testbed.Main(pgtest.With(m.Run))) }

const perPart = 250 // the program's default

// password is known to the database and to the worker, and to nobody else.
const password = "not-to-be-seen"

// modules makes the directory that is served: the guest in Go is built, the one in Rust
// is the committed one.
func modules(t *testing.T) string {
	t.Helper()
	return testbed.Directory(t, testbed.Guest(t, "examples/metadata/activities/go/extract"), filepath.Join("activities", "rust", "enrich.wasm"))
}

// newExample makes a directory with wasmworker.yaml, which differs in its places alone,
// with the modules and with empty buckets, and a database for it. The worker's
// environment has the password.
func newExample(t *testing.T) (directory string, admin *pgx.Conn) {
	t.Helper()
	directory = t.TempDir()
	acts := modules(t)
	postgres := pgtest.Shared(t)
	setup := postgres.Admin(t, "postgres")
	name := strings.ToLower(t.Name())
	for _, statement := range []string{
		"DROP ROLE IF EXISTS cataloger", "CREATE ROLE cataloger LOGIN PASSWORD '" + password + "'", "CREATE DATABASE " + name,
	} {
		if _, err := setup.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile("wasmworker.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config := string(text)
	for from, to := range map[string]string{
		"./acts":        acts,
		"/tmp/metadata": directory,
		"postgres://cataloger@127.0.0.1:5432/warehouse?sslmode=disable": postgres.URL("cataloger", name),
	} {
		if !strings.Contains(config, from) {
			t.Fatalf("wasmworker.yaml has no %s", from)
		}
		config = strings.ReplaceAll(config, from, to)
	}
	if err := os.WriteFile(filepath.Join(directory, "wasmworker.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bucket := range []string{"raw", "catalog"} {
		if err := os.Mkdir(filepath.Join(directory, bucket), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("WAREHOUSE_PASSWORD", password)
	return directory, postgres.Admin(t, name)
}

// line is a line of an object: of raw, or of catalog with more in it.
type line struct {
	Schema      string    `json:"schema"`
	Table       string    `json:"table"`
	Kind        string    `json:"kind"`
	Comment     string    `json:"comment"`
	Rows        *int64    `json:"rows"`
	Bytes       *int64    `json:"bytes"`
	PrimaryKey  []string  `json:"primary_key"`
	ForeignKeys []foreign `json:"foreign_keys"`
	Columns     []column  `json:"columns"`
	Naming      string    `json:"naming"`
}

type foreign struct {
	Columns    []string `json:"columns"`
	Schema     string   `json:"schema"`
	Table      string   `json:"table"`
	References []string `json:"references"`
}

type column struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Nullable bool   `json:"nullable"`
	Comment  string `json:"comment"`
	Personal string `json:"personal"`
}

// less is the order of the parts: byte by byte.
func less(a, b line) int {
	return strings.Compare(a.Schema+"\x00"+a.Table, b.Schema+"\x00"+b.Table)
}

func name(schema, table string) string { return pgx.Identifier{schema, table}.Sanitize() }

// batches executes statements some hundred at a time: each table takes several of the
// server's locks until the end of its transaction.
func batches(t *testing.T, admin *pgx.Conn, statements []string) {
	t.Helper()
	for batch := range slices.Chunk(statements, 200) {
		if _, err := admin.PgConn().Exec(t.Context(), strings.Join(batch, ";\n")).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
}

// generate makes 2,500 tables, and some of other kinds.
func generate(t *testing.T, admin *pgx.Conn) {
	t.Helper()
	prefixes := []string{"orders_", "Kunde ", `"quoted" `, "it's ", "表_", "semi;-- ", `back\slash `, "line\nbreak ", "%s{} ", "🙂", strings.Repeat("ü", 28)}
	shapes := []string{
		`(id bigint PRIMARY KEY, email text NOT NULL, "firstName" varchar(80), created timestamptz DEFAULT now())`,
		`("order id" int, line int, amount numeric(12,2), "no;te" text[] NOT NULL, PRIMARY KEY (line, "order id"))`,
		`()`,
		`(a0 int, a1 text, a2 bytea, a3 uuid, a4 jsonb, a5 boolean, a6 double precision, a7 date, a8 interval, a9 char(3), "Ä9" mood, b1 int GENERATED ALWAYS AS IDENTITY, b2 int GENERATED ALWAYS AS (a0 + 1) STORED)`,
		`(gone int, peer_ip inet, gone_too text, parent bigint REFERENCES %s, "<&>" int)`,
	}
	statements := []string{"CREATE TYPE mood AS ENUM ('good', 'so so')"}
	for _, schema := range []string{"Sales", "archive", "public", `we "quote"`, "öffentlich", "staging"} {
		if schema != "public" {
			statements = append(statements, "CREATE SCHEMA "+pgx.Identifier{schema}.Sanitize())
		}
		tables := 500
		if schema == "staging" {
			tables = 5 // which the configuration leaves out
		}
		parent := ""
		for i := range tables {
			table := name(schema, fmt.Sprintf("%s%04d", prefixes[i%len(prefixes)], i))
			shape := shapes[i%len(shapes)]
			switch i % len(shapes) {
			case 0:
				parent = table
				shape += fmt.Sprintf("; COMMENT ON TABLE %s IS 'Number %d of \"all\"'; COMMENT ON COLUMN %[1]s.email IS E'where\\nto'", table, i)
			case 4:
				shape = fmt.Sprintf(shape, parent) + fmt.Sprintf("; ALTER TABLE %s DROP COLUMN gone, DROP COLUMN gone_too", table)
			}
			statements = append(statements, "CREATE TABLE "+table+" "+shape)
		}
	}
	statements = append(statements,
		"CREATE VIEW public.zz_view AS SELECT 1 AS one, 'x'::text AS email",
		"CREATE MATERIALIZED VIEW public.zz_matview AS SELECT 2::bigint AS two",
		"CREATE TABLE public.zz_whole (day date NOT NULL, country char(2), PRIMARY KEY (day, country)) PARTITION BY RANGE (day)",
		"CREATE TABLE public.zz_part PARTITION OF public.zz_whole FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
		"CREATE TABLE public.zz_lines (country char(2), id int PRIMARY KEY, day date, FOREIGN KEY (day, country) REFERENCES public.zz_whole)",
		"CREATE TABLE public.zz_rows AS SELECT 1 AS n FROM generate_series(1, 300)")
	batches(t, admin, statements)
	if _, err := admin.Exec(t.Context(), "ANALYZE public.zz_rows"); err != nil {
		t.Fatal(err)
	}
}

// expect asks the database what the objects should have, in another way than the guest
// does: mostly by its information schema.
func expect(t *testing.T, admin *pgx.Conn) []line {
	t.Helper()
	const user = "table_schema NOT IN ('information_schema', 'pg_catalog', 'staging')"
	special := map[string]string{"zz_view": "view", "zz_whole": "partitioned table"}
	personal := map[string]string{"email": "email", "firstName": "name", "peer_ip": "network address"}
	lines := map[string]*line{}
	query := func(sql string, scan func(rows pgx.Rows) error) {
		t.Helper()
		rows, err := admin.Query(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			if err := scan(rows); err != nil {
				t.Fatal(err)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	query(`SELECT table_schema::text, table_name::text, coalesce(obj_description(format('%I.%I', table_schema, table_name)::regclass), '') FROM information_schema.tables WHERE `+user, func(rows pgx.Rows) error {
		l := line{Kind: "table", PrimaryKey: []string{}, ForeignKeys: []foreign{}, Columns: []column{}}
		err := rows.Scan(&l.Schema, &l.Table, &l.Comment)
		if kind := special[l.Table]; kind != "" {
			l.Kind = kind
		}
		lines[name(l.Schema, l.Table)] = &l
		return err
	})
	query(`SELECT table_schema::text, table_name::text, column_name::text, format_type(a.atttypid, a.atttypmod), is_nullable = 'YES', coalesce(col_description(attrelid, attnum), '')
		FROM information_schema.columns JOIN pg_attribute a ON attrelid = format('%I.%I', table_schema, table_name)::regclass AND attname = column_name
		WHERE `+user+` ORDER BY ordinal_position`, func(rows pgx.Rows) error {
		var schema, table string
		var c column
		err := rows.Scan(&schema, &table, &c.Name, &c.Type, &c.Nullable, &c.Comment)
		c.Personal = personal[c.Name]
		l := lines[name(schema, table)]
		l.Columns = append(l.Columns, c)
		return err
	})
	query(`SELECT table_schema::text, table_name::text, array_agg(column_name::text ORDER BY ordinal_position)
		FROM information_schema.table_constraints JOIN information_schema.key_column_usage USING (constraint_schema, constraint_name, table_schema, table_name)
		WHERE constraint_type = 'PRIMARY KEY' AND `+user+` GROUP BY 1, 2`, func(rows pgx.Rows) error {
		var schema, table string
		var key []string
		err := rows.Scan(&schema, &table, &key)
		lines[name(schema, table)].PrimaryKey = key
		return err
	})
	query(`SELECT k.table_schema::text, k.table_name::text, u.table_schema::text, u.table_name::text,
			array_agg(k.column_name::text ORDER BY k.ordinal_position), array_agg(u.column_name::text ORDER BY k.ordinal_position)
		FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints USING (constraint_schema, constraint_name)
			JOIN information_schema.key_column_usage u ON u.constraint_schema = unique_constraint_schema AND u.constraint_name = unique_constraint_name
				AND u.ordinal_position = k.position_in_unique_constraint
		WHERE k.`+user+` AND u.table_name <> 'zz_part' -- to which nobody has made one: PostgreSQL has, for its whole
		GROUP BY 1, 2, 3, 4`, func(rows pgx.Rows) error {
		var schema, table string
		var f foreign
		err := rows.Scan(&schema, &table, &f.Schema, &f.Table, &f.Columns, &f.References)
		l := lines[name(schema, table)]
		l.ForeignKeys = append(l.ForeignKeys, f)
		return err
	})
	// The standard knows no materialized views.
	lines["matview"] = &line{Schema: "public", Table: "zz_matview", Kind: "materialized view", PrimaryKey: []string{}, ForeignKeys: []foreign{}, Columns: []column{{Name: "two", Type: "bigint", Nullable: true}}}
	var sorted []line
	for _, l := range lines {
		sorted = append(sorted, *l)
	}
	slices.SortFunc(sorted, less)
	return sorted
}

// objects returns the keys that are in a bucket, unfinished ones included.
func objects(t *testing.T, bucket string) []string {
	t.Helper()
	keys := []string{}
	err := fs.WalkDir(os.DirFS(bucket), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if _, err := os.Stat(filepath.Join(bucket, strings.TrimSuffix(path, ".attrs"))); strings.HasSuffix(path, ".attrs") && err == nil {
			return nil // the content type of the object beside it
		}
		keys = append(keys, path)
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a directory that changes meanwhile
		t.Fatal(err)
	}
	return keys
}

// read reads the lines of objects, in their order.
func read(t *testing.T, bucket string, keys []string) (lines []line) {
	t.Helper()
	for _, key := range keys {
		data, err := os.ReadFile(filepath.Join(bucket, key))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasSuffix(data, []byte("\n")) {
			t.Errorf("%s ends within a line", key)
		}
		for scanner := bufio.NewScanner(bytes.NewReader(data)); scanner.Scan(); {
			var l line
			decoder := json.NewDecoder(bytes.NewReader(scanner.Bytes()))
			if err := decoder.Decode(&l); err != nil || decoder.InputOffset() != int64(len(scanner.Bytes())) {
				t.Fatalf("%s: %v: %s", key, err, scanner.Bytes())
			}
			lines = append(lines, l)
		}
	}
	return lines
}

// compare compares lines, and tells the first difference.
func compare(t *testing.T, bucket string, got, want []line) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("%s: table %d is\n%+v\nwant\n%+v", bucket, i, got[i], want[i])
			return
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s has %d tables, want %d", bucket, len(got), len(want))
	}
}

type position struct {
	Part   int    `json:"part"`
	Schema string `json:"schema"`
	Table  string `json:"table"`
}

// The worker is killed while it extracts, and this program too. Nothing is lost, nothing
// is there twice.
func TestKill(t *testing.T) {

	server := testbed.Shared(t)
	directory, admin := newExample(t)
	raw, catalog := filepath.Join(directory, "raw"), filepath.Join(directory, "catalog")
	generate(t, admin)
	before := expect(t, admin)
	if len(before) < 2500 {
		t.Fatalf("there are %d tables", len(before))
	}
	t.Setenv("TEMPORAL_ADDRESS", server.Address)
	c := server.Dial(t)
	running := goleak.IgnoreCurrent()
	limit, cancel := context.WithTimeout(t.Context(), testbed.Patience)
	defer cancel()

	// Part 10 has to wait: the size of a table cannot be known while somebody changes all
	// of it.
	const written = 9
	i := written*perPart + slices.IndexFunc(before[written*perPart:], func(l line) bool { return l.Kind == "table" })
	gate, err := pgtest.Shared(t).Admin(t, admin.Config().Database).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gate.Exec(t.Context(), "LOCK TABLE "+name(before[i].Schema, before[i].Table)+" IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}

	worker := server.Serve(t, "--config", filepath.Join(directory, "wasmworker.yaml"))
	interrupted, interrupt := context.WithCancel(limit)
	first := make(chan error, 1)
	go func() {
		_, err := run(interrupted, nil, io.Discard)
		first <- err
	}()
	// heartbeat is what the server knows. Without one it is zero.
	heartbeat := func() (p position, attempt int32) {
		described, err := c.DescribeWorkflow(limit, "metadata-warehouse", "")
		if err != nil || len(described.RawResponse.GetPendingActivities()) == 0 {
			return p, 0
		}
		pending := described.RawResponse.GetPendingActivities()[0]
		if details := pending.GetHeartbeatDetails(); len(details.GetPayloads()) > 0 {
			if err := converter.GetDefaultDataConverter().FromPayloads(details, &p); err != nil {
				t.Fatal(err)
			}
		}
		return p, pending.GetAttempt()
	}
	testbed.Eventually(t, "the server knows of a part, and the extraction waits", func() error {
		var waiting int
		err := admin.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE usename = 'cataloger' AND wait_event_type = 'Lock'").Scan(&waiting)
		if p, _ := heartbeat(); err == nil && (waiting == 0 || p.Part == 0) {
			err = fmt.Errorf("the server knows of %+v, and %d sessions wait", p, waiting)
		}
		return err
	})
	worker.Signal(syscall.SIGKILL)
	worker.Wait(t)
	interrupt()
	if err := <-first; err == nil {
		t.Fatal("the workflow is done already")
	}
	at, attempt := heartbeat()
	t.Logf("killed in attempt %d; the server knows of %+v, the bucket has %d objects", attempt, at, len(objects(t, raw)))
	if got := objects(t, raw); at.Part < 1 || at.Part > written || len(got) != written {
		t.Fatalf("the heartbeat is %+v, and raw has %v", at, got)
	}
	if last := before[at.Part*perPart-1]; at.Schema != last.Schema || at.Table != last.Table {
		t.Errorf("part %d ends with %+v, and the heartbeat says %+v", at.Part, last, at)
	}

	// Tables are dropped before the next attempt, so that it has less to write than the
	// one before had written.
	if at.Part*perPart+600 <= written*perPart {
		var drop []string
		for _, l := range before[written*perPart-600 : written*perPart] {
			if l.Kind == "table" && !strings.HasPrefix(l.Table, "zz_") {
				drop = append(drop, "DROP TABLE "+name(l.Schema, l.Table)+" CASCADE")
			}
		}
		batches(t, admin, drop)
	} else {
		t.Log("the heartbeat was late: no tables are dropped")
	}
	if err := gate.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := append(slices.Clone(before[:at.Part*perPart]), slices.DeleteFunc(expect(t, admin), func(l line) bool { return less(l, before[at.Part*perPart-1]) <= 0 })...)
	kept := stats(t, raw, objects(t, raw)[:at.Part])

	worker = server.Serve(t, "--config", filepath.Join(directory, "wasmworker.yaml"))
	result, err := run(limit, nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	resumed := slices.DeleteFunc(worker.Logs(), func(r map[string]any) bool { return r["msg"] != "going on where the attempt before has stopped" })
	if len(resumed) != 1 || resumed[0]["guest.part"] != float64(at.Part) || resumed[0]["guest.schema"] != at.Schema || resumed[0]["guest.table"] != at.Table {
		t.Errorf("the next attempt went on at %v, and the heartbeat was %+v", resumed, at)
	}
	if now := stats(t, raw, objects(t, raw)[:at.Part]); !maps.Equal(now, kept) {
		t.Errorf("parts that were done were written again: %v, %v", kept, now)
	}

	// What is there, and nothing else.
	if got := objects(t, raw); !slices.Equal(got, result.Parts) || len(got) != (len(want)+perPart-1)/perPart {
		t.Errorf("raw has %v, and the parts are %v", got, result.Parts)
	}
	if got := objects(t, catalog); !slices.Equal(got, append(slices.Clone(result.Parts), result.Summary)) {
		t.Errorf("catalog has %v", got)
	}
	enriched := read(t, catalog, result.Parts)
	checkEstimates(t, enriched)
	counts := Counts{Personal: map[string]int{}, Naming: map[string]int{}}
	for i := range enriched {
		counts.Naming[enriched[i].Naming]++
		enriched[i].Naming, enriched[i].Rows, enriched[i].Bytes = "", nil, nil
	}
	compare(t, "catalog", enriched, want)
	plain := make([]line, len(want))
	for i, l := range want {
		counts.Tables++
		counts.Columns += len(l.Columns)
		if l.Comment != "" {
			counts.DocumentedTables++
		}
		l.Columns = slices.Clone(l.Columns)
		for j := range l.Columns {
			if l.Columns[j].Comment != "" {
				counts.DocumentedColumns++
			}
			if kind := l.Columns[j].Personal; kind != "" {
				counts.Personal[kind]++
			}
			l.Columns[j].Personal = ""
		}
		plain[i] = l
	}
	found := read(t, raw, result.Parts)
	checkEstimates(t, found)
	for i := range found {
		found[i].Rows, found[i].Bytes = nil, nil
	}
	compare(t, "raw", found, plain)
	if !reflect.DeepEqual(result.Counts, counts) {
		t.Errorf("the result is\n%+v\nwant\n%+v", result.Counts, counts)
	}
	if counts.Naming["mixed"] == 0 || counts.Naming["snake_case"] == 0 {
		t.Errorf("names are %v", counts.Naming)
	}
	var summary Counts
	if data, err := os.ReadFile(filepath.Join(catalog, result.Summary)); err != nil || json.Unmarshal(data, &summary) != nil || !reflect.DeepEqual(summary, counts) {
		t.Errorf("the summary is %+v, %v", summary, err)
	}
	var printed bytes.Buffer
	if err := table(&printed, result); err != nil || !strings.Contains(printed.String(), fmt.Sprint(counts.Columns)) || strings.Contains(printed.String(), "!(") {
		t.Errorf("printed %v\n%s", err, printed.String())
	}

	// Nothing stays behind, and nothing was told to who should not know it.
	worker.Signal(syscall.SIGTERM)
	if code := worker.Wait(t); code != 0 {
		t.Errorf("the worker ended with code %d", code)
	}
	testbed.Eventually(t, "no session is left in the database", func() error {
		var sessions int
		err := admin.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE usename = 'cataloger'").Scan(&sessions)
		if err == nil && sessions > 0 {
			err = fmt.Errorf("there are %d", sessions)
		}
		return err
	})
	if strings.Contains(worker.Stderr(), password) {
		t.Error("the log has the password")
	}
	c.Close()
	goleak.VerifyNone(t, running)
}

// checkEstimates checks what the database guesses, where it can be known.
func checkEstimates(t *testing.T, lines []line) {
	t.Helper()
	for _, l := range lines {
		analyzed := l.Table == "zz_rows"
		if analyzed && (l.Rows == nil || *l.Rows != 300) || !analyzed && l.Kind == "table" && l.Rows != nil || l.Bytes == nil || analyzed && *l.Bytes < 8192 {
			t.Errorf("the estimates of %+v", l)
		}
	}
}

func stats(t *testing.T, bucket string, keys []string) map[string]time.Time {
	t.Helper()
	times := map[string]time.Time{}
	for _, key := range keys {
		info, err := os.Stat(filepath.Join(bucket, key))
		if err != nil {
			t.Fatal(err)
		}
		times[key] = info.ModTime()
	}
	return times
}

// What the policies do not allow is refused at once, by the guest's own account too, and
// the commands of the README say so before.
func TestDenied(t *testing.T) {
	directory, _ := newExample(t)
	server := testbed.Shared(t)
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	for text := range strings.Lines(string(readme)) {
		line, comment, _ := strings.Cut(strings.TrimSpace(text), "#")
		if !strings.HasPrefix(line, "wasmworker inspect ") && !strings.HasPrefix(line, "wasmworker explain ") {
			continue
		}
		commands++
		cmd := exec.Command(testbed.Program(t), strings.Fields(line)[1:]...)
		cmd.Dir, cmd.Env = directory, testbed.CleanEnv()
		p := testbed.Start(t, cmd)
		code, denied := p.Wait(t), strings.Contains(comment, "denied")
		if code != map[bool]int{true: 1}[denied] || strings.HasPrefix(line, "wasmworker explain") && strings.HasPrefix(p.Stdout(), "denied") != denied {
			t.Errorf("%s ends with %d:\n%s%s", line, code, p.Stdout(), p.Stderr())
		}
		if strings.Contains(p.Stdout()+p.Stderr(), password) {
			t.Errorf("%s shows the password", line)
		}
	}
	if commands != 5 {
		t.Errorf("the README has %d commands", commands)
	}

	worker := server.Serve(t, "--config", filepath.Join(directory, "wasmworker.yaml"))
	t.Setenv("TEMPORAL_ADDRESS", server.Address)
	limit, cancel := context.WithTimeout(t.Context(), testbed.Patience)
	defer cancel()
	_, err = run(limit, []string{"--source", "ledger"}, io.Discard)
	var failure *temporal.ApplicationError
	if !errors.As(err, &failure) || failure.Type() != "Denied" || !strings.Contains(err.Error(), "blob policy") {
		t.Errorf("the workflow ended with %v", err)
	}
	if !slices.ContainsFunc(worker.Logs(), func(r map[string]any) bool {
		return r["msg"] == "denied by the policy" && r["capability"] == "blob" && r["module"] == "extract"
	}) {
		t.Error("the operator was not told")
	}
}
