package cases

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/nearest"
)

// Read reads a case file and its module, and checks that they fit. It does not compile
// the module. The error joins every mistake, each with file, line and column.
func Read(path string) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the case file cannot be read: %w", err)
	}
	f, err := decode(path, data)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Parse is Read without the module, which need not exist. It is for cases that [Case.Run]
// runs in an environment of the caller's.
func Parse(path string) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the case file cannot be read: %w", err)
	}
	return decodeFor(path, data, nil)
}

// decode is Read for a file's bytes. The module is read from disk.
func decode(path string, data []byte) (*File, error) {
	return decodeFor(path, data, (*decoder).checkModule)
}

// decodeFor decodes a file. It calls check, if that is not nil, once the file is in order.
func decodeFor(path string, data []byte, check func(*decoder, *node, *File)) (*File, error) {
	root, err := parse(path, data)
	if err != nil {
		return nil, err
	}
	d := &decoder{file: path}
	f := d.decodeFile(root)
	f.source, f.root = data, root
	if len(d.errs) == 0 && check != nil {
		check(d, root, f)
	}
	if err := errors.Join(d.errs...); err != nil {
		return nil, err
	}
	return f, nil
}

// decoder decodes a file. It goes on after mistakes and collects them.
type decoder struct {
	file string
	errs []error
}

// fields calls the function of each key of a map. Unknown keys are mistakes.
func (d *decoder) fields(n *node, what string, known map[string]func(*node)) {
	if n.kind != kindMap {
		d.fail(n.at, "%s is a map with the keys %s, and this is %s", what, strings.Join(slices.Sorted(maps.Keys(known)), ", "), n.kind)
		return
	}
	for i, key := range n.keys {
		if set, ok := known[key]; ok {
			set(n.items[i])
			continue
		}
		d.fail(n.keyAt[i], "%s has no key %q%s", what, key, nearest.Hint(key, slices.Sorted(maps.Keys(known))))
	}
}

func (d *decoder) text(n *node) string {
	if n.kind != kindString {
		d.fail(n.at, "this has to be text, and is %s%s", n.kind, map[bool]string{true: ": put it in quotes"}[n.kind == kindNumber || n.kind == kindBool])
		return ""
	}
	return n.text
}

func (d *decoder) bool(n *node) bool {
	if n.kind != kindBool {
		d.fail(n.at, "this has to be true or false, and is %s", n.kind)
	}
	return n.text == "true"
}

// whole decodes a whole number between least and most.
func (d *decoder) whole(n *node, least, most int64) int64 {
	value, err := strconv.ParseInt(n.text, 10, 64)
	if n.kind != kindNumber || err != nil || value < least || value > most {
		limit := fmt.Sprintf("from %d on", least)
		if most < math.MaxInt64 {
			limit = fmt.Sprintf("from %d to %d", least, most)
		}
		d.fail(n.at, "this has to be a whole number %s", limit)
		return least
	}
	return value
}

func (d *decoder) size(n *node) uint64 {
	var size passthrough.Size
	if err := size.UnmarshalText([]byte(n.text)); err != nil || n.kind != kindString && n.kind != kindNumber {
		d.fail(n.at, "this has to be a size such as 64MiB or 1048576")
	}
	return uint64(size)
}

func (d *decoder) duration(n *node) time.Duration {
	v, err := time.ParseDuration(n.text)
	if n.kind != kindString || err != nil || v < 0 {
		d.fail(n.at, "this has to be a duration such as 5s or 250ms")
	}
	return v
}

func (d *decoder) pattern(n *node) *regexp.Regexp {
	re, err := regexp.Compile(d.text(n))
	if err != nil {
		d.fail(n.at, "this is no regular expression: %v", err)
	}
	return re
}

func (d *decoder) list(n *node, each func(*node)) {
	if n.kind != kindList {
		d.fail(n.at, "this has to be a list, and is %s", n.kind)
		return
	}
	for _, item := range n.items {
		each(item)
	}
}

