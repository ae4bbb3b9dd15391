// SPDX-License-Identifier: GPL-2.0-only

package networks_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/mezoura/mezoura/service/links"
	"github.com/mezoura/mezoura/service/networks"
)

func TestResolve(t *testing.T) {
	tests := []struct {
		name        string
		machine     func() *machine
		source      networks.Source
		networks    []string
		attachments []string
		missing     []string
		warnings    []string // a part of each
	}{
		{name: "the original's bare minimum",
			machine: func() *machine { return router("192.168.1.1/24", "2001:db8::1/64") },
			source:  four("192.168.1.1/24/br-lan"),
			// No -6: IPv6 is not counted, as there.
			networks:    []string{"br-lan on br-lan segment 0 192.168.1.0/24"},
			attachments: lanPorts},
		{name: "a device alone is followed",
			machine:     func() *machine { return router("192.168.1.1/24", "2001:db8::1/64", "fd00:1::1/60", "fe80::1/64") },
			source:      four("br-lan"),
			networks:    []string{"br-lan on br-lan segment 0 192.168.1.0/24 2001:db8::/64 fd00:1::/60"},
			attachments: lanPorts},
		{name: "-6 belongs to every network",
			machine: func() *machine {
				m := router("192.168.2.1/24")
				m.add("br-foo", "bridge", addrs("192.168.3.1/24"))
				m.add("lan3", "dsa", m.port("br-foo"))
				return m
			},
			source: six(four("192.168.2.1/24/br-lan", "192.168.3.1/24/br-foo"), "2001:db8:ca2:2::1/64"),
			networks: []string{
				"br-lan on br-lan segment 0 192.168.2.0/24 2001:db8:ca2:2::/64",
				"br-foo on br-foo segment 1 192.168.3.0/24 2001:db8:ca2:2::/64"},
			attachments: append(slices.Clone(lanPorts), "1:lan3 port")},
		{name: "-6 goes where its addresses are, if they share a bridge",
			machine: func() *machine {
				m := router()
				m.list[m.index("br-lan")-1].VLANFiltering = true
				m.add("br-lan.1", "vlan", m.on("br-lan", 1), addrs("192.168.1.1/24"))
				m.add("br-lan.10", "vlan", m.on("br-lan", 10), addrs("192.168.10.1/24", "2001:db8::1/64"))
				return m
			},
			source: six(four("br-lan.1", "192.168.10.1/24/br-lan.10"), "2001:db8::/64"),
			networks: []string{
				"br-lan.1 on br-lan.1 segment 0 vlan 1 192.168.1.0/24",
				"br-lan.10 on br-lan.10 segment 0 vlan 10 192.168.10.0/24 2001:db8::/64"},
			attachments: lanPorts},
		{name: "two subnets of one device",
			machine:     func() *machine { return router() },
			source:      four("192.168.1.1/24/br-lan", "10.1.0.1/16/br-lan", "192.168.1.1/24/br-lan"),
			networks:    []string{"br-lan on br-lan segment 0 10.1.0.0/16 192.168.1.0/24"},
			attachments: lanPorts},

		{name: "VLAN-filtering bridge",
			machine: func() *machine {
				m := router()
				m.list[m.index("br-lan")-1].VLANFiltering = true
				m.add("br-lan.1", "vlan", m.on("br-lan", 1), addrs("192.168.1.1/24"))
				m.add("br-lan.10", "vlan", m.on("br-lan", 10), addrs("192.168.10.1/24"))
				return m
			},
			source: of(named("lan", "br-lan.1", "192.168.1.0/24"), named("guest", "br-lan.10", "192.168.10.0/24")),
			networks: []string{
				"lan on br-lan.1 segment 0 vlan 1 192.168.1.0/24",
				"guest on br-lan.10 segment 0 vlan 10 192.168.10.0/24"},
			attachments: lanPorts},
		{name: "filtering bridge itself has the VLAN of its untagged frames",
			machine: func() *machine {
				m := router("192.168.1.1/24")
				filtering(5)(&m.list[m.index("br-lan")-1])
				return m
			},
			source:      four("br-lan"),
			networks:    []string{"br-lan on br-lan segment 0 vlan 5 192.168.1.0/24"},
			attachments: lanPorts},
		{name: "VLAN of a VLAN on a bridge",
			machine: func() *machine {
				m := router()
				m.add("br-lan.10", "vlan", m.on("br-lan", 10))
				m.add("br-lan.10.7", "vlan", m.on("br-lan.10", 7), addrs("10.7.0.1/24"))
				return m
			},
			source:      four("br-lan.10.7"),
			networks:    []string{"br-lan.10.7 on br-lan.10.7 segment 0 vlan 10 10.7.0.0/24"},
			attachments: lanPorts},
		{name: "VLAN stacked on a bridge port",
			machine: func() *machine {
				m := router("192.168.1.1/24")
				m.add("lan1.20", "vlan", m.on("lan1", 20), addrs("192.168.20.1/24"))
				return m
			},
			source: four("br-lan", "lan1.20"),
			networks: []string{
				"br-lan on br-lan segment 0 192.168.1.0/24",
				"lan1.20 on lan1.20 segment 1 192.168.20.0/24"},
			attachments: []string{"0:lan1 port -20", "0:lan2 port", "0:phy0-ap0 port", "1:lan1.20"}},
		{name: "VLANs as ports, as on older switches",
			machine: func() *machine {
				m := &machine{}
				m.add("eth0", "")
				m.add("br-lan", "bridge", addrs("192.168.1.1/24"))
				m.add("br-guest", "bridge", addrs("192.168.3.1/24"))
				m.add("eth0.1", "vlan", m.on("eth0", 1), m.port("br-lan"))
				m.add("eth0.3", "vlan", m.on("eth0", 3), m.port("br-guest"))
				m.add("wlan1", "wlan", m.port("br-guest"))
				return m
			},
			source: four("br-lan", "br-guest"),
			networks: []string{
				"br-lan on br-lan segment 0 192.168.1.0/24",
				"br-guest on br-guest segment 1 192.168.3.0/24"},
			attachments: []string{"0:eth0.1 port", "1:eth0.3 port", "1:wlan1 port"}},
		{name: "bridge in a bridge, as a VLAN",
			machine: func() *machine {
				m := router("192.168.1.1/24")
				m.add("br-guest", "bridge", addrs("192.168.3.1/24"))
				m.add("br-lan.30", "vlan", m.on("br-lan", 30), m.port("br-guest"))
				m.add("wlan1", "wlan", m.port("br-guest"))
				return m
			},
			source: four("br-lan", "br-guest"),
			networks: []string{
				"br-lan on br-lan segment 0 192.168.1.0/24",
				"br-guest on br-guest segment 0 vlan 30 192.168.3.0/24"},
			attachments: []string{"0:lan1 port", "0:lan2 port", "0:phy0-ap0 port", "0:wlan1 port"}},
		{name: "two bridges joined by a veth",
			machine: func() *machine {
				m := router("192.168.1.1/24")
				m.add("br-b", "bridge", addrs("192.168.2.1/24"))
				m.add("va", "veth", m.port("br-lan"))
				m.add("vb", "veth", m.port("br-b"), m.to("va"))
				m.add("lan9", "dsa", m.port("br-b"))
				return m
			},
			source: four("br-lan", "br-b"),
			networks: []string{
				"br-lan on br-lan segment 0 192.168.1.0/24",
				"br-b on br-b segment 0 192.168.2.0/24"},
			attachments: []string{"0:lan1 port", "0:lan2 port", "0:lan9 port", "0:phy0-ap0 port"}},
		{name: "veth of a container",
			machine: func() *machine {
				m := router("192.168.1.1/24")
				m.add("veth12", "veth", m.port("br-lan"))
				return m
			},
			source:      four("br-lan"),
			networks:    []string{"br-lan on br-lan segment 0 192.168.1.0/24"},
			attachments: append(slices.Clone(lanPorts), "0:veth12 port")},
		{name: "bond as a device and as a port",
			machine: func() *machine {
				m := router("192.168.1.1/24")
				m.add("bond1", "bond", m.port("br-lan"))
				m.add("eth5", "", m.port("bond1"))
				m.add("bond2", "bond", addrs("10.2.0.1/24"))
				m.add("eth6", "", m.port("bond2"))
				m.add("eth7", "", m.port("bond2"))
				return m
			},
			source: four("br-lan", "bond2"),
			networks: []string{
				"br-lan on br-lan segment 0 192.168.1.0/24",
				"bond2 on bond2 segment 1 10.2.0.0/24"},
			attachments: []string{"0:bond1 port", "0:lan1 port", "0:lan2 port", "0:phy0-ap0 port", "1:bond2"}},

		{name: "several networks on one bridge",
			machine: func() *machine { return router("192.168.1.1/24", "192.168.5.1/24", "2001:db8::1/64") },
			source:  of(named("lan", "br-lan", "192.168.1.0/24"), named("cams", "br-lan", "192.168.5.0/24")),
			// What is named goes to whom it names; what is found to the first.
			networks: []string{
				"lan on br-lan segment 0 192.168.1.0/24 2001:db8::/64",
				"cams on br-lan segment 0 192.168.5.0/24"},
			attachments: lanPorts},
		{name: "a device in two configurations",
			machine: func() *machine { return router("192.168.1.1/24") },
			source: networks.Combine(of(named("lan", "br-lan", "192.168.1.0/24")),
				six(four("192.168.1.1/24/br-lan", "10.0.0.0/8/br-lan"), "2001:db8::/64")),
			networks:    []string{"lan on br-lan segment 0 10.0.0.0/8 192.168.1.0/24 2001:db8::/64"},
			attachments: lanPorts},
		{name: "a network on two devices",
			machine:     func() *machine { return router() },
			source:      of(named("lan", "br-lan", "192.168.1.0/24"), named("lan", "eth0", "10.0.0.0/24")),
			networks:    []string{"lan on br-lan segment 0 192.168.1.0/24"},
			attachments: lanPorts,
			warnings:    []string{"declared on br-lan and on eth0"}},
		{name: "one prefix, one bridge",
			machine:     func() *machine { return router() },
			source:      of(named("lan", "br-lan", "192.168.1.0/24"), named("iot", "br-lan", "192.168.1.0/24", "10.0.0.0/24")),
			networks:    []string{"lan on br-lan segment 0 192.168.1.0/24", "iot on br-lan segment 0 10.0.0.0/24"},
			attachments: lanPorts,
			warnings:    []string{"Networks lan and iot both have 192.168.1.0/24"}},
		{name: "one prefix, two VLANs of one bridge",
			machine: func() *machine {
				m := router()
				m.add("br-lan.1", "vlan", m.on("br-lan", 1))
				m.add("br-lan.2", "vlan", m.on("br-lan", 2))
				return m
			},
			source: of(named("a", "br-lan.1", "10.0.0.0/24"), named("b", "br-lan.2", "10.0.0.0/24")),
			networks: []string{
				"a on br-lan.1 segment 0 vlan 1 10.0.0.0/24",
				"b on br-lan.2 segment 0 vlan 2 10.0.0.0/24"},
			attachments: lanPorts,
			warnings:    []string{"only VLAN tags tell them apart"}},
		{name: "one prefix, two bridges",
			machine: func() *machine {
				m := router("10.0.0.1/24")
				m.add("br-b", "bridge", addrs("10.0.0.1/24"))
				m.add("lan9", "dsa", m.port("br-b"))
				return m
			},
			source:      four("br-lan", "br-b"),
			networks:    []string{"br-lan on br-lan segment 0 10.0.0.0/24", "br-b on br-b segment 1 10.0.0.0/24"},
			attachments: append(slices.Clone(lanPorts), "1:lan9 port")},

		{name: "WireGuard",
			machine: func() *machine {
				m := router("192.168.1.1/24")
				m.add("wg0", "wireguard", raw(links.TypeNone), addrs("10.8.0.1/24", "fd00:8::1/64"))
				m.add("wg1", "wireguard", raw(links.TypeNone), addrs("10.9.0.1/32"))
				return m
			},
			source: of(named("vpn", "wg0"), networks.Declared{Name: "far", Device: "wg1", Follow: true,
				Routes: prefixes("10.20.0.0/16", "0.0.0.0/0", "0.0.0.0/1", "10.9.0.2/32", "2001:db8:9::/48", "2000::/3")}),
			networks: []string{
				"vpn on wg0 segment 0 10.8.0.0/24 fd00:8::/64",
				"far on wg1 segment 1 10.9.0.2/32 10.20.0.0/16 2001:db8:9::/48"},
			attachments: []string{"0:wg0 raw", "1:wg1 raw"}},
		{name: "routes through Ethernet are no hosts of the network",
			machine: func() *machine { return router("192.168.1.1/24") },
			source: of(networks.Declared{Name: "lan", Device: "br-lan", Follow: true,
				Routes: prefixes("10.20.0.0/16")}),
			networks:    []string{"lan on br-lan segment 0 192.168.1.0/24"},
			attachments: lanPorts},
		{name: "PPP server",
			machine: func() *machine {
				m := router("192.168.1.1/24")
				m.add("ppp1", "ppp", raw(links.TypePPP), addrs("10.64.0.1/32"), peers("10.64.0.12/32"))
				m.add("ppp0", "ppp", raw(links.TypePPP), addrs("10.64.0.1/32"), peers("10.64.0.11/32"))
				return m
			},
			source:      four("br-lan", "ppp+"),
			networks:    []string{"br-lan on br-lan segment 0 192.168.1.0/24", "ppp+ on ppp+ segment 1 10.64.0.11/32 10.64.0.12/32"},
			attachments: append(slices.Clone(lanPorts), "1:ppp0 raw", "1:ppp1 raw")},
		{name: "PPP server before its first client",
			machine:     func() *machine { return router() },
			source:      four("10.64.0.0/24/ppp+"),
			networks:    []string{"ppp+ on ppp+ segment 0 10.64.0.0/24"},
			attachments: nil, missing: []string{"ppp+"}},

		{name: "absent devices",
			machine:     func() *machine { return router("192.168.1.1/24") },
			source:      four("192.168.9.1/24/br-later", "br-lan", "wg7"),
			networks:    []string{"br-later on br-later segment 0 192.168.9.0/24", "br-lan on br-lan segment 1 192.168.1.0/24", "wg7 on wg7 segment 2"},
			attachments: []string{"1:lan1 port", "1:lan2 port", "1:phy0-ap0 port"},
			missing:     []string{"br-later", "wg7"}},
		{name: "a network that has no device yet",
			machine:     func() *machine { return router("192.168.1.1/24") },
			source:      of(named("guest", ""), named("lan", "br-lan")),
			networks:    []string{"guest on  segment 0", "lan on br-lan segment 1 192.168.1.0/24"},
			attachments: []string{"1:lan1 port", "1:lan2 port", "1:phy0-ap0 port"}},
		{name: "bridge without ports",
			machine: func() *machine {
				m := &machine{}
				m.add("br-lan", "bridge", addrs("192.168.1.1/24"))
				return m
			},
			source:   four("br-lan"),
			networks: []string{"br-lan on br-lan segment 0 192.168.1.0/24"}},
		{name: "a port of a watched bridge",
			machine:     func() *machine { return router("192.168.1.1/24") },
			source:      four("br-lan", "10.5.0.1/24/lan2"),
			networks:    []string{"br-lan on br-lan segment 0 192.168.1.0/24", "lan2 on lan2 segment 0 10.5.0.0/24"},
			attachments: lanPorts,
			warnings:    []string{"lan2, a port of br-lan: its hosts are counted on all ports"}},
		{name: "a port of a bridge that is not watched",
			machine:     func() *machine { return router("192.168.1.1/24") },
			source:      four("192.168.1.1/24/lan2"),
			networks:    []string{"lan2 on lan2 segment 0 192.168.1.0/24"},
			attachments: []string{"0:lan2 port"},
			warnings:    []string{"only hosts behind this port are counted"}},
		{name: "devices that cannot be counted",
			machine: func() *machine {
				m := router()
				m.add("mon0", "", func(l *links.Link) { l.Type = 803 })
				return m
			},
			source:   four("lo", "mon0"),
			networks: []string{"lo on lo segment 0", "mon0 on mon0 segment 1"},
			warnings: []string{"Device lo of network lo has link type 772", "Device mon0 of network mon0 has link type 803"}},
		{name: "no addresses",
			machine:     func() *machine { return router("fe80::1/64", "10.1.1.1/32") },
			source:      four("br-lan"),
			networks:    []string{"br-lan on br-lan segment 0"},
			attachments: lanPorts,
			warnings:    []string{"Network br-lan has no addresses on br-lan"}},
		{name: "joined only by a third network",
			machine: func() *machine {
				m := router("192.168.1.1/24")
				m.add("br-b", "bridge", addrs("192.168.2.1/24"))
				m.add("lan9", "dsa", m.port("br-b"))
				m.add("br-c", "bridge", addrs("192.168.3.1/24"))
				m.add("br-lan.5", "vlan", m.on("br-lan", 5), m.port("br-c"))
				m.add("br-b.5", "vlan", m.on("br-b", 5), m.port("br-c"))
				return m
			},
			source: four("br-lan", "br-b", "eth0", "br-c"),
			networks: []string{
				"br-lan on br-lan segment 0 192.168.1.0/24",
				"br-b on br-b segment 0 192.168.2.0/24",
				"eth0 on eth0 segment 2 203.0.113.0/24",
				"br-c on br-c segment 0 vlan 5 192.168.3.0/24"},
			attachments: []string{"0:lan1 port", "0:lan2 port", "0:lan9 port", "0:phy0-ap0 port", "2:eth0"}},
		{name: "nonsense", machine: func() *machine { return router() },
			source:   of(networks.Declared{}, networks.Declared{Name: "x", Device: "br-lan", Prefixes: []netip.Prefix{{}, netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::ffff:10.0.0.0/104")}}),
			networks: []string{"x on br-lan segment 0 10.0.0.0/8"}, attachments: lanPorts},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table := tt.machine().table()
			p := networks.Resolve(tt.source, table)
			compare(t, "networks", showNetworks(p), tt.networks)
			compare(t, "attachments", showAttachments(p), tt.attachments)
			compare(t, "missing", p.Missing, tt.missing)
			if len(p.Warnings) != len(tt.warnings) {
				t.Errorf("warnings %q, want %q", p.Warnings, tt.warnings)
			} else {
				for i, w := range p.Warnings {
					if !strings.Contains(w, tt.warnings[i]) {
						t.Errorf("warning %q, want %q in it", w, tt.warnings[i])
					}
				}
			}
			sane(t, p)
			if again := networks.Resolve(tt.source, table); !p.Equal(again) {
				t.Error("the same question has another answer")
			}
		})
	}
}

// sane checks what holds for every plan.
func sane(t *testing.T, p networks.Plan) {
	t.Helper()
	seen := map[int]bool{}
	for _, a := range p.Attachments {
		if seen[a.Ifindex] {
			t.Errorf("%s is attached twice", a.Device)
		}
		seen[a.Ifindex] = true
		if a.Segment < 0 || a.Segment >= networks.MaxSegments {
			t.Errorf("segment %d of %s is out of range", a.Segment, a.Device)
		}
	}
	if len(p.Networks) > networks.MaxNetworks {
		t.Errorf("%d networks", len(p.Networks))
	}
	count := map[bool]int{}
	names := map[string]bool{}
	for _, n := range p.Networks {
		if names[n.Name] || n.Name == "" {
			t.Errorf("name %q is empty or used twice", n.Name)
		}
		names[n.Name] = true
		for _, q := range n.Prefixes {
			count[q.Addr().Is4()]++
			if q != q.Masked() {
				t.Errorf("%v is not masked", q)
			}
		}
	}
	if count[true] > networks.MaxPrefixes || count[false] > networks.MaxPrefixes {
		t.Errorf("too many prefixes: %v", count)
	}
	for _, w := range p.Warnings {
		if !strings.HasSuffix(w, ".") {
			t.Errorf("warning %q is no sentence", w)
		}
	}
}
