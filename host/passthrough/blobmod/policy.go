package blobmod

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wasmworker/wasmworker/host/passthrough"
)

// Defaults and bounds of [Access].
const (
	DefaultMaxObjectBytes = 64 << 20
	DefaultTimeout        = 30 * time.Second

	DefaultMaxBucketBytes   = 10 << 30
	DefaultMaxBucketObjects = 1_000_000

	maxKey = 1024 // bytes; the least that the stores have in common
)

// Policy is what an activity module may do. The zero value allows nothing.
type Policy struct {
	// Buckets are the buckets that the guest may use, by their names in the
	// configuration. To name one lets the guest read all of it, as far as its [Access]
	// does not say less. Default: none.
	Buckets map[string]Access `yaml:"buckets" json:"buckets,omitempty"`
}

// Access is what an activity module may do in a bucket. The zero value is to read
// everything.
type Access struct {
	// Prefixes are what keys have to begin with. They are compared as text: out/ is all
	// that is below out, while out is also outer/x. A list must ask for a prefix that
	// begins with one of these, so that a bucket with prefixes cannot be listed as a
	// whole. Set it where modules share a bucket. Default: every key.
	Prefixes []string `yaml:"prefixes" json:"prefixes,omitempty"`
	// Write lets the guest create, replace and delete objects. Default: false, it can
	// only read.
	Write bool `yaml:"write" json:"write,omitempty"`
	// MaxObjectBytes is the largest object that may be written, and the most that one get
	// or open may read. Lower it for modules that have little to store; raise it for
	// those that stream much. A get has 64 MiB at most, whatever is here, because the
	// worker holds it in memory. Default 64 MiB.
	MaxObjectBytes passthrough.Size `yaml:"max_object_bytes" json:"max_object_bytes,omitempty"`
	// MaxBucketBytes is how many bytes may be in the bucket, whoever put them there, for
	// the guest to write more; unfinished objects count. For directories alone: stores
	// have quotas of their own. What others write is noticed within the hour, or when
	// there seems to be no room. Lower it to what the disk can spare. Default 10 GiB.
	MaxBucketBytes passthrough.Size `yaml:"max_bucket_bytes" json:"max_bucket_bytes,omitempty"`
	// MaxBucketObjects is the same for the number of objects and of directories that they
	// are in. Default 1,000,000.
	MaxBucketObjects int64 `yaml:"max_bucket_objects" json:"max_bucket_objects,omitempty"`
	// Timeout is the most time for one operation; of a reader or writer, for each read,
	// write and commit. Raise it for stores that are slow or far away. Default 30 s.
	Timeout passthrough.Duration `yaml:"timeout" json:"timeout,omitempty"`
}

// Validate checks the policy. The error joins all that is wrong.
func (p *Policy) Validate() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(p.Buckets)) {
		access := p.Buckets[name]
		complain := func(err error, path ...any) {
			errs = append(errs, passthrough.At(err, append([]any{"buckets", name}, path...)...))
		}
		for i, prefix := range access.Prefixes {
			err := checkPrefix(prefix)
			if prefix == "" {
				err = errors.New("an empty prefix is every key; leave prefixes out for that")
			}
			complain(err, "prefixes", i)
		}
		if access.MaxObjectBytes < 0 {
			complain(fmt.Errorf("%d is negative", access.MaxObjectBytes), "max_object_bytes")
		}
		if access.MaxBucketBytes < 0 {
			complain(fmt.Errorf("%d is negative", access.MaxBucketBytes), "max_bucket_bytes")
		}
		if access.MaxBucketObjects < 0 {
			complain(fmt.Errorf("%d is negative", access.MaxBucketObjects), "max_bucket_objects")
		}
		if access.Timeout < 0 {
			complain(fmt.Errorf("%s is negative", time.Duration(access.Timeout)), "timeout")
		}
	}
	return errors.Join(errs...)
}

// writing tells which functions take a key, and which of them change something.
var writing = map[string]bool{
	"get": false, "open": false, "stat": false, "list": false,
	"put": true, "create": true, "delete": true,
}

