//go:build unix

package testbed_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

const module = "github.com/wasmworker/wasmworker"

func list(t *testing.T, format, pkg string, flags ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append(append([]string{"list"}, flags...), "-f", format, pkg)...)
	cmd.Dir = testbed.Root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// The arrows of the house point down only: cmd -> host -> sandbox, passthrough, catalog -> abi.
// Temporal lives in host and nowhere below, wazero in sandbox and nowhere above.
func TestArrowsPointDown(t *testing.T) {
	for pkg, forbidden := range map[string][]string{
		"./abi":              {module, "go.temporal.io", "github.com"},
		"./host/modules":     {"go.temporal.io", "github.com/tetratelabs", module + "/host/sandbox", module + "/host/passthrough"},
		"./host/passthrough": {"go.temporal.io", "github.com/tetratelabs", module + "/host/sandbox"},
		"./host/sandbox":     {"go.temporal.io"},
		// The embedded server is for development, and must not be in the program that operators run.
		"./cmd/wasmworker": {"go.temporal.io/server"},
		// Drivers are for who imports them: an embedder does not carry those that it does not use.
		"./host": {"modernc.org", "github.com/jackc", "gocloud.dev", "github.com/aws", "cloud.google.com", "github.com/Azure"},
	} {
		self := module + strings.TrimPrefix(pkg, ".")
		for _, dep := range list(t, "{{join .Deps \"\\n\"}}", pkg) {
			for _, f := range forbidden {
				if strings.HasPrefix(dep, f) && !strings.HasPrefix(dep, self) {
					t.Errorf("%s depends on %s", pkg, dep)
				}
			}
		}
	}
	for _, pkg := range []string{"./host", "./cmd/wasmworker"} {
		for _, dep := range list(t, "{{join .Imports \"\\n\"}}", pkg) {
			if strings.HasPrefix(dep, "github.com/tetratelabs") {
				t.Errorf("%s imports %s, which is the sandbox's", pkg, dep)
			}
		}
	}
}

// `go install …@latest` refuses a main module with replace directives, and a guest's
// developer gets nothing but our SDK.
func TestModulesCanBeInstalled(t *testing.T) {
	for file, forbidden := range map[string]string{"go.mod": "replace ", "cmd/wasmworker-devserver/go.mod": "replace ", "guest-sdk/go/go.mod": "require"} {
		data, err := os.ReadFile(filepath.Join(testbed.Root(t), file))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), forbidden) {
			t.Errorf("%s has a %s directive", file, strings.TrimSpace(forbidden))
		}
	}
}
