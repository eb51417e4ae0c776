#!/bin/sh
# Puts both modules into acts: the one in Go is built, of the one in Rust the committed file is taken.
# `sh build.sh all` builds that first, which needs Rust: see guest-sdk/rust/wasm-build.
# `sh build.sh python` has the one in Python in its place, which needs wasmworker on the PATH and `make python`.
set -eu
cd "$(dirname "$0")"
[ "${1:-}" != all ] || sh activities/rust/build.sh
mkdir -p acts
(cd activities/go/extract && GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 "${GO:-go}" build -buildmode=c-shared -trimpath -ldflags='-s -w' -o ../../../acts/extract.wasm .)
if [ "${1:-}" = python ]; then
  wasmworker build --passthrough blob -o acts/enrich.wasm activities/python/enrich.py
else
  cp activities/rust/enrich.wasm acts
fi
