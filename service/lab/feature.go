// SPDX-License-Identifier: GPL-2.0-only

package lab

import "fmt"

// Feature is something that not every kernel has and a part of the laboratory needs.
type Feature string

// The features the lab asks for. Modules are loaded by the kernel as they are used.
const (
	VLAN          Feature = "802.1Q VLAN devices"
	ServiceVLAN   Feature = "802.1ad VLAN devices"
	VLANFiltering Feature = "VLAN filtering bridges"
	WireGuard     Feature = "WireGuard"
	Flowtable     Feature = "nft flowtables"
	Flower        Feature = "tc flower filters"
	Matchall      Feature = "tc matchall filters"
	TUN           Feature = "tun devices"
)

// Probe tells whether the kernel and its tools have a feature: nil, or why not.
func (l *Lab) Probe(f Feature) error {
	n, err := l.Namespace("probe")
	if err != nil {
		return err
	}
	link := func(lines ...string) error {
		return n.IP(append([]string{"link add p0 type veth peer name p1"}, lines...)...)
	}
	switch f {
	case VLAN:
		err = link("link add link p0 name p0.2 type vlan id 2")
	case ServiceVLAN:
		err = link("link add link p0 name p0.2 type vlan protocol 802.1ad id 2")
	case VLANFiltering:
		err = link("link add br0 type bridge vlan_filtering 1")
	case WireGuard:
		if err = link("link add wg0 type wireguard"); err == nil {
			_, err = n.Run("wg", "show", "wg0")
		}
	case Flowtable:
		if err = link("link set p0 up"); err == nil {
			err = n.NFT("table inet t { flowtable f { hook ingress priority 0; devices = { p0 }; }; }")
		}
	case Flower, Matchall:
		filter := map[Feature]string{Flower: "protocol ip flower ip_proto tcp", Matchall: "matchall"}[f]
		if err = link("link set p0 up"); err == nil {
			err = n.TC("qdisc add dev p0 clsact", "filter add dev p0 ingress pref 1 "+filter+" action gact pass")
		}
	case TUN:
		_, err = l.tun(n, "tun0")
	default:
		return fmt.Errorf("probe feature %q: unknown", f)
	}
	if err != nil {
		return fmt.Errorf("no %s: %w", f, err)
	}
	return nil
}
