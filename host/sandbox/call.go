package sandbox

import (
	"context"
	"errors"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/internal/inject"
	"github.com/wasmworker/wasmworker/host/internal/wasip1"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

// call is what the host knows of one activity while its guest runs. Only the
// goroutine that runs the guest touches it.
type call struct {
	ctx      context.Context // ends when the guest must be interrupted
	module   *Module
	activity Activity // its Module is nil while an instance is being made
	task     *Task
	guest    guest
	hooks    inject.Hooks // none while an instance is being made

	output       []byte
	metadata     map[string][]byte // of the output; nil: none was set
	metadataSize int
	tooLarge     int   // the size of an output that did not fit; 0: all did
	noRoom       error // why the host could not hold all of the output; nil: it could

	handles   map[uint32][]byte
	handle    uint32 // the last one given out
	lastError string
	resources passthrough.Resources // what the guest has open beyond a call
	wasi      wasip1.Process
	streams   *streams // of the instance
	memory    *image.Memory
	used      func() int64 // units so far

	logRecords  int
	logVolume   int // bytes of text
	logsDropped bool

	waited time.Duration // for the instance

	work      int // bytes that the host has worked on since it last let others run
	stderr    tail
	stdoutEnd tail
}

// newCall makes a call. Of the activity no more than the module is set while an instance
// is being made.
func newCall(ctx context.Context, m *Module, activity Activity, task *Task) *call {
	c := &call{module: m, activity: activity, task: task, metadataSize: guessedMetadata}
	c.guest = m.contract.begin(c)
	return c.in(ctx)
}

// in gives the call its context, from which host functions get the call back, and those
// of the task and of passthrough modules what they may ask. Host functions run
// concurrently for different instances of one runtime, so the call cannot be kept beside
// the functions.
func (c *call) in(ctx context.Context) *call {
	c.ctx = context.WithValue(ctx, inject.ActivityKey{}, c)
	return c
}

// release gives back what the call has, beside its instance.
func (c *call) release() {
	c.guest.release()
	c.memory.ReleaseCall()
	if err := errors.Join(c.resources.Close(), c.wasi.Close()); err != nil {
		c.module.logger.Debug("what an activity had open was closed with an error", "activity", c.activity.Type, "error", err)
	}
}

func callFrom(ctx context.Context) *call { return ctx.Value(inject.ActivityKey{}).(*call) }

// FuelUsed implements [inject.Activity].
func (c *call) FuelUsed() int64 {
	if c.used == nil {
		return 0
	}
	return c.used()
}

// Advance implements [inject.Activity].
func (c *call) Advance(d time.Duration) {
	if c.wasi.Clock != nil {
		c.wasi.Clock.Sleep(d)
	}
}

func (c *call) flags() abi.Flags {
	if c.task.Flags == nil {
		return 0
	}
	return c.task.Flags(c.ctx)
}
