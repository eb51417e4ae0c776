//go:build unix

package main_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.temporal.io/sdk/client"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// front is a server in front of Temporal that speaks TLS and wants clients to have
// certificates.
type front struct {
	address string

	mu      sync.Mutex
	config  *tls.Config
	conns   map[net.Conn]bool
	refused int // handshakes that failed
}

// newFront starts one, whose certificate is of an authority, as those of its clients have
// to be.
func newFront(t *testing.T, backend string, authority *testbed.Authority) *front {
	t.Helper()
	f := &front{conns: map[net.Conn]bool{}}
	f.use(t, authority, "127.0.0.1")
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.address = inner.Addr().String()
	listener := tls.NewListener(inner, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.config, nil
	}})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { f.serve(conn.(*tls.Conn), backend) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		f.cut()
		running.Wait()
	})
	return f
}

func (f *front) serve(conn *tls.Conn, backend string) {
	defer conn.Close()
	if err := conn.Handshake(); err != nil {
		f.mu.Lock()
		f.refused++
		f.mu.Unlock()
		return
	}
	server, err := net.Dial("tcp", backend)
	if err != nil {
		return
	}
	defer server.Close()
	f.mu.Lock()
	f.conns[conn], f.conns[server] = true, true
	f.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(server, conn) //nolint:errcheck // it ends when it is cut
		server.Close()
	}()
	io.Copy(conn, server) //nolint:errcheck
	conn.Close()
	<-done
	f.mu.Lock()
	delete(f.conns, conn)
	delete(f.conns, server)
	f.mu.Unlock()
}

// use makes new connections those of an authority, with a certificate for a name.
func (f *front) use(t *testing.T, authority *testbed.Authority, name string) {
	t.Helper()
	pair, err := tls.X509KeyPair(authority.Issue(t, name))
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(authority.Root)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.config = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: []string{"h2"}}
}

// cut ends all connections.
func (f *front) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.conns {
		conn.Close()
	}
}

func (f *front) handshakesRefused() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refused
}

// Certificates that are replaced on the disk are those of the next connection to
// Temporal.
func TestTemporalCertificatesRotate(t *testing.T) {
	server := testbed.Shared(t)
	c, q := server.Client(t), queue(t)
	first, second := testbed.NewAuthority(t), testbed.NewAuthority(t)
	f := newFront(t, server.Address, first)
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	certificate, key := first.Issue(t, "worker")
	settings := write("temporal.toml", fmt.Appendf(nil, "[profile.default.tls]\nserver_ca_cert_path = %q\n", write("ca.pem", first.Root)))
	health := fmt.Sprintf("127.0.0.1:%d", testbed.FreePort(t))
	cmd := exec.Command(testbed.Program(t), "serve", "--address", f.address, "--health-address", health, "--log-format", "json", "--modules", testbed.Guest(t, acts), "--task-queue", q)
	cmd.Env = append(testbed.CleanEnv(), "XDG_CACHE_HOME="+filepath.Join(filepath.Dir(cmd.Path), "cache"), "TEMPORAL_CONFIG_FILE="+settings,
		"TEMPORAL_TLS_CLIENT_CERT_PATH="+write("tls.crt", certificate), "TEMPORAL_TLS_CLIENT_KEY_PATH="+write("tls.key", key))
	w := testbed.Start(t, cmd)
	works := func() {
		t.Helper()
		result[span](t, execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Work", 1))
	}
	works()

	// Half of it is there: the connection that comes then has what was there before.
	newCertificate, newKey := second.Issue(t, "worker")
	write("tls.crt", newCertificate)
	write("ca.pem", second.Root[:len(second.Root)/2])
	f.cut()
	works()
	f.cut()
	works()
	if n := strings.Count(w.Stderr(), "certificate files of the Temporal connection cannot be used"); n != 2 {
		t.Errorf("%d warnings, not one of the certificate and one of the authority:\n%s", n, w.Stderr())
	}

	write("tls.key", newKey)
	write("ca.pem", second.Root)
	f.use(t, second, "127.0.0.1")
	f.cut()
	works()

	// The name of the server is still verified.
	f.use(t, second, "another.invalid")
	before := f.handshakesRefused()
	f.cut()
	testbed.Eventually(t, "the worker refuses the server", func() error {
		if f.handshakesRefused() == before {
			return fmt.Errorf("it does not")
		}
		return nil
	})
	f.use(t, second, "127.0.0.1")
	works()
}
