package pybundle

// CompiledOf is tested with what no interpreter says.
var CompiledOf = compiledOf

// Holds tells whether a requirement is one in the interpreter.
func Holds(text string, extras ...string) (bool, error) {
	r, err := parseRequirement(text)
	return err == nil && r.holds(extras), err
}

// Allows tells whether a specifier allows a version.
func Allows(specifier, of string) (bool, error) {
	clauses, err := parseSpecifier(specifier)
	if err != nil {
		return false, err
	}
	v, err := parseVersion(of)
	return err == nil && allowsAll(clauses, v), err
}

// Compare compares two versions.
func Compare(a, b string) (int, error) {
	v, err := parseVersion(a)
	if err != nil {
		return 0, err
	}
	w, err := parseVersion(b)
	return v.compare(w), err
}

// FullVersion is the interpreter's.
const FullVersion = pythonFullVersion
