package testbed_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

var writeManifest = flag.Bool("manifest", false, "write testdata/MANIFEST")

const manifestHead = `# The SHA-256 digest of each committed .wasm file, below the toolchain that made it.
# make manifest writes this, TestManifest compares it, and sha256sum --check testdata/MANIFEST reads it.
`

// An exchanged binary shows in review as a changed line of text. Without that line the
// test fails.
func TestManifest(t *testing.T) {
	t.Chdir(testbed.Root(t))
	output, err := exec.Command("git", "ls-files", "-z", "*.wasm").Output()
	if err != nil {
		t.Fatal(err)
	}
	byToolchain := map[string][]string{}
	for file := range strings.SplitSeq(strings.TrimSuffix(string(output), "\x00"), "\x00") {
		module, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tools, err := toolchain(file, module)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		byToolchain[tools] = append(byToolchain[tools], fmt.Sprintf("%x  %s\n", sha256.Sum256(module), file))
	}
	want := manifestHead
	for _, tools := range slices.Sorted(maps.Keys(byToolchain)) {
		want += "#\n# " + tools + "\n" + strings.Join(byToolchain[tools], "")
	}
	if *writeManifest && !t.Failed() {
		if err := os.WriteFile("testdata/MANIFEST", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("testdata/MANIFEST")
	if err != nil {
		t.Fatal(err)
	}
	if line := firstDifference(string(got), want); line != "" {
		t.Errorf("testdata/MANIFEST is not what the files say; if they are meant to have changed, run `make manifest`. %s", line)
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		switch {
		case i >= len(g):
			return "It lacks: " + w[i]
		case i >= len(w):
			return "It has too much: " + g[i]
		case g[i] != w[i]:
			return fmt.Sprintf("Line %d is %q, want %q", i+1, g[i], w[i])
		}
	}
	return ""
}

var (
	toolchainLine = regexp.MustCompile(`(?m)^(?:#|//) toolchain: (.+)$`)
	npmPin        = regexp.MustCompile(`\S+@[0-9]\S*`)
	teavmPin      = regexp.MustCompile(`TeaVM (\S+)`)
)

// toolchain returns the tools that made a module, from its section "producers", or else
// from a line "toolchain:". That line is in the Makefile for a .wat file, and otherwise
// in the directory's build.sh, or in the .c file if there is no build.sh.
func toolchain(file string, module []byte) (string, error) {
	tools, err := producers(module)
	if err != nil || tools != "" {
		return tools, err
	}
	source := filepath.Join(filepath.Dir(file), "build.sh")
	switch base := strings.TrimSuffix(file, ".wasm"); {
	case exists(base + ".wat"):
		source = "Makefile"
	case exists(base+".c") && !exists(source):
		source = base + ".c"
	}
	data, err := os.ReadFile(source)
	if err != nil {
		return "", errors.New("nothing says what made it: it has no .wat or .c file and no build.sh beside it")
	}
	line := toolchainLine.FindSubmatch(data)
	if line == nil {
		return "", fmt.Errorf("%s has no line that begins with `# toolchain: ` or `// toolchain: `", source)
	}
	tools = string(line[1])
	return tools, pinned(source, tools)
}

// pinned returns an error if the versions of a toolchain are not those that are
// installed.
func pinned(source, tools string) error {
	install, err := os.ReadFile("guest-sdk/toolchains.sh")
	if err != nil {
		return err
	}
	for _, pin := range npmPin.FindAllString(tools, -1) {
		if !slices.Contains(strings.Fields(string(install)), pin) {
			return fmt.Errorf("%s says %s, which guest-sdk/toolchains.sh does not install", source, pin)
		}
	}
	if pin := teavmPin.FindStringSubmatch(tools); pin != nil {
		pom, err := os.ReadFile("guest-sdk/java/pom.xml")
		if err != nil {
			return err
		}
		if !strings.Contains(string(pom), "<teavm.version>"+pin[1]+"<") {
			return fmt.Errorf("%s says TeaVM %s, and guest-sdk/java/pom.xml another version", source, pin[1])
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

var errTruncated = errors.New("the section producers ends too early")

// producers returns the content of the custom section "producers" of the tool
// conventions, or "" if there is none.
func producers(module []byte) (string, error) {
	rest := module[min(8, len(module)):]
	for len(rest) > 0 {
		id := rest[0]
		section, after, ok := sized(rest[1:])
		if !ok {
			return "", errors.New("a section ends too early")
		}
		rest = after
		if name, content, ok := sized(section); id == 0 && ok && string(name) == "producers" {
			return fields(content)
		}
	}
	return "", nil
}

// fields reads the fields of the section. Each has pairs of a tool and its version.
func fields(data []byte) (string, error) {
	var tools []string
	count, n := binary.Uvarint(data)
	if n <= 0 {
		return "", errTruncated
	}
	data = data[n:]
	for range count {
		_, after, ok := sized(data)
		pairs, n := binary.Uvarint(after)
		if !ok || n <= 0 {
			return "", errTruncated
		}
		data = after[n:]
		for range pairs {
			name, after, ok := sized(data)
			version, end, okVersion := sized(after)
			if !ok || !okVersion {
				return "", errTruncated
			}
			data = end
			tools = append(tools, string(bytes.TrimSpace(fmt.Appendf(nil, "%s %s", name, version))))
		}
	}
	return strings.Join(tools, ", "), nil
}

// sized splits off the bytes whose number the data begins with.
func sized(data []byte) (content, after []byte, ok bool) {
	size, n := binary.Uvarint(data)
	if n <= 0 || size > uint64(len(data)-n) {
		return nil, nil, false
	}
	return data[n : n+int(size)], data[n+int(size):], true
}

func TestProducers(t *testing.T) {
	section := "\x00\x30\x09producers\x02\x08language\x01\x04Rust\x00\x0cprocessed-by\x01\x05rustc\x061.96.0"
	section = section[:1] + string(rune(len(section)-2)) + section[2:]
	module := "\x00asm\x01\x00\x00\x00" + "\x01\x04\x01\x60\x00\x00" + section
	if got, err := producers([]byte(module)); got != "Rust, rustc 1.96.0" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for end := len(module) - 1; end > len(module)-len(section); end-- {
		if got, err := producers([]byte(module[:end])); err == nil {
			t.Errorf("cut at %d: %q", end, got)
		}
	}
}
