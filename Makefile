# make help lists the targets.

GO     ?= go
BINARY ?= atoll
# The packages whose tests run under the race detector.
RACE   ?= ./client/... ./cmd/... ./internal/...
# Tests of one goroutine and much data: the race detector makes them slow and has nothing to find.
NORACE ?= TestPutGetSizes|TestRestage|TestCheckHealthy|TestPageCost|TestAppendToCutParts|TestCopySparse|TestManyParts|TestViewOfDeletedCheckpoint|TestQuotaOfStagedUpload
# The end-to-end tests that a server built with the race detector runs.
E2ERACE ?= TestGoSDK|TestMinioGo|TestKill9|TestLinearizable|TestDrain
# How long `make fuzz` runs each target.
FUZZTIME ?= 20s
# How much longer than usual `make soak` works.
SOAK   ?= 5

.PHONY: help build test deps lint unit race soak bench fuzz fmt clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' $(MAKEFILE_LIST)

build: ## build ./atoll
	$(GO) build -o $(BINARY) ./cmd/atoll

test: deps lint unit race ## all that CI runs

deps: ## install what the tests need (Debian packages, npm modules)
	test/deps.sh

lint: ## gofmt, go vet, staticcheck
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "gofmt is needed for: $$files"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

# -count=1: what the tests of the binary depend on is more than go test can see.
unit: ## all tests, end-to-end tests included
	$(GO) test -count=1 -timeout 30m ./...

race: ## tests under the race detector, a server built with it included
	$(GO) test -race -timeout 30m -skip '$(NORACE)' $(RACE)
	ATOLL_E2E_RACE=1 $(GO) test -timeout 30m -count=1 -run '$(E2ERACE)' ./test/e2e

soak: ## the long tests, SOAK times longer
	ATOLL_E2E_SOAK=$(SOAK) $(GO) test -timeout 3h -count=1 -v -run 'TestKill9|TestLinearizable|TestBoundedMemory|TestCutUploads' ./test/e2e

bench: ## benchmarks against other S3 servers; see bench/README.md
	$(MAKE) -C bench

fuzz: ## run each fuzz target for FUZZTIME
	@set -e; for pkg in $$(grep -rl '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

fmt: ## format the code
	gofmt -w .

clean: ## remove what builds leave behind
	rm -f $(BINARY)
