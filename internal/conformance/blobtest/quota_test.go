package blobmod_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/blobmod"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

func limited(bytes passthrough.Size, objects int64) *blobmod.Policy {
	return &blobmod.Policy{Buckets: map[string]blobmod.Access{"things": {Write: true, MaxBucketBytes: bytes, MaxBucketObjects: objects}}}
}

// What is there counts, whoever put it there, to the byte; and what is deleted or
// replaced does not count any more.
func TestQuotaOfBytes(t *testing.T) {
	s := directory(t)
	writeFile(t, s, "theirs/x", strings.Repeat("x", 600))
	a := begin(t, newModule(t, s.Options), limited(1000, 0))
	ten := strings.Repeat("x", 10)
	a.ok("put", at("a"), strings.Repeat("x", 400))
	a.want(abi.EDQUOT, "put", at("b"), "x", "the bucket has 1000 bytes, and max_bucket_bytes of the blob policy is 1000")
	a.ok("put", at("empty"), "")
	a.want(abi.EDQUOT, "put", with(at("b"), object{"content_type": "text/plain"}), "") // what is beside it counts
	a.ok("delete", at("a"), "")
	a.ok("put", at("a"), strings.Repeat("x", 190))
	for range 3 { // for a moment there are both
		a.ok("put", at("a"), strings.Repeat("x", 190))
	}
	a.ok("put", at("a"), ten)
	a.ok("put", at("b"), strings.Repeat("x", 390))
	a.want(abi.EDQUOT, "put", at("a"), ten)
	if _, body := a.ok("get", at("a"), ""); body != ten {
		t.Errorf("who was refused has changed an object: %q", body)
	}
	noTemps(t, s.directory)

	// Room that others make is found before anything is refused.
	if err := os.RemoveAll(filepath.Join(s.directory, "theirs")); err != nil {
		t.Fatal(err)
	}
	testbed.Eventually(t, "there is room", func() error {
		_, _, err := a.call("put", at("c"), strings.Repeat("x", 600))
		return err
	})
	a.want(abi.EDQUOT, "put", at("d"), "x")
	// Another module's grant can be a larger one, of the same bucket.
	begin(t, newModule(t, s.Options), limited(1001, 0)).ok("put", at("d"), "x")
	reader := begin(t, newModule(t, s.Options), limited(1, 1))
	reader.ok("get", at("d"), "")
	reader.ok("list", object{"bucket": "things"}, "")
	reader.ok("delete", at("d"), "")
}

// Objects count, and the directories that they are in.
func TestQuotaOfObjects(t *testing.T) {
	s := directory(t)
	a := begin(t, newModule(t, s.Options), limited(0, 3))
	a.ok("put", at("a/b/x"), "")
	a.want(abi.EDQUOT, "put", at("y"), "", "the bucket has 3 objects and directories, and max_bucket_objects of the blob policy is 3")
	a.ok("put", at("a/b/x"), "in place of the other")
	a.ok("delete", at("a/b/x"), "") // and what it leaves empty
	a.want(abi.EDQUOT, "put", at("a/b/c/x"), "")
	for _, key := range []string{"x", "y", "z"} {
		a.ok("put", at(key), "")
	}
	a.want(abi.EDQUOT, "create", at("a"), "")
	// A writer has its place from its beginning, and gives it back.
	a.ok("delete", at("x"), "")
	created, _ := a.ok("create", at("w"), "")
	a.want(abi.EDQUOT, "put", at("x"), "")
	a.ok("close", object{"writer": created["writer"]}, "")
	a.ok("put", at("x"), "")
}