// verdict is what the policy makes of a function and a key, or of a list and its prefix.
func (p *Policy) verdict(function, bucket, key string) passthrough.Verdict {
	access, ok := p.Buckets[bucket]
	if !ok {
		return passthrough.Verdict{Reason: fmt.Sprintf("the blob policy does not name the bucket; it would allow it with %s below buckets", shorten(bucket))}
	}
	path := []any{"buckets", bucket}
	if writing[function] && !access.Write {
		return passthrough.Verdict{Reason: "the bucket is read-only here; the blob policy would allow it with write: true", Path: path}
	}
	if len(access.Prefixes) == 0 {
		return passthrough.Verdict{Allowed: true, Reason: "the policy names the bucket, without prefixes", Path: path}
	}
	i := slices.IndexFunc(access.Prefixes, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
	if i >= 0 {
		return passthrough.Verdict{Allowed: true, Reason: "a prefix allows it", Path: append(path, "prefixes", i)}
	}
	what := "the key"
	if function == "list" {
		what = "the prefix"
	}
	return passthrough.Verdict{Reason: fmt.Sprintf("%s begins with none of the prefixes of the blob policy: %s", what, strings.Join(access.Prefixes, ", ")), Path: append(path, "prefixes")}
}

// Explain implements [passthrough.Explainer]. The words are a function, such as get, put,
// delete or list, and a bucket with a key or prefix: exports/out/x.
func (p *Policy) Explain(words []string) (passthrough.Verdict, error) {
	if len(words) != 2 {
		return passthrough.Verdict{}, errors.New("name a function, and a bucket with a key, such as get exports/out/x")
	}
	function := words[0]
	if _, ok := writing[function]; !ok {
		return passthrough.Verdict{}, fmt.Errorf("%q is none of the functions %s", function, strings.Join(slices.Sorted(maps.Keys(writing)), ", "))
	}
	bucket, key, _ := strings.Cut(words[1], "/")
	if err := checkTarget(function, key); err != nil {
		return passthrough.Verdict{}, err
	}
	return p.verdict(function, bucket, key), nil
}

func (a Access) maxObject() int64 { return int64(cmp.Or(a.MaxObjectBytes, DefaultMaxObjectBytes)) }

func (a Access) quota() quota {
	return quota{int64(cmp.Or(a.MaxBucketBytes, DefaultMaxBucketBytes)), cmp.Or(a.MaxBucketObjects, DefaultMaxBucketObjects)}
}

func (a Access) timeout() time.Duration {
	return time.Duration(cmp.Or(a.Timeout, passthrough.Duration(DefaultTimeout)))
}

// checkTarget checks what a function gets: a key, or a list's prefix.
func checkTarget(function, key string) error {
	if function == "list" {
		return checkPrefix(key)
	}
	return checkKey(key)
}

// checkKey checks a key. Stores differ in what they make of unusual ones, so that a
// prefix that was compared would not be the place where the object is.
func checkKey(key string) error {
	switch i := strings.LastIndexByte(key, '/'); {
	case key == "":
		return errors.New("the key is empty")
	case i == len(key)-1, key[i+1:] == ".", key[i+1:] == "..":
		return fmt.Errorf("the key %s ends with an empty, . or .. segment", shorten(key))
	}
	return checkPrefix(key)
}

// checkPrefix checks what a valid key could begin with.
func checkPrefix(prefix string) error {
	if len(prefix) > maxKey {
		return fmt.Errorf("a key has %d bytes at most, and this one has %d", maxKey, len(prefix))
	}
	if !utf8.ValidString(prefix) || strings.ContainsFunc(prefix, unicode.IsControl) {
		return fmt.Errorf("the key %s has control characters, or is not UTF-8", shorten(prefix))
	}
	segments := strings.Split(prefix, "/")
	for _, segment := range segments[:len(segments)-1] { // the last one can go on
		if segment == "" || segment == "." || segment == ".." {
			return fmt.Errorf("the key %s begins with a slash, or has an empty, . or .. segment", shorten(prefix))
		}
	}
	return nil
}

// shorten keeps what a guest wrote from filling an error or a log.
func shorten(text string) string {
	const most = 200
	if len(text) > most {
		text = text[:most] + "…"
	}
	quoted := fmt.Sprintf("%q", strings.ToValidUTF8(text, "\uFFFD"))
	return quoted[1 : len(quoted)-1]
}
