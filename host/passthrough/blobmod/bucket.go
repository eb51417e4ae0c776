package blobmod

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"

	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/secretmod"
)

// Bucket is where objects are kept.
type Bucket struct {
	// URL says where: file:///srv/exports is a directory of this machine, s3://name,
	// gs://name and azblob://name are buckets of cloud providers, each with the
	// parameters that its package lists, and mem:// keeps objects in the worker's memory
	// until it stops, for tests. It must not hold credentials. Required.
	//
	// Of a directory, the regular files are the objects, and links are not followed.
	// What a file cannot say itself, content type and metadata, is beside it in a file
	// that ends with .attrs; unfinished ones end with .wasmworker-tmp. Those that a
	// killed worker left behind are removed when the next one first writes, or within
	// the hour by one that does; where the system has no locks for files, after a day.
	// Directories that deletions leave empty are removed. The directory itself must be
	// there when the worker starts.
	URL string `yaml:"url" json:"url"`
	// Credentials are names of secrets, by what they are to the driver: {access_key_id:
	// s3-key, secret_access_key: s3-secret} for s3. They are read whenever they are used,
	// so that they can be changed without a restart. Set them where the worker's own
	// identity should not be the bucket's. Default: what the cloud provider's SDK finds
	// in the worker's environment.
	Credentials map[string]string `yaml:"credentials" json:"credentials,omitempty"`
}

// Driver opens the buckets of one URL scheme.
type Driver struct {
	// Parameters are those that a URL may have.
	Parameters []string
	// Credentials are the names that [Bucket.Credentials] has: either all of them or
	// none.
	Credentials []string
	// Check, if there is one, finds more mistakes in a URL. It must not connect to
	// anything. Its error must not hold the whole URL.
	Check func(u *url.URL) error
	// Open opens a bucket. ctx ends with the module. credential reads a secret by its
	// name in Credentials; it is nil if the bucket has none.
	Open func(ctx context.Context, u *url.URL, credential func(name string) (string, error)) (*Opened, error)
}

// Opened is a bucket that is in use.
type Opened struct {
	Bucket *blob.Bucket
	// BeforeWrite, if there is one, goes into the options of each writer.
	BeforeWrite func(as func(any) bool) error
	// Close, if there is one, closes what the bucket itself leaves open. It is called
	// after the bucket was closed.
	Close func()
}

var drivers = struct {
	sync.Mutex
	byScheme map[string]Driver
}{byScheme: map[string]Driver{
	"file": {Check: checkDirectory, Open: openDirectory},
	"mem": {
		Check: func(u *url.URL) error {
			if u.Host != "" || u.Path != "" {
				return errors.New("it has nothing after mem://, since each such bucket is another one")
			}
			return nil
		},
		Open: func(context.Context, *url.URL, func(string) (string, error)) (*Opened, error) {
			return &Opened{Bucket: memblob.OpenBucket(nil)}, nil
		},
	},
}}

// missing says of schemes that have no driver in a program how they get one.
var missing = map[string]string{
	"s3":     "its source has to import github.com/wasmworker/wasmworker/contrib/s3",
	"gs":     "its source has to import github.com/wasmworker/wasmworker/contrib/gcs",
	"azblob": "its source has to import github.com/wasmworker/wasmworker/contrib/azure",
}

// Register makes a driver known. Packages call it from init, so that a blank import is
// enough to have them. It panics if there is one for the scheme already.
func Register(scheme string, d Driver) {
	drivers.Lock()
	defer drivers.Unlock()
	if _, ok := drivers.byScheme[scheme]; ok {
		panic("blob: there are two drivers for " + scheme)
	}
	drivers.byScheme[scheme] = d
}

// Omit says how to get a driver that the program was built without. The error for a URL
// with that scheme has the remedy behind a colon, instead of the package to import.
// Programs call it from init.
func Omit(scheme, remedy string) {
	drivers.Lock()
	defer drivers.Unlock()
	missing[scheme] = remedy
}

