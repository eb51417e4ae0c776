package main

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"strings"

	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough/blob"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough/config"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough/database"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough/http"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough/secret"
)

type Request struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

type Response struct {
	Status      int    `json:"status"`
	ContentType string `json:"content_type"`
	Body        string `json:"body"`
}

//go:wasmexport http
func runHTTP() int32 { return activity.Run(HTTP) }

func HTTP(ctx context.Context, r Request) (Response, error) {
	header := http.Header{}
	for name, value := range r.Headers {
		header[name] = []string{value}
	}
	response, err := http.Do(ctx, http.Request{Method: r.Method, URL: r.URL, Header: header, Body: []byte(r.Body)})
	if err != nil {
		return Response{}, err
	}
	return Response{response.StatusCode, response.Header.Get("Content-Type"), string(response.Body)}, nil
}

//go:wasmexport config
func runConfig() int32 { return activity.Run(Config) }

func Config(name string) (*string, error) {
	value, err := config.Get(name)
	if errors.Is(err, passthrough.ENOENT) {
		return nil, nil
	}
	return &value, err
}

//go:wasmexport secret
func runSecret() int32 { return activity.Run(secret.Reveal) }

// Value is bytes as {"hex": "00ff"}, or another JSON value.
type Value struct{ v any }

func (v *Value) UnmarshalJSON(text []byte) error {
	var object struct{ Hex *string }
	if json.Unmarshal(text, &object) == nil && object.Hex != nil {
		data, err := hex.DecodeString(*object.Hex)
		v.v = data
		return err
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	if err := decoder.Decode(&v.v); err != nil {
		return err
	}
	if n, ok := v.v.(json.Number); ok {
		var err error
		if v.v, err = n.Int64(); err != nil {
			v.v, err = n.Float64()
		}
		return err
	}
	return nil
}

func (v Value) MarshalJSON() ([]byte, error) {
	if data, ok := v.v.([]byte); ok {
		return json.Marshal(map[string]string{"hex": hex.EncodeToString(data)})
	}
	return json.Marshal(v.v)
}

type Query struct {
	SQL   string  `json:"sql"`
	Args  []Value `json:"args"`
	Batch int     `json:"batch"`
	Limit int     `json:"limit"`
}

type Rows struct {
	Columns []string  `json:"columns"`
	Rows    [][]Value `json:"rows"`
}

var db = database.Open("db")

//go:wasmexport sql
func runSQL() int32 { return activity.Run(SQL) }

func SQL(ctx context.Context, q Query) (*Rows, error) {
	db := db
	if q.Batch > 0 {
		db = sql.OpenDB(database.Connector{Connection: "db", BatchRows: q.Batch})
		defer db.Close()
	}
	var args []any
	for _, a := range q.Args {
		args = append(args, a.v)
	}
	rows, err := db.QueryContext(ctx, q.SQL, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	result := &Rows{Rows: [][]Value{}}
	if result.Columns, err = rows.Columns(); err != nil {
		return nil, err
	}
	for rows.Next() {
		row, dest := make([]Value, len(result.Columns)), make([]any, len(result.Columns))
		for i := range row {
			dest[i] = &row[i].v
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		result.Rows = append(result.Rows, row)
		if len(result.Rows) == q.Limit {
			break
		}
	}
	return result, rows.Err()
}

type Entry struct {
	Entry string `json:"entry"`
	End   string `json:"end"`
}

type Outcome struct {
	Affected int64 `json:"affected"`
	Count    int64 `json:"count"`
}

//go:wasmexport transaction
func runTransaction() int32 { return activity.Run(Transaction) }

func Transaction(ctx context.Context, e Entry) (o Outcome, err error) {
	if e.End == "none" {
		ctx = context.WithoutCancel(ctx) // with which the transaction would end
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return o, err
	}
	result, err := tx.ExecContext(ctx, "INSERT INTO ledger (entry) VALUES (?)", e.Entry)
	if err != nil {
		return o, err
	}
	if o.Affected, err = result.RowsAffected(); err != nil {
		return o, err
	}
	const count = "SELECT count(*) FROM ledger WHERE entry = ?"
	switch e.End {
	case "commit":
		err = tx.Commit()
	case "rollback":
		err = tx.Rollback()
	default:
		return o, tx.QueryRowContext(ctx, count, e.Entry).Scan(&o.Count)
	}
	if err != nil {
		return o, err
	}
	return o, db.QueryRowContext(ctx, count, e.Entry).Scan(&o.Count)
}

const box = blob.Bucket("box")

type Parts struct {
	Key   string   `json:"key"`
	Parts []string `json:"parts"`
}

type Stored struct {
	Size        int64    `json:"size"`
	ContentType string   `json:"content_type"`
	Made        string   `json:"made"`
	Text        string   `json:"text"`
	Keys        []string `json:"keys"`
}

//go:wasmexport stream
func runStream() int32 { return activity.Run(Stream) }

func Stream(ctx context.Context, p Parts) (*Stored, error) {
	w, err := box.NewWriter(ctx, p.Key, &blob.WriteOptions{ContentType: "text/plain; charset=utf-8", Metadata: map[string]string{"made": "by hand"}})
	if err != nil {
		return nil, err
	}
	defer w.Close()
	for _, part := range p.Parts {
		if _, err := io.WriteString(w, part); err != nil {
			return nil, err
		}
	}
	if err := w.Commit(); err != nil {
		return nil, err
	}
	attributes, err := box.Stat(ctx, p.Key)
	if err != nil {
		return nil, err
	}
	r, err := box.NewReader(ctx, p.Key)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var text []byte
	for {
		piece := make([]byte, 5)
		n, err := r.Read(piece)
		text = append(text, piece[:n]...)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	var keys []string
	for object, err := range box.List(ctx, &blob.ListOptions{Prefix: p.Key}) {
		if err != nil {
			return nil, err
		}
		keys = append(keys, object.Key)
	}
	return &Stored{attributes.Size, attributes.ContentType, attributes.Metadata["made"], string(text), keys}, box.Delete(ctx, p.Key)
}

type Range struct {
	Key    string `json:"key"`
	Text   string `json:"text"`
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
}

type Part struct {
	Exists bool   `json:"exists"`
	Range  string `json:"range"`
}

//go:wasmexport object
func runObject() int32 { return activity.Run(Object) }

func Object(ctx context.Context, r Range) (*Part, error) {
	once := &blob.WriteOptions{IfNoneMatch: true}
	if err := box.Put(ctx, r.Key, []byte(r.Text), once); err != nil {
		return nil, err
	}
	if err := box.Put(ctx, r.Key, []byte(r.Text), once); !errors.Is(err, passthrough.EEXIST) {
		return nil, errors.Join(errors.New("it was put twice"), err)
	}
	data, err := box.GetRange(ctx, r.Key, r.Offset, r.Length)
	if err != nil {
		return nil, err
	}
	return &Part{true, string(data)}, box.Delete(ctx, r.Key)
}

//go:wasmexport exists
func runExists() int32 { return activity.Run(Exists) }

func Exists(ctx context.Context, key, by string) (bool, error) {
	var err error
	switch by {
	case "get":
		_, err = box.Get(ctx, key)
	case "stat":
		_, err = box.Stat(ctx, key)
	case "delete":
		err = box.Delete(ctx, key)
	default:
		var r *blob.Reader
		if r, err = box.NewReader(ctx, key); err == nil {
			err = r.Close()
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
