// Package guestsdk holds the SDKs for guests. `wasmworker new` copies them into projects.
// No registry has them. Nothing here may name them to a registry, because the names may
// belong to others there.
package guestsdk

import (
	"archive/zip"
	"bytes"
	"embed"
	"fmt"
	"io/fs"
)

// Each pattern names what is to be embedded, since building leaves other files in these
// directories.
//
//go:embed rust/Cargo.toml rust/README.md rust/wasm-build rust/src rust/macros/Cargo.toml rust/macros/src
//go:embed typescript/package.json typescript/README.md typescript/bin typescript/lib typescript/src
//go:embed assemblyscript/package.json assemblyscript/README.md assemblyscript/asconfig.json assemblyscript/*.ts
//go:embed assemblyscript/assembly assemblyscript/transform assemblyscript/testing
//go:embed python/pyproject.toml python/README.md python/src/wasmworker/*.py
//go:embed python/src/wasmworker/py.typed python/src/wasmworker/testing/*.py
//go:embed zig/build.zig zig/build.zig.zon zig/README.md zig/LICENSE zig/src
//go:embed java/pom.xml java/README.md java/sdk/pom.xml java/sdk/src/main java/maven-plugin/pom.xml java/maven-plugin/src
//go:embed c/include/*.h c/include/*.hpp
var files embed.FS

// goSDK is an archive of the directory go, from which nothing can be embedded here: it is a
// module of its own.
// `make go-sdk` writes it.
//
//go:embed go.zip
var goSDK []byte

// Copy returns the files of a language's SDK that a project needs, with their license, by
// their paths. A language is named as its directory here, or "cpp". It panics if there is
// no such language.
func Copy(language string) map[string][]byte {
	folder := map[string]string{"c": "c/include", "cpp": "c/include"}[language]
	if folder == "" {
		folder = language
	}
	var source fs.FS = files
	if language == "go" {
		archive, err := zip.NewReader(bytes.NewReader(goSDK), int64(len(goSDK)))
		if err != nil { // it is embedded
			panic(err)
		}
		source, folder = archive, "."
	}
	copied := map[string][]byte{}
	sub, err := fs.Sub(source, folder)
	if err == nil {
		err = fs.WalkDir(sub, ".", func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				copied[path], err = fs.ReadFile(sub, path)
			}
			return err
		})
	}
	if err == nil {
		copied["LICENSE"], err = files.ReadFile("zig/LICENSE")
	}
	if err != nil {
		panic(fmt.Sprintf("guestsdk: %s: %v", language, err))
	}
	return copied
}
