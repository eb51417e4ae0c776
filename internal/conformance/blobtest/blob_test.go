package blobmod_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gocloud.dev/blob/memblob"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/blobmod"
)

func at(key string) object { return object{"bucket": "things", "key": key} }

// with adds names to a head.
func with(head object, more object) object {
	head = maps.Clone(head)
	maps.Copy(head, more)
	return head
}

// What goes in comes out, by each way in and out.
func TestObjects(t *testing.T) {
	stores(t, func(t *testing.T, s store) {
		a := begin(t, newModule(t, s.Options), everything("things"))
		a.want(abi.ENOENT, "get", at("a/b.txt"), "")
		a.want(abi.ENOENT, "open", at("a/b.txt"), "")
		a.want(abi.ENOENT, "stat", at("a/b.txt"), "")
		a.want(abi.ENOENT, "delete", at("a/b.txt"), "")

		const text = "0123456789"
		a.ok("put", with(at("a/b.txt"), object{"content_type": "text/plain", "metadata": object{"Origin": "tests & so on", "ü": "ö"}}), text)
		stat, _ := a.ok("stat", at("a/b.txt"), "")
		modified, err := time.Parse(time.RFC3339Nano, fmt.Sprint(stat["modified"]))
		if err != nil || time.Since(modified).Abs() > time.Hour || stat["etag"] == "" {
			t.Errorf("stat: %v, %v", stat, err)
		}
		if stat["size"] != 10.0 || stat["content_type"] != "text/plain" || !reflect.DeepEqual(stat["metadata"], object{"origin": "tests & so on", "ü": "ö"}) {
			t.Errorf("stat: %v", stat)
		}
		got, body := a.ok("get", at("a/b.txt"), "")
		if body != text {
			t.Errorf("get: %q", body)
		}
		// which some stores write with more digits in one place than in another
		delete(got, "modified")
		delete(stat, "modified")
		if !reflect.DeepEqual(got, stat) {
			t.Errorf("get: %v, and stat: %v", got, stat)
		}

		for _, part := range []struct {
			head object
			want string
		}{
			{object{"offset": 3}, "3456789"},
			{object{"length": 3}, "012"},
			{object{"offset": 3, "length": 4}, "3456"},
			{object{"offset": 3, "length": 0}, ""},
			{object{"offset": 8, "length": 100}, "89"},
			{object{"offset": 8, "length": math.MaxInt64}, "89"},
			{object{"offset": 10}, ""},
			{object{"offset": 11}, ""},
			{object{"offset": 1 << 40, "length": 1 << 40}, ""},
		} {
			if got, body := a.ok("get", with(at("a/b.txt"), part.head), ""); body != part.want || got["size"] != 10.0 {
				t.Errorf("get %v: %q, %v", part.head, body, got)
			}
			got, _ := a.ok("open", with(at("a/b.txt"), part.head), "")
			if end, body := a.ok("read", object{"reader": got["reader"]}, ""); body != part.want || end["end"] != true || got["size"] != 10.0 {
				t.Errorf("open %v: %q, %v, %v", part.head, body, got, end)
			}
			a.ok("close", object{"reader": got["reader"]}, "")
		}

		// A put replaces all that was there.
		a.ok("put", at("a/b.txt"), "")
		if got, body := a.ok("get", at("a/b.txt"), ""); body != "" || got["size"] != 0.0 || got["content_type"] != "application/octet-stream" || got["metadata"] != nil {
			t.Errorf("after it was replaced: %q, %v", body, got)
		}
		a.ok("delete", at("a/b.txt"), "")
		a.want(abi.ENOENT, "get", at("a/b.txt"), "")
	})
}

