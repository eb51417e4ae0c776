package pybundle

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// version is a version of a distribution, by the rules of Python's packaging (PEP 440).
type version struct {
	epoch   int
	release []int // without zeros at the end
	pre     phase
	post    phase
	dev     phase
	local   []string

	text   string
	digits int // how many numbers the release was written with
}

// phase is a part of a version, such as rc1. Its rank orders it among versions that have
// another one, or none.
type phase struct{ rank, number int }

// Ranks of phases. A version without a phase has one of the outer ones.
const (
	rankBefore = iota
	rankAlpha
	rankBeta
	rankCandidate
	rankAfter
)

var versionText = regexp.MustCompile(`(?i)^\s*v?(?:(\d+)!)?(\d+(?:\.\d+)*)` +
	`(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?(\d*))?` +
	`(?:-(\d+)|[-_.]?(?:(post|rev|r)[-_.]?(\d*)))?` +
	`(?:[-_.]?(dev)[-_.]?(\d*))?` +
	`(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*$`)

// parseVersion reads a version.
func parseVersion(text string) (v version, err error) {
	m := versionText.FindStringSubmatch(text)
	if m == nil {
		return v, fmt.Errorf("%q is no version", text)
	}
	number := func(s string) int {
		n := 0
		if s != "" {
			var failed error
			if n, failed = strconv.Atoi(s); failed != nil {
				err = fmt.Errorf("%q is no version: a number is too large", text)
			}
		}
		return n
	}
	v.text, v.epoch = strings.TrimSpace(text), number(m[1])
	for part := range strings.SplitSeq(m[2], ".") {
		v.release = append(v.release, number(part))
	}
	v.digits = len(v.release)
	for len(v.release) > 1 && v.release[len(v.release)-1] == 0 {
		v.release = v.release[:len(v.release)-1]
	}
	hasPost, hasDev := m[5] != "" || m[6] != "", m[8] != ""
	switch name := strings.ToLower(m[3]); {
	case name == "" && hasDev && !hasPost:
		v.pre.rank = rankBefore
	case name == "":
		v.pre.rank = rankAfter
	default:
		v.pre = phase{map[byte]int{'a': rankAlpha, 'b': rankBeta, 'c': rankCandidate, 'r': rankCandidate, 'p': rankCandidate}[name[0]], number(m[4])}
	}
	if hasPost {
		v.post = phase{rankAfter, number(m[5] + m[7])}
	}
	v.dev.rank = rankAfter
	if hasDev {
		v.dev = phase{rankBefore, number(m[9])}
	}
	if m[10] != "" {
		v.local = strings.FieldsFunc(strings.ToLower(m[10]), func(c rune) bool { return strings.ContainsRune("-_.", c) })
	}
	return v, err
}

func (p phase) compare(q phase) int {
	return cmp.Or(cmp.Compare(p.rank, q.rank), cmp.Compare(p.number, q.number))
}

// comparePublic compares versions without their local parts.
func (v version) comparePublic(w version) int {
	return cmp.Or(cmp.Compare(v.epoch, w.epoch), slices.Compare(v.release, w.release),
		v.pre.compare(w.pre), v.post.compare(w.post), v.dev.compare(w.dev))
}

func (v version) compare(w version) int {
	return cmp.Or(v.comparePublic(w), slices.CompareFunc(v.local, w.local, compareLocal))
}

// compareLocal compares parts of local versions, of which numbers are after words.
func compareLocal(a, b string) int {
	x, errX := strconv.Atoi(a)
	y, errY := strconv.Atoi(b)
	switch {
	case errX == nil && errY == nil:
		return cmp.Compare(x, y)
	case errX == nil:
		return 1
	case errY == nil:
		return -1
	}
	return cmp.Compare(a, b)
}

// isPre tells whether a version comes before a release.
func (v version) isPre() bool { return v.pre.rank < rankAfter || v.dev.rank < rankAfter }

// begins tells whether a version's release begins with all numbers that another was written
// with, as in ==1.4.*.
func (v version) begins(with version) bool {
	padded := func(w version) []int {
		return append(slices.Clone(w.release), make([]int, max(0, with.digits-len(w.release)))...)[:with.digits]
	}
	return v.epoch == with.epoch && slices.Equal(padded(v), padded(with))
}

// clause is a part of a specifier, such as >=1.2.
type clause struct {
	op   string
	text string
	version
	any bool // .* is behind it
}

var clauseText = regexp.MustCompile(`^\s*(===|~=|==|!=|<=|>=|<|>)\s*(\S+)\s*$`)

// parseSpecifier reads clauses with commas between them.
func parseSpecifier(text string) (clauses []clause, err error) {
	for part := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		m := clauseText.FindStringSubmatch(part)
		if m == nil {
			return nil, fmt.Errorf("%q is no version specifier such as >=1.2", strings.TrimSpace(part))
		}
		c := clause{op: m[1], text: m[2]}
		if c.op != "===" {
			number, star := strings.CutSuffix(m[2], ".*")
			if c.version, err = parseVersion(number); err != nil {
				return nil, err
			}
			c.any = star
			if star && c.op != "==" && c.op != "!=" {
				return nil, fmt.Errorf("%s%s: .* is for == and != alone", c.op, m[2])
			}
			if c.op == "~=" && c.digits < 2 {
				return nil, fmt.Errorf("~=%s: ~= needs two numbers at least, as in ~=%s.0", m[2], m[2])
			}
		}
		clauses = append(clauses, c)
	}
	return clauses, nil
}

// allows tells whether a version that is installed satisfies a clause.
func (c clause) allows(v version) bool {
	switch c.op {
	case "===":
		return strings.EqualFold(v.text, c.text)
	case "==":
		return c.equals(v)
	case "!=":
		return !c.equals(v)
	case "<=":
		return v.comparePublic(c.version) <= 0
	case ">=":
		return v.comparePublic(c.version) >= 0
	case "<":
		// Not 2.0rc1 for <2.0.
		return v.compare(c.version) < 0 && (c.isPre() || !v.isPre() || !v.begins(c.padded(v)))
	case ">":
		// Not 1.0.post1 for >1.0, nor 1.0+local.
		return v.comparePublic(c.version) > 0 && (c.post.rank != 0 || v.post.rank == 0 || !v.begins(c.padded(v)))
	default: // ~=
		prefix := c.version
		prefix.digits--
		return v.comparePublic(c.version) >= 0 && v.begins(prefix)
	}
}

func (c clause) equals(v version) bool {
	switch {
	case c.any:
		return v.begins(c.version)
	case c.local == nil:
		return v.comparePublic(c.version) == 0
	}
	return v.compare(c.version) == 0
}

// padded is the clause's version, written with as many numbers as it or another has.
func (c clause) padded(v version) version {
	w := c.version
	w.digits = max(w.digits, v.digits)
	return w
}

func allowsAll(clauses []clause, v version) bool {
	return !slices.ContainsFunc(clauses, func(c clause) bool { return !c.allows(v) })
}
