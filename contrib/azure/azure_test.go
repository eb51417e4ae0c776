package azure_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/abi"
	_ "github.com/wasmworker/wasmworker/contrib/azure"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/blobmod"
)

// No server of that kind runs here: this is that a bucket is opened and asked, and that
// its errors say nothing of it.
func TestOpen(t *testing.T) {
	for status, want := range map[int]abi.Errno{404: abi.ENOENT, 403: abi.EIO} {
		asked := ""
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = r.URL.Path
			w.WriteHeader(status)
		}))
		t.Cleanup(server.Close)
		t.Setenv("AZURE_STORAGE_ACCOUNT", "account")
		t.Setenv("AZURE_STORAGE_KEY", "a2V5")
		module, err := blobmod.New(blobmod.Options{Buckets: map[string]blobmod.Bucket{"things": {URL: "azblob://name?localemu=true&protocol=http&storage_account=account&domain=" + strings.TrimPrefix(server.URL, "http://") + ""}}})
		if err != nil {
			t.Fatal(err)
		}
		frame, err := passthrough.EncodeFrame(map[string]string{"bucket": "things", "key": "a/b"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		call := &passthrough.Call{Policy: &blobmod.Policy{Buckets: map[string]blobmod.Access{"things": {}}}}
		_, err = module.Functions["stat"](t.Context(), call, frame)
		if errno, _ := errors.AsType[abi.Errno](err); errno != want || strings.Contains(err.Error(), "://") || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%d: %v", status, err)
		}
		if !strings.HasSuffix(asked, "/account/name/a/b") {
			t.Errorf("it was asked for %s", asked)
		}
		if err := module.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	for _, url := range []string{"azblob://", "azblob://name/x", "azblob://name?key=x"} {
		if _, err := blobmod.New(blobmod.Options{Buckets: map[string]blobmod.Bucket{"things": {URL: url}}}); err == nil {
			t.Errorf("%s was accepted", url)
		}
	}
}