func TestReader(t *testing.T) {
	stores(t, func(t *testing.T, s store) {
		a := begin(t, newModule(t, s.Options), everything("things"))
		text := strings.Repeat("0123456789", 250_000)
		a.ok("put", at("x"), text)
		opened, _ := a.ok("open", at("x"), "")
		r := opened["reader"]
		var got strings.Builder
		for i := 0; ; i++ {
			head, body := a.ok("read", object{"reader": r, "max": 600_000}, "")
			got.WriteString(body)
			if want := i == 4; (head["end"] == true) != want || !want && len(body) != 600_000 {
				t.Fatalf("read %d: %d bytes, %v", i, len(body), head)
			}
			if head["end"] == true {
				break
			}
		}
		if got.String() != text {
			t.Errorf("%d bytes were read, or others", got.Len())
		}
		if head, body := a.ok("read", object{"reader": r}, ""); head["end"] != true || body != "" {
			t.Errorf("after the end: %q, %v", body, head)
		}
		opened2, _ := a.ok("open", at("x"), "")
		if _, body := a.ok("read", object{"reader": opened2["reader"]}, ""); len(body) != 1<<20 {
			t.Errorf("without max: %d bytes", len(body))
		}
		// The object that was opened is the one that is read.
		opened3, _ := a.ok("open", at("x"), "")
		a.ok("put", at("x"), "another")
		if _, body := a.ok("read", object{"reader": opened3["reader"], "max": 10}, ""); body != "0123456789" {
			t.Errorf("after it was replaced: %q", body)
		}
		a.ok("close", object{"reader": r}, "")
		a.want(abi.EBADF, "read", object{"reader": r}, "")
		a.want(abi.EBADF, "close", object{"reader": r}, "")
	})
}

func TestWriter(t *testing.T) {
	stores(t, func(t *testing.T, s store) {
		a := begin(t, newModule(t, s.Options), everything("things"))
		// with S3: none, one, one, two and three parts
		for _, size := range []int{0, 1, 1000, 9 << 20, 20 << 20} {
			created, _ := a.ok("create", with(at("deep/down/x"), object{"content_type": "text/csv", "metadata": object{"a": "b"}}), "")
			w := created["writer"]
			text := strings.Repeat("x", size)
			for rest := text; rest != ""; {
				n := min(len(rest), 1<<20+1)
				a.ok("write", object{"writer": w}, rest[:n])
				rest = rest[n:]
			}
			a.ok("write", object{"writer": w}, "")
			before, _ := a.ok("list", object{"bucket": "things"}, "")
			if size == 0 && len(keys(before)) != 0 {
				t.Errorf("before the commit there is %v", keys(before))
			}
			a.ok("commit", object{"writer": w}, "")
			a.want(abi.EBADF, "write", object{"writer": w}, "")
			a.want(abi.EBADF, "commit", object{"writer": w}, "")
			a.want(abi.EBADF, "close", object{"writer": w}, "")
			got, body := a.ok("get", at("deep/down/x"), "")
			if body != text || got["content_type"] != "text/csv" || !reflect.DeepEqual(got["metadata"], object{"a": "b"}) {
				t.Errorf("%d bytes: got %d bytes, %v", size, len(body), got)
			}
		}
	})
}

// What was there stays until a commit, and nothing is left of a writer that does not come
// to it.
func TestGivenUp(t *testing.T) {
	stores(t, func(t *testing.T, s store) {
		module := newModule(t, s.Options)
		a := begin(t, module, everything("things"))
		a.ok("put", at("old"), "old")
		for name, give := range map[string]func(a *activity, w any){
			"closed":      func(a *activity, w any) { a.ok("close", object{"writer": w}, "") },
			"ended":       func(a *activity, _ any) { a.end() },
			"interrupted": func(a *activity, _ any) { a.interrupt(); a.end() },
		} {
			for _, size := range []int{0, 10, 9 << 20} {
				b := begin(t, module, everything("things"))
				for _, key := range []string{"old", "new/new"} {
					created, _ := b.ok("create", at(key), "")
					b.ok("write", object{"writer": created["writer"]}, strings.Repeat("x", size))
					if size > 1<<20 {
						b.ok("write", object{"writer": created["writer"]}, "more")
					}
					give(b, created["writer"])
					if name != "closed" {
						break
					}
				}
			}
		}
		clean(t, s, module)
		if _, body := a.ok("get", at("old"), ""); body != "old" {
			t.Errorf("what was there before is %.100q", body)
		}
		if list, _ := a.ok("list", object{"bucket": "things"}, ""); !slices.Equal(keys(list), []string{"old"}) {
			t.Errorf("there is %v", keys(list))
		}
	})
}

