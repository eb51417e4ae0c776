//go:build unix

package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// ran is what a run of the program left.
type ran struct {
	code           int
	stdout, stderr string
}

// command is one run of the program.
type command struct {
	args  []string
	env   []string
	stdin string
}

func (c command) run(t *testing.T) ran {
	t.Helper()
	cmd := exec.Command(testbed.Program(t), c.args...)
	cmd.Env = append(append(testbed.CleanEnv(), "XDG_CACHE_HOME="+filepath.Join(filepath.Dir(cmd.Path), "cache")), c.env...)
	cmd.Stdin = strings.NewReader(c.stdin)
	p := testbed.Start(t, cmd)
	code := p.Wait(t)
	return ran{code, p.Stdout(), p.Stderr()}
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func wat(t *testing.T, name string) string {
	return filepath.Join(testbed.Root(t), "testdata", "wat", name+".wasm")
}

// Every mistake gets a message that says what to do, its exit code, and nothing is
// started.
func TestBadInput(t *testing.T) {
	unreachable := fmt.Sprintf("127.0.0.1:%d", testbed.FreePort(t))
	echo := wat(t, "echo")
	truncated := func() string {
		data, err := os.ReadFile(echo)
		if err != nil {
			t.Fatal(err)
		}
		return file(t, "cut.wasm", string(data[:len(data)/2]))
	}
	huge := file(t, "huge.wasm", "\x00asm\x01\x00\x00\x00")
	if err := os.Truncate(huge, 300<<20); err != nil {
		t.Fatal(err)
	}
	twice := testbed.Directory(t, echo)
	copied, err := os.ReadFile(echo)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(twice, "again.wasm"), copied, 0o600); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo.wasm")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	serve := func(args ...string) []string {
		return append([]string{"serve", "--address", unreachable}, args...)
	}
	for name, test := range map[string]struct {
		args []string
		env  []string
		code int
		want []string
	}{
		"no modules":          {args: serve(), code: 2, want: []string{"--modules DIRECTORY"}},
		"an empty directory":  {args: serve("-m", t.TempDir()), code: 2, want: []string{"no .wasm file in this directory"}},
		"a missing directory": {args: serve("-m", "./no-such-directory"), code: 2, want: []string{"no-such-directory: no such file or directory"}},
		"text":                {args: serve("-m", file(t, "text.wasm", "hello, I am text")), code: 2, want: []string{"text.wasm: this is not a WebAssembly binary"}},
		"truncated":           {args: serve("-m", truncated()), code: 2, want: []string{"cut.wasm", "truncated"}},
		"a component":         {args: serve("-m", file(t, "component.wasm", "\x00asm\x0d\x00\x01\x00")), code: 2, want: []string{"component.wasm", "wasm32-wasip1"}},
		// known only once it is compiled
		"invalid code":         {args: serve("-m", file(t, "invalid.wasm", invalidModule)), code: 1, want: []string{unreachable}},
		"same activity twice":  {args: serve("-m", twice), code: 2, want: []string{`two modules have the activity "Echo"`, "again.wasm", "echo.wasm", "prefix"}},
		"300 MB":               {args: serve("-m", huge), code: 2, want: []string{"huge.wasm: 300 MB are more than the 128 MB"}},
		"a named pipe":         {args: serve("-m", fifo), code: 2, want: []string{"fifo.wasm: not a regular file"}},
		"import not granted":   {args: serve("-m", wat(t, "passthrough")), code: 2, want: []string{"passthrough.wasm: refused", "wasmworker:greeter/v1 (hello)", "no module of that name"}},
		"unknown grant":        {args: serve("-m", echo, "--passthrough", "htpp"), code: 2, want: []string{`passthrough module "htpp" does not exist`}},
		"grant by environment": {args: serve("-m", echo), env: []string{"PASSTHROUGH_MODULES=htpp,sql"}, code: 2, want: []string{`"htpp" does not exist`}},
		"malformed YAML":       {args: serve("-c", file(t, "w.yaml", "modules: [")), code: 2, want: []string{"w.yaml:1:"}},
		"unknown key":          {args: serve("-c", file(t, "w.yaml", "task_queue: q\nmax_concurent_activities: 3\n")), code: 2, want: []string{"w.yaml:2:1", `did you mean "max_concurrent_activities"`}},
		"unknown module key":   {args: serve("-c", file(t, "w.yaml", "per_module:\n  echo:\n    isolaton: reuse\n")), code: 2, want: []string{"w.yaml:3:5", `did you mean "isolation"`}},
		"renamed module key":   {args: serve("-c", file(t, "w.yaml", "per_module:\n  echo:\n    policy: reuse\n")), code: 2, want: []string{"w.yaml:3:5", `no key "policy"`, `it is "isolation" now`}},
		"policy's key at top":  {args: serve("-c", file(t, "w.yaml", "task_queue: q\nprivate_addresses: [10.0.0.0/8]\n")), code: 2, want: []string{"w.yaml:2:1: private_addresses is not a key here: it belongs to the http policy (passthrough: {http: {private_addresses: …}})"}},
		"policy's key beside":  {args: serve("-m", echo, "-c", file(t, "w.yaml", "passthrough:\n  http: {allow: [https://a.example]}\n  private_addresses: [10.0.0.0/8]\n")), code: 2, want: []string{"w.yaml:3:3: ", "private_addresses is no passthrough module: it belongs to the http policy (passthrough: {http: {private_addresses: …}})"}},
		"another policy's key": {args: serve("-m", echo, "-c", file(t, "w.yaml", "passthrough:\n  http:\n    max_rows: 3\n")), code: 2, want: []string{"w.yaml:3:5: max_rows is not a key here: it belongs to the sql policy (passthrough: {sql: {connections: {NAME: {max_rows: …}}}})"}},
		"rule's key":           {args: serve("-m", echo, "-c", file(t, "w.yaml", "passthrough: {http: {origin: https://a.example}}\n")), code: 2, want: []string{"w.yaml:1:22: origin is not a key here: it belongs to the http policy (passthrough: {http: {allow: [{origin: …}]}})"}},
		"setting in a policy":  {args: serve("-m", echo, "-c", file(t, "w.yaml", "passthrough:\n  http:\n    max_fuel: 3\n")), code: 2, want: []string{"w.yaml:3:5: max_fuel is not a key here: it belongs to the top of the file (max_fuel: …), or to single modules (per_module: {MODULE: {max_fuel: …}})"}},
		"worker's key":         {args: serve("-c", file(t, "w.yaml", "per_module:\n  echo:\n    task_queue: q\n")), code: 2, want: []string{"w.yaml:3:5: task_queue is not a key here: it belongs to the top of the file (task_queue: …)"}},
		"module's key":         {args: serve("-c", file(t, "w.yaml", "prefix: x.\nmax_instances: 3\n")), code: 2, want: []string{"w.yaml:1:1: prefix is not a key here: it belongs to single modules (per_module: {MODULE: {prefix: …}})", "w.yaml:2:1: max_instances is not"}},
		"section in a module":  {args: serve("-c", file(t, "w.yaml", "per_module:\n  echo:\n    secrets: {a: {env: A}}\n")), code: 2, want: []string{"w.yaml:3:5: secrets is not a key here: it belongs to the top of the file (secrets: {NAME: …}), or to the http policy ("}},
		"section's key":        {args: serve("-c", file(t, "w.yaml", "password: x\n")), code: 2, want: []string{"w.yaml:1:1: password is not a key here: it belongs to connections (connections: {NAME: {password: …}})"}},
		"grant at top":         {args: serve("-c", file(t, "w.yaml", "http: {allow: [https://a.example]}\n")), code: 2, want: []string{"w.yaml:1:1: http is not a key here: it belongs to passthrough (passthrough: {http: …})"}},
		"all wrong keys":       {args: serve("-c", file(t, "w.yaml", "task_queu: q\nskip_refused: maybe\nper_module: {echo: {max_cals: 3}}\n")), code: 2, want: []string{`w.yaml:1:1: there is no key "task_queu"; did you mean "task_queue"?`, "w.yaml:2:15: ", `w.yaml:3:21: there is no key "max_cals"; did you mean "max_calls"?`}},
		"no initialization":    {args: serve("-m", echo, "--initialize-timeout", "0", "--max-initialize-fuel", "0"), code: 2, want: []string{"--initialize-timeout: 0s is not positive", "--max-initialize-fuel: 0 is not positive"}},
		"no limits":            {args: serve("-m", echo, "--cache-limit", "0", "-c", file(t, "w.yaml", "compile_memory_limit: 0\n")), code: 1, want: []string{unreachable}},
		"none in the file":     {args: serve("-m", echo, "-c", file(t, "w.yaml", "initialize_timeout: 0\n")), code: 2, want: []string{"w.yaml:1:21: initialize_timeout: 0s is not positive"}},
		"none of a module":     {args: serve("-m", echo, "-c", file(t, "w.yaml", "per_module:\n  echo: {max_initialize_fuel: 0, max_calls: 0}\n")), code: 2, want: []string{"per_module.echo.max_initialize_fuel: 0 is not positive", "max_calls: 0 is not positive"}},
		"key twice":            {args: serve("-c", file(t, "w.yaml", "task_queue: q\ntask_queue: r\n")), code: 2, want: []string{`w.yaml:2:1: the key "task_queue" is there twice`}},
		"renamed flag":         {args: serve("--max-units", "5"), code: 2, want: []string{"no flag --max-units", `it is "max-fuel" now`}},
		"wrong type":           {args: serve("-c", file(t, "w.yaml", "skip_refused: maybe\n")), code: 2, want: []string{"w.yaml:1:15"}},
		"bad name":             {args: serve("-m", echo, "--preload", "some"), code: 2, want: []string{`--preload: "some" is none of all, used and none`}},
		"bad name in file":     {args: serve("-m", echo, "-c", file(t, "w.yaml", "harden: yes\n")), code: 2, want: []string{`w.yaml:1:9: harden: "yes" is none of auto, on and off`}},
		"bad name of a module": {args: serve("-m", echo, "-c", file(t, "w.yaml", "per_module:\n  echo: {isolation: soft}\n")), code: 2, want: []string{`w.yaml:2:21: per_module.echo.isolation: "soft" is none of pristine, fresh and reuse`}},
		"bad value in file":    {args: serve("-c", file(t, "w.yaml", "max_concurrent_activities: ten\n")), code: 2, want: []string{"w.yaml:1:28: max_concurrent_activities", `"ten" is neither a positive number`}},
		"bad module section":   {args: serve("-m", echo, "-c", file(t, "w.yaml", "per_module: {echo: {memory_limit: lots}}\n")), code: 2, want: []string{"w.yaml:1:35: per_module.echo.memory_limit", "8MiB"}},
		"unknown module":       {args: serve("-m", echo, "-c", file(t, "w.yaml", "per_module: {ecko: {isolation: reuse}}\n")), code: 2, want: []string{`module "ecko" is configured`, "echo"}},
		"missing file":         {args: serve("-c", "no.yaml"), code: 2, want: []string{"no.yaml"}},
		"limit -3":             {args: serve("-m", echo), env: []string{"MAX_CONCURRENT_ACTIVITIES=-3"}, code: 2, want: []string{`"-3" is neither a positive number nor "none"`, "MAX_CONCURRENT_ACTIVITIES"}},
		"limit ten":            {args: serve("-m", echo), env: []string{"MAX_CONCURRENT_ACTIVITIES=ten"}, code: 2, want: []string{`"ten" is neither`}},
		"limit zero":           {args: serve("-m", echo, "--max-concurrent-activities", "0"), code: 2, want: []string{`"0" is neither`}},
		"bad timeout":          {args: serve("-m", echo), env: []string{"GRACEFUL_SHUTDOWN_TIMEOUT_SECONDS=soon"}, code: 2, want: []string{`"soon" is neither a number of seconds`}},
		"bad mode":             {env: []string{"APPLICATION_MODE=TEST"}, code: 2, want: []string{`APPLICATION_MODE is "TEST"`, "LOCAL", "WORKER"}},
		"mode worker":          {env: []string{"APPLICATION_MODE=WORKER"}, code: 2, want: []string{"no modules are named"}},
		"mode local":           {env: []string{"APPLICATION_MODE=LOCAL"}, code: 2, want: []string{"no modules are named"}},
		"policy":               {args: serve("-m", echo, "--isolation", "sometimes"), code: 2, want: []string{`--isolation: "sometimes"`, "fresh"}},
		"log level":            {args: serve("-m", echo, "--log-level", "loud"), code: 2, want: []string{"debug, info, warn, error"}},
		"health address":       {args: serve("-m", echo, "--health-address", "nonsense"), code: 2, want: []string{"--health-address"}},
		"unreachable server":   {args: serve("-m", echo), code: 1, want: []string{unreachable, "TEMPORAL_ADDRESS"}},
		"unknown command":      {args: []string{"srve"}, code: 2, want: []string{`no command "srve"`, `"serve"`}},
		"unknown flag":         {args: []string{"serve", "--modlues", "x"}, code: 2, want: []string{"no flag --modlues", `did you mean "modules"`}},
		"stray argument":       {args: serve("-m", echo, "more"), code: 2, want: []string{`unexpected argument "more"`}},
		"invoke nothing":       {args: []string{"invoke"}, code: 2, want: []string{"name a module"}},
		"invoke no activity":   {args: []string{"invoke", echo}, code: 2, want: []string{"there are: Args, Echo, Info"}},
		"invoke unknown":       {args: []string{"invoke", echo, "Ecko"}, code: 2, want: []string{`did you mean "Echo"`}},
		"invoke not JSON":      {args: []string{"invoke", echo, "Echo", "Ada"}, code: 2, want: []string{`is not JSON`, `'"Ada"'`}},
		"invoke no file":       {args: []string{"invoke", echo, "Echo", "@nope.json"}, code: 2, want: []string{"nope.json"}},
		"execute nothing":      {args: []string{"execute"}, code: 2, want: []string{"name an activity"}},
		"execute unreachable":  {args: []string{"execute", "--address", unreachable, "Echo"}, code: 1, want: []string{"cannot be reached"}},
		"inspect nothing":      {args: []string{"inspect"}, code: 2, want: []string{"to inspect"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := command{args: test.args, env: test.env}.run(t)
			if got.code != test.code {
				t.Errorf("exit code %d, want %d", got.code, test.code)
			}
			for _, want := range test.want {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("the message does not say %q:\n%s", want, got.stderr)
				}
			}
			if strings.Contains(got.stderr, "goroutine ") {
				t.Errorf("it crashed:\n%s", got.stderr)
			}
		})
	}
}

