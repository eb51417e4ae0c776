package pybundle

// CompiledOf reads compiled code as the interpreter gives it.
var CompiledOf = compiledOf
