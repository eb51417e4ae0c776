package blobmod

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/wasmworker/wasmworker/abi"
)

// quota is how much there may be in a directory for a module to write more.
type quota struct{ bytes, entries int64 }

// usage is what a directory has in it. Workers and people who share one do not tell each
// other: it is counted when it is written to first, again now and then, and before
// anything is refused.
type usage struct {
	mu       sync.Mutex
	now      quota // finished objects with their attributes, and directories
	reserved quota // what this worker is writing
	own      map[string]bool
	running  chan struct{} // closed when the count that goes on has ended; nil: there is none
	meantime quota         // what was added during that
	counted  time.Time     // when the last one ended; zero: there was none
	took     time.Duration
}

const (
	countEvery = time.Hour
	// countShare keeps counts, which guests can bring about, to one part in so many of
	// the time.
	countShare = 50
)

// add notes what this worker has added or removed. What comes during a count may be in
// it, or not: it is added for the quota's sake, and not removed.
func (u *usage) add(bytes, entries int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.now.bytes += bytes
	u.now.entries += entries
	if u.running != nil {
		u.meantime.bytes += max(bytes, 0)
		u.meantime.entries += max(entries, 0)
	}
}

// release gives back what was reserved.
func (u *usage) release(bytes, entries int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.reserved.bytes -= bytes
	u.reserved.entries -= entries
}

// claim keeps an unfinished file of this worker's from being counted, since what it has
// is reserved.
func (u *usage) claim(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.own == nil {
		u.own = map[string]bool{}
	}
	u.own[name] = true
}

func (u *usage) disclaim(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.own, name)
}

func (u *usage) owns(name string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.own[name]
}

// take reserves, if there is room.
func (u *usage) take(most quota, bytes, entries int64) error {
	if has := u.now.bytes + u.reserved.bytes; bytes > 0 && has > most.bytes-bytes {
		return &refusal{abi.EDQUOT, fmt.Sprintf("the bucket has %d bytes, and max_bucket_bytes of the blob policy is %d; delete objects that are not needed, or have it raised", has, most.bytes)}
	}
	if has := u.now.entries + u.reserved.entries; entries > 0 && has > most.entries-entries {
		return &refusal{abi.EDQUOT, fmt.Sprintf("the bucket has %d objects and directories, and max_bucket_objects of the blob policy is %d; delete objects that are not needed, or have it raised", has, most.entries)}
	}
	u.reserved.bytes += bytes
	u.reserved.entries += entries
	return nil
}

// reserve takes room for what is going to be written. It blocks for the first count, and
// for another one before it refuses.
func (f *directory) reserve(ctx context.Context, most quota, bytes, entries int64) error {
	u := &f.usage
	for waited := false; ; waited = true {
		u.mu.Lock()
		known, age := !u.counted.IsZero(), time.Since(u.counted)
		var err error
		if known {
			err = u.take(most, bytes, entries)
		}
		again := !known || age >= u.took*countShare && (err != nil || age >= countEvery)
		if again && u.running == nil {
			u.running, u.meantime = make(chan struct{}), quota{}
			go f.count(u.running)
		}
		running := u.running
		u.mu.Unlock()
		if known && (err == nil || waited || running == nil) {
			return err
		}
		select {
		case <-running:
			if f.ctx.Err() != nil {
				return f.ctx.Err()
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// count finds out what there is, and removes what killed workers have left.
func (f *directory) count(done chan struct{}) {
	u, began := &f.usage, time.Now()
	found := f.countBelow("")
	u.mu.Lock()
	defer u.mu.Unlock()
	u.now = quota{found.bytes + u.meantime.bytes, found.entries + u.meantime.entries}
	u.running, u.counted, u.took = nil, time.Now(), time.Since(began)
	close(done)
}

func (f *directory) countBelow(dir string) (found quota) {
	entries, _ := f.entries(dir) // what cannot be read is left as it is
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case f.ctx.Err() != nil:
			return found
		case e.IsDir():
			below := f.countBelow(name)
			found.bytes += below.bytes
			found.entries += 1 + below.entries
			continue
		case !e.Type().IsRegular() || f.usage.owns(name):
			continue
		case f.removeAbandoned(name) == nil, f.removeOrphan(name) == nil:
			f.prune(name)
			continue
		}
		if info, err := f.root.Lstat(name); err == nil {
			found.bytes += info.Size()
			if !strings.HasSuffix(name, attrsSuffix) && !strings.HasSuffix(name, tempSuffix) {
				found.entries++
			}
		}
	}
	return found
}

// removeOrphan removes attributes that have no object, as a worker leaves them that was
// killed as it deleted one. Files that only have such a name are others'.
func (f *directory) removeOrphan(name string) error {
	key, ok := strings.CutSuffix(name, attrsSuffix)
	if !ok {
		return errBelow
	}
	if _, err := f.root.Lstat(key); !errors.Is(err, fs.ErrNotExist) {
		return errBelow
	}
	file, info, err := f.file(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if time.Since(info.ModTime()) <= abandonedAfter { // somebody may be copying both
		return errBelow
	}
	var has map[string]any
	text, err := io.ReadAll(io.LimitReader(file, maxAttrs))
	if err != nil || json.Unmarshal(text, &has) != nil || has["user.content_type"] == nil {
		return errBelow
	}
	for field := range has {
		if !strings.HasPrefix(field, "user.") && field != "md5" { // as fileblob has them
			return errBelow
		}
	}
	return f.root.Remove(name)
}

// size is the size of a regular file, and whether there is one.
func (f *directory) size(name string) (bytes int64, there bool) {
	info, err := f.root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return 0, false
	}
	return info.Size(), true
}

// createTemp makes an unfinished file that is locked for as long as it is open: by that,
// others tell it from those of workers that were killed.
func (f *directory) createTemp(name string) (*os.File, error) {
	f.usage.claim(name)
	for range races {
		file, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			f.usage.disclaim(name)
			return nil, err
		}
		lock(file)
		// before that, another worker may have taken it for one that nobody has
		ours, err := file.Stat()
		if err == nil {
			if there, err := f.root.Lstat(name); err == nil && os.SameFile(ours, there) {
				return file, nil
			}
		}
		file.Close()
	}
	f.usage.disclaim(name)
	return nil, errRaces
}

// removeTemp removes an unfinished file of this worker's, if it is still there.
func (f *directory) removeTemp(name string) {
	f.root.Remove(name) //nolint:errcheck // most often it is not there any more
	f.usage.disclaim(name)
}

// nobodys tells whether an unfinished file belongs to no worker that runs.
func (f *directory) nobodys(name string, info fs.FileInfo) bool {
	if time.Since(info.ModTime()) > abandonedAfter {
		return true
	}
	file, err := f.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer file.Close()
	return unlocked(file)
}
