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
	"sync"

	_ "github.com/wasmworker/wasmworker/contrib/sqlite" // the connection's
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/blobmod"
	"github.com/wasmworker/wasmworker/host/passthrough/configmod"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
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
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, err
	}
	w := &World{modules: []passthrough.Module{
		Passthrough(),
		httpmod.New(httpmod.Options{Secrets: store}),
		configmod.New(),
		secretmod.New(store),
		databases,
		buckets,
		fsmod.New(),
	}}
	set, err := passthrough.NewSet(w.modules...)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	w.Set = set.Wrap(watch)
	w.server = httptest.NewServer(serve())
	w.Policies = map[string]any{
		"http": &httpmod.Policy{
			Allow:            []httpmod.Rule{{Origin: w.server.URL, Methods: []string{"GET", "POST", "PUT", "DELETE"}, Secrets: []string{"api-token"}}},
			PrivateAddresses: []string{"127.0.0.1"},
			MaxRequestBytes:  1 << 20,
			MaxResponseBytes: 1 << 20,
		},
		"config": &configmod.Policy{Values: map[string]string{"greeting": "Grüße, 世界 👩‍🚀", "empty": ""}},
		"sql":    &sqlmod.Policy{Connections: map[string]sqlmod.Access{"db": {Write: true, Timeout: passthrough.Duration(Patience)}}},
		"blob":   &blobmod.Policy{Buckets: map[string]blobmod.Access{"box": {Prefixes: []string{"out/"}, Write: true, Timeout: passthrough.Duration(Patience)}}},
		"fs":     &fsmod.Policy{Mounts: map[string]fsmod.Mount{"/data": {Directory: data, Write: true}}},
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

// Origin returns the origin of the server.
func (w *World) Origin() string { return w.server.URL }

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

// visit is one activity, as passthrough modules see it.
type visit struct {
	denied bool // zero policies apply

	mu    sync.Mutex
	calls map[string]int // by "module.function"
}

type visitKey struct{}

// watch counts the calls of an activity. If the activity is to be denied, it replaces the
// policies with zero policies.
func watch(m passthrough.Module, function string, f passthrough.Func) passthrough.Func {
	return func(ctx context.Context, call *passthrough.Call, req []byte) ([]byte, error) {
		v, ok := ctx.Value(visitKey{}).(*visit)
		if !ok {
			return f(ctx, call, req)
		}
		v.mu.Lock()
		v.calls[m.Name+"."+function]++
		v.mu.Unlock()
		if v.denied && m.Policy != nil {
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

func (v *visit) check(want map[string]int) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var errs []error
	for name, n := range want {
		if v.calls[name] != n {
			errs = append(errs, fmt.Errorf("%s was called %d times, want %d", name, v.calls[name], n))
		}
	}
	return errors.Join(errs...)
}

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
