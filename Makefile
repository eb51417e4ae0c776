# Everything that `make` can do needs Go and make alone, unless a comment says otherwise.
# `make` alone lists the targets.

GO        ?= go
BIN       := bin
SERVER    := $(BIN)/wasmworker-devserver
WORKER    := $(BIN)/wasmworker
ACTS      := $(BIN)/acts/greet.wasm $(BIN)/acts/apistats.wasm
# The host, its drivers and the program are Go modules that go.work joins: see CONTRIBUTING.md.
HOST      := . host/passthrough/blobmod contrib/azure contrib/gcs contrib/postgres contrib/s3 contrib/sqlite internal/conformance cmd/wasmworker
PACKAGES  := ./... $(patsubst %,./%/...,$(filter-out .,$(HOST)))
MODULES   := $(HOST) guest-sdk/go cmd/wasmworker-devserver bench examples/flightdelays examples/metadata
GUESTS    := examples/apistats examples/flightdelays/activities/go examples/flightdelays/workflows/go examples/metadata/activities/go testdata/guests/acts testdata/guests/calls testdata/guests/files testdata/guests/flows internal/conformance/testdata/stale testdata/conformance/go testdata/conformance/command-go
STATICCHECK := $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.7.0
SLOGLINT  := $(GO) run go-simpler.org/sloglint/cmd/sloglint@v0.11.1 -kv-only=true -key-naming-case=snake -msg-style=lowercased
MISSPELL  := $(GO) run github.com/golangci/misspell/cmd/misspell@v0.7.0 -locale US -error
ACTIONLINT := $(GO) run github.com/rhysd/actionlint/cmd/actionlint@v1.7.10
WASMBUILD := GOWORK=off GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 $(GO) build -buildmode=c-shared -trimpath -ldflags='-s -w'

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## execute two activities through a real Temporal server, and end
	@GO="$(GO)" sh examples/demo.sh

.PHONY: dev
dev: build ## server, Temporal UI and worker, until Ctrl-C
	$(WORKER) dev --modules $(BIN)/acts

.PHONY: test
test: build modules ## the whole test suite
	$(GO) test -timeout 30m $(PACKAGES)
	cd guest-sdk/go && $(GO) test ./...
	cd $(BIN)/greet && PATH="$(abspath $(BIN)):$$PATH" GOWORK=off $(GO) test ./...
	cd examples/apistats && $(GO) test ./...
	cd cmd/wasmworker-devserver && GOWORK=off $(GO) test ./...
	cd bench && $(GO) test ./...
	$(WORKER) test --explore examples

.PHONY: build
build: $(WORKER) $(SERVER) $(ACTS) ## the programs and the example modules, into bin/

# Go knows best whether this is up to date.
.PHONY: $(WORKER)
$(WORKER):
	@mkdir -p $(BIN)
	$(GO) build -o $@ ./cmd/wasmworker

