#!/bin/sh
# Builds enrich.wasm. See guest-sdk/rust/wasm-build for the tools that this needs. The file in the repository is made by Debian's rustc 1.96.
set -eu
cd "$(dirname "$0")"
../../../../guest-sdk/rust/wasm-build . enrich.wasm
chmod 644 enrich.wasm
