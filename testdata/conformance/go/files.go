package main

import (
	"os"

	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
)

type File struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

type Found struct {
	Text  string   `json:"text"`
	Names []string `json:"names"`
}

//go:wasmexport files
func files() int32 { return activity.Run(Files) }

func Files(f File) (*Found, error) {
	const dir = "/data/"
	if err := os.WriteFile(dir+f.Path, []byte(f.Text), 0o600); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(dir + f.Path)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	found := &Found{Text: string(data)}
	for _, e := range entries { // which are sorted
		found.Names = append(found.Names, e.Name())
	}
	return found, os.Remove(dir + f.Path)
}
