// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// variant is one of the programs in the object.
type variant string

const (
	upload       variant = "upload"
	download     variant = "download"
	downloadPort variant = "download_port" // leaves a bridge by one of its ports
	uploadRaw    variant = "upload_raw"    // packets begin with the IP header
	downloadRaw  variant = "download_raw"
)

// load loads a program that counts for the segment into the tables. flags are the kernel's, for tests.
func (t *Tables) load(v variant, segment int, flags uint32) (*ebpf.Program, error) {
	spec, err := loadObject()
	if err != nil {
		return nil, err
	}
	prog := spec.Programs[string(v)]
	prog.Flags |= flags
	spec.Programs = map[string]*ebpf.ProgramSpec{string(v): prog}
	maps := map[string]*ebpf.Map{
		mapRows: t.rowMap, mapOverflow0: t.overflow[0], mapOverflow1: t.overflow[1], mapControl: t.control, mapLocals: t.locals,
	}
	for name, m := range maps {
		s := spec.Maps[name]
		s.MaxEntries, s.ValueSize, s.Flags, s.Contents, s.Key, s.Value = m.MaxEntries(), m.ValueSize(), m.Flags(), nil, nil, nil
	}
	if err := t.setConstants(prog.Instructions, v, segment); err != nil {
		return nil, fmt.Errorf("load program %s: %w", v, err)
	}
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: maps})
	if err != nil {
		return nil, fmt.Errorf("load program %s: %w", v, explain(err))
	}
	defer coll.Close()
	return coll.DetachProgram(string(v)), nil
}

// setConstants replaces the immediates that stand for load-time constants in tables.h.
func (t *Tables) setConstants(insns asm.Instructions, v variant, segment int) error {
	values := map[int64]int64{
		0x6d7a0101: int64(segment),
		0x6d7a0102: int64(t.header.area()),
		0x6d7a0103: int64(t.header.size() / rowSize),
		0x6d7a0104: int64(t.header.shift()),
	}
	for i, family := range []uint8{familyIPv4, familyIPv6} {
		tag := [4]byte{2: uint8(segment), 3: family}
		values[0x6d7a0105+int64(i)] = int64(binary.NativeEndian.Uint32(tag[:]))
	}
	for i, m := range t.header.Multiplier {
		values[0x6d7a0001+2*int64(i)] = int64(int32(m))
	}
	found := make(map[int64]bool)
	for i := range insns {
		ins := &insns[i]
		if value, ok := values[ins.Constant]; ok && ins.OpCode.Class().IsALU() && ins.OpCode.Source() == asm.ImmSource {
			found[ins.Constant] = true
			ins.Constant = value
		}
	}
	if v == uploadRaw || v == downloadRaw {
		found[0x6d7a0003] = true // there is no MAC to multiply
	}
	if len(found) != len(values) {
		return fmt.Errorf("object has %d of %d load-time constants: it was built from other sources", len(found), len(values))
	}
	return nil
}
