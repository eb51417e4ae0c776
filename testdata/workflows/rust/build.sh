#!/bin/sh
# Builds workflows.wasm. See guest-sdk/rust/wasm-build for the tools that this needs. The file in the repository is made by Debian's rustc 1.96.
# toolchain: Debian 12's rustc-web 1.96.0, lld-22 22.1.8, wasi-libc 0.0~git20220510
set -eu
cd "$(dirname "$0")"
exec ../../../guest-sdk/rust/wasm-build . workflows.wasm
