//go:build unix

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

func TestMain(m *testing.M) { os.Exit(testbed.Main(m.Run)) }

// modules makes the directory that is served: the guests in Go are built, the others are
// the committed ones.
func modules(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("activities/*/*.wasm")
	if err != nil || len(files) != 6 {
		t.Fatalf("there are modules of six languages other than Go, not %v, %v", files, err)
	}
	for _, guest := range []string{"split", "report"} {
		files = append(files, testbed.Guest(t, "examples/flightdelays/activities/go/"+guest))
	}
	return testbed.Directory(t, files...)
}

// data returns the directory of vega-datasets.
func data(t *testing.T) string {
	t.Helper()
	prefix := filepath.Join(testbed.Root(t), ".toolchains", "vega-datasets")
	directory := filepath.Join(prefix, "node_modules", "vega-datasets", "data")
	if _, err := os.Stat(directory); err != nil {
		t.Fatalf("the data is not there; get it with: npm install --prefix %s --no-save --no-package-lock vega-datasets@3.2.1", prefix)
	}
	return directory
}

// The workflow as a module in Go is the program's, with other import paths. It makes the
// same result, and so does that in TypeScript, with as many activities.
func TestReportOfTheModule(t *testing.T) {
	native, err := os.ReadFile("workflow.go")
	if err != nil {
		t.Fatal(err)
	}
	ported, err := os.ReadFile("workflows/go/workflow.go")
	if err != nil {
		t.Fatal(err)
	}
	if string(ported) != strings.ReplaceAll(string(native), "go.temporal.io/sdk/", "github.com/wasmworker/wasmworker/guest-sdk/go/") {
		t.Error("workflows/go/workflow.go is not workflow.go with other import paths")
	}
	directory := data(t)
	server := testbed.Shared(t)
	t.Setenv("TEMPORAL_ADDRESS", server.Address)
	whole := request
	defer func() { request = whole }()
	request.Flights = []string{"flights-20k.json"} // the other file takes long, and has nothing new
	results, lengths := make([]string, 3), make([]int64, 3)
	guests := []string{testbed.Guest(t, "examples/flightdelays/workflows/go"), "workflows/typescript/delayreport.wasm"}
	for i, acts := range []string{modules(t), moduleWithWorkflow(t, guests[0]), moduleWithWorkflow(t, guests[1])} {
		var stdout, stderr bytes.Buffer
		if err := run(t.Context(), []string{"--modules", acts, "--json", directory}, &stdout, &stderr); err != nil {
			t.Fatalf("%v\n%s", err, stderr.String())
		}
		results[i] = stdout.String()
		var id string
		_, line, _ := strings.Cut("\n"+stderr.String(), "\nworkflow ")
		if _, err := fmt.Sscan(line, &id); err != nil {
			t.Fatalf("%v\n%s", err, stderr.String())
		}
		for events := server.Client(t).GetWorkflowHistory(t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
			e, err := events.Next()
			if err != nil {
				t.Fatal(err)
			}
			if e.GetActivityTaskScheduledEventAttributes() != nil {
				lengths[i]++
			}
		}
	}
	for i, guest := range guests {
		if results[0] != results[i+1] {
			t.Errorf("the program's workflow returned\n%.2000s\n%s\n%.2000s", results[0], guest, results[i+1])
		}
		if lengths[0] != lengths[i+1] || lengths[0] == 0 {
			t.Errorf("the program's workflow scheduled %d activities, %s %d", lengths[0], guest, lengths[i+1])
		}
	}
}

// moduleWithWorkflow is modules with one that has the workflow.
func moduleWithWorkflow(t *testing.T, guest string) string {
	t.Helper()
	acts := modules(t)
	module, err := os.ReadFile(guest)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(acts, "delayreport.wasm"), module, 0o600); err != nil {
		t.Fatal(err)
	}
	return acts
}