func TestIfNoneMatch(t *testing.T) {
	stores(t, func(t *testing.T, s store) {
		module := newModule(t, s.Options)
		a := begin(t, module, everything("things"))
		once := object{"if_none_match": true}
		a.ok("put", with(at("x"), once), "first")
		a.want(abi.EEXIST, "put", with(at("x"), once), "second", "put things/x")
		a.want(abi.EEXIST, "put", with(at("x"), with(once, object{"metadata": object{"a": "b"}})), strings.Repeat("second", 2<<20))
		created, _ := a.ok("create", with(at("x"), once), "")
		a.ok("write", object{"writer": created["writer"]}, "third")
		a.want(abi.EEXIST, "commit", object{"writer": created["writer"]}, "")
		a.want(abi.EBADF, "close", object{"writer": created["writer"]}, "")
		if got, body := a.ok("get", at("x"), ""); body != "first" || got["metadata"] != nil {
			t.Errorf("there is %q, %v", body, got)
		}
		clean(t, s, module)

		// One of many wins.
		var wins sync.Map
		var wg sync.WaitGroup
		for i := range 8 {
			b := begin(t, module, everything("things"))
			wg.Go(func() {
				if _, _, err := b.call("put", with(at("race"), once), fmt.Sprint(i)); err == nil {
					wins.Store(fmt.Sprint(i), true)
				} else {
					b.check(err, abi.EEXIST, "put")
				}
			})
		}
		wg.Wait()
		_, body := a.ok("get", at("race"), "")
		wins.Delete(body)
		wins.Range(func(key, _ any) bool { t.Errorf("%v and %v have both won", key, body); return true })
	})
}

func TestList(t *testing.T) {
	stores(t, func(t *testing.T, s store) {
		a := begin(t, newModule(t, s.Options), everything("things"))
		all := []string{"a", "a-b", "a/1", "a/2/x", "a/2/y", "a/3", "a0", "b/c/d/e", "b/c/d/f", "first page", "ü/ö"}
		all = slices.DeleteFunc(all, func(key string) bool {
			// A file and a directory of one name exclude each other, and gocloud's
			// package takes that other key for its first page where pages are keys.
			return key == "a" && (s.directory != "" || s.s3 != nil) || key == "first page" && s.directory == ""
		})
		for _, key := range slices.Backward(all) {
			a.ok("put", at(key), "x")
		}
		list := func(head object) (found []string) {
			t.Helper()
			for range 100 {
				response, _ := a.ok("list", with(head, object{"bucket": "things"}), "")
				if head["max"] != nil && len(keys(response)) > head["max"].(int) {
					t.Errorf("list %v has %v", head, keys(response))
				}
				found = append(found, keys(response)...)
				next := response["next"]
				if next == nil {
					return found
				}
				head = with(head, object{"page": next})
			}
			t.Fatalf("list %v has no end", head)
			return nil
		}
		collapsed := []string{"a", "a-b", "a/*", "a0", "b/*", "first page", "ü/*"}
		collapsed = slices.DeleteFunc(collapsed, func(key string) bool { return !strings.HasSuffix(key, "*") && !slices.Contains(all, key) })
		for _, test := range []struct {
			head object
			want []string
		}{
			{object{}, all},
			{object{"delimiter": "/"}, collapsed},
			{object{"prefix": "a/"}, []string{"a/1", "a/2/x", "a/2/y", "a/3"}},
			{object{"prefix": "a/", "delimiter": "/"}, []string{"a/1", "a/2/*", "a/3"}},
			{object{"prefix": "a/2"}, []string{"a/2/x", "a/2/y"}},
			{object{"prefix": "a/2", "delimiter": "/"}, []string{"a/2/*"}},
			{object{"prefix": "b/c/d/e"}, []string{"b/c/d/e"}},
			{object{"prefix": "a/1/"}, nil},
			{object{"prefix": "nothing/here"}, nil},
			{object{"prefix": "ü"}, []string{"ü/ö"}},
		} {
			for _, max := range []int{0, 1, 2, 3, 1000, 5000} {
				head := test.head
				if max != 0 {
					head = with(head, object{"max": max})
				}
				if got := list(head); !slices.Equal(got, test.want) {
					t.Errorf("list %v: %q, want %q", head, got, test.want)
				}
			}
		}
		a.want(abi.EINVAL, "list", object{"bucket": "things", "page": "not base64"}, "")
		a.want(abi.EINVAL, "list", object{"bucket": "things", "max": -1}, "")
		a.want(abi.EINVAL, "list", object{"bucket": "things", "delimiter": strings.Repeat("/", 2000)}, "")
		// A page of one list does not show what another one may not.
		first, _ := a.ok("list", object{"bucket": "things", "max": 1}, "")
		b := begin(t, a.module, &blobmod.Policy{Buckets: map[string]blobmod.Access{"things": {Prefixes: []string{"b/"}}}})
		if got, _, err := b.call("list", object{"bucket": "things", "prefix": "b/", "page": first["next"]}, ""); err == nil {
			for _, key := range keys(got) {
				if !strings.HasPrefix(key, "b/") {
					t.Errorf("another list's page shows %s", key)
				}
			}
		}
	})
}

