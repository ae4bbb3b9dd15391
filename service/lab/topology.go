// SPDX-License-Identifier: GPL-2.0-only

package lab

import "fmt"

// Home is a router with its networks and hosts, linked to an internet.
type Home struct {
	*Lab
	Internet *Internet
	Router   *Router
	Hosts    []*Host
	Attached []string // the router's devices that the classifier belongs on
}

// Flags are the daemon's flags that tell it of every network of the home.
func (h *Home) Flags() []string {
	var flags []string
	for _, w := range h.Router.Networks {
		flags = append(flags, w.Flags()...)
	}
	return flags
}

// home makes a router without networks.
func (l *Lab) home() (*Home, error) {
	in, err := l.Internet()
	if err != nil {
		return nil, err
	}
	r, err := in.Router("router")
	if err != nil {
		return nil, err
	}
	return &Home{Lab: l, Internet: in, Router: r}, nil
}

// Home is the ordinary one: so many hosts on the ports lan1, lan2, ... of the bridge br-lan.
func (l *Lab) Home(hosts int) (*Home, error) {
	h, err := l.home()
	if err != nil {
		return nil, err
	}
	return h, h.AddBridged("br-lan", "lan", 1, hosts)
}

// PlainHome is the ordinary one with a router without NAT. Building it takes no tool but ip.
func (l *Lab) PlainHome(hosts int) (*Home, error) {
	in, err := l.Internet()
	if err != nil {
		return nil, err
	}
	r, err := in.PlainRouter("router")
	if err != nil {
		return nil, err
	}
	h := &Home{Lab: l, Internet: in, Router: r}
	return h, h.AddBridged("br-lan", "lan", 1, hosts)
}

// AddBridged adds a bridged network with hosts on ports of their own.
func (h *Home) AddBridged(device, ports string, index, hosts int) error {
	if err := h.Router.AddBridge(device, ""); err != nil {
		return err
	}
	w, err := h.Router.Network(device, index)
	if err != nil {
		return err
	}
	for i := 1; i <= hosts; i++ {
		if err := h.plug(w, fmt.Sprintf("%s%d", ports, i), device); err != nil {
			return err
		}
	}
	return nil
}

// plug adds a host on a new port; bridge may be empty.
func (h *Home) plug(w *Network, port, bridge string) error {
	wire, err := h.Router.Plug("host-"+port, port, bridge)
	if err != nil {
		return err
	}
	host, err := w.Host(wire)
	if err != nil {
		return err
	}
	h.Hosts, h.Attached = append(h.Hosts, host), append(h.Attached, port)
	return nil
}

// VLANFilteringHome is OpenWrt's own way on switches: one bridge that tells VLANs apart, the networks br-lan.1 and
// br-lan.10 on top of it. lan1 is an access port of VLAN 1, lan2 of VLAN 10, lan3 a trunk with a host on each.
func (l *Lab) VLANFilteringHome() (*Home, error) {
	h, err := l.home()
	if err != nil {
		return nil, err
	}
	if err := h.Router.AddBridge("br-lan", "vlan_filtering 1 vlan_default_pvid 0"); err != nil {
		return nil, err
	}
	if err := h.Router.IP("link add link br-lan name br-lan.1 type vlan id 1", "link add link br-lan name br-lan.10 type vlan id 10"); err != nil {
		return nil, err
	}
	lan, err := h.Router.Network("br-lan.1", 1)
	if err != nil {
		return nil, err
	}
	guest, err := h.Router.Network("br-lan.10", 10)
	if err != nil {
		return nil, err
	}
	var wires [3]*Wire
	for i := range wires {
		port := fmt.Sprintf("lan%d", i+1)
		if wires[i], err = h.Router.Plug("host-"+port, port, "br-lan"); err != nil {
			return nil, err
		}
		h.Attached = append(h.Attached, port)
	}
	if err := h.Router.Bridge(
		"vlan add dev br-lan vid 1 self", "vlan add dev br-lan vid 10 self",
		"vlan add dev lan1 vid 1 pvid untagged", "vlan add dev lan2 vid 10 pvid untagged",
		"vlan add dev lan3 vid 1", "vlan add dev lan3 vid 10"); err != nil {
		return nil, err
	}
	if err := wires[2].IP("link add link eth0 name eth0.1 type vlan id 1", "link add link eth0 name eth0.10 type vlan id 10"); err != nil {
		return nil, err
	}
	for _, place := range []struct {
		w      *Network
		wire   *Wire
		device string
	}{{lan, wires[0], "eth0"}, {guest, wires[1], "eth0"}, {lan, wires[2], "eth0.1"}, {guest, wires[2], "eth0.10"}} {
		host, err := place.w.HostOn(place.wire, place.device)
		if err != nil {
			return nil, err
		}
		if place.wire == wires[2] {
			host.TagBytes = 4
		}
		h.Hosts = append(h.Hosts, host)
	}
	return h, nil
}

