// Package rotate keeps values that are read from files up to date when the files are
// replaced, as certificates are before they expire.
package rotate

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Value is a value that is read from files. It is safe for concurrent use.
type Value[T any] struct {
	build func() (T, error)
	warn  func(error)

	mu   sync.Mutex
	last T
	told string // the last error that was warned of; empty if there is none
}

// New makes a Value with a function that reads the files. The error is that of the first
// call of build. If a later call fails, warn is called with the error, once until the
// error changes.
func New[T any](build func() (T, error), warn func(error)) (*Value[T], error) {
	first, err := build()
	if err != nil {
		return nil, err
	}
	return &Value[T]{build: build, warn: warn, last: first}, nil
}

// Get reads the files and returns their value. If they cannot be used, it returns the
// last value. While files are being replaced, one of them may be missing, half written,
// or not match the other yet.
func (v *Value[T]) Get() T {
	v.mu.Lock()
	defer v.mu.Unlock()
	fresh, err := v.build()
	if err == nil {
		v.last, v.told = fresh, ""
	} else if text := err.Error(); text != v.told {
		v.told = text
		v.warn(err)
	}
	return v.last
}

const maxFile = 4 << 20 // bytes: far more than all roots of a system

// KeyPair reads a certificate, with the intermediate certificates after it, and its key.
func KeyPair(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := PEM(certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := PEM(keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return pair, fmt.Errorf("%s with %s: %w", certFile, keyFile, err)
	}
	return pair, nil
}

// Roots reads trusted certificates.
func Roots(file string) (*x509.CertPool, error) {
	text, err := PEM(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: there is no certificate in it", file)
	}
	return pool, nil
}

// PEM reads a file of PEM blocks. A last block that is cut off is an error, because the
// blocks before it would be taken for all.
func PEM(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s: it has more than %d MiB", name, maxFile>>20)
	}
	rest, n := text, 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		n++
	}
	if bytes.Contains(rest, []byte("-----BEGIN")) || n == 0 {
		return nil, fmt.Errorf("%s: %w", name, errCut)
	}
	return text, nil
}

var errCut = errors.New("it is no PEM, or ends in the middle of a block")
