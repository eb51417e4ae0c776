// ExtractTables writes what PostgreSQL knows of its tables into JSON Lines objects, part
// by part, and goes on where the attempt before has stopped.
package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough/blob"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough/config"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough/database"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

// Request is the activity's input.
type Request struct {
	Source string `json:"source"` // the operator's name for the connection
	// of the objects' keys, with a slash at its end. What else is below it is deleted
	Prefix string `json:"prefix"`
	// TablesPerPart is how many tables an object has, and how many are lost with an
	// attempt at most.
	TablesPerPart int `json:"tables_per_part"`
}

// Extract is the activity's result.
type Extract struct {
	Parts   []string `json:"parts"` // the objects' keys
	Tables  int      `json:"tables"`
	Columns int      `json:"columns"`
}

// Table is a line of an object.
type Table struct {
	Schema  string `json:"schema"`
	Table   string `json:"table"`
	Kind    string `json:"kind"`
	Comment string `json:"comment,omitempty"`
	// as the planner estimates them; nil: nobody has looked yet
	Rows  *int64 `json:"rows,omitempty"`
	Bytes *int64 `json:"bytes,omitempty"`
	// PrimaryKey has names of columns, ForeignKeys have columns, schema, table and
	// references.
	PrimaryKey  json.RawMessage `json:"primary_key"`
	ForeignKeys json.RawMessage `json:"foreign_keys"`
	Columns     []Column        `json:"columns"`

	oid int64
}

// Column is a column of a table, in the order in which the table has them.
type Column struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Nullable bool   `json:"nullable"`
	Comment  string `json:"comment,omitempty"`
}

// Position is what a heartbeat tells: what is in the bucket for good.
type Position struct {
	Part    int    `json:"part"`   // the last one; 0: none yet
	Schema  string `json:"schema"` // of its last table
	Table   string `json:"table"`
	Tables  int    `json:"tables"` // in all parts
	Columns int    `json:"columns"`
}

const bucket = blob.Bucket("raw")

var kinds = map[string]string{"r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "f": "foreign table"}

// ExtractTables extracts all tables, those of the system apart.
func ExtractTables(ctx context.Context, request Request) (Extract, error) {
	if request.TablesPerPart < 1 || request.Prefix == "" {
		return Extract{}, temporal.NewNonRetryableApplicationError("prefix and tables_per_part are required", "InvalidRequest", nil)
	}
	result, err := extract(ctx, request)
	// what the operator does not allow now is not allowed a second later
	if errors.Is(err, passthrough.EACCES) {
		err = temporal.NewNonRetryableApplicationError(err.Error(), "Denied", err)
	}
	return result, err
}

func extract(ctx context.Context, request Request) (Extract, error) {
	var at Position
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &at); err != nil {
			return Extract{}, err
		}
		activity.GetLogger(ctx).Info("going on where the attempt before has stopped", "part", at.Part, "schema", at.Schema, "table", at.Table)
	}
	skip, err := config.Get("skip_schemas")
	if err != nil && !errors.Is(err, passthrough.ENOENT) {
		return Extract{}, err
	}
	// Temporal hears of some heartbeats only, so the attempt before may have written more
	// than the last one said. Were there fewer tables by now, the end of that would stay.
	last := request.key(at.Part)
	for object, err := range bucket.List(ctx, &blob.ListOptions{Prefix: request.Prefix}) {
		if err == nil && object.Key > last {
			err = bucket.Delete(ctx, object.Key)
		}
		if err != nil {
			return Extract{}, err
		}
	}
	db := database.Open(request.Source)
	for {
		next, err := request.part(ctx, db, skip, at)
		if err != nil {
			return Extract{}, err
		}
		if next == at {
			break
		}
		at = next
		activity.RecordHeartbeat(ctx, at)
	}
	result := Extract{Parts: []string{}, Tables: at.Tables, Columns: at.Columns}
	for part := range at.Part {
		result.Parts = append(result.Parts, request.key(part+1))
	}
	return result, nil
}

// key is the key of a part. Keys sort as their parts do.
func (r Request) key(part int) string { return fmt.Sprintf("%spart-%06d.jsonl", r.Prefix, part) }

