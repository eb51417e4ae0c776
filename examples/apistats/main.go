// APIStats reads one of the lists of exported identifiers that the Go project keeps
// in its directory api, 1.7 MB of text for Go 1, and counts what is in it. It shows
// bytes as an argument, progress by heartbeats, and an attempt that goes on where
// the one before has stopped.
package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/wasmworker/wasmworker/guest-sdk/go/activity"
	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

// Stats is the activity's result. An identifier that is listed for several
// platforms counts once for each.
type Stats struct {
	Lines    int           `json:"lines"`
	Packages int           `json:"packages"`
	Consts   int           `json:"consts"`
	Vars     int           `json:"vars"`
	Funcs    int           `json:"funcs"`
	Methods  int           `json:"methods"`
	Types    int           `json:"types"`
	Members  int           `json:"members"` // fields of structs and methods of interfaces
	Largest  []PackageSize `json:"largest"` // the ten packages with the most lines
	SHA256   string        `json:"sha256"`  // of the whole input
}

// PackageSize is the number of lines of one package.
type PackageSize struct {
	Package string `json:"package"`
	Lines   int    `json:"lines"`
}

// Progress is what a heartbeat tells: how far the attempt has come, and all that it
// has found until there.
type Progress struct {
	Line   int            `json:"line"`   // lines done
	Offset int            `json:"offset"` // bytes done
	Kinds  map[string]int `json:"kinds"`
	Sizes  map[string]int `json:"sizes"` // lines of each package
}

const linesPerHeartbeat = 1000

// APIStats counts what is listed in api.
func APIStats(ctx context.Context, api []byte) (Stats, error) {
	p := Progress{Kinds: map[string]int{}, Sizes: map[string]int{}}
	if activity.HasHeartbeatDetails(ctx) {
		var before Progress
		if err := activity.GetHeartbeatDetails(ctx, &before); err != nil {
			return Stats{}, err
		}
		if before.Offset <= len(api) && before.Kinds != nil && before.Sizes != nil {
			p = before
		}
		activity.GetLogger(ctx).Info("going on where the attempt before has stopped", "line", p.Line)
	}
	for p.Offset < len(api) {
		if p.Line%linesPerHeartbeat == 0 {
			activity.RecordHeartbeat(ctx, p)
			if err := ctx.Err(); err != nil {
				return Stats{}, err // the next attempt has the heartbeat
			}
		}
		line := api[p.Offset:]
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			line = line[:end+1]
		}
		if err := p.count(strings.TrimSuffix(string(line), "\n")); err != nil {
			return Stats{}, err
		}
		p.Line++
		p.Offset += len(line)
	}
	sum := sha256.Sum256(api)
	sizes := make([]PackageSize, 0, len(p.Sizes))
	for name, lines := range p.Sizes {
		sizes = append(sizes, PackageSize{name, lines})
	}
	slices.SortFunc(sizes, func(a, b PackageSize) int {
		return cmp.Or(cmp.Compare(b.Lines, a.Lines), cmp.Compare(a.Package, b.Package))
	})
	return Stats{
		Lines:    p.Line,
		Packages: len(sizes),
		Consts:   p.Kinds["const"],
		Vars:     p.Kinds["var"],
		Funcs:    p.Kinds["func"],
		Methods:  p.Kinds["method"],
		Types:    p.Kinds["type"],
		Members:  p.Kinds["member"],
		Largest:  sizes[:min(10, len(sizes))],
		SHA256:   hex.EncodeToString(sum[:]),
	}, nil
}

// count counts one line:
//
//	pkg archive/tar, func NewReader(io.Reader) *Reader
//	pkg syscall (linux-386), type Cred struct, Gid uint32
func (p *Progress) count(line string) error {
	if line == "" || strings.HasPrefix(line, "#") {
		return nil
	}
	pkg, what, ok := strings.Cut(strings.TrimPrefix(line, "pkg "), ", ")
	if !ok || !strings.HasPrefix(line, "pkg ") {
		return temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("line %d is not one of a list of Go's API: %.80q", p.Line+1, line), "NotAnAPIList", nil)
	}
	pkg, _, _ = strings.Cut(pkg, " ") // without the platform
	kind, rest, _ := strings.Cut(what, " ")
	if kind == "type" && (strings.Contains(rest, " struct, ") || strings.Contains(rest, " interface, ")) {
		kind = "member"
	}
	p.Kinds[kind]++
	p.Sizes[pkg]++
	return nil
}

//go:wasmexport APIStats
func apiStats() int32 { return activity.Run(APIStats) }

func init() { activity.Prepare(APIStats) }

func main() {}
