#!/bin/sh
# Builds both modules into acts. Beside Go this needs Rust: see guest-sdk/rust/wasm-build.
set -eu
cd "$(dirname "$0")"
mkdir -p acts
(cd activities/go/extract && GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 "${GO:-go}" build -buildmode=c-shared -trimpath -ldflags='-s -w' -o ../../../acts/extract.wasm .)
../../guest-sdk/rust/wasm-build activities/rust acts/enrich.wasm
