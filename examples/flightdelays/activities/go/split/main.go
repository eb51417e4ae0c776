// SplitFile divides a file with a JSON array of records, of any size, into chunks of
// whole records. It reads the file block by block through a host module, and gives back
// ranges instead of data: what is large stays where it is, and Temporal carries
// references to it.
package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
	"github.com/wasmworker/wasmworker/guest-sdk/go/passthrough"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

// Request says what to split.
type Request struct {
	File      string `json:"file"`
	ChunkSize int    `json:"chunk_size"` // a chunk is complete once it has so many bytes
}

// Chunk is a range of the file with whole records, without the comma behind the last of
// them.
type Chunk struct {
	File    string `json:"file"`
	Offset  int    `json:"offset"`
	Length  int    `json:"length"`
	Records int    `json:"records"`
}

// Progress is what a heartbeat tells, and where the next attempt goes on.
type Progress struct {
	Offset int     `json:"offset"` // end of the last whole record that was found
	Chunks []Chunk `json:"chunks"` // the last one may still grow
}

// A record has to fit into a block.
const blockSize = 256 << 10

// SplitFile is the activity.
func SplitFile(ctx context.Context, request Request) ([]Chunk, error) {
	if request.ChunkSize <= 0 {
		return nil, temporal.NewNonRetryableApplicationError("chunk_size must be positive", "BadRequest", nil)
	}
	var p Progress
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &p); err != nil {
			return nil, err
		}
		activity.GetLogger(ctx).Info("going on where the attempt before has stopped", "file", request.File, "offset", p.Offset)
	}
	for {
		block, err := readFile(request.File, p.Offset, blockSize)
		if errors.Is(err, passthrough.ENOENT) {
			return nil, temporal.NewNonRetryableApplicationError("there is no file "+request.File, "NoSuchFile", err)
		}
		if err != nil {
			return nil, err // retried, from the last heartbeat on
		}
		offset := p.Offset
		end, err := records(block, offset == 0, func(start, end int) { p.add(request, offset+start, offset+end) })
		switch {
		case err != nil:
			return nil, temporal.NewNonRetryableApplicationError(
				fmt.Sprintf("%s is not a JSON array of records: %v, at byte %d", request.File, err, p.Offset), "NotRecords", nil)
		case end:
			return p.Chunks, nil
		case p.Offset == offset: // nothing was found
			err = errors.New("the array does not end")
			if len(block) == blockSize {
				err = fmt.Errorf("a record is longer than %d bytes", blockSize)
			}
			return nil, temporal.NewNonRetryableApplicationError(
				fmt.Sprintf("%s is not a JSON array of records: %v, at byte %d", request.File, err, p.Offset), "NotRecords", nil)
		}
		activity.RecordHeartbeat(ctx, p)
		if err := ctx.Err(); err != nil {
			return nil, err // the next attempt has the heartbeat
		}
	}
}

// add adds the record that lies from start to end in the file.
func (p *Progress) add(request Request, start, end int) {
	if n := len(p.Chunks); n == 0 || p.Chunks[n-1].Length >= request.ChunkSize {
		p.Chunks = append(p.Chunks, Chunk{File: request.File, Offset: start})
	}
	chunk := &p.Chunks[len(p.Chunks)-1]
	chunk.Length = end - chunk.Offset
	chunk.Records++
	p.Offset = end
}

// records calls found for each whole record in a block, which begins at the file's
// beginning or behind a record, and tells whether the array ends in the block. It looks
// at what separates records and at nothing else: whoever reads the chunks has to parse
// them anyway.
func records(block []byte, first bool, found func(start, end int)) (end bool, err error) {
	var (
		depth, start    int
		quoted, escaped bool
	)
	for i, c := range block {
		switch {
		case quoted:
			switch {
			case escaped:
				escaped = false
			case c == '\\':
				escaped = true
			case c == '"':
				quoted = false
			}
		case depth == 0: // between records
			switch c {
			case ' ', '\t', '\r', '\n', ',':
			case '[':
				if !first {
					return false, errors.New("there is a [ between records")
				}
				first = false
			case ']':
				return !first, nil
			case '{':
				if first {
					return false, errors.New("it does not begin with [")
				}
				start, depth = i, 1
			default:
				return false, fmt.Errorf("there is %q between records", c)
			}
		case c == '"':
			quoted = true
		case c == '{', c == '[':
			depth++
		case c == '}', c == ']':
			if depth--; depth == 0 {
				found(start, i+1)
			}
		}
	}
	return false, nil
}

//go:wasmexport SplitFile
func splitFile() int32 { return activity.Run(SplitFile) }

func init() { activity.Prepare(SplitFile) }

func main() {}
