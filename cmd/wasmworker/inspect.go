package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/wasmworker/wasmworker/host/catalog"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

// moduleReport is what inspect --json prints of a module.
type moduleReport struct {
	Name       string             `json:"name"`
	Path       string             `json:"path"`
	Kind       catalog.Kind       `json:"kind"`
	Digest     string             `json:"digest"`
	Size       int                `json:"size_bytes"`
	MemoryMin  uint64             `json:"memory_min_bytes"`
	MemoryMax  uint64             `json:"memory_max_bytes,omitempty"`
	Activities []string           `json:"activities"`
	Imports    []passthrough.Need `json:"imports"`
	Instances  sandbox.Policy     `json:"instances"`
	Fallback   string             `json:"fallback,omitempty"`
}

func inspectCommand() *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Usage:     "say what modules are, offer and ask for; nothing is run",
		ArgsUsage: "FILE-OR-FOLDER…",
		Description: `   wasmworker inspect ./acts
   wasmworker inspect --json ./acts/greet.wasm | jq '.[].imports'`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", EnvVars: []string{"WASMWORKER_JSON"}, Usage: "print JSON"},
		},
		Action: func(c *cli.Context) error {
			if !c.Args().Present() {
				return usagef("name .wasm files or folders to inspect")
			}
			modules, unreadable := catalog.Open(c.Args().Slice()...)
			set, err := passthrough.NewSet(passthroughModules(nil)...)
			if err != nil {
				return err
			}
			reports := []moduleReport{}
			for _, m := range modules {
				instances := sandbox.PolicyPristine
				fallback, err := sandbox.CannotBeSetBack(m)
				switch {
				case err != nil:
					unreadable = errors.Join(unreadable, fmt.Errorf("%s: the module is not valid: %w", m.Path, err))
					continue
				case fallback != "":
					instances = sandbox.PolicyFresh
				}
				reports = append(reports, moduleReport{
					Name: m.Name, Path: m.Path, Kind: m.Kind, Digest: "sha256:" + m.Digest, Size: len(m.Binary),
					MemoryMin: m.MemoryMin, MemoryMax: m.MemoryMax, Activities: m.Exports, Imports: set.Needs(m),
					Instances: instances, Fallback: fallback,
				})
			}
			if c.Bool("json") {
				encoder := json.NewEncoder(c.App.Writer)
				encoder.SetIndent("", "  ")
				err = encoder.Encode(reports)
			} else {
				err = printReports(c.App.Writer, reports)
			}
			if unreadable != nil {
				unreadable = usageError{unreadable}
			}
			return errors.Join(err, unreadable)
		},
	}
}

func printReports(w io.Writer, reports []moduleReport) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, r := range reports {
		if i > 0 {
			fmt.Fprintln(table)
		}
		memory := humanize.IBytes(r.MemoryMin) + " at the start"
		if r.MemoryMax > 0 {
			memory += ", at most " + humanize.IBytes(r.MemoryMax)
		}
		fmt.Fprintf(table, "module\t%s\n", r.Path)
		fmt.Fprintf(table, "kind\t%s\n", r.Kind)
		fmt.Fprintf(table, "digest\t%s\n", r.Digest)
		fmt.Fprintf(table, "size\t%s\n", humanize.IBytes(uint64(r.Size)))
		fmt.Fprintf(table, "memory\t%s\n", memory)
		if r.Fallback == "" {
			fmt.Fprintf(table, "instances\tset back after each activity (pristine)\n")
		} else {
			fmt.Fprintf(table, "instances\ta new one for each activity (fresh): %s\n", r.Fallback)
		}
		fmt.Fprintf(table, "activities\t%s\n", strings.Join(r.Activities, ", "))
		for j, need := range r.Imports {
			label := ""
			if j == 0 {
				label = "imports"
			}
			grant := "always available"
			switch {
			case need.Problem != "":
				grant = "refused: " + need.Problem
			case need.Grant != "":
				grant = "needs --passthrough " + need.Grant
			}
			fmt.Fprintf(table, "%s\t%q (%d functions): %s\n", label, need.Import, len(need.Functions), grant)
		}
	}
	return table.Flush()
}
