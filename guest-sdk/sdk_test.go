package guestsdk_test

import (
	"archive/zip"
	"bytes"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	guestsdk "github.com/wasmworker/wasmworker/guest-sdk"
)

var write = flag.Bool("go-sdk", false, "write go.zip")

// What a project has no use for.
var left = regexp.MustCompile(`(^|/)(tests?|\.gitignore|rustfmt\.toml|CMakeLists\.txt)(/|$)|_test\.go$`)

// sources are the files of an SDK's folder that the repository has, or is to have, and
// that a project needs.
func sources(t *testing.T, folder string) map[string]string {
	t.Helper()
	list := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", ".")
	list.Dir = folder
	output, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for path := range strings.FieldsSeq(string(output)) {
		data, err := os.ReadFile(filepath.Join(folder, path))
		if os.IsNotExist(err) || left.MatchString(path) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		files[path] = string(data)
	}
	return files
}

// archive packs files. They are not compressed, so that the same files are the same bytes
// by every version of Go.
func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := zip.NewWriter(&packed)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		file, err := w.CreateHeader(&zip.FileHeader{Name: path, Method: zip.Store})
		if err == nil {
			_, err = file.Write([]byte(files[path]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// A copy is what the SDK's folder has now, without its tests and without what building it
// leaves behind.
func TestCopy(t *testing.T) {
	if *write {
		if err := os.WriteFile("go.zip", archive(t, sources(t, "go")), 0o666); err != nil {
			t.Fatal(err)
		}
		return // the new one is not embedded yet
	}
	license, err := os.ReadFile("../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	for language, folder := range map[string]string{
		"go": "go", "rust": "rust", "typescript": "typescript", "assemblyscript": "assemblyscript", "zig": "zig", "java": "java", "c": "c/include", "cpp": "c/include",
	} {
		want := sources(t, folder)
		want["LICENSE"] = string(license)
		got := guestsdk.Copy(language)
		for path, text := range want {
			if data, ok := got[path]; !ok {
				t.Errorf("%s: %s is missing in the copy%s", language, path, hint(language))
			} else if string(data) != text {
				t.Errorf("%s: %s is not what it is in the repository%s", language, path, hint(language))
			}
		}
		for path := range got {
			if _, ok := want[path]; !ok {
				t.Errorf("%s: the copy has %s, and the repository has not%s", language, path, hint(language))
			}
		}
	}
}

func hint(language string) string {
	if language == "go" {
		return ": run make go-sdk"
	}
	return ": see go:embed in sdk.go"
}