# A server of its own Go module. Its first build compiles some 1,450 packages.
$(SERVER): $(wildcard cmd/wasmworker-devserver/*.go) cmd/wasmworker-devserver/go.mod cmd/wasmworker-devserver/go.sum
	@mkdir -p $(BIN)
	@GO="$(GO)" sh cmd/wasmworker-devserver/build.sh $(abspath $@)

# The example is the project that `wasmworker new` writes.
SDK := $(wildcard guest-sdk/go/*/*.go guest-sdk/go/internal/*/*.go)
$(BIN)/acts/greet.wasm: $(wildcard templates/go/* templates/*.tmpl) $(SDK) | $(WORKER)
	@mkdir -p $(@D) && rm -rf $(BIN)/greet
	$(WORKER) new --lang go --sdk guest-sdk $(BIN)/greet >/dev/null
	cd $(BIN)/greet && $(WASMBUILD) -o greet.wasm . && cp greet.wasm $(abspath $@)

$(BIN)/acts/%.wasm: examples/%/main.go examples/%/go.mod $(SDK)
	@mkdir -p $(@D)
	cd examples/$* && $(WASMBUILD) -o $(abspath $@) .

# The modules of the examples that have them in acts of their own. Those in other languages are committed.
.PHONY: modules
modules:
	@GO="$(GO)" sh examples/flightdelays/build.sh
	@GO="$(GO)" sh examples/metadata/build.sh

# A program with the race detector sleeps for a second before it ends. The tests start a thousand.
.PHONY: race
race: export GORACE := atexit_sleep_ms=0
race: build ## the tests with the race detector (needs a C compiler), but for those of UNRACED
	$(GO) test -race -timeout 30m $$($(GO) list $(PACKAGES) | grep -vE '$(UNRACED)')

# Packages that compute in one goroutine, and those whose tests start programs and compile many modules, which takes
# ten times as long with the detector. UNRACED=none leaves none out.
UNRACED ?= /(cmd/wasmworker|cmd/wasmworker/.*|internal/conformance|internal/conformance/sqltest|internal/(meter|spectest|wasm|wasmgen|compiler))$$
.PHONY: test-unraced
test-unraced: ## the rest of the test suite
	$(MAKE) test PACKAGES="$$($(GO) list $(PACKAGES) | grep -E '$(UNRACED)' | tr '\n' ' ')"

# Without the workspace, so that each module is checked as it is on its own.
.PHONY: lint
lint: export GOWORK := off
lint: ## gofmt, go vet, staticcheck and tidy modules, all of them; sloglint, misspell, actionlint
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not gofmt-ed: $$unformatted"; exit 1; }
	@for m in $(MODULES); do echo "lint $$m"; (cd $$m && $(GO) vet ./... && $(STATICCHECK) ./... && $(GO) mod tidy -diff) || exit 1; done
	@for m in $(HOST); do echo "sloglint $$m"; (cd $$m && $(SLOGLINT) ./...) || exit 1; done
	@# US spelling. The words left out are the contract's, names of activities, and mistakes on purpose.
	$(MISSPELL) -i cancelled,initialise,labelled,ouput $$(git ls-files '*.go' '*.md' Makefile)
	@# staticcheck does not know that a function with go:wasmexport is used.
	@for m in $(GUESTS); do echo "lint $$m"; (cd $$m && $(GO) vet ./... && $(STATICCHECK) -checks inherit,-U1000 ./... && $(GO) mod tidy -diff) || exit 1; done
	GOOS=wasip1 GOARCH=wasm $(GO) -C guest-sdk/go vet ./...
	$(GO) -C cmd/wasmworker vet -tags omit_azure,omit_gcs,omit_s3 .
	@# Without programs that one machine has and another has not.
	$(ACTIONLINT) -shellcheck= -pyflakes= .github/workflows/ci.yml

BENCHFLAGS ?=
.PHONY: bench
bench: $(SERVER) ## measure against the alternatives: docs/benchmarks.md; BENCHFLAGS=-quick for a minute
	cd bench && $(GO) run ./report $(BENCHFLAGS)

.PHONY: bench-modules
bench-modules: $(SERVER) ## what 1, 10, 50 and 200 modules cost: table and plot of docs/benchmarks.md
	cd bench && $(GO) run ./report -target bench-modules $(BENCHFLAGS)

# The packages of bench/peers/requirements.txt in a folder of their own.
.PHONY: bench-peers
bench-peers: $(SERVER) ## measure against temporalio and wasmtime, in one run: docs/benchmarks.md (needs PyPI, and bin/python.wasm of make python)
	@test -x $(BIN)/peers/bin/python || python3 -m venv $(BIN)/peers
	$(BIN)/peers/bin/python -m pip install --quiet --no-deps -r bench/peers/requirements.txt
	cd bench && BENCH_PEERS=$(abspath $(BIN)/peers) $(GO) run ./report -target bench-peers $(BENCHFLAGS)

.PHONY: toolchains
toolchains: ## install what builds the guests in other languages (Debian, npm)
	sh guest-sdk/toolchains.sh

.PHONY: python
python: ## build the interpreter for apps in Python, bin/python.wasm, if its sources have changed: some minutes (needs make toolchains)
	@sh guest-sdk/python/interpreter/build.sh

.PHONY: test-python
test-python: python $(WORKER) ## the tests that need the interpreter
	$(GO) test -timeout 30m -tags python ./internal/pybundle ./internal/conformance ./cmd/wasmworker ./host ./examples/metadata -count=1 -run "^TestPython"

.PHONY: guests
guests: ## build the committed .wasm files of other languages again (needs make toolchains; then make manifest)
	@for b in testdata/conformance/*/build.sh testdata/workflows/*/build.sh bench/guests/*/build.sh; do echo "build $$(dirname $$b)"; sh "$$b" || exit 1; done
	sh examples/flightdelays/build.sh all
	sh examples/metadata/build.sh all

.PHONY: test-sdks
test-sdks: build python ## the SDKs' own tests, and the project of every language by the commands of its README (needs make toolchains)
	$(MAKE) -C guest-sdk/c test
	$(MAKE) -C guest-sdk/python test
	cd guest-sdk/assemblyscript && npm test
	cd guest-sdk/typescript && NODE_PATH=$(abspath .toolchains/typescript/node_modules) npm test
	cd guest-sdk/rust && cargo test --quiet --workspace --all-features
	mvn -B -q -ntp -f guest-sdk/java/pom.xml verify
	cd guest-sdk/zig && PATH="$$PATH:$(abspath .toolchains/zig/node_modules/.bin)" zig build test
	$(GO) test -timeout 30m -tags toolchains -run Readme ./templates

.PHONY: examples
examples: build modules ## the tests of the examples with several languages (needs make toolchains, and PostgreSQL)
	cd examples/flightdelays && $(GO) test ./...
	cd examples/flightdelays/activities/go && $(GO) test ./...
	cd examples/metadata && $(GO) test ./...
	$(WORKER) test --explore examples

# What tests need beside PostgreSQL, whose programs they find where Debian puts them. Without these they skip, loudly.
S3SERVER := github.com/versity/versitygw/cmd/versitygw@v1.8.0
.PHONY: services
services: ## build the S3-compatible server that the tests of blob start, into bin/
	@mkdir -p $(BIN)
	GOBIN=$(abspath $(BIN)) $(GO) install $(S3SERVER)

.PHONY: hostile
ROUNDS ?= 1000
hostile: ## ROUNDS rounds (1000) of the hostile modules, and no growth
	$(GO) test ./host/sandbox -count=1 -timeout 30m -run '^TestHostileRounds$$' -hostile.rounds $(ROUNDS)

.PHONY: real-modules
real-modules: ## real programs at pinned versions, as commands here and in wasmtime: the same output and exit code; writes docs/languages.md (needs PyPI)
	$(GO) run ./internal/realmodules

.PHONY: python-stdlib-tests
python-stdlib-tests: python ## CPython's own tests of what the docs promise, in the interpreter: a table of docs/languages.md (some minutes, no part of CI)
	$(GO) run ./internal/realpython stdlib

.PHONY: python-packages
python-packages: python ## packages of PyPI at pinned versions, bundled and run, compared with this machine's Python (no part of CI)
	$(GO) run ./internal/realpython packages

.PHONY: wheel
wheel: ## the SDK for Python as a wheel in guest-sdk/python/dist, with bin/python.wasm if it is there (needs PyPI)
	$(MAKE) -C guest-sdk/python wheel

.PHONY: languages
languages: ## measure the languages and write docs/languages.md
	$(GO) test ./internal/conformance -count=1 -run '^TestConformance$$' -languages

.PHONY: fuel
fuel: ## run every conformance case the same way again and again, and write what each costs to testdata/conformance/fuel.json
	$(GO) test ./internal/conformance -count=1 -run '^TestDeterministic$$' -fuel

.PHONY: deterministic
RUNS ?= 100
deterministic: build modules ## RUNS runs (100) of each conformance case in both engines of wazero and of the examples' cases, and no difference
	$(WORKER) test --runs $(RUNS) examples $(BIN)/greet
	$(GO) test ./internal/conformance -count=1 -timeout 30m -run '^TestDeterministic$$' -runs $(RUNS)

.PHONY: generate
generate: ## write what is made of other files here, in seconds: the contract's tables and constants of abi/abi.json, api.txt, schema, go-sdk, manifest
	$(GO) run ./abi/gen
	$(GO) run ./internal/surface
	@$(MAKE) --no-print-directory schema go-sdk manifest

.PHONY: generate-all
generate-all: generate wat fuel ## and what takes minutes or needs wabt

.PHONY: go-sdk
go-sdk: ## pack guest-sdk/go into guest-sdk/go.zip, which `wasmworker new` writes copies of
	$(GO) test ./guest-sdk -count=1 -run '^TestCopy$$' -go-sdk

.PHONY: arm64
FOLDERS ?= .
arm64: ## the same conformance cases on arm64 (of all FOLDERS), to the same digests and units (needs qemu-aarch64 of Debian's qemu-user, or that processor)
	GOARCH=arm64 CGO_ENABLED=0 $(GO) test -c -o $(abspath $(BIN))/conformance.arm64 ./internal/conformance
	cd internal/conformance && qemu-aarch64 $(abspath $(BIN))/conformance.arm64 -test.run '^TestDeterministic$$/$(FOLDERS)' -runs 1

.PHONY: schema
schema: ## write docs/wasmworker.schema.json, by which editors complete wasmworker.yaml, and the table of settings in docs/operations.md
	$(GO) test ./cmd/wasmworker -count=1 -run '^(TestSchema|TestSettingsTable)$$' -schema

# go test -fuzz takes one target at a time.
FUZZTIME ?= 30s
FUZZDIRS ?= abi cmd/wasmworker contrib host internal
.PHONY: fuzz
fuzz: ## fuzz everything that parses, each target for FUZZTIME
	@for f in $$(grep -rlE '^func Fuzz' --include='*_test.go' $(FUZZDIRS)); do \
	  for t in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9]+).*/\1/p' $$f); do \
	    echo "fuzz $$t"; $(GO) test -run '^$$' -fuzz "^$$t$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./$$(dirname $$f) || exit 1; done; done

