#!/bin/sh
# Builds digest.wasm. Needs clang with lld, and wasi-libc, such as Debian's; another compiler by LDFLAGS= CC="zig cc"
# toolchain: Debian 12's clang-19 19.1.7, lld-19 19.1.7, wasi-libc 0.0~git20220510
set -eu
cd "$(dirname "$0")"
: "${CC:=$(command -v clang-19 || echo clang)}"
: "${LDFLAGS=-Wl,--stack-first}" # a stack that overflows traps instead of running into the data
trap 'rm -f digest.o' EXIT
$CC --target=wasm32-wasi -std=c11 -O2 -Wall -Wextra -Werror -I../../../../guest-sdk/c/include -c -o digest.o digest.c
# Without -O here, clang does not look for a wasm-opt to run, which would make the result depend on the machine.
$CC --target=wasm32-wasi -mexec-model=reactor -Wl,--strip-all,-z,stack-size=65536 $LDFLAGS -o digest.wasm digest.o
chmod 644 digest.wasm