func TestPolicyClauses(t *testing.T) {
	stores(t, func(t *testing.T, s store) {
		s.Buckets["others"] = blobmod.Bucket{URL: "mem://"}
		module := newModule(t, s.Options)
		a := begin(t, module, everything("things"))
		for _, key := range []string{"out/x", "outer", "in/x"} {
			a.ok("put", at(key), "1234567890")
		}
		reads := func(a *activity, head object, errno abi.Errno, texts ...string) {
			t.Helper()
			for _, function := range []string{"get", "open", "stat"} {
				a.want(errno, function, head, "", texts...)
			}
		}
		writes := func(a *activity, head object, errno abi.Errno, texts ...string) {
			t.Helper()
			for _, function := range []string{"put", "create", "delete"} {
				a.want(errno, function, head, "", texts...)
			}
		}

		// Nothing by default, and a bucket that does not exist is not told from one that
		// does.
		none := begin(t, module, &blobmod.Policy{})
		for _, bucket := range []string{"things", "others", "nowhere", "", "../things"} {
			reads(none, object{"bucket": bucket, "key": "out/x"}, abi.EACCES, "does not name the bucket")
			writes(none, object{"bucket": bucket, "key": "out/x"}, abi.EACCES)
			none.want(abi.EACCES, "list", object{"bucket": bucket}, "")
			reads(a, object{"bucket": strings.Replace(bucket, "things", "Things", 1), "key": "out/x"}, abi.EACCES)
		}

		// A bucket that is named can be read.
		reader := begin(t, module, &blobmod.Policy{Buckets: map[string]blobmod.Access{"things": {}}})
		reader.ok("get", at("in/x"), "")
		reader.ok("list", object{"bucket": "things"}, "")
		writes(reader, at("in/x"), abi.EACCES, "write: true")
		a.ok("stat", at("in/x"), "")

		// Prefixes hold for all that has a key.
		prefixed := begin(t, module, &blobmod.Policy{Buckets: map[string]blobmod.Access{"things": {Prefixes: []string{"tmp/", "out/"}, Write: true}}})
		prefixed.ok("get", at("out/x"), "")
		prefixed.ok("put", at("tmp/x"), "x")
		prefixed.ok("delete", at("tmp/x"), "")
		for _, key := range []string{"outer", "in/x", "out", "x/out/x", "OUT/x"} {
			reads(prefixed, at(key), abi.EACCES, "tmp/, out/")
			writes(prefixed, at(key), abi.EACCES)
		}
		for _, prefix := range []string{"", "o", "out", "in/", "outer"} {
			prefixed.want(abi.EACCES, "list", object{"bucket": "things", "prefix": prefix}, "", "the prefix begins with none")
		}
		if got, _ := prefixed.ok("list", object{"bucket": "things", "prefix": "out/"}, ""); !slices.Equal(keys(got), []string{"out/x"}) {
			t.Errorf("list: %v", got)
		}

		// Sizes.
		small := begin(t, module, &blobmod.Policy{Buckets: map[string]blobmod.Access{"things": {Write: true, MaxObjectBytes: 9}}})
		small.want(abi.EMSGSIZE, "get", at("in/x"), "", "max_object_bytes", "9")
		small.want(abi.EMSGSIZE, "open", at("in/x"), "")
		small.ok("get", with(at("in/x"), object{"length": 9}), "")
		small.ok("open", with(at("in/x"), object{"offset": 1}), "")
		small.ok("stat", at("in/x"), "")
		small.want(abi.EMSGSIZE, "put", at("in/x"), "1234567890", "max_object_bytes")
		small.ok("put", at("in/y"), "123456789")
		created, _ := small.ok("create", at("in/x"), "")
		small.ok("write", object{"writer": created["writer"]}, "12345")
		small.want(abi.EMSGSIZE, "write", object{"writer": created["writer"]}, "12345")
		small.want(abi.EMSGSIZE, "write", object{"writer": created["writer"]}, "1")
		small.want(abi.EMSGSIZE, "commit", object{"writer": created["writer"]}, "")
		small.want(abi.EBADF, "close", object{"writer": created["writer"]}, "")
		clean(t, s, module)
		if got, _ := a.ok("list", object{"bucket": "things", "prefix": "in/"}, ""); !slices.Equal(keys(got), []string{"in/x", "in/y"}) {
			t.Errorf("list: %v", got)
		}
		if _, body := a.ok("get", at("in/x"), ""); body != "1234567890" {
			t.Errorf("what was there is %q", body)
		}
	})
}

