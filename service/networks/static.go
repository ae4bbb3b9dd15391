// SPDX-License-Identifier: GPL-2.0-only

package networks

import (
	"net/netip"
	"slices"
)

// Subnet is one -4 of the command line, or one `list subnet` of the configuration.
type Subnet struct {
	Prefix netip.Prefix // not valid: whatever addresses the device has
	Device string       // name, or pattern ending in + or *
}

// Static makes a Source of what was configured without netifd. Networks have the names of
// their devices. A device named without a prefix is followed: its networks are those of its
// addresses.
func Static(subnets []Subnet, prefixes6 []netip.Prefix) Source {
	s := Source{Prefixes6: slices.Clone(prefixes6)}
	for _, n := range subnets {
		d := Declared{Name: n.Device, Device: n.Device, Follow: !n.Prefix.IsValid()}
		if n.Prefix.IsValid() {
			d.Prefixes = []netip.Prefix{n.Prefix}
		}
		s.Networks = append(s.Networks, d)
	}
	return s
}

// Combine makes one Source of several, the first ones first. A device of a later one joins
// the network that an earlier one has on it.
func Combine(sources ...Source) Source {
	var all Source
	for _, s := range sources {
		all.Networks = append(all.Networks, s.Networks...)
		all.Prefixes6 = append(all.Prefixes6, s.Prefixes6...)
		all.Internal = append(all.Internal, s.Internal...)
		all.Warnings = append(all.Warnings, s.Warnings...)
	}
	return all
}

// Equal reports whether both ask for the same.
func (s Source) Equal(o Source) bool {
	return slices.EqualFunc(s.Networks, o.Networks, Declared.equal) &&
		slices.Equal(s.Prefixes6, o.Prefixes6) && slices.Equal(s.Internal, o.Internal) &&
		slices.Equal(s.Warnings, o.Warnings)
}

func (d Declared) equal(o Declared) bool {
	return d.Name == o.Name && d.Device == o.Device && d.Follow == o.Follow &&
		slices.Equal(d.Prefixes, o.Prefixes) && slices.Equal(d.Routes, o.Routes)
}
