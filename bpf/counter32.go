// SPDX-License-Identifier: GPL-2.0-only

//go:build !(amd64 || arm64 || loong64 || mips64 || mips64le || ppc64 || ppc64le || riscv64 || s390x)

package bpf

import "unsafe"

// tears: a 64-bit counter is written in two stores.
const tears = true

// loadCounter reads a counter that another CPU may be writing to.
func loadCounter(p unsafe.Pointer) (value uint64, torn bool) { return loadHalves(p) }
