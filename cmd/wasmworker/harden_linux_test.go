package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.temporal.io/sdk/client"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/passthrough/blobmod"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
	"github.com/wasmworker/wasmworker/host/passthrough/secretmod"
	"github.com/wasmworker/wasmworker/host/passthrough/sqlmod"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// hardenedDirectory is where the child of TestHardened has its files.
const hardenedDirectory = "WASMWORKER_TEST_HARDENED"

// A process that is hardened reads, writes and calls what its settings name, and nothing
// else: tried in a child, since there is no way back.
func TestHardened(t *testing.T) {
	if directory := os.Getenv(hardenedDirectory); directory != "" {
		hardenedChild(t, directory)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestHardened$", "-test.v")
	cmd.Env = append(os.Environ(), hardenedDirectory+"="+t.TempDir())
	output, err := cmd.CombinedOutput()
	t.Logf("%s", output)
	if err != nil {
		t.Error(err)
	}
}

func hardenedChild(t *testing.T, directory string) {
	file := func(name string) string {
		path := filepath.Join(directory, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	link := func(name, to string) string {
		path := filepath.Join(filepath.Dir(file(name+".d")), filepath.Base(name))
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file("rel dir/app.db")
	file("linked-db/app.db")
	file("archive/key2.pem")
	file("archive/key1.pem")
	file("elsewhere-too/resolv.conf")
	linked = append(linked, link("etc/resolv.conf", "../elsewhere-too/resolv.conf")) // as WSL has it
	t.Chdir(directory)
	granted, denied := listen(t), listen(t)
	config := &configFile{sections: sections{
		Secrets: map[string]secretmod.Source{"s": {File: file("secrets/s")}},
		Connections: map[string]sqlmod.Connection{"d": {URL: "sqlite:" + file("db/app.db")}, "p": {URL: "postgres://app@" + granted + "/x?sslrootcert=" + file("pg/ca.pem")},
			"l": {URL: "sqlite:" + link("db-link/app.db", "../linked-db/app.db")}, "r": {URL: "sqlite:rel%20dir/app.db"}, "m": {URL: "sqlite::memory:"}},
		Buckets: map[string]blobmod.Bucket{"b": {URL: (&url.URL{Scheme: "file", Path: filepath.Dir(file("bucket/o"))}).String()}},
	}}
	s := &server{config: config, paths: []string{filepath.Dir(file("acts/a.wasm"))}, tlsFiles: []string{file("tls/key.pem"), "", link("live/key.pem", "../archive/key1.pem")}}
	s.options = host.Options{ClientOptions: client.Options{HostPort: "temporal:7233"}}
	s.options.CacheDir = filepath.Join(directory, "cache") // not there yet
	s.options.PerModule = map[string]host.ModuleOptions{"m": {Policies: map[string]any{"fs": &fsmod.Policy{Mounts: map[string]fsmod.Mount{
		"/in": {Directory: filepath.Dir(file("in/f"))}, "/out": {Directory: filepath.Dir(file("out/f")), Write: true},
	}}}}}
	s.recorder = &recorder{directory: filepath.Join(file("no-directory"), "cases")} // which cannot be made
	file("elsewhere/f")
	program, err := os.ReadFile("/usr/bin/env")
	if err != nil {
		t.Fatal(err)
	}
	own := file("out/program") // as a guest could write one
	if err := errors.Join(os.WriteFile(own, program, 0o700), os.Chmod(own, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.needs().harden(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"secrets/s", "pg/ca.pem", "tls/key.pem", "in/f", "out/f", "db/app.db", "bucket/o", "acts/a.wasm",
		"archive/key2.pem", "etc/resolv.conf", "linked-db/app.db", "rel dir/app.db"} {
		if _, err := os.ReadFile(filepath.Join(directory, name)); err != nil {
			t.Errorf("reading: %v", err)
		}
	}
	for _, name := range []string{"out/new", "db/app.db-journal", "linked-db/app.db-journal", "rel dir/app.db-journal", "bucket/new", "cache/new"} {
		if err := os.WriteFile(filepath.Join(directory, name), nil, 0o600); err != nil {
			t.Errorf("writing: %v", err)
		}
	}
	if err := errors.Join(os.Mkdir(filepath.Join(directory, "out/d"), 0o700), os.Rename(filepath.Join(directory, "out/new"), filepath.Join(directory, "out/d/new"))); err != nil {
		t.Errorf("moving: %v", err)
	}
	for _, path := range []string{"/etc/hosts", "/proc/self/status", "/dev/urandom", os.Args[0]} {
		if f, err := os.Open(path); err != nil {
			t.Errorf("the system's: %v", err)
		} else {
			f.Close()
		}
	}
	refused := func(what string, err error) {
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v, want it to be refused", what, err)
		}
	}
	_, err = os.ReadFile(filepath.Join(directory, "elsewhere/f"))
	refused("reading what nobody named", err)
	_, err = os.ReadDir(directory)
	refused("listing the directory above", err)
	for _, name := range []string{"elsewhere/f", "secrets/s", "in/f", "acts/a.wasm", "tls/key.pem"} {
		refused("writing to "+name, os.WriteFile(filepath.Join(directory, name), nil, 0o600))
	}
	for _, name := range []string{"in/new", "acts/new.wasm", "new"} {
		_, err := os.Create(filepath.Join(directory, name))
		refused("making "+name, err)
	}
	libraries, err := filepath.Glob("/lib/*/libc.so.6") // which is a program, too
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range append(libraries, "/usr/bin/env", own) {
		refused("running "+program, exec.Command(program).Run())
	}
	if c, err := net.Dial("tcp", granted); err != nil {
		t.Errorf("the database: %v", err)
	} else {
		c.Close()
	}
	_, err = net.Dial("tcp", denied)
	refused("connecting to what nobody named", err)
	if err := exec.Command(os.Args[0], "-test.run=^$").Run(); err != nil {
		t.Errorf("running itself: %v", err)
	}
}

func TestPortOfACodec(t *testing.T) {
	for endpoint, want := range map[string]uint16{"http://{namespace}.codec:8081/x": 8081, "https://codec/{namespace}": 443, "http://codec": 80} {
		n := needs{connect: []uint16{53}}
		n.port(endpoint, "443")
		if !slices.Equal(n.connect, []uint16{53, want}) {
			t.Errorf("%s: ports %v, want %d", endpoint, n.connect, want)
		}
	}
}

func TestPortsOfADatabase(t *testing.T) {
	t.Setenv("PGPORT", "7000") // which the driver looks at for several hosts alone
	for address, want := range map[string][]uint16{
		"postgres://db:6000/x": {6000}, "postgres://db/x": {5432}, "postgres://[::1]/x": {5432}, "postgres:///x?host=db&port=6002": {5432, 6002},
		"postgres://a,b/x": {5432, 5432, 7000},
	} {
		n := needs{connect: []uint16{}}
		n.connections(&configFile{sections: sections{Connections: map[string]sqlmod.Connection{"c": {URL: address}}}})
		if slices.Sort(n.connect); !slices.Equal(n.connect, slices.Sorted(slices.Values(want))) {
			t.Errorf("%s: ports %v, want %v", address, n.connect, want)
		}
	}
}

// Landlock 1 would be asked for more than it has, and then for nothing.
func TestFirstLandlockIsNotEnough(t *testing.T) {
	if enough(1) || !enough(2) {
		t.Error("rules with LANDLOCK_ACCESS_FS_REFER need Landlock 2")
	}
}

func listen(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// Every thread of the real worker has given up its privileges, and activities run.
// It leaves no temporary directory behind.
func TestServeIsHardened(t *testing.T) {
	temporary, guest := t.TempDir(), testbed.Guest(t, "testdata/guests/acts")
	testbed.Program(t) // before TMPDIR is another
	server := testbed.Shared(t)
	t.Setenv("TMPDIR", temporary)
	for _, mode := range []string{"auto", "off"} {
		w := server.Serve(t, "--modules", guest, "--task-queue", t.Name()+mode, "--harden", mode)
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", w.PID()))
		if err != nil || len(tasks) == 0 {
			t.Fatalf("threads: %v, %v", tasks, err)
		}
		for _, task := range tasks {
			status, err := os.ReadFile(task)
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
				continue // the thread has ended
			}
			if err != nil {
				t.Fatal(err)
			}
			value := func(key string) string {
				_, rest, _ := strings.Cut(string(status), key+":\t")
				rest, _, _ = strings.Cut(rest, "\n")
				return rest
			}
			capabilities, err := strconv.ParseUint(value("CapEff"), 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			const fileAccess = 1<<1 | 1<<2
			if hardened := value("NoNewPrivs") == "1" && capabilities&^fileAccess == 0; hardened != (mode == "auto") {
				t.Errorf("--harden %s: %s: no_new_privs %s, capabilities %#x", mode, task, value("NoNewPrivs"), capabilities)
			}
		}
		w.Signal(syscall.SIGTERM)
		if code := w.Wait(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if left, err := filepath.Glob(filepath.Join(temporary, "wasmworker-*")); err != nil || len(left) > 0 {
			t.Errorf("--harden %s left %v (error %v)", mode, left, err)
		}
	}
}

// A container may have no directory for temporary files but Linux's own.
func TestServeIsHardenedWithoutTemporaryFiles(t *testing.T) {
	missing, guest := filepath.Join(t.TempDir(), "missing"), testbed.Guest(t, "testdata/guests/acts")
	testbed.Program(t) // before TMPDIR is another
	server := testbed.Shared(t)
	t.Setenv("TMPDIR", missing)
	w := server.Serve(t, "--modules", guest, "--task-queue", t.Name(), "--harden", "on", "--cache-dir", "none", "--log-level", "debug")
	w.Signal(syscall.SIGTERM)
	if code := w.Wait(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if strings.Contains(w.Stderr(), "the module is compiled twice") {
		t.Error("the module's code could not be handed over")
	}
}

// A database in the root directory, however it is named, does not leave all files
// writable: it is refused.
func TestHardenedWithFilesInTheRoot(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/", link); err != nil {
		t.Fatal(err)
	}
	guest, program := testbed.Guest(t, "testdata/guests/acts"), testbed.Program(t)
	t.Chdir("/")
	for _, directory := range []string{"/", ".", link, link + "/tmp/.."} {
		if !isRoot(directory) {
			t.Errorf("%s is the root", directory)
		}
	}
	for _, path := range []string{"/app.db", "app.db", link + "/app.db"} {
		for _, mode := range []string{"auto", "on"} {
			config := filepath.Join(t.TempDir(), "wasmworker.yaml")
			if err := os.WriteFile(config, []byte("connections: {main: {url: 'sqlite:"+path+"'}}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(program, "serve", "--address", "127.0.0.1:1", "--modules", guest, "--config", config, "--cache-dir", "none", "--harden", mode)
			cmd.Env = testbed.CleanEnv()
			p := testbed.Start(t, cmd)
			code := p.Wait(t)
			refused := strings.Contains(p.Stderr(), "connections.main: "+path+": the file lies in the root directory")
			if !refused || code != 2 {
				t.Errorf("%s, --harden %s: exit code %d and\n%s", path, mode, code, p.Stderr())
			}
		}
	}
}
