#!/bin/sh
# Builds delayreport.wasm with the SDK of this repository. Needs Node.js, and the npm packages that guest-sdk/typescript/package.json
# depends on: in that directory's node_modules, or in .toolchains.
# toolchain: quickjs-wasi@3.6.2 binaryen@132.0.0 esbuild@0.28.2 typescript@5.9.3
set -eu
cd "$(dirname "$0")"
root=$(cd ../../../.. && pwd)
NODE_PATH="$root/.toolchains/typescript/node_modules${NODE_PATH:+:$NODE_PATH}"
export NODE_PATH
exec node "$root/guest-sdk/typescript/bin/wasmworker-bundle.js" src/index.ts -o delayreport.wasm --quiet
