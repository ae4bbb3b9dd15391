// SPDX-License-Identifier: GPL-2.0-only

// Package networks decides what is counted where: from what the configuration or netifd says
// of networks, and from the devices there are, it makes the plan of attachments and prefixes.
//
// It is pure: no I/O, no clock, no state. Values of Source and Plan are never changed after
// they were made, so they may be shared between goroutines.
package networks

import (
	"net/netip"
	"slices"
)

// What the classifier's tables have room for.
const (
	MaxNetworks = 64
	MaxSegments = 64
	MaxPrefixes = 128 // of each family
	MaxVLANs    = 16  // of one segment
)

// Source says what networks are to be counted.
type Source struct {
	Networks []Declared
	// Prefixes6 belong to every network: -6 names a prefix but no device.
	Prefixes6 []netip.Prefix
	// Internal prefixes are no network's, but not the internet either: delegated to this
	// router, whether or not a part of them is in use.
	Internal []netip.Prefix
	// Warnings of whoever made the Source, as whole sentences; Resolve passes them on.
	Warnings []string
}

// Declared is one network as it was asked for.
type Declared struct {
	Name string
	// Device is a name, or a pattern ending in + or *; "" is not known yet.
	Device   string
	Prefixes []netip.Prefix
	// Routes are targets reached through the device without a gateway; they belong to the
	// network if the device is raw IP, as the peers of a WireGuard device do.
	Routes []netip.Prefix
	// Follow takes the device's addresses in addition, as they are at the time.
	Follow bool
}

// Network is one network that is counted.
type Network struct {
	Name, Device string
	Prefixes     []netip.Prefix // masked, sorted
	VLAN         uint16         // tag that its frames may carry on the segment's attachments, 0 none
	Segment      int
}

// Attachment is one device that the classifier belongs on.
type Attachment struct {
	Ifindex int
	Device  string
	Segment int
	// RawIP: no Ethernet header.
	RawIP bool
	// BridgePort: the device is a port of a bridge, sees frames between hosts of the LAN, and
	// a copy of what is flooded.
	BridgePort bool
	// Generation tells devices apart that had the same index one after the other.
	Generation uint32
	// Stacked are tags whose frames leave this device for a VLAN device on it before any
	// bridge sees them: they belong to another segment or to none. Sorted.
	Stacked []uint16
}

// Plan is what Resolve decided. Its slices are sorted, so that equal plans are equal.
type Plan struct {
	Networks    []Network // in the order of the Source
	Attachments []Attachment
	// Own are the router's own addresses, of all its devices, without loopback and
	// link-local ones, which are never the internet.
	Own []netip.Addr
	// Internal is Source.Internal, masked and sorted.
	Internal []netip.Prefix
	// Foreign prefixes are of networks that share a segment with a watched one but are not
	// watched: their packets are neither counted nor missing.
	Foreign []netip.Prefix
	// Missing devices are waited for, sorted.
	Missing  []string
	Warnings []string // whole sentences
}

// Equal reports whether both plans ask for the same.
func (p Plan) Equal(q Plan) bool {
	return slices.EqualFunc(p.Networks, q.Networks, Network.equal) &&
		slices.EqualFunc(p.Attachments, q.Attachments, Attachment.equal) &&
		slices.Equal(p.Own, q.Own) && slices.Equal(p.Internal, q.Internal) &&
		slices.Equal(p.Foreign, q.Foreign) && slices.Equal(p.Missing, q.Missing) &&
		slices.Equal(p.Warnings, q.Warnings)
}

func (n Network) equal(m Network) bool {
	return n.Name == m.Name && n.Device == m.Device && n.VLAN == m.VLAN && n.Segment == m.Segment &&
		slices.Equal(n.Prefixes, m.Prefixes)
}

func (a Attachment) equal(b Attachment) bool {
	return a.Ifindex == b.Ifindex && a.Device == b.Device && a.Segment == b.Segment &&
		a.RawIP == b.RawIP && a.BridgePort == b.BridgePort && a.Generation == b.Generation &&
		slices.Equal(a.Stacked, b.Stacked)
}