// The program, with real data, computes what the code below computes in other ways.
func TestReport(t *testing.T) {
	directory := data(t)
	t.Setenv("TEMPORAL_ADDRESS", testbed.Shared(t).Address)
	report := filepath.Join(t.TempDir(), "report.html")
	var stdout, stderr bytes.Buffer
	acts := modules(t)
	if err := run(t.Context(), []string{"--modules", acts, "--json", "--report", report, directory}, &stdout, &stderr); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var got Result
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := expect(t, directory)

	// What the workflow's comment promises about its history.
	var id string
	_, line, _ := strings.Cut("\n"+stderr.String(), "\nworkflow ")
	if _, err := fmt.Sscan(line, &id); err != nil {
		t.Log(stderr.String())
		t.Fatal(err)
	}
	described, err := testbed.Shared(t).Client(t).DescribeWorkflow(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	if size := described.RawResponse.GetWorkflowExecutionInfo().GetHistorySizeBytes(); size == 0 || size >= 10<<20 {
		t.Errorf("the workflow's history has %d bytes", size)
	} else {
		t.Logf("the workflow's history has %d bytes in %d events", size, described.RawResponse.GetWorkflowExecutionInfo().GetHistoryLength())
	}

	// The page is checked by what it has to say. Everything else is compared whole.
	html, err := os.ReadFile(report)
	if err != nil || string(html) != got.Report {
		t.Errorf("the file has another report, %v", err)
	}
	if digest := digest(html); got.Digest != digest {
		t.Errorf("the report's digest is %v, not %v", got.Digest, digest)
	}
	phrases := []string{"Of 219,986 flights", fmt.Sprintf("the median %d;", want.Delays.Median), "up to 1,500 km", "<td>farther"}
	for _, s := range want.Sources {
		phrases = append(phrases, s.File, s.SHA256)
	}
	for _, phrase := range phrases {
		if !strings.Contains(got.Report, phrase) {
			t.Errorf("the report lacks %q", phrase)
		}
	}
	if n := strings.Count(got.Report, "<rect "); n != 24 {
		t.Errorf("the chart has %d bars", n)
	}
	for hour, h := range want.Delays.Hours {
		if title := fmt.Sprintf("<title>%d:00: %d of %d flights</title>", hour, h.Delayed, h.Flights); !strings.Contains(got.Report, title) {
			t.Errorf("the chart lacks %s", title)
		}
	}
	got.Report, got.Digest = "", Digest{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}

	var printed bytes.Buffer
	if err := table(&printed, &got); err != nil || !strings.Contains(printed.String(), "219986") || strings.Contains(printed.String(), "!(") {
		t.Errorf("the table is %v\n%s", err, printed.String())
	}
}

// An attempt that fails in the middle of a file is not lost: the next one reads on from
// its last heartbeat.
func TestResumes(t *testing.T) {
	directory := data(t)
	files := openFiles(t, directory)
	read := files.Functions["read"]
	var (
		mu      sync.Mutex
		split   []int64 // where SplitFile has read
		failed  bool
		failure = errors.New("the disk has hiccups")
	)
	files.Functions["read"] = func(ctx context.Context, call *passthrough.Call, req []byte) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		if call.Activity == "SplitFile" {
			var r struct{ Offset int64 }
			if err := json.Unmarshal(req, &r); err != nil {
				return nil, abi.EINVAL
			}
			if r.Offset > 1<<20 && !failed {
				failed = true
				return nil, failure
			}
			split = append(split, r.Offset)
		}
		return read(ctx, call, req)
	}
	request := request
	request.Flights = []string{"flights-20k.json"}
	result, err := workflowRun(t, files, request)
	if err != nil {
		t.Fatal(err)
	}
	if !failed || !slices.IsSorted(split) || len(slices.Compact(slices.Clone(split))) != len(split) {
		t.Errorf("failed: %v; SplitFile has read at %v", failed, split)
	}
	if result.Delays.Flights != 20000 || len(result.Claims.Routes) != 10 {
		t.Errorf("got %+v", result)
	}
}

