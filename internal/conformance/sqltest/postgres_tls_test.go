package sqlmod_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/contrib/postgres/pgtest"
	"github.com/wasmworker/wasmworker/host/passthrough/sqlmod"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// captured is what the default logger writes.
type captured struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *captured) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *captured) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// Certificates that are replaced on the disk are those of the next session.
func TestPostgresCertificatesRotate(t *testing.T) {
	log := &captured{}
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(func() { slog.SetDefault(old) })
	server := pgtest.New(t)
	database := newPostgresDatabase(t, server)
	dir := t.TempDir()
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first, second := testbed.NewAuthority(t), testbed.NewAuthority(t)
	use := func(authority *testbed.Authority) {
		t.Helper()
		certificate, key := authority.Issue(t, "127.0.0.1")
		server.UseTLS(t, certificate, key, authority.Root)
	}
	use(first)
	certificate, key := first.Issue(t, "client")
	write("ca.pem", first.Root)
	write("tls.crt", certificate)
	write("tls.key", key)
	url := fmt.Sprintf("postgres://guest@127.0.0.1:%d/%s?sslrootcert=%s&sslcert=%s&sslkey=%s", server.Port, database, filepath.Join(dir, "ca.pem"), filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	a := newClient(t, sqlmod.Connection{URL: url, Password: "guest"}, sqlmod.Access{}).activity(t)
	session := func() { // a new one, since the others are held
		t.Helper()
		tx := a.do("begin", request{Connection: "db"}).Transaction
		if got := a.do("query", request{Transaction: tx, SQL: "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"}).rows; got != "[[true]]" {
			t.Errorf("over TLS: %s", got)
		}
	}
	session()
	newCertificate, newKey := second.Issue(t, "client")
	write("tls.crt", newCertificate)
	session()
	session()
	if n := strings.Count(log.String(), "certificate files of a PostgreSQL connection cannot be used"); n != 1 || !strings.Contains(log.String(), "private key does not match") || strings.Contains(log.String(), database) {
		t.Errorf("%d warnings:\n%s", n, log)
	}
	write("ca.pem", second.Root[:len(second.Root)/2])
	session()
	write("ca.pem", second.Root)
	write("tls.key", newKey)
	use(second)
	session()
	// The server is still verified.
	use(first)
	a.refused("begin", request{Connection: "db"}, abi.EIO, "certificate")
}
