// The conformance module as an Extism plugin in Go: see testdata/conformance/README.md.
package main

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/extism/go-pdk"
)

func main() {}

//go:wasmexport greet
func greet() int32 {
	var person struct {
		Name string `json:"name"`
	}
	if err := pdk.InputJSON(&person); err != nil {
		pdk.SetError(err)
		return 1
	}
	if err := pdk.OutputJSON(map[string]string{"greeting": "Hello, " + person.Name + "!"}); err != nil {
		pdk.SetError(err)
		return 1
	}
	return 0
}

//go:wasmexport nothing
func nothing() int32 { return 0 }

//go:wasmexport echo
func echo() int32 {
	pdk.Output(pdk.Input())
	return 0
}

//go:wasmexport fail
func fail() int32 {
	pdk.SetError(errors.New("plain text"))
	return 1
}

//go:wasmexport crash
func crash() int32 { panic("oh no") }

//go:wasmexport logs
func logs() int32 {
	var text string
	if err := json.Unmarshal(pdk.Input(), &text); err != nil {
		pdk.SetError(err)
		return 1
	}
	pdk.Log(pdk.LogWarn, text)
	return 0
}

var calls int

//go:wasmexport state
func state() int32 {
	calls++
	if err := pdk.OutputJSON(calls); err != nil {
		pdk.SetError(err)
		return 1
	}
	return 0
}

//go:wasmexport draw
func draw() int32 {
	if err := pdk.OutputJSON(strconv.FormatUint(rand.Uint64(), 10)); err != nil {
		pdk.SetError(err)
		return 1
	}
	return 0
}

//go:wasmexport spin
func spin() int32 {
	for {
	}
}

// What follows is for the tests of what only plugins have.

// config returns the value of the name that is the input.
//
//go:wasmexport config
func config() int32 {
	value, ok := pdk.GetConfig(pdk.InputString())
	if !ok {
		value = "none"
	}
	pdk.OutputString(value)
	return 0
}

// vars returns what it finds in a variable, and sets it to the input.
//
//go:wasmexport vars
func vars() int32 {
	before := pdk.GetVar("v")
	pdk.SetVar("v", pdk.Input())
	after := pdk.GetVar("v")
	pdk.RemoveVar("v")
	pdk.OutputString(strings.Join([]string{string(before), string(after), string(pdk.GetVar("v"))}, "|"))
	pdk.SetVar("v", pdk.Input())
	return 0
}

// http sends the input to the URL in the first line of it, and returns status, a header, and body.
//
//go:wasmexport http
func http() int32 {
	url, body, _ := strings.Cut(pdk.InputString(), "\n")
	request := pdk.NewHTTPRequest(pdk.MethodPost, url)
	request.SetHeader("X-From", "plugin")
	request.SetBody([]byte(body))
	response := request.Send()
	return respond(response.Status(), response.Headers()["x-to"], response.Body())
}

func respond(status uint16, header string, body []byte) int32 {
	if err := pdk.OutputJSON(map[string]any{"status": status, "header": header, "body": string(body)}); err != nil {
		pdk.SetError(err)
		return 1
	}
	return 0
}
