#!/bin/sh
# Builds order.wasm. Needs clang with lld, and wasi-libc, such as Debian's.
# toolchain: Debian 12's clang-19 19.1.7, lld-19 19.1.7, wasi-libc 0.0~git20220510
set -eu
cd "$(dirname "$0")"
: "${CC:=$(command -v clang-19 || echo clang)}"
trap 'rm -f order.o' EXIT
$CC --target=wasm32-wasi -std=c11 -O2 -Wall -Wextra -Werror -I../../../guest-sdk/c/include -c -o order.o order.c
# Without -O here, clang does not look for a wasm-opt to run, which would make the result depend on the machine.
$CC --target=wasm32-wasi -mexec-model=reactor -Wl,--strip-all,-z,stack-size=65536,--stack-first -o order.wasm order.o
chmod 644 order.wasm
