# Tapcheck. `make demo` shows the main job, `make test` proves it. Both set up what they need.

SHELL   := /bin/bash
GO      ?= go
VERSION ?= $(shell cat installer/VERSION)
export CGO_ENABLED ?= 1
STATICCHECK = bin/staticcheck
LDFLAGS = -s -w -buildid= -X main.version=$(VERSION)$(if $(RELEASE_KEY), -X main.releaseKey=$(RELEASE_PUBLIC))
# A release key (PEM; tapcheck update key) signs what make release leaves, and its public half goes into the programs.
RELEASE_KEY ?=
comma = ,
RELEASE_PUBLIC = $(shell CGO_ENABLED=0 $(GO) run ./cmd/tapcheck update key --of "$(RELEASE_KEY)")
# Which tags fit is known only once the set-up has run, so it is asked for in the recipe.
TAGS    = $$(installer/setup.sh tags)

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

# The face models come from the package registry by version and checksum and are not committed. Without them a build goes on.
MODELS = agent/face/models/face.zip

$(MODELS): installer/models/main.go $(filter-out %_test.go,$(wildcard agent/face/modelfile/*.go agent/face/nn/graph.go agent/face/nn/fuse.go))
	@installer/setup.sh models

.PHONY: models
models: $(MODELS) ## the face models that the program carries: fetched, checked, packed
	@ls -l $(MODELS) 2>/dev/null || true

.PHONY: build
build: $(MODELS) ## bin/tapcheck for this machine
	@installer/setup.sh build
	$(GO) build -trimpath -buildvcs=false -tags "$(TAGS)" -ldflags "$(LDFLAGS)" -o bin/tapcheck ./cmd/tapcheck

.PHONY: build-windows
build-windows: $(MODELS) bin/go-winres ## bin/tapcheck.exe
	@# Its version and manifest as Windows reads them: an object that the linker takes from the program's folder, for this build only.
	bin/go-winres make --in installer/windows/winres.json --arch amd64 --product-version "$(VERSION)" --file-version "$(VERSION)" --out cmd/tapcheck/rsrc
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 $(GO) build -trimpath -buildvcs=false -ldflags "$(LDFLAGS)" -o bin/tapcheck.exe ./cmd/tapcheck; \
		built=$$?; rm -f cmd/tapcheck/rsrc_windows_amd64.syso; exit $$built

bin/go-winres: installer/tools/go.mod
	$(GO) build -modfile=installer/tools/go.mod -o $@ github.com/tc-hib/go-winres

bin/nfpm: installer/tools/go.mod
	$(GO) build -modfile=installer/tools/go.mod -o $@ github.com/goreleaser/nfpm/v2/cmd/nfpm

# The time of every file in a package is that of the commit: whoever builds it gets the same bytes.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1)
export SOURCE_DATE_EPOCH

.PHONY: packages
packages: build bin/nfpm ## deb and rpm, in bin/packages
	@test -z "$(TAGS)" || { echo "A package without PC/SC is of no use: install libpcsclite-dev and pkg-config."; exit 1; }
	$(GO) run ./installer/supply bin/tapcheck bin/packages/supply $(VERSION)
	installer/packages.sh bin/tapcheck bin/packages/supply bin/packages $(VERSION)

# What is given away: packages, the Windows installer and program, the template for group policy, licences of all parts, bills of materials, checksums; with RELEASE_KEY, signed as an update.
.PHONY: release
release: packages msi ## all that is given away, with checksums, in bin/release
	@rm -rf bin/release && mkdir -p bin/release
	cp bin/packages/tapcheck_$(VERSION)-*.deb bin/packages/tapcheck-$(VERSION)-*.rpm bin/tapcheck-$(VERSION).msi bin/release/
	cp bin/tapcheck.exe bin/release/tapcheck-$(VERSION)-windows-amd64.exe
	cp installer/windows/policy/tapcheck.admx bin/release/
	cp installer/windows/policy/vi-VN/tapcheck.adml bin/release/tapcheck.vi-VN.adml
	cp installer/windows/policy/en-US/tapcheck.adml bin/release/tapcheck.en-US.adml
	cp bin/packages/supply/THIRD-PARTY.txt bin/release/THIRD-PARTY-linux.txt
	cp bin/packages/supply/tapcheck.cdx.json bin/release/tapcheck-linux.cdx.json
	cp bin/packages/supply/tapcheck.spdx.json bin/release/tapcheck-linux.spdx.json
	cp bin/packages/supply-windows/THIRD-PARTY.txt bin/release/THIRD-PARTY-windows.txt
	cp bin/packages/supply-windows/tapcheck.cdx.json bin/release/tapcheck-windows.cdx.json
	cp bin/packages/supply-windows/tapcheck.spdx.json bin/release/tapcheck-windows.spdx.json
	$(if $(RELEASE_KEY),bin/tapcheck update sign bin/release --key "$(RELEASE_KEY)" --version $(VERSION))
	$(GO) run ./installer/supply sums bin/release $(RELEASE_KEY)
	@echo "bin/release is whole. $(if $(RELEASE_KEY),Signed: the update's manifest and the checksums.,Its checksums are not signed.) $(if $(TAPCHECK_SIGN_CERT),Signed with a certificate: the MSI.,MSI$(comma) packages and programs are not signed by themselves.)"

# Packages of two versions, for what is proved with them.
.PHONY: two-packages
two-packages: bin/nfpm $(MODELS)
	@installer/setup.sh packages
	@rm -rf bin/test-packages
	for v in 0.0.1 0.0.2; do $(GO) build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$$v" -o bin/test-packages/tapcheck ./cmd/tapcheck && \
		$(GO) run ./installer/supply bin/test-packages/tapcheck bin/test-packages/supply $$v && \
		installer/packages.sh bin/test-packages/tapcheck bin/test-packages/supply bin/test-packages $$v || exit 1; done

IN_CONTAINER = TAPCHECK_PACKAGES=$(CURDIR)/bin/test-packages TAPCHECK_BASE=$(CURDIR)/.tapcheck/base $(GO) test -tags packages -count=1 -timeout 40m -v

.PHONY: test-packages
test-packages: two-packages ## deb and rpm from installation to purge, in a container that systemd boots, and the MSI under Wine (root; some minutes)
	$(IN_CONTAINER) -run LifeCycle ./cmd/tapcheck
	@$(MAKE) --no-print-directory test-msi

.PHONY: bench-service
bench-service: two-packages ## 100 starts and 50 upgrades of the service in that container: times, memory, what is left behind (root; some minutes)
	TAPCHECK_BENCH=1 $(IN_CONTAINER) -run TestBenchService ./cmd/tapcheck

.PHONY: demo
demo: build ## the agent with virtual readers, a card and a local insurance gateway
	bin/tapcheck demo

.PHONY: bench-face
bench-face: build ## error rates, times and memory of the face check: DATA=folder with pairs.tsv, OUT=folder for the curve, ATTACKS=so many people
	@test -n "$(DATA)" || { echo "make bench-face DATA=DIR: a folder with pairs.tsv and pictures; see the manual's chapter on figures of the face check"; exit 1; }
	bin/tapcheck face bench "$(DATA)" --out "$(or $(OUT),.tapcheck/bench-face)" --attacks $(or $(ATTACKS),0)

.PHONY: setup
setup: $(MODELS) ## what the tests need from the system
	@installer/setup.sh test
	@test -f $(MODELS) || installer/setup.sh models needed

.PHONY: test
test: setup bin/nfpm lint test-go test-fuzz test-builds ## everything that a change must pass

# A file of its own, because `go tool` would build it for Windows too when it is asked to look at the Windows files.
$(STATICCHECK): installer/tools/go.mod
	$(GO) build -modfile=installer/tools/go.mod -o $@ honnef.co/go/tools/cmd/staticcheck

bin/esbuild: installer/tools/go.mod
	$(GO) build -modfile=installer/tools/go.mod -o $@ github.com/evanw/esbuild/cmd/esbuild

# The builds of the browser client, from its TypeScript. They are committed, so that nobody needs this to build the program.
CLIENT      = agent/his/client/ts
CLIENT_DIST = $(CURDIR)/$(CLIENT)/dist
ESBUILD     = $(CURDIR)/bin/esbuild src/index.ts --bundle --target=es2022 --charset=utf8 --log-level=warning \
	--banner:js="// Tapcheck $$(cat $(CURDIR)/installer/VERSION), the client for web pages. Apache-2.0. Made by make client."

.PHONY: client
client: bin/esbuild ## the browser client's ES module, plain script and types, from agent/his/client/ts/src
	@rm -rf $(CLIENT_DIST)
	cd $(CLIENT) && $(ESBUILD) --format=esm --outfile=$(CLIENT_DIST)/tapcheck.mjs
	cd $(CLIENT) && $(ESBUILD) --format=iife --global-name=Tapcheck --outfile=$(CLIENT_DIST)/tapcheck.js
	cd $(CLIENT) && node node_modules/typescript/bin/tsc -p tsconfig.build.json --outDir $(CLIENT_DIST)/types
	echo 'export * from "./types/index.js";' >$(CLIENT_DIST)/tapcheck.d.ts

.PHONY: lint
lint: $(STATICCHECK) ## formatting, vet for Linux and Windows, staticcheck
	@un=$$(gofmt -l agent cmd icao installer insurance reader); test -z "$$un" || { echo "not gofmt'ed: $$un"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags packages ./cmd/tapcheck
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 $(GO) vet ./...
	$(STATICCHECK) ./...
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 $(STATICCHECK) ./...

# Packages whose tests leave cases out under the race detector: every curve, both leading zeros, RSA terminals.
WHOLE = ./icao/access ./agent/journal

# Packages that only compute, each call on what is its own, SQLite within its own memory among them: the detector would look at every
# number and find nothing, for many times the time of all the rest. What calls them is looked at.
NUMBERS = github.com/tapcheck/tapcheck/icao/chip/people github.com/tapcheck/tapcheck/agent/face/nn github.com/ncruces/go-sqlite3-wasm/...
NO_RACE = $(foreach p,$(NUMBERS),-gcflags=$(p)=-race=false)

# Many packages wait for most of their time (readers, browsers, timeouts): one more at a time than there are cores.
.PHONY: test-go
test-go: ## all Go tests with the race detector, and without it those that it makes too slow to run whole
	$(GO) test -race -p $$(($$(nproc) + 1)) $(NO_RACE) -timeout 9m ./...
	$(GO) test -timeout 5m $(WHOLE)
	$(GO) test -run TestCryptoIsFast ./icao

.PHONY: test-fuzz
test-fuzz: ## a short run of every fuzz target
	@installer/fuzz.sh 300x

# Where the screenshots of the console go.
SHOTS ?= $(CURDIR)/.tapcheck/screenshots

.PHONY: screenshots
screenshots: setup ## a picture of every state of the console's page, in .tapcheck/screenshots
	TAPCHECK_SHOTS=$(SHOTS) $(GO) test -count=1 ./agent/console/page

.PHONY: test-builds
test-builds: ## the builds that no test runs: without PC/SC, without cgo, for Windows
	$(GO) build -tags nopcsc -o /dev/null ./cmd/tapcheck
	CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/tapcheck
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 $(GO) build -o /dev/null ./cmd/tapcheck
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 $(GO) test -exec true ./... >/dev/null

.PHONY: test-examples
test-examples: ## the C# and Java clients, compiled and run against the agent
	@installer/setup.sh examples
	$(GO) test -count=1 -tags examples -run TestForeignClients ./cmd/tapcheck

# A Windows that Wine plays, with what it lacks: see installer/wine/prefix.sh.
WINE = $(CURDIR)/.tapcheck/wine

.PHONY: wine
wine:
	@installer/setup.sh windows
	@installer/wine/prefix.sh $(WINE)

.PHONY: test-windows
test-windows: wine build-windows ## under Wine: the Windows program reads a card, and the tests of what is Windows' own
	$(GO) test -count=1 -timeout 5m -tags wine -run TestWine ./cmd/tapcheck
	@installer/wine/test.sh $(WINE)

.PHONY: msi
msi: build-windows ## bin/tapcheck-VERSION.msi; says whether it is signed
	@installer/setup.sh msi
	$(GO) run ./installer/supply bin/tapcheck.exe bin/packages/supply-windows $(VERSION)
	@installer/windows/msi.sh $(VERSION) bin/tapcheck.exe bin/packages/supply-windows bin/tapcheck-$(VERSION).msi

.PHONY: test-msi
test-msi: wine build-windows ## under Wine: install with every property, repair, upgrade, refused downgrade, uninstall
	$(GO) run ./installer/supply bin/tapcheck.exe bin/packages/supply-windows $(VERSION)
	$(GO) test -count=1 -timeout 9m -tags msi -v ./installer/windows

.PHONY: bench
bench: build ## APDUs, bytes and times on a modelled link, against the floor; what a look-up adds to the gateway; start-up time and memory, and what an idle agent takes; many clients, and a flood
	@TAPCHECK_BENCH=1 $(GO) test -count=1 -v -run TestBenchTable ./icao
	@TAPCHECK_BENCH=1 $(GO) test -count=1 -v -run TestBenchLookup ./insurance/bhyt
	@TAPCHECK_BENCH=1 TAPCHECK_BIN=$(CURDIR)/bin/tapcheck $(GO) test -count=1 -v -run '^(TestBenchAgent|TestBenchIdle)$$' ./cmd/tapcheck
	@TAPCHECK_BENCH=1 TAPCHECK_BIN=$(CURDIR)/bin/tapcheck $(GO) test -count=1 -v -run '^(TestBenchHIS|TestFlood)$$' ./cmd/tapcheck

.PHONY: faults
faults: ## every fault at every APDU, every lie of a card, every hostile photo: counts per fault and outcome (some minutes)
	TAPCHECK_CAMPAIGN=1 $(GO) test -count=1 -timeout 20m -v -run '^(TestFaults|TestLies|TestLiftedAtEveryAPDU)$$' ./icao
	TAPCHECK_CAMPAIGN=1 $(GO) test -count=1 -timeout 20m -v -run '^(TestHostile|TestBombs|TestFlips)$$' ./agent/portrait

# How long each target is fuzzed.
FUZZTIME ?= 10m

.PHONY: fuzz
fuzz: ## every fuzz target of the tree, each for FUZZTIME (10m)
	@installer/fuzz.sh $(FUZZTIME)

.PHONY: campaign
campaign: setup ## long seeded campaigns: random handshakes, faults
	TAPCHECK_CAMPAIGN=1 $(GO) test -count=1 -timeout 60m ./...

.PHONY: clean
clean: ## what the build made
	rm -rf bin
