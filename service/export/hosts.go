// SPDX-License-Identifier: GPL-2.0-only

package export

import (
	"net/netip"

	"github.com/mezoura/mezoura/service/account"
)

type direction struct {
	name string
	of   func(*account.Counters) account.Traffic
	flow func(*account.Family) *account.Flow
}

var directions = [...]direction{
	{"download", func(c *account.Counters) account.Traffic { return c.Download }, func(f *account.Family) *account.Flow { return &f.Download }},
	{"upload", func(c *account.Counters) account.Traffic { return c.Upload }, func(f *account.Family) *account.Flow { return &f.Upload }},
}

// subject is what a series of ours is about: a host, or what is to look like one.
type subject struct {
	*account.Host
	prefix netip.Prefix // instead of a MAC, where there is none
}

// subjects are the hosts, one after the other. A host of a raw IP device has no
// MAC and goes by its address; unless that is a nameless IPv6 one: those
// could be privacy addresses without end, and go by their /64, all of it one subject.
func subjects(s *account.Snapshot) func(yield func(subject) bool) {
	var merged []*account.Host
	var at map[string]map[netip.Prefix]int
	return func(yield func(subject) bool) {
		for i := range s.Hosts {
			h := &s.Hosts[i]
			switch {
			case !h.MAC.IsZero():
				if !yield(subject{Host: h}) {
					return
				}
			case len(h.Addresses) == 0: // has no identity; the book knows none such
			case h.Hostname != "" || h.Addresses[0].IP.Is4():
				ip := h.Addresses[0].IP
				if !yield(subject{h, netip.PrefixFrom(ip, ip.BitLen())}) {
					return
				}
			default:
				p := netip.PrefixFrom(h.Addresses[0].IP, 64).Masked()
				if at == nil {
					at = map[string]map[netip.Prefix]int{}
				}
				if at[h.Network] == nil {
					at[h.Network] = map[netip.Prefix]int{}
				}
				j, ok := at[h.Network][p]
				if !ok {
					c := *h
					at[h.Network][p] = len(merged)
					merged = append(merged, &c)
					continue
				}
				merge(merged[j], h)
			}
		}
		for _, h := range merged {
			if !yield(subject{h, netip.PrefixFrom(h.Addresses[0].IP, 64).Masked()}) {
				return
			}
		}
		merged, at = nil, nil
	}
}

func merge(h, other *account.Host) {
	for _, d := range directions {
		for _, f := range [...][2]*account.Family{{&h.IPv4, &other.IPv4}, {&h.IPv6, &other.IPv6}} {
			to, from := d.flow(f[0]), d.flow(f[1])
			to.Bytes += from.Bytes
			to.Packets += from.Packets
		}
	}
	if other.LastSeen.After(h.LastSeen) {
		h.LastSeen = other.LastSeen
	}
}

// who writes the labels every series of a host has.
func (w *writer) who(s subject) {
	switch {
	case !s.MAC.IsZero():
		w.mac("mac", s.MAC)
	case s.prefix.IsSingleIP():
		w.ip("mac", s.prefix.Addr())
	default:
		w.open("mac")
		w.buf = append(s.prefix.AppendTo(w.buf), '"')
	}
	w.label("network", s.Network)
}

// hosts writes our own families of hosts, named ones or not: a few series for
// each, however many addresses it has.
func (w *writer) hosts(s *account.Snapshot) {
	w.flows(s, "mezoura_host_bytes", "Bytes a host has exchanged with the internet.", func(f *account.Flow) uint64 { return f.Bytes })
	w.flows(s, "mezoura_host_packets", "Packets a host has exchanged with the internet.", func(f *account.Flow) uint64 { return f.Packets })
	w.family("mezoura_host_info", "The name of a host, always 1.", gauge)
	for h := range subjects(s) {
		if w.err != nil {
			return
		}
		w.series()
		w.who(h)
		w.label("hostname", h.Hostname)
		w.value(1)
	}
	w.family("mezoura_host_last_seen_timestamp_seconds", "When the last packet of a host was counted.", gauge)
	for h := range subjects(s) {
		if w.err != nil {
			return
		}
		w.series()
		w.who(h)
		w.value(uint64(max(h.LastSeen.Unix(), 0)))
	}
}

func (w *writer) flows(s *account.Snapshot, name, help string, amount func(*account.Flow) uint64) {
	w.family(name, help, counter)
	for h := range subjects(s) {
		if w.err != nil {
			return
		}
		for _, f := range [...]struct {
			name   string
			family *account.Family
		}{{"ipv4", &h.IPv4}, {"ipv6", &h.IPv6}} {
			for _, d := range directions {
				w.series()
				w.who(h)
				w.label("family", f.name)
				w.label("direction", d.name)
				w.value(amount(d.flow(f.family)))
			}
		}
	}
}
