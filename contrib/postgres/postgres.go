// Package postgres is the driver of package sql for PostgreSQL, with URLs of the schemes
// postgres and postgresql:
//
//	postgres://app@db.example.com/orders
//	postgres://app@db.example.com:5433/orders?sslrootcert=/etc/ssl/db.pem&application_name=reports
//	postgres:///orders?host=/run/postgresql&user=app
//
// User, host and database are required. The query may have what libpq knows (several
// hosts, sslrootcert, sslcert, sslkey, target_session_attrs, channel_binding,
// connect_timeout), and the server's parameters (search_path, statement_timeout). sslmode
// is verify-full without one, for which the server needs a certificate of its name:
// sslmode=disable is for a server on the same machine. Nothing comes from the worker's
// environment or home directory: no PGPASSWORD, no .pgpass. Files with certificates are
// read for each new session, so that they can be replaced; while they cannot be used,
// sessions go on with what they had, and [slog.Default] has a warning.
//
// A role that can leave the database is refused: a superuser, or one that may become
// another role that is one, or that may use the server's files and programs. What else a
// role may do is for GRANT to say. To know of functions that have effects outside of
// their transaction, which a module without write can call too: pg_terminate_backend
// stops other sessions of the same role, pg_logical_emit_message writes to the log for
// logical replication. REVOKE them from PUBLIC where that matters.
//
// Before version 16, a session can leave a read-only transaction. What it changes then is
// rolled back, but for sequences and foreign tables. So a role that may change some of
// those is no role for modules without write, and their statements are refused.
package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough/sqlmod"
	"github.com/wasmworker/wasmworker/internal/rotate"
)

func init() { sqlmod.Register(open, "postgres", "postgresql") }

// explicit is what a URL has if it does not say otherwise. pgconn would ask the
// environment and the home directory.
var explicit = map[string]string{
	"sslmode": "verify-full", "sslrootcert": "", "sslcert": "", "sslkey": "", "sslpassword": "", "sslcertmode": "allow", "sslsni": "1", "sslnegotiation": "postgres",
	"passfile": "", "target_session_attrs": "any", "channel_binding": "prefer", "require_auth": "", "min_protocol_version": "", "max_protocol_version": "",
}

// refused are parameters of a URL that would bring in others.
var refused = []string{"service", "servicefile", "passfile"}

// that any message of the server may have: those that describe a result can be that long
const minBody = 256 << 10

func open(u *url.URL, password func() (string, error)) (*sqlmod.Database, error) {
	query := u.Query()
	for _, key := range refused {
		if query.Has(key) {
			return nil, fmt.Errorf("%s cannot be used: the URL has to have all that it says", key)
		}
	}
	if u.User.Username() == "" && query.Get("user") == "" {
		return nil, errors.New("it names no user: postgres://USER@HOST/DATABASE")
	}
	if u.Host == "" && query.Get("host") == "" {
		return nil, errors.New("it names no host: postgres://USER@HOST/DATABASE, or postgres:///DATABASE?host=/run/postgresql&user=USER for a socket")
	}
	if strings.Trim(u.Path, "/") == "" && query.Get("dbname") == "" {
		return nil, errors.New("it names no database: postgres://USER@HOST/DATABASE")
	}
	own := map[string]bool{}
	for key := range query {
		own[key] = true
	}
	for key, value := range explicit {
		if !query.Has(key) {
			query.Set(key, value)
		}
	}
	if u.Port() == "" && !strings.Contains(u.Host, ",") && !query.Has("port") {
		query.Set("port", "5432")
	}
	full := *u
	full.RawQuery = query.Encode()
	connections, err := rotate.New(func() (*pgconn.Config, error) { return parse(full.String(), query, own) }, func(err error) {
		slog.Warn("certificate files of a PostgreSQL connection cannot be used; new sessions go on with what was read before", "error", err)
	})
	if err != nil {
		return nil, err
	}
	return &sqlmod.Database{Connect: func(ctx context.Context) (sqlmod.Conn, error) { return connect(ctx, connections.Get(), password) }}, nil
}

