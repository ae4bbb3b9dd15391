# SPDX-License-Identifier: GPL-2.0-only

GO       ?= go
VERSION  ?= 1.0.0
LDFLAGS   = -s -w -buildid= -X main.version=$(VERSION)
TOOL      = $(GO) tool -modfile=tools/go.mod
PACKAGES  = ./bpf/... ./service/... ./ubus/... ./openwrt-package/...
# As root every test has to run; elsewhere those that need it say why they do not.
REQUIRE   = $(if $(filter 0,$(shell id -u)),MEZOURA_REQUIRE_ROOT=1)

export CGO_ENABLED ?= 0
export GOFLAGS     ?= -buildvcs=false

.DEFAULT_GOAL := help
.PHONY: help build demo test deps check bench generate

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build/mezoura
	$(GO) build -trimpath -tags nethttpomithttp2 -ldflags '$(LDFLAGS)' -o build/mezoura ./service/mezoura

demo: ## two hosts, a router and an internet in namespaces, counted against sent (root; KEEP=1 leaves it running)
	./service/lab/deps.sh demo
	$(MAKE) build
	$(GO) run ./service/lab/demo $(if $(KEEP),-keep)

test: deps check ## everything: checks, units, real packets, real programs (installs what it needs where it can)
	$(MAKE) build
	$(REQUIRE) $(GO) test -timeout 40m $(PACKAGES)

deps:
	./service/lab/deps.sh test

check: ## generated objects, formatting, vet, staticcheck
	./tools/check.sh

bench: ## Go benchmarks, for benchstat
	$(GO) test -run '^$$' -bench . -benchtime 400x ./bpf
	$(GO) test -run '^$$' -bench 'Scrape|Object|Book' ./service/export ./service/object ./service/account
	$(GO) test -run '^$$' -bench . ./ubus/blobmsg
	$(GO) test -run '^$$' -bench Forward ./service/lab

generate: ## the BPF objects from C (clang-14)
	cd bpf && $(GO) generate
