package blobmod_test

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/blobmod"
	"github.com/wasmworker/wasmworker/host/passthrough/secretmod"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

func noTemps(t testing.TB, dir string) {
	t.Helper()
	testbed.Eventually(t, "no unfinished file is left", func() error {
		return filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
			if strings.HasSuffix(name, ".wasmworker-tmp") {
				err = fmt.Errorf("there is %s", name)
			}
			return err
		})
	})
}

// client talks to the server without the module.
func client(server *testbed.S3) *awss3.Client {
	return awss3.New(awss3.Options{
		HTTPClient:   &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		BaseEndpoint: &server.Endpoint, Region: server.Region, UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: server.AccessKey, SecretAccessKey: server.SecretKey}, nil
		}),
	})
}

func uploads(t testing.TB, server *testbed.S3) int {
	t.Helper()
	found, err := client(server).ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: aws.String("things")})
	if err != nil {
		t.Fatal(err)
	}
	return len(found.Uploads)
}

func noUploads(t testing.TB, server *testbed.S3) {
	t.Helper()
	testbed.Eventually(t, "no unfinished upload is left", func() error {
		if n := uploads(t, server); n > 0 {
			return fmt.Errorf("there are %d", n)
		}
		return nil
	})
}

// Without secrets the AWS SDK looks for credentials itself.
func TestS3OwnCredentials(t *testing.T) {
	server := testbed.StartS3(t, "things")
	t.Setenv("AWS_ACCESS_KEY_ID", server.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", server.SecretKey)
	t.Setenv("AWS_REGION", server.Region)
	url := strings.Replace(s3URL(server, "things"), "region="+server.Region+"&", "", 1)
	a := begin(t, newModule(t, blobmod.Options{Buckets: map[string]blobmod.Bucket{"things": {URL: url}}}), everything("things"))
	a.ok("put", at("x"), "x")
}

// Secrets are read when they are used, so that they can be changed.
func TestS3Credentials(t *testing.T) {
	server := testbed.StartS3(t, "things")
	dir := t.TempDir()
	write := func(name, value string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("key", server.AccessKey)
	write("secret", "wrong-not-to-be-seen")
	secrets, err := secretmod.Open(map[string]secretmod.Source{"key": {File: filepath.Join(dir, "key")}, "secret": {File: filepath.Join(dir, "secret")}})
	if err != nil {
		t.Fatal(err)
	}
	module := newModule(t, blobmod.Options{Secrets: secrets, Buckets: map[string]blobmod.Bucket{"things": {
		URL: s3URL(server, "things"), Credentials: map[string]string{"access_key_id": "key", "secret_access_key": "secret"},
	}}})
	a := begin(t, module, everything("things"))
	a.want(abi.EIO, "put", at("x"), "x", "SignatureDoesNotMatch")
	write("secret", server.SecretKey)
	a.ok("put", at("x"), "x")
	if err := os.Remove(filepath.Join(dir, "secret")); err != nil {
		t.Fatal(err)
	}
	a.want(abi.EIO, "get", at("x"), "", "credentials cannot be read")
}

func TestS3NoBucket(t *testing.T) {
	s := s3(t)
	b := s.Buckets["things"]
	b.URL = strings.Replace(b.URL, "things", "nothing", 1)
	s.Buckets["things"] = b
	a := begin(t, newModule(t, s.Options), everything("things"))
	a.want(abi.EIO, "list", object{"bucket": "things"}, "", "the bucket does not exist")
	a.want(abi.EIO, "put", at("x"), "x", "the bucket does not exist")
	a.want(abi.ENOENT, "get", at("x"), "")
}

// A list has nothing but what was asked for, whatever a store makes of the guest's page,
// and nothing that cannot be a key.
func TestS3StrangeList(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `<ListBucketResult><IsTruncated>false</IsTruncated>`)
		for _, key := range []string{"out/a", "private/a", "out//b", "out/", "out/../c", "/out/d"} {
			fmt.Fprintf(w, `<Contents><Key>%s</Key><Size>1</Size><LastModified>2026-01-02T03:04:05Z</LastModified></Contents><CommonPrefixes><Prefix>%[1]s/x/</Prefix></CommonPrefixes>`, key)
		}
		fmt.Fprint(w, `</ListBucketResult>`)
	}))
	defer server.Close()
	module := newModule(t, blobmod.Options{Buckets: map[string]blobmod.Bucket{"things": {URL: "s3://things?anonymous=true&region=x&use_path_style=true&endpoint=" + server.URL}}})
	a := begin(t, module, &blobmod.Policy{Buckets: map[string]blobmod.Access{"things": {Prefixes: []string{"out/"}}}})
	if got, _ := a.ok("list", object{"bucket": "things", "prefix": "out/"}, ""); fmt.Sprint(keys(got)) != "[out/a out/a/x/*]" {
		t.Errorf("list: %v", keys(got))
	}
}

