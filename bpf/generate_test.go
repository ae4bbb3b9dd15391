// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
)

// generator makes random rules, and packets that have to do with them.
type generator struct {
	*rand.Rand
	rules *Rules
	hook  hook
	ports []int
	near  []netip.Addr // that packets take their sides from, most of the time
	far   []netip.Addr
	macs  [][6]byte
	last  packet
}

func (g *generator) oneIn(n int) bool { return g.IntN(n) == 0 }

func (g *generator) prefix(family int) netip.Prefix {
	if family == 4 {
		bits := 8 + g.IntN(25)
		if g.oneIn(3) {
			bits = g.IntN(33)
		}
		a := [4]byte{byte(g.Uint32()), byte(g.IntN(3)), byte(g.Uint32()), byte(g.Uint32())}
		return netip.PrefixFrom(netip.AddrFrom4(a), bits).Masked()
	}
	bits := []int{48, 56, 60, 64, 64, 64, 127, 128}[g.IntN(8)]
	if g.oneIn(3) {
		bits = g.IntN(129)
	}
	return netip.PrefixFrom(g.addr6(), bits).Masked()
}

func (g *generator) addr6() netip.Addr {
	var a [16]byte
	binary.BigEndian.PutUint64(a[:], g.Uint64())
	a[0] = []byte{0x20, 0x26, 0x2a, 0xfd, 0xfe, 0x00, 0xff, 0x3f}[g.IntN(8)]
	a[1] = byte(g.IntN(3))
	if g.oneIn(2) {
		binary.BigEndian.PutUint64(a[8:], g.Uint64())
	}
	a[15] = byte(g.IntN(4))
	return netip.AddrFrom16(a)
}

// inside is an address of a prefix, on its border every now and then.
func (g *generator) inside(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	fill := g.Uint64()
	switch g.IntN(6) {
	case 0:
		fill = 0
	case 1:
		fill = ^uint64(0)
	}
	for i := range b {
		host := byte(0xff)
		switch bits := p.Bits() - 8*i; {
		case bits >= 8:
			host = 0
		case bits > 0:
			host >>= bits
		}
		b[i] |= byte(fill>>(8*(i%8))) & host
	}
	a, _ := netip.AddrFromSlice(b)
	switch g.IntN(12) { // just outside, perhaps
	case 0:
		a = a.Next()
	case 1:
		a = a.Prev()
	}
	if !a.IsValid() {
		return p.Addr()
	}
	return a
}

