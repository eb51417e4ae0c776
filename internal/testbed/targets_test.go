package testbed_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

var (
	target  = regexp.MustCompile(`(?m)^([a-z0-9-]+):`)
	mention = regexp.MustCompile("(?m)(?:`|^ *(?:- run: |run: )?)make ([a-z][a-z0-9 -]*)")
)

// Every target that documents, .ci/run and the workflow name exists in the Makefile.
func TestTargetsExist(t *testing.T) {
	t.Chdir(testbed.Root(t))
	var targets []string
	for _, match := range target.FindAllStringSubmatch(read(t, "Makefile"), -1) {
		targets = append(targets, match[1])
	}
	output, err := exec.Command("git", "ls-files", "*.md", ".ci/run", ".github/workflows").Output()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for file := range strings.FieldsSeq(string(output)) {
		// These have Makefiles of their own.
		if strings.HasPrefix(file, "templates/") || strings.HasPrefix(file, "guest-sdk/c/") {
			continue
		}
		for _, match := range mention.FindAllStringSubmatch(read(t, file), -1) {
			for name := range strings.FieldsSeq(match[1]) {
				found++
				if !slices.Contains(targets, name) {
					t.Errorf("%s: there is no `make %s`", file, name)
				}
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d mentions of targets were found", found)
	}
}

// The released platforms, those of the workflow and those of `make cross` are the same.
func TestPlatforms(t *testing.T) {
	t.Chdir(testbed.Root(t))
	match := regexp.MustCompile(`(?m)^PLATFORMS \?= (.*)$`).FindStringSubmatch(read(t, "Makefile"))
	if match == nil {
		t.Fatal("the Makefile has no PLATFORMS")
	}
	want := strings.Fields(match[1])
	slices.Sort(want)

	var release struct {
		Builds []struct {
			Goos, Goarch []string
		}
	}
	var released []string
	parse(t, ".goreleaser.yaml", &release)
	for _, b := range release.Builds {
		for _, system := range b.Goos {
			for _, processor := range b.Goarch {
				released = append(released, system+"/"+processor)
			}
		}
	}
	slices.Sort(released)
	if !slices.Equal(released, want) {
		t.Errorf(".goreleaser.yaml builds for %q, the Makefile for %q", released, want)
	}

	var workflow struct {
		Jobs struct {
			Test struct {
				Strategy struct {
					Matrix struct {
						Include []struct{ Platform string }
					}
				}
			}
		}
	}
	var tested []string
	parse(t, ".github/workflows/ci.yml", &workflow)
	for _, runner := range workflow.Jobs.Test.Strategy.Matrix.Include {
		tested = append(tested, runner.Platform)
	}
	slices.Sort(tested)
	if !slices.Equal(tested, want) {
		t.Errorf("the workflow runs on %q, the Makefile is for %q", tested, want)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash(file))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func parse(t *testing.T, file string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, file)), into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