// What is wrong with the data ends the workflow with a failure of a type of its own, and
// is not retried.
func TestBadData(t *testing.T) {
	flight := func(delay int) string {
		return fmt.Sprintf(`{"delay": %d, "distance": 100, "time": 23.5, "unknown": [{"}": "\"]"}]}`, delay)
	}
	many := strings.Repeat(flight(0)+",", 999)
	for name, c := range map[string]struct {
		flights string
		want    string // failure's type, or how many are bad
	}{
		"tolerable":      {"[" + many + flight(-61) + "]", "1"},
		"too many":       {"[" + many + flight(-61) + "," + flight(1441) + "]", TypeTooManyBadRecords},
		"no flights":     {`[{"delay": "late"}]`, "NotFlights"},
		"no JSON":        {"<html>", "NotRecords"},
		"no end":         {"[" + flight(0), "NotRecords"},
		"half a record":  {"[" + flight(0) + `,{"delay": 1`, "NotRecords"},
		"nothing":        {"[]", "NoFlights"},
		"no such file":   {"", "NoSuchFile"},
		"a huge record":  {`[{"x": "` + strings.Repeat("x", 256<<10) + `"}]`, "NotRecords"},
		"several shapes": {"[" + flight(0) + `, {"delay": 0, "distance": 1452, "origin": "LAX", "date": "2001/01/01 06:55"}]`, TypeTooManyBadRecords},
	} {
		t.Run(name, func(t *testing.T) {
			directory := t.TempDir()
			for file, text := range map[string]string{"flights.json": c.flights, "airports.csv": "iata,name,city,state,country,latitude,longitude\nLAX,\"Los, Angeles\",,,,33.94,-118.4\n"} {
				if text == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(directory, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			request := request
			request.Flights = []string{"flights.json"}
			start := time.Now()
			result, err := workflowRun(t, openFiles(t, directory), request)
			var failure *temporal.ApplicationError
			switch {
			case err == nil:
				if got := fmt.Sprint(len(result.Bad)); got != c.want || result.Bad[0] != (BadRecord{"flights.json", 999, "a delay of -61 minutes is not plausible"}) {
					t.Errorf("got %+v", result)
				}
			case !errors.As(err, &failure) || failure.Type() != c.want:
				t.Errorf("%v is not of type %s", err, c.want)
			}
			t.Logf("%v: %v", time.Since(start).Round(time.Millisecond), err)
		})
	}
}

func openFiles(t *testing.T, directory string) host.PassthroughModule {
	t.Helper()
	root, err := os.OpenRoot(directory)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return filesModule(root)
}

// workflowRun runs the workflow on a worker of its own.
func workflowRun(t *testing.T, files host.PassthroughModule, request Request) (*Result, error) {
	t.Helper()
	h, err := newHost(files, modules(t), testbed.Shared(t).Options(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	return execute(t.Context(), h, request, io.Discard)
}

func digest(data []byte) Digest {
	sum := sha256.Sum256(data)
	return Digest{len(data), hex.EncodeToString(sum[:])}
}

// expect computes the result, except for the report, with all flights in memory: sorted,
// not counted; in exact fractions, not in floating point; and with nothing that the
// guests or the workflow use.
func expect(t *testing.T, directory string) Result {
	t.Helper()
	want := Result{Bad: []BadRecord{}}
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(directory, name))
		if err != nil {
			t.Fatal(err)
		}
		want.Sources = append(want.Sources, Source{File: name, Digest: digest(data)})
		return data
	}
	type flight struct {
		Delay, Distance     int
		Date                string
		Time                json.Number
		Origin, Destination string
	}
	var delays []int
	hours := make([]Hour, 24)
	bands := make([]Sum, 3)
	routes := map[string]int{}
	airports := map[string]bool{}
	for i, name := range []string{"flights-200k.json", "flights-20k.json", "airports.csv"} {
		data := read(name)
		if name == "airports.csv" {
			rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows {
				airports[row[0]] = true
			}
			break
		}
		var flights []flight
		if err := json.Unmarshal(data, &flights); err != nil {
			t.Fatal(err)
		}
		for n, f := range flights {
			if f.Delay < -60 || f.Delay > 24*60 {
				want.Bad = append(want.Bad, BadRecord{name, n, fmt.Sprintf("a delay of %d minutes is not plausible", f.Delay)})
				want.Sources[i].Bad++
				continue
			}
			var hour int
			if f.Date != "" {
				at, err := time.Parse("2006/01/02 15:04", f.Date)
				if err != nil {
					t.Fatal(err)
				}
				hour = at.Hour()
			} else {
				hour = wholeMinutes(t, f.Time) / 60
			}
			hours[hour].Flights++
			delays = append(delays, f.Delay)
			if f.Delay >= 15 {
				hours[hour].Delayed++
				want.Delays.Delayed++
			}
			if f.Delay < 180 {
				continue
			}
			// A mile has 1609.344 m. Kilometers are rounded to the nearest.
			km := (f.Distance*1609344 + 500000) / 1000000
			band, euros := 2, 600
			if km <= 1500 {
				band, euros = 0, 250
			} else if km <= 3500 {
				band, euros = 1, 400
			}
			bands[band].Flights++
			bands[band].Euros += euros
			if f.Origin != "" {
				routes[f.Origin+"-"+f.Destination] += euros
			}
		}
		want.Sources[i].Records = len(flights)
	}
	slices.Sort(delays)
	total := 0
	for _, d := range delays {
		total += d
	}
	n := len(delays)
	want.Delays.Mean, _ = big.NewRat(int64(total), int64(n)).Float64()
	rank := func(percent int) int { return delays[(n*percent+99)/100-1] }
	want.Delays.Flights, want.Delays.Hours = n, hours
	want.Delays.Median, want.Delays.P90, want.Delays.P99 = rank(50), rank(90), rank(99)
	want.Delays.Least, want.Delays.Most = delays[0], delays[n-1]

	want.Claims.Bands = bands
	for _, b := range bands {
		want.Claims.Flights += b.Flights
		want.Claims.Euros += b.Euros
	}
	names := slices.Sorted(maps.Keys(routes))
	slices.SortStableFunc(names, func(a, b string) int { return routes[b] - routes[a] })
	for _, name := range names[:10] {
		for code := range strings.SplitSeq(name, "-") {
			if !airports[code] {
				t.Errorf("there is no airport %s", code)
			}
		}
		want.Claims.Routes = append(want.Claims.Routes, Route{name, routes[name]})
	}
	return want
}

// wholeMinutes returns the minutes of a number of hours that was made from them: the
// nearest whole number.
func wholeMinutes(t *testing.T, hours json.Number) int {
	r, ok := new(big.Rat).SetString(hours.String())
	if !ok {
		t.Fatalf("%q is not a number", hours)
	}
	r.Mul(r, big.NewRat(60, 1)).Add(r, big.NewRat(1, 2))
	return int(new(big.Int).Div(r.Num(), r.Denom()).Int64())
}
