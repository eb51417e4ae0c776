// Tool is a program for the tests of commands. It writes its standard input in upper
// case, unless the first word of it asks for something else.
package main

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		fatal(err)
	}
	verb, rest, _ := strings.Cut(string(input), " ")
	switch verb {
	case "raw": // raw TEXT: writes the text
		print(rest)
	case "exit": // exit CODE TEXT: writes the text to standard error and exits
		code, text, _ := strings.Cut(rest, " ")
		os.Stderr.WriteString(text)
		n, _ := strconv.Atoi(code)
		os.Exit(n)
	case "print-and-exit": // print-and-exit CODE TEXT: the same with standard output
		code, text, _ := strings.Cut(rest, " ")
		print(text)
		n, _ := strconv.Atoi(code)
		os.Exit(n)
	case "panic":
		panic(rest)
	case "flood": // flood N: writes that many bytes, a thousand at a time, and ignores errors
		flood(rest, func(error) {})
	case "flood-or-die": // the same, and exits with 1 at the first error
		flood(rest, fatal)
	case "args":
		print(strings.Join(os.Args, "|"))
	case "env":
		print(strings.Join(os.Environ(), "|"))
	case "world": // what there is beyond the standard streams
		for _, path := range []string{"/", ".", "/etc/passwd"} {
			if _, err := os.Open(path); err == nil {
				print("can open " + path)
			}
		}
		if err := os.WriteFile("/tmp/escaped", nil, 0o600); err == nil {
			print("can write")
		}
		print("nothing")
	case "grow": // grow N: needs that many MiB
		n, _ := strconv.Atoi(rest)
		b := make([]byte, n<<20)
		b[len(b)-1] = 1
		print(strconv.Itoa(len(b)))
	case "sleep":
		os.Stderr.WriteString("asleep\n")
		time.Sleep(time.Hour)
	case "spin":
		os.Stderr.WriteString("spinning\n")
		for {
		}
	default:
		print(strings.ToUpper(string(input)))
	}
}

func print(text string) {
	if _, err := os.Stdout.WriteString(text); err != nil {
		fatal(err)
	}
}

func flood(size string, failed func(error)) {
	n, _ := strconv.Atoi(size)
	for ; n > 0; n -= 1000 {
		if _, err := os.Stdout.Write(make([]byte, min(n, 1000))); err != nil {
			failed(err)
		}
	}
}

func fatal(err error) {
	if inner := errors.Unwrap(err); inner != nil {
		err = inner
	}
	os.Stderr.WriteString("tool: " + err.Error() + "\n")
	os.Exit(1)
}
