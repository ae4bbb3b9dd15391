# SPDX-License-Identifier: GPL-2.0-only

GO       ?= go
VERSION  ?= 1.0.0
TAGS     ?= nethttpomithttp2
LDFLAGS   = -s -w -buildid= -X main.version=$(VERSION)
ARCH     ?=
MINUTES  ?= 5
SECONDS  ?= 30
# As root every test has to run; elsewhere those that can not say why.
REQUIRE   = $(if $(filter 0,$(shell id -u)),MEZOURA_REQUIRE_ROOT=1)
# The lab and what uses it load the machine: one package at a time, after the others.
LAB       = ./service/lab ./service/lab/fleet ./openwrt-package/... ./service/mezoura ./service
OTHERS    = $(shell $(GO) list ./... | grep -v -e /service/lab -e /openwrt-package -e /luci-app-mezoura -e /service/mezoura$$ -e /service$$)

# What the tests have to cover nearly all of.
COVERED   = ./service/account ./ubus/blobmsg ./service/uci ./service/config
# What the laboratory does with a daemon that looks for races.
RACED     = TestRestartUnderTraffic|TestNeverBackwards|TestPortChangesBridge|TestDeviceComesBack

export CGO_ENABLED ?= 0
export GOFLAGS     ?= -buildvcs=false

.DEFAULT_GOAL := help
.PHONY: help build demo test deps check test-units test-lab test-luci pot test-kernels soak fuzz race coverage test-libubus bench generate ipk packages packages-test apk

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build/mezoura
	$(GO) build -trimpath -tags '$(TAGS)' -ldflags '$(LDFLAGS)' -o build/mezoura ./service/mezoura

demo: ## two hosts, a router and an internet in namespaces: counted against sent (root; KEEP=1 leaves it running)
	./service/lab/deps.sh demo
	$(MAKE) build
	$(GO) build -o build/demo ./service/lab/demo
	build/demo -binary build/mezoura $(if $(KEEP),-keep)

test: ## everything: checks, units, real packets, packages, the page, kernels, races, soak, fuzz (installs what it needs where it can)
	$(MAKE) deps
	$(MAKE) check
	$(MAKE) build
	$(MAKE) test-units
	$(MAKE) coverage
	$(MAKE) test-lab
	$(MAKE) test-luci
	$(MAKE) test-kernels
	$(MAKE) race
	$(MAKE) soak
	$(MAKE) fuzz

deps:
	./service/lab/deps.sh test

check: ## generated objects, formatting, vet, staticcheck
	./tools/check.sh

test-units: ## what needs no laboratory
	$(REQUIRE) $(GO) test -timeout 20m $(OTHERS)

test-lab: build ## real packets through namespaces, and packages under emulation
	$(REQUIRE) MEZOURA_BINARY=$(CURDIR)/build/mezoura $(GO) test -p 1 -timeout 40m $(LAB)

test-luci: build ## the LuCI page: eslint, units, a real browser with the real daemon (root)
	cd luci-app-mezoura/test && npm ci --no-audit --no-fund --silent && $(if $(filter 0,$(shell id -u)),CI=1) MEZOURA_BINARY=$(CURDIR)/build/mezoura npm test

pot: ## the template of translations, and what the translations have of it, from the sources
	node luci-app-mezoura/test/pot.mjs --merge

test-kernels: ## the kernels that routers have, in qemu (downloads; MEZOURA_ROWS=regexp runs some)
	./service/lab/deps.sh kernels
	MEZOURA_KERNELS=1 $(GO) test -v -count=1 -timeout 62m -run TestKernels ./service/lab/kernels

soak: build ## random traffic, device changes, kills and a full disk for MINUTES (5), sums checked all along; a guest beside has its clock set too (root)
	./service/lab/deps.sh soak
	MEZOURA_REQUIRE_ROOT=1 MEZOURA_BINARY=$(CURDIR)/build/mezoura MEZOURA_SOAK_MINUTES=$(MINUTES) $(GO) test -v -count=1 -timeout 24h ./service/lab/soak

fuzz: ## every fuzz target for SECONDS (30), two at a time on two processors
	GO='$(GO)' ./tools/fuzz.sh $(SECONDS)

# A daemon that finds a race ends at once, and its test fails.
race: export CGO_ENABLED = 1
race: ## the race detector: all units, and the daemon in the laboratory (root for all of it)
	$(GO) build -race -tags '$(TAGS)' -o build/mezoura-race ./service/mezoura
	$(REQUIRE) MEZOURA_PACKETS=50000 $(GO) test -race -timeout 20m $(OTHERS)
	$(REQUIRE) GORACE=halt_on_error=1 MEZOURA_BINARY=$(CURDIR)/build/mezoura-race $(GO) test -race -p 1 -timeout 20m ./service ./service/mezoura ./service/lab/soak
	$(REQUIRE) GORACE=halt_on_error=1 MEZOURA_BINARY=$(CURDIR)/build/mezoura-race $(GO) test -timeout 20m -run '$(RACED)' ./service/lab

coverage: ## fails where tests cover less than 90 % of the book, the codec, UCI or the configuration
	$(GO) test -cover $(COVERED) | awk '{ print } !/^ok/ { bad = 1 } \
		match($$0, /coverage: [0-9.]+/) { n++; if (substr($$0, RSTART + 10, RLENGTH - 10) + 0 < 90) { print "less than 90 %"; bad = 1 } } \
		END { exit bad || n != $(words $(COVERED)) }'

test-libubus: ## the conformance tests of package ubus over ubusd and libubus; fails where they are missing
	MEZOURA_REQUIRE_LIBUBUS=1 CGO_ENABLED=1 $(GO) vet -tags libubus ./ubus/...
	MEZOURA_REQUIRE_LIBUBUS=1 CGO_ENABLED=1 $(GO) test -tags libubus ./ubus/...

bench: ## Go benchmarks, in the format of benchstat
	$(GO) test -run '^$$' -bench . -benchtime 1000x ./bpf
	$(GO) test -run '^$$' -bench . ./service/account ./service/export ./service/object ./ubus/...
	$(GO) test -run '^$$' -bench . -benchtime 50x ./service/lab

generate: ## the BPF objects, from C (clang-14)
	cd bpf && $(GO) generate

ipk: ## packages for opkg without an SDK: dist/ipk (ARCH=mipsel_24kc; all without)
	$(GO) run ./openwrt-package/packages -arch "$(ARCH)" -out dist ipk

packages: ## packages of all architectures
	$(GO) run ./openwrt-package/packages -out dist ipk

packages-test: packages ## each of them unpacked, checked and run under emulation, with the limits of size
	MEZOURA_DIST=$(CURDIR)/dist $(GO) test -count=1 -run TestPackages ./openwrt-package/pack

apk: ## packages for apk, where the tool apk 3 is: dist/apk
	$(GO) run ./openwrt-package/packages -arch "$(ARCH)" -out dist apk
