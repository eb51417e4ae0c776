package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
	"github.com/wasmworker/wasmworker/guest-sdk/go/workflow"
)

// Request is the workflow's input. Files are named as they are in the directory that the
// workers have.
type Request struct {
	Flights   []string `json:"flights"`    // JSON arrays of flights
	Airports  string   `json:"airports"`   // a CSV file
	ChunkSize int      `json:"chunk_size"` // bytes of records that are processed together
	// MostBad is how many records in a thousand may be bad. They are left out and
	// reported.
	MostBad int    `json:"most_bad"`
	Tariff  Tariff `json:"tariff"`
}

// Tariff says what a passenger is owed: an amount by distance, from some delay on.
type Tariff struct {
	FromMinutes int    `json:"from_minutes"`
	Bands       []Band `json:"bands"`
}

// Band is the amount up to a distance, nil for any.
type Band struct {
	UpToKM *int `json:"up_to_km"`
	Euros  int  `json:"euros"`
}

// Result is the workflow's.
type Result struct {
	Sources []Source    `json:"sources"`
	Bad     []BadRecord `json:"bad"`
	Delays  Delays      `json:"delays"`
	Claims  Claims      `json:"claims"`
	Report  string      `json:"report"` // HTML
	Digest  Digest      `json:"digest"` // of the report
}

// Source tells which file was read.
type Source struct {
	File string `json:"file"`
	Digest
	Records int `json:"records"`
	Bad     int `json:"bad"`
}

// Digest is what DigestFile and DigestText return.
type Digest struct {
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Chunk is what SplitFile returns: a part of a file with whole records.
type Chunk struct {
	File    string `json:"file"`
	Offset  int    `json:"offset"`
	Length  int    `json:"length"`
	Records int    `json:"records"`
}

// BadRecord is one that CheckFlights refuses.
type BadRecord struct {
	File string `json:"file,omitempty"`
	// from 0: in the details of a failure in the chunk, in the result in the file
	Record int    `json:"record"`
	Reason string `json:"reason"`
}

// Delays is what SummariseDelays returns.
type Delays struct {
	Flights int     `json:"flights"`
	Delayed int     `json:"delayed"` // by 15 minutes or more
	Mean    float64 `json:"mean"`    // minutes
	Median  int     `json:"median"`
	P90     int     `json:"p90"`
	P99     int     `json:"p99"`
	Least   int     `json:"least"`
	Most    int     `json:"most"`
	Hours   []Hour  `json:"hours"` // of departure
}

// Hour counts the flights of an hour of the day.
type Hour struct {
	Flights int `json:"flights"`
	Delayed int `json:"delayed"`
}

// Claims is what TotalClaims returns.
type Claims struct {
	Flights int     `json:"flights"`
	Euros   int     `json:"euros"` // for one passenger on each of the flights
	Bands   []Sum   `json:"bands"`
	Routes  []Route `json:"routes"` // the costliest
}

// Sum is what flights cost.
type Sum struct {
	Flights int `json:"flights"`
	Euros   int `json:"euros"`
}

// Route is what the flights of one route cost.
type Route struct {
	Route string `json:"route"`
	Euros int    `json:"euros"`
}

// Progress is what the query of that name returns.
type Progress struct {
	Chunks  int `json:"chunks"` // 0 until the files have been split
	Done    int `json:"done"`
	Records int `json:"records"` // of the chunks that are done
	Bad     int `json:"bad"`
}

// TypeTooManyBadRecords is the type of the workflow's failure when there are more of them
// than the request allows.
const TypeTooManyBadRecords = "TooManyBadRecords"

// DelayReport makes a report of flight delays, and of what they would cost. It knows
// activities by their names alone: in which language each is written is the business of
// whoever writes it.
//
//	DigestFile, SplitFile                    for each file       C, Go
//	CheckFlights                             for each chunk      Rust
//	MeasureDelays, PriceClaims               for each chunk      Zig, TypeScript
//	SummariseDelays, TotalClaims             once                Zig, Java
//	DrawChart, RenderReport, DigestText      once                AssemblyScript, Go, C
//
// Files stay in the directory. What travels through Temporal is ranges, columns of
// numbers and sums. Nothing of that comes near the 2 MiB that a payload may have, and the
// history stays below its 10 MiB.
func DelayReport(ctx workflow.Context, request Request) (*Result, error) {
	var progress Progress
	if err := workflow.SetQueryHandler(ctx, "progress", func() (Progress, error) { return progress, nil }); err != nil {
		return nil, err
	}
	// What is wrong with the data is not retryable, and the activities say so. What they
	// do not foresee is retried: a file that cannot be read now, a guest that crashes, a
	// worker that goes away.
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, MaximumAttempts: 5},
	})

	sources, chunks, err := open(ctx, request)
	if err != nil {
		return nil, err
	}

	// All chunks at once: the worker's limit decides how many run.
	var (
		measures = make([]json.RawMessage, len(chunks))
		claims   = make([]json.RawMessage, len(chunks))
		bad      = make([][]BadRecord, len(chunks))
		errs     = make([]error, len(chunks))
		group    = workflow.NewWaitGroup(ctx)
	)
	progress.Chunks = len(chunks)
	for i, chunk := range chunks {
		group.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer group.Done()
			measures[i], claims[i], bad[i], errs[i] = process(ctx, request, chunk)
			progress.Done++
			progress.Records += chunk.Records
			progress.Bad += len(bad[i])
		})
	}
	group.Wait(ctx)
	for _, err := range errs {
		if err != nil {
			return nil, err // as it is: Temporal takes the failure's type and details from it
		}
	}

	result := &Result{Sources: sources, Bad: []BadRecord{}}
	before := map[string]int{} // records of the chunks before, by file
	for i, chunk := range chunks {
		for _, b := range bad[i] {
			result.Bad = append(result.Bad, BadRecord{File: chunk.File, Record: before[chunk.File] + b.Record, Reason: b.Reason})
		}
		before[chunk.File] += chunk.Records
		for s := range sources {
			if sources[s].File == chunk.File {
				sources[s].Records += chunk.Records
				sources[s].Bad += len(bad[i])
			}
		}
	}

	summarize := workflow.ExecuteActivity(ctx, "SummariseDelays", measures)
	total := workflow.ExecuteActivity(ctx, "TotalClaims", claims)
	if err := summarize.Get(ctx, &result.Delays); err != nil {
		return nil, err
	}
	if err := total.Get(ctx, &result.Claims); err != nil {
		return nil, err
	}
	var chart string
	if err := workflow.ExecuteActivity(ctx, "DrawChart", result.Delays.Hours).Get(ctx, &chart); err != nil {
		return nil, err
	}
	report := map[string]any{"sources": sources, "delays": result.Delays, "claims": result.Claims, "tariff": request.Tariff}
	if err := workflow.ExecuteActivity(ctx, "RenderReport", report, chart).Get(ctx, &result.Report); err != nil {
		return nil, err
	}
	if err := workflow.ExecuteActivity(ctx, "DigestText", result.Report).Get(ctx, &result.Digest); err != nil {
		return nil, err
	}
	return result, nil
}

