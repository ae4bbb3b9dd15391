// SPDX-License-Identifier: GPL-2.0-only

package account

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// maxTries is how many addresses of a host its name is asked for by.
const maxTries = 8

// viewed is one device while a Snapshot is made, and which of its hosts it
// became part of.
type viewed struct {
	dev  *device
	name Identity
	host int
}

// Snapshot publishes the book as it is after the last Observe or Close. A nil
// Namer knows nobody.
//
// A host is listed while it has been heard within Expire; an address while it
// has been heard within Idle, the address of a raw IP host always, since
// it is the host.
func (b *Book) Snapshot(now time.Time, names Namer, status Status) *Snapshot {
	b.tick(now)
	s := &Snapshot{Time: now, Started: b.started, Status: status}
	idle, expire := now.UnixNano()-int64(b.limits.Idle), now.UnixNano()-int64(b.limits.Expire)
	addresses := b.identify(names, idle, expire)

	hosts, macs := 0, 0
	for i := range b.view {
		v := &b.view[i]
		if i == 0 || !v.sameHost(&b.view[i-1]) {
			hosts++
		}
		v.host = hosts - 1
		if !v.dev.key.mac.IsZero() {
			macs++
		}
	}
	// Three slabs for everything: a Snapshot is garbage an interval later.
	s.Hosts = make([]Host, hosts)
	allMACs := make([]MAC, 0, macs)
	allAddresses := make([]Address, 0, addresses)
	for i := 0; i < len(b.view); {
		end := i + 1
		for end < len(b.view) && b.view[end].host == b.view[i].host {
			end++
		}
		h := &s.Hosts[b.view[i].host]
		m, a := len(allMACs), len(allAddresses)
		for j := i; j < end; j++ {
			v := &b.view[j]
			v.addTo(h)
			if !v.dev.key.mac.IsZero() {
				allMACs = append(allMACs, v.dev.key.mac)
			}
			for _, x := range v.dev.addrs {
				if x.last >= idle || v.dev.key.mac.IsZero() {
					allAddresses = append(allAddresses, Address{x.addr(), x.shown, instantOf(x.last)})
				}
			}
		}
		h.MACs = allMACs[m:len(allMACs):len(allMACs)]
		h.Addresses = allAddresses[a:len(allAddresses):len(allAddresses)]
		if end > i+1 {
			slices.SortFunc(h.MACs, func(a, b MAC) int { return strings.Compare(string(a[:]), string(b[:])) })
			h.Addresses = mergeAddresses(h.Addresses)
		}
		h.Random = h.MAC.LocallyAdministered()
		h.Device = status.device(h.Network)
		h.Online = h.online(names, idle)
		i = end
	}
	s.Networks = b.totals(&status)
	s.Unattributed = b.unattributed()
	b.last = s
	return s
}

// identify collects the devices to be listed in the order of their hosts, and
// counts the addresses to be listed.
func (b *Book) identify(names Namer, idle, expire int64) (addresses int) {
	b.view = b.view[:0]
	merged := false
	for _, n := range b.networks {
		for _, d := range n.list {
			if d.last < expire {
				continue
			}
			v := viewed{dev: d}
			tries := 0
			for _, a := range d.addrs {
				if a.last < idle && !d.key.mac.IsZero() {
					continue
				}
				addresses++
				// The first address may be unknown to the lease files, and the next not.
				if names != nil && v.name.Hostname == "" && tries < maxTries {
					tries++
					v.name = better(v.name, names.Identify(n.name, d.key.mac, a.addr()))
				}
			}
			if names != nil && tries == 0 {
				v.name = names.Identify(n.name, d.key.mac, netip.Addr{})
			}
			if v.name.Device.IsZero() {
				v.name.Device = d.key.mac
			}
			merged = merged || v.name.Device != d.key.mac
			b.view = append(b.view, v)
		}
	}
	if merged {
		slices.SortStableFunc(b.view, func(x, y viewed) int {
			return cmp.Or(strings.Compare(x.dev.net.name, y.dev.net.name), x.key().compare(y.key()))
		})
	}
	return addresses
}

// better keeps an identity that has a name, or at least merges MACs.
func better(old, new Identity) Identity {
	if new.Hostname == "" && !old.Device.IsZero() {
		return old
	}
	return new
}