// parse makes a configuration of a URL with its parameters. Certificates are read for it,
// so that there is a new one whenever they may be others.
func parse(full string, query url.Values, own map[string]bool) (*pgconn.Config, error) {
	for _, parameter := range []string{"sslrootcert", "sslcert", "sslkey"} {
		file := query.Get(parameter)
		if file == "" || file == "system" && parameter == "sslrootcert" || query.Get("sslmode") == "disable" || query.Get("sslcertmode") == "disable" && parameter != "sslrootcert" {
			continue
		}
		if _, err := rotate.PEM(file); err != nil {
			return nil, fmt.Errorf("%s: %w", parameter, err)
		}
	}
	config, err := pgconn.ParseConfig(full)
	if err != nil { // whose text has the URL in it
		return nil, fmt.Errorf("it cannot be used: %s", parseReason(err))
	}
	if err := fixCertificate(config, query); err != nil {
		return nil, err
	}
	for name := range config.RuntimeParams {
		if !own[name] {
			delete(config.RuntimeParams, name)
		}
	}
	if !own["application_name"] {
		config.RuntimeParams["application_name"] = "wasmworker"
	}
	config.RuntimeParams["client_encoding"] = "UTF8"
	config.Password = ""
	config.OAuthTokenProvider = nil
	config.MaxProtocolMessageBodyLen = minBody
	return config, nil
}

