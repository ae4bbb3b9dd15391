// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// FuzzHeader: whatever an earlier daemon, or whoever else may write to its pins, has put in front of its tables, a header
// that passes leads nowhere but into them.
func FuzzHeader(f *testing.F) {
	add := func(h header) {
		var b bytes.Buffer
		if err := binary.Write(&b, binary.NativeEndian, &h); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes(), uint32(h.size()))
	}
	for _, slots := range []uint32{256, 4096} {
		for _, cpus := range []uint32{1, 2, 64} {
			add(newHeader(cpus, slots, [6]uint32{1, 3, 5, 7, 9, 11}))
		}
	}
	odd := newHeader(2, 256, [6]uint32{})
	odd.AccountOffset, odd.UploadOffset = 1<<32-8, 1<<32-16
	add(odd)
	f.Fuzz(func(t *testing.T, data []byte, rows uint32) {
		var h header
		if binary.Read(bytes.NewReader(data), binary.NativeEndian, &h) != nil || h.check(int(rows)) != nil {
			return
		}
		for _, generation := range []uint32{0, 1} {
			first := uint64(h.first(generation))
			if first < uint64(h.Reasons) {
				t.Fatalf("%+v: the reasons' rows lie in front of the first", h)
			}
			last := first + uint64(h.CPUs-1)*uint64(h.area()) + uint64(h.Slots) - 1
			for _, field := range []uint64{uint64(h.KeyOffset) + keySize, uint64(h.AccountOffset) + uint64(h.UploadOffset) + 16,
				uint64(h.AccountOffset) + uint64(h.DownloadOffset) + 16, uint64(h.AccountOffset) + uint64(h.SeenOffset) + 2,
				uint64(h.AccountOffset) + uint64(h.NetworkOffset) + 1} {
				if end := last*uint64(h.RowSize) + field; end > uint64(rows) {
					t.Fatalf("%+v: byte %d of %d", h, end, rows)
				}
			}
		}
		if slot := h.slot(&key{Family: familyIPv4}); slot >= h.Slots {
			t.Fatalf("%+v: slot %d", h, slot)
		}
	})
}
