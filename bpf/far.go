// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"fmt"
	"net/netip"
	"slices"
)

// What the first byte of a far address says of it, as in mezoura.bpf.h.
const (
	classInternal = 1
	classAsk      = 2
	classBlock    = 0x80
)

// addFar enters what is not the internet: whole first bytes as a class, what is longer into a block of its first
// byte, in the order given, or into the trie where no block has room.
func (r *rules) addFar(prefixes []netip.Prefix, trie map[localKey]uint8) error {
	longer := map[netip.Prefix][]netip.Prefix{} // by first byte
	var firsts []netip.Prefix                   // in the order of their appearance
	count := map[int]int{}
	for _, p := range widest(prefixes) {
		if p.Bits() <= 8 {
			class := r.class(p.Addr())
			first := p.Addr().AsSlice()[0]
			for b := int(first); b <= int(first|0xff>>p.Bits()); b++ {
				class[b] = classInternal
			}
			continue
		}
		if count[p.Addr().BitLen()]++; count[p.Addr().BitLen()] > MaxPrefixes {
			return fmt.Errorf("prefixes and addresses that are not the internet: %w of one family, at most %d", ErrTooMany, MaxPrefixes)
		}
		first := netip.PrefixFrom(p.Addr(), 8).Masked()
		if longer[first] == nil {
			firsts = append(firsts, first)
		}
		longer[first] = append(longer[first], p)
	}
	blocks := map[int]int{}
	for _, first := range firsts {
		family, list := first.Addr().BitLen(), longer[first]
		class := &r.class(first.Addr())[first.Addr().AsSlice()[0]]
		if len(list) <= blockSize && blocks[family] < maxBlocks {
			*class = classBlock | uint8(blocks[family])
			r.setBlock(blocks[family], list)
			blocks[family]++
			continue
		}
		*class = classAsk
		for _, p := range list {
			trie[toLocalKey(p, segmentFar, vlanAny)] = 0
		}
	}
	return nil
}

// widest replaces each prefix by the shortest that covers it, and leaves out what is there already.
func widest(prefixes []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range prefixes {
		for _, q := range prefixes {
			if q.Bits() < p.Bits() && q.Overlaps(p) {
				p = q
			}
		}
		if p = p.Masked(); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

func (r *rules) class(a netip.Addr) *[256]uint8 {
	if a.Is4() {
		return &r.Class4
	}
	return &r.Class6
}

// setBlock fills a block with the prefixes of one first byte.
func (r *rules) setBlock(n int, list []netip.Prefix) {
	for i, p := range list {
		if p.Addr().Is4() {
			c := &r.Block4[n].Check[i]
			c.Addr = p.Addr().As4()
			setMask(c.Mask[:], p.Bits())
		} else {
			c := &r.Block6[n].Check[i]
			c.Addr = p.Addr().As16()
			setMask(c.Mask[:], p.Bits())
		}
	}
}

func setMask(mask []byte, bits int) {
	for i := range mask {
		switch {
		case bits >= 8:
			mask[i] = 0xff
		case bits > 0:
			mask[i] = ^byte(0xff >> bits)
		}
		bits -= 8
	}
}
