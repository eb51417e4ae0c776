package bench

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/wasmworker/wasmworker/host/sandbox"
)

// BenchmarkWorkflow measures runs of workflows without a server: an activation that is told
// of one activity's end and begins the next one, a query, and how much memory of its own a
// run has while it waits, awake and asleep.
func BenchmarkWorkflow(b *testing.B) {
	for _, g := range []workflowGuest{
		{"go", guest(b, "workflow"), "Loop", "Counter"},
		{"rust", "../testdata/workflows/rust/workflows.wasm", "RustLoop", "RustCounter"},
		{"typescript", "../testdata/workflows/typescript/workflows.wasm", "TypeScriptLoop", "TypeScriptCounter"},
	} {
		g.measure(b)
	}
}

// workflowGuest is a module, and the types of two of its workflows: one that calls activities
// one after the other, and one that has the query total.
type workflowGuest struct{ name, file, loop, counter string }

func (g workflowGuest) measure(b *testing.B) {
	b.Run(g.name+"/activation", func(b *testing.B) {
		s := newSandbox(b, sandbox.Config{}, g.file)
		r := beginWorkflow(b, s, g.loop, "1000000000")
		id := int64(1)
		for b.Loop() {
			activate(b, r, map[string]any{"job": "resolve", "id": id, "result": map[string]any{"bytes": [2]int{0, 1}}}, "7")
			id++
		}
	})
	b.Run(g.name+"/query", func(b *testing.B) {
		s := newSandbox(b, sandbox.Config{}, g.file)
		r := beginWorkflow(b, s, g.counter, "7")
		a := activation(b, map[string]any{"job": "query", "name": "total", "args": []any{map[string]any{"encoding": "binary/null"}}}, "")
		for b.Loop() {
			outcome, err := r.Fork(b.Context(), a)
			if err != nil || len(outcome.Commands) != 1 || outcome.Commands[0].Failure != nil {
				b.Fatalf("%+v, %v", outcome, err)
			}
		}
	})
	b.Run(g.name+"/start", func(b *testing.B) {
		s := newSandbox(b, sandbox.Config{}, g.file)
		for b.Loop() {
			beginWorkflow(b, s, g.loop, "1000000000").Close()
		}
	})
	b.Run(g.name+"/memory", func(b *testing.B) {
		const runs = 100
		s := newSandbox(b, sandbox.Config{MaxAwakeWorkflows: runs / 2}, g.file)
		var list []*sandbox.WorkflowRun
		for range runs {
			r := beginWorkflow(b, s, g.loop, "1000000000")
			for id := range 10 {
				activate(b, r, map[string]any{"job": "resolve", "id": id + 1, "result": map[string]any{"bytes": [2]int{0, 1}}}, "7")
			}
			list = append(list, r)
		}
		var awake, asleep float64
		for _, r := range list {
			if n, up := r.Memory(); up {
				awake += float64(n)
			} else {
				asleep += float64(n)
			}
			r.Close()
		}
		b.ReportMetric(awake/1024/(runs/2), "KiB/awake")
		b.ReportMetric(asleep/1024/(runs/2), "KiB/asleep")
		b.ReportMetric(0, "ns/op")
	})
}

func beginWorkflow(b *testing.B, s *sandbox.Sandbox, workflowType, arg string) *sandbox.WorkflowRun {
	b.Helper()
	r, err := s.NewWorkflowRun(b.Context(), workflowType, rand.NewChaCha8([32]byte{1}))
	if err != nil {
		b.Fatal(err)
	}
	activate(b, r, map[string]any{"job": "start", "args": []any{map[string]any{"bytes": [2]int{0, len(arg)}}}, "info": map[string]any{
		"workflow_id": "w", "run_id": "r", "workflow_type": workflowType, "attempt": 1, "task_queue": "q", "namespace": "default",
	}}, arg)
	return r
}

func activation(b *testing.B, job any, body string) sandbox.Activation {
	b.Helper()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	head, err := json.Marshal(map[string]any{"now": now, "history": map[string]any{"length": 9, "size": 1000}, "jobs": []any{job}})
	if err != nil {
		b.Fatal(err)
	}
	frame := append(binary.LittleEndian.AppendUint32(nil, uint32(len(head))), head...)
	return sandbox.Activation{Frame: append(frame, body...), Now: now, Patched: func(string) bool { return true }}
}

func activate(b *testing.B, r *sandbox.WorkflowRun, job any, body string) {
	b.Helper()
	outcome, err := r.Activate(b.Context(), activation(b, job, body))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range outcome.Commands {
		if c.Command == "fail" || outcome.FailTask {
			b.Fatalf("%+v", c.Failure)
		}
	}
}