// invalidModule is well-formed, and its only function's body is not valid: it returns
// nothing.
const invalidModule = "\x00asm\x01\x00\x00\x00" +
	"\x01\x05\x01\x60\x00\x01\x7f" + // type () -> i32
	"\x02\x21\x01\x16wasmworker:activity/v1\x06status\x00\x00" + // import
	"\x03\x02\x01\x00" + // function
	"\x07\x05\x01\x01X\x00\x01" + // export X
	"\x0a\x04\x01\x02\x00\x0b" // code: empty

func TestInvalidModuleIsRefusedWhenCompiled(t *testing.T) {
	server := testbed.Shared(t)
	bad := file(t, "invalid.wasm", invalidModule)
	got := command{args: []string{"serve", "--address", server.Address, "-m", bad, "-t", queue(t)}}.run(t)
	if got.code != 2 || !strings.Contains(got.stderr, "invalid.wasm: the module is not valid") {
		t.Errorf("exit code %d, want 2:\n%s", got.code, got.stderr)
	}
}

func TestInvoke(t *testing.T) {
	echo, guest := wat(t, "echo"), testbed.Guest(t, acts)
	for name, test := range map[string]struct {
		command
		code           int
		stdout, stderr string
	}{
		"JSON":           {command: command{args: []string{"invoke", echo, "Echo", `{"name": "Ada"}`}}, stdout: "{\"name\": \"Ada\"}\n"},
		"standard input": {command: command{args: []string{"invoke", echo, "Echo", "-"}, stdin: " [1, 2]\n"}, stdout: "[1, 2]\n"},
		"file":           {command: command{args: []string{"invoke", echo, "Echo", "@" + file(t, "in.json", `"from a file"`)}}, stdout: "\"from a file\"\n"},
		"bytes":          {command: command{args: []string{"invoke", "--binary", echo, "Echo", "-"}, stdin: "\x00\xffraw"}, stdout: "\x00\xffraw"},
		"no result":      {command: command{args: []string{"invoke", echo, "Echo"}}, stdout: "null\n"},
		"arguments":      {command: command{args: []string{"invoke", guest, "Describe", "1", `"two"`}}, stdout: "[\"json/plain:1\",\"json/plain:\\\"two\\\"\"]\n"},
		"a directory":    {command: command{args: []string{"invoke", filepath.Dir(echo), "Echo", "1"}}, code: 2, stderr: "greeter"},
		"failure":        {command: command{args: []string{"invoke", guest, "Fail", `"typed"`}}, code: 1, stderr: "(CardDeclined, retryable): declined\n  details: {\"code\":51}\n"},
		"causes":         {command: command{args: []string{"invoke", guest, "Fail", `"final"`}}, code: 1, stderr: "Root: the root"},
		"logs":           {command: command{args: []string{"invoke", guest, "Log", `"hear me"`}}, stdout: "null\n", stderr: `"msg":"hear me"`},
		"timeout":        {command: command{args: []string{"invoke", "--timeout", "100ms", guest, "Deaf"}}, code: 1, stderr: "--timeout 100ms"},
		"memory limit":   {command: command{args: []string{"invoke", "--memory-limit", "64MiB", guest, "Fail", `"memory"`}}, code: 1, stderr: "memory limit of 64 MiB"},
		"environment":    {command: command{args: []string{"invoke", "--env", "SOME", guest, "Getenv", `"SOME"`}, env: []string{"SOME=thing"}}, stdout: "\"thing\"\n"},
		"no environment": {command: command{args: []string{"invoke", guest, "Getenv", `"SOME"`}, env: []string{"SOME=thing"}}, stdout: "\"\"\n"},
		"output limit":   {command: command{args: []string{"invoke", guest, "Bytes", "2097153"}}, code: 1, stderr: "OutputTooLarge"},
	} {
		t.Run(name, func(t *testing.T) {
			got := test.run(t)
			if got.code != test.code || got.stdout != test.stdout {
				t.Errorf("exit code %d and %q, want %d and %q; stderr:\n%s", got.code, got.stdout, test.code, test.stdout, got.stderr)
			}
			if !strings.Contains(got.stderr, test.stderr) {
				t.Errorf("standard error does not say %q:\n%s", test.stderr, got.stderr)
			}
		})
	}
}

