// SPDX-License-Identifier: GPL-2.0-only

package hosts

import (
	"cmp"
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/config"
)

// entry is a name and how good it is: first the priority of its source, then how
// sure it is that the host is meant.
type entry struct {
	name   string
	source string
	rank   int // less is better
}

// How sure it is, within one source.
const (
	byMAC    = iota // the source names the MAC
	byAddr          // it names the address
	byDUID          // it names a DUID that holds the address
	derived         // the DUID contains the MAC, or the address ends in the host's id
	certains        // how many there are
)

// index answers for all sources at once. It is immutable.
type index struct {
	macs     map[account.MAC]entry
	addrs    map[netip.Addr]entry // of records that name no MAC
	leased   map[netip.Addr]entry // of records that do: only where there is no MAC to compare
	suffixes map[uint64]entry     // low half of IPv6 addresses
	devices  map[account.MAC]account.MAC
}

// newIndex merges what the sources say. Records of expired leases still name
// their MAC, but no longer the address, which may be another's by now.
func newIndex(priority []string, aliases []config.Alias, sources map[string][]record, now int64) *index {
	x := &index{
		macs:     make(map[account.MAC]entry),
		addrs:    make(map[netip.Addr]entry),
		leased:   make(map[netip.Addr]entry),
		suffixes: make(map[uint64]entry),
		devices:  make(map[account.MAC]account.MAC),
	}
	leases := make(map[string][]netip.Addr) // by DUID
	for _, list := range sources {
		for _, r := range list {
			if r.duid != "" && !r.expired(now) {
				leases[r.duid] = append(leases[r.duid], r.addrs...)
			}
		}
	}
	for i, source := range priority {
		at := func(name string, sure int) entry { return entry{name, source, i*certains + sure} }
		if source == config.NamesAlias {
			for _, a := range aliases {
				for _, mac := range a.MACs {
					better(x.macs, account.MAC(mac), at(Clean(a.Name), byMAC))
					x.devices[account.MAC(mac)] = account.MAC(a.MACs[0])
				}
			}
			continue
		}
		list := slices.Clone(sources[source])
		// Of two leases the one that ends later is the newer.
		slices.SortStableFunc(list, func(a, b record) int { return cmp.Compare(b.end(), a.end()) })
		for _, r := range list {
			if r.name != "" {
				x.add(r, leases, at, now)
			}
		}
	}
	return x
}

func (x *index) add(r record, leases map[string][]netip.Addr, at func(string, int) entry, now int64) {
	for _, mac := range r.macs {
		better(x.macs, mac, at(r.name, byMAC))
	}
	if !r.expired(now) {
		addrs := x.addrs
		if len(r.macs) > 0 {
			addrs = x.leased
		}
		for _, addr := range r.addrs {
			better(addrs, addr, at(r.name, byAddr))
		}
	}
	if r.duid != "" {
		for _, addr := range leases[r.duid] {
			better(x.addrs, addr, at(r.name, byDUID))
		}
		if mac, ok := duidMAC(r.duid); ok {
			better(x.macs, mac, at(r.name, derived))
		}
	}
	if r.suffix != 0 && len(r.macs) == 0 {
		better(x.suffixes, r.suffix, at(r.name, derived))
	}
}

func (r *record) expired(now int64) bool { return r.expires != 0 && r.expires < now }

// end is when a lease ends; a record that is none never does.
func (r *record) end() int64 {
	if r.expires == 0 {
		return 1<<63 - 1
	}
	return r.expires
}

func better[K comparable](m map[K]entry, key K, e entry) {
	if old, ok := m[key]; !ok || e.rank < old.rank {
		m[key] = e
	}
}

// find is the best name of a host: by its MAC, the address given, and those the
// neighbour table has for it.
func (x *index) find(mac account.MAC, addr netip.Addr, n *neighbours) (best entry, ok bool) {
	take := func(e entry, found bool) {
		if found && (!ok || e.rank < best.rank) {
			best, ok = e, true
		}
	}
	look := func(addr netip.Addr) {
		e, found := x.addrs[addr]
		take(e, found)
		if s, isSuffix := suffix(addr); isSuffix && len(x.suffixes) > 0 {
			e, found := x.suffixes[s]
			take(e, found)
		}
	}
	if addr.IsValid() {
		look(addr)
	}
	if mac.IsZero() {
		e, found := x.leased[addr]
		take(e, found)
		return best, ok
	}
	e, found := x.macs[mac]
	take(e, found)
	for _, h := range n.hosts[mac] {
		look(h.addr)
	}
	return best, ok
}

// suffix is the low half of an address that a server may have made of a host's id.
func suffix(addr netip.Addr) (uint64, bool) {
	if !addr.Is6() || addr.IsLinkLocalUnicast() {
		return 0, false
	}
	b := addr.As16()
	return binary.BigEndian.Uint64(b[8:]), true
}

// same tells whether two indexes give the same answers.
func (x *index) same(y *index) bool {
	return maps.Equal(x.macs, y.macs) && maps.Equal(x.addrs, y.addrs) && maps.Equal(x.leased, y.leased) &&
		maps.Equal(x.suffixes, y.suffixes) && maps.Equal(x.devices, y.devices)
}
