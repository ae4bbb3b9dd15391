// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"encoding/binary"
	"net/netip"
)

// frameUDP is an Ethernet frame with a UDP datagram of 64 bytes. The MACs come from the last bytes of the addresses; tags go outermost first.
func frameUDP(from, to string, tags []uint16) []byte {
	src, dst := netip.MustParseAddr(from), netip.MustParseAddr(to)
	mac := func(a netip.Addr) []byte {
		b := a.AsSlice()
		return []byte{2, 0, 0, 0, b[len(b)-2], b[len(b)-1]}
	}
	var f []byte
	f = append(append(f, mac(dst)...), mac(src)...)
	for i, tag := range tags {
		proto := uint16(0x8100)
		if i+1 < len(tags) {
			proto = 0x88a8
		}
		f = binary.BigEndian.AppendUint16(f, proto)
		f = binary.BigEndian.AppendUint16(f, tag)
	}
	const payload = 64
	if src.Is4() {
		f = append(f, 8, 0)
		ip := make([]byte, 20)
		ip[0], ip[8], ip[9] = 0x45, 64, 17
		binary.BigEndian.PutUint16(ip[2:], 28+payload)
		copy(ip[12:], src.AsSlice())
		copy(ip[16:], dst.AsSlice())
		f = append(f, ip...)
	} else {
		f = append(f, 0x86, 0xdd)
		ip := make([]byte, 40)
		ip[0], ip[6], ip[7] = 0x60, 17, 64
		binary.BigEndian.PutUint16(ip[4:], 8+payload)
		copy(ip[8:], src.AsSlice())
		copy(ip[24:], dst.AsSlice())
		f = append(f, ip...)
	}
	udp := make([]byte, 8+payload)
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	return append(f, udp...)
}
