//go:build unix

package sandbox_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/host/sandbox"
)

// What others may have put into the cache is not run, and they get nothing there.
func TestCacheOfOthers(t *testing.T) {
	for mode, refused := range map[os.FileMode]bool{0o700: false, 0o755: false, 0o770: true, 0o702: true, 0o777: true} {
		dir := filepath.Join(t.TempDir(), "cache")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		logged := &recorder{}
		s := start(t, sandbox.Config{Modules: files(t, "echo"), CacheDir: dir, Logger: logged.logger()})
		equal(t, "result", text(run(t, s, "Echo", raw("x"))), "x")
		told := false
		for _, record := range logged.all() {
			told = told || strings.HasPrefix(record.message, "the cache of compiled modules is not used")
		}
		if told != refused || (len(entries(t, dir)) == 0) != refused {
			t.Errorf("mode %04o: told %t, %d files, want it refused: %t", mode, told, len(entries(t, dir)), refused)
		}
	}
}

// A directory of another user's is not used; one of root's, such as a read-only one in a
// container's image, is.
func TestCacheOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can give a directory to another user; the tests of a bare machine run as root")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	start(t, sandbox.Config{Modules: files(t, "echo"), CacheDir: dir})
	equal(t, "number of files", len(entries(t, dir)), 0)
}