// A server that has gone, or never was.
func TestS3Gone(t *testing.T) {
	s := s3(t)
	a := begin(t, newModule(t, s.Options), everything("things"))
	a.ok("put", at("x"), strings.Repeat("x", 20<<20))
	opened, _ := a.ok("open", at("x"), "")
	a.ok("read", object{"reader": opened["reader"], "max": 10}, "")
	s.s3.Kill()
	for i := 0; ; i++ { // what is underway still arrives
		_, _, err := a.call("read", object{"reader": opened["reader"]}, "")
		if err != nil {
			a.check(err, abi.EIO, "read")
			break
		}
		if i == 20 {
			t.Fatal("the whole object was read from a server that is gone")
		}
	}
	a.want(abi.EIO, "read", object{"reader": opened["reader"]}, "")
	// after the SDK has tried three times
	a.want(abi.EIO, "put", at("x"), "x", "connection refused")
	a.want(abi.EIO, "list", object{"bucket": "things"}, "", "connection refused")
}

// A server that accepts connections and never answers costs no more than the time that
// the policy allows.
func TestS3NeverAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	module := newModule(t, blobmod.Options{Buckets: map[string]blobmod.Bucket{"things": {URL: "s3://things?anonymous=true&region=x&use_path_style=true&endpoint=http://" + l.Addr().String()}}})
	const timeout = 100 * time.Millisecond
	a := begin(t, module, &blobmod.Policy{Buckets: map[string]blobmod.Access{"things": {Write: true, Timeout: passthrough.Duration(timeout)}}})
	for _, function := range []string{"get", "open", "stat", "put", "delete", "list"} {
		start := time.Now()
		a.want(abi.ETIMEDOUT, function, at("x"), "x", "100ms", "timeout of the blob policy")
		if took := time.Since(start); took > 100*timeout {
			t.Errorf("%s: it took %s", function, took)
		}
	}
	b := begin(t, module, everything("things"))
	done := make(chan error)
	go func() {
		_, _, err := b.call("get", at("x"), "")
		done <- err
	}()
	conn, err := l.Accept() // so it waits for an answer
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b.interrupt()
	b.check(<-done, abi.ECANCELED, "get")
}

// A server that stops in the middle of a stream is left alone after the timeout of one
// step.
func TestS3Stalls(t *testing.T) {
	s := s3(t)
	module := newModule(t, s.Options)
	full := begin(t, module, everything("things"))
	full.ok("put", at("x"), "1234567890")
	large, _ := full.ok("create", at("large"), "")
	for range 8 { // more than the system's buffers have
		full.ok("write", object{"writer": large["writer"]}, strings.Repeat("x", 8<<20))
	}
	full.ok("commit", object{"writer": large["writer"]}, "")
	a := begin(t, module, &blobmod.Policy{Buckets: map[string]blobmod.Access{"things": {Write: true, Timeout: passthrough.Duration(2 * time.Second)}}})
	opened, _ := a.ok("open", at("large"), "")
	created, _ := a.ok("create", at("new"), "")
	a.ok("write", object{"writer": created["writer"]}, strings.Repeat("x", 9<<20))
	testbed.Eventually(t, "the upload has begun", func() error {
		if uploads(t, s.s3) == 0 {
			return fmt.Errorf("there is none")
		}
		return nil
	})
	s.s3.Freeze()
	step := func(function string, head object, body string) error {
		start := time.Now()
		_, _, err := a.call(function, head, body)
		// and not also what it takes to give the upload up
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s took %s", function, took)
		}
		return err
	}
	for i := 0; ; i++ {
		err := step("read", object{"reader": opened["reader"], "max": 8 << 20}, "")
		if err != nil {
			a.check(err, abi.ETIMEDOUT, "read")
			break
		}
		if i == 8 {
			t.Fatal("the whole object was read from a server that stands still")
		}
	}
	for i := 0; ; i++ {
		err := step("write", object{"writer": created["writer"]}, strings.Repeat("x", 8<<20))
		if err != nil {
			a.check(err, abi.ETIMEDOUT, "write")
			break
		}
		if i == 8 {
			t.Fatal("all was taken by a server that stands still")
		}
	}
	a.want(abi.ETIMEDOUT, "commit", object{"writer": created["writer"]}, "")
	start := time.Now()
	a.end()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the end of the activity took %s", took)
	}
	s.s3.Thaw()
	noUploads(t, s.s3)
	if got, _ := full.ok("list", object{"bucket": "things"}, ""); fmt.Sprint(keys(got)) != "[large x]" {
		t.Errorf("there is %v", keys(got))
	}
}
