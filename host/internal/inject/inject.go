// Package inject is what replaying does to an activity beyond what an embedder may: hooks
// that the contexts of package sandbox carry, and what is asked of the activity from the
// context of its functions. It keeps both out of the types that embedders see.
package inject

import (
	"context"
	"time"

	"github.com/wasmworker/wasmworker/host/internal/wasip1"
)

// Hooks are in the context of sandbox.Sandbox.Run for one activity, and in that of
// Compile for the modules. The zero value is none.
type Hooks struct {
	// FilesFrom is for Compile: the modules' directories are as in a replay, see
	// [wasip1.OpenMounts]. The zero time: they are as the host has them.
	FilesFrom time.Time

	// The others are for Run. RefuseMemory is from which request of the guest for more
	// memory on it gets none, as if the machine had none left. 0: it gets what it may
	// have.
	RefuseMemory int
	// Mounts are there in place of the module's own directories, at the same paths. A
	// module that has none does not get these. Nobody closes them. Nil: the module's.
	Mounts *wasip1.Mounts
	// FilesChanged is told of each change of a file or a directory, from the guest's
	// goroutine, with a context for [FuelUsed], if these Mounts are those of a replay.
	// Nil: nobody wants to know.
	FilesChanged func(context.Context)
}

type hooksKey struct{}

// With returns a context that has hooks.
func With(ctx context.Context, hooks Hooks) context.Context {
	return context.WithValue(ctx, hooksKey{}, hooks)
}

// Of returns the hooks of a context.
func Of(ctx context.Context) Hooks {
	hooks, _ := ctx.Value(hooksKey{}).(Hooks)
	return hooks
}

// Activity is an activity while its guest runs.
type Activity interface {
	// FuelUsed is how much it has used so far.
	FuelUsed() int64
	// Advance advances its clock, if it has a virtual one.
	Advance(d time.Duration)
}

// ActivityKey is the key under which the context of an activity's functions has the
// [Activity].
type ActivityKey struct{}

// FuelUsed returns how much fuel the activity has used so far, from the context of a
// function of its sandbox.Task or of a passthrough module, while that runs. 0: the
// context is of none.
func FuelUsed(ctx context.Context) int64 {
	if a, ok := ctx.Value(ActivityKey{}).(Activity); ok {
		return a.FuelUsed()
	}
	return 0
}

// Advance advances the activity's clock, if it is a virtual one, as if the function had
// taken so long. The context is as for [FuelUsed].
func Advance(ctx context.Context, d time.Duration) {
	if a, ok := ctx.Value(ActivityKey{}).(Activity); ok {
		a.Advance(d)
	}
}
