package workflow

import (
	"fmt"

	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/bridge"
	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/flow"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

// UpsertMemo sets values of the memo. A nil value removes one.
func UpsertMemo(ctx Context, memo map[string]any) error {
	r := runOf(ctx)
	fields, err := encodeMap(memo)
	if err != nil {
		return fmt.Errorf("workflow.UpsertMemo: %w", err)
	}
	if len(fields) == 0 {
		return fmt.Errorf("workflow.UpsertMemo: there are no values")
	}
	r.Command("upsert_memo", func(w *flow.Writer) { writeMap(w, "memo", fields) })
	r.SetMemo(fields)
	return nil
}

// UpsertTypedSearchAttributes sets or removes search attributes.
func UpsertTypedSearchAttributes(ctx Context, updates ...temporal.SearchAttributeUpdate) error {
	r := runOf(ctx)
	attributes := temporal.NewSearchAttributes(updates...)
	if attributes.Size() == 0 {
		return fmt.Errorf("workflow.UpsertTypedSearchAttributes: there are no attributes")
	}
	r.Command("upsert_search_attributes", func(w *flow.Writer) { writeAttributes(w, "search_attributes", attributes) })
	for _, a := range bridge.Attributes(attributes) {
		p, _ := flow.Encode(a.Value)
		r.SetAttribute(a.Name, flow.Attribute{Type: a.Type, Value: p}, a.Value == nil)
	}
	return nil
}

// GetTypedSearchAttributes returns the search attributes that the workflow has.
func GetTypedSearchAttributes(ctx Context) temporal.SearchAttributes {
	var list []bridge.Attribute
	for name, a := range runOf(ctx).Attributes() {
		list = append(list, bridge.Attribute{Name: name, Type: a.Type, Value: a.Value.Data})
	}
	return bridge.NewAttributes(list).(temporal.SearchAttributes)
}

func writeAttributes(w *flow.Writer, name string, attributes temporal.SearchAttributes) {
	if attributes.Size() == 0 {
		return
	}
	w.Object(name, func(w *flow.Writer) {
		for _, a := range bridge.Attributes(attributes) {
			w.Object(a.Name, func(w *flow.Writer) {
				w.Text("type", a.Type)
				if a.Value != nil {
					p, _ := flow.Encode(a.Value) // strings, numbers, times: they always marshal
					w.Payload("value", p)
				}
			})
		}
	})
}

// SetCurrentDetails sets a text for those who look at the workflow while it runs.
func SetCurrentDetails(ctx Context, details string) {
	r := runOf(ctx)
	r.Command("current_details", func(w *flow.Writer) { w.Text("text", details) })
	r.Details = details
}

// GetCurrentDetails returns the text of [SetCurrentDetails].
func GetCurrentDetails(ctx Context) string { return runOf(ctx).Details }
