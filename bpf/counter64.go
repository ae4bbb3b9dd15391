// SPDX-License-Identifier: GPL-2.0-only

//go:build amd64 || arm64 || loong64 || mips64 || mips64le || ppc64 || ppc64le || riscv64 || s390x

package bpf

import (
	"sync/atomic"
	"unsafe"
)

// tears: a 64-bit counter is written in two stores.
const tears = false

// loadCounter reads a counter that another CPU may be writing to. A 64-bit machine does it in one piece.
func loadCounter(p unsafe.Pointer) (value uint64, torn bool) {
	return atomic.LoadUint64((*uint64)(p)), false
}