// One get is held in memory, whatever the policy says.
func TestGetIsBounded(t *testing.T) {
	s := directory(t)
	a := begin(t, newModule(t, s.Options), &blobmod.Policy{Buckets: map[string]blobmod.Access{"things": {MaxObjectBytes: 1 << 40}}})
	sparse(t, s, "x", 64<<20+1)
	a.want(abi.EMSGSIZE, "get", at("x"), "", "one get")
	a.ok("open", at("x"), "")
	if _, body := a.ok("get", with(at("x"), object{"offset": 1}), ""); len(body) != 64<<20 {
		t.Errorf("%d bytes", len(body))
	}
	opened, _ := a.ok("open", at("x"), "")
	if head, body := a.ok("read", object{"reader": opened["reader"], "max": 1 << 40}, ""); len(body) != abi.MaxRequestSize || head["end"] != nil {
		t.Errorf("a read has %d bytes", len(body))
	}
}

func TestKeys(t *testing.T) {
	stores(t, func(t *testing.T, s store) {
		a := begin(t, newModule(t, s.Options), everything("things"))
		long := strings.Repeat("a", 200)
		for _, key := range []string{
			"", "/", "/a", "a/", "a//b", ".", "..", "./a", "../a", "a/..", "a/../b", "a/./b", "a/.", "//", "a\x00b", "a\nb", "a\x7fb", "a\u0085b", "\x00",
			strings.Repeat("a", 1025), "/etc/passwd", "../../../../etc/passwd",
		} {
			for _, function := range []string{"get", "open", "stat", "put", "create", "delete"} {
				a.want(abi.EINVAL, function, at(key), "")
			}
		}
		for _, key := range []string{"a", "...", "..a", "a../b", "a/..b/c", "ä/€", "a b", "a+b&c?d#e%2f", "__0x2f__", "%2e%2e/x", "-", "~", "*", `"`, "a.txt", strings.Join([]string{long, long, long, long, long}, "/")} {
			a.ok("put", at(key), key)
			if _, body := a.ok("get", at(key), ""); body != key {
				t.Errorf("%q has %q", key, body)
			}
			a.ok("delete", at(key), "")
		}
		for _, prefix := range []string{"/", "//", "../", "a/../", "./", "a//", "a\x00", strings.Repeat("a", 1025)} {
			a.want(abi.EINVAL, "list", object{"bucket": "things", "prefix": prefix}, "")
		}
	})
}

