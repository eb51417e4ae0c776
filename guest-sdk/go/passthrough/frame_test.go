//go:build !wasip1

package passthrough_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough"
	"github.com/wasmworker/wasmworker/guest-sdk/go/testsuite"
)

type head struct {
	Text string `json:"text"`
}

func TestFrame(t *testing.T) {
	frame, err := passthrough.EncodeFrame(head{"ö"}, []byte{0, 255})
	if want := "\x0d\x00\x00\x00" + `{"text":"ö"}` + "\x00\xff"; err != nil || string(frame) != want {
		t.Fatalf("%q, %v, want %q", frame, err, want)
	}
	var got head
	if body, err := passthrough.DecodeFrame(frame, &got); err != nil || got.Text != "ö" || !bytes.Equal(body, []byte{0, 255}) {
		t.Error(got, body, err)
	}
	for name, frame := range map[string]string{
		"nothing": "", "no length": "\x01\x00\x00", "a head that is cut": "\x05\x00\x00\x00{}", "an enormous head": "\xff\xff\xff\xff{}", "no JSON": "\x01\x00\x00\x00{", "another type": "\x02\x00\x00\x00[]",
	} {
		if _, err := passthrough.DecodeFrame([]byte(frame), &got); err == nil {
			t.Error(name, "was decoded")
		}
	}
}

func FuzzDecodeFrame(f *testing.F) {
	f.Add([]byte("\x02\x00\x00\x00{}body"))
	f.Add([]byte("\xff\xff\xff\xff{}"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, frame []byte) {
		var head map[string]any
		body, err := passthrough.DecodeFrame(frame, &head)
		if err == nil && !bytes.HasSuffix(frame, body) {
			t.Errorf("%q has the body %q", frame, body)
		}
	})
}

func TestCallFrame(t *testing.T) {
	echo := testsuite.Passthrough(func(req []byte) ([]byte, error) { return req, nil })
	var got head
	if body, err := passthrough.CallFrame(echo, head{"x"}, []byte("body"), &got); err != nil || got.Text != "x" || string(body) != "body" {
		t.Error(got, body, err)
	}
	if body, err := passthrough.CallFrame(echo, head{"x"}, []byte("body"), nil); err != nil || body != nil {
		t.Error(body, err)
	}
	empty := testsuite.Passthrough(func([]byte) ([]byte, error) { return nil, nil })
	if body, err := passthrough.CallFrame(empty, head{"x"}, nil, &got); err != nil || body != nil {
		t.Error(body, err)
	}
	if _, err := passthrough.CallFrame(echo, make(chan int), nil, &got); err == nil || !strings.HasPrefix(err.Error(), "request: json:") {
		t.Error(err)
	}
	broken := testsuite.Passthrough(func([]byte) ([]byte, error) { return []byte("x"), nil })
	if _, err := passthrough.CallFrame(broken, head{}, nil, &got); err == nil || !strings.HasPrefix(err.Error(), "response: ") {
		t.Error(err)
	}
	deny := testsuite.Passthrough(func([]byte) ([]byte, error) { return nil, passthrough.EACCES })
	if _, err := passthrough.CallFrame(deny, head{}, nil, &got); !errors.Is(err, passthrough.EACCES) {
		t.Error(err)
	}
}

func TestErrorsOfTheStandardLibrary(t *testing.T) {
	for _, test := range []struct {
		errno passthrough.Errno
		is    error
	}{
		{passthrough.ENOENT, fs.ErrNotExist},
		{passthrough.EEXIST, fs.ErrExist},
		{passthrough.EACCES, fs.ErrPermission},
		{passthrough.EPERM, fs.ErrPermission},
		{passthrough.EIO, nil},
	} {
		err := error(&passthrough.Error{Errno: test.errno})
		for _, target := range []error{fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, context.Canceled} {
			if errors.Is(err, target) != (target == test.is) {
				t.Errorf("%v is %v: %t", err, target, errors.Is(err, target))
			}
		}
	}
	var timeout interface{ Timeout() bool }
	for errno, want := range map[passthrough.Errno]bool{passthrough.ETIMEDOUT: true, passthrough.EIO: false} {
		if !errors.As(error(&passthrough.Error{Errno: errno}), &timeout) || timeout.Timeout() != want {
			t.Error(errno, want)
		}
	}
}
