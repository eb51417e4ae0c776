// Package pgtest starts PostgreSQL for tests. It is a package apart from testbed, and in
// the module of the driver, so that the root module does without a client for PostgreSQL.
package pgtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// Server is a PostgreSQL server in a process of its own, on loopback and on a socket in
// its directory. Its superuser is admin. Roles need passwords (scram-sha-256).
type Server struct {
	Port      int
	Directory string // of the socket, and of the data
	password  string
	process   *testbed.Process
}

var shared struct {
	sync.Mutex
	server *Server
}

// With makes [Shared] available in a package: os.Exit(testbed.Main(pgtest.With(m.Run))).
func With(run func() int) func() int {
	return func() int {
		defer func() {
			if shared.server != nil {
				shared.server.Stop()
			}
		}()
		return run()
	}
}

// Shared returns the server that all tests of this package use, started by the first.
// Tests keep out of each other's way by databases of their own.
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		shared.server = start(t)
	}
	return shared.server
}

// New starts a server for a test that kills it. It ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	p := start(t)
	t.Cleanup(p.Stop)
	return p
}

// programPath finds a program of the server, of the newest version that is installed.
func programPath(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	// where Debian has them, out of the PATH
	found, _ := filepath.Glob(filepath.Join("/usr/lib/postgresql/*/bin", name))
	if len(found) == 0 {
		const missing = "PostgreSQL is not installed (Debian: apt-get install postgresql), so that this test has no server"
		if os.Getenv("WASMWORKER_TEST_REQUIRE") == "all" {
			t.Fatal(missing)
		}
		t.Skip("NOT TESTED: " + missing)
	}
	slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
	return found[len(found)-1]
}

func version(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

func start(t testing.TB) *Server {
	t.Helper()
	initdb, program := programPath(t, "initdb"), programPath(t, "postgres")
	// short: the path of a socket has about 100 characters at most
	directory, err := os.MkdirTemp("", "ww-pg-")
	if err != nil {
		t.Fatal(err)
	}
	p := &Server{Port: testbed.FreePort(t), Directory: directory, password: "of-the-admin"}
	defer func() {
		if t.Failed() {
			p.Stop()
		}
	}()
	passwords := filepath.Join(directory, "password")
	if err := os.WriteFile(passwords, []byte(p.password), 0o600); err != nil {
		t.Fatal(err)
	}
	attributes := unprivileged(t, directory, passwords)
	data := filepath.Join(directory, "data")
	create := exec.Command(initdb, "-D", data, "-U", "admin", "--pwfile", passwords, "--auth", "scram-sha-256", "-E", "UTF8", "--locale", "C", "--no-sync")
	create.Dir, create.SysProcAttr = directory, attributes
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	cmd := exec.Command(program, "-D", data, "-p", strconv.Itoa(p.Port), "-k", directory, "-c", "listen_addresses=127.0.0.1",
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=16MB", "-c", "autovacuum=off", "-c", "max_connections=60")
	cmd.Dir, cmd.SysProcAttr, cmd.Stdin = directory, attributes, bytes.NewReader(nil)
	if p.process, err = testbed.Launch(cmd); err != nil {
		t.Fatal(err)
	}
	testbed.Eventually(t, "PostgreSQL answers", func() error {
		if exited, code := p.process.Exited(); exited {
			t.Fatalf("PostgreSQL ended with code %d: %s", code, p.process.Stderr())
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		c, err := p.connect(ctx, "postgres")
		if err == nil {
			err = c.Close(ctx)
		}
		return err
	})
	return p
}

// unprivileged makes root's processes those of somebody else, since PostgreSQL does not
// run as root, and gives that user the files.
func unprivileged(t testing.TB, files ...string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.ParseUint(u.Uid, 10, 32)
		gid, _ := strconv.ParseUint(u.Gid, 10, 32)
		for _, file := range files {
			if err := os.Chown(file, int(uid), int(gid)); err != nil {
				t.Fatal(err)
			}
		}
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	t.Fatal("PostgreSQL does not run as root, and there is no user postgres or nobody")
	return nil
}

func (p *Server) connect(ctx context.Context, database string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(p.URL("admin", database))
	if err != nil {
		return nil, err
	}
	// whatever the environment of the test says
	config.Password, config.RuntimeParams = p.password, nil
	return pgx.ConnectConfig(ctx, config)
}

// URL returns a URL without a password.
func (p *Server) URL(user, database string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=disable", user, p.Port, database)
}

// Admin connects as the superuser. The connection is closed with the test.
func (p *Server) Admin(t testing.TB, database string) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testbed.Patience)
	defer cancel()
	c, err := p.connect(ctx, database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		c.Close(ctx) //nolint:errcheck // a test may have killed the server
	})
	return c
}

// UseTLS makes new connections of all roles but admin's use TLS: the server has a
// certificate and key, as PEM, and clients have to have one of an authority.
func (p *Server) UseTLS(t testing.TB, certificate, key, authority []byte) {
	t.Helper()
	data := filepath.Join(p.Directory, "data")
	const access = "host all admin 127.0.0.1/32 scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n"
	for name, content := range map[string][]byte{"server.crt": certificate, "server.key": key, "clients.crt": authority, "pg_hba.conf": []byte(access)} {
		path := filepath.Join(data, name)
		if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, content, 0o600)); err != nil {
			t.Fatal(err)
		}
		unprivileged(t, path)
	}
	admin := p.Admin(t, "postgres")
	for _, statement := range []string{"ALTER SYSTEM SET ssl_cert_file = 'server.crt'", "ALTER SYSTEM SET ssl_key_file = 'server.key'", "ALTER SYSTEM SET ssl_ca_file = 'clients.crt'", "ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()"} {
		if _, err := admin.Exec(context.Background(), statement); err != nil {
			t.Fatal(err)
		}
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	testbed.Eventually(t, "the server has its new certificate", func() error {
		config, err := pgconn.ParseConfig(fmt.Sprintf("postgres://nobody@127.0.0.1:%d/postgres?sslmode=require", p.Port))
		if err != nil {
			t.Fatal(err)
		}
		config.RuntimeParams = nil
		var seen []byte
		config.TLSConfig.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
			seen = raw[0]
			return nil
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if c, err := pgconn.ConnectConfig(ctx, config); err == nil {
			c.Close(ctx) //nolint:errcheck // it was not wanted
		}
		if !bytes.Equal(seen, pair.Certificate[0]) {
			return errors.New("it has not")
		}
		return nil
	})
}

// Stop stops the server at once, with the sessions that there are, and removes its files.
// Stopping twice does nothing.
func (p *Server) Stop() {
	if p.process != nil {
		p.process.StopBy(syscall.SIGQUIT)
	}
	if err := os.RemoveAll(p.Directory); err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(os.Stderr, "pgtest: a directory of PostgreSQL stays behind:", err)
	}
}
