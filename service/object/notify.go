// SPDX-License-Identifier: GPL-2.0-only

package object

import (
	"context"
	"net/netip"
	"slices"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/ubus/blobmsg"
)

// The notifications of the object.
const (
	HostNew        = "host.new"        // a host is listed that was not
	HostOnline     = "host.online"     // a known host is reachable again
	HostOffline    = "host.offline"    // a host is no longer reachable
	NetworkChanged = "network.changed" // a network came, went, or has another device, state or prefixes
)

// Event is something to notify subscribers of. It is the payload, too.
type Event struct {
	Kind    string
	Host    *account.Host       // of the later Snapshot
	Network account.NetworkInfo // as it is now; only the name when it went
	Gone    bool                // the network is no longer watched
}

// MarshalBlobmsg writes the payload of the notification.
func (e Event) MarshalBlobmsg(b *blobmsg.Builder) {
	w := writer{b}
	if e.Host == nil {
		b.String("network", e.Network.Name)
		b.String("device", e.Network.Device)
		b.Bool("up", e.Network.Up)
		w.prefixes("prefixes", e.Network.Prefixes)
		if e.Gone {
			b.Bool("removed", true)
		}
		return
	}
	w.identity(e.Host)
	b.OpenArray("addresses")
	for i := range e.Host.Addresses[:min(len(e.Host.Addresses), maxAddresses)] {
		w.ip("", e.Host.Addresses[i].IP)
	}
	b.Close()
	w.times(e.Host)
}

// Notifier is where notifications go: a *ubus.Published.
type Notifier interface {
	Notify(ctx context.Context, kind string, payload any) error
}

// Notify tells subscribers what is new in a Snapshot since another; with no
// other, nothing is. The first error ends it: the broker is gone then, and the
// subscribers with it.
func Notify(ctx context.Context, to Notifier, before, after *account.Snapshot) error {
	for _, e := range Diff(before, after) {
		if err := to.Notify(ctx, e.Kind, e); err != nil {
			return err
		}
	}
	return nil
}

// Diff lists what is new in a Snapshot since another, in the order of the
// hosts. Hosts that are no longer listed went offline long ago.
func Diff(before, after *account.Snapshot) (events []Event) {
	if before == nil || after == nil || before == after {
		return nil
	}
	// Both listings are in the same order: they are read side by side.
	i := 0
	for j := range after.Hosts {
		h := &after.Hosts[j]
		for i < len(before.Hosts) && compare(&before.Hosts[i], h) < 0 {
			i++
		}
		switch {
		case i == len(before.Hosts) || compare(&before.Hosts[i], h) != 0:
			events = append(events, Event{Kind: HostNew, Host: h})
		case h.Online && !before.Hosts[i].Online:
			events = append(events, Event{Kind: HostOnline, Host: h})
		case !h.Online && before.Hosts[i].Online:
			events = append(events, Event{Kind: HostOffline, Host: h})
		}
	}
	return append(events, diffNetworks(before.Status.Networks, after.Status.Networks)...)
}

func diffNetworks(before, after []account.NetworkInfo) (events []Event) {
	named := func(all []account.NetworkInfo, name string) *account.NetworkInfo {
		for i := range all {
			if all[i].Name == name {
				return &all[i]
			}
		}
		return nil
	}
	for _, n := range after {
		if old := named(before, n.Name); old == nil || !same(old, &n) {
			events = append(events, Event{Kind: NetworkChanged, Network: n})
		}
	}
	for _, n := range before {
		if named(after, n.Name) == nil {
			events = append(events, Event{Kind: NetworkChanged, Network: account.NetworkInfo{Name: n.Name}, Gone: true})
		}
	}
	return events
}

// same compares networks; the order of the prefixes means nothing.
func same(a, b *account.NetworkInfo) bool {
	if a.Device != b.Device || a.Up != b.Up || len(a.Prefixes) != len(b.Prefixes) {
		return false
	}
	for _, p := range a.Prefixes {
		if !slices.Contains(b.Prefixes, p) {
			return false
		}
	}
	return true
}

// compare is the order of a Snapshot's hosts: what makes one host the same as
// another is the network and the MAC, or without one the address.
func compare(a, b *account.Host) int {
	if a.Network != b.Network {
		if a.Network < b.Network {
			return -1
		}
		return 1
	}
	if c := slices.Compare(a.MAC[:], b.MAC[:]); c != 0 || !a.MAC.IsZero() {
		return c
	}
	return addressOf(a).Compare(addressOf(b))
}

// addressOf is compared by its 16 bytes, as the book sorts.
func addressOf(h *account.Host) netip.Addr {
	if len(h.Addresses) == 0 {
		return netip.Addr{}
	}
	return netip.AddrFrom16(h.Addresses[0].IP.As16())
}
