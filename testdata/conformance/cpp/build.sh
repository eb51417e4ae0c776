#!/bin/sh
# Builds conformance.wasm. Needs clang with lld, wasi-libc and libc++ for WASI, such as Debian's; another compiler by LDFLAGS= CXX="zig c++"
# toolchain: Debian 12's clang-19 19.1.7, lld-19 19.1.7, libc++-19-dev-wasm32 19.1.7, wasi-libc 0.0~git20220510
set -eu
cd "$(dirname "$0")"
: "${CXX:=$(command -v clang++-19 || echo clang++)}"
: "${LDFLAGS=-Wl,--stack-first}" # a stack that overflows traps instead of running into the data
trap 'rm -f conformance.o' EXIT
$CXX --target=wasm32-wasi -std=c++17 -fno-exceptions -fno-rtti -Os -Wall -Wextra -Wpedantic -Werror -I../../../guest-sdk/c/include -c -o conformance.o conformance.cpp
# Without -O here, clang does not look for a wasm-opt to run, which would make the result depend on the machine.
$CXX --target=wasm32-wasi -mexec-model=reactor -Wl,--strip-all,-z,stack-size=65536 $LDFLAGS -o conformance.wasm conformance.o
chmod 644 conformance.wasm
