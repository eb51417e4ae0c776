package sandbox_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
	"github.com/wasmworker/wasmworker/host/passthrough/wasi"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

var buildFilesGuest = sync.OnceValues(func() (*modules.File, error) {
	path := filepath.Join(scratch, "files.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	build.Dir = filepath.Join("..", "..", "testdata", "guests", "files")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, output)
	}
	return modules.Read(path)
})

// filesGuest builds the guest of testdata/guests/files.
func filesGuest(t *testing.T) *modules.File {
	t.Helper()
	m, err := buildFilesGuest()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// wasiModules are the passthrough modules that govern a part of WASI.
func wasiModules(t *testing.T) passthrough.Set {
	t.Helper()
	set, err := passthrough.NewSet(fsmod.New(), wasi.NewClock(), wasi.NewRandom())
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// startWASI makes a sandbox of one module, with policies of those modules. What has
// mounts is granted.
func startWASI(t *testing.T, m *modules.File, cfg sandbox.Config, policies ...any) *sandbox.Sandbox {
	t.Helper()
	cfg.Modules, cfg.Passthrough = []*modules.File{m}, wasiModules(t)
	cfg.Defaults.Policies = map[string]any{}
	for _, policy := range policies {
		switch policy.(type) {
		case *fsmod.Policy:
			cfg.Defaults.Passthrough = []string{fsmod.Name}
			cfg.Defaults.Policies[fsmod.Name] = policy
		case *wasi.Clock:
			cfg.Defaults.Policies[wasi.NameClock] = policy
		case *wasi.Random:
			cfg.Defaults.Policies[wasi.NameRandom] = policy
		}
	}
	before := openDescriptors(t)
	t.Cleanup(func() { // after the sandbox is closed
		if after := openDescriptors(t); after > before {
			t.Errorf("%d descriptors were open before, and %d are", before, after)
		}
	})
	return start(t, cfg)
}

// openDescriptors returns how many the process has open in temporary directories, or 0
// where that is not known: the tests' own. There are others that the process opens once.
func openDescriptors(t *testing.T) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(target, os.TempDir()) {
			n++
		}
	}
	return n
}

var allPolicies = []sandbox.Isolation{sandbox.IsolationFresh, sandbox.IsolationPristine, sandbox.IsolationReuse}

// steps runs the activity Files.
func steps(t *testing.T, s *sandbox.Sandbox, list ...[]string) []string {
	t.Helper()
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	var results []string
	if err := json.Unmarshal(run(t, s, "Files", jsonPayload(string(text))).Data, &results); err != nil {
		t.Fatal(err)
	}
	return results
}

