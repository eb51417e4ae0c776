//go:build unix

package main_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

const codecAuth = "Bearer of-the-codec-server"

// aesCodec encrypts payloads.
type aesCodec struct{ aead cipher.AEAD }

func newAES(t *testing.T) aesCodec {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key) //nolint:errcheck // it does not fail
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aesCodec{aead}
}

func (c aesCodec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		plain, err := proto.Marshal(p)
		if err != nil {
			return nil, err
		}
		nonce := make([]byte, c.aead.NonceSize())
		rand.Read(nonce) //nolint:errcheck // it does not fail
		out[i] = &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("binary/encrypted")}, Data: c.aead.Seal(nonce, nonce, plain, nil)}
	}
	return out, nil
}

func (c aesCodec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		if out[i] = p; string(p.GetMetadata()["encoding"]) != "binary/encrypted" {
			continue
		}
		n := c.aead.NonceSize()
		if len(p.GetData()) < n {
			return nil, errors.New("there is no nonce")
		}
		plain, err := c.aead.Open(nil, p.GetData()[:n], p.GetData()[n:], nil)
		if err != nil {
			return nil, err
		}
		out[i] = &commonpb.Payload{}
		if err := proto.Unmarshal(plain, out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// codecServer is a real codec server that can be told to misbehave.
type codecServer struct {
	*httptest.Server
	aesCodec
	refused  atomic.Int64                     // requests without the credential or namespace
	requests atomic.Int64                     // that were answered well
	fault    atomic.Pointer[http.HandlerFunc] // answers in place of it
}

func startCodec(t *testing.T) *codecServer {
	t.Helper()
	s := &codecServer{aesCodec: newAES(t)}
	codec := converter.NewPayloadCodecHTTPHandler(s.aesCodec)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fault := s.fault.Load()
		switch {
		case r.Header.Get("Authorization") != codecAuth, r.Header.Get("X-Namespace") != "default", !strings.HasPrefix(r.URL.Path, "/of/default/"):
			s.refused.Add(1)
			http.Error(w, "who are you?", http.StatusForbidden)
		case fault != nil:
			(*fault)(w, r)
		default:
			codec.ServeHTTP(w, r)
			s.requests.Add(1)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// misbehave makes the server answer so to requests whose path ends as given, nil for
// none.
func (s *codecServer) misbehave(path string, f http.HandlerFunc) {
	if f == nil {
		s.fault.Store(nil)
		return
	}
	codec := converter.NewPayloadCodecHTTPHandler(s.aesCodec)
	fault := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, path) {
			f(w, r)
			return
		}
		codec.ServeHTTP(w, r)
	})
	s.fault.Store(&fault)
}

func (s *codecServer) endpoint() string { return s.URL + "/of/{namespace}" }

func (s *codecServer) failures() converter.FailureConverter {
	return temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter: converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), s.aesCodec), EncodeCommonAttributes: true,
	})
}

