// Report runs the benchmarks in interleaved rounds, so that both sides of a ratio see the
// same noise, prints the ratios beside what they are to reach, and writes
// docs/benchmarks.md. Run it in the directory above:
//
//	go run ./report                     # everything, and docs/benchmarks.md is written
//	go run ./report -quick              # a minute, for a look whether it all still works
//	go run ./report -only 'echo|calls'  # some groups
//	go run ./report -json -raw raw.txt  # JSON on standard output; raw.txt is for benchstat
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// group is a group of benchmarks that are run together.
type group struct {
	name    string
	pkg     string   // where they are, from this module's directory
	benches []string // patterns for -bench, each run in a process of its own
	rounds  int
	time    string // -benchtime
	quick   string // -benchtime of a quick run, which has one round
	target  string // of make, that it is part of
}

// The counts are chosen such that two cores need less than ten minutes for all of them.
var groups = []group{
	{"calls", ".", []string{"^BenchmarkCall$"}, 7, "300ms", "20x", "bench"},
	{"echo", ".", []string{"^BenchmarkEcho$"}, 5, "200ms", "5x", "bench"},
	{"passthrough", ".", []string{"^BenchmarkPassthrough$"}, 5, "200ms", "20x", "bench"},
	{"kernels", "../host/internal/meter", []string{"^BenchmarkKernels$"}, 5, "100ms", "1x", "bench"},
	{"interrupt", ".", []string{"^BenchmarkInterrupt$"}, 3, "100x", "10x", "bench"},
	{"gc", ".", []string{"^BenchmarkGC$"}, 5, "50x", "10x", "bench"},
	{"idle", ".", []string{"^BenchmarkIdle$"}, 1, "500x", "20x", "bench"},
	{"python", ".", []string{"^BenchmarkPythonCall$", "^BenchmarkPythonStart$"}, 3, "1s", "3x", "bench"},
	{"python-idle", ".", []string{"^BenchmarkPythonIdle$"}, 1, "100x", "5x", "bench"},
	{"worker", ".", worker("native", "pristine", "rust", "c"), 3, "30x", "2x", "bench"},
	{"start", ".", []string{"^BenchmarkStart$"}, 3, "5x", "1x", "bench"},
	{"peers", ".", worker("temporalio", "pristine", "rust", "python"), 3, "16x", "2x", "bench-peers"},
	{"clean", ".", []string{"^BenchmarkClean$"}, 3, "100x", "5x", "bench-peers"},
	{"modules", ".", []string{"^BenchmarkModules$"}, 1, "1x", "1x", "bench-modules"},
}

// worker has the patterns for sides of BenchmarkWorker.
func worker(sides ...string) (patterns []string) {
	for _, side := range sides {
		patterns = append(patterns, "^BenchmarkWorker$/^"+side+"$")
	}
	return patterns
}

const document = "../docs/benchmarks.md"

func main() {
	quick := flag.Bool("quick", false, "one round of very few iterations: shows that it works, and no more")
	only := flag.String("only", "", "`pattern` of the groups to run; they are "+groupNames())
	asJSON := flag.Bool("json", false, "print JSON instead of a table")
	raw := flag.String("raw", "", "`file` to write the output of the benchmarks to, for benchstat")
	target := flag.String("target", "bench", "`target` of make whose groups to run, and whose part of the document to write: bench, bench-peers or bench-modules")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *quick, *target, *only, *asJSON, *raw); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func groupNames() string {
	var names []string
	for _, g := range groups {
		names = append(names, g.name)
	}
	return strings.Join(names, ", ")
}

func run(ctx context.Context, quick bool, target, only string, asJSON bool, rawFile string) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join("report", "main.go")); err != nil {
		return fmt.Errorf("this is to be run in the directory bench: %w", err)
	}
	raw := io.Discard
	if rawFile != "" {
		f, err := os.Create(rawFile)
		if err != nil {
			return err
		}
		defer f.Close()
		raw = f
	}
	scratch, err := os.MkdirTemp("", "wasmworker-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)

	started := time.Now()
	all := results{}
	for _, g := range groups {
		if g.target != target || !pattern.MatchString(g.name) {
			continue
		}
		if quick {
			g.rounds, g.time = 1, g.quick
		}
		if err := g.run(ctx, scratch, all, raw); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
	}
	r := report{Machine: thisMachine(), Date: started.UTC().Format(time.DateOnly), Took: time.Since(started).Round(time.Second).String(), Rows: rows(all), Results: all}
	if asJSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(r)
	} else {
		err = r.terminal(os.Stdout)
	}
	if err != nil || quick || only != "" { // the document has whole runs only
		return err
	}
	old, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	updated, err := replaceBetween(old, target, r.markdown())
	if err != nil {
		return fmt.Errorf("%s: %w", document, err)
	}
	if target == "bench-modules" {
		if err := os.WriteFile(plotFile, plot(all), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(document, updated, 0o644)
}

// run runs all rounds of a group. Every other round is in the reverse order.
func (g group) run(ctx context.Context, scratch string, all results, raw io.Writer) error {
	binary := filepath.Join(scratch, g.name+".test")
	compile := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, ".")
	compile.Dir = g.pkg
	if out, err := compile.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	for round := range g.rounds {
		benches := slices.Clone(g.benches)
		if round%2 == 1 {
			slices.Reverse(benches)
		}
		for _, bench := range benches {
			begin := time.Now()
			cmd := exec.CommandContext(ctx, binary, "-test.run", "^$", "-test.bench", bench, "-test.benchtime", g.time, "-test.timeout", "10m")
			cmd.Dir = g.pkg
			cmd.Env = append(os.Environ(), "BENCH_SCRATCH="+scratch)
			// Servers and workers are children of the benchmarks. They all end with this
			// run.
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			endGroup := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
			cmd.Cancel, cmd.WaitDelay = endGroup, 20*time.Second
			var out, complaints bytes.Buffer
			cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, raw), &complaints
			if err := cmd.Run(); err != nil {
				if cmd.Process != nil {
					endGroup() //nolint:errcheck // there may be nobody left in it
				}
				return fmt.Errorf("%s: %w\n%s%s", bench, err, out.Bytes(), complaints.Bytes())
			}
			all.parse(out.String())
			fmt.Fprintf(os.Stderr, "%s, round %d of %d: %s\n", strings.Trim(bench, "^$"), round+1, g.rounds, time.Since(begin).Round(100*time.Millisecond))
		}
	}
	return nil
}
