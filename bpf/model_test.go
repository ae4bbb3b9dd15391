// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"encoding/binary"
	"net/netip"
)

// The model says in plain Go what the classifier shall count. It is written from the rules, not from the C: it knows
// nothing of rows, hashes, first bytes or fast paths, and looks at prefixes one after the other.

// packet is what a program is given: a frame, and what the kernel says of it.
type packet struct {
	frame   []byte
	ifindex int // the device that a download leaves by
	gsoSegs int
	gsoSize int
}

// hook is where a program is attached.
type hook struct {
	variant variant
	segment int
}

func (h hook) download() bool {
	return h.variant == download || h.variant == downloadPort || h.variant == downloadRaw
}
func (h hook) raw() bool { return h.variant == uploadRaw || h.variant == downloadRaw }

// verdict is what becomes of a packet.
type verdict int

const (
	uncounted verdict = iota
	counted
	unattributed
)

// outcome is what one packet adds, and where.
type outcome struct {
	verdict verdict
	host    hostKey
	network string
	reason  Reason
	traffic Traffic
	print   uint16
	near    netip.Addr
}

// hostKey is one address of one host on one segment.
type hostKey struct {
	addr    netip.Addr
	mac     [6]byte
	segment int
}

// classify follows the rules for one packet, whatever was counted before.
func classify(r *Rules, h hook, p packet) outcome {
	f := p.frame
	at, vlan := 0, 0
	var mac [6]byte
	var version byte
	if h.raw() {
		if len(f) == 0 {
			return outcome{}
		}
		version = f[0] >> 4
	} else {
		if len(f) < 14 {
			return outcome{}
		}
		copy(mac[:], f[6:12])
		if h.download() {
			copy(mac[:], f[0:6])
		}
		at = 12
		tags := 0
		for ; tags < 2; tags++ {
			if len(f) < at+2 {
				return outcome{}
			}
			if t := binary.BigEndian.Uint16(f[at:]); t != 0x8100 && t != 0x88a8 {
				break
			}
			if len(f) < at+6 {
				return outcome{}
			}
			if tags == 0 {
				vlan = int(binary.BigEndian.Uint16(f[at+2:]) & 0xfff)
			}
			at += 4
		}
		switch binary.BigEndian.Uint16(f[at:]) {
		case 0x0800:
			version = 4
		case 0x86dd:
			version = 6
		}
		at += 2
	}
	ip := f[at:]

	var source, target netip.Addr
	switch {
	case version == 4 && len(ip) >= 20 && ip[0]>>4 == 4:
		source, target = netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20]))
	case version == 6 && len(ip) >= 40 && ip[0]>>4 == 6:
		source, target = netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40]))
	default:
		return outcome{}
	}
	near, far := source, target
	if h.download() {
		near, far = target, source
	}
	if !internet(r, far) {
		return outcome{}
	}

	if vlan != 0 && !tagIsKnown(r, h.segment, vlan) {
		return outcome{}
	}

	o := outcome{traffic: onTheWire(p, at, version), print: printOf(ip, version), near: near}
	network, where := networkOf(r, h.segment, vlan, near)
	group := !h.raw() && mac[0]&1 != 0
	switch {
	case where == elsewhere:
		return outcome{}
	case where == nowhere && h.download() && toMany(near), where == here && group && h.download():
		o.verdict, o.reason = unattributed, Multicast
	case where == nowhere:
		o.verdict, o.reason = unattributed, NoPrefix
	case group:
		o.verdict, o.reason = unattributed, Malformed
	default:
		o.verdict, o.network = counted, network
		o.host = hostKey{near, mac, h.segment}
	}
	return o
}

// toMany tells whether an address is a group's, or everybody's. Not IsMulticast: to that ::ffff:224.0.0.1 is one.
func toMany(a netip.Addr) bool {
	if a.Is4() {
		return a.As4()[0] >= 224
	}
	return a.As16()[0] == 0xff
}

// contains is Prefix.Contains that does not take ::ffff:0:0/96 for IPv4.
func contains(p netip.Prefix, a netip.Addr) bool {
	return p.Addr().BitLen() == a.BitLen() && p.Contains(a)
}

// internet tells whether an address is on the internet.
func internet(r *Rules, a netip.Addr) bool {
	for _, list := range [][]netip.Prefix{r.Internal, r.Foreign} {
		for _, p := range list {
			if contains(p, a) {
				return false
			}
		}
	}
	for _, own := range r.Own {
		if own == a {
			return false
		}
	}
	for i := range r.Networks {
		for _, p := range r.Networks[i].Prefixes {
			if contains(p, a) {
				return false
			}
		}
	}
	return true
}

type place int

const (
	nowhere   place = iota
	here            // in a watched network of the segment
	elsewhere       // in one of another segment, or in a foreign prefix
)

