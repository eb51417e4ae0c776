package main

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Request is the workflow's input.
type Request struct {
	Source string `json:"source"` // the operator's name for a connection
	// TablesPerPart is how many tables an object has: what one activity enriches, and
	// what is lost at most if a worker is.
	TablesPerPart int `json:"tables_per_part"`
}

// Result is the workflow's.
type Result struct {
	Parts   []string `json:"parts"`   // keys of the objects in the buckets raw and catalog
	Summary string   `json:"summary"` // key of the object with the same numbers, in catalog
	Counts
}

// Counts is what SummariseTables returns.
type Counts struct {
	Tables            int `json:"tables"`
	Columns           int `json:"columns"`
	DocumentedTables  int `json:"documented_tables"`
	DocumentedColumns int `json:"documented_columns"`
	// columns by the kind of data that they may hold
	Personal map[string]int `json:"personal"`
	// tables by the convention that their names follow
	Naming map[string]int `json:"naming"`
}

// taskQueue is that of wasmworker.yaml. This program serves its workflow tasks,
// wasmworker its activities.
const taskQueue = "metadata"

// CatalogSource writes what a database knows of its tables into the bucket raw, and that
// with what can be guessed of it into the bucket catalog, below a prefix of its own run.
//
//	ExtractTables      once              Go
//	EnrichTables       for each part     Rust
//	SummariseTables    once              Rust
//
// Tables never travel through Temporal, keys and counts do. Its history has room for some
// thousand parts.
func CatalogSource(ctx workflow.Context, request Request) (*Result, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 10 * time.Hour,
		// How long an activity takes depends on the database, so it is heartbeats that
		// tell whether its worker is alive. No call of a guest may take as long as this:
		// see the timeouts in wasmworker.yaml.
		HeartbeatTimeout: 15 * time.Second,
		RetryPolicy:      &temporal.RetryPolicy{InitialInterval: time.Second, MaximumInterval: time.Minute, MaximumAttempts: 20},
	})
	prefix := request.Source + "/" + workflow.GetInfo(ctx).WorkflowExecution.RunID + "/"

	var extract struct {
		Parts []string `json:"parts"`
	}
	input := map[string]any{"source": request.Source, "prefix": prefix, "tables_per_part": request.TablesPerPart}
	if err := workflow.ExecuteActivity(ctx, "ExtractTables", input).Get(ctx, &extract); err != nil {
		return nil, err
	}

	// All parts at once: the worker's limit decides how many run.
	enriching := make([]workflow.Future, len(extract.Parts))
	for i, key := range extract.Parts {
		enriching[i] = workflow.ExecuteActivity(ctx, "EnrichTables", key)
	}
	counts := make([]Counts, len(extract.Parts))
	for i, part := range enriching {
		if err := part.Get(ctx, &counts[i]); err != nil {
			return nil, err
		}
	}
	result := &Result{Parts: extract.Parts, Summary: prefix + "summary.json"}
	if err := workflow.ExecuteActivity(ctx, "SummariseTables", result.Summary, counts).Get(ctx, &result.Counts); err != nil {
		return nil, err
	}
	return result, nil
}