// open takes the digests of all files, and splits those with flights.
func open(ctx workflow.Context, request Request) (sources []Source, chunks []Chunk, err error) {
	// How long these take depends on the size of the files. So it is heartbeats that tell
	// whether they are alive, and a retry of SplitFile goes on where the attempt before
	// has stopped.
	options := workflow.GetActivityOptions(ctx)
	options.StartToCloseTimeout = time.Hour
	options.HeartbeatTimeout = 10 * time.Second
	ctx = workflow.WithActivityOptions(ctx, options)

	files := append(append([]string{}, request.Flights...), request.Airports)
	var digests, splits []workflow.Future
	for _, file := range files {
		digests = append(digests, workflow.ExecuteActivity(ctx, "DigestFile", file))
	}
	for _, file := range request.Flights {
		splits = append(splits, workflow.ExecuteActivity(ctx, "SplitFile", map[string]any{"file": file, "chunk_size": request.ChunkSize}))
	}
	for i, file := range files {
		source := Source{File: file}
		if err := digests[i].Get(ctx, &source.Digest); err != nil {
			return nil, nil, err
		}
		sources = append(sources, source)
	}
	for _, split := range splits {
		var part []Chunk
		if err := split.Get(ctx, &part); err != nil {
			return nil, nil, err
		}
		chunks = append(chunks, part...)
	}
	return sources, chunks, nil
}

// process does all that is done with one chunk.
func process(ctx workflow.Context, request Request, chunk Chunk) (measure, claims json.RawMessage, bad []BadRecord, err error) {
	flights, bad, err := check(ctx, request, chunk)
	if err != nil {
		return nil, nil, nil, err
	}
	measuring := workflow.ExecuteActivity(ctx, "MeasureDelays", flights)
	pricing := workflow.ExecuteActivity(ctx, "PriceClaims", flights, request.Tariff)
	if err := measuring.Get(ctx, &measure); err != nil {
		return nil, nil, nil, err
	}
	return measure, claims, bad, pricing.Get(ctx, &claims)
}

// check reads the flights of a chunk. CheckFlights refuses a chunk with bad records, by a
// failure of a type of its own which lists them. That some of them are no reason to do
// without the others is decided here.
func check(ctx workflow.Context, request Request, chunk Chunk) (flights json.RawMessage, bad []BadRecord, err error) {
	skip := []int{}
	err = workflow.ExecuteActivity(ctx, "CheckFlights", chunk, request.Airports, skip).Get(ctx, &flights)
	var failure *temporal.ApplicationError
	if !errors.As(err, &failure) || failure.Type() != "BadRecords" {
		return flights, nil, err
	}
	if err := failure.Details(&bad); err != nil {
		return nil, nil, fmt.Errorf("the details of BadRecords: %w", err)
	}
	if len(bad)*1000 > request.MostBad*chunk.Records {
		return nil, nil, temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("more than %d in a thousand records of %s, from byte %d on, are bad", request.MostBad, chunk.File, chunk.Offset), TypeTooManyBadRecords, err)
	}
	for _, b := range bad {
		skip = append(skip, b.Record)
	}
	workflow.GetLogger(ctx).Info("leaving out bad records", "file", chunk.File, "offset", chunk.Offset, "records", len(bad))
	err = workflow.ExecuteActivity(ctx, "CheckFlights", chunk, request.Airports, skip).Get(ctx, &flights)
	return flights, bad, err
}
