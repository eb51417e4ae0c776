package sandbox

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/wasmworker/wasmworker/host/internal/meter"
)

// rewrite returns the module as it is compiled: metered, its state exposed. What it has
// made once it keeps in the cache beside the compiled code, with which it takes 5 ms
// instead of 60 for a Go guest of 4 MB.
func (m *Module) rewrite(ctx context.Context, cache *codeCache) (*meter.Exposed, error) {
	path := ""
	if cache != nil {
		path = filepath.Join(cache.directory(m), rewrittenName)
		kept, err := readRewritten(path)
		if err == nil {
			return kept, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			cache.damaged(m, path, err)
			os.RemoveAll(path) //nolint:errcheck // if it matters, the file cannot be written either
		}
	}
	exposed, err := meter.Expose(ctx, m.file.Binary, maxTable, m.called()...)
	if err != nil {
		return nil, err
	}
	var options []meter.Option
	if m.options.canonicalNaN {
		options = append(options, meter.CanonicalNaN)
	}
	if exposed.Binary, err = meter.Instrument(ctx, exposed.Binary, options...); err != nil {
		return nil, err
	}
	if path != "" && !cache.readOnly.Load() {
		if err := writeRewritten(path, exposed); err != nil {
			cache.cannotBeWritten(err)
		}
	}
	return exposed, nil
}

// called returns which exports the host calls. A runtime takes time for all others, too.
func (m *Module) called() []string {
	if keepExports {
		return nil
	}
	return append(m.contract.calls(m.file), m.file.Initialize...)
}

// keepExports leaves modules their exports, for tests that look into them.
var keepExports bool

// A file is the CRC-32C of the rest, against accidents (who can write there can do
// anything); the length of a head, as 4 bytes; the head, in JSON; offset and length of
// each part of the data, as 4 bytes each; the binary; the data, one after the other. What
// is large is not decoded.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type rewrittenHead struct {
	Globals      []string `json:"globals"`
	Irreversible string   `json:"irreversible"`
	Binary       int      `json:"binary"` // its length
	Data         int      `json:"data"`   // how many parts
}

func readRewritten(path string) (*meter.Exposed, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	const start = 8
	if len(file) < start || crc32.Checksum(file[4:], castagnoli) != binary.LittleEndian.Uint32(file) {
		return nil, errors.New("its checksum is another one")
	}
	// The checksum is right, so the rest is what was written.
	end := start + int(binary.LittleEndian.Uint32(file[4:]))
	var head rewrittenHead
	if err := json.Unmarshal(file[start:end], &head); err != nil {
		return nil, err
	}
	rest := file[end:]
	take := func(n int) (part []byte) {
		part, rest = rest[:n:n], rest[n:]
		return part
	}
	parts := take(8 * head.Data)
	exposed := &meter.Exposed{Globals: head.Globals, Irreversible: head.Irreversible, Binary: take(head.Binary), Data: make([]meter.Data, head.Data)}
	for i := range exposed.Data {
		exposed.Data[i] = meter.Data{Offset: binary.LittleEndian.Uint32(parts[8*i:]), Bytes: take(int(binary.LittleEndian.Uint32(parts[8*i+4:])))}
	}
	return exposed, nil
}

func writeRewritten(path string, exposed *meter.Exposed) error {
	head := rewrittenHead{Globals: exposed.Globals, Irreversible: exposed.Irreversible, Binary: len(exposed.Binary), Data: len(exposed.Data)}
	encoded, err := json.Marshal(head)
	if err != nil {
		return err
	}
	file := binary.LittleEndian.AppendUint32(make([]byte, 4), uint32(len(encoded)))
	file = append(file, encoded...)
	for _, d := range exposed.Data {
		file = binary.LittleEndian.AppendUint32(file, d.Offset)
		file = binary.LittleEndian.AppendUint32(file, uint32(len(d.Bytes)))
	}
	file = append(file, exposed.Binary...)
	for _, d := range exposed.Data {
		file = append(file, d.Bytes...)
	}
	binary.LittleEndian.PutUint32(file, crc32.Checksum(file[4:], castagnoli))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return replaceFile(path, file)
}
