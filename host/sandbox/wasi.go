package sandbox

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/internal/inject"
	"github.com/wasmworker/wasmworker/host/internal/wasip1"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
	"github.com/wasmworker/wasmworker/host/passthrough/wasi"
)

// wasiConfig makes WASI's configuration of the module's options.
func (m *Module) wasiConfig() wasip1.Config {
	if m.file.Kind == modules.KindWorkflow {
		return workflowWASI()
	}
	config := wasip1.Config{
		// not the module's: records are replayed by the file alone
		Name: strings.TrimSuffix(filepath.Base(m.file.Path), ".wasm"),
		Args: m.options.Args,
		Env:  m.env,
	}
	if clock, ok := m.options.Policies[wasi.NameClock].(*wasi.Clock); ok {
		config.Clock = *clock
	}
	if random, ok := m.options.Policies[wasi.NameRandom].(*wasi.Random); ok {
		config.Random = *random
	}
	if slices.Contains(m.options.Passthrough, fsmod.Name) {
		config.Files, _ = m.options.Policies[fsmod.Name].(*fsmod.Policy)
	}
	return config
}

// linkWASI makes what the guests find, and links it if they import it. Directories that
// they cannot ask for are not opened.
func (p *program) linkWASI(ctx context.Context, imported bool) (err error) {
	config := p.module.wasiConfig()
	config.From = inject.Of(ctx).FilesFrom
	if !imported {
		config.Files = nil
	}
	if p.wasi, err = wasip1.New(config); err != nil {
		return fmt.Errorf("passthrough module %q: %w", fsmod.Name, err)
	}
	if !imported {
		return nil
	}
	return p.wasi.Link(ctx, p.runtime, func(ctx context.Context) *wasip1.Process { return &callFrom(ctx).wasi })
}

// wasiHost is a call as WASI sees it.
type wasiHost struct{ c *call }

func (h wasiHost) Context() context.Context { return h.c.ctx }

func (h wasiHost) Interrupted(n int) bool { return h.c.interrupted(n) }

func (h wasiHost) StopIfInterrupted() { h.c.stopIfInterrupted() }

func (h wasiHost) Stdout(p []byte) error { return h.c.guest.stdout(p) }

func (h wasiHost) Stderr(p []byte) error {
	h.c.stderr.write(p)
	h.c.streams.stderr.write(h.c, p)
	return nil
}

func (h wasiHost) Denied(capability string, denial *passthrough.Denial) {
	h.c.denied(capability, denial)
}

// fileCost is what the host has for an open file.
const fileCost = 1 << 10

func (h wasiHost) FilesOpen(n int) error {
	held := int(h.c.memory.Held(image.Files))
	if more := n*fileCost - held; more > 0 {
		return h.c.hold(image.Files, more)
	} else {
		h.c.letGo(image.Files, -more)
		return nil
	}
}

func (h wasiHost) FilesChanged() {
	if h.c.hooks.FilesChanged != nil {
		h.c.hooks.FilesChanged(h.c.ctx)
	}
}
