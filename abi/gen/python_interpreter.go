package main

// pythonFunctions is passthrough.h of the Python interpreter: a macro's call for each
// passthrough function.
func pythonFunctions(c *contract) ([]byte, error) {
	var g code
	g.line("// %s", note)
	g.line("//")
	g.line("// The passthrough functions of the guest contract, abi/SPEC.md. WW_FUNCTION is given the")
	g.line("// module, the function, and whether requests and responses are frames.")
	g.line("")
	for _, m := range c.Modules {
		if !m.passthrough() {
			continue
		}
		for _, f := range m.Functions {
			g.line("WW_FUNCTION(%s, %s, %t)", m.Name, f.Name, m.framed())
		}
	}
	return g.text()
}

// framed tells whether requests and responses of the module are frames. Without a frame
// there is no head anywhere: an empty response has none either.
func (m module) framed() bool {
	for _, f := range m.Functions {
		if f.Request != nil && f.Request.Head != "" {
			return true
		}
	}
	return false
}