func TestBadRequests(t *testing.T) {
	a := begin(t, newModule(t, directory(t).Options), everything("things"))
	for function := range a.module.Functions {
		for _, frame := range []string{"", "abc", "\xff\xff\xff\xff{}", "\x02\x00\x00\x00[]", "\x02\x00\x00\x00{"} {
			_, _, err := a.frame(function, []byte(frame))
			a.check(err, abi.EINVAL, fmt.Sprintf("%s %q", function, frame))
		}
		a.want(abi.EMSGSIZE, function, object{"x": strings.Repeat("x", passthrough.MaxHead)}, "")
	}
	for _, head := range []object{{"offset": -1}, {"length": -1}, {"offset": "x"}, {"offset": 1.5}} {
		a.want(abi.EINVAL, "get", with(at("x"), head), "")
		a.want(abi.EINVAL, "open", with(at("x"), head), "")
	}
	for _, head := range []object{
		{"content_type": "text"}, {"content_type": "text/plain; x=\"a\r\nb\""}, {"content_type": "text/plain\nX: y"}, {"content_type": "text/" + strings.Repeat("x", 300)},
		{"metadata": object{"": "x"}}, {"metadata": object{"a": "x", "A": "y"}}, {"metadata": object{"a": strings.Repeat("x", 2048)}}, {"metadata": object{"a": 1}},
	} {
		a.want(abi.EINVAL, "put", with(at("x"), head), "")
		a.want(abi.EINVAL, "create", with(at("x"), head), "")
	}
	a.ok("put", at("x"), "x")
	opened, _ := a.ok("open", at("x"), "")
	created, _ := a.ok("create", at("x"), "")
	r, w := opened["reader"], created["writer"]
	a.want(abi.EINVAL, "read", object{"reader": r, "max": -1}, "")
	for _, head := range []object{{}, {"reader": r, "writer": w}} {
		a.want(abi.EINVAL, "close", head, "")
	}
	for _, handle := range []any{0, 77, 1 << 31} {
		a.want(abi.EBADF, "read", object{"reader": handle}, "")
		a.want(abi.EBADF, "write", object{"writer": handle}, "")
		a.want(abi.EBADF, "commit", object{"writer": handle}, "")
	}
	a.want(abi.EINVAL, "read", object{"reader": -1}, "")
	a.want(abi.EBADF, "read", object{"reader": w}, "")
	a.want(abi.EBADF, "commit", object{"writer": r}, "")
	a.want(abi.EBADF, "close", object{"writer": r}, "")
	other := begin(t, a.module, everything("things"))
	other.want(abi.EBADF, "read", object{"reader": r}, "")
	a.ok("read", object{"reader": r}, "")
}

func TestTooManyOpen(t *testing.T) {
	stores(t, func(t *testing.T, s store) {
		module := newModule(t, s.Options)
		a := begin(t, module, everything("things"))
		a.ok("put", at("x"), "x")
		opened := 0
		for range 10_000 {
			_, _, err := a.call("open", at("x"), "")
			if opened++; err != nil {
				a.check(err, abi.EMFILE, "open")
				break
			}
		}
		if opened != abi.MaxHandles+1 {
			t.Errorf("%d readers are open", opened-1)
		}
		b := begin(t, module, everything("things"))
		for i := range 9 {
			_, _, err := b.call("create", at(fmt.Sprint("w", i)), "")
			if (err != nil) != (i == 8) {
				t.Errorf("writer %d: %v", i+1, err)
			}
			if err != nil {
				b.check(err, abi.EMFILE, "create", "8 writers")
				b.want(abi.EMFILE, "put", at("y"), "")
			}
		}
		// Others are not concerned, and all is given back at the end.
		other := begin(t, module, everything("things"))
		other.ok("create", at("w"), "")
		other.end()
		b.end()
		clean(t, s, module)
		a.end()
		c := begin(t, module, everything("things"))
		for i := range 20 {
			created, _ := c.ok("create", at(fmt.Sprint("v", i)), "")
			c.ok("commit", object{"writer": created["writer"]}, "")
		}
	})
}

// An activity that was interrupted cannot do anything more, and what it waits for ends at
// once.
func TestInterrupted(t *testing.T) {
	stores(t, func(t *testing.T, s store) {
		module := newModule(t, s.Options)
		a := begin(t, module, everything("things"))
		a.ok("put", at("x"), strings.Repeat("x", 3<<20))
		opened, _ := a.ok("open", at("x"), "")
		a.ok("read", object{"reader": opened["reader"], "max": 10}, "")
		created, _ := a.ok("create", at("y"), "")
		a.ok("write", object{"writer": created["writer"]}, "half")
		a.interrupt()
		a.want(abi.ECANCELED, "read", object{"reader": opened["reader"]}, "", "aborted")
		a.want(abi.ECANCELED, "write", object{"writer": created["writer"]}, "more")
		a.want(abi.ECANCELED, "commit", object{"writer": created["writer"]}, "")
		for _, function := range []string{"get", "stat", "put", "delete", "open", "create"} {
			a.want(abi.ECANCELED, function, at("x"), "")
		}
		a.want(abi.ECANCELED, "list", object{"bucket": "things"}, "")
		a.end()
		b := begin(t, module, everything("things"))
		if got, _ := b.ok("list", object{"bucket": "things"}, ""); !slices.Equal(keys(got), []string{"x"}) {
			t.Errorf("there is %v", keys(got))
		}
	})
}

