#!/bin/sh
# Builds the development server to the path in $1, with progress: a cold build compiles
# some 1,450 packages, which takes minutes. Later builds take seconds.
set -eu
export GOWORK=off # it is not in go.work, which says why
output=$1
go=${GO:-go}
cd "$(dirname "$0")"
# Only packages that are not in Go's cache are compiled. This also downloads what is missing.
total=$($go list -deps -f '{{if .Stale}}x{{end}}' . | grep -c x || true)
echo "Building the development server: a Temporal server with its UI, in one program."
echo "$total packages are to be compiled. The first time this takes some minutes; later it is cached."
begin=$(date +%s)
# go build -v prints a line for each package that it compiles.
{ $go build -v -ldflags='-s -w' -o "$output.new" . 2>&1 && echo "built"; } | awk -v total="$total" -v begin="$begin" '
  function progress(  now, took, left) {
    "date +%s" | getline now; close("date +%s")
    took = now - begin
    left = n < total ? took * (total - n) / n : 0
    printf "  %d of %d packages compiled in %d s; about %s left\n", n, total, took, left < 90 ? int(left + 0.5) " s" : int(left / 60 + 0.5) " minutes"
    fflush()
  }
  $0 == "built" { ok = 1; next }
  /^go: downloading / { if (++d % 50 == 0) { print "  " d " modules downloaded"; fflush() } next }
  /^[A-Za-z0-9_.~\/-]+$/ { if (++n % 100 == 0) progress(); next }
  { print }
  END { exit !ok }'
mv "$output.new" "$output"