func TestExecute(t *testing.T) {
	server := testbed.Shared(t)
	q := queue(t)
	server.Serve(t, "-m", testbed.Guest(t, acts), "-t", q)
	env := []string{"TEMPORAL_ADDRESS=" + server.Address}
	for name, test := range map[string]struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		"result":    {args: []string{"Describe", "1", `"two"`}, stdout: "[\"json/plain:1\",\"json/plain:\\\"two\\\"\"]\n"},
		"no result": {args: []string{"Nothing"}, stdout: "null\n"},
		"bytes":     {args: []string{"Bytes", "3"}, stdout: "\x00\x00\x00"},
		"failure":   {args: []string{"--max-attempts", "1", "Fail", `"typed"`}, code: 1, stderr: "declined (type: CardDeclined"},
		"unknown":   {args: []string{"--max-attempts", "1", "Nope"}, code: 1, stderr: "there are: Bytes, Cleanup"},
		"too large": {args: []string{"--max-attempts", "1", "Bytes", "3000000"}, code: 1, stderr: "OutputTooLarge"},
	} {
		t.Run(name, func(t *testing.T) {
			got := command{args: append([]string{"execute", "--task-queue", q}, test.args...), env: env}.run(t)
			if got.code != test.code || got.stdout != test.stdout || !strings.Contains(got.stderr, test.stderr) {
				t.Errorf("got %+v, want %+v", got, test)
			}
		})
	}
}

