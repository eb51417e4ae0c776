package sandbox

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/wasmworker/wasmworker/host/internal/meter"
	"github.com/wasmworker/wasmworker/host/internal/wazerotext"
)

// codeCache is the directory of [Config.CacheDir]. Each module has a directory of its own
// in it, with what it was rewritten to and, in a directory that wazero makes, its machine
// code. A nil cache keeps nothing. Trouble with the cache costs time and nothing else.
//
// wazero has a checksum over the machine code alone. A file whose table of functions is
// damaged would crash the process, so each of wazero's files has a file with a checksum
// over all of it beside it, against accidents: who can write there can do anything.
type codeCache struct {
	dir      string
	logger   *slog.Logger
	engine   func() string // what made the code, see [engineName]
	readOnly atomic.Bool   // something could not be written, so nothing more is tried

	compiling sync.Map // a *sync.Mutex for each directory: see alone

	limit  uint64      // of all that is in it, in bytes; 0: none
	added  atomic.Bool // something, since it was last compared with the limit
	served sync.Map    // directories of modules that this process has loaded
	full   sync.Once
}

const (
	rewrittenName = "rewritten"
	sumSuffix     = ".crc32c"
)

// openCache makes the directory. It returns nil if there can be none, or others than this
// user may write to it.
func openCache(dir string, limit uint64, logger *slog.Logger) *codeCache {
	if dir == "" {
		return nil
	}
	c := &codeCache{dir: dir, limit: limit, logger: logger, engine: sync.OnceValue(func() string { return engineName(dir, os.TempDir(), memoryDirectory) })}
	// A compiler's process has another working directory, and paths are compared.
	if absolute, err := filepath.Abs(dir); err == nil {
		c.dir = absolute
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		c.cannotBeWritten(err)
		return nil
	}
	if err := trusted(dir); err != nil {
		logger.Warn("the cache of compiled modules is not used, since what lies in it is run and others could have put it there; "+
			"make the directory writable for this user alone (chmod go-w), or name another one with --cache-dir (WASMWORKER_CACHE_DIR)", "directory", dir, "error", err)
		return nil
	}
	c.tidy()
	return c
}

// cannotBeWritten tells once what is wrong with the cache.
func (c *codeCache) cannotBeWritten(err error) {
	// wazero wraps some errors as text alone
	removed := errors.Is(err, fs.ErrNotExist) || strings.HasSuffix(err.Error(), syscall.ENOENT.Error())
	if _, gone := os.Stat(c.dir); removed && gone == nil {
		// Another process has made room. What was to be kept is kept the next time.
		c.logger.Debug("a directory of the cache was removed while it was written to", "error", err)
		return
	}
	if c.readOnly.CompareAndSwap(false, true) {
		c.logger.Warn("the cache of compiled modules cannot be written, so modules that it does not have are compiled at each start; "+
			"name a directory that can be written with --cache-dir (WASMWORKER_CACHE_DIR), or none to keep nothing", "directory", c.dir, "error", err)
	}
}

// directory returns a module's directory. Everything that the code depends on is in its
// name: the code there is of use, or there is none.
func (c *codeCache) directory(m *Module) string {
	kind := ""
	if m.options.canonicalNaN {
		kind = "-nan"
	}
	if !m.loader.interpreter {
		kind += "-" + c.engine()
	}
	return filepath.Join(c.dir, fmt.Sprintf("%s-%d%s-%s", meter.Version(), maxTable, kind, m.file.Digest))
}

// open returns the directory with the module's machine code for wazero, and how many
// whole files it has of that. What is damaged was deleted before. The directory is "" if
// it is of no use.
func (c *codeCache) open(m *Module) (directory string, whole int) {
	if c == nil {
		return "", 0
	}
	directory = c.directory(m)
	c.served.Store(directory, nil)
	err := eachCode(directory, func(file string) error {
		err := checkSum(file)
		if err == nil {
			whole++
			return nil
		}
		// its process was killed before it could write the sum, or is about to
		if errors.Is(err, fs.ErrNotExist) {
			m.logger.Debug("a file of the cache has no checksum, so it is made again", "file", file)
		} else {
			c.damaged(m, file, err)
		}
		return errors.Join(os.RemoveAll(file), os.RemoveAll(file+sumSuffix))
	})
	switch {
	case err != nil:
		c.cannotBeWritten(err)
		return "", 0
	case whole == 0 && c.readOnly.Load():
		return "", 0
	case whole == 0:
		c.added.Store(true) // soon
	default:
		touch(directory)
	}
	return directory, whole
}

// alone waits until nobody else in this process compiles for the directory, which takes
// no longer than one compilation may. The function that it returns lets others.
func (c *codeCache) alone(directory string) (done func()) {
	lock, _ := c.compiling.LoadOrStore(directory, &sync.Mutex{})
	lock.(*sync.Mutex).Lock()
	return lock.(*sync.Mutex).Unlock
}

