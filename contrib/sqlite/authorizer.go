package sqlite

import (
	"context"
	"slices"
	"strings"

	"modernc.org/sqlite"

	"github.com/wasmworker/wasmworker/host/passthrough/sqlmod"
)

// describing are the pragmas that say what the tables are like, and one that full-text
// search uses itself. Others change the connection or the file, or tell its path.
var describing = []string{"table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list", "data_version"}

// shadows are how the names of tables end in which virtual tables keep what they have.
// Such a table still has what was deleted from the virtual one.
var shadows = []string{"_config", "_content", "_data", "_docsize", "_idx", "_node", "_parent", "_rowid"}

// samples is a table with values of rows, as they were at the latest ANALYZE.
const samples = "sqlite_stat4"

// authorize is asked by SQLite when it compiles a guest's statement.
func (c *conn) authorize(action sqlite.AuthorizerActionCode, first, second, database, _ string) sqlite.AuthorizerReturnCode {
	if c.own {
		return sqlite.AuthorizerOK
	}
	denied := ""
	switch action {
	case sqlite.AuthRead:
		if name := strings.ToLower(first); name == samples || slices.ContainsFunc(shadows, func(end string) bool { return strings.HasSuffix(name, end) }) {
			c.suspects = append(c.suspects, name)
		}
	case sqlite.AuthSelect, sqlite.AuthRecursive:
	case sqlite.AuthFunction:
		switch name := strings.ToLower(second); name {
		case "load_extension", "geopoly_overlap", "geopoly_within": // the latter take the square of a polygon's corners
			denied = name
		}
	case sqlite.AuthPragma:
		asked := strings.EqualFold(first, "page_size") && second == "" // by R-trees that are created
		if !asked && !slices.Contains(describing, strings.ToLower(first)) {
			denied = "PRAGMA"
		}
	case sqlite.AuthTransaction, sqlite.AuthSavepoint:
		denied = "control of transactions"
	case sqlite.AuthInsert, sqlite.AuthUpdate, sqlite.AuthDelete, sqlite.AuthAlterTable, sqlite.AuthReindex, sqlite.AuthAnalyze,
		sqlite.AuthCreateIndex, sqlite.AuthCreateTable, sqlite.AuthCreateTrigger, sqlite.AuthCreateView,
		sqlite.AuthDropIndex, sqlite.AuthDropTable, sqlite.AuthDropTrigger, sqlite.AuthDropView,
		sqlite.AuthCreateVTable, sqlite.AuthDropVTable:
		if c.readOnly && !c.opening {
			denied = "a change"
		}
		if strings.EqualFold(database, "temp") || action == sqlite.AuthAlterTable && strings.EqualFold(first, "temp") {
			denied = "a temporary table" // which would be there for the next activity
		}
		if action == sqlite.AuthUpdate && first == "sqlite_temp_master" && !c.readOnly {
			// ALTER TABLE looks there too, for triggers; a guest's own UPDATE of it
			// SQLite refuses
			denied = ""
		}
	case sqlite.AuthAttach, sqlite.AuthDetach:
		denied = "ATTACH, DETACH or VACUUM"
	default: // temporary tables, and what a later version of SQLite may ask
		denied = "a temporary table"
	}
	if denied == "" {
		return sqlite.AuthorizerOK
	}
	if c.denied == "" {
		c.denied = denied
	}
	return sqlite.AuthorizerDeny
}

// refusal is the error for what the authorizer denied.
func (c *conn) refusal() error {
	switch c.denied {
	case "a change":
		return &sqlmod.RejectedError{What: c.denied, Why: "the sql policy would allow it with write: true"}
	case "control of transactions":
		return &sqlmod.RejectedError{What: c.denied, Why: "transactions are begun and ended by functions of the module: begin, commit and rollback"}
	case "an internal table":
		return &sqlmod.RejectedError{What: c.denied, Why: "it is not available, since it has parts of rows that were deleted; the virtual table that it belongs to can be read"}
	}
	if strings.HasPrefix(c.denied, "geopoly") {
		return &sqlmod.RejectedError{What: c.denied, Why: "it is not available, since its time has no bound that would do"}
	}
	return &sqlmod.RejectedError{What: c.denied, Why: "it is not available, since it would reach beyond the database or stay behind in the session"}
}

// prepareGuest compiles a statement of the guest's, which must not read the tables that
// belong to others. The virtual tables themselves read them as well, when they are opened
// by the statement that needs them first: what asks for them twice is the guest.
func (c *conn) prepareGuest(ctx context.Context, text string) (stmt uintptr, err error) {
	for attempt := range 3 {
		c.suspects = nil
		stmt, err = c.prepare(ctx, text)
		if c.lost { // whoever computes there may still write what was denied
			return 0, err
		}
		if err != nil && c.denied == "a change" && attempt == 0 {
			// An R-tree compiles its changes when it is opened, by whoever reads it. So it
			// is opened by compiling the statement, which is not run, and compiled again.
			c.denied, c.opening = "", true
			stmt, err = c.prepare(ctx, text)
			if c.lost {
				return 0, err
			}
			c.denied, c.opening = "", false
			c.finalize(ctx, stmt)
			continue
		}
		if err != nil || len(c.suspects) == 0 {
			return stmt, err
		}
		hidden, err := c.anyHidden(ctx, c.suspects)
		if err != nil || !hidden {
			return stmt, err
		}
		c.finalize(ctx, stmt)
	}
	c.denied = "an internal table"
	return 0, c.refusal()
}

// anyHidden tells whether one of the tables is a shadow of another, or has samples.
func (c *conn) anyHidden(ctx context.Context, names []string) (bool, error) {
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if name == samples {
			return true, nil
		}
		hidden, err := c.run(ctx, "SELECT 1 FROM pragma_table_list('"+strings.ReplaceAll(name, "'", "''")+"') WHERE type = 'shadow'")
		if err != nil || hidden {
			return hidden, err
		}
	}
	return false, nil
}
