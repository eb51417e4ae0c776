// Package manifest reads Extism manifests: JSON files that name a plugin and say what it
// asks for.
//
// The types are those of the SDK, github.com/extism/go-sdk. This package adds what a host
// needs that does not trust the file. Every field must be known. The plugin must lie
// below the manifest's directory. Its hash must match before it is used.
//
// The package belongs to the command line, so that programs that embed package host have
// neither the SDK nor its requirements in their build list.
package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	extism "github.com/extism/go-sdk"

	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/internal/visible"
)

const (
	// MaxSize is the size in bytes of the largest manifest. A larger file is taken for
	// something else.
	MaxSize = 1 << 20
	// PageSize is the size in bytes of a page, the unit of memory.max_pages.
	PageSize = 64 << 10
	// maxVars is how many bytes every plugin has for variables; see package sandbox.
	maxVars = 1 << 20
	// maxTimeout is the largest timeout_ms that a time.Duration can hold.
	maxTimeout = uint64(math.MaxInt64 / int64(time.Millisecond))
)

// Manifest is a manifest that is valid in itself. Whether its requests are granted is
// decided elsewhere.
type Manifest struct {
	// Path is the path of the manifest.
	Path string
	// Plugin is the module that the manifest names. Its name is that of the manifest's
	// file without ".json".
	Plugin *modules.File
	// Config are the values for config_get. It is nil if there are none.
	Config map[string]string
	// Hosts are the hosts to which the plugin sends requests, in the order of the file.
	Hosts []Host
	// Mounts are the directories that the plugin reaches, sorted by their paths in the
	// plugin.
	Mounts []Mount
	// MaxMemory is the most memory in bytes that an instance may have. 0 means that the
	// manifest sets no limit.
	MaxMemory uint64
	// MaxResponse is the largest body of a response in bytes. 0 means that the manifest
	// sets no limit.
	MaxResponse int64
	// Timeout is the longest time that a call may take. 0 means that the manifest sets no
	// limit.
	Timeout time.Duration
}

// Mount is a directory that the plugin asks for.
type Mount struct {
	Field string // its place in the manifest
	Host  string // absolute path of the directory
	Guest string // absolute, clean path by which the plugin knows it
	Write bool
}

// Sniff reports whether a file is meant to be a manifest: a JSON object whose key "wasm"
// has a list. Text that is not valid JSON counts if it begins as an object and has such a
// list.
func Sniff(data []byte) bool {
	var head struct {
		Wasm json.RawMessage `json:"wasm"`
	}
	if json.Valid(data) {
		return json.Unmarshal(data, &head) == nil && bytes.HasPrefix(head.Wasm, []byte("["))
	}
	return Object(data) && wasmList.Match(data)
}

// Object reports whether a file begins like a JSON object.
func Object(data []byte) bool {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	return bytes.HasPrefix(bytes.TrimSpace(data), []byte("{"))
}

var wasmList = regexp.MustCompile(`"wasm"\s*:\s*\[`)

// Peek returns the content of a file that could be a manifest. It returns nil if the file
// is larger than [MaxSize] or not a regular file. It does not block on a named pipe.
func Peek(path string) ([]byte, error) {
	stat, err := os.Stat(path)
	if err != nil || !stat.Mode().IsRegular() || stat.Size() > MaxSize {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil || len(data) > MaxSize {
		return nil, err
	}
	return data, nil
}

// Name returns the name of the module that a manifest's file stands for, from the path of
// the manifest.
func Name(path string) string { return strings.TrimSuffix(filepath.Base(path), ".json") }

// Parse makes a Manifest from a file's content, and reads the module that it names. The
// error joins every mistake; each part names the file and, where it has one, the field.
func Parse(path string, data []byte) (*Manifest, error) {
	m := &Manifest{Path: path}
	err := m.parse(data)
	if err != nil {
		return nil, located(path, err)
	}
	return m, nil
}

// located puts the file's path before an error, or before each error that it joins.
func located(path string, err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return fmt.Errorf("%s: %w", path, err)
	}
	var errs []error
	for _, e := range joined.Unwrap() {
		errs = append(errs, located(path, e))
	}
	return errors.Join(errs...)
}

func (m *Manifest) parse(data []byte) error {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if err := checkFields(data); err != nil {
		return err
	}
	var said extism.Manifest
	if err := json.Unmarshal(data, &said); err != nil {
		return plainer(err)
	}
	return errors.Join(m.limits(said), m.asks(said), m.open(said.Wasm))
}

// limits reads the plugin's limits and its configuration values.
func (m *Manifest) limits(said extism.Manifest) error {
	var errs []error
	complain := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf(field+": "+format, args...))
	}
	m.MaxMemory = uint64(said.Memory.MaxPages) * PageSize
	if n := said.Memory.MaxVarBytes; n >= 0 && n != maxVars {
		complain("memory.max_var_bytes", "%d: variables have %d bytes here, and end with the activity; remove the field", n, maxVars)
	}
	switch n := said.Memory.MaxHttpResponseBytes; {
	case n == 0:
		complain("memory.max_http_response_bytes", "0 would allow for no response; remove the field, or allowed_hosts")
	case n > 0:
		m.MaxResponse = n
	}
	if said.Timeout > maxTimeout {
		complain("timeout_ms", "%d is more than %d; remove the field for no limit", said.Timeout, maxTimeout)
	} else {
		m.Timeout = time.Duration(said.Timeout) * time.Millisecond
	}
	m.Config = said.Config
	if _, ok := m.Config[""]; ok {
		complain("config", "a name is empty")
	}
	return errors.Join(errs...)
}

