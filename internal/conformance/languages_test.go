package conformance_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/conformance"
)

var writeLanguages = flag.Bool("languages", false, "measure, and write the tables of docs/languages.md")

const languagesFile = "../../docs/languages.md"

// title is what a directory of testdata/conformance is called in the table.
func title(dir string) string {
	titles := map[string]string{
		"assemblyscript": "AssemblyScript", "c": "C", "command-go": "WASI command (Go)", "cpp": "C++",
		"extism-assemblyscript": "Extism plugin (AssemblyScript)", "extism-go": "Extism plugin (Go)", "extism-rust": "Extism plugin (Rust)",
		"go": "Go", "java": "Java", "nim": "Nim", "rust": "Rust", "typescript": "TypeScript", "zig": "Zig",
	}
	if t, ok := titles[dir]; ok {
		return t
	}
	return dir
}

// features lists the features of the cases, in their order.
func features(all *conformance.Suite) (list []string) {
	for _, c := range all.Cases {
		if !slices.Contains(list, c.Feature) {
			list = append(list, c.Feature)
		}
	}
	return list
}

// featureTable renders which features the languages have: a cell is green if all of its
// cases ran and passed, and a dash if there are none for that kind of module.
func featureTable(languages []string, all *conformance.Suite, failed, ran map[string]map[string]int) string {
	var b strings.Builder
	b.WriteString("| |")
	for _, l := range languages {
		b.WriteString(" " + title(l) + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat(":-:|", len(languages)) + "\n")
	for _, f := range features(all) {
		b.WriteString("| " + f + " |")
		for _, l := range languages {
			switch {
			case failed[l][f] > 0:
				b.WriteString(" ❌ |")
			case ran[l][f] > 0:
				fmt.Fprintf(&b, " ✅ %d |", ran[l][f])
			default:
				b.WriteString(" – |")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// replaceBetween replaces what is between <!-- name --> and <!-- /name -->.
func replaceBetween(t testing.TB, text, name, content string) string {
	t.Helper()
	before, rest, found := strings.Cut(text, "<!-- "+name+" -->\n")
	_, after, closed := strings.Cut(rest, "<!-- /"+name+" -->")
	if !found || !closed {
		t.Fatalf("%s has no <!-- %s --> … <!-- /%s -->", languagesFile, name, name)
	}
	return before + "<!-- " + name + " -->\n" + content + "<!-- /" + name + " -->" + after
}

// checkLanguages compares the table of features with docs/languages.md, or writes it.
func checkLanguages(t *testing.T, languages []string, all *conformance.Suite, failed, ran map[string]map[string]int) {
	data, err := os.ReadFile(languagesFile)
	if err != nil {
		t.Fatal(err)
	}
	want := replaceBetween(t, string(data), "features", featureTable(languages, all, failed, ran))
	if *writeLanguages {
		want = replaceBetween(t, want, "measures", measures(t, languages))
		if err := os.WriteFile(languagesFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(data) {
		t.Errorf("the table of features in %s is not what the cases show; make languages writes it", languagesFile)
	}
}

// measures renders sizes and times, all from one run on one machine.
func measures(t *testing.T, languages []string) string {
	var b strings.Builder
	b.WriteString("| | module | new instance | call of `greet` |\n|---|--:|--:|--:|\n")
	for _, l := range languages {
		list := load(t, filepath.Join(directory, l))
		size := len(list[0].Binary)
		instance, call := measure(t, list)
		fmt.Fprintf(&b, "| %s | %.4g KB | %s | %s |\n", title(l), float64(size)/1000, short(instance), short(call))
	}
	fmt.Fprintf(&b, "\n%s/%s, %d processors, %s, %s. Medians of one run.\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), time.Now().UTC().Format("2006-01-02"))
	return b.String()
}

// short renders a duration with three digits.
func short(d time.Duration) string {
	for unit := time.Nanosecond; ; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit).String()
		}
	}
}

// measure returns how long a fresh instance takes, and a call with the default policy.
func measure(t *testing.T, list []*modules.File) (instance, call time.Duration) {
	ctx := context.Background()
	w := world(t)
	s := start(t, list, sandbox.IsolationPristine, w.Set, w.Policies)
	var m *sandbox.Module
	for _, a := range s.Activities() {
		if a.Type == "greet" {
			m = a.Module
		}
	}
	fresh := start(t, []*modules.File{m.File()}, sandbox.IsolationFresh, w.Set, w.Policies).Modules()[0]
	instance = median(20, func() {
		i, err := fresh.NewInstance(ctx)
		if err != nil {
			t.Fatal(err)
		}
		i.Close()
	})
	task := sandbox.Task{Activity: "greet", Args: []sandbox.Payload{sandbox.NewPayload(abi.EncodingJSON, []byte(`{"name": "World"}`))}}
	call = median(300, func() {
		if _, err := s.Run(ctx, task); err != nil {
			t.Fatal(err)
		}
	})
	return instance, call
}

func median(n int, f func()) time.Duration {
	var took []time.Duration
	for range n {
		begin := time.Now()
		f()
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	return took[n/2]
}