// A Go program reads and writes its directories as any other, under each policy for
// instances, and has nothing open afterwards.
func TestFiles(t *testing.T) {
	for _, policy := range allPolicies {
		t.Run(string(policy), func(t *testing.T) {
			in, out := t.TempDir(), t.TempDir()
			write(t, filepath.Join(in, "a.txt"), "hello")
			write(t, filepath.Join(in, "sub", "b.txt"), "there")
			logged := &recorder{}
			s := startWASI(t, filesGuest(t), sandbox.Config{Defaults: sandbox.Options{Isolation: policy}, Limit: 1, Logger: logged.logger()},
				&fsmod.Policy{Mounts: map[string]fsmod.Mount{"/in": {Directory: in}, "/out": {Directory: out, Write: true}}, MaxFileBytes: 100 << 10, MaxWrittenBytes: 1 << 20, MaxOpen: 50})
			before := openDescriptors(t)
			for range 2 {
				got := steps(t, s,
					[]string{"read", "/in/a.txt"}, []string{"read", "/in/sub/../sub/b.txt"}, []string{"tree", "/in"}, []string{"seek", "/in/a.txt"},
					[]string{"mkdir", "/out/x/y"}, []string{"write", "/out/x/y/z", "12345"}, []string{"append", "/out/x/log", "one "}, []string{"append", "/out/x/log", "two"},
					[]string{"read", "/out/x/log"}, []string{"rename", "/out/x/y/z", "/out/w"}, []string{"truncate", "/out/w"}, []string{"touch", "/out/w"},
					[]string{"stat", "/out/w"}, []string{"tree", "/out"}, []string{"remove", "/out/x"}, []string{"remove", "/out/w"}, []string{"tree", "/out"},
				)
				equal(t, "results", got, []string{
					"hello", "there", "/in /in/a.txt /in/sub /in/sub/b.txt", "llo",
					"", "", "", "", "one two", "", "", "", "---------- 3 2", "/out /out/w /out/x /out/x/log /out/x/y", "", "", "/out",
				})
				got = steps(t, s,
					[]string{"write", "/in/a.txt", "x"}, []string{"remove", "/in/a.txt"}, []string{"read", "/etc/passwd"}, []string{"read", "/in/../etc/passwd"},
					[]string{"read", "/in/none"}, []string{"symlink", "/etc", "/out/etc"}, []string{"link", "/in/a.txt", "/out/a"}, []string{"rename", "/in/a.txt", "/out/a"},
					[]string{"fill", "/out/big", "200000"}, []string{"stat", "/out/big"}, []string{"hold", "/in/a.txt"}, []string{"held"},
				)
				for i, want := range []string{"Read-only file system", "Read-only file system", "Bad file number", "Bad file number", "No such file", "not permitted", "", "Read-only", "File too large", "---------- 102400", "Too many open files", "hello"} {
					if i >= len(got) || !strings.Contains(strings.ToLower(got[i]), strings.ToLower(want)) {
						t.Errorf("%d: got %q, want %q", i, got, want)
						break
					}
				}
				// Nothing is open any more, whether the guest remembers it or not.
				equal(t, "descriptors", openDescriptors(t), before)
				if got := steps(t, s, []string{"held"})[0]; policy == sandbox.IsolationReuse && !strings.Contains(got, "Bad file number") || policy != sandbox.IsolationReuse && got != "error: nothing is held" {
					t.Errorf("held: %s", got)
				}
				os.Remove(filepath.Join(out, "big"))
			}
			var denied []string
			for _, r := range logged.all() {
				if r.message == "denied by the policy" {
					denied = append(denied, r.attrs)
				}
			}
			all := strings.Join(denied, "\n")
			for _, want := range []string{"capability=fs", "activity=Files", "target=write /in/a.txt", "write: true", "target=write /out/big", "max_file_bytes", "target=read /in/a.txt", "max_open"} {
				if !strings.Contains(all, want) {
					t.Errorf("no record has %q:\n%s", want, all)
				}
			}
			if strings.Contains(all, in) || strings.Contains(all, out) {
				t.Errorf("a record has a path of the host:\n%s", all)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// Activities that run at once share the directory and nothing else: each has a quota and
// descriptors of its own.
func TestFilesAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := startWASI(t, filesGuest(t), sandbox.Config{Defaults: sandbox.Options{Isolation: sandbox.IsolationPristine}, Limit: 2},
		&fsmod.Policy{Mounts: map[string]fsmod.Mount{"/data": {Directory: dir, Write: true}}, MaxWrittenBytes: 64 << 10})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			name := fmt.Sprintf("/data/%d", i)
			text, _ := json.Marshal([][]string{{"fill", name, "50000"}, {"fill", name + "b", "50000"}, {"hold", name}, {"append", "/data/log", "x"}})
			p, err := s.Run(t.Context(), sandbox.Task{Activity: "Files", Args: []sandbox.Payload{jsonPayload(string(text))}})
			if err != nil {
				t.Error(err)
				return
			}
			var got []string
			if err := json.Unmarshal(p.Data, &got); err != nil || len(got) != 4 || got[0] != "" || !strings.Contains(got[1], "Quota exceeded") || !strings.Contains(got[2], "Too many open files") || !strings.Contains(got[3], "Too many open files") {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	wg.Wait()
	entries, err := os.ReadDir(dir)
	equal(t, "files", len(entries), 16)
	equal(t, "error", err, nil)
}

// wasiCall is one call of a function of WASI.
type wasiCall struct {
	function string
	params   []uint64
}

// base is where the memory begins that calls are about.
const base = 64 << 10

// calls runs the activity WasiCalls and returns the errnos, and the memory from base on.
func calls(t *testing.T, s *sandbox.Sandbox, ctx context.Context, memory string, list ...wasiCall) ([]abi.Errno, []byte, error) {
	t.Helper()
	var functions []string
	for _, imp := range fixture(t, "wasicalls").Imports {
		if imp.Module == abi.ModuleWASI {
			functions = append(functions, imp.Name)
		}
	}
	var encoded []byte
	for _, c := range list {
		index := slices.Index(functions, c.function)
		if index < 0 || len(c.params) > 9 {
			t.Fatal(c)
		}
		encoded = binary.LittleEndian.AppendUint64(encoded, uint64(index))
		for i := range 9 {
			var p uint64
			if i < len(c.params) {
				p = c.params[i]
			}
			encoded = binary.LittleEndian.AppendUint64(encoded, p)
		}
	}
	p, err := s.Run(ctx, sandbox.Task{Activity: "WasiCalls", Args: []sandbox.Payload{raw(string(encoded)), raw(memory)}})
	if err != nil {
		return nil, nil, err
	}
	var errnos []abi.Errno
	for i := range list {
		errnos = append(errnos, abi.Errno(binary.LittleEndian.Uint64(p.Data[8*i:])))
	}
	return errnos, p.Data[8*len(list):], nil
}

// mustCall is calls for what must not end the activity.
func mustCall(t *testing.T, s *sandbox.Sandbox, memory string, list ...wasiCall) ([]abi.Errno, []byte) {
	t.Helper()
	errnos, data, err := calls(t, s, t.Context(), memory, list...)
	if err != nil {
		t.Fatal(err)
	}
	return errnos, data
}

// What is open is no socket, and is told so: 57 is ENOTSOCK, 8 EBADF.
func TestSocketFunctions(t *testing.T) {
	s := startWASI(t, fixture(t, "sockets"), sandbox.Config{}, &fsmod.Policy{Mounts: map[string]fsmod.Mount{"/data": {Directory: t.TempDir()}}})
	equal(t, "with a directory", text(run(t, s, "Sockets")), "\x39\x39\x08\x08\x39")
	s = start(t, sandbox.Config{Modules: files(t, "sockets")})
	equal(t, "without", text(run(t, s, "Sockets")), "\x39\x39\x08\x08\x08")
}

// The functions as they are in wasm: numbers, layouts, and what they answer to what is
// wrong.
func TestFileFunctions(t *testing.T) {
	dir, readOnly := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "file"), "0123456789")
	write(t, filepath.Join(dir, "sub", "x"), "")
	s := startWASI(t, fixture(t, "wasicalls"), sandbox.Config{}, &fsmod.Policy{Mounts: map[string]fsmod.Mount{"/data": {Directory: dir, Write: true}, "/ro": {Directory: readOnly}}})

	// What lies in memory: names, and lists of buffers.
	names := "file\x00sub\x00new\x00..\x00" // at 0, 5, 9, 13
	memory := make([]byte, 4096)
	copy(memory, names)
	le := binary.LittleEndian
	buffers := func(at int, list ...uint32) {
		for i, v := range list {
			le.PutUint32(memory[at+4*i:], v)
		}
	}
	buffers(64, base+1024, 4, base+1100, 0, base+1028, 100) // 3 buffers: 4, none, 100
	buffers(96, base+0, 4, 0xffffffff, 1)                   // the second is outside of the memory
	open := func(fd uint64, at, length int, how, want, flags uint64) wasiCall {
		return wasiCall{"path_open", []uint64{fd, 1, uint64(base + at), uint64(length), how, want, 0, flags, base + 2048}}
	}
	call := func(function string, params ...uint64) wasiCall { return wasiCall{function, params} }
	const read, write = 2, 64

	errnos, data := mustCall(t, s, string(memory),
		call("fd_prestat_get", 3, base+256), call("fd_prestat_dir_name", 3, base+264, 5), call("fd_prestat_get", 4, base+272), call("fd_prestat_get", 5, base+272),
		open(3, 0, 4, 0, read|write, 0), // 5
		call("fd_read", 5, base+64, 3, base+2056), call("fd_tell", 5, base+2064), call("fd_seek", 5, ^uint64(2), 2, base+2072),
		call("fd_pread", 5, base+64, 1, 2, base+2080), call("fd_fdstat_get", 5, base+512), call("fd_fdstat_get", 3, base+536), call("fd_fdstat_get", 4, base+560), call("fd_fdstat_get", 1, base+584),
		call("fd_filestat_get", 5, base+640), call("path_filestat_get", 3, 1, base+5, 3, base+704), call("fd_filestat_get", 1, base+768),
		call("fd_write", 5, base+64, 1, base+2088), call("fd_pwrite", 5, base+64, 1, 20, base+2096),
		call("fd_readdir", 3, base+3000, 1000, 0, base+2104), call("fd_readdir", 3, base+3000, 50, 0, base+2108),
	)
	equal(t, "errnos", errnos, []abi.Errno{0, 0, 0, abi.EBADF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	equal(t, "length of the first mount's name", le.Uint64(data[256:]), uint64(5)<<32)
	equal(t, "the first mount's name", string(data[264:269]), "/data")
	equal(t, "length of the second mount's name", le.Uint64(data[272:]), uint64(3)<<32)
	equal(t, "descriptor", le.Uint32(data[2048:]), uint32(5))
	equal(t, "bytes read", le.Uint32(data[2056:]), uint32(10))
	equal(t, "position", le.Uint64(data[2064:]), uint64(10))
	equal(t, "position after the seek", le.Uint64(data[2072:]), uint64(7))
	equal(t, "what was read", string(data[1024:1034]), "2345456789") // the first four twice
	rights := func(at int) (kind byte, base, inheriting uint64) {
		return data[at], le.Uint64(data[at+8:]), le.Uint64(data[at+16:])
	}
	for _, tt := range []struct {
		what             string
		at               int
		kind             byte
		base, inheriting uint64
		has, hasNot      uint64 // of base
	}{
		{"file", 512, 4, 0x8e001ff, 0, read | write, 1 << 13},
		{"directory", 536, 3, 0x6bfe619&^0x1000&^0x800&^0x400000 | 0x400000, 0, 1<<13 | 1<<14 | 1<<9 | 1<<26, read | write | 1<<11 | 1<<24},
		{"directory that is read", 560, 3, 0, 0, 1<<13 | 1<<14, write | 1<<9 | 1<<10 | 1<<26 | 1<<25 | 1<<16},
		{"stream", 584, 1, 0, 0, write, read | 1<<2},
	} {
		kind, base, inheriting := rights(tt.at)
		if kind != tt.kind || base&tt.has != tt.has || base&tt.hasNot != 0 {
			t.Errorf("%s: kind %d, rights %#x, %#x", tt.what, kind, base, inheriting)
		}
		if wantWrite := tt.at == 536; tt.kind == 3 && (inheriting&read == 0 || inheriting&write != 0 != wantWrite) {
			t.Errorf("%s: rights below it %#x", tt.what, inheriting)
		}
	}
	equal(t, "kinds", []byte{data[640+16], data[704+16], data[768+16]}, []byte{4, 3, 1})
	equal(t, "size", le.Uint64(data[640+32:]), uint64(10))
	modified := time.Unix(0, int64(le.Uint64(data[640+48:])))
	if age := time.Since(modified); age < 0 || age > time.Hour {
		t.Errorf("modified %v", modified)
	}
	equal(t, "bytes listed", le.Uint32(data[2104:]), uint32(4*24+len("..."+"file"+"sub")))
	equal(t, "bytes listed of as many", le.Uint32(data[2108:]), uint32(50))
	var inodes []uint64
	for at := 3000; len(inodes) < 4; at += 24 + int(le.Uint32(data[at+16:])) {
		inodes = append(inodes, le.Uint64(data[at+8:]))
		if next := le.Uint64(data[at:]); next != uint64(len(inodes)) {
			t.Errorf("entry %d leads to %d", len(inodes)-1, next)
		}
	}
	// C libraries leave out what has no number
	if inodes[0] == 0 || inodes[1] != inodes[0] || inodes[2] == 0 || inodes[3] == 0 || inodes[2] == inodes[3] ||
		le.Uint64(data[640+8:]) != inodes[2] && le.Uint64(data[640+8:]) != inodes[3] {
		t.Errorf("inodes %d, that of the file %d", inodes, le.Uint64(data[640+8:]))
	}
	equal(t, "first entry", data[3016:3025], []byte{1, 0, 0, 0, 3, 0, 0, 0, '.'})
	content, err := os.ReadFile(filepath.Join(dir, "file"))
	equal(t, "content", string(content), "01234562345"[:7]+"2345"+strings.Repeat("\x00", 9)+"2345")
	equal(t, "error", err, nil)

	// Mistakes.
	for _, tt := range []struct {
		call wasiCall
		want abi.Errno
	}{
		{open(3, 9, 3, 0, read, 0), abi.ENOENT},
		{open(3, 0, 0, 0, read, 0), abi.ENOENT},
		{open(3, 0, 5, 0, read, 0), abi.EINVAL}, // a zero byte
		{open(3, 13, 2, 0, read, 0), abi.EACCES},
		{open(3, 0, 4, 16, read, 0), abi.EINVAL},
		{open(3, 0, 4, 0, read, 32), abi.EINVAL},
		{open(3, 0, 4, 2, read, 0), abi.ENOTDIR},
		{open(4, 9, 3, 1, read, 0), abi.EROFS},
		{open(6, 0, 4, 0, read, 0), abi.EBADF},
		{open(1, 0, 4, 0, read, 0), abi.ENOTDIR},
		{call("path_open", 3, 2, base, 4, 0, read, 0, 0, base), abi.EINVAL},
		{call("path_open", 3, 1, 0xffffffff, 4, 0, read, 0, 0, base), abi.EFAULT},
		{call("path_open", 3, 1, base, 4, 0, read, 0, 0, 0xfffffffe), abi.EFAULT},
		{call("path_open", 3, 1, 0, 300_000, 0, read, 0, 0, base), abi.ENAMETOOLONG},
		{call("path_open", 3, 1, 0, 0xffffffff, 0, read, 0, 0, base), abi.EFAULT},
		{call("fd_read", 3, base+64, 1, base+2048), abi.EISDIR},
		{call("fd_write", 3, base+64, 1, base+2048), abi.EBADF},
		{call("fd_write", 0, base+64, 1, base+2048), abi.EBADF},
		{call("fd_read", 1, base+64, 1, base+2048), abi.EBADF},
		{call("fd_seek", 3, 0, 0, base+2048), abi.ESPIPE},
		{call("fd_seek", 1, 0, 0, base+2048), abi.ESPIPE},
		{call("fd_readdir", 3, base+3000, 23, 0, base+2048), abi.EINVAL},
		{call("fd_readdir", 1, base+3000, 100, 0, base+2048), abi.ENOTDIR},
		{call("fd_prestat_get", 1, base+256), abi.EBADF},
		{call("fd_prestat_dir_name", 3, base+256, 4), abi.ENAMETOOLONG},
		{call("fd_advise", 3, 0, 0, 5), 0},
		{call("fd_advise", 3, 0, 0, 6), abi.EINVAL},
		{call("fd_sync", 3), 0},
		{call("fd_datasync", 1), 0},
		{call("fd_renumber", 3, 1), abi.ENOTSUP},
		{call("fd_renumber", 1, 3), abi.ENOTSUP},
		{call("fd_renumber", 1, 2), 0},
		{call("fd_close", 2), 0},
		{call("fd_fdstat_set_flags", 3, 4), 0},
		{call("fd_fdstat_set_flags", 3, 1), abi.ENOTSUP},
		{call("fd_fdstat_set_flags", 3, 32), abi.EINVAL},
		{call("path_filestat_set_times", 3, 1, base, 4, 0, 0, 3), abi.EINVAL},
		{call("path_filestat_set_times", 3, 1, base, 4, 0, 0, 16), abi.EINVAL},
		{call("path_filestat_set_times", 3, 1, base, 4, 1<<63, 0, 1), abi.EINVAL},
		{call("path_filestat_set_times", 3, 1, base, 4, 0, 0, 10), 0},
		{call("path_filestat_set_times", 4, 1, base, 4, 0, 0, 10), abi.EROFS},
		{call("path_link", 3, 0, base, 4, 3, base+9, 3), abi.EPERM},
		{call("path_symlink", base, 4, 3, base+9, 3), abi.EPERM},
		{call("path_readlink", 3, base, 4, base+3000, 100, base+2048), abi.EINVAL},
		{call("path_rename", 3, base, 4, 4, base+9, 3), abi.EROFS},
		{call("path_remove_directory", 3, base+5, 3), abi.ENOTEMPTY},
		{call("path_unlink_file", 3, base+5, 3), abi.EISDIR},
		{call("path_create_directory", 3, base+5, 3), abi.EEXIST},
	} {
		errnos, _ := mustCall(t, s, string(memory), tt.call)
		if errnos[0] != tt.want {
			t.Errorf("%s %d: %v, want %v", tt.call.function, tt.call.params, errnos[0], tt.want)
		}
	}
	// A buffer that is outside is one after others were read. A subscription to a file is
	// ready at once.
	subscription := make([]byte, 48)
	subscription[8], subscription[16] = 1, 5
	copy(memory[200:], subscription)
	errnos, data = mustCall(t, s, string(memory), open(3, 0, 4, 0, read, 0), call("fd_read", 5, base+96, 2, base+2048), call("poll_oneoff", base+200, base+3000, 1, base+2048), call("fd_close", 5),
		call("poll_oneoff", base+200, base+3040, 1, base+2048))
	equal(t, "errnos", errnos, []abi.Errno{0, abi.EFAULT, 0, 0, 0})
	equal(t, "event of a file", le.Uint16(data[3008:]), uint16(0))
	equal(t, "event of nothing", abi.Errno(le.Uint16(data[3048:])), abi.EBADF)
}

// While an instance is made, it learns of its mounts and opens nothing.
func TestFilesEarly(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file.txt"), "x")
	for _, policy := range allPolicies {
		s := startWASI(t, fixture(t, "wasicalls"), sandbox.Config{Defaults: sandbox.Options{Isolation: policy}}, &fsmod.Policy{Mounts: map[string]fsmod.Mount{"/data": {Directory: dir}}})
		equal(t, "early results", results(t, run(t, s, "WasiEarly"))[:3], []int64{0, 0, int64(abi.ENOTCAPABLE)})
		equal(t, "early name", string(run(t, s, "WasiEarly").Data[48:53]), "/data")
		errnos, _ := mustCall(t, s, "file.txt", wasiCall{"path_open", []uint64{3, 1, base, 8, 0, 2, 0, 0, base}})
		equal(t, "opened in an activity", errnos[0], abi.Errno(0))
	}
	// Without the grant, or with nothing mounted, there is nothing.
	for _, grants := range [][]string{nil, {fsmod.Name}} {
		cfg := sandbox.Config{Modules: files(t, "wasicalls"), Passthrough: wasiModules(t), Defaults: sandbox.Options{Passthrough: grants}}
		if grants == nil {
			cfg.Defaults.Policies = map[string]any{fsmod.Name: &fsmod.Policy{Mounts: map[string]fsmod.Mount{"/data": {Directory: dir}}}}
		}
		s := start(t, cfg)
		equal(t, "early results", results(t, run(t, s, "WasiEarly"))[:3], []int64{int64(abi.EBADF), int64(abi.EBADF), int64(abi.EBADF)})
		errnos, _ := mustCall(t, s, "file.txt", wasiCall{"path_open", []uint64{3, 1, base, 8, 0, 2, 0, 0, base}}, wasiCall{"fd_readdir", []uint64{3, base, 100, 0, base}})
		equal(t, "errnos", errnos, []abi.Errno{abi.EBADF, abi.EBADF})
	}
}

// A directory that is gone when the module is loaded is an error that names it.
func TestDirectoryGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := sandbox.New(sandbox.Config{Modules: files(t, "wasicalls"), Passthrough: wasiModules(t), Defaults: sandbox.Options{
		Passthrough: []string{fsmod.Name}, Policies: map[string]any{fsmod.Name: &fsmod.Policy{Mounts: map[string]fsmod.Mount{"/data": {Directory: dir}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Compile(t.Context()); err == nil || !strings.Contains(err.Error(), "mounts./data.directory: the directory cannot be opened") {
		t.Error(err)
	}
}

// An activity that is interrupted stops in the middle of a long read, and leaves nothing
// open.
func TestFilesInterrupted(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "large"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "large"), 1<<40); err != nil { // it has holes alone
		t.Skip(err)
	}
	s := startWASI(t, fixture(t, "wasicalls"), sandbox.Config{Limit: 1}, &fsmod.Policy{Mounts: map[string]fsmod.Mount{"/data": {Directory: dir}}})
	// 200 lists of 1,600 buffers, each nearly all of the memory: more than a hundred
	// gigabytes
	memory := []byte("large\x00\x00\x00")
	for range 1600 {
		memory = binary.LittleEndian.AppendUint32(memory, 200_000)
		memory = binary.LittleEndian.AppendUint32(memory, 300_000)
	}
	list := []wasiCall{{"path_open", []uint64{3, 1, base, 5, 0, 2, 0, 0, base + 60_000}}}
	for range 200 {
		list = append(list, wasiCall{"fd_read", []uint64{4, base + 8, 1600, base + 60_000}})
	}
	before := openDescriptors(t)
	cause := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), deadline, cause)
	defer cancel()
	started := time.Now()
	_, _, err := calls(t, s, ctx, string(memory), list...)
	interrupted(t, err, cause)
	if took := time.Since(started); took > deadline+promptly {
		t.Errorf("it took %v to interrupt it", took-deadline)
	}
	equal(t, "descriptors", openDescriptors(t), before)
}
