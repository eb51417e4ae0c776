// Command metadata makes a catalog of a database's tables: see README.md. It is the
// workflow's worker alone, and runs the workflow once; the activities are WebAssembly
// modules that `wasmworker serve` runs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"text/tabwriter"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	result, err := run(ctx, os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "metadata:", err)
		os.Exit(1)
	}
	if err := table(os.Stdout, result); err != nil {
		os.Exit(1)
	}
}

const usage = `Usage: metadata [flags]

Makes a catalog of a database's tables, with the activities that
wasmworker serve --config wasmworker.yaml serves. TEMPORAL_ADDRESS and its like
say where Temporal is. A run that was interrupted goes on when this is called again.

`

func run(ctx context.Context, args []string, stderr io.Writer) (*Result, error) {
	flags := flag.NewFlagSet("metadata", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	var request Request
	flags.StringVar(&request.Source, "source", "warehouse", "the `connection` of wasmworker.yaml with the database")
	flags.IntVar(&request.TablesPerPart, "tables-per-part", 250, "how many tables an object has, and are lost with a worker at most")
	if err := flags.Parse(args); err != nil {
		return nil, flag.ErrHelp // which was printed, with what is wrong
	}
	if flags.NArg() != 0 || request.TablesPerPart < 1 {
		flags.Usage()
		return nil, flag.ErrHelp
	}
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return nil, err
	}
	options.Logger = sdklog.NewStructuredLogger(slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	// or it would take activities that it does not have
	w := worker.New(c, taskQueue, worker.Options{LocalActivityWorkerOnly: true})
	w.RegisterWorkflow(CatalogSource)
	if err := w.Start(); err != nil {
		return nil, err
	}
	defer w.Stop()

	// One at a time for each source. Who comes second waits for the first one's result,
	// as does who comes back.
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       "metadata-" + request.Source,
		TaskQueue:                taskQueue,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, CatalogSource, request)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(stderr, "workflow %s, run %s, on task queue %s\n", run.GetID(), run.GetRunID(), taskQueue)
	var result Result
	return &result, run.Get(ctx, &result)
}

// table prints a result for people.
func table(stdout io.Writer, r *Result) error {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\tALL\tDOCUMENTED\n")
	fmt.Fprintf(w, "tables\t%d\t%d\n", r.Tables, r.DocumentedTables)
	fmt.Fprintf(w, "columns\t%d\t%d\n", r.Columns, r.DocumentedColumns)
	for _, kind := range slices.Sorted(maps.Keys(r.Personal)) {
		fmt.Fprintf(w, "columns that may hold: %s\t%d\n", kind, r.Personal[kind])
	}
	for _, convention := range slices.Sorted(maps.Keys(r.Naming)) {
		fmt.Fprintf(w, "tables with names in: %s\t%d\n", convention, r.Naming[convention])
	}
	fmt.Fprintf(w, "\n%d objects, and %s\n", len(r.Parts), r.Summary)
	return w.Flush()
}
