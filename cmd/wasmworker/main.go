// Command wasmworker is a Temporal worker whose activities are WebAssembly modules.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/wasmworker/wasmworker/host/sandbox"
	"github.com/wasmworker/wasmworker/internal/nearest"
	"github.com/wasmworker/wasmworker/internal/visible"
)

// Exit codes, documented in docs/operations.md.
const (
	exitFailure     = 1 // the work failed: an activity, the connection, the worker
	exitUsage       = 2 // usage, configuration, or a refused module; nothing was started
	exitInterrupted = 3 // stopped, but activities had to be interrupted and are retried elsewhere
)

// usageError is a mistake of the user. Its exit code is 2.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// version is set by -ldflags "-X main.version=…". A build by `go install …@v1.2.3` knows
// its version without it.
var version = ""

func main() {
	sandbox.CompilerMain()
	os.Exit(run(os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program except for the process around it. It returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	args, err := applicationMode(appLast(args))
	if err == nil {
		err = newApp(stdin, visible.Writer{Raw: stdout}, visible.Writer{Raw: stderr}).RunContext(context.Background(), args)
	}
	if err == nil {
		return 0
	}
	code := exitFailure
	if exit, ok := errors.AsType[cli.ExitCoder](err); ok {
		code = exit.ExitCode()
	} else if _, usage := errors.AsType[usageError](err); usage {
		code = exitUsage
	}
	if text := explained(err); text != "" {
		fmt.Fprintln(visible.Writer{Raw: stderr}, "wasmworker: "+strings.ReplaceAll(text, "\n", "\n  "))
	}
	return code
}

// applicationMode lets APPLICATION_MODE choose the command if none is given, as in the
// images of the Python worker.
func applicationMode(args []string) ([]string, error) {
	mode, set := os.LookupEnv("APPLICATION_MODE")
	if !set || mode == "" {
		return args, nil
	}
	command, ok := map[string]string{"LOCAL": "dev", "WORKER": "serve"}[mode]
	if !ok {
		return nil, usagef("APPLICATION_MODE is %q; it must be LOCAL (as `wasmworker dev`) or WORKER (as `wasmworker serve`)", mode)
	}
	if len(args) < 2 || strings.HasPrefix(args[1], "-") && !isHelp(args[1]) {
		return append([]string{args[0], command}, args[min(1, len(args)):]...), nil
	}
	return args, nil
}

func isHelp(arg string) bool {
	switch arg {
	case "-h", "--help", "-v", "--version", "--generate-bash-completion":
		return true
	}
	return false
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:                 "wasmworker",
		Usage:                "a Temporal worker whose activities are WebAssembly modules",
		Version:              buildVersion(),
		Reader:               stdin,
		Writer:               stdout,
		ErrWriter:            stderr,
		EnableBashCompletion: true,
		Suggest:              true,
		HideHelpCommand:      true,
		// Only run prints errors and chooses exit codes.
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   usageErrorOf,
		Description: `Copy .wasm files into a directory and serve them:

   wasmworker dev --modules ./acts                          # with a Temporal server of its own
   wasmworker serve --modules ./acts --address temporal:7233
   wasmworker invoke ./acts Greet '{"name": "Ada"}'         # without Temporal

Every flag can also be set by the environment variable beside it, or in the file that
--config names. Flags win over the environment, and the environment over the file.

Exit codes: 0 done or drained, 1 failed, 2 wrong usage, configuration or a refused
module, 3 stopped with activities that were interrupted, or whose results Temporal could
not be given.`,
		Commands: []*cli.Command{
			serveCommand(), devCommand(), invokeCommand(), executeCommand(), testCommand(), buildCommand(), inspectCommand(), explainCommand(), newCommand(), versionCommand(), completionCommand(),
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usagef("there is no command %q%s; see `wasmworker --help`", c.Args().First(), nearest.Hint(c.Args().First(), commandNames(c.App)))
			}
			return cli.ShowAppHelp(c)
		},
	}
	for _, command := range app.Commands {
		command.OnUsageError = app.OnUsageError
	}
	return app
}

