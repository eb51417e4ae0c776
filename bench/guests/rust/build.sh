#!/bin/sh
# Builds order.wasm. See guest-sdk/rust/wasm-build for the tools that this needs.
# toolchain: Debian 12's rustc-web 1.96.0, lld-22 22.1.8, wasi-libc 0.0~git20220510
set -eu
cd "$(dirname "$0")"
exec ../../../guest-sdk/rust/wasm-build . order.wasm
