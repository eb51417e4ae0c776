// Package s3 lets buckets be at s3:// URLs: import it for its effect. It is for S3 itself
// and for stores that speak its protocol:
//
//	s3://name?region=eu-central-1
//	s3://name?region=us-east-1&endpoint=https://storage.example.com&use_path_style=true
//
// Parameters are region, endpoint, use_path_style (for most stores that are not
// Amazon's), accelerate, anonymous, disable_https, dualstack, fips, hostname_immutable,
// kmskeyid, profile, rate_limiter_capacity, request_checksum_calculation and
// response_checksum_validation (when_required for stores that do not know checksums),
// role and ssetype, as gocloud.dev/blob/s3blob and gocloud.dev/aws have them.
//
// Credentials are access_key_id and secret_access_key; without them the AWS SDK looks for
// its own, in environment variables, its files, and the machine's or container's role.
package s3

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
	"gocloud.dev/blob/s3blob"

	"github.com/wasmworker/wasmworker/host/passthrough/blobmod"
)

func init() {
	blobmod.Register(s3blob.Scheme, blobmod.Driver{
		Parameters: []string{
			"accelerate", "anonymous", "disable_https", "dualstack", "endpoint", "fips", "hostname_immutable", "kmskeyid", "profile", "rate_limiter_capacity",
			"region", "request_checksum_calculation", "response_checksum_validation", "role", "ssetype", "use_path_style",
		},
		Credentials: []string{accessKeyID, secretAccessKey},
		Check: func(u *url.URL) error {
			client, _, err := parse(context.Background(), u)
			switch {
			case u.Host == "" || u.Path != "":
				return errors.New("it is not s3://name, with parameters behind that")
			case err != nil:
				return err
			case client.Options().Region == "":
				return errors.New("it names no region, and neither does AWS_REGION: add region=… to its parameters")
			}
			return nil
		},
		Open: open,
	})
}

const (
	accessKeyID     = "access_key_id"
	secretAccessKey = "secret_access_key"

	partSize     = 8 << 20         // of an upload, which has as many as 10,000 of them
	abortTimeout = 5 * time.Second // to tell the store that an upload was given up
)

// parse makes a client of a URL. It reads files of the AWS SDK and connects to nothing.
func parse(ctx context.Context, u *url.URL) (*s3.Client, *s3blob.Options, error) {
	opener := &s3blob.URLOpener{}
	b, err := opener.OpenBucketURL(ctx, u)
	if err != nil {
		// which has the URL
		if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(err.Error(), "open bucket ") {
			err = inner
		}
		return nil, nil, err
	}
	var client *s3.Client
	b.As(&client)
	return client, &opener.Options, b.Close()
}

func open(ctx context.Context, u *url.URL, credential func(string) (string, error)) (*blobmod.Opened, error) {
	parsed, options, err := parse(ctx, u)
	if err != nil {
		return nil, err
	}
	transport := awshttp.NewBuildableClient().GetTransport() // of our own, to close its connections
	settings := parsed.Options()
	settings.AuthSchemes, settings.ExpressCredentials = nil, nil // they belong to the other client
	client := s3.New(settings, func(o *s3.Options) {
		o.HTTPClient = &http.Client{
			Transport: transport,
			// A signed request is for one host. The store's answer is shown as an error.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		if credential != nil {
			o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (c aws.Credentials, err error) {
				if c.AccessKeyID, err = credential(accessKeyID); err == nil {
					c.SecretAccessKey, err = credential(secretAccessKey)
				}
				return c, err
			})
			o.HTTPSignerV4 = signer{}
		}
		// what it warns of has no consequences, and it would write to standard error
		o.Logger = logging.Nop{}
	})
	b, err := s3blob.OpenBucket(ctx, client, u.Host, options)
	if err != nil {
		return nil, err
	}
	return &blobmod.Opened{
		Bucket: b,
		BeforeWrite: func(as func(any) bool) error {
			var manager *transfermanager.Client
			if as(&manager) {
				*manager = *transfermanager.New(client, func(o *transfermanager.Options) {
					o.RequestChecksumCalculation = options.RequestChecksumCalculation
					o.PartSizeBytes = partSize
					o.MultipartUploadThreshold = partSize // it holds that much before it begins
					o.Concurrency = 1
					// An upload is given up by the end of its context, and without
					// another one the store would keep its parts for good.
					o.FailTimeout = abortTimeout
				})
			}
			return nil
		},
		Close: transport.CloseIdleConnections,
	}, nil
}

// signer signs with the secret that it is given. The SDK's own goes on with what it
// derived from the secret that it saw first with an access key, for a day.
type signer struct{}

func (signer) SignHTTP(ctx context.Context, credentials aws.Credentials, r *http.Request, payloadHash, service, region string, signingTime time.Time, options ...func(*v4.SignerOptions)) error {
	// as S3 has it
	fresh := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	return fresh.SignHTTP(ctx, credentials, r, payloadHash, service, region, signingTime, options...)
}