func TestInspect(t *testing.T) {
	got := command{args: []string{"inspect", "--json", wat(t, "echo"), wat(t, "passthrough")}}.run(t)
	var reports []struct {
		Name, Kind, Digest string
		Size               int      `json:"size_bytes"`
		Memory             int      `json:"memory_min_bytes"`
		Activities         []string `json:"activities"`
		Imports            []struct {
			Import    string
			Functions []string
			Problem   string
		}
	}
	if err := json.Unmarshal([]byte(got.stdout), &reports); err != nil || got.code != 0 || len(reports) != 2 {
		t.Fatalf("%v, %+v", err, got)
	}
	stat, err := os.Stat(wat(t, "echo"))
	if err != nil {
		t.Fatal(err)
	}
	if r := reports[0]; r.Name != "echo" || r.Kind != "native" || !regexp.MustCompile(`^sha256:[0-9a-f]{64}$`).MatchString(r.Digest) ||
		int64(r.Size) != stat.Size() || r.Memory != 4<<20 || fmt.Sprint(r.Activities) != "[Args Echo Info]" || len(r.Imports) != 1 || len(r.Imports[0].Functions) != 6 {
		t.Errorf("echo: %+v", r)
	}
	if r := reports[1]; len(r.Imports) != 2 || r.Imports[1].Import != "wasmworker:greeter/v1" || r.Imports[1].Problem == "" {
		t.Errorf("passthrough: %+v", r)
	}

	got = command{args: []string{"inspect", wat(t, "misbehave"), file(t, "text.wasm", "x")}}.run(t)
	if got.code != 2 || !strings.Contains(got.stdout, `"wasi_snapshot_preview1" (2 functions): always available`) || !strings.Contains(got.stderr, "text.wasm") {
		t.Errorf("a good and a bad file: %+v", got)
	}

	// 65 loops within each other: one more than is compiled.
	loops := "\x00asm\x01\x00\x00\x00" + "\x01\x04\x01\x60\x00\x00" + "\x03\x02\x01\x00" +
		"\x0a\xc8\x01\x01\xc5\x01\x00" + strings.Repeat("\x03\x40", 65) + strings.Repeat("\x0b", 66)
	got = command{args: []string{"inspect", file(t, "loops.wasm", loops)}}.run(t)
	if got.code != 2 || !strings.Contains(got.stderr, "loops.wasm: section 10: function 0 has 65 loops within each other; at most 64 are supported") {
		t.Errorf("a module beyond a limit: %+v", got)
	}
}

