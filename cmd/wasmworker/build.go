package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/wasmworker/wasmworker/internal/pybundle"
)

// interpreterName is the file that `make python` makes beside this program.
const interpreterName = "python.wasm"

func buildCommand() *cli.Command {
	return &cli.Command{
		Name:      "build",
		Usage:     "make a module of a Python app",
		ArgsUsage: "APP",
		Description: `   wasmworker build app.py -o acts/app.wasm
   wasmworker build --requirements requirements.txt --passthrough http,sql orders/ -o acts/orders.wasm
   wasmworker build --site-packages packages orders/ -o acts/orders.wasm

APP is a .py file, a package (a directory with __init__.py), or a directory with app.py.
All files of a directory go into the module, but for hidden ones. The app is started once
in the sandbox, to see that it does, and which activities it defines. The same files make
the same module.

Dependencies are those of --requirements: a requirements.txt, or the [project] of a
pyproject.toml. pip installs them for the module alone, or with --site-packages they are
there already: of that directory the bundle takes what the file names, and what that
requires in turn. The file is then found beside the app, if it is not named.

Dependencies are Python alone: what they have of native code is left out, and told, and an
app that does not start without is refused.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, EnvVars: []string{"WASMWORKER_OUTPUT"}, Usage: "`FILE` to write (default: the app's name with .wasm)", TakesFile: true},
			&cli.StringFlag{Name: "requirements", Aliases: []string{"r"}, EnvVars: []string{"WASMWORKER_REQUIREMENTS"}, Usage: "`FILE` with the app's dependencies, a requirements.txt or a pyproject.toml, which pip installs for the module alone", TakesFile: true},
			&cli.StringFlag{Name: "site-packages", EnvVars: []string{"WASMWORKER_SITE_PACKAGES"}, Usage: "`DIRECTORY` that pip install --target has filled, to take the requirements from, in place of pip", TakesFile: true},
			&cli.StringSliceFlag{Name: "dependencies", EnvVars: []string{"WASMWORKER_DEPENDENCIES"}, Usage: "`DIRECTORY` with packages, to take as a whole; can be repeated", TakesFile: true},
			&cli.StringSliceFlag{Name: "passthrough", EnvVars: []string{"WASMWORKER_BUILD_PASSTHROUGH"}, Usage: "`MODULES` of the host that the app uses, such as http,sql, and functions of those that an embedder's worker has, such as weather.forecast: the worker has to grant them"},
			&cli.StringFlag{Name: "interpreter", EnvVars: []string{"WASMWORKER_INTERPRETER"}, Usage: "`FILE` with the interpreter (default: python.wasm beside this program)", TakesFile: true},
			&cli.StringFlag{Name: "python", EnvVars: []string{"WASMWORKER_PYTHON"}, Value: "python3", Usage: "`PROGRAM` whose pip installs the requirements"},
			settingOf("cache_dir").flag(),
		},
		Action: buildModule,
	}
}

// appLast puts the app behind the flags of the build command, where the parser wants it.
func appLast(args []string) []string {
	if len(args) < 4 || args[1] != "build" || strings.HasPrefix(args[2], "-") {
		return args
	}
	return append(slices.Concat(args[:2], args[3:]), args[2])
}

func buildModule(c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("name one app: wasmworker build app.py -o acts/app.wasm")
	}
	base, err := interpreter(c)
	if err != nil {
		return err
	}
	asked := slices.Compact(slices.Sorted(slices.Values(c.StringSlice("passthrough"))))
	if err := base.CheckPassthrough(asked); err != nil {
		return usagef("--passthrough: %w", err)
	}
	app, err := pybundle.Collect(c.Args().First(), slices.Concat(c.StringSlice("dependencies"), given(c.String("site-packages")))...)
	if err != nil {
		return usageError{err}
	}
	if err := addDependencies(c, app); err != nil {
		return err
	}
	start := time.Now()
	module, defined, err := base.Build(c.Context, app, asked, cacheDir(c))
	if err != nil {
		return usageError{err}
	}
	output := c.String("output")
	if output == "" {
		output = app.Entry + ".wasm"
	}
	if err := writeModule(output, module); err != nil {
		return usagef("--output: %w", err)
	}
	for _, n := range app.Native {
		fmt.Fprintf(c.App.ErrWriter, "wasmworker: %s was left out, since native code cannot run in the sandbox; the app starts without it\n", n)
	}
	for _, note := range app.Notes {
		fmt.Fprintf(c.App.ErrWriter, "wasmworker: warning: %s\n", note)
	}
	fmt.Fprintf(c.App.Writer, "%s: %s (%.1f MB, checked in %s)\n", output, defined, float64(len(module))/1e6, time.Since(start).Round(time.Millisecond))
	return nil
}

// interpreter reads the interpreter's module.
func interpreter(c *cli.Context) (*pybundle.Base, error) {
	path := c.String("interpreter")
	if path == "" {
		program, err := os.Executable()
		if err == nil {
			program, err = filepath.EvalSymlinks(program)
		}
		if err != nil {
			return nil, fmt.Errorf("this program's own place is unknown: %w; name the interpreter with --interpreter", err)
		}
		path = filepath.Join(filepath.Dir(program), interpreterName)
	}
	module, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("there is no interpreter at %s: build one with `make python` in a checkout of wasmworker, and name its bin/%s with --interpreter (WASMWORKER_INTERPRETER), or put it beside this program", path, interpreterName)
	}
	if err != nil {
		return nil, usagef("--interpreter: %w", err)
	}
	base, err := pybundle.Read(module)
	if err != nil {
		return nil, usagef("--interpreter %s: %w; build it again with `make python`", path, err)
	}
	return base, nil
}

// addDependencies adds what the flags name.
func addDependencies(c *cli.Context, app *pybundle.App) error {
	for _, dir := range c.StringSlice("dependencies") {
		if err := app.AddDependencies(dir); err != nil {
			return usagef("--dependencies: %w", err)
		}
	}
	file, installed := c.String("requirements"), c.String("site-packages")
	if file == "" && installed == "" {
		return nil
	}
	if file == "" {
		found, err := pybundle.FindProject(c.Args().First())
		if err != nil {
			return usagef("--site-packages: %w", err)
		}
		file = found
	}
	project, err := pybundle.ReadProject(file)
	if installed != "" {
		if err != nil {
			return usagef("--requirements: %w", err)
		}
		if err := app.AddInstalled(installed, project); err != nil {
			return usagef("--site-packages: %w", err)
		}
		return nil
	}
	// pip reads more than we do of other files than a pyproject.toml.
	if _, missing := os.Stat(file); missing != nil || err != nil && filepath.Ext(file) == ".toml" {
		return usagef("--requirements: %w", cmp.Or(missing, err))
	}
	dir, err := os.MkdirTemp("", "wasmworker-build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := install(c.Context, c.String("python"), project, dir); err != nil {
		return err
	}
	return app.AddDependencies(dir)
}

// given is a list of a flag's value, without it if it is not given.
func given(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// install has pip install requirements into a directory, for the interpreter's version of
// Python.
func install(ctx context.Context, python string, project *pybundle.Project, dir string) error {
	args := append(slices.Clone(pybundle.PipInstall), "--quiet", "--disable-pip-version-check", "--no-input", "--target", dir)
	if filepath.Ext(project.File) != ".toml" {
		args = append(args, "--requirement", project.File)
	} else if len(project.Dependencies) == 0 {
		return nil
	}
	cmd := exec.CommandContext(ctx, python, append(args, project.Dependencies...)...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return usagef("--requirements needs pip, and there is no %s: install Python with pip, name its program with --python, or give a directory with packages to --site-packages", python)
	}
	if err != nil {
		return fmt.Errorf("pip could not install what %s names: %w\n%s", project.File, err, strings.TrimSpace(output.String()))
	}
	return nil
}

// writeModule replaces a file, so that a worker that watches the directory sees all of it
// or nothing.
func writeModule(path string, module []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".wasmworker-build-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it is gone once it was renamed
	if _, err := f.Write(module); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
