package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// deceiving clears a screen, sets a title with an 8-bit control sequence, hides a
// character, and turns its reader.
const deceiving = "a\x1b[2Jb\u009d0;title\u0007c\u200bd\u202egnp.exe\x7f"

func asJSON(t *testing.T, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// checkVisible checks that a text has what was said, and nothing that a terminal would
// obey or a reader would not see.
func checkVisible(t *testing.T, what, text string, want ...string) {
	t.Helper()
	if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf) }) {
		t.Errorf("%s is not escaped: %q", what, text)
	}
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%s has no %q:\n%s", what, w, text)
		}
	}
}

// terminal is a pseudo-terminal. What is written to the program's side is read with wait.
func terminal(t *testing.T) (program *os.File, wait func() string) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	control, err := ours.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number int
	var failed error
	if err := control.Control(func(fd uintptr) {
		if failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); failed == nil {
			number, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	shown := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(ours) // it ends with EIO, once nobody has the other side
		shown <- string(text)
	}()
	return program, func() string {
		program.Close()
		return strings.ReplaceAll(<-shown, "\r\n", "\n") // as terminals want it
	}
}

// onTerminal runs the program with a terminal for its output, and returns what is there.
func onTerminal(t *testing.T, args ...string) string {
	t.Helper()
	program, wait := terminal(t)
	cmd := exec.Command(testbed.Program(t), args...)
	cmd.Env = append(testbed.CleanEnv(), "XDG_CACHE_HOME="+filepath.Join(filepath.Dir(cmd.Path), "cache"))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(""), program, program
	if err := cmd.Run(); err != nil {
		t.Logf("%s: %v", strings.Join(args, " "), err)
	}
	return wait()
}

// Whatever text of a module's is printed to a person, it is shown and not obeyed.
func TestModulesDisturbNoTerminal(t *testing.T) {
	guest, text := testbed.Guest(t, acts), asJSON(t, deceiving)
	const shown = `a\x1b[2Jb\u009d0;title\ac\u200bd\u202egnp.exe\x7f`
	failure := []string{"Type" + shown, ": message " + shown, "  cause: Root" + shown, `  details: "a\u001b[2Jb\u009d`}

	got := command{args: []string{"invoke", "--log-format", "text", guest, "Deceive", text}}.run(t)
	checkVisible(t, "a failure, and the log as text", got.stderr, append(failure, `msg="a\x1b[2Jb`, "stream=stdout", "stream=stderr", "heartbeat")...)

	got = command{args: []string{"invoke", guest, "Deceive", asJSON(t, "one\nwasmworker: two")}}.run(t)
	if strings.Contains(got.stderr, "\nwasmworker: two") {
		t.Errorf("a line of a module's passes for one of ours:\n%s", got.stderr)
	}

	on := onTerminal(t, "invoke", guest, "Text", text)
	checkVisible(t, "a result on a terminal", on, shown)
	on = onTerminal(t, "invoke", guest, "Describe", text)
	checkVisible(t, "a JSON result on a terminal", on, `\u202egnp.exe`)
	on = onTerminal(t, "invoke", guest, "Deceive", text)
	checkVisible(t, "a failure on a terminal", on, failure...)

	path := filepath.Join(t.TempDir(), deceiving+"\n\tdigest")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"good", deceiving} {
		data, err := os.ReadFile(wat(t, "echo"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, name+".wasm"), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got = command{args: []string{"inspect", path}}.run(t)
	checkVisible(t, "a report", got.stdout, "module      "+filepath.Dir(path)+"/"+shown+`\n\tdigest/good.wasm`+"\n", "Echo")
	checkVisible(t, "a refusal", got.stderr, `the file's name "a\x1b[2Jb`)
	got = command{args: []string{"inspect", "--json", path}}.run(t)
	if !strings.Contains(got.stdout, asJSON(t, path+"/good.wasm")) {
		t.Errorf("JSON is not as it was: %q", got.stdout)
	}

	cases := filepath.Join(t.TempDir(), "acts.test.yaml")
	if err := os.WriteFile(cases, fmt.Appendf(nil, "module: %s\ncases: [{name: deceives, activity: Deceive, args: [%s]}]\n", guest, text), 0o600); err != nil {
		t.Fatal(err)
	}
	got = command{args: []string{"test", cases}}.run(t)
	checkVisible(t, "a difference", got.stdout, "--- FAIL: ", `"message a\u001b[2Jb\u009d`)
	on = onTerminal(t, "test", cases)
	if !strings.HasPrefix(on, "\x1b[31m--- FAIL: ") || strings.Contains(on, "\x1b[2J") || strings.Contains(on, "\u202e") {
		t.Errorf("a difference in colors: %q", on)
	}
}

func TestActivitiesDisturbNoTerminal(t *testing.T) {
	server := testbed.Shared(t)
	q := queue(t)
	server.Serve(t, "-m", testbed.Guest(t, acts), "-t", q)
	got := command{args: []string{"execute", "--address", server.Address, "--task-queue", q, "Deceive", asJSON(t, deceiving)}}.run(t)
	checkVisible(t, "a failure", got.stderr, `message a\x1b[2Jb`, `\u202egnp.exe`)
	got = command{args: []string{"execute", "--address", server.Address, "--task-queue", q, "Text", asJSON(t, deceiving)}}.run(t)
	if got.stdout != deceiving {
		t.Errorf("the bytes of a result are not as they were: %q", got.stdout)
	}
}

// What programs read stays as it was.
func TestPipesAreNotEscaped(t *testing.T) {
	guest, text := testbed.Guest(t, acts), asJSON(t, deceiving)
	if got := (command{args: []string{"invoke", guest, "Text", text}}).run(t); got.stdout != deceiving {
		t.Errorf("the bytes of a result: %q", got.stdout)
	}
	got := command{args: []string{"invoke", "--log-format", "json", guest, "Deceive", text}}.run(t)
	var record struct{ Msg string }
	if line, _, _ := strings.Cut(got.stderr, "\n"); json.Unmarshal([]byte(line), &record) != nil || record.Msg != deceiving {
		t.Errorf("the log as JSON: %q", got.stderr)
	}
}
