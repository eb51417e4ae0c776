package host

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// A program that does not call sandbox.CompilerMain compiles its modules itself, as the
// program of these tests does. It logs once what to add.
func TestWithoutCompilerMain(t *testing.T) {
	var log bytes.Buffer
	o := DefaultPluginOptions()
	o.Modules, o.CacheDir = []string{"../testdata/wat/echo.wasm", "../testdata/wat/misbehave.wasm"}, ""
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	p, err := NewPlugin(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.close(t.Context()); err != nil {
		t.Error(err)
	}
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "level=WARN") || !strings.Contains(text, "modules are compiled in this process") || !strings.Contains(text, "call sandbox.CompilerMain() first") {
		t.Errorf("the log is\n%s", text)
	}
}
