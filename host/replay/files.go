package replay

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wasmworker/wasmworker/host/internal/wasip1"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
)

// Mounts are the directories of guests, by their paths in the guest. True lets the guest
// write there.
type Mounts map[string]bool

// Check returns what is wrong with files, by their paths. See [Activity.Files]. It
// returns an empty map if nothing is wrong.
func (m Mounts) Check(files map[string][]byte) map[string]error {
	wrong := map[string]error{}
	for name, content := range files {
		directory, clean := strings.HasSuffix(name, "/"), path.Clean(name)
		switch mount, ok := m.of(clean); {
		case !path.IsAbs(name):
			wrong[name] = fmt.Errorf("%q is not an absolute path such as /in/orders.csv", name)
		case strings.TrimSuffix(name, "/") != strings.TrimSuffix(clean, "/"):
			wrong[name] = fmt.Errorf("%q is not a clean path; write it as %s", name, clean)
		case strings.ContainsRune(name, 0) || len(name) > fsmod.MaxPath:
			wrong[name] = fmt.Errorf("a path is at most %d bytes, without a zero byte", fsmod.MaxPath)
		case !ok:
			wrong[name] = fmt.Errorf("%s is in none of the mounts, which are %s", name, strings.Join(slices.Sorted(maps.Keys(m)), ", "))
		case mount == clean:
			wrong[name] = fmt.Errorf("%s is a mount, and its directory is there: name what is in it", name)
		case directory && len(content) > 0:
			wrong[name] = fmt.Errorf("%s ends with a slash, which makes it a directory, and has content", name)
		default:
			for above := clean; above != mount; above = path.Dir(above) {
				if _, ok := files[above]; ok && (above != clean || directory) {
					wrong[name] = fmt.Errorf("%s would be a directory, and is a file too", above)
				}
			}
		}
	}
	return wrong
}

// of returns the mount that has a path, or that is the path.
func (m Mounts) of(name string) (mount string, ok bool) {
	for mount := range m {
		if name == mount || strings.HasPrefix(name, strings.TrimSuffix(mount, "/")+"/") {
			return mount, true
		}
	}
	return "", false
}

// directories are mounts in a temporary directory. The caller must remove them.
type directories struct {
	temporary string
	mounts    []string // in the order of their directories in temporary
	policy    *fsmod.Policy
}

func (m Mounts) make() (*directories, error) {
	temporary, err := os.MkdirTemp("", "replay-")
	if err != nil {
		return nil, err
	}
	f := &directories{temporary, slices.Sorted(maps.Keys(m)), &fsmod.Policy{Mounts: map[string]fsmod.Mount{}}}
	for i, mount := range f.mounts {
		if err := os.Mkdir(f.directory(i), 0o700); err != nil {
			return nil, errors.Join(err, f.remove())
		}
		f.policy.Mounts[mount] = fsmod.Mount{Directory: f.directory(i), Write: m[mount]}
	}
	return f, nil
}

func (f *directories) remove() error { return os.RemoveAll(f.temporary) }

// directory returns the directory of a mount, by its index.
func (f *directories) directory(mount int) string {
	return filepath.Join(f.temporary, strconv.Itoa(mount))
}

// write writes files into the directories. The files must have passed Check.
func (m Mounts) write(f *directories, files map[string][]byte) error {
	for name, content := range files {
		mount, _ := m.of(path.Clean(name))
		target := filepath.Join(f.policy.Mounts[mount].Directory, filepath.FromSlash(strings.TrimPrefix(name, mount)))
		var err error
		if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(target, 0o700)
		} else if err = os.MkdirAll(filepath.Dir(target), 0o700); err == nil {
			err = os.WriteFile(target, content, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// read returns the files and directories in the directories, in the form of
// [Activity.Files].
func (f *directories) read() (map[string][]byte, error) {
	files := map[string][]byte{}
	for i, mount := range f.mounts {
		root := f.directory(i)
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || name == root {
				return err
			}
			guest := path.Join(mount, filepath.ToSlash(strings.TrimPrefix(name, root)))
			if d.IsDir() {
				files[guest+"/"] = []byte{}
				return nil
			}
			files[guest], err = os.ReadFile(name)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// with calls run with directories that hold the files. It returns what the directories
// hold afterward. Without mounts, run gets nil, and files must be nil.
func (m Mounts) with(files map[string][]byte, start time.Time, run func(*wasip1.Mounts)) (after map[string][]byte, err error) {
	if len(m) == 0 && files == nil {
		run(nil)
		return nil, nil
	}
	if len(m) == 0 {
		return nil, errors.New("the activity has files, and there are no directories for them: name some with Mounts of the options")
	}
	if wrong := m.Check(files); len(wrong) > 0 {
		return nil, fmt.Errorf("the files of the activity cannot be used: %w", errors.Join(slices.Collect(maps.Values(wrong))...))
	}
	f, err := m.make()
	if err != nil {
		return nil, fmt.Errorf("the files of the activity: %w", err)
	}
	defer func() { err = errors.Join(err, f.remove()) }()
	if err := m.write(f, files); err != nil {
		return nil, fmt.Errorf("the files of the activity: %w", err)
	}
	opened, err := wasip1.OpenMounts(f.policy, start)
	if err != nil {
		return nil, fmt.Errorf("the files of the activity: %w", err)
	}
	run(opened)
	after, err = f.read()
	return after, errors.Join(err, opened.Close())
}
