package host_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

func body(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// However many ask whether the worker is ready, the server is asked once a second.
func TestReadyAsksOnceASecond(t *testing.T) {
	var asked atomic.Int64
	o := options(t, testbed.Guest(t, acts))
	o.ClientOptions.ConnectionOptions.DialOptions = []grpc.DialOption{grpc.WithChainUnaryInterceptor(
		func(ctx context.Context, method string, request, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			if method == "/grpc.health.v1.Health/Check" {
				asked.Add(1)
			}
			return invoke(ctx, method, request, reply, cc, opts...)
		})}
	h, err := host.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer h.Stop(context.Background()) //nolint:errcheck // it is not what is tested
	health := httptest.NewServer(h.HealthHandler())
	defer health.Close()
	before, begin := asked.Load(), time.Now()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if got := status(t, health.URL+"/readyz"); got != http.StatusOK {
					t.Errorf("readyz is %d", got)
				}
			}
		})
	}
	wg.Wait()
	if got := body(t, health.URL+"/readyz"); got != "ok, 1 of 1 modules loaded\n" {
		t.Errorf("readyz says %q", got)
	}
	if n, most := asked.Load()-before, int64(time.Since(begin)/time.Second)+1; n < 1 || n > most {
		t.Errorf("400 requests in %s asked the server %d times, want between 1 and %d", time.Since(begin), n, most)
	}
}