func TestVersionHelpAndCompletion(t *testing.T) {
	if got := (command{args: []string{"version"}}).run(t); got.code != 0 || !strings.Contains(got.stdout, "github.com/tetratelabs/wazero 1.") {
		t.Errorf("version: %+v", got)
	}
	for _, name := range []string{"serve", "dev", "invoke", "execute", "inspect"} {
		got := command{args: []string{name, "--help"}}.run(t)
		if got.code != 0 || !strings.Contains(got.stdout, "wasmworker "+name) {
			t.Errorf("%s --help has no example: %+v", name, got)
		}
		// Every flag is an environment variable too.
		for line := range strings.Lines(got.stdout) {
			if strings.HasPrefix(line, "   --") && !strings.Contains(line, "[$") && !strings.Contains(line, "--help") {
				t.Errorf("%s: a flag without an environment variable: %s", name, line)
			}
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if got := (command{args: []string{"completion", shell}}).run(t); got.code != 0 || !strings.Contains(got.stdout, "wasmworker") {
			t.Errorf("completion %s: %+v", shell, got)
		}
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	script := file(t, "complete.sh", (command{args: []string{"completion", "bash"}}).run(t).stdout+`
COMP_WORDS=("$PROGRAM" serve --mod) COMP_CWORD=2
_wasmworker
echo "${COMPREPLY[@]}"
`)
	cmd := exec.Command(bash, script)
	cmd.Env = append(os.Environ(), "PROGRAM="+testbed.Program(t))
	if out, err := cmd.Output(); err != nil || !bytes.Contains(out, []byte("--modules")) {
		t.Errorf("completing --mod gives %q, %v", out, err)
	}
}
