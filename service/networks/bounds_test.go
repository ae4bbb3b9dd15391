// SPDX-License-Identifier: GPL-2.0-only

package networks_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/mezoura/mezoura/service/links"
	"github.com/mezoura/mezoura/service/networks"
)

func warned(t *testing.T, p networks.Plan, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, part) }) {
			t.Errorf("no warning has %q: %q", part, p.Warnings)
		}
	}
}

func TestBoundNetworks(t *testing.T) {
	m := &machine{}
	var list []string
	for i := range networks.MaxNetworks + 3 {
		name := fmt.Sprintf("eth%d", i)
		m.add(name, "", addrs(fmt.Sprintf("10.%d.0.1/24", i)))
		list = append(list, name)
	}
	p := networks.Resolve(four(list...), m.table())
	sane(t, p)
	if len(p.Networks) != networks.MaxNetworks || len(p.Attachments) != networks.MaxNetworks {
		t.Errorf("%d networks on %d devices, want %d", len(p.Networks), len(p.Attachments), networks.MaxNetworks)
	}
	if last := p.Networks[len(p.Networks)-1]; last.Name != "eth63" || last.Segment != networks.MaxSegments-1 {
		t.Errorf("last network: %+v", last)
	}
	warned(t, p, "Only 64 networks can be counted; left out: eth64, eth65, eth66.")
}