// client is one that encrypts as the server does.
func (s *codecServer) client(t *testing.T, server *testbed.Server) client.Client {
	t.Helper()
	options := server.Options()
	options.DataConverter = converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), s.aesCodec)
	options.FailureConverter = s.failures()
	c, err := client.NewLazyClient(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// profile writes a temporal.toml that the programs of the test find. Credentials come
// from nowhere else.
func profile(t *testing.T, lines string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "temporalio"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "temporalio", "temporal.toml"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CONFIG_HOME", dir)
}

// wantEncrypted checks that the message has something encrypted in it, and not the plain
// text.
func wantEncrypted(t *testing.T, what string, plain string, message proto.Message) {
	t.Helper()
	wire, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(wire, []byte("binary/encrypted")) {
		t.Errorf("%s: nothing is encrypted", what)
	}
	if bytes.Contains(wire, []byte(plain)) {
		t.Errorf("%s: %q is to be read on the wire", what, plain)
	}
}

func TestCodecServer(t *testing.T) {
	server := testbed.Shared(t)
	codec := startCodec(t)
	profile(t, fmt.Sprintf("[profile.default.codec]\nendpoint = %q\nauth = %q\n", codec.endpoint(), codecAuth))
	q := queue(t)
	w := server.Serve(t, "--modules", testbed.Directory(t, testbed.Guest(t, acts), testbed.Command(t, "testdata/commands/tool")), "--task-queue", q, "--cancel-grace", "1s")
	c, plain := codec.client(t, server), server.Client(t)
	again := client.StartActivityOptions{TaskQueue: q, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}}
	onWire := func(handle client.ActivityHandle) *client.ActivityExecutionDescription {
		h := plain.GetActivityHandle(client.GetActivityHandleOptions{ActivityID: handle.GetID(), RunID: handle.GetRunID()})
		d, err := h.Describe(t.Context(), client.DescribeActivityOptions{IncludeInput: true, IncludeOutcome: true, IncludeHeartbeatDetails: true, IncludeLastFailure: true})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}

	handle := execute(t, c, again, "Describe", "a secret argument", []byte("raw"))
	if got := result[[]string](t, handle); len(got) != 2 || got[0] != `json/plain:"a secret argument"` || got[1] != "binary/plain:raw" {
		t.Errorf("the guest saw %q", got)
	}
	wantEncrypted(t, "arguments and result", "secret", onWire(handle).RawResponse)

	if got := result[string](t, execute(t, c, again, "tool", []byte("raw \"a secret\""))); got != "a secret" {
		t.Errorf("the command returned %q", got)
	}

	handle = execute(t, c, again, "FailAtLength", 3)
	var application *temporal.ApplicationError
	if err := failure(t, handle); !errors.As(err, &application) || application.Type() != "Long" || application.Message() != "begin mmm" || !application.HasDetails() || !strings.Contains(errors.Unwrap(application).Error(), "cause mmm") {
		t.Errorf("got %v", err)
	}
	wantEncrypted(t, "failure", "mmm", onWire(handle).RawResponse)

	handle = execute(t, c, again, "Work", 3_000)
	waitHeartbeat(t, handle)
	wantEncrypted(t, "heartbeat", "running", onWire(handle).RawResponse)
	result[span](t, handle)

	// Larger than the limit only once it is encrypted.
	message := wantFailure(t, execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Labelled", dataOf(serverLimit, 0), 0), "OutputTooLarge")
	if !strings.Contains(message, "payload codec") || !strings.Contains(message, "2097152") {
		t.Errorf("the message is %q", message)
	}
	wantFailure(t, execute(t, c, client.StartActivityOptions{TaskQueue: q}, "Hoard", dataOf(serverLimit, 0)), "OutputTooLarge")

	// The program's own client, with everything from the environment.
	cmd := exec.Command(testbed.Program(t), "execute", "--address", server.Address, "--task-queue", q, "Describe", `"a secret argument"`)
	cmd.Env = append(testbed.CleanEnv(), "XDG_CONFIG_HOME="+t.TempDir(), "TEMPORAL_CODEC_ENDPOINT="+codec.endpoint(), "TEMPORAL_CODEC_AUTH="+codecAuth)
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != `["json/plain:\"a secret argument\""]`+"\n" {
		t.Errorf("execute: %v, %s", err, out)
	}
	if n := codec.refused.Load(); n > 0 {
		t.Errorf("%d requests had not the credential and the namespace", n)
	}
	if codec.requests.Load() == 0 {
		t.Error("the codec server was not asked")
	}
	if strings.Contains(w.Stderr(), codecAuth) {
		t.Error("the credential is in the log")
	}
}

// Whatever a codec server does, no activity is lost: attempts fail until it works.
func TestCodecServerFails(t *testing.T) {
	server := testbed.Shared(t)
	codec := startCodec(t)
	profile(t, fmt.Sprintf("[profile.default.codec]\nauth = %q\n", codecAuth))
	q := queue(t)
	w := server.Serve(t, "--modules", testbed.Guest(t, acts), "--task-queue", q, "--codec-endpoint", codec.endpoint()+"/")
	c := codec.client(t, server)
	hang := make(chan struct{})
	defer close(hang)
	refuse := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no key", http.StatusBadGateway) }
	for name, test := range map[string]struct {
		path     string
		fault    http.HandlerFunc
		activity string
		want     string // in the message of the attempts meanwhile
	}{
		"arguments": {"/decode", refuse, "Echo", "the arguments cannot be decoded: the codec server " + codec.URL + "/of/default did not decode: Bad Gateway: no key"},
		"result":    {"/encode", refuse, "Echo", "did not encode: Bad Gateway: no key"},
		"failure":   {"/encode", refuse, "Fail", "what the attempt ended with cannot be encoded: "},
		"not JSON":  {"/decode", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }, "Echo", "unable to unmarshal payloads"},
		"too few":   {"/decode", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }, "Echo", "received 0 payloads"},
		"elsewhere": {"/decode", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		}, "Echo", "Temporary Redirect"},
		"no end of it":      {"/decode", func(w http.ResponseWriter, _ *http.Request) { flood(w) }, "Echo", "more than 64 MiB"},
		"no end of a fault": {"/decode", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot); flood(w) }, "Echo", "I'm a teapot: xxxx"},
		"no answer":         {"/decode", func(_ http.ResponseWriter, r *http.Request) { <-hang }, "Echo", "exceeded"},
		"gone":              {"/decode", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "Echo", "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			codec.misbehave(test.path, test.fault)
			handle := execute(t, c, client.StartActivityOptions{TaskQueue: q, RetryPolicy: &temporal.RetryPolicy{BackoffCoefficient: 1, NonRetryableErrorTypes: []string{"CardDeclined"}}}, test.activity, "typed")
			testbed.Eventually(t, "an attempt has failed", func() error {
				last := describe(t, handle).RawResponse.GetInfo().GetLastFailure()
				if last == nil {
					return errors.New("it has not")
				}
				var application *temporal.ApplicationError
				if err := codec.failures().FailureToError(last); !errors.As(err, &application) || application.Type() != "CodecFailed" || !strings.Contains(application.Message(), test.want) || len(application.Message()) > 2000 {
					t.Fatal(err)
				}
				return nil
			})
			codec.misbehave("", nil)
			if test.activity == "Fail" {
				var application *temporal.ApplicationError
				if err := failure(t, handle); !errors.As(err, &application) || application.Type() != "CardDeclined" || application.Message() != "declined" {
					t.Errorf("got %v", err)
				}
				return
			}
			if got := result[string](t, handle); got != "typed" {
				t.Errorf("the result is %q", got)
			}
		})
	}
	if strings.Contains(w.Stderr(), codecAuth) {
		t.Error("the credential is in the log")
	}
}

