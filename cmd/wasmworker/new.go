package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/wasmworker/wasmworker/internal/nearest"
	"github.com/wasmworker/wasmworker/templates"
)

func newCommand() *cli.Command {
	var names []string
	for _, l := range templates.Languages {
		names = append(names, l.Name)
	}
	known := strings.Join(names, ", ")
	return &cli.Command{
		Name:      "new",
		Usage:     "write a project with an activity to begin with",
		ArgsUsage: "DIRECTORY",
		Description: `   wasmworker new --lang rust my-activity
   wasmworker new --lang typescript --sdk ~/wasmworker/guest-sdk acts/pricing

The directory's name becomes the project's and the module's. The README in it tells how to
build, run and test it with the language's own tools. A copy of the SDK is in it, too: no
package of wasmworker is in a registry.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "lang", Aliases: []string{"l"}, Usage: "`LANGUAGE`: " + known},
			&cli.StringFlag{Name: "sdk", EnvVars: []string{"WASMWORKER_SDK"}, Usage: "`DIRECTORY` guest-sdk of a checkout of wasmworker, whose SDK the project uses, instead of a copy (C and C++ have a copy in any case)", TakesFile: true},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 {
				return usagef("name one directory: wasmworker new --lang rust my-activity")
			}
			if c.String("lang") == "" {
				return usagef("name a language with --lang: %s", known)
			}
			language, ok := templates.Find(c.String("lang"))
			if !ok {
				return usagef("there is no language %q%s; there are: %s", c.String("lang"), nearest.Hint(c.String("lang"), names), known)
			}
			sdk := c.String("sdk")
			if sdk != "" {
				sdk = filepath.Join(sdk, language.Name)
			}
			dir := c.Args().First()
			commands, err := language.Write(dir, sdk)
			if err != nil {
				return usageError{err}
			}
			fmt.Fprintf(c.App.Writer, "%s is a project in %s. Next:\n\n    cd %s\n", dir, language.Title, dir)
			for _, line := range commands {
				fmt.Fprintf(c.App.Writer, "    %s\n", line)
			}
			return nil
		},
	}
}
