package cases_test

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// Exploring finds activities that do not survive a crash, and leaves those alone that do.
func TestExplore(t *testing.T) {
	path := write(t, `module: crash.wasm
cases:
  - {name: careful, activity: Careful, want: {output: {$base64: NwAAAA==}}}
  - {name: hasty, activity: Hasty, want: {output: {$base64: NwAAAA==}}}
  - {name: endless, activity: Endless, want: {output: {$base64: NwAAAA==}}}
  - {name: greedy, activity: Greedy, want: {output: {$base64: AQAAAA==}}}
  - {name: stubborn, activity: Stubborn}
  - {name: final, activity: Final, calls: [{call: greeter hello, request: binary, response: hi}]}
  - {name: tidy, activity: Tidy, calls: [{call: greeter hello, request: binary, response: hi}]}
  - {name: changed, activity: Changed, calls: [{call: greeter hello, request: binary, response: hi}]}
  - {name: boastful, activity: Boastful, calls: [{call: greeter hello, request: binary, response: hi}]}
  - {name: refused, activity: Greedy, refuse_memory: 1, want: {output: {$base64: /////w==}}}
  - {name: granted, activity: Greedy, refuse_memory: 2, want: {output: {$base64: AQAAAA==}}}
  - {name: killed, activity: Careful, kill: {fuel: 1}, want: {failure: {type: OutOfFuel}}}
`)
	want := map[string]string{
		"careful": "", "hasty": "killed after ", "endless": "killed after ", "greedy": "with no more memory from request 1 on: output", "refused": "", "granted": "", "stubborn": "asked to cancel after ", "final": "with EIO for call 1 (greeter hello): end (at 2 points)", "killed": "",
		"tidy": "", "changed": "killed after ", "boastful": "with EIO for call 1 (greeter hello), then retried with the details ",
	}
	f, r := read(t, path), newRunner(t)
	for _, c := range f.Cases {
		result, err := r.Explore(context.Background(), f, c, 20)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case want[c.Name] == "" && !result.Passed():
			t.Errorf("%s: %s", c.Name, result)
		case want[c.Name] != "" && (result.Passed() || !strings.HasPrefix(result.Differences[0].What, want[c.Name])):
			t.Errorf("%s: %s", c.Name, result)
		}
		if c.Name == "endless" && (len(result.Differences) != 1 || strings.Contains(result.Differences[0].What, "points")) {
			t.Errorf("it goes wrong after its last heartbeat alone: %s", result)
		}
		if slices.Contains([]string{"killed", "refused", "granted"}, c.Name) && !strings.Contains(strings.Join(result.Notes, ""), "not explored") {
			t.Errorf("%v", result.Notes)
		}
	}
}

// Exploring finds activities that do not survive a crash between two changes of a file,
// and its retry finds what was written before.
func TestExploreFiles(t *testing.T) {
	path := write(t, `module: files.wasm
cases:
  - {name: careful, activity: Careful, want: {files: {/digits: "0123456789", /draft: null}}}
  - {name: hasty, activity: Hasty, want: {files: {/digits: "0123456789"}}}
  - {name: there, activity: Hasty, files: {/digits: old}, want: {files: {/digits: old}}}
  - {name: again, activity: Again, files: {/digits: ">"}, want: {files: {/digits: ">0123456789"}}}
`)
	wrong := map[string][]string{"hasty": {"", "01234"}, "again": {">01234567890123456789"}}
	f, r := read(t, path), newRunner(t)
	for _, c := range f.Cases {
		result, err := r.Explore(context.Background(), f, c, 1)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range result.Differences {
			if !strings.HasPrefix(d.What, "killed after ") || !strings.Contains(d.What, " units, then retried without details of a heartbeat: files[/digits]") {
				t.Errorf("%s: %s", c.Name, d)
			}
			got = append(got, strings.Trim(d.Got, `"`))
		}
		if slices.Sort(got); !slices.Equal(got, wrong[c.Name]) {
			t.Errorf("%s: %q", c.Name, got)
		}
	}
}