func (d *decoder) decodeFile(root *node) *File {
	base := strings.TrimSuffix(filepath.Base(d.file), Suffix)
	f := &File{Path: d.file, Module: filepath.Join(filepath.Dir(d.file), base+".wasm")}
	names := map[string]bool{}
	d.fields(root, "a case file", map[string]func(*node){
		"module": func(n *node) {
			if f.Module = filepath.FromSlash(d.text(n)); !filepath.IsAbs(f.Module) {
				f.Module = filepath.Join(filepath.Dir(d.file), f.Module)
			}
		},
		"digest": func(n *node) {
			if f.Digest = strings.TrimPrefix(d.text(n), "sha256:"); !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(f.Digest) {
				d.fail(n.at, "this has to be sha256: and 64 hexadecimal digits, as `wasmworker inspect` prints it")
			}
		},
		"start": func(n *node) {
			var err error
			if f.Start, err = time.Parse(time.RFC3339Nano, n.text); err != nil || f.Start.IsZero() || f.Start.Unix() < 0 {
				d.fail(n.at, "this has to be a time from 1970 on such as 2026-01-01T00:00:00Z")
			}
		},
		"seed": func(n *node) { f.Seed = d.whole(n, math.MinInt64, math.MaxInt64) },
		"env": func(n *node) {
			if n.kind != kindMap {
				d.fail(n.at, "env is a map of names and values, and this is %s", n.kind)
				return
			}
			f.Env = map[string]string{}
			for i, name := range n.keys {
				if name == "" || strings.ContainsAny(name, "=\x00") {
					d.fail(n.keyAt[i], "this is not the name of an environment variable")
				}
				if f.Env[name] = d.text(n.items[i]); strings.Contains(f.Env[name], "\x00") {
					d.fail(n.items[i].at, "an environment variable cannot have a zero byte in it")
				}
			}
		},
		"command": func(n *node) {
			d.fields(n, "command", map[string]func(*node){
				"args": func(n *node) {
					d.list(n, func(n *node) {
						arg := d.text(n)
						if strings.Contains(arg, "\x00") {
							d.fail(n.at, "an argument cannot have a zero byte in it")
						}
						f.Command.Args = append(f.Command.Args, arg)
					})
				},
				"io": func(n *node) {
					f.Command.IO = sandbox.CommandIO(d.text(n))
					if f.Command.IO != sandbox.CommandPlain && f.Command.IO != sandbox.CommandJSON {
						d.fail(n.at, "this has to be %s or %s", sandbox.CommandPlain, sandbox.CommandJSON)
					}
				},
				"success_codes": func(n *node) {
					d.list(n, func(n *node) {
						f.Command.SuccessCodes = append(f.Command.SuccessCodes, uint32(d.whole(n, 0, math.MaxUint32)))
					})
				},
			})
		},
		"limits": func(n *node) {
			d.fields(n, "limits", map[string]func(*node){
				"memory": func(n *node) {
					if f.Limits.Memory = d.size(n); f.Limits.Memory > 4<<30 {
						d.fail(n.at, "a 32-bit memory can have 4 GiB at most")
					}
				},
				"output": func(n *node) { f.Limits.Output = int(min(d.size(n), math.MaxInt32)) },
				"fuel":   func(n *node) { f.Limits.Fuel = d.whole(n, 1, math.MaxInt64) },
			})
		},
		"mounts": func(n *node) { f.Mounts = d.mounts(n) },
		"tags":   func(n *node) { f.Tags = d.tags(n) },
		"cases": func(n *node) {
			d.list(n, func(n *node) {
				c := d.decodeCase(n)
				if c.Name != "" && names[c.Name] {
					d.fail(n.at, "there are two cases with the name %q", c.Name)
				}
				names[c.Name] = true
				f.Cases = append(f.Cases, c)
			})
		},
	})
	for _, c := range f.Cases {
		if c.Tags == nil {
			c.Tags = f.Tags
		}
		d.checkFiles(c.source.get("files"), c.Activity.Files, f.mounts(c))
		if want := c.source.get("want"); want != nil {
			d.checkFiles(want.get("files"), c.Want.Files, f.mounts(c))
		}
	}
	if root.kind == kindMap && len(f.Cases) == 0 && len(d.errs) == 0 {
		d.fail(root.at, "the file has no cases: put them below the key cases")
	}
	return f
}

func (d *decoder) mounts(root *node) replay.Mounts {
	if root.kind != kindMap || len(root.keys) == 0 {
		d.fail(root.at, "mounts are a map such as {/in: {}, /out: {write: true}}")
		return nil
	}
	mounts, policy := replay.Mounts{}, &fsmod.Policy{Mounts: map[string]fsmod.Mount{}}
	for i, name := range root.keys {
		// Only the paths are checked here.
		mounts[name], policy.Mounts[name] = false, fsmod.Mount{Directory: os.TempDir()}
		d.fields(root.items[i], "a mount", map[string]func(*node){"write": func(n *node) { mounts[name] = d.bool(n) }})
	}
	if err := policy.Validate(); err != nil {
		for _, err := range err.(interface{ Unwrap() []error }).Unwrap() { // the mistakes that Validate joined
			at := root.at
			if field, ok := errors.AsType[*passthrough.FieldError](err); ok && len(field.Path) > 1 {
				at, err = root.keyAt[slices.Index(root.keys, field.Path[1].(string))], field.Err
			}
			d.fail(at, "%v", err)
		}
	}
	return mounts
}

// files decodes the contents of files by their paths. With orNone, a file may be null,
// which means that it does not exist.
func (d *decoder) files(root *node, orNone bool) map[string][]byte {
	files := map[string][]byte{}
	if root.kind != kindMap {
		d.fail(root.at, "files are a map of absolute paths and what is in them, and this is %s", root.kind)
		return files
	}
	for i, name := range root.keys {
		switch n := root.items[i]; {
		case n.kind == kindNull && orNone:
			files[name] = nil
		case n.kind == kindString || n.kind == kindMap && n.get("head") == nil:
			files[name] = append([]byte{}, d.message(n)...)
		default:
			d.fail(n.at, "what is in a file is text, {text: …}, {json: …} or {base64: …}")
		}
	}
	return files
}

func (d *decoder) checkFiles(root *node, files map[string][]byte, mounts replay.Mounts) {
	there := maps.Clone(files)
	maps.DeleteFunc(there, func(_ string, content []byte) bool { return content == nil })
	wrong := mounts.Check(there)
	for name, content := range files {
		if content == nil {
			maps.Copy(wrong, mounts.Check(map[string][]byte{name: nil}))
		}
	}
	if root == nil {
		return
	}
	for i, name := range root.keys {
		if err := wrong[name]; err != nil {
			d.fail(root.keyAt[i], "%v", err)
		}
	}
}
