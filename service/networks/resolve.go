// SPDX-License-Identifier: GPL-2.0-only

package networks

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/mezoura/mezoura/service/links"
)

// Resolve plans what to count where, with the devices there are now. It never fails: what
// cannot be done is left out and told in Missing or Warnings.
//
//  1. Declarations of one network are put together.
//  2. For each network, the devices that see its packets, each exactly once.
//  3. Networks that share such a device or a bridge share a segment.
//  4. Prefixes: those named first, then those of the devices' addresses, then -6.
//  5. What other networks on the same devices own, so that they are not taken for ours.
func Resolve(source Source, t *links.Table) Plan {
	r := resolver{table: t}
	r.warnings = slices.Clone(source.Warnings)
	r.declare(source.Networks)
	r.find()
	r.group()
	r.tag()
	r.prefixes(source)
	p := Plan{
		Networks:    r.list(),
		Attachments: r.attachments(),
		Foreign:     r.foreign(),
		Missing:     slices.Compact(slices.Sorted(slices.Values(r.missing))),
	}
	r.notInternet(&p, source.Internal)
	p.Warnings = r.warnings
	return p
}

type resolver struct {
	table    *links.Table
	networks []*network
	missing  []string
	warnings []string
}

// network is one being resolved.
type network struct {
	Network
	declared []Declared
	devices  []links.Link
	reach    reach
}

func (r *resolver) warn(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(r.warnings, s) {
		r.warnings = append(r.warnings, s)
	}
}

// declare puts together what has one name, and what names a device only with the network
// that is on this device.
func (r *resolver) declare(list []Declared) {
	byName := map[string]*network{}
	byDevice := map[string]*network{}
	add := func(d Declared) {
		n := byName[d.Name]
		if n == nil && d.Name == d.Device {
			n = byDevice[d.Device]
		}
		if n == nil {
			n = &network{Network: Network{Name: d.Name, Device: d.Device}}
			byName[d.Name] = n
			r.networks = append(r.networks, n)
		}
		if n.Device == "" {
			n.Device = d.Device
		}
		if d.Device != "" && n.Device != d.Device {
			r.warn("Network %s is declared on %s and on %s; %s is left out.", n.Name, n.Device, d.Device, d.Device)
			return
		}
		if byDevice[d.Device] == nil {
			byDevice[d.Device] = n
		}
		n.declared = append(n.declared, d)
	}
	named := func(d Declared) bool { return d.Name != "" && d.Name != d.Device }
	for _, d := range list {
		if named(d) {
			add(d)
		}
	}
	for _, d := range list {
		if !named(d) {
			d.Name = d.Device
			if d.Name != "" {
				add(d)
			}
		}
	}
	// Back into the order they were given in: it decides who comes first.
	order := func(n *network) int {
		return slices.IndexFunc(list, func(d Declared) bool {
			return d.Name == n.Name || (d.Name == "" && d.Device == n.Name)
		})
	}
	slices.SortStableFunc(r.networks, func(a, b *network) int { return order(a) - order(b) })

	if len(r.networks) > MaxNetworks {
		var out []string
		for _, n := range r.networks[MaxNetworks:] {
			out = append(out, n.Name)
		}
		r.warn("Only %d networks can be counted; left out: %s.", MaxNetworks, strings.Join(out, ", "))
		r.networks = r.networks[:MaxNetworks]
	}
}

// find looks up devices and where their packets can be seen.
func (r *resolver) find() {
	for _, n := range r.networks {
		n.reach = reach{leaves: map[int]bool{}, bridges: map[int]bool{}, tags: map[uint16]bool{}}
		if n.Device == "" {
			continue // whoever made the Source has said why
		}
		found := r.table.Match(n.Device)
		if len(found) == 0 {
			r.missing = append(r.missing, n.Device)
		}
		for _, l := range found {
			if !usable(l) {
				r.warn("Device %s of network %s has link type %d, whose frames cannot be counted.", l.Name, n.Name, l.Type)
				continue
			}
			n.devices = append(n.devices, l)
			n.reach.merge(reachOf(r.table, l))
		}
	}
	for _, n := range r.networks {
		for _, l := range n.devices {
			r.warnPort(n, l)
		}
	}
}

