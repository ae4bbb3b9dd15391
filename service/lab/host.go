// SPDX-License-Identifier: GPL-2.0-only

package lab

import (
	"fmt"
	"net"
	"net/netip"
)

// Family is an IP version.
type Family int

// The two of them, and how the daemon's metrics call them.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

func (f Family) String() string { return fmt.Sprintf("ipv%d", int(f)) }

// transport names a socket kind of the family as package net does.
func (f Family) transport(protocol string) string { return fmt.Sprintf("%s%d", protocol, int(f)) }

// Families lists both, for tables.
var Families = [...]Family{IPv4, IPv6}

// FamilyOf returns the family of an address.
func FamilyOf(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

// Host is a machine on one network of a router. Two Hosts may share a Namespace (and a wire) when a machine is on two
// networks.
type Host struct {
	*Namespace
	Network    *Network
	Device     string // inside its namespace
	Port       string // the router's device that its wire ends at
	MAC        string // lower case; "" on a raw IP device
	IPv4, IPv6 netip.Addr
	TagBytes   uint64 // of the tag that frames have at the router's port and not on Device
}

// Addr returns the host's address of a family.
func (h *Host) Addr(f Family) netip.Addr {
	if f == IPv4 {
		return h.IPv4
	}
	return h.IPv6
}

// RouterMAC returns the address of the router's device that the host's network is on.
func (h *Host) RouterMAC() (net.HardwareAddr, error) {
	return h.Network.router.DeviceMAC(h.Network.Device)
}

// DeviceMAC returns the address of a device of the namespace.
func (n *Namespace) DeviceMAC(device string) (net.HardwareAddr, error) {
	var mac net.HardwareAddr
	err := n.Do(func() error {
		ifi, err := net.InterfaceByName(device)
		if err == nil {
			mac = ifi.HardwareAddr
		}
		return err
	})
	return mac, err
}

// Wire is a cable between a port of the router and a machine.
type Wire struct {
	*Namespace
	Device, Port, MAC string
}

// Plug makes a machine wired to a new port of the router. With a bridge named, the port joins it.
func (r *Router) Plug(name, port, bridge string) (*Wire, error) {
	n, err := r.lab.Namespace(name)
	if err != nil {
		return nil, err
	}
	r.ports++
	w := &Wire{Namespace: n, Device: "eth0", Port: port, MAC: fmt.Sprintf("00:16:3e:%02x:01:%02x", r.index, r.ports)}
	return w, w.connect(r, bridge)
}

// connect makes the cable.
func (w *Wire) connect(r *Router, bridge string) error {
	lines := []string{fmt.Sprintf("link add %s type veth peer name %s address %s netns %s", w.Port, w.Device, w.MAC, w.Namespace.Path())}
	if bridge != "" {
		lines = append(lines, fmt.Sprintf("link set %s master %s", w.Port, bridge))
	}
	if err := r.IP(append(lines, fmt.Sprintf("link set %s up", w.Port))...); err != nil {
		return err
	}
	return w.IP(fmt.Sprintf("link set %s up", w.Device))
}

// Unplug removes the router's port, and with it the host's device.
func (h *Host) Unplug() error {
	return h.Network.router.IP("link del " + h.Port)
}

// Replug makes the port and the host's device again, as they were.
func (h *Host) Replug(bridge string) error {
	w := &Wire{Namespace: h.Namespace, Device: h.Device, Port: h.Port, MAC: h.MAC}
	if err := w.connect(h.Network.router, bridge); err != nil {
		return err
	}
	return h.configure()
}

// Host makes the machine at the end of a wire a host of the network, on the wire's device.
func (w *Network) Host(wire *Wire) (*Host, error) {
	return w.HostOn(wire, wire.Device)
}

// HostOn makes the machine a host of the network on another of its devices, such as a VLAN device made by the caller.
// The machine's first network has the default routes.
func (w *Network) HostOn(wire *Wire, device string) (*Host, error) {
	h := &Host{Namespace: wire.Namespace, Network: w, Device: device, Port: wire.Port, MAC: wire.MAC}
	w.hosts++
	last := byte(9 + w.hosts)
	four, six := w.Gateway4.As4(), w.Gateway6.As16()
	four[3], six[15] = last, last
	h.IPv4, h.IPv6 = netip.AddrFrom4(four), netip.AddrFrom16(six)
	if err := h.configure(); err != nil || w.router.plain {
		return h, err
	}
	if err := h.IP(fmt.Sprintf("rule add from %s table %d", h.IPv4, h.table())); err != nil {
		return nil, err
	}
	_, err := h.Run("ip", "-6", "rule", "add", "from", h.IPv6.String(), "table", fmt.Sprint(h.table()))
	return h, err
}

// table is the number of the routing table for what the host sends from its address in this network. A machine on
// several networks answers each from the address asked; the routes of a second network come after the first's.
func (h *Host) table() int { return 100 + h.Network.index }

// configure gives the device its addresses and routes. Machines of a plain router are on one network only, and do with
// one routing table: not every kernel has more.
func (h *Host) configure() error {
	w, device, table := h.Network, h.Device, h.table()
	if err := h.IP(
		fmt.Sprintf("link set %s up", device),
		fmt.Sprintf("addr add %s/24 dev %s", h.IPv4, device),
		fmt.Sprintf("addr add %s/64 dev %s nodad", h.IPv6, device),
		fmt.Sprintf("route append default via %s dev %s metric %d", w.Gateway4, device, table),
		fmt.Sprintf("route append default via %s dev %s metric %d", w.Gateway6, device, table)); err != nil || w.router.plain {
		return err
	}
	return h.IP(
		fmt.Sprintf("route add default via %s dev %s table %d", w.Gateway4, device, table),
		fmt.Sprintf("route add default via %s dev %s table %d", w.Gateway6, device, table),
		fmt.Sprintf("route add %s dev %s table %d", w.Prefix4, device, table),
		fmt.Sprintf("route add %s dev %s table %d", w.Prefix6, device, table))
}
