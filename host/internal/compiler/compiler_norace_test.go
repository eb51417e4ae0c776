//go:build linux && !race

package compiler

import (
	"errors"
	"testing"
)

// The system's limit holds for what Go's runtime does not know of. With the race detector
// there is none, since that maps more than any.
func TestMemoryLimitOfTheSystem(t *testing.T) {
	_, err := Compile(t.Context(), requestFor(t, acting(actMap)))
	if _, ok := errors.AsType[*MemoryError](err); !ok {
		t.Errorf("error %v", err)
	}
}
