// A module whose activities leave things open in global variables, and use what others have
// left there.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough/blob"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough/database"
)

func main() {}

var (
	db     = database.Open("db")
	tx     *sql.Tx
	rows   *sql.Rows
	writer *blob.Writer
)

const box = blob.Bucket("box")

//go:wasmexport leave
func leave() int32 { return activity.Run(Leave) }

func Leave() error {
	ctx := context.Background() // the activity's would end the transaction with it
	var err, rowsErr, writerErr error
	writer, writerErr = box.NewWriter(ctx, "out/left", nil)
	rows, rowsErr = sql.OpenDB(database.Connector{Connection: "db", BatchRows: 1}).Query("SELECT id FROM kinds")
	tx, err = db.Begin()
	return errors.Join(err, rowsErr, writerErr)
}

//go:wasmexport use
func use() int32 { return activity.Run(Use) }

// Use opens the same things, which get the same numbers, ends what was left, and goes on
// with its own.
func Use(ctx context.Context) (int, error) {
	w, err := box.NewWriter(ctx, "out/own", nil)
	if err != nil {
		return 0, err
	}
	own, err := sql.OpenDB(database.Connector{Connection: "db", BatchRows: 1}).QueryContext(ctx, "SELECT id FROM kinds")
	if err != nil {
		return 0, err
	}
	defer own.Close()
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	if _, err := writer.Write([]byte("left")); !errors.Is(err, passthrough.EBADF) {
		return 0, fmt.Errorf("a writer that was left: %w", err)
	}
	if _, err := tx.Exec("INSERT INTO ledger (entry) VALUES ('left')"); !errors.Is(err, passthrough.EBADF) {
		return 0, fmt.Errorf("a transaction that was left: %w", err)
	}
	for rows.Next() { // the first batch is here
	}
	if err := rows.Err(); !errors.Is(err, passthrough.EBADF) {
		return 0, fmt.Errorf("rows that were left: %w", err)
	}
	if err := errors.Join(writer.Close(), tx.Rollback(), rows.Close()); err != nil {
		return 0, err
	}
	n := 0
	for own.Next() { // to its end: SQLite does not commit while somebody reads
		n++
	}
	_, err = t.Exec("INSERT INTO ledger (entry) VALUES ('own')")
	return n, errors.Join(own.Err(), err, t.Commit(), w.Commit(), box.Delete(ctx, "out/own"))
}
