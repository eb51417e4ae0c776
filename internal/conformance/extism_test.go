package conformance_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// What plugins have and other modules have not: configuration, variables, and HTTP
// through functions of Extism's own, which passthrough modules answer.
func TestExtism(t *testing.T) {
	directories, err := filepath.Glob(filepath.Join(directory, "extism-*"))
	if err != nil || len(directories) == 0 {
		t.Fatal(directories, err)
	}
	for _, dir := range directories {
		t.Run(filepath.Base(dir), func(t *testing.T) { testExtism(t, dir) })
	}
}

func testExtism(t *testing.T, dir string) {
	config := func(_ context.Context, _ *passthrough.Call, name []byte) ([]byte, error) {
		if string(name) == "region" {
			return []byte("eu-central ☃"), nil
		}
		return nil, abi.ENOENT
	}
	send := func(_ context.Context, _ *passthrough.Call, request []byte) ([]byte, error) {
		n := 4 + binary.LittleEndian.Uint32(request)
		var head struct {
			Method  string
			URL     string
			Headers map[string][]string
		}
		if err := json.Unmarshal(request[4:n], &head); err != nil {
			return nil, err
		}
		if head.URL != "https://example.com/x?y" {
			return nil, fmt.Errorf("%w: %s is not allowed", abi.EACCES, head.URL)
		}
		response := []byte(`{"status": 201, "headers": {"X-To": ["` + strings.Join(head.Headers["X-From"], "") + `", "b"]}}`)
		response = append(binary.LittleEndian.AppendUint32(nil, uint32(len(response))), response...)
		return append(append(response, head.Method+" "...), request[n:]...), nil
	}
	set, err := passthrough.NewSet(
		passthrough.Module{Name: "http", Functions: map[string]passthrough.Func{"send": send}},
		passthrough.Module{Name: "config", Functions: map[string]passthrough.Func{"get": config}})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, load(t, dir), sandbox.IsolationPristine, set, nil)
	run := func(activity, input string) (string, error) {
		result, err := s.Run(t.Context(), sandbox.Task{Activity: activity, Args: []sandbox.Payload{sandbox.NewPayload(abi.EncodingBinary, []byte(input))}})
		if err != nil {
			return "", err
		}
		if result == nil {
			return "", errors.New("no result")
		}
		return string(result.Data), nil
	}
	large := strings.Repeat("0123456789", 10_000)
	for _, c := range []struct{ activity, input, want string }{
		{"config", "region", "eu-central ☃"},
		{"config", "secret", "none"},
		{"vars", "one", "|one|"},
		{"vars", "two", "|two|"}, // nothing of the call before
		{"vars", large, "|" + large + "|"},
		{"http", "https://example.com/x?y\n" + large, `{"body":"POST ` + large + `","header":"plugin, b","status":201}`},
	} {
		if got, err := run(c.activity, c.input); err != nil || got != c.want {
			t.Errorf("%s %.100s: got %.200q, %v, want %.200q", c.activity, c.input, got, err, c.want)
		}
	}
	_, err = run("http", "https://example.org/\n")
	if f, ok := errors.AsType[*abi.Failure](err); !ok || !strings.Contains(f.Message, "https://example.org/ is not allowed") {
		t.Errorf("a denied request: %v", err)
	}
	if got, err := run("vars", "again"); err != nil || got != "|again|" {
		t.Errorf("after that: %s, %v", got, err)
	}
}

// Without their grants plugins are refused, and told what they lack.
func TestExtismIsRefused(t *testing.T) {
	set, err := passthrough.NewSet(passthrough.Module{Name: "http", Functions: map[string]passthrough.Func{"send": func(context.Context, *passthrough.Call, []byte) ([]byte, error) { return nil, nil }}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = sandbox.New(sandbox.Config{Modules: load(t, filepath.Join(directory, "extism-go")), Passthrough: set})
	if err == nil || !strings.Contains(err.Error(), "http_request") || !strings.Contains(err.Error(), `it is not granted "http"`) ||
		!strings.Contains(err.Error(), "(config_get): this host has no passthrough module config") || strings.Contains(err.Error(), "output_set") {
		t.Errorf("refusal: %v", err)
	}
}
