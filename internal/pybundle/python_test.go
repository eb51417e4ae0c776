//go:build python

package pybundle_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/passthrough/configmod"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/pybundle"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// These tests need the interpreter: make test-python. What they compile is kept for each
// other.
var cache string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "wasmworker-python-")
	if err != nil {
		panic(err)
	}
	cache = dir
	code := testbed.Main(m.Run)
	os.RemoveAll(dir)
	os.Exit(code)
}

func python(t *testing.T) *pybundle.Base {
	t.Helper()
	module, err := os.ReadFile(testbed.Python(t))
	if err != nil {
		t.Fatal(err)
	}
	b, err := pybundle.Read(module)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// serve builds an app and starts a sandbox with it.
func serve(t *testing.T, app *pybundle.App, set passthrough.Set, asked ...string) *sandbox.Sandbox {
	t.Helper()
	module, names, err := python(t).Build(t.Context(), app, asked, cache)
	if err != nil {
		t.Fatal(err)
	}
	file, err := modules.Parse(app.Entry, module)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	box, err := sandbox.New(sandbox.Config{
		Modules: []*modules.File{file}, CacheDir: cache, Passthrough: set, Logger: slog.New(slog.DiscardHandler),
		Defaults: sandbox.Options{Passthrough: asked, Policies: map[string]any{"config": &configmod.Policy{Values: map[string]string{"region": "north"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { box.Close(t.Context()) }) //nolint:errcheck // the test ends
	if err := box.Compile(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := box.Modules()[0]; m.Isolation() != sandbox.IsolationPristine {
		t.Errorf("its isolation is %s: %s", m.Isolation(), m.Fallback())
	}
	t.Logf("%s: %d bytes, activities %v, loaded in %v", app.Entry, len(module), names, time.Since(start))
	return box
}

func call(t *testing.T, box *sandbox.Sandbox, activity string, args ...string) (string, error) {
	t.Helper()
	task := sandbox.Task{Activity: activity, Info: abi.Info{ActivityID: "1", ActivityType: activity, Attempt: 1}}
	for _, arg := range args {
		task.Args = append(task.Args, sandbox.NewPayload(abi.EncodingJSON, []byte(arg)))
	}
	result, err := box.Run(t.Context(), task)
	if result == nil {
		return "", err
	}
	return string(result.Data), err
}

const greetings = `
from dataclasses import dataclass
import helper, os, random, time, uuid
from wasmworker import activity, config
import _wasmworker

@dataclass
class Person:
    name: str

@dataclass
class Greeting:
    text: str

calls = 0

@activity.defn(name="Greet")
def greet(person: Person) -> Greeting:
    return Greeting(f"Hello, {helper.title(person.name)}!")

@activity.defn
async def nap(seconds: float) -> float:
    start = time.monotonic()
    time.sleep(seconds)
    return time.monotonic() - start

@activity.defn
def count() -> int:
    global calls
    calls += 1
    return calls

@activity.defn
def draw() -> str:
    return f"{random.random()} {uuid.uuid4()} {os.urandom(4).hex()} {_wasmworker.random(4).hex()}"

@activity.defn
def fails() -> None:
    try:
        helper.broken()
    except KeyError as e:
        raise ValueError("no such thing") from e

@activity.defn
def deep() -> str:
    found = []
    def down(n): return down(n + 1)
    nested = []
    for _ in range(100_000):
        nested = [nested]
    import json
    for f in (lambda: down(0), lambda: repr(nested), lambda: json.loads("[" * 100_000)):
        try:
            f()
        except RecursionError:
            found.append(True)
    return str(len(found))

@activity.defn
def region() -> str:
    return config.get("region")

@activity.defn
def host() -> list[str]:
    said = []
    for what in (
        lambda: _wasmworker.arg(7), lambda: _wasmworker.arg(-1), lambda: _wasmworker.arg("1"), lambda: _wasmworker.output("x", "y"),
        lambda: _wasmworker.call("http", "send", b"{}"), lambda: _wasmworker.call("http", "sent", b""), lambda: _wasmworker.call("ftp", "get", b""),
        lambda: _wasmworker.call("config", "get", b"region", b"body"), lambda: _wasmworker.call("config", "get", b"missing"), lambda: _wasmworker.heartbeat([1]),
        lambda: _wasmworker.fail(b"{"), lambda: open("/nowhere"),
    ):
        try:
            said.append(repr(what()))
        except Exception as e:
            said.append(f"{type(e).__name__} {getattr(e, 'errno', '')}")
    return said
`

const helper = `
def title(name):
    return name.title()

def broken():
    return {}["x"]
`

func app(t *testing.T) *pybundle.App {
	return collect(t, filepath.Join(tree(t, map[string]string{"shop/__init__.py": "from shop.app import greet\n", "shop/app.py": strings.Replace(greetings, "import helper, ", "from shop import helper\nimport ", 1), "shop/helper.py": helper}), "shop"))
}

func TestPython(t *testing.T) {
	set, err := passthrough.NewSet(configmod.New())
	if err != nil {
		t.Fatal(err)
	}
	box := serve(t, app(t), set, "config")
	for _, c := range []struct {
		activity string
		args     []string
		want     string
	}{
		{"Greet", []string{`{"name": "ada lovelace"}`}, `{"text":"Hello, Ada Lovelace!"}`},
		{"count", nil, "1"},
		{"count", nil, "1"}, // nothing is left of the call before
		{"deep", nil, `"3"`},
		{"region", nil, `"north"`},
		{"host", nil, `["OSError 28","ValueError ","TypeError ","TypeError ","OSError 52","ValueError ","OSError 52","ValueError ","FileNotFoundError 44","TypeError ","OSError 28","FileNotFoundError 44"]`},
	} {
		if got, err := call(t, box, c.activity, c.args...); err != nil || got != c.want {
			t.Errorf("%s: %s, error %v, want %s", c.activity, got, err, c.want)
		}
	}
	if got, err := call(t, box, "nap", "0.05"); err != nil || !strings.HasPrefix(got, "0.0") && !strings.HasPrefix(got, "0.1") {
		t.Errorf("nap: %s, error %v", got, err)
	}
	first, err := call(t, box, "draw")
	if err != nil {
		t.Fatal(err)
	}
	second, err := call(t, box, "draw")
	if err != nil {
		t.Fatal(err)
	}
	for i, number := range strings.Fields(first) {
		if number == strings.Fields(second)[i] {
			t.Errorf("random numbers come twice: %s, %s", first, second)
		}
	}
	_, err = call(t, box, "fails")
	failure, ok := errors.AsType[*abi.Failure](err)
	if !ok || failure.Type != "ValueError" || failure.Cause == nil || failure.Cause.Type != "KeyError" {
		t.Fatalf("fails: %+v", failure)
	}
	// File, line and source of both.
	line := 1 + strings.Count(greetings[:strings.Index(greetings, "raise ValueError")], "\n")
	for trace, want := range map[string]string{
		failure.StackTrace:       fmt.Sprintf("shop/app.py\", line %d, in fails\n    raise ValueError(\"no such thing\") from e\n", line+1),
		failure.Cause.StackTrace: "shop/helper.py\", line 6, in broken\n    return {}[\"x\"]\n",
	} {
		if !strings.Contains(trace, want) {
			t.Errorf("the stack trace is\n%s\nwant\n%s", trace, want)
		}
	}
}

// What the interpreter has that CPython has not: regular expressions compiled in advance, a
// memory of its own for copies, objects that nobody counts, and an event loop that makes no
// turn for what does not wait.
func TestPythonInterpreter(t *testing.T) {
	set, err := passthrough.NewSet(configmod.New())
	if err != nil {
		t.Fatal(err)
	}
	box := serve(t, collect(t, filepath.Join(tree(t, map[string]string{"app.py": `
import asyncio, bz2, re, sys, warnings, zlib
from datetime import datetime
from re import _compiler, _parser, _prepared
from wasmworker import activity

words = [str(n) for n in range(3)]

@activity.defn
def expressions() -> list:
    wrong = []
    for (pattern, flags), (given, code, groups, names) in _prepared.prepared.items():
        parsed = _parser.parse(pattern, flags)
        want = _compiler._code(parsed, flags)
        if list(memoryview(code).cast("I")) != want or parsed.state.groups - 1 != groups or parsed.state.groupdict != dict(names) or given != flags | parsed.state.flags:
            wrong.append(repr(pattern))
    return [len(_prepared.prepared) > 100, wrong, re.compile("(?P<a>b+)(c)*").match("bb").groupdict()]

@activity.defn
def copies() -> list:
    wrong = []
    for n in range(80):
        have = [i % 251 for i in range(n + 9)]
        moved = bytearray(have)
        del moved[:5]
        longer = bytearray(have)
        longer[0:0] = b"abc"
        if list(moved) != have[5:] or list(longer) != [97, 98, 99, *have] or bytes(n) != b"".join([b"\0"] * n) or b"x" * n != b"".join([b"x"] * n):
            wrong.append(n)
    return wrong

@activity.defn
def counted() -> list[int]:
    return [sys.getrefcount(o) for o in (words, words[0], counted, counted.__code__, counted.__code__.co_consts)]

@activity.defn
def warned() -> str:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        re.compile("[[a]")
        datetime.strptime("02/28", "%m/%d")
    return " ".join(w.filename for w in seen)

@activity.defn
def packed() -> list:
    text = b"text" * 1000
    return [bz2.decompress(bz2.compress(text)) == text, zlib.decompress(zlib.compress(text)) == text]

turns = 0

@activity.defn
async def turn(wait: bool) -> int:
    asyncio.get_running_loop().call_soon(later)
    task = asyncio.current_task()
    if wait:
        async with asyncio.timeout(5):
            await asyncio.sleep(0.001)
    return turns if asyncio.current_task() is task else -1

def later():
    global turns
    turns += 1
`}), "app.py")), set)
	for _, c := range []struct{ activity, arg, want string }{
		{"expressions", "", `[true,[],{"a":"bb"}]`},
		{"copies", "", "[]"},
		{"counted", "", strings.TrimSuffix("["+strings.Repeat("1073741823,", 5), ",") + "]"}, // immortal
		{"warned", "", `"/app/app.py /app/app.py"`},
		{"packed", "", "[true,true]"},
		{"turn", "false", "0"},
		{"turn", "true", "1"},
	} {
		var args []string
		if c.arg != "" {
			args = []string{c.arg}
		}
		if got, err := call(t, box, c.activity, args...); err != nil || got != c.want {
			t.Errorf("%s: %s, error %v, want %s", c.activity, got, err, c.want)
		}
	}
}

// What is imported when the app starts is compiled when it is built, and no longer later.
func TestPythonIsCompiled(t *testing.T) {
	set, err := passthrough.NewSet(configmod.New())
	if err != nil {
		t.Fatal(err)
	}
	box := serve(t, collect(t, filepath.Join(tree(t, map[string]string{
		"app/__init__.py": `
import builtins
from wasmworker import activity
from app import early

def compiles(name):
    seen, original = [], builtins.compile
    builtins.compile = lambda source, file, *rest, **more: seen.append(file) or original(source, file, *rest, **more)
    try:
        loader = __import__("sys").modules["app"].__spec__.loader
        type(loader)(loader._archive, name).get_code("")
    finally:
        builtins.compile = original
    return seen

@activity.defn
def compiled() -> list:
    return [compiles("app/__init__.py"), compiles("app/early.py"), compiles("app/late.py")]
`, "app/early.py": "x = 1\n", "app/late.py": "x = 2\n",
	}), "app")), set)
	if got, err := call(t, box, "compiled"); err != nil || got != `[[],[],["/app/app/late.py"]]` {
		t.Errorf("compiled: %s, error %v", got, err)
	}
}

// The same files make the same module.
func TestPythonIsDeterministic(t *testing.T) {
	b, made := python(t), [2][]byte{}
	for i := range made {
		var err error
		if made[i], _, err = b.Build(t.Context(), app(t), []string{"config"}, cache); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(made[0], made[1]) {
		t.Error("the modules differ")
	}
}

// What keeps an app from starting is told with its file, its line, and what to do.
func TestPythonDoesNotStart(t *testing.T) {
	b := python(t)
	const begin = "from wasmworker import activity\n"
	for name, c := range map[string]struct {
		app  string
		want []string
	}{
		"syntax":        {begin + "def f(:\n  pass\n", []string{`"app.py", line 2`, "SyntaxError"}},
		"import":        {begin + "import numpy\n", []string{`"app.py", line 2`, "--requirements", "No module named 'numpy'"}},
		"native":        {begin + "import fast._speed\n", []string{`"app.py", line 2`, "fast/_speed.cpython-313-x86_64-linux-gnu.so is native code", "Python alone"}},
		"exception":     {begin + "def f():\n  return 1 / 0\nf()\n", []string{`"app.py", line 4`, `"app.py", line 3`, "ZeroDivisionError"}},
		"exit":          {"import sys\nsys.exit(3)\n", []string{`"app.py", line 2`, "SystemExit"}},
		"hard exit":     {"import os\nos._exit(3)\n", []string{"app does not start", "3"}},
		"no activities": {begin, []string{"@activity.defn"}},
		"two names":     {begin + "@activity.defn\ndef a() -> None: ...\n@activity.defn(name='a')\ndef b() -> None: ...\n", []string{"app.py:2", "app.py:4"}},
		"threads":       {"import threading\nthreading.Thread(target=print).start()\n", []string{`"app.py", line 2`, "threads"}},
	} {
		dir := tree(t, map[string]string{"app.py": c.app, "fast/__init__.py": "", "fast/_speed.cpython-313-x86_64-linux-gnu.so": "ELF"})
		_, _, err := b.Build(t.Context(), collect(t, dir), nil, cache)
		if err == nil {
			t.Errorf("%s: it starts", name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want %q", name, err, want)
			}
		}
		if strings.Contains(err.Error(), "<frozen") {
			t.Errorf("%s: the error shows the interpreter's own frames: %v", name, err)
		}
	}
}

// What activities import within a call is told when the app is built, with its place.
func TestPythonImportsWithinCalls(t *testing.T) {
	app := collect(t, filepath.Join(tree(t, map[string]string{
		"shop/__init__.py": `
from wasmworker import activity
from shop import helper, early

@activity.defn
def plain() -> int:
    import json, quopri
    from . import early
    return 1

@activity.defn
def far() -> int:
    return helper.far()

@activity.defn(example=[2])
def rehearsed(n: int) -> int:
    if n == 2:
        from shop.late import x
        return x
    import bisect, gone
    return 0

@activity.defn(example=[])
def needs(n: int) -> int:
    return n

@activity.defn
def clean() -> int:
    return early.x
`, "shop/early.py": "x = 1\n", "shop/late.py": "import shop.later\nx = 2\n", "shop/later.py": "", "shop/helper.py": "def far():\n    def inner():\n        import colorsys\n    return inner()\n",
	}), "shop"))
	if _, _, err := python(t).Build(t.Context(), app, nil, cache); err != nil {
		t.Fatal(err)
	}
	notes := strings.Join(app.Notes, "\n")
	for _, want := range []string{
		"activity plain imports quopri within the call (shop/__init__.py, line 7), and each call does so anew: import it at the top",
		"activity far imports colorsys within the call (shop/helper.py, line 3)",
		"activity rehearsed imports shop.late within the call (shop/__init__.py, line 18): its example keeps that",
		"activity rehearsed imports bisect within the call (shop/__init__.py, line 20), and each call",
		"the example of activity needs fails: InvalidInput: ",
	} {
		if !strings.Contains(notes, want) {
			t.Errorf("not told: %s", want)
		}
	}
	if len(app.Notes) != 5 {
		t.Errorf("told:\n%s", notes)
	}
}

// Whatever an activity does ends that activity, with a failure that says what it was, and
// the next one finds nothing of it.
func TestPythonBadInput(t *testing.T) {
	set, err := passthrough.NewSet(configmod.New())
	if err != nil {
		t.Fatal(err)
	}
	box := serve(t, collect(t, filepath.Join(tree(t, map[string]string{"app.py": `
import os, socket, sys, threading
from wasmworker import activity

calls = 0

@activity.defn
def count() -> int:
    global calls
    calls += 1
    return calls

@activity.defn
def bad(what):
    count()
    if what == "circular":
        value = {}
        value["x"] = [value]
        return value
    if what == "nan":
        return [1.5, float("nan")]
    if what == "surrogate":
        return "a\udc80"
    if what == "surrogate in a message":
        raise ValueError("a\udc80")
    if what == "memory":
        return [0] * 500_000_000
    if what == "recursion":
        return bad(what)
    if what == "loop":
        while True:
            pass
    if what == "exit":
        sys.exit("enough")
    if what == "hard exit":
        os._exit(3)
    if what == "abort":
        os.abort()
    if what == "thread":
        threading.Thread(target=print).start()
    if what == "socket":
        socket.create_connection(("localhost", 1))
    return what.name
`}), "app.py")), set)
	for arg, want := range map[string][]string{
		`"circular"`:               {"InvalidOutput", "Circular reference"},
		`"nan"`:                    {"InvalidOutput", "Out of range float values"},
		`"surrogate in a message"`: {"ValueError", "a"},
		`"memory"`:                 {"MemoryError", ""},
		`"recursion"`:              {"RecursionError", "maximum recursion depth"},
		`"loop"`:                   {"", "deadline"},
		`"exit"`:                   {"SystemExit", "enough"},
		`"hard exit"`:              {"ExitCode", "3"},
		`"abort"`:                  {"WasmTrap", "unreachable"},
		`"thread"`:                 {"RuntimeError", "asyncio.gather"},
		`"socket"`:                 {"OSError", "wasmworker.http"},
		`{"name": "x"}`:            {"AttributeError", "'dict' object has no attribute 'name'"},
		`{"name": `:                {"InvalidInput", "argument 1"},
		`"\ud800"`:                 {"AttributeError", "'str' object"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		if arg == `"loop"` {
			ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
		}
		_, err := box.Run(ctx, sandbox.Task{Activity: "bad", Args: []sandbox.Payload{sandbox.NewPayload(abi.EncodingJSON, []byte(arg))}, Info: abi.Info{ActivityID: "1", ActivityType: "bad", Attempt: 1}})
		cancel()
		if err == nil {
			t.Errorf("%s: it completes", arg)
			continue
		}
		if failure, ok := errors.AsType[*abi.Failure](err); ok != (want[0] != "") || ok && failure.Type != want[0] || !strings.Contains(err.Error(), want[1]) {
			t.Errorf("%s: error %T %v, want %q", arg, err, err, want)
		}
		if got, err := call(t, box, "count"); err != nil || got != "1" {
			t.Errorf("after %s: %s, error %v", arg, got, err)
		}
	}
	// JSON has a notation for half a character, and temporalio uses it.
	if got, err := call(t, box, "bad", `"surrogate"`); err != nil || got != `"a\udc80"` {
		t.Errorf("half a character: %s, error %v", got, err)
	}
	if _, err := call(t, box, "Bad"); err == nil || !strings.Contains(err.Error(), "Bad") {
		t.Errorf("an unknown activity: error %v", err)
	}
}
