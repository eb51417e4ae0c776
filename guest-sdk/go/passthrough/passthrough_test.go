//go:build !wasip1

package passthrough_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/host"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough"
	"github.com/wasmworker/wasmworker/guest-sdk/go/testsuite"
)

func TestCall(t *testing.T) {
	double := testsuite.Passthrough(func(req []byte) ([]byte, error) { return append(req, req...), nil })
	for _, size := range []int{0, 1, 100_000} {
		req := bytes.Repeat([]byte("x"), size)
		got, err := passthrough.Call(double, req)
		if err != nil || len(got) != 2*size || strings.Trim(string(got), "x") != "" {
			t.Errorf("%d bytes became %d, %v", size, len(got), err)
		}
	}
	if got, err := passthrough.Call(double, nil); got != nil || err != nil {
		t.Error(got, err)
	}
	if n := host.OpenResponses(); n != 0 {
		t.Errorf("%d responses were not closed", n)
	}
}

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		err   error
		errno passthrough.Errno
		text  string
	}{
		{passthrough.EACCES, passthrough.EACCES, "EACCES"},
		{fmt.Errorf("host %q: %w", "example.com", passthrough.ENOENT), passthrough.ENOENT, `ENOENT: host "example.com": ENOENT`},
		{&passthrough.Error{Errno: passthrough.EAGAIN, Message: "later"}, passthrough.EAGAIN, "EAGAIN: later"},
		{errors.New("broken"), passthrough.EIO, "EIO: broken"},
		{passthrough.Errno(1000), passthrough.Errno(1000), "errno 1000"},
	} {
		fn := testsuite.Passthrough(func([]byte) ([]byte, error) { return nil, test.err })
		_, err := passthrough.Call(fn, []byte("x"))
		var e *passthrough.Error
		if !errors.As(err, &e) || e.Errno != test.errno || !errors.Is(err, test.errno) || errors.Is(err, passthrough.EPERM) || err.Error() != test.text {
			t.Errorf("%v became %v", test.err, err)
		}
	}
}

func TestBrokenHosts(t *testing.T) {
	for name, result := range map[string]int64{
		"a handle that does not exist": 1 << 40,
		"an error without a sentence":  -2,
	} {
		_, err := passthrough.Call(func(unsafe.Pointer, uint32) int64 { return result | 5 }, nil)
		var e *passthrough.Error
		if !errors.As(err, &e) {
			t.Error(name, err)
		}
	}
	short := host.Offer([]byte("abc"), 0, "")
	if _, err := passthrough.Call(func(unsafe.Pointer, uint32) int64 { return short + 2 }, nil); !errors.Is(err, passthrough.EIO) || !strings.Contains(err.Error(), "3 of 5") {
		t.Error(err)
	}
	if n := host.OpenResponses(); n != 0 {
		t.Errorf("%d responses were not closed", n)
	}
}

func TestCallJSON(t *testing.T) {
	type msg struct{ Text string }
	echo := testsuite.Passthrough(func(req []byte) ([]byte, error) { return req, nil })
	var out msg
	if err := passthrough.CallJSON(echo, msg{"x"}, &out); err != nil || out.Text != "x" {
		t.Error(out, err)
	}
	if err := passthrough.CallJSON(echo, nil, &out); err != nil || out.Text != "x" {
		t.Error(out, err)
	}
	if err := passthrough.CallJSON(echo, "x", nil); err != nil {
		t.Error(err)
	}
	if err := passthrough.CallJSON(echo, "x", &out); err == nil || !strings.HasPrefix(err.Error(), "response: json:") {
		t.Error(err)
	}
	if err := passthrough.CallJSON(echo, make(chan int), &out); err == nil || !strings.HasPrefix(err.Error(), "request: json:") {
		t.Error(err)
	}
	deny := testsuite.Passthrough(func([]byte) ([]byte, error) { return nil, passthrough.EACCES })
	if err := passthrough.CallJSON(deny, "x", &out); !errors.Is(err, passthrough.EACCES) {
		t.Error(err)
	}
}

func TestParallel(t *testing.T) {
	fn := testsuite.Passthrough(func(req []byte) ([]byte, error) {
		if len(req)%2 == 0 {
			return nil, errors.New(string(req))
		}
		return req, nil
	})
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			req := strings.Repeat("x", i+1)
			got, err := passthrough.Call(fn, []byte(req))
			if len(req)%2 == 0 && err.Error() != "EIO: "+req || len(req)%2 == 1 && string(got) != req {
				t.Errorf("%q became %q, %v", req, got, err)
			}
		})
	}
	wg.Wait()
}

func ExampleCallJSON() {
	// In a WebAssembly build, this is the host's function:
	//
	//	//go:wasmimport wasmworker:weather/v1 forecast
	//	func forecast(req unsafe.Pointer, n uint32) int64
	forecast := testsuite.Passthrough(func(req []byte) ([]byte, error) {
		if !bytes.Contains(req, []byte("Oslo")) {
			return nil, passthrough.EACCES
		}
		return []byte(`{"celsius": -3}`), nil
	})

	var weather struct {
		Celsius float64 `json:"celsius"`
	}
	err := passthrough.CallJSON(forecast, map[string]string{"city": "Oslo"}, &weather)
	fmt.Println(weather.Celsius, err)

	err = passthrough.CallJSON(forecast, map[string]string{"city": "Atlantis"}, &weather)
	fmt.Println(errors.Is(err, passthrough.EACCES))
	// Output:
	// -3 <nil>
	// true
}
