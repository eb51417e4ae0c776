#!/bin/sh
# Puts all modules into acts: those in Go are built, of the others the committed ones are taken.
# `sh build.sh all` builds those first, which needs what `make toolchains` installs.
# With WORKFLOW=wasm the workflow is one of the modules, in Go, and not the program's; with WORKFLOW=typescript that in TypeScript.
set -eu
cd "$(dirname "$0")"
if [ "${1:-}" = all ]; then
  for script in activities/*/build.sh workflows/*/build.sh; do
    echo "$script"
    sh "$script"
  done
fi
mkdir -p acts
for guest in split report; do
  (cd "activities/go/$guest" && GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 "${GO:-go}" build -buildmode=c-shared -trimpath -ldflags='-s -w' -o "../../../acts/$guest.wasm" .)
done
cp activities/*/*.wasm acts
rm -f acts/delayreport.wasm
if [ "${WORKFLOW:-}" = typescript ]; then
  cp workflows/typescript/delayreport.wasm acts
elif [ "${WORKFLOW:-}" = wasm ]; then
  (cd workflows/go && GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 "${GO:-go}" build -buildmode=c-shared -trimpath -ldflags='-s -w' -o ../../acts/delayreport.wasm .)
fi
