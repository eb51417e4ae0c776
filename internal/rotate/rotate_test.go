package rotate_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/internal/rotate"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// Whatever half a replacement leaves on the disk, what was there before is used, with one
// warning for each state.
func TestKeyPair(t *testing.T) {
	authority := testbed.NewAuthority(t)
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	write := func(file string, content []byte) {
		t.Helper()
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := func() (string, error) {
		pair, err := rotate.KeyPair(certFile, keyFile)
		if err != nil {
			return "", err
		}
		return pair.Leaf.Subject.CommonName, nil
	}
	var warnings []string
	warn := func(err error) { warnings = append(warnings, err.Error()) }
	if _, err := rotate.New(build, warn); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without files: %v", err)
	}
	certificate, key := authority.Issue(t, "first")
	write(certFile, certificate)
	write(keyFile, key)
	v, err := rotate.New(build, warn)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = authority.Issue(t, "second")
	for _, state := range []struct {
		change func()
		want   string // in the warning
	}{
		{func() { write(certFile, certificate) }, "private key does not match"},
		{func() {
			write(certFile, append(certificate[:len(certificate):len(certificate)], authority.Root[:len(authority.Root)/2]...))
		}, "tls.crt: it is no PEM, or ends in the middle"},
		{func() { write(keyFile, nil) }, "tls.crt: it is no PEM"},
		{func() { write(certFile, certificate) }, "tls.key: it is no PEM"},
		{func() { os.Remove(keyFile) }, "no such file"},
		{func() { os.Mkdir(keyFile, 0o700) }, "is a directory"},
		{func() { os.Remove(keyFile); write(keyFile, make([]byte, 5<<20)) }, "more than 4 MiB"},
	} {
		state.change()
		n := len(warnings)
		for range 3 {
			if got := v.Get(); got != "first" {
				t.Errorf("%s: got %s", state.want, got)
			}
		}
		if got := warnings[n:]; len(got) > 1 || len(got) == 1 && !strings.Contains(got[0], state.want) || len(got) == 0 && !strings.Contains(warnings[n-1], state.want) {
			t.Errorf("warnings %q, not one with %q", got, state.want)
		}
	}
	write(keyFile, key)
	if got := v.Get(); got != "second" {
		t.Errorf("got %s", got)
	}
	// A state that comes again is told again.
	n := len(warnings)
	os.Remove(keyFile)
	if v.Get(); len(warnings) != n+1 {
		t.Errorf("%d warnings, not one more", len(warnings)-n)
	}
}

func TestRoots(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	one, two := testbed.NewAuthority(t), testbed.NewAuthority(t)
	_, key := one.Issue(t, "x")
	for content, want := range map[string]string{
		string(one.Root) + "a comment\n" + string(two.Root) + "\n": "",
		"": "no PEM", string(key): "no certificate", "no PEM at all": "no PEM", string(one.Root) + string(two.Root[:100]): "middle of a block",
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := rotate.Roots(file)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, not %q", content, err, want)
		}
	}
}
