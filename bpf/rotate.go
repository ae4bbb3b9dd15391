// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
)

// Rotate ends the generation in use and begins the next, with rows already taken for the entries that are
// to keep one; the rest have to find a place with their next packet. When it returns, the ended generation
// stands still: read it with [Tables.ReadGeneration], put its counts in safety, then [Tables.Clear] it. The
// half that the new one begins in must have been cleared.
func (t *Tables) Rotate(keep []Entry) (ended uint32, err error) {
	ended = t.Generation()
	t.seed(int(ended&1^1), keep)
	// The program looks at First alone. A daemon that dies between the two stores leaves Generation behind, see there.
	atomic.StoreUint32(&t.header.First, t.header.first(ended+1))
	atomic.StoreUint32(&t.header.Generation, ended+1)
	if err := t.wait.wait(); err != nil {
		return ended, fmt.Errorf("rotate tables: %w", err)
	}
	return ended, nil
}

// seed takes rows for entries in the half that rests, on every CPU: which will see a host is not known.
func (t *Tables) seed(half int, keep []Entry) {
	for i := range keep {
		e := &keep[i]
		network, ok := t.names[e.Network]
		if !ok || e.key.Family == 0 {
			continue
		}
		slot := t.header.slot(&e.key)
		for cpu := 0; cpu < int(t.cpus); cpu++ {
			rows := t.rows(half, cpu)
			r := &rows[reasonCount+slot]
			if r.Key.Family != 0 {
				r = &rows[reasonCount+slot^1]
			}
			if r.Key.Family != 0 {
				ok := overflowKey{Key: e.key, CPU: uint32(cpu)}
				// Full is no harm: the address is then counted like any other that comes too late.
				_ = t.overflow[half].Update(&ok, &account{Network: uint8(network)}, ebpf.UpdateNoExist)
				continue
			}
			r.Key, r.Account = e.key, account{Network: uint8(network)}
		}
	}
}

// rows is the area of a CPU. Only for tables of this layout.
func (t *Tables) rows(half, cpu int) []row {
	n := int(t.header.area())
	at := (half*int(t.cpus) + cpu) * n * rowSize
	return unsafe.Slice((*row)(unsafe.Pointer(&t.rowMem[at])), n)
}

// Clear empties the half that rests.
func (t *Tables) Clear() error {
	half := int(t.Generation()&1 ^ 1)
	size := t.header.size() / 2
	clear(t.rowMem[half*size:][:size])

	// Nobody else touches it: take keys away until there is none.
	m := t.overflow[half]
	var k overflowKey
	for {
		switch err := m.NextKey(nil, &k); {
		case err == nil:
		case isNotExist(err):
			return nil
		default:
			return fmt.Errorf("clear overflow table: %w", err)
		}
		if err := m.Delete(&k); err != nil && !isNotExist(err) {
			return fmt.Errorf("clear overflow table: %w", err)
		}
	}
}
