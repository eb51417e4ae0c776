#!/bin/sh
# Builds conformance.wasm. The packages are looked for in node_modules here, where `npm install` puts them, and in .toolchains at the root of
# the repository:
#   npm install --prefix .toolchains/extism-assemblyscript --no-save --no-package-lock @extism/as-pdk@1.0.0 assemblyscript@0.28.20
# toolchain: assemblyscript@0.28.20 @extism/as-pdk@1.0.0
set -eu
cd "$(dirname "$0")"
if [ ! -e node_modules ]; then
	ln -sfn ../../../.toolchains/extism-assemblyscript/node_modules node_modules
	trap 'rm node_modules' EXIT
fi
node_modules/.bin/asc