func TestBoundPrefixes(t *testing.T) {
	d := networks.Declared{Name: "lan", Device: "br-lan"}
	for i := range networks.MaxPrefixes + 2 {
		d.Prefixes = append(d.Prefixes,
			netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/24", i)),
			netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x::/64", i)))
	}
	// What comes after has no room in one family, whatever it has in the other.
	p := networks.Resolve(of(d, named("late", "eth0")), router().table())
	sane(t, p)
	if n := len(p.Networks[0].Prefixes); n != 2*networks.MaxPrefixes {
		t.Errorf("%d prefixes, want %d", n, 2*networks.MaxPrefixes)
	}
	if len(p.Networks[1].Prefixes) != 0 {
		t.Errorf("prefixes of the last network: %v", p.Networks[1].Prefixes)
	}
	warned(t, p, "Only 128 IPv4 prefixes can be counted; 3 more are left out", "Only 128 IPv6 prefixes can be counted; 2 more")
}

func TestBoundVLANs(t *testing.T) {
	m := router()
	var list []string
	for i := 1; i <= networks.MaxVLANs+1; i++ {
		name := fmt.Sprintf("br-lan.%d", i)
		m.add(name, "vlan", m.on("br-lan", uint16(i)), addrs(fmt.Sprintf("10.%d.0.1/24", i)))
		list = append(list, name)
	}
	p := networks.Resolve(four(list...), m.table())
	sane(t, p)
	for i, n := range p.Networks {
		want := uint16(i + 1)
		if i == networks.MaxVLANs {
			want = 0
		}
		if n.VLAN != want || n.Segment != 0 {
			t.Errorf("%s: VLAN %d segment %d, want %d and 0", n.Name, n.VLAN, n.Segment, want)
		}
	}
	warned(t, p, "network br-lan.17 (VLAN 17)")
}

func TestSeveralTags(t *testing.T) {
	m := router()
	m.add("br-lan.1", "vlan", m.on("br-lan", 1), addrs("10.1.0.1/24"))
	m.add("br-lan.2", "vlan", m.on("br-lan", 2), addrs("10.2.0.1/24"))
	p := networks.Resolve(four("br-lan.+"), m.table())
	compare(t, "networks", showNetworks(p), []string{"br-lan.+ on br-lan.+ segment 0 vlan 1 10.1.0.0/24 10.2.0.0/24"})
	warned(t, p, "carry several VLAN tags")
}

func TestOwn(t *testing.T) {
	m := router("192.168.1.1/24", "2001:db8::1/64", "fe80::5/64")
	m.add("wg0", "wireguard", raw(links.TypeNone), addrs("10.9.0.1/32", "192.168.1.1/32"))
	p := networks.Resolve(networks.Source{
		Networks: []networks.Declared{named("lan", "br-lan")},
		Internal: prefixes("2001:db8:ff00::1/56", "fd00::/48", "2001:db8:ff00::/56"),
	}, m.table())
	var own []string
	for _, a := range p.Own {
		own = append(own, a.String())
	}
	// The address of the WAN is among them: NAT loopback is not the internet.
	compare(t, "own", own, []string{"10.9.0.1", "192.168.1.1", "203.0.113.5", "2001:db8::1"})
	if want := prefixes("2001:db8:ff00::/56", "fd00::/48"); !slices.Equal(p.Internal, want) {
		t.Errorf("internal %v, want %v", p.Internal, want)
	}
}

func TestOwnBound(t *testing.T) {
	m := router("192.168.1.1/24")
	var list []string
	for i := range 300 {
		list = append(list, fmt.Sprintf("198.51.%d.%d/32", i/200, i%200+1), fmt.Sprintf("10.0.%d.%d/32", i/200, i%200+1))
	}
	m.add("eth9", "", addrs(list...))
	p := networks.Resolve(four("br-lan"), m.table())
	public := 0
	for _, a := range p.Own {
		if !a.IsPrivate() {
			public++
		}
	}
	if public >= networks.MaxPrefixes || public < 64 || len(p.Own)-public != 301 {
		t.Errorf("%d own addresses, %d public", len(p.Own), public)
	}
	warned(t, p, "too many public addresses")
}

func TestForeign(t *testing.T) {
	m := router()
	m.add("br-lan.1", "vlan", m.on("br-lan", 1), addrs("192.168.1.1/24"))
	m.add("br-lan.10", "vlan", m.on("br-lan", 10), addrs("192.168.10.1/24", "2001:db8:10::1/64", "fe80::1/64"))
	m.add("lan1.20", "vlan", m.on("lan1", 20), addrs("192.168.20.1/24")) // leaves lan1 before the bridge
	m.add("br-other", "bridge", addrs("192.168.30.1/24"))                // shares nothing
	p := networks.Resolve(four("br-lan.1"), m.table())
	if want := prefixes("192.168.10.0/24", "2001:db8:10::/64"); !slices.Equal(p.Foreign, want) {
		t.Errorf("foreign %v, want %v", p.Foreign, want)
	}
	p = networks.Resolve(four("br-lan.1", "br-lan.10"), m.table())
	if len(p.Foreign) != 0 {
		t.Errorf("foreign %v where all are watched", p.Foreign)
	}
	// Addresses that a watched device has beside the named prefix are nobody else's: what uses
	// them is missing from the configuration, and shows as unattributed.
	p = networks.Resolve(four("10.0.0.0/8/br-lan.1", "br-lan.10"), m.table())
	if len(p.Foreign) != 0 {
		t.Errorf("foreign %v of a watched device", p.Foreign)
	}
}

func TestSegmentsStay(t *testing.T) {
	m := router("192.168.1.1/24")
	source := four("br-later", "br-lan")
	before := networks.Resolve(source, m.table())
	m.add("br-later", "bridge", addrs("192.168.9.1/24"))
	m.add("lan9", "dsa", m.port("br-later"))
	after := networks.Resolve(source, m.table())
	for i := range before.Networks {
		if before.Networks[i].Segment != after.Networks[i].Segment {
			t.Errorf("segment of %s goes from %d to %d", before.Networks[i].Name, before.Networks[i].Segment, after.Networks[i].Segment)
		}
	}
	if before.Equal(after) {
		t.Error("a device that came makes no difference")
	}
}

func TestNilTable(t *testing.T) {
	p := networks.Resolve(six(four("192.168.1.0/24/br-lan"), "2001:db8::/64"), nil)
	compare(t, "networks", showNetworks(p), []string{"br-lan on br-lan segment 0 192.168.1.0/24 2001:db8::/64"})
	compare(t, "missing", p.Missing, []string{"br-lan"})
}

// On random machines, rings of devices among them: an answer, soon, and a sane one.
func FuzzResolve(f *testing.F) {
	for i := range uint64(8) {
		f.Add(i, uint8(3+4*i))
	}
	kinds := []string{"bridge", "vlan", "veth", "", "wireguard", "bond"}
	f.Fuzz(func(t *testing.T, seed uint64, size uint8) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := int(size)%48 + 1
		var list []links.Link
		for i := 1; i <= n; i++ {
			l := links.Link{Index: i, Name: fmt.Sprintf("d%d", i), Kind: kinds[r.IntN(len(kinds))], Type: links.TypeEthernet}
			if r.IntN(2) == 0 {
				l.Master = r.IntN(n + 2)
			}
			switch l.Kind {
			case "vlan":
				l.Lower, l.VLAN = r.IntN(n+2), uint16(r.IntN(4096))
			case "veth":
				l.Peer = r.IntN(n + 2)
			case "wireguard":
				l.Type, l.RawIP = links.TypeNone, true
			}
			for range r.IntN(4) {
				var a [4]byte
				binary.BigEndian.PutUint32(a[:], r.Uint32())
				l.Addrs = append(l.Addrs, netip.PrefixFrom(netip.AddrFrom4(a), r.IntN(33)))
			}
			list = append(list, l)
		}
		var source networks.Source
		for range r.IntN(80) {
			d := networks.Declared{Name: fmt.Sprintf("n%d", r.IntN(70)), Device: fmt.Sprintf("d%d", r.IntN(n+3)), Follow: r.IntN(2) == 0}
			if r.IntN(4) == 0 {
				d.Name = ""
			}
			if r.IntN(8) == 0 {
				d.Device = "d1+"
			}
			source.Networks = append(source.Networks, d)
		}
		source.Prefixes6 = prefixes("2001:db8::/64")
		table := links.NewTable(list)
		p := networks.Resolve(source, table)
		sane(t, p)
		if !p.Equal(networks.Resolve(source, table)) {
			t.Error("the same question has another answer")
		}
	})
}

func BenchmarkResolve(b *testing.B) {
	m := router("192.168.1.1/24")
	for i := range 300 {
		m.add(fmt.Sprintf("veth%d", i), "veth", m.port("br-lan"))
	}
	for i := range 12 {
		m.add(fmt.Sprintf("br-lan.%d", i+1), "vlan", m.on("br-lan", uint16(i+1)), addrs(fmt.Sprintf("10.%d.0.1/24", i)))
	}
	table, source := m.table(), four("br-lan", "br-lan.+")
	b.ReportAllocs()
	for range b.N {
		networks.Resolve(source, table)
	}
}
