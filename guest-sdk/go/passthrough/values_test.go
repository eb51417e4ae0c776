//go:build !wasip1

package passthrough_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough/config"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough/secret"
	"github.com/wasmworker/wasmworker/guest-sdk/go/testsuite"
)

func TestConfigAndSecret(t *testing.T) {
	if _, err := config.Get("region"); !errors.Is(err, passthrough.ENOSYS) || !strings.Contains(err.Error(), "testsuite.SetPassthrough") {
		t.Error("without a host:", err)
	}
	values := func(req []byte) ([]byte, error) {
		switch string(req) {
		case "größe":
			return []byte("☃"), nil
		case "empty":
			return nil, nil
		}
		return nil, passthrough.ENOENT
	}
	restoreConfig := testsuite.SetPassthrough("wasmworker:config/v1", "get", values)
	t.Cleanup(testsuite.SetPassthrough("wasmworker:secret/v1", "reveal", values))
	for name, get := range map[string]func(string) (string, error){"config": config.Get, "secret": secret.Reveal} {
		if got, err := get("größe"); got != "☃" || err != nil {
			t.Error(name, got, err)
		}
		if got, err := get("empty"); got != "" || err != nil {
			t.Error(name, got, err)
		}
		if got, err := get("missing"); got != "" || !errors.Is(err, passthrough.ENOENT) {
			t.Error(name, got, err)
		}
	}
	restoreConfig()
	if _, err := config.Get("größe"); !errors.Is(err, passthrough.ENOSYS) {
		t.Error("after the fake was taken away:", err)
	}
}
