# SPDX-License-Identifier: GPL-2.0-only
GO      ?= go
VERSION ?= 1.0.0
LDFLAGS  = -s -w -buildid= -X main.version=$(VERSION)
export CGO_ENABLED ?= 0

.PHONY: help build generate
.DEFAULT_GOAL := help

help: ## say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build/mezoura
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o build/mezoura ./service/mezoura

generate: ## the BPF objects, from C (clang-14)
	$(GO) generate ./bpf
