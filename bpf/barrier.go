// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"fmt"

	"github.com/cilium/ebpf"
)

// barrier waits until no program runs any more that has begun before. There is no call for that, but the
// kernel promises it of an update of a map of maps: it returns when nobody can still use the old inner map.
type barrier struct{ outer, inner *ebpf.Map }

func newBarrier() (*barrier, error) {
	inner := &ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	b := new(barrier)
	var err error
	if b.inner, err = ebpf.NewMap(inner); err == nil {
		b.outer, err = ebpf.NewMap(&ebpf.MapSpec{
			Name: "mezoura_wait", Type: ebpf.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 1, InnerMap: inner,
		})
	}
	if err != nil {
		b.close()
		return nil, fmt.Errorf("create barrier: %w", explain(err))
	}
	return b, nil
}

func (b *barrier) wait() error {
	if err := b.outer.Put(uint32(0), b.inner); err != nil {
		return fmt.Errorf("wait for running programs: %w", err)
	}
	return nil
}

func (b *barrier) close() {
	b.inner.Close()
	b.outer.Close()
}
