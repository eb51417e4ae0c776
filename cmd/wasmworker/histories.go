package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/replay/cases"
	"github.com/wasmworker/wasmworker/host/replay/workflows"
)

// historySuffixes are the ends of the names of histories: JSON and protobuf.
var historySuffixes = []string{".json", ".pb", ".bin"}

// historyFiles returns the histories in a directory and below, sorted, or the file.
func historyFiles(path string) (files []string, err error) {
	stat, err := os.Stat(path)
	if err != nil {
		return nil, usagef("--histories %s: no such file or directory", path)
	}
	if !stat.IsDir() {
		return []string{path}, nil
	}
	err = filepath.WalkDir(path, func(p string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && slices.Contains(historySuffixes, filepath.Ext(p)) {
			files = append(files, p)
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("--histories %s: there is no history; their names end with one of %s", path, strings.Join(historySuffixes, ", "))
	}
	if err != nil {
		return nil, usageError{err}
	}
	slices.Sort(files)
	return files, nil
}

// workflowModules returns the modules of workflows of the paths. Those of activities in
// directories are left alone.
func (t *tester) workflowModules() (found []*modules.File, err error) {
	all, err := modules.Open(t.paths...)
	for _, m := range all {
		if m.Kind == modules.KindWorkflow {
			found = append(found, m)
		}
	}
	if len(found) > 0 {
		return found, nil // what else is there, no workflow needs
	}
	return nil, usageError{errors.Join(err, fmt.Errorf("there is no module of workflows in %s: name the modules that the histories are replayed with, or their directory", strings.Join(t.paths, ", ")))}
}

// testHistories replays the histories of a directory with the modules, and reports.
func (t *tester) testHistories(ctx context.Context, directory string) error {
	files, err := historyFiles(directory)
	if err != nil {
		return err
	}
	files = slices.DeleteFunc(files, func(file string) bool { return !t.run.MatchString(filepath.ToSlash(file)) })
	if len(files) == 0 {
		return usagef("--run: no history matches %q", t.run)
	}
	found, err := t.workflowModules()
	if err != nil {
		return err
	}
	env, err := workflows.Open(ctx, workflows.Options{Files: found, CacheDir: t.cacheDir, NoCache: t.cacheDir == ""})
	if err != nil {
		return usageError{err}
	}
	report := &testReport{tester: t}
	var unusable []error
	for _, file := range files {
		history, err := workflows.ReadHistory(file)
		if err != nil {
			unusable = append(unusable, fmt.Errorf("%s: %w", file, err))
			continue
		}
		begun := time.Now()
		replayed := env.Replay(history)
		result := &cases.Result{File: &cases.File{Path: file}, Case: &cases.Case{Name: history.Type()}, Run: replayed.Run, Duration: time.Since(begun)}
		for _, p := range replayed.Problems {
			result.Differences = append(result.Differences, cases.Difference(p))
		}
		report.add(result)
		report.endFile()
	}
	return report.end(env.Close(), unusable)
}
