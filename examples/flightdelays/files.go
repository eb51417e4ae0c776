package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

// maxRead bounds what a guest can make the host hold in memory for one call.
const maxRead = 8 << 20

// filesModule lets guests read the files of a directory, and nothing else, as
// wasmworker:files/v1. A team would put its object store behind the same function.
//
//	read({"file": "flights.json", "offset": 0, "length": 65536})
//
// returns the bytes, fewer at the file's end. Without a length it is the rest of the
// file.
func filesModule(directory *os.Root) host.PassthroughModule {
	return host.PassthroughModule{
		Name: "files",
		Functions: map[string]passthrough.Func{
			"read": func(_ context.Context, _ *passthrough.Call, req []byte) ([]byte, error) {
				return readFile(directory, req)
			},
		},
	}
}

func readFile(directory *os.Root, req []byte) ([]byte, error) {
	var request struct {
		File   string `json:"file"`
		Offset int64  `json:"offset"`
		Length *int64 `json:"length"`
	}
	if err := json.Unmarshal(req, &request); err != nil {
		return nil, fmt.Errorf("%w: %w", abi.EINVAL, err)
	}
	length := int64(maxRead)
	if request.Length != nil {
		length = *request.Length
	}
	if request.Offset < 0 || length < 0 || length > maxRead {
		return nil, fmt.Errorf("%w: offset and length are from 0, and length is at most %d", abi.EINVAL, maxRead)
	}
	// never outside of the directory, whatever the name is
	file, err := directory.Open(request.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no file %q", abi.ENOENT, request.File)
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.NewSectionReader(file, request.Offset, length))
}
