// Package order has the activities that the benchmarks run: JSON in, a little work, JSON
// out. The guest and the native worker that it is compared with are built from this same
// code.
package order

import (
	"context"
	"fmt"
	"strings"
)

// Line is one article of an order.
type Line struct {
	SKU      string `json:"sku"`
	Name     string `json:"name"`
	Quantity int64  `json:"quantity"`
	Cents    int64  `json:"cents"` // for one
}

// Order is the activity's argument.
type Order struct {
	ID       string            `json:"id"`
	Customer string            `json:"customer"`
	Country  string            `json:"country"`
	Lines    []Line            `json:"lines"`
	Labels   map[string]string `json:"labels"`
}

// Invoice is its result.
type Invoice struct {
	OrderID string   `json:"order_id"`
	Address string   `json:"address"`
	Lines   []string `json:"lines"`
	Net     int64    `json:"net"`
	Tax     int64    `json:"tax"`
	Total   int64    `json:"total"`
}

// Price makes an order's invoice.
func Price(_ context.Context, o Order) (Invoice, error) {
	in := Invoice{OrderID: o.ID, Address: o.Customer + ", " + strings.ToUpper(o.Country)}
	for _, l := range o.Lines {
		cents := l.Quantity * l.Cents
		in.Lines = append(in.Lines, fmt.Sprintf("%d x %s (%s): %d.%02d", l.Quantity, l.Name, l.SKU, cents/100, cents%100))
		in.Net += cents
	}
	in.Tax = in.Net * 19 / 100
	in.Total = in.Net + in.Tax
	return in, nil
}

// Sample returns an order that is 600 bytes of JSON.
func Sample() Order {
	o := Order{
		ID: "2f1d9c4e-order", Customer: "Ada Lovelace", Country: "uk",
		Labels: map[string]string{"channel": "web", "campaign": "spring", "priority": "normal"},
	}
	for i := range int64(6) {
		o.Lines = append(o.Lines, Line{SKU: fmt.Sprintf("A-%04d", 1000+i), Name: "Analytical engine, part", Quantity: i + 1, Cents: 1999 + 100*i})
	}
	return o
}

// Person is the argument of Greet.
type Person struct {
	Name string `json:"name"`
}

// Greeting is its result.
type Greeting struct {
	Greeting string `json:"greeting"`
}

// Greet is next to nothing: what it takes is what it takes to call a guest with JSON.
func Greet(_ context.Context, p Person) (Greeting, error) {
	return Greeting{"Hello, " + p.Name + "!"}, nil
}
