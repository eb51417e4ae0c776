#!/bin/sh
# What `make demo` runs: a Temporal server, a worker that serves the example modules,
# and two activities executed through it. Everything ends with this script.
set -eu
go=${GO:-go}
log=$(mktemp -d)
bin/wasmworker dev --modules bin/acts --port 0 --ui-port 0 --log-level warn >"$log/out" 2>"$log/err" &
worker=$!
trap 'kill "$worker" 2>/dev/null || true; rm -rf "$log"' EXIT

echo "Starting a Temporal server and a worker that serves bin/acts …"
until grep -q '^Try:' "$log/out"; do
  kill -0 "$worker" 2>/dev/null || { cat "$log/err" >&2; exit 1; }
  sleep 0.1
done
address=$(sed -n 's/^Temporal server: *//p' "$log/out")

echo
echo "\$ wasmworker execute Greet '{\"name\": \"Ada\"}'"
bin/wasmworker execute --address "$address" Greet '{"name": "Ada"}'
echo
echo "\$ wasmworker execute --binary APIStats @\$(go env GOROOT)/api/go1.txt"
bin/wasmworker execute --address "$address" --binary APIStats "@$($go env GOROOT)/api/go1.txt"
echo
kill -TERM "$worker"
wait "$worker"
echo "Worker and server have stopped. Next: make dev"
