#!/bin/sh
# Builds conformance.wasm. See guest-sdk/rust/wasm-build for the tools that this needs. The file in the repository is made by Debian's rustc 1.96.
set -eu
cd "$(dirname "$0")"
exec ../../../guest-sdk/rust/wasm-build . conformance.wasm
