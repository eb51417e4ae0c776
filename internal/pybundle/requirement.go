package pybundle

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// requirement is a line such as `requests[socks]>=2.8,<3; python_version < "3.9"` (PEP 508).
type requirement struct {
	name   string // normalized
	extras []string
	allows []clause
	when   marker // nil: always

	text string
	from string // where it was read
}

var (
	requirementText = regexp.MustCompile(`^\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?\s*(.*?)\s*$`)
	separators      = regexp.MustCompile(`[-_.]+`)
)

// normalized is a name of a distribution, or of an extra, in the form that is compared.
func normalized(name string) string {
	return strings.ToLower(separators.ReplaceAllString(strings.TrimSpace(name), "-"))
}

// parseRequirement reads a requirement.
func parseRequirement(text string) (r requirement, err error) {
	r.text = strings.TrimSpace(text)
	m := requirementText.FindStringSubmatch(text)
	if m == nil {
		return r, fmt.Errorf("%q is no requirement such as six>=1.16", r.text)
	}
	r.name = normalized(m[1])
	for extra := range strings.SplitSeq(m[2], ",") {
		if extra = normalized(extra); extra != "" {
			r.extras = append(r.extras, extra)
		}
	}
	end, address := ";", strings.HasPrefix(m[3], "@")
	if address {
		end = " ;" // an address may have a semicolon itself
	}
	specifier, when, hasMarker := strings.Cut(m[3], end)
	if address {
		specifier = ""
	}
	specifier = strings.TrimSpace(specifier)
	if inner, ok := strings.CutPrefix(specifier, "("); ok {
		specifier = strings.TrimSuffix(inner, ")")
	}
	if r.allows, err = parseSpecifier(specifier); err != nil {
		return r, fmt.Errorf("requirement %q: %w", r.text, err)
	}
	if hasMarker {
		if r.when, err = parseMarker(when); err != nil {
			return r, fmt.Errorf("requirement %q: %w", r.text, err)
		}
	}
	return r, nil
}

// holds tells whether a requirement is one in the interpreter, of a distribution with extras.
func (r requirement) holds(extras []string) bool {
	if r.when == nil || r.when("") {
		return true
	}
	return slices.ContainsFunc(extras, func(extra string) bool { return r.when(extra) })
}

// marker is a condition. Its argument is the extra that is asked for, if one is.
type marker func(extra string) bool

// environment is what markers know of the interpreter.
var environment = map[string]string{
	"python_version": PythonVersion, "python_full_version": pythonFullVersion, "implementation_version": pythonFullVersion,
	"implementation_name": "cpython", "platform_python_implementation": "CPython",
	"os_name": "posix", "sys_platform": "wasi", "platform_machine": "wasm32", "platform_system": "WASI",
	"platform_release": "", "platform_version": "", "extra": "",
}

var markerToken = regexp.MustCompile(`^\s*(\(|\)|===|~=|==|!=|<=|>=|<|>|'[^']*'|"[^"]*"|[A-Za-z_.]+)`)

// markerParser reads a marker.
type markerParser struct {
	tokens []string
	err    error
}

func parseMarker(text string) (marker, error) {
	p := markerParser{}
	for rest := text; strings.TrimSpace(rest) != ""; {
		m := markerToken.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("%q is no environment marker", strings.TrimSpace(text))
		}
		p.tokens = append(p.tokens, m[1])
		rest = rest[len(m[0]):]
	}
	when := p.or(0)
	if p.err == nil && len(p.tokens) > 0 {
		p.err = fmt.Errorf("%q is not expected there", p.tokens[0])
	}
	if p.err != nil {
		return nil, fmt.Errorf("environment marker %q: %w", strings.TrimSpace(text), p.err)
	}
	return when, nil
}

func (p *markerParser) next() string {
	if len(p.tokens) == 0 {
		if p.err == nil {
			p.err = errors.New("it ends too early")
		}
		return ""
	}
	token := p.tokens[0]
	p.tokens = p.tokens[1:]
	return token
}

func (p *markerParser) accept(token string) bool {
	if len(p.tokens) > 0 && p.tokens[0] == token {
		p.tokens = p.tokens[1:]
		return true
	}
	return false
}

// maxNested is how many parentheses a marker may have within each other.
const maxNested = 100

func (p *markerParser) or(depth int) marker {
	a := p.and(depth)
	for p.accept("or") {
		left, right := a, p.and(depth)
		a = func(extra string) bool { return left(extra) || right(extra) }
	}
	return a
}

func (p *markerParser) and(depth int) marker {
	a := p.comparison(depth)
	for p.accept("and") {
		left, right := a, p.comparison(depth)
		a = func(extra string) bool { return left(extra) && right(extra) }
	}
	return a
}

func (p *markerParser) comparison(depth int) marker {
	never := func(string) bool { return false }
	if p.accept("(") {
		if depth == maxNested {
			p.err = fmt.Errorf("more than %d parentheses are within each other", maxNested)
			p.tokens = nil
			return never
		}
		inside := p.or(depth + 1)
		if !p.accept(")") && p.err == nil {
			p.err = errors.New("a parenthesis is not closed")
		}
		return inside
	}
	left := p.operand()
	op := p.next()
	if op == "not" && p.accept("in") {
		op = "not in"
	}
	right := p.operand()
	if p.err != nil {
		return never
	}
	switch op {
	case "===", "~=", "==", "!=", "<=", ">=", "<", ">", "in", "not in":
		return func(extra string) bool { return compareOperands(left, op, right, extra) }
	}
	p.err = fmt.Errorf("%q is no operator", op)
	return never
}

// oldNames are what older metadata calls a part of the environment.
var oldNames = map[string]string{
	"os.name": "os_name", "sys.platform": "sys_platform", "platform.machine": "platform_machine", "platform.version": "platform_version",
	"platform.python_implementation": "platform_python_implementation", "python_implementation": "platform_python_implementation",
}

// operand is a name of the environment, or a text.
type operand struct{ name, text string }

func (p *markerParser) operand() operand {
	token := p.next()
	if p.err != nil {
		return operand{}
	}
	if token[0] == '"' || token[0] == '\'' {
		return operand{text: token[1 : len(token)-1]}
	}
	name := token
	if of, ok := oldNames[token]; ok {
		name = of
	}
	if _, ok := environment[name]; !ok {
		p.err = fmt.Errorf("%q is nothing that markers know", token)
	}
	return operand{name: name, text: environment[name]}
}

func compareOperands(left operand, op string, right operand, extra string) bool {
	a, b := left.text, right.text
	if left.name == "extra" || right.name == "extra" {
		if left.name == "extra" {
			a = extra
		} else {
			b = extra
		}
		a, b = normalized(a), normalized(b)
	}
	switch op {
	case "in":
		return strings.Contains(b, a)
	case "not in":
		return !strings.Contains(b, a)
	}
	// Versions are compared as such, and everything else as text.
	if strings.HasSuffix(left.name, "_version") || strings.HasSuffix(right.name, "_version") {
		clauses, err := parseSpecifier(op + b)
		v, errV := parseVersion(a)
		if err == nil && errV == nil {
			return allowsAll(clauses, v)
		}
	}
	switch op {
	case "==", "===":
		return a == b
	case "!=":
		return a != b
	case "<=":
		return a <= b
	case ">=":
		return a >= b
	case "<":
		return a < b
	case ">":
		return a > b
	}
	return false
}
