package sandbox

import (
	"fmt"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/image"
)

// outputRefused is the failure of an activity whose output was refused, nil if it was not.
func (c *call) outputRefused() *abi.Failure {
	switch {
	case c.tooLarge > 0:
		return c.outputTooLarge()
	case c.noRoom != nil:
		return &abi.Failure{Type: abi.TypeOutOfMemory, Message: fmt.Sprintf("module %s ran out of memory: its output was refused (%v)", c.module.file.Name, c.noRoom)}
	}
	return nil
}

// room charges for what the output is to grow by, or gives back what it shrinks by.
func (c *call) room(n int) error {
	if n < 0 {
		c.letGo(image.Output, -n)
		return nil
	}
	err := c.hold(image.Output, n)
	if err != nil {
		c.noRoom = err
	}
	return err
}

func (c *call) outputTooLarge() *abi.Failure {
	most, limit := c.limit()
	return OutputTooLarge(c.activity.Type, c.tooLarge, most, limit)
}

// limit returns the most bytes of a result or a heartbeat's details, and what limits
// them.
func (c *call) limit() (most int, limit Limit) {
	if most = c.module.options.MaxOutput; c.task.PayloadLimit > 0 && c.task.PayloadLimit < most {
		return c.task.PayloadLimit, ServerLimit
	}
	return most, MaxOutputLimit
}

// Limit is what limits the size of an output.
type Limit string

// The limits of an output.
const (
	MaxOutputLimit Limit = "the module's output limit"   // Options.MaxOutput
	ServerLimit    Limit = "the Temporal server's limit" // Task.PayloadLimit
)

// OutputTooLarge is the failure of an activity whose output has more bytes than it may
// have. The size is what [Size] counts, or as much as was counted until it was refused.
func OutputTooLarge(activity string, size, most int, limit Limit) *abi.Failure {
	advice := "raise it, as far as the Temporal server's own limit allows"
	if limit == ServerLimit {
		advice = "raise that of the server (limit.blobSize.error)"
	}
	return &abi.Failure{
		Type: abi.TypeOutputTooLarge,
		Message: fmt.Sprintf("activity %s has an output of %d bytes or more with its metadata: more than %d bytes, which is %s; return less, for example a reference to stored data, or %s",
			activity, size, most, limit, advice),
		NonRetryable: true,
	}
}

// result returns the pushed output, nil for none.
func (c *call) result() *Payload {
	if c.metadata == nil && len(c.output) == 0 {
		return nil
	}
	p := &Payload{Metadata: c.metadata, Data: c.output}
	if p.Metadata == nil {
		p.Metadata = NewPayload(abi.EncodingJSON, nil).Metadata
	}
	return p
}

// guessedMetadata is the size of the metadata of an output that has none of its own.
var guessedMetadata = metadataSize(NewPayload(abi.EncodingJSON, nil).Metadata)

// write appends to the output within the limit.
func (c *call) write(data []byte) error {
	if err := c.check(c.metadataSize, len(c.output)+len(data)); err != nil {
		return err
	}
	if err := c.room(len(data)); err != nil {
		return err
	}
	c.output = append(c.output, data...)
	return nil
}

// describe sets the metadata of the output within the limit.
func (c *call) describe(metadata map[string][]byte) error {
	size := metadataSize(metadata)
	if err := c.check(size, len(c.output)); err != nil {
		return err
	}
	// what an output has without any was not charged
	if err := c.room(max(size, guessedMetadata) - max(c.metadataSize, guessedMetadata)); err != nil {
		return err
	}
	c.metadata, c.metadataSize = metadata, size
	return nil
}

// check refuses an output that would be larger than the limit.
func (c *call) check(metadata, data int) error {
	size := payloadSize(metadata, data)
	if most, limit := c.limit(); size > most {
		c.tooLarge = size
		return fmt.Errorf("%w: the output would be %d bytes with its metadata, and %s is %d", abi.EMSGSIZE, size, limit, most)
	}
	return nil
}
