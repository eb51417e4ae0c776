package modules

import (
	"bytes"
	"errors"
	"regexp"
	"strings"

	"github.com/wasmworker/wasmworker/host/internal/wasm"
)

const magic = "\x00asm"

// headSize is how many bytes of a file are read to identify it if it is not WebAssembly.
// A tar archive identifies itself within the first 512 bytes.
const headSize = 1 << 10

// foreign lists other kinds of file that are found under the name of a module: the bytes
// with which they begin, and what they are and what to do about it.
var foreign = []struct{ prefix, what string }{
	{"version https://git-lfs.github.com/spec/", "a Git LFS pointer and not the file that it stands for: run `git lfs pull` where it was checked out"},
	{"version https://hawser.github.com/spec/", "a Git LFS pointer and not the file that it stands for: run `git lfs pull` where it was checked out"},
	{"/annex/objects/", "a git-annex pointer and not the file that it stands for: run `git annex get` where it was checked out"},
	{"\x1f\x8b", "a gzip file: unpack it with `gunzip`, or `tar -xzf` if it is an archive, and use the .wasm file that was packed"},
	{"PK\x03\x04", "a zip archive: unpack it with `unzip`, and use the .wasm file in it"},
	{"PK\x05\x06", "an empty zip archive: there is nothing in it"},
	{"\x28\xb5\x2f\xfd", "a Zstandard file: unpack it with `unzstd`, and use the .wasm file that was packed"},
	{"\xfd7zXZ\x00", "an xz file: unpack it with `unxz`, and use the .wasm file that was packed"},
	{"BZh", "a bzip2 file: unpack it with `bunzip2`, and use the .wasm file that was packed"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it, and use the .wasm file in it"},
	{"\x7fELF", machine}, {"MZ", machine}, {"\xcf\xfa\xed\xfe", machine}, {"\xca\xfe\xba\xbe", machine}, {"!<arch>\n", machine},
	{"BC\xc0\xde", "LLVM bitcode: link it for wasm32-wasip1, and use the .wasm file that comes of it"},
	{"#!", "a script and not a module: build it for WebAssembly, and use the .wasm file that comes of it"},
}

const machine = "a program or library for machines and not for WebAssembly: build for wasm32-wasip1 (Go: GOOS=wasip1 GOARCH=wasm)"

var (
	wat = regexp.MustCompile(`^(?:\s|;;[^\n]*\n|(?s:\(;.*?;\)))*\(\s*(module|component|func|import|export|memory|type)\b`)
	// manifest matches an Extism manifest, as far as the head of the file shows.
	manifest = regexp.MustCompile(`"wasm"\s*:\s*\[`)

	html = regexp.MustCompile(`(?i)^(?:\s|<!--(?s:.*?)-->)*<(!doctype html|html|head|body|title|script|meta)\b`)
)

// identify returns an error that says what a file is that is not WebAssembly, and what to
// do about it. It is [wasm.ErrNotWasm] if the file is not known.
func identify(file []byte) error {
	head := file[:min(len(file), headSize)]
	what := ""
	text := bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	trimmed := strings.TrimSpace(string(text))
	switch {
	case len(head) == 0:
		return errors.New("the file is empty: the build or copy that made it has failed; make it again")
	case len(head) < len(magic) && strings.HasPrefix(magic, string(head)):
		return errors.New("the file is truncated: it ends within the 8 bytes of the header; build or copy it again")
	case len(bytes.Trim(head, "\x00")) == 0:
		what = "a file of zeros, as a copy or download leaves it that was not finished: copy it again"
	case wat.Match(text):
		what = "WebAssembly's text format: make a binary of it with `wat2wasm` or `wasm-tools parse`, and use that"
	case html.Match(text):
		what = "an HTML page, such as a server sends in place of a file that it does not have, or for which it wants a login: download the file again and look at its address"
	case strings.HasPrefix(trimmed, "<?xml"), strings.HasPrefix(trimmed, "<Error"):
		what = "XML, such as a store's error in place of a file: download the file again and look at its address"
	case strings.HasPrefix(trimmed, "{") && manifest.MatchString(trimmed):
		what = "an Extism manifest, which serve, dev, invoke and inspect of wasmworker read: name the .wasm file here that it names"
	case strings.HasPrefix(trimmed, "{"):
		what = "JSON, such as a server's error or an image's manifest in place of a file: download the file again and look at its address"
	case len(head) > 262 && string(head[257:262]) == "ustar":
		what = "a tar archive: unpack it with `tar -xf`, and use the .wasm file in it"
	}
	for _, f := range foreign {
		if what == "" && bytes.HasPrefix(head, []byte(f.prefix)) {
			what = f.what
		}
	}
	if what == "" {
		return wasm.ErrNotWasm
	}
	return errors.New("this is " + what)
}
