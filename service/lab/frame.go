// SPDX-License-Identifier: GPL-2.0-only

package lab

import (
	"encoding/binary"
	"net/netip"
)

const (
	etherIPv4, etherIPv6    = 0x0800, 0x86dd
	etherVLAN, etherService = 0x8100, 0x88a8

	protoTCP, protoUDP = 6, 17
)

// frame is what the meter needs of a packet.
type frame struct {
	ip       bool
	src, dst netip.Addr
	headers  int // bytes of all headers up to the payload; 0 when not known
}

// dissect reads the start of a packet: an Ethernet frame, or with raw a bare IP packet. It is written apart from the
// classifier, to judge it.
func dissect(b []byte, raw bool) frame {
	var f frame
	at, kind := 0, 0
	if raw {
		if len(b) > 0 {
			kind = map[byte]int{4: etherIPv4, 6: etherIPv6}[b[0]>>4]
		}
	} else {
		if len(b) < 14 {
			return f
		}
		at, kind = 14, int(binary.BigEndian.Uint16(b[12:]))
		for (kind == etherVLAN || kind == etherService) && len(b) >= at+4 {
			kind = int(binary.BigEndian.Uint16(b[at+2:]))
			at += 4
		}
	}
	protocol := -1
	switch {
	case kind == etherIPv4 && len(b) >= at+20:
		f.ip = true
		f.src, _ = netip.AddrFromSlice(b[at+12 : at+16])
		f.dst, _ = netip.AddrFromSlice(b[at+16 : at+20])
		protocol = int(b[at+9])
		if binary.BigEndian.Uint16(b[at+6:])&0x1fff != 0 {
			protocol = -1 // a later fragment has no transport header
		}
		at += int(b[at]&0xf) * 4
	case kind == etherIPv6 && len(b) >= at+40:
		f.ip = true
		f.src, _ = netip.AddrFromSlice(b[at+8 : at+24])
		f.dst, _ = netip.AddrFromSlice(b[at+24 : at+40])
		protocol = int(b[at+6])
		at += 40
		for (protocol == 0 || protocol == 43 || protocol == 60) && len(b) >= at+8 { // hop-by-hop, routing, destination
			protocol, at = int(b[at]), at+8+int(b[at+1])*8
		}
	}
	switch {
	case protocol == protoTCP && len(b) >= at+20:
		f.headers = at + int(b[at+12]>>4)*4
	case protocol == protoUDP && len(b) >= at+8:
		f.headers = at + 8
	}
	return f
}
