package main_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// A program without drivers says by which tag they were left out, and has nothing of
// them.
func TestOmittedDrivers(t *testing.T) {
	tags := []string{"omit_azure", "omit_gcs", "omit_s3"}
	program := testbed.ProgramWith(t, tags...)

	version := testbed.Start(t, exec.Command(program, "version"))
	if code := version.Wait(t); code != 0 || !strings.Contains(version.Stdout(), "\nbuilt with omit_azure, omit_gcs, omit_s3\n") {
		t.Errorf("version: exit code %d, %q", code, version.Stdout())
	}

	config := file(t, "wasmworker.yaml", `buckets:
  azure: {url: "azblob://things"}
  google: {url: "gs://things"}
  amazon: {url: "s3://things?region=eu-central-1", credentials: {access_key_id: a, secret_access_key: b}}
  files: {url: "file:///"}
`)
	serve := exec.Command(program, "serve", "--config", config, "-m", wat(t, "echo"))
	serve.Env = testbed.CleanEnv()
	refused := testbed.Start(t, serve)
	if code := refused.Wait(t); code != 2 {
		t.Errorf("serve: exit code %d", code)
	}
	for _, want := range []string{
		":2:16: buckets.azure.url: this program was built without azblob: the driver was left out by the build tag omit_azure; build wasmworker without it",
		":3:17: buckets.google.url: this program was built without gs: the driver was left out by the build tag omit_gcs; ",
		":4:17: buckets.amazon.url: this program was built without s3: the driver was left out by the build tag omit_s3; ",
	} {
		if !strings.Contains(refused.Stderr(), want) {
			t.Errorf("serve does not say %q:\n%s", want, refused.Stderr())
		}
	}
	if strings.Contains(refused.Stderr(), ":5:") {
		t.Errorf("serve complains of the driver that it has:\n%s", refused.Stderr())
	}

	list := exec.Command("go", "list", "-deps", "-tags="+strings.Join(tags, ","), ".")
	list.Env = append(os.Environ(), "GOWORK=off")
	output, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.FieldsSeq(string(output)) {
		if slices.ContainsFunc([]string{"github.com/aws/", "github.com/Azure/", "cloud.google.com/go/storage"}, func(p string) bool { return strings.HasPrefix(pkg, p) }) {
			t.Errorf("%s is linked", pkg)
		}
	}
}
