// SPDX-License-Identifier: GPL-2.0-only

//go:build !(amd64 || arm64 || loong64 || mips64 || mips64le || ppc64 || ppc64le || riscv64 || s390x)

package bpf

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// near is more than what one packet can add.
const near = 1 << 24

// load64 reads a counter that another CPU may be writing to. A 32-bit machine writes it in two pieces, in whatever
// order, which is seen only where the low one has just passed its end. A value so near to it is torn until proven whole:
// the caller reads it again when the writer has long had time for its second store.
func load64(p unsafe.Pointer) (value uint64, torn bool) {
	first, second := (*uint32)(p), (*uint32)(unsafe.Add(p, 4))
	lo, hi := first, second
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		lo, hi = second, first
	}
	for {
		h := atomic.LoadUint32(hi)
		l := atomic.LoadUint32(lo)
		if atomic.LoadUint32(hi) == h {
			return uint64(h)<<32 | uint64(l), h|l != 0 && (l < near && h != 0 || l > -near&0xffffffff)
		}
	}
}