// asks reads the hosts and directories that the plugin asks for.
func (m *Manifest) asks(said extism.Manifest) error {
	var errs []error
	for i, pattern := range said.AllowedHosts {
		field := passthrough.PathString([]any{"allowed_hosts", i})
		host, err := parseHost(pattern)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", field, err))
			continue
		}
		host.Field = field
		m.Hosts = append(m.Hosts, host)
	}
	dir, err := filepath.Abs(filepath.Dir(m.Path))
	errs = append(errs, err)
	for _, from := range slices.Sorted(maps.Keys(said.AllowedPaths)) {
		guest := said.AllowedPaths[from]
		mount := Mount{Field: fmt.Sprintf("allowed_paths[%q]", from), Guest: path.Clean("/" + guest), Write: true}
		directory, readOnly := strings.CutPrefix(from, "ro:")
		mount.Write = !readOnly
		if mount.Host = directory; !filepath.IsAbs(directory) {
			mount.Host = filepath.Join(dir, directory)
		}
		if directory == "" || guest == "" || strings.ContainsRune(directory+guest, 0) {
			errs = append(errs, fmt.Errorf("%s: %q: a path is empty, or has a zero byte", mount.Field, guest))
			continue
		}
		m.Mounts = append(m.Mounts, mount)
	}
	slices.SortFunc(m.Mounts, func(a, b Mount) int {
		return strings.Compare(a.Guest+"\x00"+a.Field, b.Guest+"\x00"+b.Field)
	})
	for i, mount := range m.Mounts {
		if i > 0 && m.Mounts[i-1].Guest == mount.Guest {
			errs = append(errs, fmt.Errorf("%s: %s has the path %s already", mount.Field, m.Mounts[i-1].Field, mount.Guest))
		}
	}
	return errors.Join(errs...)
}

// open reads the one module that the manifest names.
func (m *Manifest) open(sources []extism.Wasm) error {
	switch {
	case len(sources) == 0:
		return errors.New(`wasm: there is no module; name one: "wasm": [{"path": "plugin.wasm"}]`)
	case len(sources) > 1:
		return fmt.Errorf("wasm: there are %d modules, and they would have to be linked, which is not supported; "+
			"make one file of them, and name that alone", len(sources))
	}
	switch source := sources[0].(type) {
	case extism.WasmFile:
		return m.openFile(source)
	case extism.WasmUrl:
		return errors.New("wasm[0].url: modules are not downloaded; put the file beside the manifest, and name it by path, with its hash")
	case extism.WasmData:
		return errors.New("wasm[0].data: a module inside of the manifest is not supported; write it to a file, and name that by path")
	default:
		return fmt.Errorf("wasm[0]: a source of the type %T is not supported; name a file by path", source)
	}
}

var sha256Hex = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

func (m *Manifest) openFile(source extism.WasmFile) error {
	file, err := m.resolve(source.Path)
	if err != nil {
		return fmt.Errorf("wasm[0].path: %w", err)
	}
	if source.Hash != "" && !sha256Hex.MatchString(source.Hash) {
		return fmt.Errorf("wasm[0].hash: %.80q is not a SHA-256 in hexadecimal; `sha256sum %s` prints it", source.Hash, file)
	}
	plugin, err := modules.Read(file)
	if err != nil {
		return fmt.Errorf("wasm[0].path: %w", err)
	}
	if source.Hash != "" && !strings.EqualFold(source.Hash, plugin.Digest) {
		return fmt.Errorf("wasm[0].hash: %s is another file than the manifest means: its SHA-256 is %s, not %s; "+
			"get the right one, or correct the hash if this one is meant", file, plugin.Digest, strings.ToLower(source.Hash))
	}
	if plugin.Kind != modules.KindExtism {
		return fmt.Errorf("wasm[0].path: %s is no Extism plugin but a %s module; name it without a manifest", file, plugin.Kind)
	}
	if m.MaxMemory > 0 && plugin.MemoryMin > m.MaxMemory {
		return fmt.Errorf("memory.max_pages: %d are less than the %d pages that %s has at the start; raise it, "+
			"or build the plugin with a smaller initial memory", m.MaxMemory/PageSize, plugin.MemoryMin/PageSize, file)
	}
	plugin.Name = Name(m.Path)
	if err := visible.CheckName(plugin.Name); err != nil {
		return fmt.Errorf("the manifest's %w", err)
	}
	m.Plugin = plugin
	return nil
}

// resolve returns the path of a file below the manifest's directory. Symbolic links are
// followed as long as they stay there.
func (m *Manifest) resolve(name string) (string, error) {
	const below = "a plugin lies below the manifest's directory; put it there"
	if !filepath.IsLocal(name) {
		return "", fmt.Errorf("%q leads out of the manifest's directory: %s", name, below)
	}
	root, err := os.OpenRoot(filepath.Dir(m.Path))
	if err != nil {
		return "", err
	}
	defer root.Close()
	if _, err := root.Stat(name); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("%s: no such file; a path is relative to the manifest", filepath.Join(filepath.Dir(m.Path), name))
		}
		if p, ok := errors.AsType[*os.PathError](err); ok {
			err = p.Err
		}
		return "", fmt.Errorf("%q cannot be used: %w: %s", name, err, below)
	}
	return filepath.Join(filepath.Dir(m.Path), name), nil
}

// Sources returns the paths of the files that a manifest names, as far as it can be
// understood. The files need not exist.
func Sources(path string, data []byte) (files []string) {
	var said struct {
		Wasm []struct {
			Path string `json:"path"`
		} `json:"wasm"`
	}
	_ = json.Unmarshal(data, &said) // a partial result is good enough
	for _, source := range said.Wasm {
		files = append(files, filepath.Join(filepath.Dir(path), source.Path))
	}
	return files
}
