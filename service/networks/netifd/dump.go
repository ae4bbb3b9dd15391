// SPDX-License-Identifier: GPL-2.0-only

package netifd

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/mezoura/mezoura/service/networks"
	"github.com/mezoura/mezoura/ubus/blobmsg"
)

// Interface is what netifd says of one logical network.
type Interface struct {
	Name   string
	Up     bool
	Device string // the one that IP runs on, "" while there is none

	Addrs       []netip.Prefix // the router's addresses
	Peers       []netip.Prefix // other ends of point-to-point addresses
	Assignments []netip.Prefix // parts of delegated and ULA prefixes that are used here
	Delegated   []netip.Prefix // what the provider delegated on this interface
	Routes      []netip.Prefix // targets without a gateway
}

// Interfaces reads the reply of `network.interface dump`. What is no address is left out.
func Interfaces(dump blobmsg.Table) []Interface {
	var out []Interface
	for v := range dump.Array("interface").All() {
		t, ok := v.Table()
		if !ok || t.Text("interface") == "" {
			continue
		}
		i := Interface{Name: t.Text("interface"), Up: t.Bool("up"), Device: t.Text("l3_device")}
		if i.Device == "" {
			i.Device = t.Text("device")
		}
		for _, family := range []string{"ipv4-address", "ipv6-address"} {
			for a := range tables(t, family) {
				if p, ok := prefix(a, "address", "mask"); ok {
					i.Addrs = append(i.Addrs, p)
				}
				if peer, err := netip.ParseAddr(a.Text("ptpaddress")); err == nil {
					i.Peers = append(i.Peers, netip.PrefixFrom(peer.WithZone(""), peer.BitLen()))
				}
			}
		}
		for a := range tables(t, "ipv6-prefix-assignment") {
			if p, ok := prefix(a, "address", "mask"); ok {
				i.Assignments = append(i.Assignments, p)
			}
		}
		for a := range tables(t, "ipv6-prefix") {
			if p, ok := prefix(a, "address", "mask"); ok {
				i.Delegated = append(i.Delegated, p)
			}
		}
		for a := range tables(t, "route") {
			gateway, err := netip.ParseAddr(a.Text("nexthop"))
			if p, ok := prefix(a, "target", "mask"); ok && (err != nil || gateway.IsUnspecified()) {
				i.Routes = append(i.Routes, p)
			}
		}
		out = append(out, i)
	}
	return out
}

// Source makes the Source of the named networks.
func Source(all []Interface, names []string) networks.Source {
	var s networks.Source
	watched := map[string]bool{}
	for _, name := range names {
		if watched[name] {
			continue
		}
		watched[name] = true
		at := slices.IndexFunc(all, func(i Interface) bool { return i.Name == name })
		d := networks.Declared{Name: name, Follow: true}
		switch {
		case at < 0:
			s.Warnings = append(s.Warnings, fmt.Sprintf("Network %s is not known to netifd.", name))
		case all[at].Device == "":
			s.Warnings = append(s.Warnings, fmt.Sprintf("Network %s is down and has no device yet.", name))
		}
		if at >= 0 {
			i := all[at]
			d.Device, d.Routes = i.Device, i.Routes
			for _, p := range i.Addrs {
				if !p.IsSingleIP() && !p.Addr().IsLinkLocalUnicast() {
					d.Prefixes = append(d.Prefixes, p.Masked())
				}
			}
			d.Prefixes = append(d.Prefixes, i.Peers...)
			for _, p := range i.Assignments {
				d.Prefixes = append(d.Prefixes, p.Masked())
			}
		}
		s.Networks = append(s.Networks, d)
	}
	for _, i := range all {
		s.Internal = append(s.Internal, i.Delegated...)
		if !watched[i.Name] {
			s.Internal = append(s.Internal, i.Assignments...)
		}
	}
	s.Internal = widest(s.Internal)
	return s
}

// widest masks and sorts, and drops what another prefix covers: an assignment is a part of
// what was delegated.
func widest(list []netip.Prefix) []netip.Prefix {
	for i := range list {
		list[i] = list[i].Masked()
	}
	slices.SortFunc(list, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	var out []netip.Prefix
	for _, p := range list {
		if n := len(out); n == 0 || !out[n-1].Overlaps(p) {
			out = append(out, p)
		}
	}
	return out
}

// tables yields the tables in an array.
func tables(t blobmsg.Table, name string) func(func(blobmsg.Table) bool) {
	return func(yield func(blobmsg.Table) bool) {
		for v := range t.Array(name).All() {
			if e, ok := v.Table(); ok && !yield(e) {
				return
			}
		}
	}
}

func prefix(t blobmsg.Table, address, mask string) (netip.Prefix, bool) {
	a, err := netip.ParseAddr(t.Text(address))
	bits, ok := t.Get(mask).Int()
	if err != nil || !ok || bits < 0 || bits > int64(a.BitLen()) {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a.WithZone(""), int(bits)), true
}
