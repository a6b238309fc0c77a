# Needs Go, make and git. `make help` lists the targets.
GO      ?= go
TOOL    := $(GO) tool -modfile=tools/go.mod
PLUGINS := agentfarm formats models tabular
RACE    := $(shell $(GO) env CGO_ENABLED 2>/dev/null | grep -q 1 && command -v $$($(GO) env CC) >/dev/null 2>&1 && echo -race)

.PHONY: help build plugins run test test-long check bench bench-scale

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 15

plugins: ## build the plugins that ship, from source to WebAssembly, and compress them for embedding
	@rm -f plugins/builtin/dist/*.wasm
	@for p in $(PLUGINS); do \
		echo "building plugin $$p"; \
		GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -buildmode=c-shared -ldflags=-w \
			-o bin/plugins/$$p.wasm ./plugins/builtin/$$p && \
		$(GO) run ./plugins/builtin/pack bin/plugins/$$p.wasm plugins/builtin/dist/$$p.wasm.zst && \
		$(GO) run ./plugins/builtin/$$p >plugins/builtin/dist/$$p.json || exit 1; \
	done

build: plugins ## build bin/thresher
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/thresher ./cmd/thresher

run: build ## start the server, load sample data, run jobs on it, keep serving
	@bin/thresher demo

test: plugins ## run the tests, with the race detector where there is a C compiler; what is long is skipped, or does less
ifeq ($(RACE),)
	@echo '*** NO C COMPILER: the race detector is OFF. Install one (Debian: apt-get install gcc libc6-dev). ***'
endif
	@$(TOOL) gotestsum --format pkgname --format-icons text --format-hide-empty-pkg -- $(RACE) -short -shuffle=on -timeout 15m ./server ./core ./...
	@echo 'What is long was skipped, or ran with less: make test-long runs it in full.'

test-long: plugins ## run what is long in full, about an hour; SAMPLE=10m: what fits; RUN=REGEXP: what matches
	@$(GO) run ./internal/longtests $(if $(RACE),,-race=false) $(if $(SAMPLE),-sample $(SAMPLE)) $(if $(RUN),-run '$(RUN)')

check: plugins ## gofmt, vet, linters, known vulnerabilities, and that benchmarks compile
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'gofmt these files'; exit 1; }
	$(GO) vet ./...
	GOOS=wasip1 GOARCH=wasm $(GO) vet $(PLUGINS:%=./plugins/builtin/%)
	GOOS=wasip1 GOARCH=wasm $(GO) build -o /dev/null ./plugins/sdk/go/example
	$(TOOL) golangci-lint run
	@$(TOOL) govulncheck ./... || { test $$? -ne 3 && echo '*** govulncheck could not reach its database: SKIPPED ***'; }
	cd bench && $(GO) vet ./...

bench: plugins ## measure all of docs/performance.md, beside asynq and River; takes a quarter of an hour
	cd bench && $(GO) run ./versus
	cd bench && $(GO) test -run '^$$' -bench . -benchtime 2s .
	$(GO) test -run '^$$' -bench Writes -benchtime 2s ./core/ledger
	$(GO) test -run '^$$' -bench Next -benchtime 2s ./core/limit
	$(GO) test -run '^$$' -bench Publish -benchtime 10000x ./core/feed
	$(GO) test -run '^$$' -bench EmptyRoutine -benchtime 2s ./plugins/sandbox
	$(GO) test -run '^$$' -bench Kernels -benchtime 10x ./core/stats/kernel ./plugins/sandbox
	@$(MAKE) --no-print-directory bench-scale

bench-scale: plugins ## measure restarts, lists and memory with 100 000 and a million jobs on disk
	cd bench && $(GO) run ./scale -jobs 100000,1000000

bench-sandbox: ## measure the sandbox beside wazero, Extism, pandas and DuckDB, twenty-five minutes
	cd bench && $(GO) run ./sandbox && $(GO) run ./uploads
	$(GO) test -run '^$$' -bench LargeTable -benchtime 20x ./plugins/sandbox