// newRules makes rules, and addresses that fit them.
func (g *generator) newRules() {
	r := &Rules{}
	many := 1 + g.IntN(4)
	if g.oneIn(4) {
		many = 40
	}
	for i := range many {
		n := Network{Name: string(rune('a'+i/26)) + string(rune('a'+i%26)), Segment: g.hook.segment}
		if g.oneIn(3) {
			n.Segment = g.IntN(4)
		}
		if g.oneIn(2) {
			n.VLAN = uint16(1 + g.IntN(6))
		}
		for range 1 + g.IntN(3) {
			n.Prefixes = append(n.Prefixes, g.prefix(4+2*g.IntN(2)))
		}
		if i > 0 && g.oneIn(3) { // shared with another network, at times with the same tag
			n.Prefixes = append(n.Prefixes, r.Networks[g.IntN(i)].Prefixes[0])
		}
		r.Networks = append(r.Networks, n)
	}
	if !g.oneIn(4) {
		r.Internal = internals()
	}
	for range g.IntN(40) {
		r.Internal = append(r.Internal, g.prefix(4+2*g.IntN(2)))
	}
	for range g.IntN(3) {
		r.Foreign = append(r.Foreign, g.prefix(4+2*g.IntN(2)))
	}
	r.Networks = g.withoutWhole(r.Networks)
	r.Internal, r.Foreign = short(r.Internal), short(r.Foreign)
	for range g.IntN(6) {
		r.Own = append(r.Own, g.inside(g.anyPrefix(r)))
	}
	g.rules = r

	g.near, g.far = g.near[:0], g.far[:0]
	for range 150 {
		g.near = append(g.near, g.inside(g.anyPrefix(r)))
		g.far = append(g.far, g.inside(g.prefix(4+2*g.IntN(2))))
	}
	for range 40 {
		g.far = append(g.far, g.inside(g.anyPrefix(r)))
	}
	for range 10 {
		g.near = append(g.near, g.addr6(), g.inside(g.prefix(4)))
	}
	g.far = append(g.far, r.Own...)
	for _, a := range []string{"224.0.0.251", "255.255.255.255", "239.1.2.3", "ff02::fb", "::", "0.0.0.0", "::ffff:1.2.3.4"} {
		g.near, g.far = append(g.near, netip.MustParseAddr(a)), append(g.far, netip.MustParseAddr(a))
	}
	g.macs = g.macs[:0]
	for i := range 30 {
		g.macs = append(g.macs, [6]byte{byte(i % 8 * 2), 1, byte(g.Uint32()), 3, 4, byte(i)})
	}
	g.macs = append(g.macs, [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, [6]byte{1, 0, 0x5e, 0, 0, 1})
}

// withoutWhole keeps prefixes that make everything local to one rule set in sixteen.
func (g *generator) withoutWhole(in []Network) []Network {
	if g.oneIn(16) {
		return in
	}
	for i := range in {
		in[i].Prefixes = short(in[i].Prefixes)
		if len(in[i].Prefixes) == 0 {
			in[i].Prefixes = append(in[i].Prefixes, netip.PrefixFrom(g.addr6(), 64).Masked())
		}
	}
	return in
}

func short(in []netip.Prefix) (out []netip.Prefix) {
	for _, p := range in {
		if p.Bits() > 3 {
			out = append(out, p)
		}
	}
	return out
}

func (g *generator) anyPrefix(r *Rules) netip.Prefix {
	n := r.Networks[g.IntN(len(r.Networks))]
	list := n.Prefixes
	switch g.IntN(12) {
	case 0:
		list = r.Internal
	case 1:
		list = r.Foreign
	}
	if len(list) == 0 {
		list = n.Prefixes
	}
	return list[g.IntN(len(list))]
}

func (g *generator) pick(from []netip.Addr, family int) netip.Addr {
	for range 30 {
		if a := from[g.IntN(len(from))]; a.BitLen() == 32 == (family == 4) {
			return a
		}
	}
	return g.inside(g.prefix(family))
}

// packet makes the next one.
func (g *generator) packet() packet {
	p := packet{ifindex: g.ports[g.IntN(len(g.ports))]}
	switch {
	case g.last.frame != nil && g.oneIn(8): // the same once more, by whatever port
		p.frame = g.last.frame
		p.gsoSegs, p.gsoSize = g.last.gsoSegs, g.last.gsoSize
		return p
	case g.oneIn(30): // nothing sensible at all
		p.frame = make([]byte, 14+g.IntN(120))
		for i := range p.frame {
			p.frame[i] = byte(g.Uint32())
		}
	default:
		p.frame = g.frame()
	}
	if g.oneIn(5) {
		p.gsoSize = 1 + g.IntN(1500)
		if !g.oneIn(4) {
			p.gsoSegs = g.IntN(50)
		}
		if g.oneIn(50) {
			p.gsoSegs, p.gsoSize = 65535, 65535
		}
	}
	switch g.IntN(20) {
	case 0: // ends early
		p.frame = p.frame[:14+g.IntN(len(p.frame)-13)]
	case 1, 2: // a byte or some are others
		for range 1 + g.IntN(4) {
			p.frame[g.IntN(min(len(p.frame), 70))] = byte(g.Uint32())
		}
	case 3:
		p.frame[g.IntN(min(len(p.frame), 70))] ^= 1 << g.IntN(8)
	}
	if !runnable(p.frame) {
		if g.hook.raw() {
			p.frame = append(p.frame, make([]byte, 54)...)
		} else { // with a tag it may end where it does
			p.frame = append(append(append([]byte(nil), p.frame[:12]...), 0x81, 0, 0, byte(g.IntN(9))), p.frame[12:]...)
		}
	}
	g.last = p
	return p
}

// runnable tells whether the kernel lets a program be run on a frame: newer ones refuse what says that it is IP and
// is no whole header. Such frames come over a wire in the attach tests.
func runnable(f []byte) bool {
	switch {
	case len(f) < 14:
		return false
	case f[12] == 0x08 && f[13] == 0x00:
		return len(f) >= 14+20
	case f[12] == 0x86 && f[13] == 0xdd:
		return len(f) >= 14+40
	}
	return true
}

// frame is one that could be.
func (g *generator) frame() []byte {
	family := 4 + 2*g.IntN(2)
	near, far := g.pick(g.near, family), g.pick(g.far, family)
	mac := g.macs[g.IntN(len(g.macs))]
	if g.oneIn(4) { // towards the wrong side
		near, far = far, near
	}
	var f []byte
	if !g.hook.raw() {
		other := [6]byte{2, 9, 9, 9, 9, 9}
		if g.hook.download() {
			f = append(append(f, mac[:]...), other[:]...)
		} else {
			f = append(append(f, other[:]...), mac[:]...)
		}
		if g.oneIn(3) {
			for range 1 + g.IntN(3) {
				f = binary.BigEndian.AppendUint16(f, []uint16{0x8100, 0x8100, 0x88a8}[g.IntN(3)])
				f = binary.BigEndian.AppendUint16(f, uint16(g.IntN(8))<<13|uint16(g.IntN(9)))
			}
		}
		proto := []uint16{0x0800, 0x86dd}[family/2-2]
		if g.oneIn(25) {
			proto = []uint16{0x0806, 0x88cc, 0x8864, 0x0004, 0x0800, 0x86dd}[g.IntN(6)]
		}
		f = binary.BigEndian.AppendUint16(f, proto)
	}
	src, dst := near, far
	if g.hook.download() {
		src, dst = far, near
	}
	return g.ip(f, family, src, dst, 0)
}

func (g *generator) ip(f []byte, family int, src, dst netip.Addr, depth int) []byte {
	proto := []byte{6, 6, 17, 17, 1, 58, 47, 50, 132}[g.IntN(9)]
	if depth < 2 && g.oneIn(12) {
		proto = []byte{4, 41}[g.IntN(2)]
	}
	if family == 4 {
		options := 0
		if g.oneIn(4) {
			options = 4 * g.IntN(11)
		}
		ip := make([]byte, 20+options)
		ip[0] = byte(0x45 + options/4)
		binary.BigEndian.PutUint32(ip[4:], g.Uint32())
		if g.oneIn(8) {
			binary.BigEndian.PutUint16(ip[6:], uint16(g.IntN(0x4000)))
		}
		ip[8], ip[9] = 64, proto
		copy(ip[12:], src.AsSlice())
		copy(ip[16:], dst.AsSlice())
		f = append(f, ip...)
	} else {
		ip := make([]byte, 40)
		binary.BigEndian.PutUint32(ip, 0x60000000|g.Uint32()>>4)
		ip[7] = 64
		copy(ip[8:], src.AsSlice())
		copy(ip[24:], dst.AsSlice())
		at := len(f) + 6
		f = append(f, ip...)
		if g.oneIn(4) {
			for range g.IntN(9) {
				ext := make([]byte, 8*(1+g.IntN(3)))
				f[at] = []byte{0, 43, 60, 60, 44}[g.IntN(5)]
				ext[1] = byte(len(ext)/8 - 1)
				at = len(f)
				f = append(f, ext...)
			}
		}
		f[at] = proto
	}
	switch proto {
	case 4:
		return g.ip(f, 4, g.inside(g.prefix(4)), g.inside(g.prefix(4)), depth+1)
	case 41:
		return g.ip(f, 6, g.addr6(), g.addr6(), depth+1)
	case 6:
		tcp := make([]byte, 20+4*g.IntN(11))
		binary.BigEndian.PutUint64(tcp[4:], g.Uint64())
		tcp[12] = byte(len(tcp) / 4 << 4)
		f = append(f, tcp...)
	default:
		udp := make([]byte, 8)
		binary.BigEndian.PutUint64(udp, g.Uint64())
		f = append(f, udp...)
	}
	payload := g.IntN(32)
	if g.oneIn(16) {
		payload = g.IntN(1400)
	}
	start := len(f)
	f = append(f, make([]byte, payload)...)
	for i := start; i < len(f) && i < start+8; i++ {
		f[i] = byte(g.Uint32())
	}
	if len(f) < 14 {
		f = append(f, make([]byte, 14)...)
	}
	return f
}
