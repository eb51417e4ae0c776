package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// report is a whole run.
type report struct {
	Machine machine `json:"machine"`
	Date    string  `json:"date"`
	Took    string  `json:"took"`
	Rows    []row   `json:"rows"`
	Results results `json:"results"` // by benchmark and unit, a figure for each round
}

// machine is where the figures come from.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Wazero string `json:"wazero"`
	Extism string `json:"extism"`
}

// thisMachine describes the machine and the versions that were measured.
func thisMachine() machine {
	m := machine{CPU: runtime.GOARCH, Kernel: runtime.GOOS, Go: runtime.Version(), Cores: runtime.NumCPU(),
		Wazero: version("github.com/tetratelabs/wazero"), Extism: version("github.com/extism/go-sdk")}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				m.CPU = strings.TrimSpace(value) + ", " + runtime.GOARCH
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = "Linux " + strings.TrimSpace(string(text))
	}
	return m
}

func version(module string) string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", module).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func (m machine) String() string {
	return fmt.Sprintf("%s; %d cores; %s; %s; wazero %s; Extism go-sdk %s", m.CPU, m.Cores, m.Kernel, m.Go, m.Wazero, m.Extism)
}

func (r row) verdict() string {
	switch {
	case r.Reached == nil:
		return ""
	case *r.Reached:
		return "reached"
	default:
		return "NOT reached"
	}
}

func (r report) terminal(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "measure\tagainst\tto reach\tmeasured\t")
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", row.Measure, row.Against, row.Target, row.Measured, row.verdict())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s; %s, in %s\n", r.Machine, r.Date, r.Took)
	return err
}

// markdown is the part of the document that is generated.
func (r report) markdown() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s. Measured on %s, in %s.\n\n", r.Machine, r.Date, r.Took)
	if counts := moduleCounts(r.Results); len(counts) > 0 {
		moduleTable(&b, r.Results, counts)
		return b.Bytes()
	}
	table(&b, "measure", "against", "to reach", "measured", "")
	for _, row := range r.Rows {
		table(&b, row.Measure, row.Against, row.Target, row.Measured, row.verdict())
	}
	if kernels := r.Results.below("Kernels", "plain"); len(kernels) > 0 {
		b.WriteString("\n### Kernels\n\n")
		table(&b, "kernel", "plain, ms", "metered", "`WithCloseOnContextDone`")
		for _, k := range kernels {
			name := "Kernels/" + k
			table(&b, k, short(r.Results.median(name+"/plain", "ns/op")/1e6),
				fmt.Sprintf("%.2fx", r.Results.ratio(name+"/metered", name+"/plain", "ns/op")),
				fmt.Sprintf("%.1fx", r.Results.ratio(name+"/closeonctxdone", name+"/plain", "ns/op")))
		}
	}
	if hostile := r.Results.below("Interrupt", ""); len(hostile) > 0 {
		b.WriteString("\n### Interrupts\n\n")
		table(&b, "hostile guest", "p50, ms", "p99, ms", "maximum, ms", "samples a round")
		for _, name := range hostile {
			table(&b, name, short(r.Results.median("Interrupt/"+name, "ms-p50")), short(r.Results.median("Interrupt/"+name, "ms-p99")),
				short(slices.Max(r.Results["Interrupt/"+name]["ms-max"])), fmt.Sprint(r.Results.median("Interrupt/"+name, "samples")))
		}
	}
	b.WriteString("\n### All other figures\n\n")
	table(&b, "benchmark", "unit", "median", "range of the rounds")
	for _, name := range slices.Sorted(maps.Keys(r.Results)) {
		if strings.HasPrefix(name, "Kernels/") || strings.HasPrefix(name, "Interrupt/") {
			continue
		}
		units := r.Results[name]
		for _, unit := range slices.Sorted(maps.Keys(units)) {
			scale := 1.0
			label := unit
			if unit == "ns/op" {
				scale, label = 1e3, "us"
			}
			table(&b, name, label, short(median(units[unit])/scale), short(slices.Min(units[unit])/scale)+" to "+short(slices.Max(units[unit])/scale))
		}
	}
	return b.Bytes()
}

// table writes a row, and below the first one of a table, which begins after an empty
// line, the rule.
func table(b *bytes.Buffer, cells ...string) {
	first := bytes.HasSuffix(b.Bytes(), []byte("\n\n"))
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
	if first {
		fmt.Fprintln(b, "|"+strings.Repeat("---|", len(cells)))
	}
}

// marks are those of the part of the document that a target of make writes.
func marks(target string) (begin, end string) {
	return "<!-- made by make " + target + ": begin -->\n", "<!-- made by make " + target + ": end -->\n"
}

// replaceBetween replaces what is between the marks. What people have written around it
// stays.
func replaceBetween(document []byte, target string, text []byte) ([]byte, error) {
	begin, end := marks(target)
	before, rest, ok := bytes.Cut(document, []byte(begin))
	_, after, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		return nil, errors.New("the marks between which the figures stand are missing")
	}
	return slices.Concat(before, []byte(begin), text, []byte(end), after), nil
}
