// Package rotate keeps what is made of files up to date while the files are replaced, as
// certificates are before they expire.
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

// Value is something that is made of files. It is safe for concurrent use.
type Value[T any] struct {
	build func() (T, error)
	warn  func(error)

	mu   sync.Mutex
	last T
	told string // the error that was warned of, until there is none
}

// New makes a value of files, by a function that reads them. warn is told when they can
// not be used later on, once until that changes.
func New[T any](build func() (T, error), warn func(error)) (*Value[T], error) {
	first, err := build()
	if err != nil {
		return nil, err
	}
	return &Value[T]{build: build, warn: warn, last: first}, nil
}

// Get reads the files and returns what they make now, or what they made last if they
// cannot be used: while they are being replaced, one of them may be missing, half
// written, or not belong to the other yet.
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

// KeyPair reads a certificate, with those that it needs on the way to a root behind it,
// and its key.
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

// Roots reads certificates that are trusted.
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

// PEM reads a file of PEM blocks, of which the last one may not be cut off: others would
// be taken for all that there are.
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
