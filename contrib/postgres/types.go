package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

var typeMap = pgtype.NewMap()

// maxNames bounds what a connection remembers: guests can make types without end.
const maxNames = 1000

// unknown are the types of the columns whose names are not known yet.
func (r *rows) unknown() (unknown []oid) {
	for _, t := range r.types {
		if _, ok := typeMap.TypeForOID(uint32(t)); ok {
			continue
		}
		if _, ok := r.c.names[t]; !ok {
			unknown = append(unknown, t)
		}
	}
	return unknown
}

// name gives the columns the names of their types. One that the server does not know
// either is its number.
func (r *rows) name() {
	for i, t := range r.types {
		name := r.c.names[t]
		if known, ok := typeMap.TypeForOID(uint32(t)); ok {
			name = known.Name
		} else if name == "" {
			name = strconv.FormatUint(uint64(t), 10)
		}
		r.columns[i].Type = strings.ToUpper(name)
	}
}

// learn asks the server for the names of types, all at once, in the transaction that
// there is.
func (c *conn) learn(types []oid) error {
	if len(c.names)+len(types) > maxNames || c.names == nil {
		c.names = map[oid]string{}
	}
	list := make([]string, len(types))
	for i, t := range types {
		list[i] = strconv.FormatUint(uint64(t), 10)
		c.names[t] = "" // which is not asked for again
	}
	text := "SELECT oid, typname FROM pg_catalog.pg_type WHERE oid IN (" + strings.Join(list, ", ") + ")"
	if err := c.send(&pgproto3.Query{String: text}); err != nil {
		return err
	}
	var said error
	for c.busy {
		message, err := c.receive()
		if err != nil {
			return err
		}
		switch message := message.(type) {
		case *pgproto3.DataRow:
			if len(message.Values) != 2 {
				c.err = errValue
				return errValue
			}
			id, err := strconv.ParseUint(string(message.Values[0]), 10, 32)
			if err != nil {
				c.err = errValue
				return errValue
			}
			c.names[oid(id)] = strings.ToValidUTF8(string(message.Values[1]), "\ufffd")
		case *pgproto3.ErrorResponse:
			said = fail(pgconn.ErrorResponseToPgError(message))
		}
	}
	if c.status != 'E' { // the statement can be run all the same, without names
		return nil
	}
	return said
}

// oid is a type by its number in the server.
type oid uint32

// format is 1, for binary, where the text would depend on parameters of the session or be
// twice as long.
func (t oid) format() int16 {
	switch t {
	case pgtype.ByteaOID, pgtype.TimestamptzOID, pgtype.TimestampOID, pgtype.DateOID:
		return 1
	}
	return 0
}

func (r *rows) decode(message *pgproto3.DataRow) ([]any, error) {
	if len(message.Values) != len(r.types) {
		r.c.err = errors.New("postgres: a row is not as it was described")
		return nil, r.c.err
	}
	row := make([]any, len(message.Values))
	for i, raw := range message.Values {
		if raw == nil {
			continue
		}
		value, err := r.types[i].decode(raw)
		if err != nil {
			r.c.err = err
			return nil, err
		}
		row[i] = value
	}
	return row, nil
}

var errValue = errors.New("postgres: a value is not of its type")

// decode makes of a value what package sql knows. raw is not kept.
func (t oid) decode(raw []byte) (any, error) {
	switch t {
	case pgtype.BoolOID:
		return string(raw) == "t", nil
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID:
		return strconv.ParseInt(string(raw), 10, 64)
	case pgtype.Float4OID, pgtype.Float8OID:
		return strconv.ParseFloat(string(raw), 64)
	case pgtype.ByteaOID:
		return append([]byte{}, raw...), nil
	case pgtype.TimestamptzOID, pgtype.TimestampOID:
		if len(raw) != 8 {
			return nil, errValue
		}
		layout := "T15:04:05.999999"
		if t == pgtype.TimestamptzOID {
			layout += "Z"
		}
		micros := int64(binary.BigEndian.Uint64(raw))
		if infinite := infinity(micros, math.MinInt64, math.MaxInt64); infinite != "" {
			return infinite, nil
		}
		seconds, rest := micros/1e6, micros%1e6
		return inEra(time.Unix(epoch+seconds, rest*1e3).UTC(), layout), nil
	case pgtype.DateOID:
		if len(raw) != 4 {
			return nil, errValue
		}
		days := int64(int32(binary.BigEndian.Uint32(raw)))
		if infinite := infinity(days, math.MinInt32, math.MaxInt32); infinite != "" {
			return infinite, nil
		}
		return inEra(time.Unix(epoch+days*86400, 0).UTC(), ""), nil
	}
	return string(raw), nil
}

const epoch = 946684800 // 2000-01-01, from which the server counts, in Unix time

func infinity(n, lowest, highest int64) string {
	switch n {
	case lowest:
		return "-infinity"
	case highest:
		return "infinity"
	}
	return ""
}

// inEra writes a date, with what a layout says behind it, as the server reads it: years
// before the first one it counts from 1 too. A year beyond 9999 has as many digits as it
// needs.
func inEra(t time.Time, layout string) string {
	year, era := t.Year(), ""
	if year < 1 {
		year, era = 1-year, " BC"
	}
	return fmt.Sprintf("%04d", year) + t.Format("-01-02"+layout) + era
}
