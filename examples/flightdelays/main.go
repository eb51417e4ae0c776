// Command flightdelays makes a report of flight delays with activities in seven
// languages: see README.md. It is a whole Temporal worker in one program, the workflow in
// Go and the activities in WebAssembly, and runs the workflow once.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"text/tabwriter"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/sandbox"
)

func main() {
	sandbox.CompilerMain() // modules are compiled in processes of their own
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "flightdelays:", err)
		os.Exit(1)
	}
}

const usage = `Usage: flightdelays [flags] DIRECTORY

Makes a report of the flights in DIRECTORY, which has flights-200k.json, flights-20k.json and airports.csv of the
npm package vega-datasets. TEMPORAL_ADDRESS and its like say where Temporal is.

`

// request is what is asked for the files of vega-datasets. The amounts are those of
// Regulation (EC) 261/2004, as if it held in America and for delays at departure.
var request = Request{
	Flights:   []string{"flights-200k.json", "flights-20k.json"},
	Airports:  "airports.csv",
	ChunkSize: 1 << 20,
	MostBad:   1,
	Tariff:    Tariff{FromMinutes: 180, Bands: []Band{{new(1500), 250}, {new(3500), 400}, {nil, 600}}},
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("flightdelays", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	modules := flags.String("modules", "acts", "the `directory` with the modules")
	report := flags.String("report", "", "write the report to this HTML `file`")
	asJSON := flags.Bool("json", false, "print the result as JSON")
	if err := flags.Parse(args); err != nil {
		return flag.ErrHelp // which was printed, with what is wrong
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return flag.ErrHelp
	}
	directory, err := os.OpenRoot(flags.Arg(0))
	if err != nil {
		return err
	}
	defer directory.Close()
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return err
	}

	h, err := newHost(filesModule(directory), *modules, options, slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return err
	}
	if err := h.Start(ctx); err != nil {
		return err
	}
	result, err := execute(ctx, h, request, stderr)
	if err := errors.Join(err, h.Stop(context.WithoutCancel(ctx))); err != nil {
		return err
	}

	if *report != "" {
		if err := os.WriteFile(*report, []byte(result.Report), 0o644); err != nil {
			return err
		}
	}
	if *asJSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(result)
	}
	return table(stdout, result)
}

// workflowType is the workflow's type, be it that of the program or that of a module.
const workflowType = "DelayReport"

// newHost returns a worker with the workflow and the modules of a directory. Only what
// has to do with files may read them: those who measure, price and render cannot,
// whatever their code tries.
func newHost(files host.PassthroughModule, modules string, options client.Options, logger *slog.Logger) (*host.Host, error) {
	mayRead := host.ModuleOptions{Passthrough: []string{files.Name}}
	o := host.DefaultOptions()
	o.Modules = []string{modules}
	o.Passthrough = []host.PassthroughModule{files}
	o.PerModule = map[string]host.ModuleOptions{"split": mayRead, "check": mayRead, "digest": mayRead}
	o.Logger = logger
	o.ClientOptions = options
	// its workers need the same files behind "files", or a store that all of them reach
	o.TaskQueue = "flightdelays"
	h, err := host.New(o)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(h.Workflows(), workflowType) { // of a module, see workflows/go
		h.RegisterWorkflow(DelayReport)
	}
	return h, nil
}

// execute runs the workflow and says how far it is.
func execute(ctx context.Context, h *host.Host, request Request, progress io.Writer) (*Result, error) {
	run, err := h.Client().ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: h.TaskQueue()}, workflowType, request)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(progress, "workflow %s on task queue %s\n", run.GetID(), h.TaskQueue())

	done := make(chan error, 1)
	var result Result
	go func() { done <- run.Get(ctx, &result) }()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	var last Progress
	for {
		select {
		case err := <-done:
			if ctx.Err() != nil {
				// The worker goes away too, so there would be nobody to see that the
				// workflow is to be canceled.
				err = errors.Join(context.Cause(ctx), h.Client().TerminateWorkflow(context.WithoutCancel(ctx), run.GetID(), run.GetRunID(), "interrupted"))
			}
			return &result, err
		case <-tick.C:
			var now Progress
			value, err := h.Client().QueryWorkflow(ctx, run.GetID(), run.GetRunID(), "progress")
			if err != nil || value.Get(&now) != nil || now == last {
				continue // the next answer will do, or there is none and the result tells why
			}
			last = now
			fmt.Fprintf(progress, "%d of %d chunks, %d records, %d bad\n", now.Done, now.Chunks, now.Records, now.Bad)
		}
	}
}

// table prints a result for people.
func table(stdout io.Writer, r *Result) error {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "FILE\tBYTES\tRECORDS\tBAD\tSHA-256\n")
	for _, s := range r.Sources {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%.16s…\n", s.File, s.Bytes, s.Records, s.Bad, s.SHA256)
	}
	fmt.Fprintf(w, "\nFLIGHTS\tDELAYED\tMEAN\tMEDIAN\tP90\tP99\tMOST\n")
	d := r.Delays
	fmt.Fprintf(w, "%d\t%.1f %%\t%.2f min\t%d\t%d\t%d\t%d\n", d.Flights, 100*float64(d.Delayed)/float64(d.Flights), d.Mean, d.Median, d.P90, d.P99, d.Most)
	fmt.Fprintf(w, "\nCLAIMS\tFLIGHTS\tEUROS\n")
	for i, b := range r.Claims.Bands {
		band := "farther"
		if i < len(request.Tariff.Bands) && request.Tariff.Bands[i].UpToKM != nil {
			band = "up to " + strconv.Itoa(*request.Tariff.Bands[i].UpToKM) + " km"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\n", band, b.Flights, b.Euros)
	}
	fmt.Fprintf(w, "all\t%d\t%d\n", r.Claims.Flights, r.Claims.Euros)
	if len(r.Claims.Routes) > 0 {
		fmt.Fprintf(w, "\nCOSTLIEST ROUTES\tEUROS\n")
	}
	for _, route := range r.Claims.Routes[:min(3, len(r.Claims.Routes))] {
		fmt.Fprintf(w, "%s\t%d\n", route.Route, route.Euros)
	}
	fmt.Fprintf(w, "\nThe report has %d bytes and the SHA-256 %s\n", r.Digest.Bytes, r.Digest.SHA256)
	return w.Flush()
}