// Activities share a bucket.
func TestConcurrently(t *testing.T) {
	stores(t, func(t *testing.T, s store) {
		module := newModule(t, s.Options)
		var wg sync.WaitGroup
		for i := range 8 {
			a := begin(t, module, everything("things"))
			wg.Go(func() {
				for n := range 5 {
					key := fmt.Sprintf("%d/%d", i, n)
					if _, _, err := a.call("put", at(key), key); err != nil {
						t.Error(err)
					}
					if _, body, err := a.call("get", at(key), ""); err != nil || body != key {
						t.Errorf("%q, %v", body, err)
					}
				}
				a.end()
			})
		}
		wg.Wait()
		a := begin(t, module, everything("things"))
		if got, _ := a.ok("list", object{"bucket": "things"}, ""); len(keys(got)) != 40 {
			t.Errorf("there are %d", len(keys(got)))
		}
	})
}

// The host can close a module that was never used, and one without buckets.
func TestUnused(t *testing.T) {
	for _, options := range []blobmod.Options{{}, directory(t).Options} {
		m, err := blobmod.New(options)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

var panics bool

func init() {
	blobmod.Register("test", blobmod.Driver{Open: func(context.Context, *url.URL, func(string) (string, error)) (*blobmod.Opened, error) {
		if panics {
			panic("not-to-be-seen")
		}
		return &blobmod.Opened{Bucket: memblob.OpenBucket(nil), BeforeWrite: func(func(any) bool) error { panic("nor that") }}, nil
	}})
}

// A driver's panic is the host's to handle, where it handles those of functions.
func TestPanic(t *testing.T) {
	a := begin(t, newModule(t, blobmod.Options{Buckets: map[string]blobmod.Bucket{"things": {URL: "test://x"}}}), everything("things"))
	call := func(function string) (panicked any) {
		defer func() { panicked = recover() }()
		_, _, err := a.call(function, at("x"), "")
		a.check(err, abi.ENOENT, function)
		return nil
	}
	panics = true
	if got := call("get"); got != "not-to-be-seen" {
		t.Errorf("the panic is %v", got)
	}
	panics = false
	if got := call("get"); got != nil {
		t.Errorf("the panic is %v", got)
	}
	if got := call("put"); got != "nor that" {
		t.Errorf("the panic is %v", got)
	}
}

// No frame crashes the host, or gets a guest beyond its prefix.
func FuzzRequest(f *testing.F) {
	s := directory(f)
	module := newModule(f, s.Options)
	policy := &blobmod.Policy{Buckets: map[string]blobmod.Access{"things": {Prefixes: []string{"out/"}, Write: true, MaxObjectBytes: 1 << 10}}}
	seed := func(function string, head object, body string) {
		frame, err := passthrough.EncodeFrame(head, []byte(body))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(function, frame)
	}
	writeFile(f, s, "secret", "not-to-be-seen")
	for function := range module.Functions {
		seed(function, at("out/x"), "body")
		seed(function, at("out/../secret"), "body")
		seed(function, object{"bucket": "things", "prefix": "out/", "page": []byte("after:out/"), "delimiter": "/"}, "")
		seed(function, object{"reader": 1, "writer": 2}, "body")
	}
	f.Fuzz(func(t *testing.T, function string, frame []byte) {
		if module.Functions[function] == nil {
			return
		}
		a := begin(t, module, policy)
		head, body, err := a.frame(function, frame)
		if err == nil && strings.Contains(fmt.Sprint(head, body), "secret") || strings.Contains(body, "not-to-be-seen") {
			t.Errorf("%v %q", head, body)
		}
		if readFile(t, s, "secret") != "not-to-be-seen" {
			t.Fatal("the file was changed")
		}
	})
}
