#!/bin/sh
# Builds conformance.wasm with the SDK of this repository. Needs JDK 17 and Maven 3.8.
# toolchain: JDK 17, Maven 3.8, TeaVM 0.13.1
set -eu
cd "$(dirname "$0")"
mvn -B -q -ntp -Dwasmworker.output="$PWD/conformance.wasm" -Dmaven.test.skip=true clean package
