package blobmod_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/blobmod"
	"github.com/wasmworker/wasmworker/host/passthrough/secretmod"
	"github.com/wasmworker/wasmworker/internal/yamlnode"
)

// mistakes are the lines of an error that joins several.
func mistakes(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	for line := range strings.Lines(err.Error()) {
		if strings.Contains(line, "not-to-be-seen") {
			t.Errorf("it shows what is secret: %s", line)
		}
	}
	if _, ok := errors.AsType[*passthrough.FieldError](err); !ok {
		t.Errorf("it has no place: %v", err)
	}
	return strings.Split(err.Error(), "\n")
}

func TestConfiguration(t *testing.T) {
	t.Setenv("TEST_KEY", "not-to-be-seen")
	secrets, err := secretmod.Open(map[string]secretmod.Source{"key": {Env: "TEST_KEY"}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		bucket string
		want   []string // of each mistake, in its order; none: it is valid
	}{
		{`{url: "file://` + dir + `"}`, nil},
		{`{url: "mem://"}`, nil},
		{`{url: "s3://name?region=x"}`, nil},
		{`{url: "s3://name?region=x", credentials: {access_key_id: key, secret_access_key: key}}`, nil},
		{`{}`, []string{"things.url: it is not a URL"}},
		{`{url: "/srv"}`, []string{"things.url: it is not a URL"}},
		{`{url: "file:/srv"}`, []string{"things.url: it is not a URL"}},
		{`{url: "s3://%zznot-to-be-seen"}`, []string{"things.url: it is not a URL"}},
		{`{url: "file://srv/exports"}`, []string{"things.url: a directory's URL has three slashes"}},
		{`{url: "file://` + dir + `/none"}`, []string{"things.url: the directory cannot be used"}},
		{`{url: "file://` + file + `"}`, []string{"is not a directory"}},
		{`{url: "file://` + dir + `?metadata=skip"}`, []string{"things.url: file has no parameter metadata; it takes none"}},
		{`{url: "mem://x"}`, []string{"things.url: it has nothing after mem://"}},
		{`{url: "gs://x"}`, []string{"things.url: this program was built without gs: its source has to import github.com/wasmworker/wasmworker/contrib/gcs"}},
		{`{url: "azblob://x"}`, []string{"contrib/azure"}},
		{`{url: "ftp://x"}`, []string{"things.url: there is no driver for ftp; there are: file, mem, s3, test"}},
		{`{url: "s3://name"}`, []string{"things.url: it names no region"}},
		{`{url: "s3://?region=x"}`, []string{"things.url: it is not s3://name"}},
		{`{url: "s3://name/prefix?region=x"}`, []string{"things.url: it is not s3://name"}},
		{`{url: "s3://name?region=x&use_path_style=perhaps"}`, []string{"use_path_style"}},
		{`{url: "s3://name?region=x&profile=none"}`, []string{"things.url: "}},
		{`{url: "s3://name?region=x&access_key=not-to-be-seen&secret=not-to-be-seen"}`, []string{"things.url: s3 has no parameter access_key; it takes accelerate", "things.url: s3 has no parameter secret"}},
		{`{url: "s3://key:not-to-be-seen@name?region=x"}`, []string{"things.url: it has credentials; name secrets in credentials"}},
		{`{url: "mem://", credentials: {password: key}}`, []string{"things.credentials.password: mem has no credential of that name; it takes none"}},
		{`{url: "s3://name?region=x", credentials: {access_key_id: key}}`, []string{"things.credentials: secret_access_key is missing"}},
		{`{url: "s3://name?region=x", credentials: {access_key_id: key, secret_access_key: none, user: key}}`, []string{"things.credentials.secret_access_key: there is no secret \"none\"; there are: key", "things.credentials.user: s3 has no credential of that name; it takes access_key_id and secret_access_key"}},
	} {
		var b blobmod.Bucket
		if err := yamlnode.Unmarshal([]byte(test.bucket), &b); err != nil {
			t.Fatal(err)
		}
		m, err := blobmod.New(blobmod.Options{Buckets: map[string]blobmod.Bucket{"things": b}, Secrets: secrets})
		got := mistakes(t, err)
		if len(got) != len(test.want) {
			t.Errorf("%s: %q, want %q", test.bucket, got, test.want)
			continue
		}
		for i, want := range test.want {
			if !strings.Contains(got[i], want) {
				t.Errorf("%s: %s, want %s", test.bucket, got[i], want)
			}
		}
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	// All mistakes at once.
	_, err = blobmod.New(blobmod.Options{Buckets: map[string]blobmod.Bucket{"a/b": {URL: "mem://"}, "b": {}, "c": {URL: "s3://x?region=y", Credentials: map[string]string{"access_key_id": "key", "secret_access_key": "key"}}}})
	if got := mistakes(t, err); len(got) != 4 || !strings.HasPrefix(got[0], "a/b: a bucket's name") || !strings.HasPrefix(got[1], "b.url: ") || !strings.HasPrefix(got[2], "c.credentials.access_key_id: there is no secret") {
		t.Errorf("%q", got)
	}
}

func TestPolicy(t *testing.T) {
	module := newModule(t, directory(t).Options)
	for text, want := range map[string][]string{
		`{}`:                      nil,
		`{buckets: {things: {}}}`: nil,
		`{buckets: {things: {prefixes: [out/, a, "b/.c"], write: true, max_object_bytes: 64MiB, timeout: 2m}}}`: nil,
		`{buckets: {things: {prefixes: ["", /a, a/../b, "a//b", "\0"]}}}`:                                       {"buckets.things.prefixes[0]: an empty prefix", "prefixes[1]", "prefixes[2]", "prefixes[3]", "prefixes[4]"},
		`{buckets: {others: {}}}`: {`buckets.others: there is no bucket "others"; there are: things`},
	} {
		var p blobmod.Policy
		if err := yamlnode.Unmarshal([]byte(text), &p); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := mistakes(t, module.CheckPolicy(&p))
		if len(got) != len(want) || slices.ContainsFunc(want, func(w string) bool {
			return !slices.ContainsFunc(got, func(g string) bool { return strings.Contains(g, w) })
		}) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	bad := &blobmod.Policy{Buckets: map[string]blobmod.Access{"things": {MaxObjectBytes: -1, Timeout: passthrough.Duration(-time.Second)}}}
	if got := mistakes(t, module.CheckPolicy(bad)); len(got) != 2 {
		t.Errorf("%q", got)
	}
}

// What is explained is what is done; TestPolicyClauses has the rest of it.
func TestExplain(t *testing.T) {
	p := &blobmod.Policy{Buckets: map[string]blobmod.Access{"exports": {Prefixes: []string{"tmp/", "out/"}, Write: true}, "in": {}}}
	for words, want := range map[string]passthrough.Verdict{
		"get exports/out/x":    {Allowed: true, Reason: "a prefix allows it", Path: []any{"buckets", "exports", "prefixes", 1}},
		"put exports/tmp/x":    {Allowed: true, Reason: "a prefix allows it", Path: []any{"buckets", "exports", "prefixes", 0}},
		"list exports/out/":    {Allowed: true, Reason: "a prefix allows it", Path: []any{"buckets", "exports", "prefixes", 1}},
		"list exports/":        {Reason: "the prefix begins with none of the prefixes of the blob policy: tmp/, out/", Path: []any{"buckets", "exports", "prefixes"}},
		"list exports":         {Reason: "the prefix begins with none of the prefixes of the blob policy: tmp/, out/", Path: []any{"buckets", "exports", "prefixes"}},
		"delete exports/outer": {Reason: "the key begins with none of the prefixes of the blob policy: tmp/, out/", Path: []any{"buckets", "exports", "prefixes"}},
		"get in/x":             {Allowed: true, Reason: "the policy names the bucket, without prefixes", Path: []any{"buckets", "in"}},
		"list in":              {Allowed: true, Reason: "the policy names the bucket, without prefixes", Path: []any{"buckets", "in"}},
		"put in/x":             {Reason: "the bucket is read-only here; the blob policy would allow it with write: true", Path: []any{"buckets", "in"}},
		"get other/x":          {Reason: "the blob policy does not name the bucket; it would allow it with other below buckets"},
	} {
		got, err := p.Explain(strings.Fields(words))
		if err != nil || got.Allowed != want.Allowed || got.Reason != want.Reason || passthrough.PathString(got.Path) != passthrough.PathString(want.Path) {
			t.Errorf("%s: %+v, %v", words, got, err)
		}
	}
	for _, words := range []string{"", "get", "get a/b c", "read a/b", "get exports", "get exports/../x", "list exports//"} {
		if got, err := p.Explain(strings.Fields(words)); err == nil {
			t.Errorf("%s: %+v", words, got)
		}
	}
}
