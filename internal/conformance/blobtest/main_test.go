// The tests of blobmod with its drivers, against the real servers. They are in the module
// of the conformance suite because blobmod must not require a driver.
package blobmod_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/wasmworker/wasmworker/abi"
	_ "github.com/wasmworker/wasmworker/contrib/s3"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/blobmod"
	"github.com/wasmworker/wasmworker/host/passthrough/secretmod"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

func TestMain(m *testing.M) {
	// No test may find the credentials of whoever runs it, or ask a machine in a data
	// center for some.
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			os.Unsetenv(name)
		}
	}
	os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	os.Setenv("AWS_CONFIG_FILE", os.DevNull)
	os.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	if dir := os.Getenv(victimDirectory); dir != "" {
		beKilled(dir)
	}
	os.Exit(testbed.Main(m.Run))
}

// everything may be done in one bucket.
func everything(bucket string) *blobmod.Policy {
	return &blobmod.Policy{Buckets: map[string]blobmod.Access{bucket: {Write: true}}}
}

// newModule makes the module, which is closed with the test. Nothing may be left of it
// then: no goroutine and no descriptor, and so no connection.
func newModule(t testing.TB, options blobmod.Options) passthrough.Module {
	t.Helper()
	ignored, before := goleak.IgnoreCurrent(), descriptors(t)
	m, err := blobmod.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := goleak.Find(ignored); err != nil {
			t.Error(err)
		}
		if _, fuzzing := t.(*testing.F); !fuzzing {
			testbed.Eventually(t, "all descriptors are closed", func() error {
				for _, target := range descriptors(t) {
					if !slices.Contains(before, target) {
						return fmt.Errorf("%s is open", target)
					}
				}
				return nil
			})
		}
	})
	return m
}

// descriptors are what is open of files and sockets: pipes and the poller are the
// runtime's and the tests'.
func descriptors(t testing.TB) (open []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil // another system
	}
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && !strings.HasPrefix(target, "anon_inode:") && !strings.HasPrefix(target, "pipe:") && !strings.HasPrefix(target, "/proc/") {
			open = append(open, target)
		}
	}
	return open
}

// activity is one activity of a module that was granted blob.
type activity struct {
	t         testing.TB
	module    passthrough.Module
	policy    *blobmod.Policy
	ctx       context.Context
	interrupt context.CancelFunc
	resources passthrough.Resources
}

// begin begins an activity. It ends with the test, or by end.
func begin(t testing.TB, module passthrough.Module, policy *blobmod.Policy) *activity {
	t.Helper()
	if err := module.CheckPolicy(policy); err != nil {
		t.Fatal(err)
	}
	a := &activity{t: t, module: module, policy: policy}
	a.ctx, a.interrupt = context.WithCancel(context.Background())
	t.Cleanup(a.end)
	return a
}

func (a *activity) end() {
	a.t.Helper()
	if err := a.resources.Close(); err != nil {
		a.t.Error(err)
	}
	a.interrupt()
}

// object is whatever heads have.
type object = map[string]any

func (a *activity) frame(function string, frame []byte) (head object, body string, err error) {
	call := &passthrough.Call{Module: "orders", Activity: "Export", Policy: a.policy, Resources: &a.resources}
	response, err := a.module.Functions[function](a.ctx, call, frame)
	if err != nil || len(response) == 0 {
		return nil, "", err
	}
	data, rest, err := passthrough.SplitFrame(response)
	if err == nil {
		err = json.Unmarshal(data, &head)
	}
	return head, string(rest), err
}

func (a *activity) call(function string, head object, body string) (object, string, error) {
	a.t.Helper()
	frame, err := passthrough.EncodeFrame(head, []byte(body))
	if err != nil {
		a.t.Fatal(err)
	}
	return a.frame(function, frame)
}

// ok asserts that a call succeeds.
func (a *activity) ok(function string, head object, body string) (object, string) {
	a.t.Helper()
	response, got, err := a.call(function, head, body)
	if err != nil {
		a.t.Fatalf("%s %v: %v", function, head, err)
	}
	return response, got
}

// want asserts that a call fails, that its message has some texts, and nothing in it that
// guests should not see.
func (a *activity) want(errno abi.Errno, function string, head object, body string, texts ...string) {
	a.t.Helper()
	response, _, err := a.call(function, head, body)
	a.check(err, errno, fmt.Sprint(function, " ", head, ": ", response), texts...)
}

func (a *activity) check(err error, errno abi.Errno, what string, texts ...string) {
	a.t.Helper()
	if e, _ := errors.AsType[abi.Errno](err); e != errno {
		a.t.Errorf("%s: %v, want %s", what, err, errno)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			a.t.Errorf("%s: %v, want %s", what, err, text)
		}
	}
	for _, text := range []string{"127.0.0.1", "://", "testbed", os.TempDir(), "not-to-be-seen"} {
		if strings.Contains(err.Error(), text) {
			a.t.Errorf("%s: the guest sees %s: %v", what, text, err)
		}
	}
	if denial, ok := errors.AsType[*passthrough.Denial](err); (errno == abi.EACCES) != (ok && denial.Reason != "") {
		a.t.Errorf("%s: the operator is told of %+v", what, denial)
	}
}

// keys are what a list has, with a star behind prefixes.
func keys(head object) (keys []string) {
	for _, o := range head["objects"].([]any) {
		o := o.(object)
		key := o["key"].(string)
		if o["prefix"] == true {
			key += "*"
		} else if _, ok := o["size"]; !ok || o["modified"] == nil {
			key += "?"
		}
		keys = append(keys, key)
	}
	return keys
}

// store is somewhere to keep objects.
type store struct {
	blobmod.Options
	s3        *testbed.S3
	directory string
}

// stores runs a test with each kind of store, in a bucket that is named things.
func stores(t *testing.T, test func(t *testing.T, s store)) {
	t.Run("directory", func(t *testing.T) { test(t, directory(t)) })
	t.Run("mem", func(t *testing.T) {
		test(t, store{Options: blobmod.Options{Buckets: map[string]blobmod.Bucket{"things": {URL: "mem://"}}}})
	})
	t.Run("s3", func(t *testing.T) { test(t, s3(t)) })
}

func directory(t testing.TB) store {
	dir := t.TempDir()
	return store{directory: dir, Options: blobmod.Options{Buckets: map[string]blobmod.Bucket{"things": {URL: "file://" + dir}}}}
}

// s3 is a server whose credentials are secrets.
func s3(t testing.TB) store {
	t.Helper()
	server := testbed.StartS3(t, "things")
	t.Setenv("TEST_S3_KEY", server.AccessKey)
	t.Setenv("TEST_S3_SECRET", server.SecretKey)
	secrets, err := secretmod.Open(map[string]secretmod.Source{"key": {Env: "TEST_S3_KEY"}, "secret": {Env: "TEST_S3_SECRET"}})
	if err != nil {
		t.Fatal(err)
	}
	return store{s3: server, Options: blobmod.Options{Secrets: secrets, Buckets: map[string]blobmod.Bucket{"things": {
		URL: s3URL(server, "things"), Credentials: map[string]string{"access_key_id": "key", "secret_access_key": "secret"},
	}}}}
}

func s3URL(server *testbed.S3, bucket string) string {
	return "s3://" + bucket + "?region=" + server.Region + "&use_path_style=true&endpoint=" + url.QueryEscape(server.Endpoint)
}
