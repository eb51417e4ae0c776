//go:build python && unix

package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wasmworker/wasmworker/internal/pybundle"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

const pythonApp = `
from dataclasses import dataclass
from markupsafe import escape
from tabulate import tabulate
from wasmworker import activity

@dataclass
class Order:
    customer: str
    prices: list[float]

@dataclass
class Bill:
    text: str
    total: float

@activity.defn(name="Price")
def price(order: Order) -> Bill:
    return Bill(str(escape(order.customer)), sum(order.prices))

@activity.defn(name="Table")
async def table(order: Order) -> str:
    return tabulate([[p] for p in order.prices])
`

// An app with dependencies of PyPI is built, and serves a real server's activities. One of
// them has native code, which it does without.
func TestPythonServes(t *testing.T) {
	interpreter := testbed.Python(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"orders.py": pythonApp, "requirements.txt": "markupsafe==3.0.2\ntabulate==0.9.0\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	module := filepath.Join(dir, "acts", "orders.wasm")
	built := command{args: []string{"build", filepath.Join(dir, "orders.py"), "-o", module, "--interpreter", interpreter, "--requirements", filepath.Join(dir, "requirements.txt")}}.run(t)
	if built.code != 0 || !strings.Contains(built.stdout, "orders.wasm: Price, Table (") {
		t.Fatalf("exit code %d, %s%s", built.code, built.stdout, built.stderr)
	}
	if !strings.Contains(built.stderr, "markupsafe/_speedups") || strings.Contains(built.stderr, "tabulate") {
		t.Errorf("native code that was left out: %s", built.stderr)
	}
	installedBefore(t, interpreter, dir, module)
	server := testbed.Shared(t)
	q := queue(t)
	server.Serve(t, "-m", filepath.Dir(module), "-t", q)
	env := []string{"TEMPORAL_ADDRESS=" + server.Address}
	const order = `{"customer": "R&D", "prices": [1.5, 2]}`
	for activity, want := range map[string]string{
		"Price": `{"text":"R&amp;D","total":3.5}`,
		"Table": `"---\n1.5\n2\n---"`,
	} {
		got := command{args: []string{"execute", "--task-queue", q, activity, order}, env: env}.run(t)
		if got.code != 0 || strings.TrimSpace(got.stdout) != want {
			t.Errorf("%s: exit code %d, %s%s, want %s", activity, got.code, got.stdout, got.stderr, want)
		}
	}
}

// installedBefore builds the app with packages that pip has installed before, and others that
// the project does not name: it is the same module.
func installedBefore(t *testing.T, interpreter, dir, module string) {
	t.Helper()
	packages := filepath.Join(dir, "packages")
	pip := exec.Command("python3", append(slices.Clone(pybundle.PipInstall), "--target", packages, "markupsafe==3.0.2", "tabulate==0.9.0", "six==1.17.0")...)
	if out, err := pip.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	project := filepath.Join(dir, "pyproject.toml")
	text := "[project]\nname = \"orders\"\ndependencies = [\"markupsafe>=3\", \"tabulate~=0.9; sys_platform == 'wasi'\", \"pywin32; sys_platform == 'win32'\"]\n"
	if err := os.WriteFile(project, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	second := filepath.Join(dir, "second.wasm")
	args := []string{"build", filepath.Join(dir, "orders.py"), "-o", second, "--interpreter", interpreter, "--site-packages", packages, "--requirements", project}
	built := command{args: args}.run(t)
	if built.code != 0 || !strings.Contains(built.stderr, "MarkupSafe 3.0.2: markupsafe/_speedups") {
		t.Fatalf("exit code %d, %s%s", built.code, built.stdout, built.stderr)
	}
	want, err := os.ReadFile(module)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(second); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the module has %d bytes, and %d if pip installs for it, error %v", len(got), len(want), err)
	}
}
