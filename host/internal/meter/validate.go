package meter

import (
	"context"
	"errors"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
)

// Validate decodes and validates a binary as wazero does: what [Expose] and [Instrument]
// make of an invalid one may be valid. Custom sections, which they take away or shorten,
// are left out. With wazero's compiler nothing is compiled: 10 ms for each MB. The
// interpreter has no such way out and takes several times as long. The context has no
// influence on that. Nothing is left in the runtime.
func Validate(ctx context.Context, r wazero.Runtime, binary []byte) error {
	bare, err := withoutCustomSections(binary)
	if err != nil {
		return err
	}
	// With two workers or more, the compiler looks at its context before each function.
	ended, cancel := context.WithCancel(ctx)
	cancel()
	compiled, err := r.CompileModule(experimental.WithCompilationWorkers(ended, 2), bare)
	switch {
	case errors.Is(err, context.Canceled): // behind the validation
		return nil
	case err != nil:
		return err
	}
	return compiled.Close(ctx)
}

func withoutCustomSections(binary []byte) ([]byte, error) {
	const head = 8 // magic and version
	if len(binary) < head {
		return binary, nil
	}
	r := newReader(binary, head)
	for !r.done() {
		at := r.pos
		id := r.byte()
		if r.part("section"); id == sectionCustom {
			r.replace(at)
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return append(binary[:head:head], r.content()...), nil
}
