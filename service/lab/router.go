// SPDX-License-Identifier: GPL-2.0-only

package lab

import (
	"fmt"
	"net/netip"
)

// Internet is the far side: one host with an address of each family, to which every router has a link of its own.
type Internet struct {
	*Namespace
	IPv4, IPv6 netip.Addr

	lab     *Lab
	routers int
}

// Internet makes the far side.
func (l *Lab) Internet() (*Internet, error) {
	n, err := l.Namespace("internet")
	if err != nil {
		return nil, err
	}
	in := &Internet{Namespace: n, lab: l, IPv4: netip.MustParseAddr("198.51.100.10"), IPv6: netip.MustParseAddr("2001:db8:ffff::10")}
	// The routers reach each other through it.
	for _, key := range forwarding {
		if err := n.Sysctl(key, "1"); err != nil {
			return nil, err
		}
	}
	return in, n.IP(
		fmt.Sprintf("addr add %s/32 dev lo", in.IPv4),
		fmt.Sprintf("addr add %s/128 dev lo nodad", in.IPv6))
}

var forwarding = [...]string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"}

// Addr returns the internet's address of a family.
func (in *Internet) Addr(f Family) netip.Addr {
	if f == IPv4 {
		return in.IPv4
	}
	return in.IPv6
}

// Router is a home router: WAN towards the internet, IPv4 masqueraded unless it is a plain one, IPv6 routed, LAN networks
// as they are added.
type Router struct {
	*Namespace
	Internet *Internet
	WAN4     netip.Addr // its own addresses on the WAN side
	WAN6     netip.Addr
	Networks []*Network

	lab   *Lab
	index int // 1, 2, ...: which router of the internet this is
	plain bool
	ports int
}

// Router makes a router linked to the internet. Its WAN device is called wan.
func (in *Internet) Router(name string) (*Router, error) {
	r, err := in.PlainRouter(name)
	if err != nil {
		return nil, err
	}
	r.plain = false
	return r, r.NFT(`table ip nat {
	chain postrouting {
		type nat hook postrouting priority 100;
		oifname "wan" masquerade
	}
	chain prerouting { type nat hook prerouting priority -100; }
}`)
}

// PlainRouter makes a router without NAT, for where there is no nft: the internet routes to its IPv4 networks.
func (in *Internet) PlainRouter(name string) (*Router, error) {
	n, err := in.lab.Namespace(name)
	if err != nil {
		return nil, err
	}
	in.routers++
	r := &Router{Namespace: n, Internet: in, lab: in.lab, index: in.routers, plain: true}
	near4 := netip.AddrFrom4([4]byte{203, 0, 113, byte(4*r.index + 1)})
	r.WAN4 = near4.Next()
	near6 := netip.MustParseAddr(fmt.Sprintf("2001:db8:fff0:%x::1", r.index))
	r.WAN6 = near6.Next()
	link := fmt.Sprintf("net%d", r.index)
	if err := in.IP(
		fmt.Sprintf("link add %s type veth peer name wan netns %s", link, n.Path()),
		fmt.Sprintf("link set %s up", link),
		fmt.Sprintf("addr add %s/30 dev %s", near4, link),
		fmt.Sprintf("addr add %s/64 dev %s nodad", near6, link)); err != nil {
		return nil, err
	}
	if err := n.IP(
		"link set wan up", // before the addresses: IPv6 gives the device its multicast route only then
		fmt.Sprintf("addr add %s/30 dev wan", r.WAN4),
		fmt.Sprintf("addr add %s/64 dev wan nodad", r.WAN6),
		fmt.Sprintf("route add default via %s", near4),
		fmt.Sprintf("route add default via %s", near6)); err != nil {
		return nil, err
	}
	for _, key := range forwarding {
		if err := n.Sysctl(key, "1"); err != nil {
			return nil, err
		}
	}
	// Bridged packets are no business of netfilter's here; the settings are absent where br_netfilter is.
	for _, key := range []string{"bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables"} {
		_ = n.Sysctl(key, "0")
	}
	return r, nil
}

// Network is one layer-3 network of a router: the device that has its addresses, and its prefixes.
type Network struct {
	Device             string
	Prefix4, Prefix6   netip.Prefix
	Gateway4, Gateway6 netip.Addr

	router *Router
	index  int
	hosts  int
}

// Gateway returns the router's own address of a family in the network.
func (w *Network) Gateway(f Family) netip.Addr {
	if f == IPv4 {
		return w.Gateway4
	}
	return w.Gateway6
}

// Flags are the daemon's flags that tell it of the network.
func (w *Network) Flags() []string {
	return []string{"-4", fmt.Sprintf("%s/%d/%s", w.Gateway4, w.Prefix4.Bits(), w.Device),
		"-6", fmt.Sprintf("%s/%d", w.Gateway6, w.Prefix6.Bits())}
}

// Network gives a device of the router the addresses of its LAN network number index (1 to 250), and has the internet
// route the IPv6 prefix to this router. The device is set up.
func (r *Router) Network(device string, index int) (*Network, error) {
	w := &Network{Device: device, router: r, index: index}
	w.Gateway4 = netip.AddrFrom4([4]byte{192, 168, byte(index), 1})
	w.Gateway6 = netip.MustParseAddr(fmt.Sprintf("2001:db8:%x:%x::1", r.index, index))
	w.Prefix4 = netip.PrefixFrom(w.Gateway4, 24).Masked()
	w.Prefix6 = netip.PrefixFrom(w.Gateway6, 64).Masked()
	if err := r.IP(
		fmt.Sprintf("link set %s up", device),
		fmt.Sprintf("addr add %s/24 dev %s", w.Gateway4, device),
		fmt.Sprintf("addr add %s/64 dev %s nodad", w.Gateway6, device)); err != nil {
		return nil, err
	}
	r.Networks = append(r.Networks, w)
	routes := []string{fmt.Sprintf("route add %s via %s", w.Prefix6, r.WAN6)}
	if r.plain {
		routes = append(routes, fmt.Sprintf("route add %s via %s", w.Prefix4, r.WAN4))
	}
	return w, r.Internet.IP(routes...)
}

// AddBridge makes a bridge that forwards at once and keeps quiet. Options are those of `ip link add type bridge`.
func (r *Router) AddBridge(device, options string) error {
	return r.IP(
		fmt.Sprintf("link add %s address 00:16:3e:%02x:00:fe type bridge stp_state 0 forward_delay 0 mcast_snooping 0 %s", device, r.index, options),
		fmt.Sprintf("link set %s up", device))
}
