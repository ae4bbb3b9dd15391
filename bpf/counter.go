// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// nearEnd is more than what one packet can add.
const nearEnd = 1 << 24

// loadHalves reads a counter that another CPU may be writing to in two pieces, in whatever order, which is seen only
// where the low one has just passed its end. A value so near to it is torn until proven whole, also a small one whose upper
// half is still to come: the caller reads it again when the writer has long had time for its second store. Only 0, which
// most counters are, it has to judge by others.
func loadHalves(p unsafe.Pointer) (value uint64, torn bool) {
	lo, hi := (*uint32)(p), (*uint32)(unsafe.Add(p, 4))
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		lo, hi = hi, lo
	}
	for {
		h := atomic.LoadUint32(hi)
		l := atomic.LoadUint32(lo)
		if atomic.LoadUint32(hi) == h {
			return uint64(h)<<32 | uint64(l), h|l != 0 && (l < nearEnd || l > -nearEnd&0xffffffff)
		}
	}
}

// tornCounter is a counter that was read when it may have been between two stores.
type tornCounter struct {
	at   unsafe.Pointer
	read uint64
	sum  *uint64
}

// again reads once more, some time after the last, and corrects the sum. Two readings that a writer's pause lies
// between cannot both be torn: whole are those that follow each other closely. Any other needs one more.
func (c *tornCounter) again() (whole bool) {
	value, _ := loadCounter(c.at)
	whole = value-c.read < 1<<31
	*c.sum += value - c.read
	c.read = value
	return whole
}
