#!/bin/sh
# Builds conformance.wasm with the SDK of this repository. Needs JDK 17 and Maven 3.8; Maven keeps what it fetches, and the SDK, in its
# local repository.
# toolchain: JDK 17, Maven 3.8, TeaVM 0.13.1
set -eu
cd "$(dirname "$0")"
mvn -B -q -ntp -f ../../../guest-sdk/java/pom.xml -Dmaven.test.skip=true install
mvn -B -q -ntp -Dwasmworker.output="$PWD/conformance.wasm" clean package