// damaged tells that a file is made again.
func (c *codeCache) damaged(m *Module, file string, err error) {
	m.logger.Warn("what the cache directory has of the module is damaged, so it is made again", "file", file, "error", err)
}

// seal writes the checksums of the files that wazero has added to a module's directory,
// and returns how many they were.
func (c *codeCache) seal(directory string) (added int) {
	err := eachCode(directory, func(file string) error {
		if _, err := os.Stat(file + sumSuffix); err == nil {
			return nil
		}
		added++
		sum, err := sumOf(file)
		if err != nil {
			return err
		}
		return replaceFile(file+sumSuffix, []byte(sum))
	})
	// another process may have taken it for one without a sum
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.cannotBeWritten(err)
	}
	return added
}

// label notes what the code in a module's directory was made of, for modules that differ
// in their data alone.
func (c *codeCache) label(directory string, binary []byte) {
	if c.readOnly.Load() {
		return
	}
	if err := os.WriteFile(filepath.Join(directory, labelOf(binary)), nil, 0o600); err != nil {
		c.cannotBeWritten(err)
	}
}

// labelOf is the name of the file that says so.
func labelOf(binary []byte) string { return fmt.Sprintf("code-%x", sha256.Sum256(binary)) }

// adopt gives a module's directory the code of another module that is compiled of the same
// binary, as links. Apps in Python are such modules: an interpreter with data of their
// own, which metering has taken out. It tells whether there was one. Valid is asked before
// whether the module is, which for the other one has been found out.
func (c *codeCache) adopt(directory string, binary []byte, valid func() bool) (adopted bool) {
	if directory == "" || c.readOnly.Load() {
		return false
	}
	label := labelOf(binary)
	prefix := directory[:strings.LastIndexByte(directory, '-')+1] // the rest is the module's
	found, err := filepath.Glob(prefix + "*" + string(filepath.Separator) + label)
	if err != nil {
		return false // the directory's name has a pattern in it
	}
	if len(found) == 0 || !valid() {
		return false // who compiles it says why
	}
	for _, file := range found {
		other := filepath.Dir(file)
		err := eachCode(other, func(file string) error {
			target := filepath.Join(directory, strings.TrimPrefix(file, other))
			err := checkSum(file)
			if err == nil {
				err = os.MkdirAll(filepath.Dir(target), 0o700)
			}
			// What has no checksum yet is taken for what was left unfinished.
			if err == nil {
				err = os.Link(file, target)
			}
			if err == nil {
				err = os.Link(file+sumSuffix, target+sumSuffix)
			}
			adopted = adopted || err == nil
			return err
		})
		if adopted && err == nil {
			c.label(directory, binary)
			return true
		}
	}
	return adopted
}

// eachCode calls f for each file with machine code in a module's directory, which need
// not exist.
func eachCode(directory string, f func(file string) error) error {
	versions, err := os.ReadDir(directory)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, version := range versions {
		if !strings.HasPrefix(version.Name(), "wazero-") {
			continue
		}
		files, err := os.ReadDir(filepath.Join(directory, version.Name()))
		if err != nil {
			return err
		}
		for _, file := range files {
			if strings.Contains(file.Name(), ".") { // a checksum, or what is about to be written
				continue
			}
			if err := f(filepath.Join(directory, version.Name(), file.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkSum returns nil if the file is the one that was sealed, and fs.ErrNotExist if none
// was.
func checkSum(file string) error {
	want, err := os.ReadFile(file + sumSuffix)
	if err != nil {
		return err
	}
	got, err := sumOf(file)
	if err == nil && got != string(want) {
		err = errors.New("its checksum is another one")
	}
	return err
}

func sumOf(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := crc32.New(castagnoli)
	if _, err := io.CopyBuffer(struct{ io.Writer }{sum}, struct{ io.Reader }{f}, make([]byte, 256<<10)); err != nil {
		return "", err
	}
	return fmt.Sprintf("%08x\n", sum.Sum32()), nil
}

// replaceFile writes a file so that others who share the directory see all of it or
// nothing.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it is gone once it was renamed
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// cacheError is an error about a cache that wazero does not make.
type cacheError struct{ error }

// aboutCache tells whether compilation failed because of the cache. wazero returns what
// the system said when a file could not be opened or written, though the module has been
// compiled.
func aboutCache(err error) bool {
	_, made := errors.AsType[*cacheError](err)
	_, path := errors.AsType[*fs.PathError](err)
	_, link := errors.AsType[*os.LinkError](err)
	if module, ok := errors.AsType[*moduleError](err); ok {
		err = module.err // as wazero says it
	}
	return made || path || link || wazerotext.IsAboutCache(err.Error())
}