// Writers at the same time, of several activities, get no more than there is together.
func TestQuotaOfConcurrentWriters(t *testing.T) {
	s := directory(t)
	writeFile(t, s, "theirs", strings.Repeat("x", 100))
	module := newModule(t, s.Options)
	const each, room = 1000, 7
	policy := limited(100+room*each, 0)
	var wg sync.WaitGroup
	var stored atomic.Int64
	for i := range 20 {
		a := begin(t, module, policy)
		wg.Go(func() {
			created, _, err := a.call("create", at(fmt.Sprint("w", i)), "")
			for part := 0; err == nil && part < each; part += 100 {
				_, _, err = a.call("write", object{"writer": created["writer"]}, strings.Repeat("x", 100))
			}
			if err == nil {
				_, _, err = a.call("commit", object{"writer": created["writer"]}, "")
			}
			if err == nil {
				stored.Add(1)
				return
			}
			if !errors.Is(err, abi.EDQUOT) {
				t.Error(err)
			}
			if created["writer"] != nil { // which has what it wrote so far until it is closed
				if _, _, err := a.call("close", object{"writer": created["writer"]}, ""); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var total int64
	for _, name := range files(t, s.directory) {
		info, err := os.Stat(filepath.Join(s.directory, name))
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if n := stored.Load(); n > room || total != 100+n*each {
		t.Errorf("%d objects were stored, and there are %d bytes", n, total)
	}
	// and nothing of what was given up is kept
	a := begin(t, module, policy)
	testbed.Eventually(t, "the rest is free", func() error {
		_, _, err := a.call("put", at("rest"), strings.Repeat("x", int((room-stored.Load())*each)))
		return err
	})
	a.want(abi.EDQUOT, "put", at("more"), "x")
}

func TestQuotaIsForDirectories(t *testing.T) {
	m := newModule(t, blobmod.Options{Buckets: map[string]blobmod.Bucket{"things": {URL: "mem://"}}})
	err := m.CheckPolicy(limited(1, 1))
	if err == nil || !strings.Contains(err.Error(), "buckets.things.max_bucket_bytes: the bucket is not a directory") || !strings.Contains(err.Error(), "max_bucket_objects") {
		t.Error(err)
	}
	if err := limited(-1, -1).Validate(); err == nil || strings.Count(err.Error(), "-1 is negative") != 2 {
		t.Error(err)
	}
}

// victimDirectory tells a process of the test's program that it is to write there until
// it is killed.
const victimDirectory = "BLOBTEST_VICTIM_DIRECTORY"

func beKilled(dir string) {
	m, err := blobmod.New(blobmod.Options{Buckets: map[string]blobmod.Bucket{"things": {URL: "file://" + dir}}})
	if err != nil {
		panic(err)
	}
	call := &passthrough.Call{Policy: everything("things"), Resources: &passthrough.Resources{}}
	do := func(function string, head object, body string) {
		frame, err := passthrough.EncodeFrame(head, []byte(body))
		if err == nil {
			_, err = m.Functions[function](context.Background(), call, frame)
		}
		if err != nil {
			panic(err)
		}
	}
	do("put", with(at("done/x"), object{"content_type": "text/plain"}), "whole")
	do("create", at("a/b/unfinished"), "")
	do("write", object{"writer": 1}, strings.Repeat("x", 1<<20))
	fmt.Println("writing")
	select {}
}

// What a worker was writing as it was killed is removed when another one first writes,
// and not while the worker lives. So are attributes without an object.
func TestKilledWorkersLeaveNothing(t *testing.T) {
	s := directory(t)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), victimDirectory+"="+s.directory)
	victim := testbed.Start(t, cmd)
	testbed.Eventually(t, "it writes", func() error {
		if victim.Stdout() != "writing\n" {
			return fmt.Errorf("it says %q", victim.Stdout())
		}
		return nil
	})
	unfinished := func() (names []string) {
		for _, name := range files(t, s.directory) {
			if strings.HasSuffix(name, ".wasmworker-tmp") {
				names = append(names, name)
			}
		}
		return names
	}
	old := time.Now().Add(-25 * time.Hour)
	for name, text := range map[string]string{
		"orphan.attrs": `{"user.content_type": "text/plain", "user.metadata": null}`,
		"theirs.attrs": `{"user.content_type": "text/plain", "no": "attributes"}`,
		"notes.attrs":  "some text",
		"young.attrs":  `{"user.content_type": "text/plain"}`,
	} {
		writeFile(t, s, name, text)
		if name != "young.attrs" {
			if err := os.Chtimes(filepath.Join(s.directory, name), old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	begin(t, newModule(t, s.Options), everything("things")).ok("put", at("x"), "counts, and removes")
	if got := unfinished(); len(got) != 1 {
		t.Fatalf("what a worker writes that lives is gone: there is %q", got)
	}
	victim.Signal(os.Kill)
	victim.Wait(t)
	if got := unfinished(); len(got) != 1 {
		t.Fatalf("killed, it leaves %q", got)
	}
	begin(t, newModule(t, s.Options), everything("things")).ok("put", at("y"), "counts, and removes")
	want := []string{"done/x", "done/x.attrs", "notes.attrs", "theirs.attrs", "x", "y", "young.attrs"}
	if got := files(t, s.directory); !slices.Equal(got, want) {
		t.Errorf("there is %q, want %q", got, want)
	}
	if _, err := os.Stat(filepath.Join(s.directory, "a")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory of what was unfinished is there: %v", err)
	}
}
