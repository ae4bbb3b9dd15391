// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"encoding/binary"
	"fmt"
	"unsafe"
)

// Twins of the structs in mezoura.bpf.h. Addresses and MACs are in wire order, all else in the machine's.
const (
	layoutMagic   = 0x4d455a4f
	layoutVersion = 1

	MaxNetworks = 64  // networks of one Tables, over its whole life
	MaxSegments = 64  // layer-2 domains
	MaxPrefixes = 128 // of each family: watched ones, and separately ones that are not the internet
	maxVLANs    = 16
	maxBlocks   = 32 // of each family
	blockSize   = 8
	nameSize    = 32

	familyIPv4 = 4
	familyIPv6 = 6

	reasonCount = 8
	rowSize     = 64
	keySize     = 24
)

type key struct {
	Addr    [16]byte // an IPv4 address in the last four
	MAC     [6]byte
	Segment uint8
	Family  uint8
}

// Traffic is bytes of layer 2 without FCS, and packets as on the wire.
type Traffic struct{ Bytes, Packets uint64 }

type account struct {
	Network  uint8
	Reserved uint8
	Port     uint16
	Print    uint16
	Seen     uint16
	Upload   Traffic
	Download Traffic
}

type row struct {
	Key     key
	Account account
}

type overflowKey struct {
	Key      key
	CPU      uint32
	Reserved uint32
}

type check4 struct{ Addr, Mask [4]byte }

type check6 struct{ Addr, Mask [16]byte } // compared in two pieces of 64 bits

type block4 struct{ Check [blockSize]check4 }

type block6 struct{ Check [blockSize]check6 }

type localKey struct {
	PrefixLen uint32
	Rules     uint8
	Segment   uint8
	VLAN      uint16
	Family    uint32
	Addr      [16]byte
}

const (
	segmentAny = 0xff
	segmentFar = 0xfe
	vlanAny    = 0xffff
)

type segment struct {
	VLANs [maxVLANs]uint16
}

type rules struct {
	Class4, Class6 [256]uint8
	Block4         [maxBlocks]block4
	Block6         [maxBlocks]block6
	Segments       [MaxSegments]segment
}

type header struct {
	Magic, Version               uint32
	CPUs, Slots, Reasons         uint32
	RowSize, KeyOffset           uint32
	AccountOffset, AccountSize   uint32
	NetworkOffset, SeenOffset    uint32
	UploadOffset, DownloadOffset uint32
	OverflowCPUOffset            uint32
	Multiplier                   [6]uint32
	NetworksOffset               uint32
	Generation                   uint32
	Clock                        uint32
	Rules                        uint32
	First                        uint32
	Reserved                     [7]uint32
}

type control struct {
	Header   header
	Suspect4 [256]uint8
	Suspect6 [256]uint8
	Local4   [256]uint8
	Local6   [256]uint8
	Networks [MaxNetworks][nameSize]byte
	Rules    [2]rules
}

// newHeader describes tables of this version.
func newHeader(cpus, slots uint32, multiplier [6]uint32) header {
	var r row
	var k overflowKey
	var c control
	h := header{
		Magic: layoutMagic, Version: layoutVersion,
		CPUs: cpus, Slots: slots, Reasons: reasonCount,
		RowSize:           rowSize,
		KeyOffset:         uint32(unsafe.Offsetof(r.Key)),
		AccountOffset:     uint32(unsafe.Offsetof(r.Account)),
		AccountSize:       uint32(unsafe.Sizeof(r.Account)),
		NetworkOffset:     uint32(unsafe.Offsetof(r.Account.Network)),
		SeenOffset:        uint32(unsafe.Offsetof(r.Account.Seen)),
		UploadOffset:      uint32(unsafe.Offsetof(r.Account.Upload)),
		DownloadOffset:    uint32(unsafe.Offsetof(r.Account.Download)),
		OverflowCPUOffset: uint32(unsafe.Offsetof(k.CPU)),
		Multiplier:        multiplier,
		NetworksOffset:    uint32(unsafe.Offsetof(c.Networks)),
	}
	h.First = h.first(0)
	return h
}

// check tells whether tables with this header can be read, whichever version made them.
func (h *header) check(rows int) error {
	end := func(at, size uint32) uint64 { return uint64(at) + uint64(size) }
	size := 2 * uint64(h.CPUs) * end(h.Reasons, h.Slots) * uint64(h.RowSize)
	switch {
	case h.Magic != layoutMagic:
		return fmt.Errorf("control map begins with %#x, not %#x", h.Magic, uint32(layoutMagic))
	case h.Slots == 0 || h.Slots&(h.Slots-1) != 0 || h.Slots > 1<<20 || h.CPUs == 0 || h.CPUs > 4096 || h.Reasons > 64:
		return fmt.Errorf("%d CPUs, %d slots, %d reasons: out of range", h.CPUs, h.Slots, h.Reasons)
	case h.RowSize == 0 || h.RowSize > 1024 || end(h.KeyOffset, keySize) > uint64(h.RowSize) ||
		end(h.AccountOffset, h.AccountSize) > uint64(h.RowSize):
		return fmt.Errorf("row of %d bytes, key at %d, account of %d at %d: do not fit", h.RowSize, h.KeyOffset, h.AccountSize, h.AccountOffset)
	case end(h.UploadOffset, 16) > uint64(h.AccountSize) || end(h.DownloadOffset, 16) > uint64(h.AccountSize) ||
		end(h.SeenOffset, 2) > uint64(h.AccountSize) || h.NetworkOffset >= h.AccountSize:
		return fmt.Errorf("account of %d bytes: fields lie outside", h.AccountSize)
	case h.UploadOffset%8 != 0 || h.DownloadOffset%8 != 0 || h.AccountOffset%8 != 0 || h.RowSize%8 != 0 || h.SeenOffset%2 != 0:
		return fmt.Errorf("counters are not aligned")
	case uint64(rows) != size:
		return fmt.Errorf("rows take %d bytes, expected %d", rows, size)
	case h.First != h.first(0) && h.First != h.first(1):
		return fmt.Errorf("first row is %d, expected %d or %d", h.First, h.first(0), h.first(1))
	}
	return nil
}

// area is how many rows a CPU has in each half.
func (h *header) area() uint32 { return h.Reasons + h.Slots }

// first is the number of the first host row of a generation.
func (h *header) first(generation uint32) uint32 {
	return generation&1*h.CPUs*h.area() + h.Reasons
}

// size is how many bytes all rows take.
func (h *header) size() int { return 2 * int(h.CPUs*h.area()) * int(h.RowSize) }

// slot is where the program looks for k first; the second place is slot ^ 1.
func (h *header) slot(k *key) uint32 {
	word := func(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }
	tag := [8]byte{k.MAC[0], k.MAC[1], k.MAC[2], k.MAC[3], k.MAC[4], k.MAC[5], k.Segment, k.Family}
	m := &h.Multiplier
	sum := word(k.Addr[12:])*m[0] + word(tag[:4])*m[1] + word(tag[4:])*m[2]
	if k.Family == familyIPv6 {
		sum += word(k.Addr[8:])*m[3] + word(k.Addr[4:])*m[4] + word(k.Addr[:])*m[5]
	}
	return sum >> h.shift()
}

// shift is 32 - log2(slots).
func (h *header) shift() uint32 {
	shift := uint32(32)
	for n := h.Slots; n > 1; n >>= 1 {
		shift--
	}
	return shift
}
