// SPDX-License-Identifier: GPL-2.0-only

package networks

import (
	"net/netip"
	"slices"

	"github.com/mezoura/mezoura/service/links"
)

const (
	// Routes wider than this are meant for everything, not for the hosts of a network.
	minRouteBits4, minRouteBits6 = 8, 16
	// reservedChecks is room that is left for the configured list of internal prefixes among
	// all that is not the internet.
	reservedChecks = 24
)

// prefixes gives each network its prefixes. Where two want the same, what was named goes
// before what was found, and the first before the second.
func (r *resolver) prefixes(source Source) {
	for _, n := range r.networks {
		for _, d := range n.declared {
			for _, p := range d.Prefixes {
				r.claim(n, p, true)
			}
		}
	}
	for _, n := range r.networks {
		follow := false
		for _, d := range n.declared {
			follow = follow || d.Follow
		}
		for _, l := range n.devices {
			if follow {
				for _, p := range linkPrefixes(l) {
					r.claim(n, p, false)
				}
			}
			for _, d := range n.declared {
				for _, p := range d.Routes {
					if l.RawIP && !wide(p) {
						r.claim(n, p, false)
					}
				}
			}
		}
	}
	for _, p := range source.Prefixes6 {
		r.everywhere(p)
	}
	r.bound()
	for _, n := range r.networks {
		if len(n.Prefixes) == 0 && len(n.devices) > 0 {
			r.warn("Network %s has no addresses on %s, so nothing is counted there.", n.Name, n.Device)
		}
	}
}

// claim gives a prefix to a network, unless another of the segment has it and nothing would
// tell the two apart.
func (r *resolver) claim(n *network, p netip.Prefix, named bool) bool {
	p, ok := normal(p)
	if !ok {
		return false
	}
	if slices.Contains(n.Prefixes, p) {
		return true
	}
	for _, m := range r.networks {
		if m == n || m.Segment != n.Segment || !slices.Contains(m.Prefixes, p) {
			continue
		}
		if m.VLAN == n.VLAN {
			if named {
				r.warn("Networks %s and %s both have %s on the same devices; it is counted under %s.", m.Name, n.Name, p, m.Name)
			}
			return false
		}
		r.warn("Networks %s and %s both have %s on the same devices; only VLAN tags tell them apart.", m.Name, n.Name, p)
	}
	n.Prefixes = append(n.Prefixes, p)
	return true
}

// everywhere gives a prefix without a device to every segment: there to the networks that
// have an address in it, or to all.
func (r *resolver) everywhere(p netip.Prefix) {
	p, ok := normal(p)
	if !ok {
		return
	}
	have := map[int]bool{} // segments
	inside := func(n *network) bool {
		return slices.ContainsFunc(n.devices, func(l links.Link) bool {
			return slices.ContainsFunc(l.Addrs, func(a netip.Prefix) bool { return p.Contains(a.Addr()) })
		})
	}
	for _, n := range r.networks {
		have[n.Segment] = have[n.Segment] || inside(n)
	}
	type place struct {
		segment int
		vlan    uint16
	}
	taken := map[place]bool{}
	for _, n := range r.networks {
		at := place{n.Segment, n.VLAN}
		if taken[at] || (have[n.Segment] && !inside(n)) {
			continue
		}
		taken[at] = true
		if !slices.Contains(n.Prefixes, p) {
			n.Prefixes = append(n.Prefixes, p)
		}
	}
}

// bound cuts what the classifier has no room for, the last networks' first.
func (r *resolver) bound() {
	count := map[bool]int{}
	dropped := map[bool]int{}
	for _, n := range r.networks {
		n.Prefixes = slices.DeleteFunc(n.Prefixes, func(p netip.Prefix) bool {
			v4 := p.Addr().Is4()
			if count[v4] == MaxPrefixes {
				dropped[v4]++
				return true
			}
			count[v4]++
			return false
		})
	}
	for _, v4 := range []bool{true, false} {
		if dropped[v4] > 0 {
			r.warn("Only %d %s prefixes can be counted; %d more are left out. A prefix that covers many may be named instead.",
				MaxPrefixes, familyName(v4), dropped[v4])
		}
	}
}

// notInternet fills in Own and Internal, within what room the watched prefixes leave.
func (r *resolver) notInternet(p *Plan, internal []netip.Prefix) {
	room := map[bool]int{true: MaxPrefixes - reservedChecks, false: MaxPrefixes - reservedChecks}
	for _, n := range p.Networks {
		for _, q := range n.Prefixes {
			if !q.Addr().IsPrivate() { // private ones need none: a wider prefix covers them
				room[q.Addr().Is4()]--
			}
		}
	}
	fits := func(a netip.Addr) bool {
		if a.IsPrivate() {
			return true
		}
		room[a.Is4()]--
		return room[a.Is4()] >= 0
	}
	var list []netip.Prefix
	for _, q := range internal {
		if q, ok := normal(q); ok {
			list = append(list, q)
		}
	}
	left := 0
	for _, q := range sortedPrefixes(list) {
		if fits(q.Addr()) {
			p.Internal = append(p.Internal, q)
		} else {
			left++
		}
	}
	var own []netip.Addr
	for _, l := range r.table.Links() {
		for _, q := range l.Addrs {
			if a := q.Addr().Unmap().WithZone(""); !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsUnspecified() {
				own = append(own, a)
			}
		}
	}
	slices.SortFunc(own, netip.Addr.Compare)
	for _, a := range slices.Compact(own) {
		if fits(a) {
			p.Own = append(p.Own, a)
		} else {
			left++
		}
	}
	if left > 0 {
		r.warn("The router has too many public addresses and prefixes; %d of them are taken for the internet.", left)
	}
}

// linkPrefixes are the prefixes that hosts on a device may have, as its addresses tell.
func linkPrefixes(l links.Link) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range l.Addrs {
		// An address alone is the router's, and nobody else's.
		if p, ok := normal(p); ok && !p.IsSingleIP() && global(p.Addr()) {
			out = append(out, p)
		}
	}
	for _, p := range l.Peers {
		if p, ok := normal(p); ok && global(p.Addr()) && p.Bits() > 0 {
			out = append(out, p)
		}
	}
	return sortedPrefixes(out)
}

// global leaves out what hosts use among themselves only.
func global(a netip.Addr) bool {
	return !a.IsLinkLocalUnicast() && !a.IsLoopback() && !a.IsMulticast() && !a.IsUnspecified()
}

func wide(p netip.Prefix) bool {
	if p.Addr().Unmap().Is4() {
		return p.Bits() < minRouteBits4
	}
	return p.Bits() < minRouteBits6
}

// normal masks a prefix and takes IPv4 out of IPv6. The prefix of everything is none.
func normal(p netip.Prefix) (netip.Prefix, bool) {
	a, bits := p.Addr(), p.Bits()
	if a.Is4In6() {
		a, bits = a.Unmap(), bits-96
	}
	p = netip.PrefixFrom(a.WithZone(""), bits).Masked()
	return p, p.IsValid() && p.Bits() > 0
}

func sortedPrefixes(list []netip.Prefix) []netip.Prefix {
	slices.SortFunc(list, comparePrefix)
	return slices.Compact(list)
}

func comparePrefix(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}

func familyName(v4 bool) string {
	if v4 {
		return "IPv4"
	}
	return "IPv6"
}