func flood(w http.ResponseWriter) {
	chunk := bytes.Repeat([]byte("x"), 1<<20)
	for range 100 {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// Without a codec a command is not given ciphertext, and with one, later, the activity
// goes on.
func TestCommandWithoutACodec(t *testing.T) {
	server := testbed.Shared(t)
	codec := startCodec(t)
	q := queue(t)
	tool := testbed.Command(t, "testdata/commands/tool")
	w := server.Serve(t, "--modules", tool, "--task-queue", q)
	handle := execute(t, codec.client(t, server), client.StartActivityOptions{TaskQueue: q}, "tool", []byte(`raw "a secret"`))
	testbed.Eventually(t, "an attempt has failed", func() error {
		last := describe(t, handle).RawResponse.GetInfo().GetLastFailure()
		if last == nil {
			return errors.New("it has not")
		}
		if kind := last.GetApplicationFailureInfo().GetType(); kind != "UnknownEncoding" || !strings.Contains(last.GetMessage(), `"binary/encrypted"`) {
			t.Fatalf("%s: %s", kind, last.GetMessage())
		}
		return nil
	})
	w.Stop()
	profile(t, fmt.Sprintf("[profile.default.codec]\nendpoint = %q\nauth = %q\n", codec.endpoint(), codecAuth))
	server.Serve(t, "--modules", tool, "--task-queue", q)
	if got := result[string](t, handle); got != "a secret" {
		t.Errorf("the result is %q", got)
	}
}

func TestCodecEndpointMistakes(t *testing.T) {
	guest := testbed.Guest(t, acts)
	for endpoint, want := range map[string]string{
		"codec.example.com":                "has to be a URL",
		"ftp://codec.example.com":          "has to be a URL",
		"https://codec.example.com/?key=1": "has to be a URL",
		"https://u:hush@codec.example.com": "TEMPORAL_CODEC_AUTH",
		"":                                 "name it with --codec-endpoint",
	} {
		cmd := exec.Command(testbed.Program(t), "serve", "--modules", guest, "--address", "127.0.0.1:1")
		cmd.Env = append(testbed.CleanEnv(), "XDG_CONFIG_HOME="+t.TempDir(), "TEMPORAL_CODEC_ENDPOINT="+endpoint, "TEMPORAL_CODEC_AUTH=hush")
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), want) || strings.Contains(string(out), "hush") {
			t.Errorf("%q: %v, %s", endpoint, err, out)
		}
	}
}
