package meter

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"strings"
	"sync"
)

//go:embed *.go
var sources embed.FS

// Version names what this package makes of a module: it is another one whenever the
// package's sources are, so that whoever keeps its results need not rely on somebody to
// count.
var Version = sync.OnceValue(func() string {
	hash := sha256.New()
	err := fs.WalkDir(sources, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		data, err := sources.ReadFile(path)
		hash.Write(data)
		return err
	})
	if err != nil { // they are embedded
		panic(err)
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
})