var validName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,100}$`)

// bucket is a [Bucket] that was checked. It is opened when it is used first, and shared
// by all activity modules.
type bucket struct {
	url        *url.URL
	driver     Driver
	credential func(string) (string, error)

	mu      sync.Mutex
	opening *opening
}

// opening is an attempt to open a bucket.
type opening struct {
	done     chan struct{}
	opened   *Opened
	err      error
	panicked any
}

// newBucket checks a bucket. The error joins all that is wrong.
func newBucket(name string, b Bucket, secrets *secretmod.Store) (*bucket, error) {
	var errs []error
	complain := func(err error, path ...any) { errs = append(errs, passthrough.At(err, path...)) }
	if !validName.MatchString(name) {
		complain(errors.New("a bucket's name is letters, digits, dashes, dots and underscores, 100 at most"), name)
	}
	u, err := url.Parse(b.URL)
	// the error would show it, and what is secret in it
	if err != nil || u.Scheme == "" || u.Opaque != "" || u.Fragment != "" || !strings.HasPrefix(b.URL, u.Scheme+"://") {
		complain(errors.New("it is not a URL such as file:///srv/exports or s3://name?region=eu-central-1"), name, "url")
		return nil, errors.Join(errs...)
	}
	drivers.Lock()
	driver, ok := drivers.byScheme[u.Scheme]
	known, remedy := slices.Sorted(maps.Keys(drivers.byScheme)), missing[u.Scheme]
	drivers.Unlock()
	switch {
	case !ok && remedy != "":
		complain(fmt.Errorf("this program was built without %s: %s", u.Scheme, remedy), name, "url")
		return nil, errors.Join(errs...)
	case !ok:
		complain(fmt.Errorf("there is no driver for %s; there are: %s", shorten(u.Scheme), strings.Join(known, ", ")), name, "url")
		return nil, errors.Join(errs...)
	case u.User != nil:
		complain(errors.New("it has credentials; name secrets in credentials instead"), name, "url")
	}
	usable := u.User == nil
	for _, parameter := range slices.Sorted(maps.Keys(u.Query())) {
		if !slices.Contains(driver.Parameters, parameter) {
			known := "it takes none"
			if len(driver.Parameters) > 0 {
				known = "it takes " + strings.Join(driver.Parameters, ", ")
			}
			complain(fmt.Errorf("%s has no parameter %s; %s", u.Scheme, shorten(parameter), known), name, "url")
			usable = false
		}
	}
	if usable && driver.Check != nil {
		complain(driver.Check(u), name, "url")
	}
	checked := &bucket{url: u, driver: driver}
	if len(b.Credentials) > 0 {
		for _, what := range slices.Sorted(maps.Keys(b.Credentials)) {
			if !slices.Contains(driver.Credentials, what) {
				known := "it takes none from here, but from the worker's environment"
				if len(driver.Credentials) > 0 {
					known = "it takes " + strings.Join(driver.Credentials, " and ")
				}
				complain(fmt.Errorf("%s has no credential of that name; %s", u.Scheme, known), name, "credentials", what)
				continue
			}
			complain(secrets.Check(b.Credentials[what]), name, "credentials", what)
		}
		for _, what := range driver.Credentials {
			if b.Credentials[what] == "" {
				complain(fmt.Errorf("%s is missing", what), name, "credentials")
			}
		}
		credentials := maps.Clone(b.Credentials)
		checked.credential = func(what string) (string, error) {
			value, err := secrets.Value(credentials[what])
			if err != nil { // its text is the operator's
				return "", reason("a secret of the bucket's credentials cannot be read")
			}
			return value, nil
		}
	}
	return checked, errors.Join(errs...)
}

// open returns the bucket, and opens it before if nobody did. An attempt goes on without
// its caller: drivers keep the context that they are opened with, and so it must not be a
// call's.
func (b *bucket) open(ctx context.Context, m *module) (*Opened, error) {
	b.mu.Lock()
	o := b.opening
	if o == nil {
		o = &opening{done: make(chan struct{})}
		b.opening = o
		m.background.Go(func() {
			defer close(o.done)
			defer func() {
				if o.panicked = recover(); o.opened == nil {
					b.mu.Lock()
					b.opening = nil // for the next call to try again
					b.mu.Unlock()
				}
			}()
			o.opened, o.err = b.driver.Open(m.ctx, b.url, b.credential)
		})
	}
	b.mu.Unlock()
	select {
	case <-o.done:
		if o.panicked != nil {
			panic(o.panicked) // where the host knows what to do with it
		}
		return o.opened, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// close closes the bucket, if it was opened. Nothing uses it any more.
func (b *bucket) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opening == nil {
		return nil
	}
	opened := b.opening.opened
	b.opening = nil
	err := opened.Bucket.Close()
	if opened.Close != nil {
		opened.Close()
	}
	return err
}
