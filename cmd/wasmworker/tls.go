package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/wasmworker/wasmworker/internal/rotate"
)

// rotateTLS makes each new connection to Temporal use the certificates that are in the
// files at that time. The SDK itself reads the files only once.
func rotateTLS(options *client.Options, files *envconfig.ClientConfigTLS, logger *slog.Logger) (err error) {
	base := options.ConnectionOptions.TLS
	if base == nil || files == nil {
		return nil
	}
	warn := func(err error) {
		logger.Warn("certificate files of the Temporal connection cannot be used; new connections go on with what was read before", "error", err)
	}
	c := &rotatingTLS{base: base}
	if files.ClientCertPath != "" {
		c.pair, err = rotate.New(func() (tls.Certificate, error) { return rotate.KeyPair(files.ClientCertPath, files.ClientKeyPath) }, warn)
		if err != nil {
			return err
		}
	}
	if files.ServerCACertPath != "" {
		c.roots, err = rotate.New(func() (*x509.CertPool, error) { return rotate.Roots(files.ServerCACertPath) }, warn)
		if err != nil {
			return err
		}
	}
	if c.pair != nil || c.roots != nil {
		options.ConnectionOptions.DialOptions = append(options.ConnectionOptions.DialOptions, grpc.WithTransportCredentials(c))
	}
	return nil
}

// rotatingTLS are credentials that make a TLS configuration for each handshake.
// Verification is thus that of crypto/tls, names and addresses included. A hook in one
// lasting configuration could only imitate it.
type rotatingTLS struct {
	base  *tls.Config
	pair  *rotate.Value[tls.Certificate] // nil means the one in base
	roots *rotate.Value[*x509.CertPool]  // nil means the ones in base
}

func (c *rotatingTLS) now() credentials.TransportCredentials {
	config := c.base.Clone()
	if c.pair != nil {
		config.Certificates = []tls.Certificate{c.pair.Get()}
	}
	if c.roots != nil {
		config.RootCAs = c.roots.Get()
	}
	return credentials.NewTLS(config)
}

// ClientHandshake implements [credentials.TransportCredentials].
func (c *rotatingTLS) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return c.now().ClientHandshake(ctx, authority, conn)
}

// ServerHandshake implements [credentials.TransportCredentials].
func (c *rotatingTLS) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return credentials.NewTLS(c.base).ServerHandshake(conn)
}

// Info implements [credentials.TransportCredentials].
func (c *rotatingTLS) Info() credentials.ProtocolInfo { return credentials.NewTLS(c.base).Info() }

// Clone implements [credentials.TransportCredentials].
func (c *rotatingTLS) Clone() credentials.TransportCredentials {
	clone := *c
	clone.base = c.base.Clone()
	return &clone
}

// OverrideServerName implements [credentials.TransportCredentials].
func (c *rotatingTLS) OverrideServerName(name string) error {
	c.base = c.base.Clone()
	c.base.ServerName = name
	return nil
}
