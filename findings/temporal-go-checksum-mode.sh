#!/bin/sh
# The same program has two build ids for the Temporal Go SDK, as FIPS 140 mode is on or off where it runs.
#
# Date:      2026-12-01
# Versions:  go.temporal.io/sdk 1.51.0, Go 1.26
# Expected:  A worker that is given no build id reports a checksum of its program. That tells programs apart, and is what
#            histories and reset points name. So it is one and the same on every machine that has the program.
# Seen:      It is the MD5 of the file, 32 digits, and with GODEBUG=fips140=on its SHA-256, 64 digits. A fleet of which some
#            machines are in FIPS 140 mode has two build ids for one program, and a roll-out of the mode alone looks like
#            one of another program. A BuildID of one's own is the remedy. It also spares reading the whole file once
#            more at each start.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"crypto/fips140"
	"fmt"

	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
)

func checksum(ctx workflow.Context) (string, error) { return workflow.GetInfo(ctx).GetBinaryChecksum(), nil }

func main() {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(silent{})
	env := suite.NewTestWorkflowEnvironment()
	env.ExecuteWorkflow(checksum)
	var sum string
	if err := env.GetWorkflowResult(&sum); err != nil {
		panic(err)
	}
	fmt.Println(fips140.Enabled(), sum)
}

type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}
GO
GOWORK=off GOFLAGS=
export GOWORK GOFLAGS
go mod init example.com/finding >/dev/null 2>&1
go get go.temporal.io/sdk@v1.51.0 >get.log 2>&1 || { cat get.log; exit 1; }
go mod tidy >get.log 2>&1 || { cat get.log; exit 1; }
go build -o finding .
# shellcheck disable=SC2046
set -- $(GODEBUG=fips140=off ./finding) $(GODEBUG=fips140=on ./finding)
echo "FIPS 140 mode $1: $2"
echo "FIPS 140 mode $3: $4"
md5=$(md5sum finding | cut -d' ' -f1) sha256=$(sha256sum finding | cut -d' ' -f1)
if [ "$1 $2 $3 $4" != "false $md5 true $sha256" ]; then
	echo "not as it was seen: the MD5 of the program is $md5, and its SHA-256 $sha256"
	exit 1
fi
