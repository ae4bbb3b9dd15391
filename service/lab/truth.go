// SPDX-License-Identifier: GPL-2.0-only

package lab

import "net/netip"

// Traffic is an amount: bytes of layer 2 without frame check sequence, and packets as they are on the wire.
type Traffic struct{ Bytes, Packets uint64 }

// Add returns the sum.
func (t Traffic) Add(o Traffic) Traffic { return Traffic{t.Bytes + o.Bytes, t.Packets + o.Packets} }

// Sub returns the difference; t must be the later reading.
func (t Traffic) Sub(o Traffic) Traffic { return Traffic{t.Bytes - o.Bytes, t.Packets - o.Packets} }

// Counts are both directions, as a host sees them.
type Counts struct{ Download, Upload Traffic }

// Add returns the sum.
func (c Counts) Add(o Counts) Counts {
	return Counts{c.Download.Add(o.Download), c.Upload.Add(o.Upload)}
}

// Sub returns the difference; c must be the later reading.
func (c Counts) Sub(o Counts) Counts {
	return Counts{c.Download.Sub(o.Download), c.Upload.Sub(o.Upload)}
}

// Internal tells whether an address is not of the internet as this router sees it: special-purpose, in one of its
// networks, or its own. It is written apart from the daemon's own lists, to judge them.
func (r *Router) Internal(a netip.Addr) bool {
	if a.IsPrivate() || a.IsLoopback() || a.IsMulticast() || a.IsLinkLocalUnicast() || a.IsUnspecified() ||
		a == r.WAN4 || a == r.WAN6 {
		return true
	}
	for _, p := range specialPurpose {
		if p.Contains(a) {
			return true
		}
	}
	for _, w := range r.Networks {
		if w.Prefix4.Contains(a) || w.Prefix6.Contains(a) {
			return true
		}
	}
	return false
}

var specialPurpose = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("240.0.0.0/4"),
}
