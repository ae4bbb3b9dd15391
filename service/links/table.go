// SPDX-License-Identifier: GPL-2.0-only

// Package links knows what network devices there are, how they are stacked, and what
// addresses they have.
//
// A Table is one consistent view and never changes; any number of goroutines may read it,
// for as long as they like. A Watcher replaces its Table whenever the kernel reports a
// change. Whatever rtnetlink reports serves as a hint only: the Watcher reads everything
// anew, so that a lost or reordered message cannot leave a wrong Table behind.
package links

import (
	"net/netip"
	"slices"
	"strings"
)

// Link layer types (ARPHRD) that matter here.
const (
	TypeEthernet = 1
	TypePPP      = 512
	TypeTunnel   = 768
	TypeTunnel6  = 769
	TypeLoopback = 772
	TypeSIT      = 776
	TypeIPGRE    = 778
	TypeIP6GRE   = 823
	TypeRawIP    = 519
	TypeNone     = 65534
)

// Link is one network device.
type Link struct {
	Index int    // ifindex, unique as long as the device lives
	Name  string // may change
	Kind  string // "bridge", "vlan", "wireguard", "veth", "dsa" ...; "" for most hardware
	Type  uint16 // ARPHRD_*: what frames of this device look like

	Master int    // ifindex of the bridge, bond or VRF it is a port of; 0 none
	Lower  int    // ifindex of the device it is stacked on, as a VLAN is; 0 none
	Peer   int    // ifindex of the other end of a veth in the same namespace; 0 none
	VLAN   uint16 // tag of a VLAN device, 0 none

	// PVID is the VLAN of untagged frames on a VLAN-filtering bridge or a port of one;
	// 0 none or unknown.
	PVID uint16

	RawIP         bool // packets start with the IP header, there is no MAC
	Up            bool // administratively up
	VLANFiltering bool // of a bridge

	// Generation goes up when a device is removed and another takes its index, which
	// nothing else would tell: what was attached to the first is not on the second.
	Generation uint32

	// Addrs are the router's addresses on this device with their prefix length, sorted.
	Addrs []netip.Prefix
	// Peers are the other ends of point-to-point addresses, sorted.
	Peers []netip.Prefix
}

// IsBridge reports whether the device is a bridge.
func (l Link) IsBridge() bool { return l.Kind == "bridge" }

// IsVLAN reports whether the device is a VLAN stacked on another device of this namespace.
func (l Link) IsVLAN() bool { return l.Kind == "vlan" && l.Lower != 0 }

func (l Link) equal(m Link) bool {
	addrs := slices.Equal(l.Addrs, m.Addrs) && slices.Equal(l.Peers, m.Peers)
	l.Addrs, m.Addrs, l.Peers, m.Peers = nil, nil, nil, nil
	return addrs && l.scalars() == m.scalars()
}

// scalars is a Link without its slices, so that == compares the rest.
type scalars struct {
	index               int
	name, kind          string
	arphrd              uint16
	master, lower, peer int
	vlan, pvid          uint16
	raw, up, filtering  bool
	generation          uint32
}

func (l Link) scalars() scalars {
	return scalars{l.Index, l.Name, l.Kind, l.Type, l.Master, l.Lower, l.Peer, l.VLAN, l.PVID,
		l.RawIP, l.Up, l.VLANFiltering, l.Generation}
}

// Table is one view of all devices. The zero Table and nil are empty.
type Table struct {
	links  []Link // by index
	byName map[string]int
	ports  map[int][]int // of any master: positions in links
	uppers map[int][]int
}

// NewTable makes a Table of these devices. Of two with one index, the first counts; the
// slices inside become the Table's.
func NewTable(list []Link) *Table {
	t := &Table{
		links:  slices.Clone(list),
		byName: make(map[string]int, len(list)),
		ports:  make(map[int][]int),
		uppers: make(map[int][]int),
	}
	slices.SortStableFunc(t.links, func(a, b Link) int { return a.Index - b.Index })
	t.links = slices.CompactFunc(t.links, func(a, b Link) bool { return a.Index == b.Index })
	for i, l := range t.links {
		t.byName[l.Name] = i
		if l.Master != 0 {
			t.ports[l.Master] = append(t.ports[l.Master], i)
		}
		if l.Lower != 0 {
			t.uppers[l.Lower] = append(t.uppers[l.Lower], i)
		}
	}
	return t
}

// Links returns all devices, by index.
func (t *Table) Links() []Link {
	if t == nil {
		return nil
	}
	return slices.Clone(t.links)
}

// Len is the number of devices.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return len(t.links)
}

// ByName finds a device by its present name.
func (t *Table) ByName(name string) (Link, bool) {
	if t == nil {
		return Link{}, false
	}
	i, ok := t.byName[name]
	if !ok {
		return Link{}, false
	}
	return t.links[i], true
}

// ByIndex finds a device by its index.
func (t *Table) ByIndex(index int) (Link, bool) {
	if t == nil {
		return Link{}, false
	}
	i, ok := slices.BinarySearchFunc(t.links, index, func(l Link, i int) int { return l.Index - i })
	if !ok {
		return Link{}, false
	}
	return t.links[i], true
}

// Ports returns the devices whose master this is, by index: the ports of a bridge.
func (t *Table) Ports(master int) []Link {
	if t == nil {
		return nil
	}
	return t.pick(t.ports[master])
}

// Uppers returns the devices stacked on this one, by index: its VLANs.
func (t *Table) Uppers(lower int) []Link {
	if t == nil {
		return nil
	}
	return t.pick(t.uppers[lower])
}

// Match returns the devices that a name or pattern means, by name. A pattern ends in `+` or
// `*`, which stand for anything: ppp+ is every device whose name starts with ppp.
func (t *Table) Match(pattern string) []Link {
	if t == nil {
		return nil
	}
	stem, isPattern := Pattern(pattern)
	if !isPattern {
		if l, ok := t.ByName(pattern); ok {
			return []Link{l}
		}
		return nil
	}
	var found []Link
	for _, l := range t.links {
		if strings.HasPrefix(l.Name, stem) {
			found = append(found, l)
		}
	}
	slices.SortFunc(found, func(a, b Link) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// Pattern splits off the `+` or `*` that makes a device name a pattern.
func Pattern(name string) (stem string, ok bool) {
	if n := len(name); n > 1 && (name[n-1] == '+' || name[n-1] == '*') {
		return name[:n-1], true
	}
	return name, false
}

// Equal reports whether both show the same devices.
func (t *Table) Equal(u *Table) bool {
	if t.Len() != u.Len() {
		return false
	}
	if t.Len() == 0 {
		return true
	}
	return slices.EqualFunc(t.links, u.links, Link.equal)
}

func (t *Table) pick(positions []int) []Link {
	out := make([]Link, len(positions))
	for i, p := range positions {
		out[i] = t.links[p]
	}
	return out
}