// usageErrorOf adds the most similar flag to the error about an unknown flag.
func usageErrorOf(c *cli.Context, err error, _ bool) error {
	if _, name, ok := strings.Cut(err.Error(), "flag provided but not defined: -"); ok && c.Command != nil {
		var known []string
		for _, f := range c.Command.Flags {
			known = append(known, f.Names()[0])
		}
		name = strings.TrimLeft(name, "-")
		return usagef("there is no flag --%s%s; see `wasmworker %s --help`", name, nearest.Hint(name, known), c.Command.Name)
	}
	return usageError{err}
}

func commandNames(app *cli.App) (names []string) {
	for _, c := range app.Commands {
		names = append(names, c.Name)
	}
	return names
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "print the version, and those of what matters inside",
		Action: func(c *cli.Context) error {
			fmt.Fprintf(c.App.Writer, "wasmworker %s\n", buildVersion())
			if len(omitted) > 0 {
				fmt.Fprintf(c.App.Writer, "built with %s\n", strings.Join(omitted, ", "))
			}
			info, ok := debug.ReadBuildInfo()
			if !ok {
				return nil
			}
			fmt.Fprintf(c.App.Writer, "go %s\n", strings.TrimPrefix(info.GoVersion, "go"))
			for _, dep := range info.Deps {
				switch dep.Path {
				case "github.com/tetratelabs/wazero", "go.temporal.io/sdk":
					fmt.Fprintf(c.App.Writer, "%s %s\n", dep.Path, strings.TrimPrefix(dep.Version, "v"))
				}
			}
			return nil
		},
	}
}

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// newLogger makes a logger from the flags: text for people, JSON for machines.
func newLogger(c *cli.Context) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.String("log-level"))); err != nil {
		return nil, usagef("--log-level %q is not one of debug, info, warn, error", c.String("log-level"))
	}
	options := &slog.HandlerOptions{Level: level}
	w := c.App.ErrWriter
	format := c.String("log-format")
	if format == "auto" {
		format = "json"
		if isTerminal(w) {
			format = "text"
		}
	}
	var handler slog.Handler
	switch format {
	case "json":
		handler = slog.NewJSONHandler(raw(w), options)
	case "text":
		handler = slog.NewTextHandler(w, options)
	default:
		return nil, usagef("--log-format: %w", settingOf("log_format").check(format))
	}
	logger := slog.New(handler)
	slog.SetDefault(logger) // for drivers, which get no logger
	return logger, nil
}

// raw returns the writer behind the output for people, to which JSON and the bytes of
// results go unescaped.
func raw(w io.Writer) io.Writer {
	if v, ok := w.(visible.Writer); ok {
		return v.Raw
	}
	return w
}

func isTerminal(w io.Writer) bool {
	f, ok := raw(w).(*os.File)
	if !ok {
		return false
	}
	stat, err := f.Stat()
	return err == nil && stat.Mode()&os.ModeCharDevice != 0
}

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print a script that completes commands and flags in your shell",
		ArgsUsage: "bash | zsh | fish",
		Description: `   bash:  source <(wasmworker completion bash)
   zsh:   source <(wasmworker completion zsh)
   fish:  wasmworker completion fish | source`,
		Action: func(c *cli.Context) error {
			script, ok := completionScripts[c.Args().First()]
			if !ok {
				return usagef("name a shell: bash, zsh or fish")
			}
			if script == "" {
				var err error
				if script, err = c.App.ToFishCompletion(); err != nil {
					return err
				}
			}
			fmt.Fprint(c.App.Writer, script)
			return nil
		},
	}
}

// completionScripts are the shells' completion scripts. They ask the program itself, with
// --generate-bash-completion.
var completionScripts = map[string]string{
	"bash": `_wasmworker() {
  local words=("${COMP_WORDS[@]:0:$COMP_CWORD}") current="${COMP_WORDS[COMP_CWORD]}"
  [[ "$current" == -* ]] && words+=("$current")
  COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null | cut -d: -f1)" -- "$current"))
  [[ ${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _wasmworker wasmworker
`,
	"zsh": `#compdef wasmworker
_wasmworker() {
  local current="${words[CURRENT]}"
  local -a asked=("${(@)words[1,CURRENT-1]}") found
  [[ "$current" == -* ]] && asked+=("$current")
  found=("${(@f)$("${asked[@]}" --generate-bash-completion 2>/dev/null)}")
  _describe 'wasmworker' found || _files
}
compdef _wasmworker wasmworker
`,
	"fish": "",
}
