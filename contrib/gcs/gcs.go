// Package gcs lets buckets be at gs:// URLs, those of Google Cloud Storage: import it for
// its effect.
//
//	gs://name
//
// Parameters are anonymous, grpc and zonal, as gocloud.dev/blob/gcsblob has them.
// Credentials are those that Google's libraries find in the worker's environment:
// GOOGLE_APPLICATION_CREDENTIALS, or the machine's identity. What they do not let the
// worker see does not exist for guests (ENOENT).
package gcs

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/gcp"

	"github.com/wasmworker/wasmworker/host/passthrough/blobmod"
)

func init() {
	blobmod.Register(gcsblob.Scheme, blobmod.Driver{
		Parameters: []string{"anonymous", "grpc", "zonal"},
		Check: func(u *url.URL) error {
			if u.Host == "" || u.Path != "" {
				return errors.New("it is not gs://name, with parameters behind that")
			}
			return nil
		},
		Open: open,
	})
}

func open(ctx context.Context, u *url.URL, _ func(string) (string, error)) (*blobmod.Opened, error) {
	// of our own, to close its connections
	transport := http.DefaultTransport.(*http.Transport).Clone()
	// which has a client for anonymous itself
	opener := &gcsblob.URLOpener{}
	if u.Query().Get("anonymous") != "true" {
		credentials, err := gcp.DefaultCredentials(ctx)
		if err != nil {
			return nil, err
		}
		opener.TokenSource = gcp.CredentialsTokenSource(credentials)
		if opener.Client, err = gcp.NewHTTPClient(transport, opener.TokenSource); err != nil {
			return nil, err
		}
	}
	b, err := opener.OpenBucketURL(ctx, u)
	if err != nil {
		return nil, err
	}
	return &blobmod.Opened{Bucket: b, Close: transport.CloseIdleConnections}, nil
}
