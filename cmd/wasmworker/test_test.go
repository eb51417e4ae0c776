//go:build unix

package main_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
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

// caseDirectory is a directory with echo.wasm and misbehave.wasm and with case files.
func caseDirectory(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := testbed.Directory(t, wat(t, "echo"), wat(t, "misbehave"))
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var caseFiles = map[string]string{
	"echo.test.yaml": `cases:
  - {name: echoes, activity: Echo, args: [{a: 1, b: [1, 2]}], want: {output: {b: [1, 2], a: 1}, fuel: 99}}
  - name: is wrong
    activity: Echo
    args: [{"<name>": Ada, count: 2, list: [1, 2, 3]}]
    want:
      output: {"<name>": Bob, count: 2, list: [1, 2, 3]}
      fuel: 1
`,
	"sub/other.test.yaml": `module: ../misbehave.wasm
cases:
  - {name: traps, activity: Trap, want: {failure: {type: WasmTrap}}}
  - name: fails
    activity: SilentFailure
`,
	"sub/ok.test.yaml":                         "module: ../echo.wasm\ncases: [{name: nothing, activity: Echo, want: {output: null}}]\n",
	".hidden/no.test.yaml":                     "not: read",
	"sub/node_modules/dependency/no.test.yaml": "not: read",
}

var (
	seconds = regexp.MustCompile(`\d+\.\d\ds`)
	total   = regexp.MustCompile(`"seconds":[0-9.e-]+|"digest":"[0-9a-f]{64}"`)
)

func TestTest(t *testing.T) {
	dir := caseDirectory(t, caseFiles)
	test := func(args ...string) ran {
		t.Helper()
		got := command{args: append([]string{"test"}, args...)}.run(t)
		got.stdout = strings.ReplaceAll(seconds.ReplaceAllString(got.stdout, "0.00s"), dir+"/", "")
		return got
	}
	failures := `--- FAIL: echo.test.yaml/is wrong (0.00s)
    output:
        {
      -   "<name>": "Bob",
      +   "<name>": "Ada",
          "count": 2,
          "list": [1,2,3]
        }
    fuel:
      - 1
      + 99
FAIL  echo.test.yaml  1 of 2 cases failed  0.00s
ok    sub/ok.test.yaml  1 case  0.00s
--- FAIL: sub/other.test.yaml/fails (0.00s)
    output:
      - completed
      + failed: {
      +   "message": "activity SilentFailure failed and did not say why",
      +   "type": "ActivityFailed"
      + }
FAIL  sub/other.test.yaml  1 of 2 cases failed  0.00s
`
	junit := filepath.Join(t.TempDir(), "junit.xml")
	if got := test("--junit", junit, dir); got.code != 1 || got.stdout != failures || got.stderr != "" {
		t.Errorf("%d\n%s\nwant\n%s%s", got.code, got.stdout, failures, got.stderr)
	}
	checkJUnit(t, junit)
	if got := test("-v", "--run", "echoes|traps", dir); got.code != 0 || got.stdout != `--- PASS: echo.test.yaml/echoes (0.00s)  99 units
ok    echo.test.yaml  1 case  0.00s
--- PASS: sub/other.test.yaml/traps (0.00s)  0 units
ok    sub/other.test.yaml  1 case  0.00s
` {
		t.Errorf("%+v", got)
	}
	tagged := filepath.Join(dir, "tags.test.yaml")
	if err := os.WriteFile(tagged, []byte("module: "+wat(t, "echo")+"\ntags: [both]\ncases:\n  - {name: first, activity: Echo}\n  - {name: second, activity: Echo, tags: [both, quick]}\n  - {name: third, activity: Echo, tags: [other]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for tags, want := range map[string]string{"both": "2 cases", "quick": "1 case ", "quick,other": "2 cases", "other,both": "3 cases"} {
		if got := test("--tag", tags, dir); got.code != 0 || !strings.HasPrefix(got.stdout, "ok    tags.test.yaml  "+want) {
			t.Errorf("%s: %+v", tags, got)
		}
	}
	if got := test("--tag", "both", "--run", "third", dir); got.code != 2 || !strings.Contains(got.stderr, `--tag: no case has the tag both, or else --run "third" matches none of those`) {
		t.Errorf("%+v", got)
	}
	if err := os.Remove(tagged); err != nil {
		t.Fatal(err)
	}
	// A file and its directory: each case once.
	if got := test("--run", "nothing", dir+"/sub/ok.test.yaml", dir+"/sub"); got.code != 0 || strings.Count(got.stdout, "\n") != 1 {
		t.Errorf("%+v", got)
	}
	got := test("--json", dir)
	var lines []map[string]any
	for line := range strings.Lines(got.stdout) {
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		lines = append(lines, one)
	}
	if len(lines) != 5 || lines[0]["passed"] != true || lines[0]["fuel"] != 99.0 || lines[1]["passed"] != false || lines[1]["name"] != "is wrong" || len(lines[1]["differences"].([]any)) != 2 {
		t.Errorf("%s", total.ReplaceAllString(got.stdout, ""))
	}
	// After an update everything passes, as often as one likes, and what nobody expects
	// can be explored.
	if got := test("--update", "--runs", "20", dir); got.code != 0 || got.stdout != `updated  echo.test.yaml  1 case
updated  sub/other.test.yaml  1 case
ok    echo.test.yaml  2 cases  0.00s
ok    sub/ok.test.yaml  1 case  0.00s
ok    sub/other.test.yaml  2 cases  0.00s
` {
		t.Errorf("%+v", got)
	}
	if got := test("--run", "echo.test", "--explore=5", dir); got.code != 0 || !strings.Contains(got.stdout, "2 cases, explored at 20 points  ") {
		t.Errorf("%+v", got)
	}
}

// A case that cannot be run is told, also behind one of its file that can: it has
// directories, which the other one has not.
func TestTestUnusable(t *testing.T) {
	dir := t.TempDir()
	copyFile(t, filepath.Join(testbed.Root(t), "host/replay/cases/testdata/files.wasm"), dir+"/files.wasm")
	for name, text := range map[string]string{
		"files": "cases:\n  - {name: without, activity: %[1]s, want: {max_fuel: 1}}\n  - {name: one, activity: %[1]s, files: {/a: b}}\n  - {name: two, activity: %[1]s, files: {/a: b}}\n",
		"later": "module: files.wasm\ncases: [{name: without, activity: %[1]s, want: {max_fuel: 1}}]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name+".test.yaml"), fmt.Appendf(nil, text, "Careful"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	junit := filepath.Join(t.TempDir(), "junit.xml")
	got := command{args: []string{"test", "--junit", junit, dir}, env: []string{"TMPDIR=" + dir + "/none"}}.run(t)
	if got.code != 2 || strings.Count(got.stderr, "files.test.yaml: ") != 1 || !strings.Contains(got.stderr, "no such file") || strings.Count(got.stdout, "1 of 1 case failed") != 2 {
		t.Errorf("%+v", got)
	}
	data, err := os.ReadFile(junit)
	if err != nil || strings.Count(string(data), "<testsuite ") != 2 {
		t.Errorf("%s, %v", data, err)
	}
}

// Directories that a compiler makes for itself and removes while case files are looked
// for are no reason to fail.
func TestTestBesideACompiler(t *testing.T) {
	dir := caseDirectory(t, map[string]string{"echo.test.yaml": "cases: [{name: a, activity: Echo}]"})
	stop, stopped := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() {
		close(stop)
		<-stopped
	})
	go func() {
		defer close(stopped)
		for i := 0; ; i = (i + 1) % 500 {
			select {
			case <-stop:
				return
			default:
			}
			os.Mkdir(fmt.Sprintf("%s/%d", dir, i), 0o700)     //nolint:errcheck // nothing depends on it
			os.Remove(fmt.Sprintf("%s/%d", dir, (i+250)%500)) //nolint:errcheck // likewise
		}
	}()
	for range 10 {
		if got := (command{args: []string{"test", dir}}).run(t); got.code != 0 {
			t.Errorf("%+v", got)
		}
	}
}

func checkJUnit(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var suites struct {
		XMLName xml.Name `xml:"testsuites"`
		Suites  []struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Cases    []struct {
				Name    string  `xml:"name,attr"`
				Class   string  `xml:"classname,attr"`
				Seconds float64 `xml:"time,attr"`
				Failure *struct {
					Text string `xml:",chardata"`
				} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(data, &suites); err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	if len(suites.Suites) != 3 {
		t.Fatalf("%s", data)
	}
	s := suites.Suites[0]
	if s.Tests != 2 || s.Failures != 1 || s.Cases[0].Failure != nil || s.Cases[1].Name != "is wrong" || !strings.HasSuffix(s.Cases[1].Class, "echo.test.yaml") ||
		s.Cases[1].Failure == nil || !strings.Contains(s.Cases[1].Failure.Text, `"<name>": "Ada"`) {
		t.Errorf("%s", data)
	}
}

func TestTestMistakes(t *testing.T) {
	bad := caseDirectory(t, map[string]string{"a.test.yaml": "module: echo.wasm\ncases:\n  - name: a\n    activity: Ecko\n", "b.test.yaml": "caes: []", "echo.test.yaml": "cases: [{name: a, activity: Echo}]"})
	small := caseDirectory(t, map[string]string{"echo.test.yaml": "limits: {memory: 64KiB}\ncases: [{name: a, activity: Echo}]"})
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"no files":       {[]string{t.TempDir()}, []string{"there is no case file in", ".test.yaml"}},
		"no directory":   {[]string{"no-such-directory"}, []string{"no such file or directory"}},
		"another file":   {[]string{wat(t, "echo")}, []string{"is not the name of a case file"}},
		"bad files":      {[]string{bad}, []string{"a.test.yaml:4:15: echo.wasm has no activity", `b.test.yaml:1:1: a case file has no key "caes"`}},
		"nothing to run": {[]string{"--run", "zzz", bad + "/echo.test.yaml"}, []string{`no case matches "zzz"`}},
		"bad pattern":    {[]string{"--run", "(", bad}, []string{"no regular expression"}},
		"no runs":        {[]string{"--runs", "0", bad}, []string{"--runs 0 is not positive"}},
		"explore":        {[]string{"--explore=x", bad}, []string{"number of points"}},
		"both":           {[]string{"--explore", "--runs", "2", bad}, []string{"do not go together"}},
		"watch":          {[]string{"--watch", "--update", bad}, []string{"do not go together"}},
		"junit":          {[]string{"--junit", "/no/such/directory/x", bad + "/echo.test.yaml"}, []string{"--junit"}},
		"limits":         {[]string{small}, []string{"echo.test.yaml: ", "needs 4 MiB of memory at the start"}},
	} {
		got := command{args: append([]string{"test"}, test.args...)}.run(t)
		if got.code != 2 {
			t.Errorf("%s: exit code %d: %s%s", name, got.code, got.stdout, got.stderr)
		}
		for _, text := range test.want {
			if !strings.Contains(got.stderr, text) {
				t.Errorf("%s: %s\nwant %s", name, got.stderr, text)
			}
		}
	}
}

// --watch runs again after a change, and ends when it is asked to.
func TestTestWatch(t *testing.T) {
	dir := caseDirectory(t, map[string]string{"echo.test.yaml": "cases: [{name: a, activity: Echo, args: [1], want: {output: 2}}]"})
	cmd := exec.Command(testbed.Program(t), "test", "--watch", dir)
	cmd.Env = append(testbed.CleanEnv(), "WASMWORKER_CACHE_DIR=none")
	p := testbed.Start(t, cmd)
	runs := 0
	next := func(what string) {
		t.Helper()
		runs++
		testbed.Eventually(t, what, func() error {
			if !strings.Contains(p.Stdout()+p.Stderr(), what) || strings.Count(p.Stderr(), "waiting for a change") < runs {
				return errors.New(p.Stdout() + p.Stderr())
			}
			return nil
		})
	}
	change := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "echo.test.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	next("1 of 1 case failed")
	change("cases: [{name: a, activity: Echo, args: [1], want: {output: 10}}]")
	next("- 10")
	change("caes: []")
	next("did you mean")
	change("cases: [{name: a, activity: Echo, args: [1], want: {output: 1}}]")
	next("ok ")
	p.Signal(syscall.SIGINT)
	if code := p.Wait(t); code != 0 {
		t.Errorf("exit code %d: %s", code, fmt.Sprint(p.Stdout(), p.Stderr()))
	}
}