// StackedHome has a VLAN device on a bridge port: lan1 belongs to br-lan, and lan1.20 is the guest network. The one
// machine on lan1 is on both.
func (l *Lab) StackedHome() (*Home, error) {
	h, err := l.Home(2)
	if err != nil {
		return nil, err
	}
	if err := h.Router.IP("link add link lan1 name lan1.20 type vlan id 20"); err != nil {
		return nil, err
	}
	guest, err := h.Router.Network("lan1.20", 20)
	if err != nil {
		return nil, err
	}
	first := h.Hosts[0]
	if err := first.IP("link add link eth0 name eth0.20 type vlan id 20"); err != nil {
		return nil, err
	}
	host, err := guest.HostOn(&Wire{Namespace: first.Namespace, Device: "eth0", Port: first.Port, MAC: first.MAC}, "eth0.20")
	if err != nil {
		return nil, err
	}
	h.Hosts, h.Attached = append(h.Hosts, host), append(h.Attached, "lan1.20")
	return h, nil
}

// QinQHome has its LAN in a customer VLAN inside a service VLAN: lan1 carries 802.1ad 30, and in it 802.1Q 20. Beside
// it, lan1 itself is an untagged network.
func (l *Lab) QinQHome() (*Home, error) {
	h, err := l.home()
	if err != nil {
		return nil, err
	}
	wire, err := h.Router.Plug("host-lan1", "lan1", "")
	if err != nil {
		return nil, err
	}
	const near, far = "lan1", "eth0"
	tags := func(device string) []string {
		return []string{
			fmt.Sprintf("link add link %s name %s.30 type vlan protocol 802.1ad id 30", device, device),
			fmt.Sprintf("link set %s.30 up", device),
			fmt.Sprintf("link add link %s.30 name %s.30.20 type vlan id 20", device, device)}
	}
	if err := h.Router.IP(tags(near)...); err != nil {
		return nil, err
	}
	if err := wire.IP(tags(far)...); err != nil {
		return nil, err
	}
	for i, device := range []string{"", ".30.20"} {
		w, err := h.Router.Network(near+device, 30+i)
		if err != nil {
			return nil, err
		}
		host, err := w.HostOn(wire, far+device)
		if err != nil {
			return nil, err
		}
		h.Hosts, h.Attached = append(h.Hosts, host), append(h.Attached, near+device)
	}
	return h, nil
}

// TunnelHome is an ordinary home with two road warriors on tun0, which carries bare IP packets.
func (l *Lab) TunnelHome() (*Home, error) {
	h, err := l.Home(1)
	if err != nil {
		return nil, err
	}
	tunnel, err := h.Router.Tunnel("tun0", 7)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"anna", "bert"} {
		host, err := tunnel.Warrior(name)
		if err != nil {
			return nil, err
		}
		h.Hosts = append(h.Hosts, host)
	}
	h.Attached = append(h.Attached, "tun0")
	return h, nil
}

// ContainerHome is an ordinary home whose router runs two containers on a bridge of their own.
func (l *Lab) ContainerHome() (*Home, error) {
	h, err := l.Home(1)
	if err != nil {
		return nil, err
	}
	return h, h.AddBridged("docker0", "veth", 17, 2)
}

// FloodingHome is a home of four hosts whose bridge has learnt nothing: it sends what is meant for one to every port.
func (l *Lab) FloodingHome() (*Home, error) {
	h, err := l.Home(4)
	if err != nil {
		return nil, err
	}
	return h, h.Router.IP("link set br-lan type bridge ageing_time 0")
}

// Neighbours are two homes of two hosts on one internet.
func (l *Lab) Neighbours() (*Home, *Home, error) {
	first, err := l.Home(2)
	if err != nil {
		return nil, nil, err
	}
	r, err := first.Internet.Router("router-2")
	if err != nil {
		return nil, nil, err
	}
	second := &Home{Lab: l, Internet: first.Internet, Router: r}
	return first, second, second.AddBridged("br-lan", "lan", 1, 2)
}