// fixCertificate makes a configuration use the client certificate that the files have
// now. pgconn would read them again in each handshake, where a pair that is half replaced
// fails the connection.
func fixCertificate(config *pgconn.Config, query url.Values) error {
	if query.Get("sslcert") == "" || query.Get("sslkey") == "" {
		return nil
	}
	configs := []*tls.Config{config.TLSConfig}
	for _, fallback := range config.Fallbacks {
		configs = append(configs, fallback.TLSConfig)
	}
	for _, c := range configs {
		if c == nil { // a way to connect without TLS
			continue
		}
		pair, err := rotate.KeyPair(query.Get("sslcert"), query.Get("sslkey"))
		if err != nil {
			return err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return nil
}

// parseReason is the part of an error of ParseConfig that holds nothing of the URL.
func parseReason(err error) string {
	for _, known := range []string{"invalid port", "failed to configure TLS", "invalid sslcertmode", "unknown target_session_attrs", "invalid connect_timeout", "unknown channel_binding", "failed to read service"} {
		if strings.Contains(err.Error(), known) {
			// it is about files
			if cause := errors.Unwrap(err); cause != nil && known == "failed to configure TLS" {
				return known + ": " + cause.Error()
			}
			return known
		}
	}
	return "it is malformed"
}

// privileged finds out whether the session's user has, or can get, rights beyond the
// database.
const privileged = `SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE pg_catalog.pg_has_role(session_user, oid, 'MEMBER') AND
	(rolsuper OR rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files')))`

// lasting finds out whether the session's user, or a role that it can become, may change
// what a rollback does not take back.
const lasting = `SELECT EXISTS (SELECT FROM pg_catalog.pg_class c, pg_catalog.pg_roles r WHERE pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER') AND
	CASE c.relkind WHEN 'S' THEN pg_catalog.has_sequence_privilege(r.oid, c.oid, 'USAGE, UPDATE')
		WHEN 'f' THEN pg_catalog.has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE') ELSE false END)`

func connect(ctx context.Context, config *pgconn.Config, password func() (string, error)) (sqlmod.Conn, error) {
	config = config.Copy()
	if password != nil {
		var err error
		if config.Password, err = password(); err != nil {
			return nil, err
		}
	}
	pg, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		// its message names the user or the database
		if said, ok := errors.AsType[*pgconn.PgError](err); ok {
			return nil, &sqlmod.Error{Code: said.Code, Message: "the database refuses the connection"}
		}
		if strings.Contains(err.Error(), "server refused TLS connection") {
			return nil, &sqlmod.Error{Message: "the server has no TLS, which the connection's URL asks for"}
		}
		return nil, err
	}
	c := &conn{pg: pg}
	var version int
	fmt.Sscanf(pg.ParameterStatus("server_version"), "%d", &version) //nolint:errcheck // what is not a number is taken for old
	c.escapable = version < 16
	yes, err := c.ask(ctx, privileged)
	if err == nil && yes {
		err = &sqlmod.Error{Message: "the role of the connection is, or can become, one that reaches the server's files and programs, such as a superuser; the connection needs a role without that"}
	}
	if err != nil {
		c.Close() //nolint:errcheck // the other error says more
		return nil, err
	}
	return c, nil
}

// conn speaks the extended protocol, in which a text is one statement, over what pgconn
// has connected. It does so itself because pgconn has no portals, with which the server
// waits for the guest between batches instead of sending all rows.
type conn struct {
	pg     *pgconn.PgConn
	status byte  // of the transaction, as the server says: I, T or E
	busy   bool  // an answer is not at its end
	err    error // after which nothing is known any more
	// readOnly is for the statements of the transaction.
	readOnly bool
	// escapable is for versions in which a session may RESET transaction_read_only at any
	// time, with set_config(…, NULL, …) too.
	escapable bool
	// names are those of types that pgx does not know, as they were when the connection
	// met them first.
	names map[oid]string
}

var errBusy = errors.New("postgres: a statement is not at its end")

// watch makes ctx abort reading and writing, until done is called.
func (c *conn) watch(ctx context.Context) (done func()) {
	stop := context.AfterFunc(ctx, func() { c.pg.Conn().SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // a closed one needs none
	return func() {
		if !stop() && c.err == nil {
			c.err = ctx.Err() // the deadline is there to stay
		}
	}
}

// send sends messages, of which the last is one that the server answers with
// ReadyForQuery.
func (c *conn) send(messages ...pgproto3.FrontendMessage) error {
	switch {
	case c.err != nil:
		return c.err
	case c.busy:
		return errBusy
	}
	c.busy = true
	for _, message := range messages {
		c.pg.Frontend().Send(message)
	}
	if err := c.pg.Frontend().Flush(); err != nil {
		c.err = err
	}
	return c.err
}

// receive returns the next message that is about the statement. It is valid until the
// next call.
func (c *conn) receive() (pgproto3.BackendMessage, error) {
	for c.err == nil {
		message, err := c.pg.ReceiveMessage(context.Background()) // watch has the context
		if err != nil {
			if tooLong, ok := errors.AsType[*pgproto3.ExceededMaxBodyLenErr](err); ok {
				c.err = fmt.Errorf("%w: a row has %d bytes or more, and max_row_bytes of the sql policy is less", abi.EMSGSIZE, tooLong.ActualBodyLen)
			} else if said, ok := errors.AsType[*pgconn.PgError](err); ok { // FATAL: it was the last thing to be said
				c.err = fail(said)
			} else {
				c.err = err
			}
			break
		}
		switch message := message.(type) {
		case *pgproto3.ReadyForQuery:
			c.busy, c.status = false, message.TxStatus
			return message, nil
		case *pgproto3.NoticeResponse, *pgproto3.ParameterStatus, *pgproto3.NotificationResponse:
		case *pgproto3.CopyInResponse, *pgproto3.CopyOutResponse, *pgproto3.CopyBothResponse:
			c.err = &sqlmod.RejectedError{What: "COPY", Why: "it is not available; use query, or exec with INSERT"}
		default:
			return message, nil
		}
	}
	return nil, c.err
}

// finish reads to the end of an answer, and returns the error that is in it.
func (c *conn) finish() error {
	var said error
	for c.busy || c.err != nil {
		message, err := c.receive()
		if err != nil {
			return err
		}
		if e, ok := message.(*pgproto3.ErrorResponse); ok && said == nil {
			said = fail(pgconn.ErrorResponseToPgError(e))
		}
	}
	return said
}

// fail is what a guest is told of the server's error. Detail, hint and context are left
// out: they can hold rows and definitions.
func fail(e *pgconn.PgError) error {
	if e.Code == "25006" { // read_only_sql_transaction
		return &sqlmod.RejectedError{What: "a change", Why: "the database says, " + e.Message + "; the sql policy would allow it with write: true"}
	}
	return &sqlmod.Error{Code: e.Code, Message: e.Message}
}

// simple runs statements of the driver's own, one or more.
func (c *conn) simple(ctx context.Context, text string) error {
	defer c.watch(ctx)()
	if err := c.send(&pgproto3.Query{String: text}); err != nil {
		return err
	}
	return c.finish()
}

// Begin implements [sqlmod.Conn].
func (c *conn) Begin(ctx context.Context, options sqlmod.TxOptions) error {
	text := "BEGIN"
	if options.Isolation != "" {
		text += " ISOLATION LEVEL " + options.Isolation
	}
	if options.ReadOnly {
		text += " READ ONLY"
		if options.Isolation == "serializable" {
			// so that what it reads is true although it will not be committed
			text += ", DEFERRABLE"
		}
		// With the first snapshot, the server stops taking READ WRITE for the
		// transaction.
		text += "; SELECT"
	}
	c.readOnly = options.ReadOnly
	if err := c.simple(ctx, text); err != nil || !c.escapable || !options.ReadOnly || options.MayWrite {
		return err
	}
	// What remains of the promise is that the transaction is rolled back.
	switch yes, err := c.ask(ctx, lasting); {
	case err != nil:
		return err
	case yes:
		return &sqlmod.RejectedError{What: "reading", Why: "PostgreSQL before version 16 lets a session out of a read-only transaction, and the role of the connection may change sequences or foreign tables, " +
			"which a rollback does not take back; give modules without write: true a connection with a role that may not"}
	}
	return nil
}

// ask runs a query of the driver's own that answers yes or no.
func (c *conn) ask(ctx context.Context, text string) (yes bool, err error) {
	defer c.watch(ctx)()
	if err := c.send(&pgproto3.Query{String: text}); err != nil {
		return false, err
	}
	answered := false
	for c.busy {
		message, err := c.receive()
		if err != nil {
			return false, err
		}
		switch message := message.(type) {
		case *pgproto3.DataRow:
			answered, yes = true, len(message.Values) != 1 || string(message.Values[0]) != "f"
		case *pgproto3.ErrorResponse:
			return false, errors.Join(fail(pgconn.ErrorResponseToPgError(message)), c.finish())
		}
	}
	if !answered {
		return false, errors.New("postgres: a query had no answer")
	}
	return yes, nil
}

// End implements [sqlmod.Conn].
func (c *conn) End(ctx context.Context, commit bool) error {
	if c.err != nil {
		return c.err
	}
	c.readOnly = false
	switch {
	case c.status == 'I' || c.status == 0:
		return nil
	case !commit:
		return c.simple(ctx, "ROLLBACK")
	case c.status == 'E': // to which the server would say ROLLBACK, and call it well
		if err := c.simple(ctx, "ROLLBACK"); err != nil {
			return err
		}
		return &sqlmod.Error{Code: "25P02", Message: "the transaction had an error and was rolled back"}
	}
	return c.simple(ctx, "COMMIT")
}

// Reset implements [sqlmod.Conn].
func (c *conn) Reset(ctx context.Context) error { return c.simple(ctx, "DISCARD ALL") }

// Close implements [sqlmod.Conn].
func (c *conn) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if c.pg.IsClosed() { // by pgconn, which then cancels what runs, and closes on its own
		select {
		case <-c.pg.CleanupDone():
		case <-ctx.Done():
			c.pg.Conn().Close() //nolint:errcheck // which ends the rest of it
		}
		return nil
	}
	if c.busy {
		c.pg.CancelRequest(ctx) //nolint:errcheck // a server that does not listen cannot be told
	}
	return c.pg.Close(ctx)
}

// Words that statements begin with.
var (
	reading = words("SELECT WITH VALUES TABLE SHOW EXPLAIN")
	// The server refuses most of these in a transaction, but not those that end it.
	transactional = words("BEGIN START COMMIT END ROLLBACK ABORT SAVEPOINT RELEASE PREPARE")
)

func words(list string) map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(list) {
		set[word] = true
	}
	return set
}

// firstWord returns the word that a statement begins with, in upper case. It is empty if
// that is not clear: after a semicolon for one, or with a character that some versions
// take for a space.
func firstWord(text string) string {
	for {
		text = strings.TrimLeft(text, " \t\r\n(")
		switch {
		case strings.HasPrefix(text, "--"):
			end := strings.IndexAny(text, "\r\n")
			if end < 0 {
				return ""
			}
			text = text[end:]
		case strings.HasPrefix(text, "/*"):
			depth := 0
			for {
				switch {
				case strings.HasPrefix(text, "/*"):
					depth, text = depth+1, text[2:]
				case strings.HasPrefix(text, "*/"):
					depth, text = depth-1, text[2:]
				case text == "":
					return ""
				default:
					text = text[1:]
				}
				if depth == 0 {
					break
				}
			}
		default:
			end := strings.IndexFunc(text, func(r rune) bool { return (r|0x20) < 'a' || (r|0x20) > 'z' })
			if end < 0 {
				end = len(text)
			}
			return strings.ToUpper(text[:end])
		}
	}
}

// check refuses what no session of a guest's is for. The server has the last word about
// read-only.
func (c *conn) check(text string) error {
	switch word := firstWord(text); {
	case word == "":
		return fmt.Errorf("%w: the SQL does not begin with a statement", abi.EINVAL)
	case transactional[word]:
		return &sqlmod.RejectedError{What: word, Why: "transactions are begun and ended by functions of the module: begin, commit and rollback"}
	case word == "COPY":
		return &sqlmod.RejectedError{What: word, Why: "it is not available; use query, or exec with INSERT"}
	case c.readOnly && !reading[word]:
		return &sqlmod.RejectedError{What: "a change", Why: "reading is SELECT, WITH, VALUES, TABLE, SHOW and EXPLAIN; the sql policy would allow others with write: true"}
	}
	return nil
}

// Query implements [sqlmod.Conn].
func (c *conn) Query(ctx context.Context, s *sqlmod.Statement) (sqlmod.Rows, error) {
	if err := c.check(s.SQL); err != nil {
		return nil, err
	}
	defer c.watch(ctx)()
	c.pg.Frontend().SetMaxBodyLen(max(minBody, s.MaxRow+minBody/8)) // and the lengths of all values
	parse := &pgproto3.Parse{Query: s.SQL, ParameterOIDs: make([]uint32, len(s.Args))}
	bind := &pgproto3.Bind{Parameters: make([][]byte, len(s.Args)), ParameterFormatCodes: make([]int16, len(s.Args))}
	for i, arg := range s.Args {
		switch arg := arg.(type) { // as text, of the type that the server makes of its place
		case bool:
			bind.Parameters[i] = strconv.AppendBool(nil, arg)
		case int64:
			bind.Parameters[i] = strconv.AppendInt(nil, arg, 10)
		case float64:
			bind.Parameters[i] = strconv.AppendFloat(nil, arg, 'g', -1, 64)
		case string:
			bind.Parameters[i] = []byte(arg)
		case []byte:
			parse.ParameterOIDs[i] = pgtype.ByteaOID
			bind.ParameterFormatCodes[i], bind.Parameters[i] = 1, arg
			if arg == nil {
				bind.Parameters[i] = []byte{}
			}
		}
	}
	r := &rows{c: c}
	if err := r.describe(parse); err != nil {
		return nil, err
	}
	if unknown := r.unknown(); len(unknown) > 0 {
		if err := c.learn(unknown); err != nil {
			return nil, err
		}
		// The question has taken the place of the statement.
		if err := r.describe(parse); err != nil {
			return nil, err
		}
	}
	r.name()
	for _, t := range r.types {
		bind.ResultFormatCodes = append(bind.ResultFormatCodes, t.format())
	}
	if c.status == 'T' {
		r.portion = 1000 // outside of a transaction, portals end with their first portion
	}
	if err := c.send(bind, &pgproto3.Execute{MaxRows: r.portion}, &pgproto3.Sync{}); err != nil {
		return nil, err
	}
	return r, nil
}

// rows is a portal: it has no name, so that the next statement takes its place.
type rows struct {
	c        *conn
	columns  []sqlmod.Column
	types    []oid
	portion  uint32 // of rows that are asked for at once, or 0 for all
	more     bool   // the server has more than the portion
	done     bool
	affected int64
}

// describe has the server parse a statement, and say what results it has.
func (r *rows) describe(parse *pgproto3.Parse) error {
	if err := r.c.send(parse, &pgproto3.Describe{ObjectType: 'S'}, &pgproto3.Sync{}); err != nil {
		return err
	}
	r.columns, r.types = nil, nil
	var said error
	for r.c.busy {
		message, err := r.c.receive()
		if err != nil {
			return err
		}
		switch message := message.(type) {
		case *pgproto3.ErrorResponse:
			said = fail(pgconn.ErrorResponseToPgError(message))
		case *pgproto3.ParameterDescription:
			if want, have := len(message.ParameterOIDs), len(parse.ParameterOIDs); want != have {
				said = fmt.Errorf("%w: the statement has %d parameters, and args has %d", abi.EINVAL, want, have)
			}
		case *pgproto3.RowDescription:
			for _, field := range message.Fields {
				r.columns = append(r.columns, sqlmod.Column{Name: strings.ToValidUTF8(string(field.Name), "\ufffd")})
				r.types = append(r.types, oid(field.DataTypeOID))
			}
		}
	}
	return said
}

// Columns implements [sqlmod.Rows].
func (r *rows) Columns() []sqlmod.Column { return r.columns }

// Affected implements [sqlmod.Rows].
func (r *rows) Affected() int64 { return r.affected }

// Next implements [sqlmod.Rows].
func (r *rows) Next(ctx context.Context) ([]any, error) {
	if r.done {
		return nil, io.EOF
	}
	defer r.c.watch(ctx)()
	for {
		if !r.c.busy {
			if !r.more {
				return nil, r.end()
			}
			r.more = false
			if err := r.c.send(&pgproto3.Execute{MaxRows: r.portion}, &pgproto3.Sync{}); err != nil {
				return nil, err
			}
		}
		message, err := r.c.receive()
		if err != nil {
			return nil, err
		}
		switch message := message.(type) {
		case *pgproto3.DataRow:
			return r.decode(message)
		case *pgproto3.PortalSuspended:
			r.more = true
		case *pgproto3.CommandComplete:
			r.affected = pgconn.NewCommandTag(string(message.CommandTag)).RowsAffected()
		case *pgproto3.ErrorResponse:
			r.done = true
			said := fail(pgconn.ErrorResponseToPgError(message))
			if err := r.c.finish(); err != nil {
				return nil, err
			}
			return nil, said
		}
	}
}

// end looks, at the end of the rows, whether the transaction is as it should be. What is
// refused before makes this superfluous, as far as we know.
func (r *rows) end() error {
	r.done = true
	if began := r.portion > 0; began != (r.c.status != 'I') {
		r.c.err = &sqlmod.RejectedError{What: "a change of transaction", Why: "transactions are begun and ended by functions of the module: begin, commit and rollback"}
		return r.c.err
	}
	return io.EOF
}

// Close implements [sqlmod.Rows]. Of a transaction, what is left are the rows of a
// portion; otherwise all.
func (r *rows) Close(ctx context.Context) error {
	if r.done {
		return nil
	}
	r.done = true
	defer r.c.watch(ctx)()
	return r.c.finish()
}
