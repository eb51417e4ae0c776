package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/wasmworker/wasmworker/abi"
)

const (
	codecTimeout        = 10 * time.Second
	maxCodecAnswer      = 64 << 20
	maxCodecError       = 1 << 10
	maxCodecConnections = 100 // idle connections that are kept
)

// useCodec makes the client's payloads go through the codec server, if there is one. The
// server's credential is in the profile or in TEMPORAL_CODEC_AUTH.
func useCodec(options *client.Options, c *cli.Context, profile envconfig.ClientConfigProfile) error {
	var codec envconfig.ClientConfigCodec
	if profile.Codec != nil {
		codec = *profile.Codec
	}
	if endpoint := c.String("codec-endpoint"); endpoint != "" {
		codec.Endpoint = endpoint
	}
	if codec.Endpoint == "" {
		if codec.Auth != "" {
			return usagef("there is a credential for a codec server (TEMPORAL_CODEC_AUTH, or auth of the profile's codec), and no codec server; name it with --codec-endpoint or TEMPORAL_CODEC_ENDPOINT")
		}
		return nil
	}
	namespace := options.Namespace
	if namespace == "" {
		namespace = client.DefaultNamespace
	}
	endpoint, err := url.Parse(strings.TrimSuffix(strings.ReplaceAll(codec.Endpoint, "{namespace}", url.PathEscape(namespace)), "/"))
	switch {
	case err != nil || endpoint.Scheme != "http" && endpoint.Scheme != "https" || endpoint.Host == "" || endpoint.RawQuery != "" || endpoint.Fragment != "":
		return usagef("--codec-endpoint: the codec server's address has to be a URL as https://codec.example.com/path, without a query")
	case endpoint.User != nil:
		return usagef("--codec-endpoint: the codec server's URL has a user name or password in it; give the Authorization header in TEMPORAL_CODEC_AUTH")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = maxCodecConnections
	options.DataConverter = converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), &remoteCodec{
		server: endpoint.Redacted(),
		codec: converter.NewRemotePayloadCodec(converter.RemotePayloadCodecOptions{
			Endpoint: endpoint.String(),
			Client: http.Client{
				Timeout:   codecTimeout,
				Transport: boundedTransport{transport},
				// A redirect would take payloads elsewhere.
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			},
			ModifyRequest: func(r *http.Request) error {
				r.Header.Set("X-Namespace", namespace)
				if codec.Auth != "" {
					r.Header.Set("Authorization", codec.Auth)
				}
				return nil
			},
		}),
	})
	options.FailureConverter = temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter: options.DataConverter, EncodeCommonAttributes: true,
	})
	return nil
}

// remoteCodec adds a type and the server's address to the errors of a codec server.
type remoteCodec struct {
	codec  converter.PayloadCodec
	server string
}

// Encode implements [converter.PayloadCodec].
func (r *remoteCodec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	return r.ask("encode", r.codec.Encode, payloads)
}

// Decode implements [converter.PayloadCodec].
func (r *remoteCodec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	return r.ask("decode", r.codec.Decode, payloads)
}

func (r *remoteCodec) ask(what string, do func([]*commonpb.Payload) ([]*commonpb.Payload, error), payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	if len(payloads) == 0 {
		return payloads, nil
	}
	done, err := do(payloads)
	if err != nil {
		return nil, temporal.NewApplicationError(fmt.Sprintf("the codec server %s did not %s: %v", r.server, what, err), abi.TypeCodecFailed)
	}
	return done, nil
}

// boundedTransport limits the size of the answers that are read.
type boundedTransport struct{ next http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (b boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body := &boundedBody{ReadCloser: response.Body, left: maxCodecAnswer}
	if response.StatusCode != http.StatusOK { // the body becomes part of an error
		response.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(body, maxCodecError), body}
	} else {
		response.Body = body
	}
	return response, nil
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

// Read implements [io.Reader].
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("its answer has more than %s", humanize.IBytes(maxCodecAnswer))
	}
	return n, err
}