// networkOf finds the network of a near address. Networks of the segment with the frame's tag come first, then
// those of the segment; among them the longest prefix, and of equal ones the first.
func networkOf(r *Rules, segment, vlan int, a netip.Addr) (string, place) {
	at := nowhere
	best, bits, tagged := "", -1, false
	for i := range r.Networks {
		n := &r.Networks[i]
		for _, p := range n.Prefixes {
			if !contains(p, a) {
				continue
			}
			if n.Segment != segment {
				if at == nowhere {
					at = elsewhere
				}
				continue
			}
			at = here
			match := int(n.VLAN) == vlan
			switch {
			case match && !tagged, match == tagged && p.Bits() > bits:
				best, bits, tagged = n.Name, p.Bits(), match
			}
		}
	}
	for _, p := range r.Foreign {
		if at == nowhere && contains(p, a) {
			at = elsewhere
		}
	}
	return best, at
}

// tagIsKnown tells whether a network of the segment has the tag.
func tagIsKnown(r *Rules, segment, vlan int) bool {
	for i := range r.Networks {
		if r.Networks[i].Segment == segment && int(r.Networks[i].VLAN) == vlan {
			return true
		}
	}
	return false
}

// onTheWire is what a packet was, or will be, on the wire: the segments of a super-packet all have its headers.
func onTheWire(p packet, at int, version byte) Traffic {
	length := len(p.frame)
	if p.gsoSize == 0 {
		return Traffic{Bytes: uint64(length), Packets: 1}
	}
	headers := headersOf(p.frame, at, version)
	segments := p.gsoSegs
	if segments == 0 && length > headers { // not counted by whoever made it
		for rest := length - headers; rest > 0; rest -= p.gsoSize {
			segments++
		}
	}
	segments = max(segments, 1)
	return Traffic{Bytes: uint64(length + (segments-1)*headers), Packets: uint64(segments)}
}

// headersOf is the length of the headers down to TCP's or UDP's. Where one of them is not whole, it ends there, and
// so it does after four: no system makes super-packets with more.
func headersOf(f []byte, at int, version byte) int {
	const tcp, udp, ip4in, ip6in = 6, 17, 4, 41
	next := byte(ip4in)
	if version == 6 {
		next = ip6in
	}
	for range 4 {
		rest := 0
		if at < len(f) {
			rest = len(f) - at
		}
		switch {
		case next == ip4in && rest >= 10:
			next, at = f[at+9], at+int(f[at]&15)*4
		case next == ip6in && rest >= 7:
			next, at = f[at+6], at+40
		case (next == 0 || next == 43 || next == 60) && rest >= 2:
			next, at = f[at], at+8*(int(f[at+1])+1)
		case next == tcp && rest >= 13:
			return at + int(f[at+12]>>4)*4
		case next == udp:
			return at + 8
		default:
			return at
		}
	}
	return at
}

// printOf is by what a copy of a download is known again: of IPv4 the ID and fragment offset, and of the layer above
// bytes 4 to 7, and 8 to 11 shifted by one; of IPv6 those alone. What a short packet lacks counts as nothing; for a short
// IPv6 packet it is its first eight bytes.
func printOf(ip []byte, version byte) uint16 {
	words := []int{4}
	switch {
	case version == 4 && len(ip) >= 32:
		words = []int{4, 24, 28}
	case version == 6 && len(ip) >= 52:
		words = []int{44, 48}
	case version == 6:
		words = []int{0, 4}
	}
	var print uint32
	for i, w := range words {
		word := binary.NativeEndian.Uint32(ip[w:])
		if i > 0 && i == len(words)-1 {
			word <<= 1
		}
		print ^= word
	}
	return uint16(print) ^ uint16(print>>16)
}

// book is the model's memory: what has been counted.
type book struct {
	rules   *Rules
	clock   uint32
	hosts   map[hostKey]*account2
	reasons [Reasons]account2
}

// account2 is what the model keeps of a host, or of a reason.
type account2 struct {
	network          string
	upload, download Traffic
	port             int
	print            uint16
	near             netip.Addr // of a reason, which is of many hosts
	seen             uint32
}

func newBook(r *Rules) *book { return &book{rules: r, hosts: map[hostKey]*account2{}} }

// count counts a packet.
func (b *book) count(h hook, p packet) {
	o := classify(b.rules, h, p)
	var a *account2
	switch o.verdict {
	case uncounted:
		return
	case unattributed:
		a = &b.reasons[o.reason]
	case counted:
		if a = b.hosts[o.host]; a == nil {
			a = &account2{network: o.network} // an address stays with the network it began in
			b.hosts[o.host] = a
		}
	}
	if h.variant == downloadPort {
		// A frame that a bridge floods leaves by each port in turn. It counts where it leaves first.
		if a.port != 0 && a.port != p.ifindex && a.print == o.print && b.clock-a.seen <= 1 &&
			(o.verdict == counted || a.near == o.near) {
			return
		}
		a.port, a.print, a.near = p.ifindex, o.print, o.near
	}
	a.seen = b.clock
	to := &a.upload
	if h.download() {
		to = &a.download
	}
	to.Bytes += o.traffic.Bytes
	to.Packets += o.traffic.Packets
}
