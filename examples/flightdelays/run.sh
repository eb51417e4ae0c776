#!/bin/sh
# Builds what there is to build, fetches the data once, and runs the workflow: on the Temporal server that
# TEMPORAL_ADDRESS names, or on a development server that ends with this script. Arguments are flightdelays' own.
set -eu
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
go=${GO:-go}

data=$root/.toolchains/vega-datasets/node_modules/vega-datasets/data
# A directory of its own, since npm removes what it was not asked for.
[ -d "$data" ] || npm install --prefix "$root/.toolchains/vega-datasets" --no-save --no-package-lock --no-audit --no-fund --loglevel=error vega-datasets@3.2.1 >&2

sh build.sh
$go build -o bin/flightdelays .
if [ -z "${TEMPORAL_ADDRESS:-}" ]; then
  [ -x "$root/bin/wasmworker-devserver" ] || make -C "$root" bin/wasmworker-devserver >&2
  log=$(mktemp -d)
  : >"$log/out"
  "$root/bin/wasmworker-devserver" --port 0 --headless --log-level never >"$log/out" 2>"$log/err" &
  server=$!
  trap 'kill "$server" 2>/dev/null || true; wait "$server" || true; rm -rf "$log"' EXIT
  until TEMPORAL_ADDRESS=$(sed -n 's/^Server: *//p' "$log/out") && [ -n "$TEMPORAL_ADDRESS" ]; do
    kill -0 "$server" 2>/dev/null || { cat "$log/err" >&2; exit 1; }
    sleep 0.1
  done
  export TEMPORAL_ADDRESS
fi
bin/flightdelays "$@" "$data"
