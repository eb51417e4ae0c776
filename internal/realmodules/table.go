package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// result is what the runs of a program came to.
type result struct {
	program
	size      float64 // in MB
	codes     []string
	bytes     int // of standard output, of all runs
	different int
}

func (r result) cells() []string {
	verdict := "the same"
	if r.different > 0 {
		verdict = fmt.Sprintf("%d runs DIFFERENT", r.different)
	}
	return []string{r.name(), r.version, r.registry + ": `" + r.pkg + "`", fmt.Sprintf("%.1f", r.size), strings.Join(r.codes, ", "), fmt.Sprint(r.bytes), verdict}
}

const (
	begin = "<!-- programs: written by make real-modules -->\n"
	end   = "<!-- /programs -->\n"
)

// write replaces the table between the marks of a document.
func write(document string, results []result) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	before, rest, found := bytes.Cut(text, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !found || !closed {
		return fmt.Errorf("%s: the marks of the table of programs are missing", document)
	}
	var b bytes.Buffer
	b.Write(before)
	b.WriteString(begin)
	b.WriteString("| program | version | from | MB | exit codes | bytes of output | here and in wasmtime |\n|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(r.cells(), " | "))
	}
	b.WriteString(end)
	b.Write(after)
	return os.WriteFile(document, b.Bytes(), 0o644)
}
