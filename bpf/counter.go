// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
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

// unsure is an entry of an overflow table that the kernel may have copied between two stores of the program.
type unsure struct {
	key   overflowKey
	entry int32
	value account
}

// torn tells whether copied counters may be. Each is near its end; or it has passed that for the first time, and
// there are more packets than so many bytes can be, the shortest being a header of IPv4.
func (t *Traffic) torn() bool {
	end := func(v uint64) bool { return v>>32 != 0 && uint32(v) < nearEnd || uint32(v) > -nearEnd&0xffffffff }
	return end(t.Bytes) || end(t.Packets) || t.Bytes < 20*t.Packets || t.Packets == 0 && t.Bytes != 0
}

// settleOverflow looks unsure entries up again until their counters are whole.
func (r *reader) settleOverflow(m *ebpf.Map) error {
	for i := range r.unsure {
		u := &r.unsure[i]
		v, e := &u.value, &r.entries[u.entry]
		counters := [...]tornCounter{
			{unsafe.Pointer(&v.Upload.Bytes), v.Upload.Bytes, &e.Upload.Bytes},
			{unsafe.Pointer(&v.Upload.Packets), v.Upload.Packets, &e.Upload.Packets},
			{unsafe.Pointer(&v.Download.Bytes), v.Download.Bytes, &e.Download.Bytes},
			{unsafe.Pointer(&v.Download.Packets), v.Download.Packets, &e.Download.Packets},
		}
		for whole := false; !whole; {
			time.Sleep(settle)
			if err := m.Lookup(&u.key, v); err != nil {
				return fmt.Errorf("read overflow table again: %w", err)
			}
			whole = true
			for j := range counters {
				whole = counters[j].again() && whole
			}
		}
	}
	return nil
}
