// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"errors"
	"fmt"
	"net/netip"
	"sort"
)

// ErrTooMany is wrapped by errors that say which of the program's fixed bounds was passed.
var ErrTooMany = errors.New("too many")

// Network is what the program knows of a watched network.
type Network struct {
	Name     string         // up to 31 bytes
	Segment  int            // the layer-2 domain whose attachments count it
	VLAN     uint16         // its tag there; 0: untagged, or prefixes tell it apart
	Prefixes []netip.Prefix // of both families
}

// Rules is what is local, and what is not the internet. Watched prefixes are never the internet.
type Rules struct {
	Networks []Network
	Internal []netip.Prefix // not the internet: private, link-local, multicast...
	Own      []netip.Addr   // the router's own addresses, those to the internet too
	Foreign  []netip.Prefix // of networks next to watched ones: not the internet, and nobody misses what is not counted
}

// compile turns r into the program's tables; number gives a network's number.
func (r *Rules) compile(number func(name string) (uint8, error)) (*rules, map[localKey]uint8, error) {
	out := new(rules)
	locals := make(map[localKey]uint8)
	far := append([]netip.Prefix(nil), r.Internal...)
	for _, p := range append(append([]netip.Prefix(nil), r.Internal...), r.Foreign...) {
		if !p.IsValid() {
			return nil, nil, fmt.Errorf("prefix %s is not one of IPv4 or IPv6", p)
		}
	}
	for _, a := range r.Own {
		if !a.IsValid() {
			return nil, nil, errors.New("router's own address: none given")
		}
		a = a.Unmap().WithZone("")
		far = append(far, netip.PrefixFrom(a, a.BitLen()))
	}
	watched := map[int]int{}
	for i := range r.Networks {
		n := &r.Networks[i]
		if n.Segment < 0 || n.Segment >= MaxSegments {
			return nil, nil, fmt.Errorf("network %s: segment %d: %w segments, at most %d", n.Name, n.Segment, ErrTooMany, MaxSegments)
		}
		id, err := number(n.Name)
		if err != nil {
			return nil, nil, err
		}
		if n.VLAN != 0 {
			if err := out.Segments[n.Segment].addVLAN(n.VLAN); err != nil {
				return nil, nil, fmt.Errorf("network %s: %w", n.Name, err)
			}
		}
		for _, p := range n.Prefixes {
			p = p.Masked()
			if !p.IsValid() || p.Addr().Is4In6() {
				return nil, nil, fmt.Errorf("network %s: prefix %s is not one of IPv4 or IPv6", n.Name, p)
			}
			if watched[p.Addr().BitLen()]++; watched[p.Addr().BitLen()] > MaxPrefixes {
				return nil, nil, fmt.Errorf("network %s: %w watched prefixes of one family, at most %d", n.Name, ErrTooMany, MaxPrefixes)
			}
			far = append(far, p)
			k := toLocalKey(p, uint8(n.Segment), n.VLAN)
			setIfAbsent(locals, k, id)
			// Where networks share a prefix on a segment and the tag does not decide, the first is it.
			k.VLAN = vlanAny
			setIfAbsent(locals, k, id)
			k.Segment = segmentAny
			setIfAbsent(locals, k, id)
		}
	}
	for _, p := range r.Foreign {
		p = p.Masked()
		far = append(far, p)
		setIfAbsent(locals, toLocalKey(p, segmentAny, vlanAny), 0)
	}
	return out, locals, out.addChecks(far)
}

func setIfAbsent(m map[localKey]uint8, k localKey, v uint8) {
	if _, ok := m[k]; !ok {
		m[k] = v
	}
}

// setLocal marks the first bytes that addresses of the watched prefixes have.
func setLocal(locals map[localKey]uint8, local4, local6 *[256]uint8) {
	for k := range locals {
		table, first, bits := local6, k.Addr[0], int(k.PrefixLen)-64
		if k.Family == familyIPv4 {
			table, first, bits = local4, k.Addr[12], bits-96
		}
		last := first
		if bits < 8 {
			last |= 0xff >> bits
		}
		for b := int(first); b <= int(last); b++ {
			table[b] = 1
		}
	}
}

func toLocalKey(p netip.Prefix, segment uint8, vlan uint16) localKey {
	k := localKey{Segment: segment, VLAN: vlan, Family: familyIPv6}
	bits := p.Bits()
	if p.Addr().Is4() {
		k.Family = familyIPv4
		bits += 96
		a := p.Addr().As4()
		copy(k.Addr[12:], a[:])
	} else {
		k.Addr = p.Addr().As16()
	}
	k.PrefixLen = uint32(64 + bits)
	return k
}

const (
	classInternal = 1
	classMixed    = 2
)

// addChecks enters what is not the internet: whole first bytes as a class, what is longer in the run of its
// first byte. What a shorter prefix covers is left out.
func (r *rules) addChecks(prefixes []netip.Prefix) error {
	list := make([]netip.Prefix, 0, len(prefixes))
	for _, p := range prefixes {
		list = append(list, p.Masked())
	}
	sort.Slice(list, func(i, j int) bool {
		a, b := list[i], list[j]
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c < 0
		}
		return a.Bits() < b.Bits()
	})
	var last netip.Prefix
	n4, n6 := 0, 0
	for _, p := range list {
		if last.IsValid() && last.Overlaps(p) {
			continue // sorted: last is the shorter one
		}
		last = p
		class, runs, n := &r.Class6, &r.Run6, &n6
		if p.Addr().Is4() {
			class, runs, n = &r.Class4, &r.Run4, &n4
		}
		first, end := firstBytes(p)
		if p.Bits() <= 8 {
			for b := int(first); b <= int(end); b++ {
				class[b] |= classInternal
			}
			continue
		}
		if *n == MaxPrefixes {
			return fmt.Errorf("prefixes and addresses that are not the internet: %w of one family, at most %d", ErrTooMany, MaxPrefixes)
		}
		if class[first]&classMixed == 0 {
			class[first] |= classMixed
			runs[first].First = uint8(*n)
		}
		runs[first].Count++
		if p.Addr().Is4() {
			r.Check4[*n] = toCheck4(p)
		} else {
			r.Check6[*n] = toCheck6(p)
		}
		*n++
	}
	return nil
}

func (s *segment) addVLAN(id uint16) error {
	for i := range s.VLANs {
		switch s.VLANs[i] {
		case id:
			return nil
		case 0:
			s.VLANs[i] = id
			return nil
		}
	}
	return fmt.Errorf("VLAN %d: %w on one bridge, at most %d", id, ErrTooMany, maxVLANs)
}

func firstBytes(p netip.Prefix) (first, last uint8) {
	first = p.Addr().AsSlice()[0]
	if p.Bits() >= 8 {
		return first, first
	}
	return first, first | 0xff>>p.Bits()
}

func toCheck4(p netip.Prefix) (c check4) {
	c.Addr = p.Addr().As4()
	setMask(c.Mask[:], p.Bits())
	return c
}

func toCheck6(p netip.Prefix) (c check6) {
	c.Addr = p.Addr().As16()
	setMask(c.Mask[:], p.Bits())
	return c
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
