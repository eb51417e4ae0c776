#!/bin/sh
# Builds conformance.wasm. The compiler is looked for on PATH and in .toolchains at the root of the repository:
#   npm install --prefix .toolchains/assemblyscript --no-save assemblyscript@0.28.20
# toolchain: assemblyscript@0.28.20
set -eu
cd "$(dirname "$0")"
root=$(cd ../../.. && pwd)
PATH=$PATH:$root/.toolchains/assemblyscript/node_modules/.bin
# What `npm install` of the SDK would do.
mkdir -p node_modules
ln -sfn ../../../../guest-sdk/assemblyscript node_modules/wasmworker-sdk-assemblyscript
trap 'rm node_modules/wasmworker-sdk-assemblyscript && rmdir node_modules' EXIT
asc
