package sandbox

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// entry is what the cache directory has of a module: a directory with all that is in it.
type entry struct {
	path string
	size uint64
	used time.Time // when a process took something of it last
}

// touch notes that a module's directory is of use. Who cannot write there has no say in
// what stays.
func touch(directory string) {
	now := time.Now()
	_ = os.Chtimes(directory, now, now)
}

// usedName is the file in a module's directory whose time is when one of its activities
// ran.
const usedName = "used"

// mark notes that an activity of the module has run.
func (c *codeCache) mark(m *Module) {
	if c == nil || c.readOnly.Load() {
		return
	}
	if err := os.WriteFile(filepath.Join(c.directory(m), usedName), nil, 0o600); err != nil {
		m.logger.Debug("the cache has no note of the module's use", "error", err) // it may be gone
	}
}

// usedAt is when an activity of the module ran last, in this process or another one. It
// is zero if the cache does not know.
func (c *codeCache) usedAt(m *Module) (at time.Time) {
	if c == nil {
		return at
	}
	if info, err := os.Stat(filepath.Join(c.directory(m), usedName)); err == nil {
		at = info.ModTime()
	}
	return at
}

// trim removes what has not been of use for longest until the cache is within its limit,
// but nothing that this process serves. Others that serve it compile it once more if they
// have to load it again. It returns at once if nothing has been added.
func (c *codeCache) trim() {
	if c == nil || c.limit == 0 || c.readOnly.Load() || !c.added.Swap(false) {
		return
	}
	entries := c.entries()
	var total uint64
	for _, e := range entries {
		total += e.size
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.used.Compare(b.used) })
	for _, e := range entries {
		if total <= c.limit {
			return
		}
		if _, serves := c.served.Load(e.path); serves {
			continue
		}
		// out of the way first, so that nobody finds a part of it
		gone := filepath.Join(c.dir, workPrefix+"removed-"+rand.Text())
		if err := os.Rename(e.path, gone); err != nil {
			if errors.Is(err, fs.ErrNotExist) { // another process was faster
				total -= min(total, e.size)
			}
			continue
		}
		if err := os.RemoveAll(gone); err != nil {
			c.logger.Debug("a part of the cache could not be removed", "directory", gone, "error", err)
		}
		c.logger.Debug("removed from the cache of compiled modules, which is at its limit", "directory", e.path, "bytes", e.size, "used", e.used)
		total -= min(total, e.size)
	}
	if total > c.limit {
		c.full.Do(func() {
			c.logger.Warn("the modules that are served take more of the cache than its limit; raise that with --cache-limit (WASMWORKER_CACHE_LIMIT)", "bytes", total, "limit", c.limit)
		})
	}
}

// entries lists what the directory has. What cannot be read is left as it is, and so is
// what the cache did not make.
func (c *codeCache) entries() (list []entry) {
	found, err := os.ReadDir(c.dir)
	if err != nil {
		return nil
	}
	for _, d := range found {
		path := filepath.Join(c.dir, d.Name())
		info, err := d.Info()
		if err != nil || !d.IsDir() || !cacheEntry(d.Name()) {
			continue
		}
		e := entry{path: path, used: info.ModTime()}
		_ = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				if info, err := d.Info(); err == nil {
					e.size += uint64(info.Size())
				}
			}
			return nil
		})
		list = append(list, e)
	}
	return list
}

// cacheEntry tells whether a name is that of a module's directory: it ends with a digest.
func cacheEntry(name string) bool {
	digest := name[strings.LastIndexByte(name, '-')+1:]
	return len(digest) == 64 && strings.Trim(digest, "0123456789abcdef") == "" && len(digest) < len(name)
}
