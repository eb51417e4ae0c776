package blobmod

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"syscall"

	"gocloud.dev/gcerrors"

	"github.com/wasmworker/wasmworker/abi"
)

// reason is an error whose text guests may read.
type reason string

func (r reason) Error() string { return string(r) }

var validCode = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// explain makes the error for a guest of what a store says. Texts of stores and their
// libraries have addresses, paths and URLs in them, so that only what is known to be
// harmless is taken from them.
func explain(what string, err error) error {
	if r, ok := errors.AsType[*refusal](err); ok {
		return fmt.Errorf("%w: %s: %s", r.errno, what, r.text)
	}
	switch gcerrors.Code(err) {
	case gcerrors.NotFound:
		return fmt.Errorf("%w: %s: there is no such object", abi.ENOENT, what)
	case gcerrors.InvalidArgument:
		return fmt.Errorf("%w: %s: %s", abi.EINVAL, what, harmless(err))
	}
	return fmt.Errorf("%w: %s: %s", abi.EIO, what, harmless(err))
}

func harmless(err error) string {
	if r, ok := errors.AsType[reason](err); ok {
		return string(r)
	}
	if api, ok := errors.AsType[interface { // of the cloud providers' libraries
		error
		ErrorCode() string
	}](err); ok && validCode.MatchString(api.ErrorCode()) {
		return "the store says " + api.ErrorCode()
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the store's certificate is not valid here"
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the name of the store cannot be resolved"
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if status, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err); ok {
		return fmt.Sprintf("the store answers with the HTTP status %d", status.HTTPStatusCode())
	}
	if code := gcerrors.Code(err); code != gcerrors.OK && code != gcerrors.Unknown {
		return "the store says " + code.String()
	}
	return "the store cannot be used at the moment"
}
