package httpmod_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"go.temporal.io/sdk/worker"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/configmod"
	"github.com/wasmworker/wasmworker/host/passthrough/httpmod"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// A real guest, an Extism plugin, runs under the real modules. Its allowed requests work,
// and no others.
func TestPlugin(t *testing.T) {
	hidden := serve(t, respond("hidden"))
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/orders":
			w.Header().Set("X-To", r.Header.Get("X-From"))
			w.WriteHeader(201)
			io.Copy(w, r.Body)
		case "/v1/escape":
			http.Redirect(w, r, hidden.URL+"/?token=secret", http.StatusTemporaryRedirect)
		}
	})
	policy := loopback(s.URL)
	policy.Allow[0].PathPrefixes = []string{"/v1"}
	policy.MaxRedirects = 5
	var logged bytes.Buffer
	granted := []passthrough.Module{httpmod.New(httpmod.Options{}), configmod.New()}
	t.Cleanup(func() { granted[0].Close(context.Background()) })
	set, err := passthrough.NewSet(granted...)
	if err != nil {
		t.Fatal(err)
	}
	plugin, err := modules.Read(testbed.Guest(t, "testdata/conformance/extism-go"))
	if err != nil {
		t.Fatal(err)
	}
	box, err := sandbox.New(sandbox.Config{
		Modules:     []*modules.File{plugin},
		Logger:      slog.New(slog.NewTextHandler(&logged, nil)),
		Passthrough: set,
		Defaults: sandbox.Options{
			Passthrough: []string{"http", "config"},
			Policies:    map[string]any{"http": policy, "config": &configmod.Policy{Values: map[string]string{"region": "eu"}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close(context.Background())
	if err := box.Compile(t.Context()); err != nil {
		t.Fatal(err)
	}
	run := func(activity, input string) (string, error) {
		result, err := box.Run(t.Context(), sandbox.Task{Activity: activity, Args: []sandbox.Payload{sandbox.NewPayload(abi.EncodingBinary, []byte(input))}})
		if err != nil {
			return "", err
		}
		return string(result.Data), nil
	}
	for _, tt := range []struct{ activity, input, want string }{
		{"http", s.URL + "/v1/orders?x\nan order ☃", `{"body":"an order ☃","header":"plugin","status":201}`},
		{"config", "region", "eu"},
		{"config", "PATH", "none"},
	} {
		if got, err := run(tt.activity, tt.input); err != nil || got != tt.want {
			t.Errorf("%s %q: %s, %v, want %s", tt.activity, tt.input, got, err, tt.want)
		}
	}
	for _, url := range []string{s.URL + "/v1/escape?token=secret", hidden.URL + "/?token=secret", s.URL + "/admin?token=secret", s.URL + "/v1/%2e%2e/admin?token=secret"} {
		got, err := run("http", url+"\nsecret")
		f, ok := errors.AsType[*abi.Failure](err)
		if !ok || f.Type != abi.TypeWasmTrap || !strings.Contains(f.Message, "is denied") || strings.Contains(f.Message, "secret") {
			t.Errorf("%s: %s, %v", url, got, err)
		}
		if text := logged.String(); !strings.Contains(text, "module=extism-go capability=http activity=http") || strings.Contains(text, "secret") {
			t.Errorf("%s was logged as %s", url, text)
		}
	}
	if lines := hidden.got(); lines != nil {
		t.Errorf("sent %q", lines)
	}
	if lines := s.got(); len(lines) != 2 {
		t.Errorf("sent %q", lines)
	}
}

// Only the operator may set headers with which servers replace parts of the request that
// the rules were compared with. A plugin that sets one sends nothing.
func TestPluginsOverrideNothing(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Http-Method") != "MERGE" || r.Header.Get("Api_key") != "k" {
			t.Errorf("the operator's headers are %q", r.Header)
		}
	})
	policy := loopback(s.URL)
	policy.Allow[0].Headers = map[string]string{"X-HTTP-Method": "MERGE", "api_key": "k"}
	granted := httpmod.New(httpmod.Options{})
	t.Cleanup(func() { granted.Close(context.Background()) })
	set, err := passthrough.NewSet(granted, configmod.New())
	if err != nil {
		t.Fatal(err)
	}
	plugin, err := modules.Read(testbed.Root(t) + "/testdata/wat/heads.wasm")
	if err != nil {
		t.Fatal(err)
	}
	box, err := sandbox.New(sandbox.Config{
		Modules: []*modules.File{plugin}, Passthrough: set,
		Defaults: sandbox.Options{Passthrough: []string{"http", "config"}, Policies: map[string]any{"http": policy}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close(context.Background())
	if err := box.Compile(t.Context()); err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{
		"X-Fine":                 "",
		"X_Forwarded_For":        "more than letters, digits and hyphens",
		"api_key":                "the operator can set it with headers of a rule",
		"x-http-method-override": "is not for guests: proxies and frameworks take the method from it",
		"X-Original-URL":         "take the URL from it",
		"X-Forwarded-Host":       "take the client's address or connection from it",
	} {
		input := `{"url": "` + s.URL + `", "headers": {"` + header + `": "x"}}`
		_, err := box.Run(t.Context(), sandbox.Task{Activity: "Request", Args: []sandbox.Payload{sandbox.NewPayload(abi.EncodingBinary, []byte(input))}})
		f, failed := errors.AsType[*abi.Failure](err)
		if want == "" && err != nil || want != "" && (!failed || !strings.Contains(f.Message, want)) {
			t.Errorf("%s: %v, want %q", header, err, want)
		}
	}
	if lines := s.got(); len(lines) != 1 {
		t.Errorf("sent %q", lines)
	}
}

// The host closes the modules that it was given, the last one first, after the worker has
// stopped.
func TestClosedWithTheHost(t *testing.T) {
	var closed []string
	module := func(name string) passthrough.Module {
		m := httpmod.New(httpmod.Options{})
		m.Name = name
		m.Close = func(ctx context.Context) error {
			closed = append(closed, name)
			if ctx.Err() != nil {
				t.Error("closed with a context that has ended")
			}
			return nil
		}
		return m
	}
	never := configmod.New() // has nothing to close
	h, err := host.New(host.Options{PluginOptions: host.PluginOptions{
		Modules:     []string{testbed.Root(t) + "/testdata/wat/echo.wasm"},
		Passthrough: []passthrough.Module{module("first"), never, module("second")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // a shutdown that is in a hurry closes too
	h.Plugin().StopWorker(ctx, worker.PluginStopWorkerOptions{}, func(context.Context, worker.PluginStopWorkerOptions) {
		if closed != nil {
			t.Error("closed before the worker has stopped")
		}
	})
	if got := strings.Join(closed, " "); got != "second first" {
		t.Errorf("closed %q", got)
	}
}