// key is what hosts are told apart by.
func (v *viewed) key() hostKey {
	if v.name.Device.IsZero() {
		return v.dev.key
	}
	return hostKey{mac: v.name.Device}
}

func (v *viewed) sameHost(o *viewed) bool {
	return v.dev.net == o.dev.net && v.key() == o.key()
}

// addTo adds the device's totals to its host.
func (v *viewed) addTo(h *Host) {
	d := v.dev
	first, last := instantOf(d.first), instantOf(d.last)
	if h.FirstSeen.IsZero() || first.Before(h.FirstSeen) {
		h.FirstSeen = first
	}
	if last.After(h.LastSeen) {
		h.LastSeen = last
	}
	h.MAC = v.name.Device
	h.Network = d.net.name
	if h.Hostname == "" {
		h.Hostname, h.NameSource = v.name.Hostname, v.name.Source
	}
	for f, family := range [families]*Family{&h.IPv4, &h.IPv6} {
		family.Download.add(d.sum[f].Download, d.rate[f].download)
		family.Upload.add(d.sum[f].Upload, d.rate[f].upload)
		h.Download.add(d.sum[f].Download, d.rate[f].download)
		h.Upload.add(d.sum[f].Upload, d.rate[f].upload)
	}
}

// mergeAddresses sorts the addresses of several devices, and makes one of
// those that one lease gave to two of them.
func mergeAddresses(all []Address) []Address {
	slices.SortStableFunc(all, func(a, b Address) int { return a.IP.Compare(b.IP) })
	n := 0
	for i := range all {
		if n > 0 && all[n-1].IP == all[i].IP {
			all[n-1].add(all[i].Counters)
			if all[i].LastSeen.After(all[n-1].LastSeen) {
				all[n-1].LastSeen = all[i].LastSeen
			}
			continue
		}
		all[n] = all[i]
		n++
	}
	return all[:n:n]
}

func (f *Flow) add(t Traffic, rate uint64) {
	f.Bytes += t.Bytes
	f.Packets += t.Packets
	f.Rate += rate
}

// online asks the names layer, address by address, and goes by the last packet
// where that does not know.
func (h *Host) online(names Namer, idle int64) bool {
	recent := h.LastSeen.UnixNano() >= idle
	if names == nil {
		return recent
	}
	asked := false
	ask := func(mac MAC, addr netip.Addr) bool {
		online, known := names.Online(h.Network, mac, addr)
		asked = asked || known
		return online && known
	}
	macs := h.MACs
	if len(macs) == 0 {
		macs = []MAC{{}}
	}
	for _, mac := range macs {
		for i := range h.Addresses {
			if ask(mac, h.Addresses[i].IP) {
				return true
			}
		}
		if len(h.Addresses) == 0 && ask(mac, netip.Addr{}) {
			return true
		}
	}
	return !asked && recent
}

func (s *Status) device(network string) string {
	for i := range s.Networks {
		if s.Networks[i].Name == network {
			return s.Networks[i].Device
		}
	}
	return ""
}

// totals lists the networks that have counted and those that are watched.
func (b *Book) totals(status *Status) []NetworkTotal {
	all := make([]NetworkTotal, 0, max(len(b.networks), len(status.Networks)))
	for _, n := range b.networks {
		all = append(all, NetworkTotal{Name: n.name, Counters: n.sum})
	}
	for i := range status.Networks {
		info := &status.Networks[i]
		at, ok := slices.BinarySearchFunc(all, info.Name, func(t NetworkTotal, name string) int { return strings.Compare(t.Name, name) })
		if !ok {
			all = slices.Insert(all, at, NetworkTotal{Name: info.Name})
		}
		all[at].Device, all[at].Prefixes = info.Device, info.Prefixes
	}
	return all
}

// unattributed lists the reasons; what the hosts' limit kept off the listing is one of them.
func (b *Book) unattributed() []ReasonTotal {
	all := make([]ReasonTotal, len(b.reasons))
	for i, r := range b.reasons {
		all[i] = ReasonTotal{r.name, r.shown}
		if r.name == ReasonLimit {
			for _, n := range b.networks {
				all[i].add(n.other.shown)
			}
		}
	}
	return all
}

func instantOf(nano int64) time.Time { return time.Unix(0, nano) }
