package sandbox_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// expectation reads the first line of a hostile module's source: what must come of it.
func expectation(t *testing.T, wat string) string {
	t.Helper()
	f, err := os.Open(wat)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	scanner := bufio.NewScanner(f)
	scanner.Scan()
	want, ok := strings.CutPrefix(scanner.Text(), ";; expect: ")
	if !ok {
		t.Fatalf("%s does not begin with ;; expect:", wat)
	}
	return want
}

// errHostPanic is for a panic that came out of the sandbox: in a worker, it would be its
// end.
var errHostPanic = errors.New("the host panicked")

// runRecovered runs an activity and makes an error of a panic.
func runRecovered(ctx context.Context, box *sandbox.Sandbox, task sandbox.Task) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errHostPanic, p)
		}
	}()
	_, err = box.Run(ctx, task)
	return err
}

// Every module of testdata/hostile ends as its source says: with the right error, without
// harm to the next activity, and with nothing left of it.
func TestHostileModules(t *testing.T) {
	sources, err := filepath.Glob(filepath.Join("..", "..", "testdata", "hostile", "*.wat"))
	if err != nil || len(sources) < 20 {
		t.Fatalf("%d hostile modules, %v", len(sources), err)
	}
	policies := []sandbox.Isolation{sandbox.IsolationFresh, sandbox.IsolationPristine, sandbox.IsolationReuse}
	for i := range len(policies) * len(sources) {
		source, policy := sources[i/len(policies)], policies[i%len(policies)]
		name := strings.TrimSuffix(filepath.Base(source), ".wat") + "/" + string(policy)
		t.Run(name, func(t *testing.T) {
			want := expectation(t, source)
			if strings.Contains(want, "did not return") {
				sandbox.SetTrialTimeout(t, 200*time.Millisecond)
			}
			usage := image.Usage()
			defer func() { // closed
				if left := image.Usage(); left != usage {
					t.Errorf("memory: %+v is left, there was %+v", left, usage)
				}
			}()
			box, err := hostileSandbox(t, strings.TrimSuffix(source, ".wat")+".wasm", policy)
			if text, refused := strings.CutPrefix(want, "refused: "); refused {
				if err == nil {
					defer box.Close(context.Background())
				}
				if err == nil || !strings.Contains(err.Error(), text) {
					t.Errorf("got %v, want a refusal with %q", err, text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer box.Close(context.Background())
			for range 2 { // the second finds nothing of the first
				started := time.Now()
				if got := runHostile(t, box, want); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
				// The time may not depend on the guest.
				if took := time.Since(started); want == "interrupted" && took > deadline+promptly {
					t.Errorf("it took %v to interrupt it", took-deadline)
				}
				result, err := box.Run(t.Context(), sandbox.Task{Activity: "Echo", Args: []sandbox.Payload{sandbox.NewPayload(abi.EncodingJSON, []byte("1"))}})
				if err != nil || string(result.Data) != "1" {
					t.Errorf("the next activity: %v, %v", result, err)
				}
			}
			for _, m := range box.Modules() {
				if m.Live() != 0 && (policy == sandbox.IsolationFresh || m.File().Name != "echo" && want != "completed") {
					t.Errorf("%d instances of %s are left", m.Live(), m.File().Name)
				}
			}
		})
	}
}

// hostileSandbox makes a sandbox of a module and a harmless one. Those named files-… are
// granted a directory.
func hostileSandbox(t *testing.T, path string, policy sandbox.Isolation) (*sandbox.Sandbox, error) {
	modules, err := modules.Open(path, filepath.Join("..", "..", "testdata", "wat", "echo.wasm"))
	if err != nil {
		return nil, err
	}
	set, err := passthrough.NewSet(fsmod.New())
	if err != nil {
		return nil, err
	}
	defaults := sandbox.Options{Isolation: policy}
	if strings.HasPrefix(filepath.Base(path), "files-") {
		defaults.Passthrough = []string{fsmod.Name}
		defaults.Policies = map[string]any{fsmod.Name: &fsmod.Policy{Mounts: map[string]fsmod.Mount{"/data": {Directory: t.TempDir(), Write: true}}}}
	}
	box, err := sandbox.New(sandbox.Config{Modules: modules, Passthrough: set, Limit: 1, Defaults: defaults})
	if err != nil {
		return nil, err
	}
	if err := box.Compile(context.Background()); err != nil {
		return nil, errors.Join(err, box.Close(context.Background()))
	}
	return box, nil
}

// deadline is when what does not end by itself is interrupted.
const deadline = 100 * time.Millisecond

// promptly is how long an interruption may take on a machine that is busy with other
// tests.
const promptly = 10 * time.Second

// runHostile runs the activity A and says how it ended, in the words of an expectation.
func runHostile(t *testing.T, box *sandbox.Sandbox, want string) string {
	t.Helper()
	limit := time.Minute // for what ends by itself
	if want == "interrupted" {
		limit = deadline
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return ending(runRecovered(ctx, box, sandbox.Task{Activity: "A"}))
}

// ending says how an activity ended, in the words of an expectation.
func ending(err error) string {
	var failure *abi.Failure
	var interrupted *sandbox.InterruptedError
	switch {
	case err == nil:
		return "completed"
	case errors.As(err, &interrupted):
		return "interrupted"
	case errors.As(err, &failure):
		return failure.Type
	}
	return err.Error()
}
