// SPDX-License-Identifier: GPL-2.0-only

package networks_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/mezoura/mezoura/service/links"
	"github.com/mezoura/mezoura/service/networks"
)

// machine builds a table of links by name.
type machine struct{ list []links.Link }

func (m *machine) index(name string) int {
	for _, l := range m.list {
		if l.Name == name {
			return l.Index
		}
	}
	panic("no device " + name)
}

func (m *machine) add(name, kind string, change ...func(*links.Link)) {
	l := links.Link{Index: len(m.list) + 1, Name: name, Kind: kind, Type: links.TypeEthernet, Up: true}
	for _, c := range change {
		c(&l)
	}
	m.list = append(m.list, l)
}

func (m *machine) table() *links.Table { return links.NewTable(m.list) }

func (m *machine) port(bridge string) func(*links.Link) {
	return func(l *links.Link) { l.Master = m.index(bridge) }
}

func (m *machine) on(lower string, vlan uint16) func(*links.Link) {
	return func(l *links.Link) { l.Lower, l.VLAN = m.index(lower), vlan }
}

// to makes a veth the other end of one that is there.
func (m *machine) to(peer string) func(*links.Link) {
	return func(l *links.Link) {
		l.Peer = m.index(peer)
		m.list[m.index(peer)-1].Peer = l.Index
	}
}

func addrs(list ...string) func(*links.Link) {
	return func(l *links.Link) { l.Addrs = prefixes(list...) }
}

func peers(list ...string) func(*links.Link) {
	return func(l *links.Link) { l.Peers = prefixes(list...) }
}

func raw(arphrd uint16) func(*links.Link) {
	return func(l *links.Link) { l.Type, l.RawIP = arphrd, true }
}

func filtering(pvid uint16) func(*links.Link) {
	return func(l *links.Link) { l.VLANFiltering, l.PVID = true, pvid }
}

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// router is what most tests start from: lo, eth0 as WAN, br-lan with lan1, lan2 and phy0-ap0.
func router(lan ...string) *machine {
	m := &machine{}
	m.add("lo", "", func(l *links.Link) { l.Type = links.TypeLoopback }, addrs("127.0.0.1/8", "::1/128"))
	m.add("eth0", "", addrs("203.0.113.5/24", "fe80::1/64"))
	m.add("br-lan", "bridge", addrs(lan...))
	m.add("lan1", "dsa", m.port("br-lan"))
	m.add("lan2", "dsa", m.port("br-lan"))
	m.add("phy0-ap0", "wlan", m.port("br-lan"))
	return m
}

// four is `-4 addr/mask/iface`, or a device alone.
func four(list ...string) networks.Source {
	var subnets []networks.Subnet
	for _, s := range list {
		i := strings.LastIndex(s, "/")
		n := networks.Subnet{Device: s[i+1:]}
		if i > 0 {
			n.Prefix = netip.MustParsePrefix(s[:i])
		}
		subnets = append(subnets, n)
	}
	return networks.Static(subnets, nil)
}

func six(s networks.Source, list ...string) networks.Source {
	s.Prefixes6 = append(s.Prefixes6, prefixes(list...)...)
	return s
}

func named(name, device string, list ...string) networks.Declared {
	return networks.Declared{Name: name, Device: device, Prefixes: prefixes(list...), Follow: true}
}

func of(list ...networks.Declared) networks.Source { return networks.Source{Networks: list} }

func showNetworks(p networks.Plan) []string {
	var out []string
	for _, n := range p.Networks {
		s := fmt.Sprintf("%s on %s segment %d", n.Name, n.Device, n.Segment)
		if n.VLAN != 0 {
			s += fmt.Sprintf(" vlan %d", n.VLAN)
		}
		for _, p := range n.Prefixes {
			s += " " + p.String()
		}
		out = append(out, s)
	}
	return out
}

func showAttachments(p networks.Plan) []string {
	var out []string
	for _, a := range p.Attachments {
		s := fmt.Sprintf("%d:%s", a.Segment, a.Device)
		if a.RawIP {
			s += " raw"
		}
		if a.BridgePort {
			s += " port"
		}
		for _, v := range a.Stacked {
			s += fmt.Sprintf(" -%d", v)
		}
		out = append(out, s)
	}
	return out
}

func compare(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got  %q\n want %q", what, got, want)
	}
}

var lanPorts = []string{"0:lan1 port", "0:lan2 port", "0:phy0-ap0 port"}