// part writes the part after a position, and returns the position at its end: the same
// one if there are no more tables.
func (r Request) part(ctx context.Context, db *sql.DB, skip string, at Position) (Position, error) {
	// In one transaction, so that tables and columns are of the same moment.
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return at, err
	}
	defer tx.Rollback() //nolint:errcheck // it has only read
	tables, err := r.tables(ctx, tx, skip, at)
	if err != nil || len(tables) == 0 {
		return at, err
	}
	w, err := bucket.NewWriter(ctx, r.key(at.Part+1), &blob.WriteOptions{ContentType: "application/jsonl"})
	if err != nil {
		return at, err
	}
	defer w.Close()                           // gives up what was not committed
	buffer := bufio.NewWriterSize(w, 256<<10) // each write is a call of the host
	lines := json.NewEncoder(buffer)
	lines.SetEscapeHTML(false)

	next, written := at, 0
	next.Part++
	write := func(t Table) error {
		next.Schema, next.Table = t.Schema, t.Table
		next.Tables++
		next.Columns += len(t.Columns)
		// until the first own heartbeat, which shall have news, the host heartbeats for
		// the guest
		if at.Part > 0 {
			activity.RecordHeartbeat(ctx, at)
		}
		return lines.Encode(t)
	}
	rows, err := tx.QueryContext(ctx, columnsQuery, oids(tables))
	if err != nil {
		return at, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int // which of the tables, from 1
		var c Column
		if err := rows.Scan(&n, &c.Name, &c.Type, &c.Nullable, &c.Comment); err != nil {
			return at, err
		}
		for ; written < n-1; written++ { // those before have no more columns
			if err := write(tables[written]); err != nil {
				return at, err
			}
		}
		tables[n-1].Columns = append(tables[n-1].Columns, c)
	}
	if err := rows.Err(); err != nil {
		return at, err
	}
	for ; written < len(tables); written++ {
		if err := write(tables[written]); err != nil {
			return at, err
		}
	}
	if err := buffer.Flush(); err != nil {
		return at, err
	}
	return next, w.Commit()
}

// The catalog of PostgreSQL shows every table to every role, so that this one needs no
// rights. information_schema shows those alone that a role may use, and is slower.
//
// Names are compared byte by byte, whatever the database sorts by, and have no NUL.
const tablesQuery = `
SELECT t.oid::bigint, t.nspname::text, t.relname::text, t.relkind::text, coalesce(obj_description(t.oid, 'pg_class'), ''),
	CASE WHEN t.reltuples >= 0 THEN t.reltuples::bigint END, pg_total_relation_size(t.oid),
	coalesce((SELECT json_agg(a.attname ORDER BY k.n)
		FROM pg_constraint p, unnest(p.conkey) WITH ORDINALITY k(number, n), pg_attribute a
		WHERE p.conrelid = t.oid AND p.contype = 'p' AND a.attrelid = t.oid AND a.attnum = k.number), '[]')::text,
	coalesce((SELECT json_agg(json_build_object(
			'columns', (SELECT json_agg(a.attname ORDER BY k.n) FROM unnest(f.conkey) WITH ORDINALITY k(number, n), pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = k.number),
			'schema', n.nspname, 'table', r.relname,
			'references', (SELECT json_agg(a.attname ORDER BY k.n) FROM unnest(f.confkey) WITH ORDINALITY k(number, n), pg_attribute a WHERE a.attrelid = r.oid AND a.attnum = k.number)
		) ORDER BY f.conname)
		FROM pg_constraint f JOIN pg_class r ON r.oid = f.confrelid JOIN pg_namespace n ON n.oid = r.relnamespace
		WHERE f.conrelid = t.oid AND f.contype = 'f'
			-- A key to a partitioned table has others to its partitions below it.
			AND NOT EXISTS (SELECT FROM pg_constraint whole WHERE whole.oid = f.conparentid AND whole.conrelid = f.conrelid)), '[]')::text
FROM (
	SELECT c.oid, n.nspname, c.relname, c.relkind, c.reltuples
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND n.nspname <> ALL (string_to_array($4, ','))
		AND (n.nspname, c.relname) > ($1::name, $2::name)
	ORDER BY n.nspname, c.relname LIMIT $3
) t
ORDER BY t.nspname, t.relname`

const columnsQuery = `
SELECT t.n, a.attname::text, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, coalesce(col_description(a.attrelid, a.attnum), '')
FROM unnest($1::oid[]) WITH ORDINALITY t(oid, n) JOIN pg_attribute a ON a.attrelid = t.oid
WHERE a.attnum > 0 AND NOT a.attisdropped
ORDER BY t.n, a.attnum`

// tables returns the tables after a position, without their columns.
func (r Request) tables(ctx context.Context, tx *sql.Tx, skip string, after Position) ([]Table, error) {
	rows, err := tx.QueryContext(ctx, tablesQuery, after.Schema, after.Table, r.TablesPerPart, skip)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var tables []Table
	for rows.Next() {
		t := Table{Columns: []Column{}}
		var kind string
		if err := rows.Scan(&t.oid, &t.Schema, &t.Table, &kind, &t.Comment, &t.Rows, &t.Bytes, (*[]byte)(&t.PrimaryKey), (*[]byte)(&t.ForeignKeys)); err != nil {
			return nil, err
		}
		t.Kind = kinds[kind]
		tables = append(tables, t)
	}
	return tables, rows.Err()
}

// oids is the tables' array of object identifiers, as PostgreSQL writes one.
func oids(tables []Table) string {
	texts := make([]string, len(tables))
	for i, t := range tables {
		texts[i] = strconv.FormatInt(t.oid, 10)
	}
	return "{" + strings.Join(texts, ",") + "}"
}

//go:wasmexport ExtractTables
func extractTables() int32 { return activity.Run(ExtractTables) }

func init() { activity.Prepare(ExtractTables) }

func main() {} // required, never called
