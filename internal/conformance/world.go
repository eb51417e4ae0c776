package conformance

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	_ "github.com/wasmworker/wasmworker/contrib/sqlite" // the connection's
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/blobmod"
	"github.com/wasmworker/wasmworker/host/passthrough/configmod"
	"github.com/wasmworker/wasmworker/host/passthrough/httpmod"
	"github.com/wasmworker/wasmworker/host/passthrough/secretmod"
	"github.com/wasmworker/wasmworker/host/passthrough/sqlmod"
)

// World is the environment of the cases' modules: the passthrough modules and the
// services behind them. The README beside the cases describes it.
type World struct {
	// Set holds the passthrough modules. Policies say what a conformance module may do
	// with them.
	Set      passthrough.Set
	Policies map[string]any

	modules []passthrough.Module
	server  *httptest.Server
}

// patience is how long a call of a service may take.
const patience = 20 * time.Second

// secrets are the values of the secrets, which are in files.
var secrets = map[string]string{"api-token": "t0ken-of-the-server", "signing-key": "Schlüssel ☃"}

// NewWorld makes a world. It keeps its files in a directory, which must exist until the
// world is closed.
func NewWorld(dir string) (*World, error) {
	sources := map[string]secretmod.Source{}
	for name, value := range secrets {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(value+"\n"), 0o600); err != nil {
			return nil, err
		}
		sources[name] = secretmod.Source{File: file}
	}
	store, err := secretmod.Open(sources)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "conformance.db")
	if err := fill(file); err != nil {
		return nil, err
	}
	databases, err := sqlmod.New(sqlmod.Options{Connections: map[string]sqlmod.Connection{"db": {URL: "sqlite:" + file}}})
	if err != nil {
		return nil, err
	}
	buckets, err := blobmod.New(blobmod.Options{Buckets: map[string]blobmod.Bucket{"box": {URL: "mem://"}}})
	if err != nil {
		return nil, err
	}
	w := &World{modules: []passthrough.Module{
		conformance(),
		httpmod.New(httpmod.Options{Secrets: store}),
		configmod.New(),
		secretmod.New(store),
		databases,
		buckets,
	}}
	set, err := passthrough.NewSet(w.modules...)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	w.Set = set.Wrap(deny)
	w.server = httptest.NewServer(serve())
	w.Policies = map[string]any{
		"http": &httpmod.Policy{
			Allow:            []httpmod.Rule{{Origin: w.server.URL, Methods: []string{"GET", "POST", "PUT", "DELETE"}, Secrets: []string{"api-token"}}},
			PrivateAddresses: []string{"127.0.0.1"},
			MaxRequestBytes:  1 << 20,
			MaxResponseBytes: 1 << 20,
		},
		"config": &configmod.Policy{Values: map[string]string{"greeting": "Grüße, 世界 👩‍🚀", "empty": ""}},
		"sql":    &sqlmod.Policy{Connections: map[string]sqlmod.Access{"db": {Write: true, Timeout: passthrough.Duration(patience)}}},
		"blob":   &blobmod.Policy{Buckets: map[string]blobmod.Access{"box": {Prefixes: []string{"out/"}, Write: true, Timeout: passthrough.Duration(patience)}}},
		"secret": &secretmod.Policy{Reveal: []string{"signing-key"}},
	}
	return w, nil
}

// fill makes the database's tables and rows.
func fill(file string) error {
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return err
	}
	_, err = db.Exec(`
		CREATE TABLE ledger (entry TEXT NOT NULL);
		CREATE TABLE kinds (id INTEGER PRIMARY KEY, whole INTEGER, number REAL, text TEXT, bytes BLOB)`)
	for _, row := range [][]any{
		{1, nil, nil, nil, nil},
		{2, 42, 1.5, "größe ☃ 世界 👩‍🚀 \"quoted\" \\ / \b\f\n\r\t", []byte{0, 0xff, 0x7f, 0x80}},
		{3, -(int64(1)<<53 - 1), -0.25, "", []byte{}},
		{4, int64(1)<<53 - 1, 1e300, `{"bytes": [0, 1]}`, []byte("{}")},
	} {
		if err == nil {
			_, err = db.Exec("INSERT INTO kinds VALUES (?, ?, ?, ?, ?)", row...)
		}
	}
	return errors.Join(err, db.Close())
}

// Close closes the world. The sandboxes that use it must be closed before.
func (w *World) Close() error {
	var errs []error
	for _, m := range w.modules {
		if m.Close != nil {
			errs = append(errs, m.Close(context.Background()))
		}
	}
	if w.server != nil {
		w.server.Close()
	}
	return errors.Join(errs...)
}

type deniedKey struct{}

// deny replaces the policies with zero policies in an activity whose context says so.
func deny(m passthrough.Module, _ string, f passthrough.Func) passthrough.Func {
	return func(ctx context.Context, call *passthrough.Call, req []byte) ([]byte, error) {
		if denied, _ := ctx.Value(deniedKey{}).(bool); denied && m.Policy != nil {
			without := *call
			call = &without
			call.Policy = m.NewPolicy()
			if err := m.CheckPolicy(call.Policy); err != nil {
				return nil, err
			}
		}
		return f(ctx, call, req)
	}
}

// conformance is the module wasmworker:conformance/v1.
func conformance() passthrough.Module {
	return passthrough.Module{Name: "conformance", Functions: map[string]passthrough.Func{
		"upper": func(_ context.Context, _ *passthrough.Call, req []byte) ([]byte, error) {
			return []byte(strings.ReplaceAll(strings.ToUpper(string(req)), "ß", "SS")), nil
		},
		"deny": func(context.Context, *passthrough.Call, []byte) ([]byte, error) {
			return nil, denial{}
		},
	}}
}

type denial struct{}

func (denial) Error() string { return "the policy says no" }
func (denial) Unwrap() error { return abi.EACCES }

// serve is the server's handler.
func serve() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // the guest will miss what is not there
		text(w)
		fmt.Fprintf(w, "%s\n%s\n%s\n%s", r.Method, r.URL.RequestURI(), strings.Join(r.Header["X-Test"], ", "), body)
	})
	mux.HandleFunc("/status/{n}", func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.PathValue("n"))
		w.WriteHeader(status)
	})
	mux.HandleFunc("/large/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("n"))
		text(w)
		io.WriteString(w, strings.Repeat("x", n)) //nolint:errcheck // the guest will miss it
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		text(w)
		if r.Header.Get("Authorization") != "Bearer "+secrets["api-token"] {
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, "wrong") //nolint:errcheck // as above
			return
		}
		io.WriteString(w, "right") //nolint:errcheck // as above
	})
	return mux
}

func text(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/plain; charset=utf-8") }
