// Activities that use files, clocks and random numbers as any Go program does, for the tests
// of the sandbox.
package main

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
)

func main() {}

// begun is when the instance was made.
var begun = time.Now()

//go:wasmexport Files
func files() int32 { return activity.Run(Files) }

// Step is something to do with files: an operation and its words.
type Step []string

// Files takes steps, and returns what came of each: what was read, or the error.
func Files(ctx context.Context, steps []Step) ([]string, error) {
	results := []string{}
	for _, s := range steps {
		result, err := do(s[0], s[1:])
		if err != nil {
			result = "error: " + err.Error()
		}
		results = append(results, result)
	}
	return results, nil
}

func do(operation string, words []string) (string, error) {
	switch operation {
	case "read":
		data, err := os.ReadFile(words[0])
		return string(data), err
	case "write":
		return "", os.WriteFile(words[0], []byte(words[1]), 0o600)
	case "append":
		f, err := os.OpenFile(words[0], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return "", err
		}
		_, err = f.WriteString(words[1])
		return "", errors.Join(err, f.Close())
	case "fill": // with as many bytes
		var n int
		if _, err := fmt.Sscan(words[1], &n); err != nil {
			return "", err
		}
		return "", os.WriteFile(words[0], make([]byte, n), 0o600)
	case "tree":
		var names []string
		err := filepath.WalkDir(words[0], func(path string, d fs.DirEntry, err error) error {
			names = append(names, path)
			return err
		})
		slices.Sort(names)
		return strings.Join(names, " "), err
	case "mkdir":
		return "", os.MkdirAll(words[0], 0o700)
	case "remove":
		return "", os.RemoveAll(words[0])
	case "rename":
		return "", os.Rename(words[0], words[1])
	case "symlink":
		return "", os.Symlink(words[0], words[1])
	case "link":
		return "", os.Link(words[0], words[1])
	case "readlink":
		return os.Readlink(words[0])
	case "stat":
		info, err := os.Stat(words[0])
		if err != nil {
			return "", err
		}
		return fmt.Sprint(info.Mode().Type(), info.Size(), info.ModTime().Unix()), nil
	case "facts": // all that depends on the host
		info, err := os.Lstat(words[0])
		if err != nil {
			return "", err
		}
		s := info.Sys().(*syscall.Stat_t)
		return fmt.Sprintf("%v size %d device %d inode %d links %d modified %s", info.Mode().Type(), s.Size, s.Dev, s.Ino, s.Nlink, info.ModTime().UTC().Format(time.RFC3339Nano)), nil
	case "names": // in the order in which they come
		dir, err := os.Open(words[0])
		if err != nil {
			return "", err
		}
		names, err := dir.Readdirnames(-1)
		return strings.Join(names, " "), errors.Join(err, dir.Close())
	case "touch":
		return "", os.Chtimes(words[0], time.Unix(1, 0), time.Unix(2, 0))
	case "truncate":
		return "", os.Truncate(words[0], 3)
	case "seek":
		f, err := os.Open(words[0])
		if err != nil {
			return "", err
		}
		defer f.Close()
		if _, err := f.Seek(-3, io.SeekEnd); err != nil {
			return "", err
		}
		data, err := io.ReadAll(f)
		return string(data), err
	case "hold": // as many files open, for good
		for i := 0; ; i++ {
			if f, err := os.Open(words[0]); err != nil {
				return fmt.Sprint(i), err
			} else {
				held = append(held, f)
			}
		}
	case "held": // what is behind a file that an earlier activity left open
		if len(held) == 0 {
			return "", errors.New("nothing is held")
		}
		data, err := io.ReadAll(held[0])
		return string(data), err
	}
	return "", errors.New("no such operation")
}

var held []*os.File

//go:wasmexport Chance
func chance() int32 { return activity.Run(Chance) }

// Chance returns much of what depends on time and chance.
func Chance(ctx context.Context, sleep time.Duration) (string, error) {
	start := time.Now()
	var b [16]byte
	if _, err := crand.Read(b[:]); err != nil {
		return "", err
	}
	var keys []int
	for key := range map[int]int{1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8, 9: 9, 10: 10} {
		keys = append(keys, key)
	}
	// Who is first is for the scheduler to choose.
	first := make(chan int, 10)
	for i := range 10 {
		go func() {
			time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
			first <- i
		}()
	}
	order := []int{<-first, <-first, <-first}
	time.Sleep(sleep)
	return fmt.Sprintf("%s %x %d %v %v slept %t", start.UTC().Format(time.RFC3339Nano), b, rand.Uint64(), keys, order, time.Since(start) >= sleep), nil
}
