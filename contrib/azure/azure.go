// Package azure lets buckets be at azblob:// URLs, containers of Azure Blob Storage:
// import it for its effect.
//
//	azblob://container?storage_account=name
//
// Parameters are storage_account, domain, protocol, cdn and localemu, as
// gocloud.dev/blob/azureblob has them. Credentials are those of the worker's environment:
// AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING, or else
// the machine's identity.
package azure

import (
	"context"
	"errors"
	"net/url"

	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"

	"github.com/wasmworker/wasmworker/host/passthrough/blobmod"
)

func init() {
	blobmod.Register(azureblob.Scheme, blobmod.Driver{
		Parameters: []string{"cdn", "domain", "localemu", "protocol", "storage_account"},
		Check: func(u *url.URL) error {
			if u.Host == "" || u.Path != "" {
				return errors.New("it is not azblob://container, with parameters behind that")
			}
			return nil
		},
		Open: func(ctx context.Context, u *url.URL, _ func(string) (string, error)) (*blobmod.Opened, error) {
			b, err := blob.DefaultURLMux().OpenBucketURL(ctx, u)
			if err != nil {
				return nil, err
			}
			return &blobmod.Opened{Bucket: b}, nil
		},
	})
}
