package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/host/replay/cases"
	"github.com/wasmworker/wasmworker/host/replay/workflows"
	"github.com/wasmworker/wasmworker/internal/visible"
)

func testCommand() *cli.Command {
	return &cli.Command{
		Name:      "test",
		Usage:     "run the cases of *.test.yaml files: activities and workflows without Temporal, the same way on every machine",
		ArgsUsage: "[FILE-OR-DIRECTORY…]",
		Description: `   wasmworker test                      # all case files here and below
   wasmworker test -v acts/greet.test.yaml
   wasmworker test --run 'greet.*/no name' --runs 10 acts
   wasmworker test --explore acts       # does it survive a crash, at every point?
   wasmworker test --update acts        # what comes out now is what is expected from now on
   wasmworker test --histories ./records ./flows  # do workflows still do what they did?

docs/testing.md describes case files.

Exit codes: 0 all passed, 1 some failed, 2 wrong usage or case files that cannot be used.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "run", Usage: "only cases whose FILE/NAME matches the `REGEXP`"},
			&cli.StringSliceFlag{Name: "tag", Usage: "only cases with this `TAG`, or with one of several: --tag quick --tag sql"},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "name the cases that pass, too"},
			&cli.BoolFlag{Name: "update", Usage: "write what comes out into the files, where it is not what they expect, or where they expect nothing"},
			&cli.IntFlag{Name: "runs", Value: 1, Usage: "run each case so many times, and if it is more than once as often in the interpreter, and compare all that can be seen"},
			&cli.GenericFlag{Name: "explore", Value: new(exploreFlag), Usage: "run each case with a death of the worker, a request to cancel, and a failing call at many points, `N` of them spread over its units (50 without =N), and see that it comes out right in the end"},
			&cli.StringFlag{Name: "histories", Usage: "replay the workflow histories of `DIRECTORY` with the modules that are named, or those here, in place of running cases; compare commands, ends, and states if they were recorded", TakesFile: true},
			&cli.StringFlag{Name: "junit", Usage: "write the results as JUnit's XML to `FILE` as well, for CI systems", TakesFile: true},
			&cli.BoolFlag{Name: "json", EnvVars: []string{"WASMWORKER_JSON"}, Usage: "print a line of JSON for each case"},
			&cli.BoolFlag{Name: "watch", Usage: "run again whenever a case file or a module changes, until interrupted"},
		}, flagsOf(inTest)...),
		Action: func(c *cli.Context) error {
			t, err := newTesting(c)
			if err != nil {
				return err
			}
			if directory := c.String("histories"); directory != "" {
				for _, flag := range []string{"update", "watch", "explore", "runs", "tag"} {
					if c.IsSet(flag) {
						return usagef("--histories and --%s do not go together: a history is replayed once, and compared with itself", flag)
					}
				}
				return t.testHistories(c.Context, directory)
			}
			if c.Bool("watch") {
				if c.Bool("update") {
					return usagef("--watch and --update do not go together: what went wrong would be expected at once")
				}
				return t.watch(c)
			}
			if c.Bool("update") {
				if err := t.update(c.Context); err != nil {
					return err
				}
			}
			return t.test(c.Context)
		},
	}
}

// newRunner makes a runner for cases of activities and workflows.
func newRunner(cacheDir string) *cases.Runner {
	return cases.NewRunner(cacheDir).WithWorkflows(func(ctx context.Context, options replay.Options) (replay.WorkflowEnv, error) {
		env, err := workflows.Open(ctx, options)
		if err != nil {
			return nil, err
		}
		return env, nil
	})
}

// exploreFlag is a number of points. The flag alone means 50.
type exploreFlag int

func (e *exploreFlag) Set(text string) error {
	if text == "true" {
		text = "50"
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1_000_000 {
		return fmt.Errorf("%q is not a number of points from 1 to 1000000", text)
	}
	*e = exploreFlag(n)
	return nil
}

func (e *exploreFlag) String() string { return strconv.Itoa(int(*e)) }

// IsBoolFlag lets the flag stand alone.
func (e *exploreFlag) IsBoolFlag() bool { return true }

// tester is one run of the command.
type tester struct {
	w        io.Writer
	paths    []string
	run      *regexp.Regexp
	tags     []string // of which a case must have one; none selects all cases
	verbose  bool
	json     bool
	color    bool
	runs     int
	explore  int // points; 0 means that cases are not explored
	junit    string
	cacheDir string
	modules  []string // modules of the case files that were read last
}

func newTesting(c *cli.Context) (*tester, error) {
	t := &tester{
		w: c.App.Writer, paths: c.Args().Slice(), tags: c.StringSlice("tag"), verbose: c.Bool("verbose"), json: c.Bool("json"), runs: c.Int("runs"), junit: c.String("junit"),
		cacheDir: cacheDir(c), color: isTerminal(c.App.Writer) && os.Getenv("NO_COLOR") == "",
	}
	if len(t.paths) == 0 {
		t.paths = []string{"."}
	}
	var err error
	if t.run, err = regexp.Compile(c.String("run")); err != nil {
		return nil, usagef("--run: this is no regular expression: %w", err)
	}
	t.explore = int(*c.Generic("explore").(*exploreFlag))
	if t.explore > 0 && t.runs > 1 {
		return nil, usagef("--explore and --runs do not go together: a case is explored once")
	}
	if t.runs < 1 {
		return nil, usagef("--runs %d is not positive", t.runs)
	}
	return t, nil
}

// caseFiles returns the case files of the paths, sorted and each once. Directories are
// searched, except for hidden ones and node_modules.
func (t *tester) caseFiles() ([]string, error) {
	var files []string
	for _, path := range t.paths {
		stat, err := os.Stat(path)
		if err != nil {
			return nil, usagef("%s: no such file or directory", path)
		}
		if !stat.IsDir() {
			if !strings.HasSuffix(path, cases.Suffix) {
				return nil, usagef("%s: this is not the name of a case file, which ends with %s", path, cases.Suffix)
			}
			files = append(files, filepath.Clean(path))
			continue
		}
		err = filepath.WalkDir(path, func(p string, entry fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist) && p != path: // compilers make temporary directories and remove them
				return nil
			case err != nil:
				return err
			case entry.IsDir() && p != path && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules"):
				return filepath.SkipDir
			case !entry.IsDir() && strings.HasSuffix(p, cases.Suffix):
				files = append(files, filepath.Clean(p))
			}
			return nil
		})
		if err != nil {
			return nil, usagef("%w", err)
		}
	}
	slices.Sort(files)
	if files = slices.Compact(files); len(files) == 0 {
		return nil, usagef("there is no case file in %s: their names end with %s", strings.Join(t.paths, ", "), cases.Suffix)
	}
	return files, nil
}

// read reads all case files and selects their cases. It reports every mistake in them.
func (t *tester) read() ([]*cases.File, error) {
	paths, err := t.caseFiles()
	if err != nil {
		return nil, err
	}
	var files []*cases.File
	var errs []error
	selected := 0
	t.modules = nil
	for _, path := range paths {
		f, err := cases.Read(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		t.modules = append(t.modules, f.Module)
		f.Cases = slices.DeleteFunc(f.Cases, func(c *cases.Case) bool { return !t.selected(f, c) })
		if selected += len(f.Cases); len(f.Cases) > 0 {
			files = append(files, f)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, usageError{err}
	}
	if selected == 0 {
		if len(t.tags) > 0 {
			return nil, usagef("--tag: no case has the tag %s, or else --run %q matches none of those", strings.Join(t.tags, " or "), t.run)
		}
		return nil, usagef("--run: no case matches %q", t.run)
	}
	return files, nil
}

// selected reports whether the flags select a case.
func (t *tester) selected(f *cases.File, c *cases.Case) bool {
	tagged := len(t.tags) == 0 || slices.ContainsFunc(t.tags, func(tag string) bool { return slices.Contains(c.Tags, tag) })
	return tagged && t.run.MatchString(caseName(f, c))
}

func caseName(f *cases.File, c *cases.Case) string { return filepath.ToSlash(f.Path) + "/" + c.Name }

// tested is a case that was run or is running.
type tested struct {
	file   *cases.File
	c      *cases.Case
	result *cases.Result
	err    error
	done   chan struct{}
}

// start runs the cases of files, several at a time. It does not block. The result is in
// the order of the files. The caller waits for every case, and then closes the runner.
func (t *tester) start(ctx context.Context, runner *cases.Runner, files []*cases.File) []*tested {
	var all []*tested
	queue := make(chan *tested)
	for _, f := range files {
		for _, c := range f.Cases {
			all = append(all, &tested{file: f, c: c, done: make(chan struct{})})
		}
	}
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(all)) {
		workers.Go(func() {
			for one := range queue {
				one.result, one.err = t.one(ctx, runner, one.file, one.c)
				close(one.done)
			}
		})
	}
	go func() {
		for _, one := range all {
			queue <- one
		}
		close(queue)
	}()
	return all
}

func (t *tester) one(ctx context.Context, runner *cases.Runner, f *cases.File, c *cases.Case) (*cases.Result, error) {
	if t.explore > 0 {
		return runner.Explore(ctx, f, c, t.explore)
	}
	if t.runs > 1 {
		return runner.Repeat(ctx, f, c, t.runs)
	}
	return runner.Run(ctx, f, c)
}

// update runs all cases, and writes the results that were not expected into the files.
func (t *tester) update(ctx context.Context) error {
	files, err := t.read()
	if err != nil {
		return err
	}
	runner := newRunner(t.cacheDir)
	defer runner.Close() //nolint:errcheck // the run that follows reports errors
	results := map[*cases.File][]*cases.Result{}
	for _, one := range t.start(ctx, runner, files) {
		<-one.done
		if one.err != nil {
			continue // the run that follows reports errors
		}
		results[one.file] = append(results[one.file], one.result)
	}
	var errs []error
	for _, f := range files {
		changed, err := f.Update(results[f])
		if changed > 0 && !t.json {
			fmt.Fprintf(t.w, "updated  %s  %s\n", f.Path, plural(changed, "case"))
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return usageError{err}
	}
	return nil
}

// test runs all cases and reports on them.
func (t *tester) test(ctx context.Context) error {
	files, err := t.read()
	if err != nil {
		return err
	}
	runner := newRunner(t.cacheDir)
	report := &testReport{tester: t}
	var unusable []error
	all := t.start(ctx, runner, files)
	for i, one := range all {
		<-one.done
		if one.err == nil {
			report.add(one.result)
		} else if err := fmt.Errorf("%s: %w", one.file.Path, one.err); len(unusable) == 0 || unusable[len(unusable)-1].Error() != err.Error() { // once for all cases of a file
			unusable = append(unusable, err)
		}
		if i+1 == len(all) || all[i+1].file != one.file {
			report.endFile()
		}
	}
	return report.end(runner.Close(), unusable)
}

// end writes JUnit's file, if there is to be one, and returns what the command ends with: with
// what could not be used, with the error of what was closed, or with an exit code.
func (r *testReport) end(err error, unusable []error) error {
	if file := r.junit; file != "" {
		err = errors.Join(err, r.writeJUnit(file))
	}
	switch {
	case len(unusable) > 0:
		return usageError{errors.Join(append(unusable, err)...)}
	case err != nil:
		return err
	case r.failed:
		return cli.Exit("", exitFailure)
	}
	return nil
}

// watch runs all cases, and runs them again after each change, until the process is asked
// to end.
func (t *tester) watch(c *cli.Context) error {
	ctx, stop := signal.NotifyContext(c.Context, os.Interrupt, syscall.SIGTERM)
	defer stop()
	ticker := time.NewTicker(300 * time.Millisecond)
	defer ticker.Stop()
	tested := map[string]string{"": ""} // differs from any real state
	var before map[string]string
	for {
		now := t.versions()
		// Wait until two looks agree: a compiler may still be writing.
		if !maps.Equal(now, tested) && (maps.Equal(now, before) || before == nil) {
			tested = now
			err := t.test(ctx)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil && err.Error() != "" {
				fmt.Fprintf(c.App.ErrWriter, "wasmworker: %s\n", indented(err.Error(), 2))
			}
			fmt.Fprintln(c.App.ErrWriter, "waiting for a change of a case file or a module; end with Ctrl-C")
		}
		before = now
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// versions returns a text for each case file and module that changes when the file does.
// It is made of time and size.
func (t *tester) versions() map[string]string {
	versions := map[string]string{}
	add := func(path string) {
		if stat, err := os.Stat(path); err == nil {
			versions[path] = fmt.Sprint(stat.ModTime().UnixNano(), stat.Size())
		}
	}
	for _, path := range t.modules {
		add(path)
	}
	paths, _ := t.caseFiles() // the run reports missing files
	for _, path := range paths {
		add(path)
		// A file that cannot be read may lack its module, which appears beside it.
		beside, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*.wasm"))
		for _, module := range beside {
			add(module)
		}
	}
	return versions
}

// testReport prints results as they arrive.
type testReport struct {
	*tester
	suites []junitSuite
	suite  *junitSuite // suite of the current file
	points int         // explored points of the current file
	failed bool
}

// testLine is the line that test --json prints for a case.
type testLine struct {
	File        string             `json:"file"`
	Name        string             `json:"name"`
	Passed      bool               `json:"passed"`
	Seconds     float64            `json:"seconds"`
	Units       int64              `json:"fuel"`
	Memory      uint64             `json:"memory_bytes"`
	Digest      string             `json:"digest"`
	Differences []cases.Difference `json:"differences,omitempty"`
	Notes       []string           `json:"notes,omitempty"`
	Points      int                `json:"explored_points,omitempty"`
}

func (r *testReport) add(result *cases.Result) {
	name, seconds := caseName(result.File, result.Case), result.Duration.Seconds()
	if r.suite == nil {
		r.suites = append(r.suites, junitSuite{Name: filepath.ToSlash(result.File.Path)})
		r.suite, r.points = &r.suites[len(r.suites)-1], 0
	}
	one := junitCase{Name: result.Case.Name, Class: r.suite.Name, Seconds: xmlSeconds(seconds)}
	if !result.Passed() {
		r.failed = true
		r.suite.Failures++
		one.Failure = &junitFailure{Message: "not as expected: " + result.Differences[0].What, Text: result.String()}
	}
	r.suite.Tests++
	r.suite.Seconds += xmlSeconds(seconds)
	r.suite.Cases = append(r.suite.Cases, one)
	switch {
	case r.json:
		encoder := json.NewEncoder(raw(r.w))
		encoder.SetEscapeHTML(false)
		encoder.Encode(testLine{ //nolint:errcheck // as of all output
			r.suite.Name, result.Case.Name, result.Passed(), seconds, result.Run.Fuel, result.Run.Memory, result.Run.Digest(), result.Differences, result.Notes, result.Points,
		})
	case !result.Passed():
		r.print(red, "--- FAIL: "+visible.Line(name), " (%.2fs)\n", seconds)
		for line := range strings.SplitSeq(result.String(), "\n") {
			color := ""
			switch {
			case strings.HasPrefix(line, "  - "):
				color = red
			case strings.HasPrefix(line, "  + "):
				color = green
			}
			r.print("", "    ", "")
			r.print(color, line, "\n")
		}
	case r.verbose:
		fmt.Fprintf(r.w, "--- PASS: %s (%.2fs)  %s%s\n", visible.Line(name), seconds, plural(int(result.Run.Fuel), "unit"), explored(result.Points))
	}
	r.points += result.Points
	if !r.json && (r.verbose || !result.Passed()) {
		for _, note := range result.Notes {
			fmt.Fprintf(r.w, "    note: %s\n", indented(note, 4))
		}
	}
}

func (r *testReport) endFile() {
	s := r.suite
	if r.suite = nil; s == nil || r.json {
		return
	}
	if s.Failures > 0 {
		r.print(red, "FAIL", "  %s  %d of %s failed  %.2fs\n", visible.Line(s.Name), s.Failures, plural(s.Tests, "case"), float64(s.Seconds))
		return
	}
	r.print(green, "ok", "    %s  %s%s  %.2fs\n", visible.Line(s.Name), plural(s.Tests, "case"), explored(r.points), float64(s.Seconds))
}

func explored(points int) string {
	if points == 0 {
		return ""
	}
	return ", explored at " + plural(points, "point")
}

const (
	red   = "\x1b[31m"
	green = "\x1b[32m"
)

// print writes a text. Its first part is colored if colors are on. Only the color codes
// are written unescaped.
func (t *tester) print(color, colored, format string, args ...any) {
	colored = visible.Text(colored)
	if t.color && color != "" {
		colored = color + colored + "\x1b[0m"
	}
	io.WriteString(raw(t.w), colored+visible.Text(fmt.Sprintf(format, args...))) //nolint:errcheck // as of all output
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// The types below are the JUnit XML that CI systems read.
type (
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Seconds  xmlSeconds  `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Seconds xmlSeconds    `xml:"time,attr"`
		Failure *junitFailure `xml:"failure"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	xmlSeconds float64
)

// MarshalText implements encoding.TextMarshaler.
func (s xmlSeconds) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%.3f", float64(s)), nil }

func (r *testReport) writeJUnit(path string) error {
	data, err := xml.MarshalIndent(struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}{Suites: r.suites}, "", "  ")
	if err != nil {
		return fmt.Errorf("--junit: %w", err)
	}
	if err := os.WriteFile(path, append([]byte(xml.Header), append(data, '\n')...), 0o644); err != nil {
		return usagef("--junit: %w", err)
	}
	return nil
}
