#!/bin/sh
# Builds the development server to the path in $1, with progress: a cold build compiles
# some 1,900 packages, which takes about 9 CPU minutes. Later builds take seconds.
set -eu
export GOWORK=off # it is not in go.work, which says why
output=$1
go=${GO:-go}
cd "$(dirname "$0")"
total=$($go list -deps . | wc -l | tr -d ' ')
echo "Building the development server: a Temporal server with its UI, in one program."
echo "The first time this takes some minutes; later it is cached."
# go build -v prints a line for each package that it compiles, and nothing for cached ones.
{ $go build -v -ldflags='-s -w' -o "$output.new" . 2>&1 && echo "built"; } | awk -v total="$total" '
  $0 == "built" { ok = 1; next }
  /^go: downloading / { if (++d % 50 == 0) { print "  " d " modules downloaded"; fflush() } next }
  /^[A-Za-z0-9_.~\/-]+$/ { if (++n % 100 == 0) { print "  " n " of at most " total " packages compiled"; fflush() } next }
  { print }
  END { exit !ok }'
mv "$output.new" "$output"