N    ?= 10000
SEED ?= 1
.PHONY: fuzz-sandbox
fuzz-sandbox: ## N generated modules (10,000, some minutes), made of SEED: admitted, metered, reset, interrupted, and every promise kept
	$(GO) test ./host/sandbox -count=1 -timeout 0 -v -run '^TestPromises$$' -promises.modules $(N) -promises.seed $(SEED)

PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
.PHONY: cross
cross: ## build wasmworker for every platform that it supports, or for PLATFORMS
	@for p in $(PLATFORMS); do \
	  echo "build $$p"; GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/wasmworker ./host/... || exit 1; done

.PHONY: manifest
manifest: ## write testdata/MANIFEST: digest and toolchain of each committed .wasm file
	$(GO) test ./internal/testbed -count=1 -run '^TestManifest$$' -manifest

# toolchain: Debian 12's wabt 1.0.32
.PHONY: wat
wat: ## assemble the .wat files of testdata again (needs wat2wasm of wabt)
	@for f in testdata/wat/*.wat testdata/workflows/*.wat testdata/hostile/*.wat host/internal/*/testdata/*.wat internal/pybundle/testdata/*.wat host/internal/meter/testdata/env/*.wat host/replay/cases/testdata/*.wat bench/testdata/*.wat; do wat2wasm "$$f" -o "$${f%.wat}.wasm" || exit 1; done

.PHONY: clean
clean: ## remove bin/
	rm -rf $(BIN)
