// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
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

// compile turns r into the program's tables, and the trie of prefixes; number gives a network's number.
func (r *Rules) compile(number func(name string) (uint8, error)) (*rules, map[localKey]uint8, error) {
	out := new(rules)
	locals := make(map[localKey]uint8)
	var near, own []netip.Prefix
	for _, p := range slices.Concat(r.Internal, r.Foreign) {
		if !p.IsValid() {
			return nil, nil, fmt.Errorf("prefix %s is not one of IPv4 or IPv6", p)
		}
	}
	for _, a := range r.Own {
		if !a.IsValid() {
			return nil, nil, errors.New("router's own address: none given")
		}
		a = a.Unmap().WithZone("")
		own = append(own, netip.PrefixFrom(a, a.BitLen()))
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
			near = append(near, p)
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
		setIfAbsent(locals, toLocalKey(p, segmentAny, vlanAny), 0)
	}
	// What most packets that are not counted go to is looked at first.
	far := slices.Concat(near, r.Foreign, r.Internal, own)
	return out, locals, out.addFar(far, locals)
}

func setIfAbsent(m map[localKey]uint8, k localKey, v uint8) {
	if _, ok := m[k]; !ok {
		m[k] = v
	}
}

// setLocal marks the first bytes that addresses of the watched prefixes have.
func setLocal(locals map[localKey]uint8, local4, local6 *[256]uint8) {
	for k := range locals {
		if k.Segment == segmentFar {
			continue
		}
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
