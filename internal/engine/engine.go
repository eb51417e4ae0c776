// Package engine sets how guests are run in this repository's tests and in package
// replay, beyond what embedders may choose. The settings are fields that are not exported,
// of types in packages that import this one. Those packages register what sets them.
package engine

// Interpret makes guests run in wazero's interpreter, some ten times slower, as on
// platforms without a compiler. The configuration is a *sandbox.Config. Package sandbox
// sets this.
var Interpret func(config any)

// InterpretReplay is [Interpret] for a *replay.Options. Package replay sets it.
var InterpretReplay func(options any)

// InterpretedReplay reports whether that was done to a replay.Options.
var InterpretedReplay func(options any) bool

// InterpretPlugin is [Interpret] for a *host.PluginOptions. Package host sets it.
var InterpretPlugin func(options any)

// CanonicalNaN makes each NaN that a guest computes the same one on every processor, for
// results that can be compared bit by bit. Code with much floating-point arithmetic takes
// several times as long with it. The options are a *sandbox.Options. Package sandbox sets
// this.
var CanonicalNaN func(options any)
