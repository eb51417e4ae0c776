// RenderReport makes a page of what the other activities have found. html/template
// escapes what comes from the data.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"strconv"
	"strings"

	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
)

// Report is what there is to tell.
type Report struct {
	Sources []Source `json:"sources"`
	Delays  Delays   `json:"delays"`
	Claims  Claims   `json:"claims"`
	Tariff  Tariff   `json:"tariff"`
}

// Source is a file that was read.
type Source struct {
	File    string `json:"file"`
	Bytes   int    `json:"bytes"`
	SHA256  string `json:"sha256"`
	Records int    `json:"records"`
	Bad     int    `json:"bad"`
}

// Delays are the statistics.
type Delays struct {
	Flights int     `json:"flights"`
	Delayed int     `json:"delayed"`
	Mean    float64 `json:"mean"`
	Median  int     `json:"median"`
	P90     int     `json:"p90"`
	P99     int     `json:"p99"`
	Most    int     `json:"most"`
}

// Claims are what the passengers would be owed.
type Claims struct {
	Flights int     `json:"flights"`
	Euros   int     `json:"euros"`
	Bands   []Sum   `json:"bands"`
	Routes  []Route `json:"routes"`
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

// Tariff is how that was reckoned.
type Tariff struct {
	FromMinutes int    `json:"from_minutes"`
	Bands       []Band `json:"bands"`
}

// Band is an amount by distance.
type Band struct {
	UpToKM *int `json:"up_to_km"`
	Euros  int  `json:"euros"`
}

//go:embed report.html
var source string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"thousands": thousands,
	"percent":   func(part, of int) string { return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(max(of, 1))) },
}).Parse(source))

// thousands writes 1234567 as 1,234,567.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// RenderReport is the activity. The chart is an SVG image from an activity of ours, so it
// is not escaped.
func RenderReport(_ context.Context, report Report, chart string) (string, error) {
	var html strings.Builder
	err := page.Execute(&html, struct {
		Report
		Chart template.HTML
	}{report, template.HTML(chart)})
	return html.String(), err
}

//go:wasmexport RenderReport
func renderReport() int32 { return activity.Run(RenderReport) }

func init() { activity.Prepare(RenderReport) }

func main() {}
