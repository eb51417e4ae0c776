// The conformance module as a WASI program without an SDK: see testdata/conformance/README.md.
// It does what the name of its file says.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
)

func main() {
	switch os.Args[0] {
	case "greet":
		var person struct {
			Name string `json:"name"`
		}
		if err := json.NewDecoder(os.Stdin).Decode(&person); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		json.NewEncoder(os.Stdout).Encode(map[string]string{"greeting": "Hello, " + person.Name + "!"})
	case "echo":
		io.Copy(os.Stdout, os.Stdin)
	case "draw":
		json.NewEncoder(os.Stdout).Encode(strconv.FormatUint(rand.Uint64(), 10))
	case "crash":
		panic("oh no")
	case "spin":
		//lint:ignore SA5002 that is what it is for
		for {
		}
	}
}
