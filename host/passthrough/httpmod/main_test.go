package httpmod_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/httpmod"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

func TestMain(m *testing.M) {
	// for all tests, since net/http reads them once
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} {
		os.Setenv(name, "http://127.0.0.1:1")
	}
	code := testbed.Main(m.Run)
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// client is an activity module that has been granted http.
type client struct {
	module passthrough.Module
	policy *httpmod.Policy
	name   string
}

// newClient makes the module http, which is closed with the test, and gives it to a
// module with a policy.
func newClient(t testing.TB, options httpmod.Options, policy *httpmod.Policy) *client {
	t.Helper()
	c := &client{module: httpmod.New(options), name: "orders"}
	t.Cleanup(func() {
		if err := c.module.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c.with(t, policy)
}

// with is another module that was granted the same http, with a policy of its own.
func (c *client) with(t testing.TB, policy *httpmod.Policy) *client {
	t.Helper()
	if err := policy.Validate(); err != nil {
		t.Fatal(err)
	}
	return &client{module: c.module, policy: policy, name: c.name}
}

type request struct {
	Method  string              `json:"method,omitempty"`
	URL     string              `json:"url"`
	Headers map[string][]string `json:"headers,omitempty"`
	Timeout int64               `json:"timeout_ms,omitempty"`
	Body    string              `json:"-"`
}

func (r request) frame() []byte {
	head, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return append(append(binary.LittleEndian.AppendUint32(nil, uint32(len(head))), head...), r.Body...)
}

type response struct {
	Status  int
	Headers http.Header
	Body    string `json:"-"`
}

func (c *client) frame(ctx context.Context, frame []byte) (*response, error) {
	call := &passthrough.Call{Module: c.name, Activity: "Charge", Policy: c.policy}
	data, err := c.module.Functions["send"](ctx, call, frame)
	if err != nil {
		return nil, err
	}
	n := 4 + binary.LittleEndian.Uint32(data)
	var r response
	if err := json.Unmarshal(data[4:n], &r); err != nil {
		return nil, err
	}
	r.Body = string(data[n:])
	return &r, nil
}

func (c *client) send(t testing.TB, r request) (*response, error) {
	t.Helper()
	return c.frame(t.Context(), r.frame())
}

// want asserts that a request fails with an errno, and that its message has some texts in
// it, and no secrets.
func (c *client) want(t testing.TB, r request, errno abi.Errno, texts ...string) {
	t.Helper()
	got, err := c.send(t, r)
	if e, _ := errors.AsType[abi.Errno](err); e != errno {
		t.Errorf("%s %s: got %+v, %v, want %s", r.Method, r.URL, got, err, errno)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%s %s: %v, want %s", r.Method, r.URL, err, text)
		}
	}
	if strings.Contains(strings.ToLower(err.Error()), "secret") {
		t.Errorf("%s %s: %v", r.Method, r.URL, err)
	}
	if denial, ok := errors.AsType[*passthrough.Denial](err); (errno == abi.EACCES) != (ok && strings.Contains(denial.Target, " http")) {
		t.Errorf("%s %s: the operator is told of %+v", r.Method, r.URL, denial)
	}
}

// ok asserts that a request succeeds, and returns the response.
func (c *client) ok(t testing.TB, r request) *response {
	t.Helper()
	got, err := c.send(t, r)
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	return got
}

// serve starts a server on loopback that remembers what it was sent.
func serve(t testing.TB, handler http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(s.remember(handler))
	t.Cleanup(s.Close)
	return s
}

func serveTLS(t testing.TB, handler http.HandlerFunc) (*server, *tls.Config) {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(s.remember(handler))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, s.Client().Transport.(*http.Transport).TLSClientConfig
}

type server struct {
	*httptest.Server
	mu    sync.Mutex
	lines []string // METHOD URI BODY of each request
}

func (s *server) remember(handler http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.mu.Lock()
		s.lines = append(s.lines, r.Method+" "+r.RequestURI+" "+string(body))
		s.mu.Unlock()
		handler(w, r)
	})
}

// got returns the requests since it was called last.
func (s *server) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.lines
	s.lines = nil
	return lines
}

func (s *server) port() string {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return port
}

func respond(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
}

// loopback allows everything at some servers.
func loopback(origins ...string) *httpmod.Policy {
	p := &httpmod.Policy{PrivateAddresses: []string{"127.0.0.1"}}
	for _, origin := range origins {
		p.Allow = append(p.Allow, httpmod.Rule{Origin: origin, Methods: []string{"GET", "HEAD", "POST", "PUT"}})
	}
	return p
}

// resolver answers look-ups as a name server of the tests' own: each answer once, and the
// last one from then on.
func resolver(answers ...[]string) *net.Resolver {
	var mu sync.Mutex
	next := func() []netip.Addr {
		mu.Lock()
		defer mu.Unlock()
		var addrs []netip.Addr
		for _, a := range answers[0] {
			addrs = append(addrs, netip.MustParseAddr(a))
		}
		if len(answers) > 1 {
			answers = answers[1:]
		}
		return addrs
	}
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		// no datagrams: messages have their length before them, as over TCP
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			for {
				var size [2]byte
				if _, err := io.ReadFull(there, size[:]); err != nil {
					return
				}
				query := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := io.ReadFull(there, query); err != nil {
					return
				}
				reply := answer(query, next)
				if _, err := there.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
					return
				}
			}
		}()
		return here, nil
	}}
}

// answer makes the reply to a DNS query: the addresses of its type.
func answer(query []byte, next func() []netip.Addr) []byte {
	end := 12 + bytes.IndexByte(query[12:], 0) + 5
	kind := binary.BigEndian.Uint16(query[end-4:])
	var records []byte
	count := uint16(0)
	if kind == 1 { // A; the test's addresses are all IPv4
		for _, addr := range next() {
			count++
			records = append(records, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
			records = append(records, addr.AsSlice()...)
		}
	}
	reply := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1}, byte(count>>8), byte(count), 0, 0, 0, 0)
	return append(append(reply, query[12:end]...), records...)
}
