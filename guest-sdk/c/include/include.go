// Package include is the SDK for C and C++: headers, which `wasmworker new` writes into projects.
package include

import "embed"

//go:embed *.h *.hpp
var files embed.FS

// Headers returns the headers by file name.
func Headers() map[string]string {
	headers := map[string]string{}
	entries, err := files.ReadDir(".")
	if err != nil { // it is embedded
		panic(err)
	}
	for _, e := range entries {
		data, err := files.ReadFile(e.Name())
		if err != nil {
			panic(err)
		}
		headers[e.Name()] = string(data)
	}
	return headers
}
