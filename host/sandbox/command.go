package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tetratelabs/wazero/sys"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/internal/image"
	"github.com/wasmworker/wasmworker/host/modules"
)

// MetadataExitCode is the name of the exit code in the metadata of a command's result, in
// decimal digits. It is there with [CommandPlain], for exit codes other than 0.
const MetadataExitCode = "exit-code"

// commandContract is that of programs: standard input to standard output.
type commandContract struct{}

func (commandContract) link(context.Context, *program) error { return nil }

func (commandContract) begin(c *call) guest { return command{c} }

func (commandContract) calls(*modules.File) []string { return []string{abi.ExportStart} }

func (commandContract) once() string { return "a command ends with its run" }

func (commandContract) heedsFlags() bool { return false }

type command struct{ *call }

func (c command) json() bool { return c.module.options.CommandIO == CommandJSON }

func (c command) enter() (export string, err error) {
	if c.json() {
		return abi.ExportStart, c.takeJSON()
	}
	c.wasi.Stdin, err = c.oneInput(c.task.Args, 0)
	return abi.ExportStart, err
}

// takeJSON gives the program its arguments and its standard input.
func (c command) takeJSON() error {
	args := c.task.Args
	if len(args) == 0 {
		return nil
	}
	switch encoding := args[0].Encoding(); encoding {
	case abi.EncodingJSON, abi.EncodingProtoJSON, "":
	case abi.EncodingNull:
		args = slices.Concat([]Payload{NewPayload(abi.EncodingJSON, []byte("{}"))}, args[1:])
	case abi.EncodingBinary, abi.EncodingProto:
		return c.notCommandJSON(fmt.Errorf("its encoding is %s", encoding))
	default:
		return c.unknownEncoding(0, encoding)
	}
	var input struct {
		Args  []string `json:"args"`
		Stdin string   `json:"stdin"`
	}
	decoder := json.NewDecoder(bytes.NewReader(args[0].Data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&input); err != nil {
		return c.notCommandJSON(err)
	}
	if decoder.More() {
		return c.notCommandJSON(errors.New("there is something behind it"))
	}
	for i, arg := range input.Args {
		if strings.Contains(arg, "\x00") {
			return c.notCommandJSON(fmt.Errorf("args[%d] has a zero byte, which ends an argument", i))
		}
	}
	c.wasi.Args = slices.Concat(c.wasi.Args, input.Args)
	c.wasi.Stdin = []byte(input.Stdin)
	switch {
	case len(args) == 1:
		return nil
	case len(args) > 2:
		return c.notCommandJSON(fmt.Errorf("there are %d arguments, and behind it there may be one, for standard input", len(args)))
	case input.Stdin != "":
		return c.notCommandJSON(errors.New("it has stdin, and so is the argument behind it"))
	}
	var err error
	c.wasi.Stdin, err = c.oneInput(args[1:], 1)
	return err
}

func (c command) notCommandJSON(err error) *abi.Failure {
	return &abi.Failure{
		Type:         abi.TypeInvalidInput,
		Message:      fmt.Sprintf(`activity %s takes an object {"args": ["…"], "stdin": "…"} as its first argument (command_io is json), and this is none: %v`, c.activity.Type, err),
		NonRetryable: true,
	}
}

func (c command) end(_ int32, err error, refused image.GrowFailure) (*Payload, error) {
	// whatever the program made of an error from its standard output
	if refused := c.outputRefused(); refused != nil {
		return nil, refused
	}
	var code uint32
	if exit, ok := errors.AsType[*sys.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		return nil, c.abnormalEnd(err, refused)
	}
	if !slices.Contains(c.module.options.SuccessCodes, code) {
		return nil, c.abnormalEnd(sys.NewExitError(code), refused)
	}
	if c.json() {
		return c.resultJSON(code)
	}
	p, err := c.guessedOutput()
	if err != nil || code == 0 {
		return p, err
	}
	if p == nil {
		none := NewPayload(abi.EncodingNull, nil)
		p = &none
	}
	p.Metadata[MetadataExitCode] = []byte(strconv.FormatUint(uint64(code), 10))
	if c.check(metadataSize(p.Metadata), len(p.Data)) != nil {
		return nil, c.outputTooLarge()
	}
	return p, nil
}

// mostEscaped is how many times as long a text can be in JSON.
const mostEscaped = 6

func (c command) resultJSON(code uint32) (*Payload, error) {
	if !utf8.Valid(c.output) {
		return nil, &abi.Failure{
			Type:         abi.TypeProtocolError,
			Message:      fmt.Sprintf("module %s wrote to its standard output what is not UTF-8, and the result is to have that as text (command_io is json); with command_io plain it can be bytes", c.module.file.Name),
			NonRetryable: true,
		}
	}
	if err := c.room(mostEscaped * len(c.output)); err != nil {
		return nil, c.outputRefused()
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(struct {
		Code   uint32 `json:"exit_code"`
		Stdout string `json:"stdout"`
		Stderr string `json:"stderr"`
	}{code, string(c.output), c.stderr.String()})
	if err != nil {
		return nil, err
	}
	p := NewPayload(abi.EncodingJSON, bytes.TrimSuffix(b.Bytes(), []byte{'\n'}))
	if c.check(metadataSize(p.Metadata), len(p.Data)) != nil {
		return nil, c.outputTooLarge()
	}
	return &p, nil
}

func (c command) stdout(p []byte) error {
	c.stdoutEnd.write(p)
	return c.write(p)
}

func (command) release() {}