// warnPort tells of networks that were put on a port of a bridge, where the kernel takes no
// packets for the router.
func (r *resolver) warnPort(n *network, l links.Link) {
	if l.IsBridge() || !isPort(r.table, l) {
		return
	}
	b, _ := r.table.ByIndex(l.Master)
	for _, m := range r.networks {
		if m != n && m.reach.bridges[b.Index] {
			r.warn("Network %s is on %s, a port of %s: its hosts are counted on all ports of %s.", n.Name, l.Name, b.Name, b.Name)
			return
		}
	}
	r.warn("Network %s is on %s, a port of %s: only hosts behind this port are counted. %s itself may be what is meant.",
		n.Name, l.Name, b.Name, b.Name)
}

func usable(l links.Link) bool { return l.RawIP || l.Type == links.TypeEthernet }

// group numbers the segments in the order of their first network. A network whose device is
// missing has a segment of its own, so that the numbers stay when it comes.
func (r *resolver) group() {
	next := 0
	for i, n := range r.networks {
		n.Segment = -1
		for _, m := range r.networks[:i] {
			if !n.reach.meets(m.reach) {
				continue
			}
			if n.Segment < 0 {
				n.Segment = m.Segment
			}
			if m.Segment != n.Segment { // n joins what was apart
				low, high := min(n.Segment, m.Segment), max(n.Segment, m.Segment)
				for _, o := range r.networks[:i] {
					if o.Segment == high {
						o.Segment = low
					}
				}
				n.Segment = low
			}
		}
		if n.Segment < 0 {
			n.Segment = next
			next++
		}
	}
}

// tag settles the VLAN of each network, within the bounds of a segment.
func (r *resolver) tag() {
	tags := map[int]map[uint16]bool{}
	for _, n := range r.networks {
		tag, more := n.reach.tag()
		if more {
			r.warn("Frames of network %s carry several VLAN tags; of these %d is told apart, for the others the prefix decides.", n.Name, tag)
		}
		if tag == 0 {
			continue
		}
		known := tags[n.Segment]
		if known == nil {
			known = map[uint16]bool{}
			tags[n.Segment] = known
		}
		if !known[tag] && len(known) == MaxVLANs {
			r.warn("Only %d VLANs can be told apart on one bridge; network %s (VLAN %d) is told apart by its prefixes only.",
				MaxVLANs, n.Name, tag)
			continue
		}
		known[tag] = true
		n.VLAN = tag
	}
}

func (r *resolver) list() []Network {
	out := make([]Network, len(r.networks))
	for i, n := range r.networks {
		slices.SortFunc(n.Prefixes, comparePrefix)
		out[i] = n.Network
	}
	return out
}

// attachments are the leaves of all networks, by segment and device.
func (r *resolver) attachments() []Attachment {
	found := map[int]Attachment{}
	for _, n := range r.networks {
		for _, index := range slices.Sorted(maps.Keys(n.reach.leaves)) {
			l, _ := r.table.ByIndex(index)
			if !usable(l) {
				r.warn("Device %s of network %s has link type %d, whose frames cannot be counted.", l.Name, n.Name, l.Type)
				continue
			}
			found[index] = Attachment{
				Ifindex: index, Device: l.Name, Segment: n.Segment, RawIP: l.RawIP,
				BridgePort: n.reach.leaves[index] || found[index].BridgePort,
				Generation: l.Generation, Stacked: stacked(r.table, index),
			}
		}
	}
	out := slices.Collect(maps.Values(found))
	slices.SortFunc(out, func(a, b Attachment) int {
		return cmp.Or(a.Segment-b.Segment, strings.Compare(a.Device, b.Device), a.Ifindex-b.Ifindex)
	})
	return out
}

// foreign collects prefixes of networks that are not watched but share the devices.
func (r *resolver) foreign() []netip.Prefix {
	watched := map[int]bool{}
	ours := map[netip.Prefix]bool{}
	for _, n := range r.networks {
		for _, l := range n.devices {
			watched[l.Index] = true
		}
		for _, p := range n.Prefixes {
			ours[p] = true
		}
	}
	var out []netip.Prefix
	for _, l := range r.table.Links() {
		if watched[l.Index] || len(l.Addrs) == 0 {
			continue
		}
		// Only what is on a bridge can share devices and yet be none of them.
		if _, _, onBridge := underBridge(r.table, l); !onBridge {
			continue
		}
		reach := reachOf(r.table, l)
		if !slices.ContainsFunc(r.networks, func(n *network) bool { return n.reach.meets(reach) }) {
			continue
		}
		for _, p := range linkPrefixes(l) {
			if !ours[p] {
				out = append(out, p)
			}
		}
	}
	return sortedPrefixes(out)
}
