// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
)

// shape is a frame in words. The zero value of a field is what is usual.
type shape struct {
	from, to string
	mac      string // of the host; "" is 02:00:00:00:00:20
	tags     []uint16
	tpid     uint16 // of the outermost tag
	options  int    // bytes of IPv4 options
	ext      []byte // IPv6 extension headers of 8 bytes each, by type
	fragment uint16 // IPv4 flags and offset
	tcp      int    // bytes of TCP header; 0 is UDP
	nibble   byte   // version in the IP header, where wrong
	payload  int    // 0 is 64 bytes
	raw      bool
	cut      int // bytes that are there at all
	download bool
}

func (s shape) build() []byte {
	src, dst := netip.MustParseAddr(s.from), netip.MustParseAddr(s.to)
	var f []byte
	if !s.raw {
		host, router := [6]byte{2, 0, 0, 0, 0, 0x20}, [6]byte{2, 0, 0, 0, 0, 1}
		if s.mac != "" {
			fmt.Sscanf(s.mac, "%02x:%02x:%02x:%02x:%02x:%02x", &host[0], &host[1], &host[2], &host[3], &host[4], &host[5])
		}
		if s.download {
			f = append(append(f, host[:]...), router[:]...)
		} else {
			f = append(append(f, router[:]...), host[:]...)
		}
		for i, tag := range s.tags {
			tpid := uint16(0x8100)
			if i == 0 && s.tpid != 0 {
				tpid = s.tpid
			}
			f = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(f, tpid), tag)
		}
		if src.Is4() {
			f = append(f, 8, 0)
		} else {
			f = append(f, 0x86, 0xdd)
		}
	}
	proto := byte(17)
	if s.tcp != 0 {
		proto = 6
	}
	start := len(f)
	if src.Is4() {
		ip := make([]byte, 20+s.options)
		ip[0], ip[8], ip[9] = 0x40|byte(len(ip)/4), 64, proto
		binary.BigEndian.PutUint16(ip[6:], s.fragment)
		copy(ip[12:], src.AsSlice())
		copy(ip[16:], dst.AsSlice())
		f = append(f, ip...)
	} else {
		ip := make([]byte, 40)
		ip[0], ip[7] = 0x60, 64
		copy(ip[8:], src.AsSlice())
		copy(ip[24:], dst.AsSlice())
		at := len(f) + 6
		f = append(f, ip...)
		for _, e := range s.ext {
			f[at] = e
			at = len(f)
			f = append(f, make([]byte, 8)...)
		}
		f[at] = proto
	}
	if s.nibble != 0 {
		f[start] = s.nibble<<4 | f[start]&15
	}
	if s.tcp != 0 {
		tcp := make([]byte, s.tcp)
		tcp[12] = byte(s.tcp / 4 << 4)
		f = append(f, tcp...)
	} else {
		f = append(f, make([]byte, 8)...)
	}
	if s.payload == 0 {
		s.payload = 64
	}
	f = append(f, make([]byte, s.payload)...)
	if s.cut != 0 {
		f = f[:s.cut]
	}
	return f
}

// vector is one packet and what shall become of it.
type vector struct {
	name    string
	shape   shape
	segs    int // gso_segs
	size    int // gso_size
	segment int

	counts  string // network; "" is none
	reason  Reason
	bytes   int // 0 is the frame's length
	packets int // 0 is one
}

const none = Reasons // no reason: not to be counted at all

// vectorRules: a LAN, a guest network told apart by its tag although it has the LAN's second prefix, an office on another
// bridge, a foreign network next door.
func vectorRules() *Rules {
	return &Rules{
		Networks: []Network{
			{Name: "lan", Prefixes: mustPrefix("192.168.1.0/24", "10.9.0.0/16", "2001:db8:1::/64", "fd00:1::/64")},
			{Name: "guest", VLAN: 20, Prefixes: mustPrefix("192.168.20.0/24", "10.9.0.0/16", "2001:db8:20::/64")},
			{Name: "iot", VLAN: 30, Prefixes: mustPrefix("192.168.30.0/24", "10.9.0.0/16")},
			{Name: "office", Segment: 1, Prefixes: mustPrefix("192.168.50.0/24", "2001:db8:50::/64", "10.9.0.0/16")},
			{Name: "upper", Prefixes: mustPrefix("44.0.0.0/9", "46.0.0.0/7", "2a00::/9")},
		},
		Internal: internals(),
		Own:      mustAddr("192.168.1.1", "203.0.113.7", "2001:db8:1::1", "2001:db8:ffff::7", "192.168.20.1"),
		Foreign:  mustPrefix("198.51.100.0/24", "2001:db8:77::/64"),
	}
}

func mustAddr(s ...string) (out []netip.Addr) {
	for _, a := range s {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func vectors() []vector {
	const (
		h4, h6, n4, n6 = "192.168.1.20", "2001:db8:1::20", "93.184.216.34", "2606:2800:220:1::1"
		guest, hop     = "192.168.20.20", 0
	)
	list := []vector{
		{name: "IPv4 up", shape: shape{from: h4, to: n4}, counts: "lan", bytes: 106},
		{name: "IPv4 down", shape: shape{from: n4, to: h4, download: true}, counts: "lan", bytes: 106},
		{name: "IPv6 up", shape: shape{from: h6, to: n6}, counts: "lan", bytes: 126},
		{name: "IPv6 down", shape: shape{from: n6, to: h6, download: true}, counts: "lan", bytes: 126},
		{name: "IPv4 TCP", shape: shape{from: h4, to: n4, tcp: 32}, counts: "lan", bytes: 130},
		{name: "IPv4 up with no payload to speak of", shape: shape{from: h4, to: n4, payload: 1}, counts: "lan", bytes: 43},
		{name: "private IPv6 address of a host", shape: shape{from: "fd00:1::20", to: n6}, counts: "lan"},

		{name: "LAN to LAN", shape: shape{from: h4, to: "192.168.1.30"}, reason: none},
		{name: "LAN to LAN down", shape: shape{from: "192.168.1.30", to: h4, download: true}, reason: none},
		{name: "LAN to LAN, public IPv6", shape: shape{from: h6, to: "2001:db8:1::30"}, reason: none},
		{name: "LAN to guest, public IPv6", shape: shape{from: h6, to: "2001:db8:20::30"}, reason: none},
		{name: "LAN to another segment", shape: shape{from: h4, to: "192.168.50.9"}, reason: none},
		{name: "LAN to foreign", shape: shape{from: h4, to: "198.51.100.9"}, reason: none},
		{name: "foreign to internet", shape: shape{from: "198.51.100.9", to: n4}, reason: none},
		{name: "foreign to internet, IPv6", shape: shape{from: "2001:db8:77::9", to: n6}, reason: none},
		{name: "to the router", shape: shape{from: h4, to: "192.168.1.1"}, reason: none},
		{name: "to the router, IPv6", shape: shape{from: h6, to: "2001:db8:1::1"}, reason: none},
		{name: "NAT loopback up", shape: shape{from: h4, to: "203.0.113.7"}, reason: none},
		{name: "NAT loopback down", shape: shape{from: "203.0.113.7", to: h4, download: true}, reason: none},
		{name: "NAT loopback, next address", shape: shape{from: h4, to: "203.0.113.8"}, counts: "lan"},
		{name: "to the router's address of the WAN, IPv6", shape: shape{from: h6, to: "2001:db8:ffff::7"}, reason: none},
		{name: "beside it", shape: shape{from: h6, to: "2001:db8:ffff::8"}, counts: "lan"},
		{name: "to a group", shape: shape{from: h4, to: "224.0.0.251"}, reason: none},
		{name: "to everybody", shape: shape{from: h4, to: "255.255.255.255"}, reason: none},
		{name: "to a group, IPv6", shape: shape{from: h6, to: "ff02::fb"}, reason: none},
		{name: "router's own upload", shape: shape{from: "192.168.1.1", to: n4}, counts: "lan"},

		{name: "unknown prefix up", shape: shape{from: "8.8.8.8", to: n4}, reason: NoPrefix},
		{name: "unknown prefix down", shape: shape{from: n4, to: "8.8.8.8", download: true}, reason: NoPrefix},
		{name: "unknown prefix, IPv6", shape: shape{from: "2001:db8:2::1", to: n6}, reason: NoPrefix},
		{name: "unknown prefix, first byte of a known one", shape: shape{from: "192.168.2.1", to: n4}, reason: NoPrefix},
		{name: "link-local host to internet", shape: shape{from: "fe80::1", to: n6}, reason: NoPrefix},
		{name: "no address yet", shape: shape{from: "0.0.0.0", to: n4}, reason: NoPrefix},
		{name: "unknown prefix, tag that nobody has", shape: shape{from: "8.8.8.8", to: n4, tags: []uint16{77}}, reason: none},
		{name: "unknown prefix, tag of the guests", shape: shape{from: "8.8.8.8", to: n4, tags: []uint16{20}}, reason: NoPrefix},
		{name: "internet to a group", shape: shape{from: n4, to: "239.1.1.1", download: true, mac: "01:00:5e:01:01:01"}, reason: Multicast},
		{name: "internet to everybody", shape: shape{from: n4, to: "255.255.255.255", download: true, mac: "ff:ff:ff:ff:ff:ff"}, reason: Multicast},
		{name: "internet to a group, IPv6", shape: shape{from: n6, to: "ff0e::1", download: true, mac: "33:33:00:00:00:01"}, reason: Multicast},
		{name: "internet to the network's broadcast", shape: shape{from: n4, to: "192.168.1.255", download: true, mac: "ff:ff:ff:ff:ff:ff"}, reason: Multicast},
		{name: "group as source MAC", shape: shape{from: h4, to: n4, mac: "03:00:00:00:00:01"}, reason: Malformed},
		{name: "group as source MAC, IPv6", shape: shape{from: h6, to: n6, mac: "33:33:00:00:00:01"}, reason: Malformed},
		{name: "group as source MAC, LAN to LAN", shape: shape{from: h4, to: "192.168.1.30", mac: "03:00:00:00:00:01"}, reason: none},

		{name: "tag", shape: shape{from: guest, to: n4, tags: []uint16{20}}, counts: "guest", bytes: 110},
		{name: "tag with priority bits", shape: shape{from: guest, to: n4, tags: []uint16{0xf014}}, counts: "guest"},
		{name: "tag, IPv6 down", shape: shape{from: n6, to: "2001:db8:20::5", tags: []uint16{20}, download: true}, counts: "guest", bytes: 130},
		{name: "two tags", shape: shape{from: h4, to: n4, tags: []uint16{20, 100}, tpid: 0x88a8}, counts: "lan", bytes: 114},
		{name: "two tags of one kind", shape: shape{from: h6, to: n6, tags: []uint16{20, 100}}, counts: "lan", bytes: 134},
		{name: "three tags", shape: shape{from: h4, to: n4, tags: []uint16{1, 2, 3}}, reason: none},
		{name: "tag of a VLAN device above", shape: shape{from: h4, to: n4, tags: []uint16{77}}, reason: none},
		{name: "tag of a VLAN device above, IPv6 down", shape: shape{from: n6, to: h6, tags: []uint16{77}, download: true}, reason: none},
		{name: "priority tag", shape: shape{from: h4, to: n4, tags: []uint16{0xa000}}, counts: "lan", bytes: 110},
		{name: "untagged guest", shape: shape{from: guest, to: n4}, counts: "guest"},
		{name: "shared prefix, untagged", shape: shape{from: "10.9.0.5", to: n4}, counts: "lan"},
		{name: "shared prefix, tag 20", shape: shape{from: "10.9.0.5", to: n4, tags: []uint16{20}}, counts: "guest"},
		{name: "shared prefix, tag 30", shape: shape{from: "10.9.0.5", to: n4, tags: []uint16{30}}, counts: "iot"},
		{name: "shared prefix, tag 30 down", shape: shape{from: n4, to: "10.9.0.5", tags: []uint16{30}, download: true}, counts: "iot"},
		{name: "shared prefix, tag of nobody", shape: shape{from: "10.9.0.5", to: n4, tags: []uint16{40}}, reason: none},
		{name: "shared prefix, other segment", shape: shape{from: "10.9.0.5", to: n4}, segment: 1, counts: "office"},

		{name: "prefix of another segment", shape: shape{from: "192.168.50.9", to: n4}, reason: none},
		{name: "prefix of another segment, there", shape: shape{from: "192.168.50.9", to: n4}, segment: 1, counts: "office"},
		{name: "LAN's prefix on the other segment", shape: shape{from: h4, to: n4}, segment: 1, reason: none},
		{name: "prefix of another segment, IPv6", shape: shape{from: "2001:db8:50::9", to: n6}, reason: none},
		{name: "a segment without networks", shape: shape{from: h4, to: n4}, segment: 63, reason: none},
		{name: "a segment without networks, unknown prefix", shape: shape{from: "8.8.8.8", to: n4}, segment: 63, reason: NoPrefix},

		{name: "IPv4 options", shape: shape{from: h4, to: n4, options: 40}, counts: "lan", bytes: 146},
		{name: "first fragment", shape: shape{from: h4, to: n4, fragment: 0x2000}, counts: "lan"},
		{name: "later fragment", shape: shape{from: h4, to: n4, fragment: 0x00b9}, counts: "lan"},
		{name: "later fragment down", shape: shape{from: n4, to: h4, fragment: 0x20b9, download: true}, counts: "lan"},
		{name: "IPv6 fragment", shape: shape{from: h6, to: n6, ext: []byte{44}}, counts: "lan", bytes: 134},
		{name: "IPv6 extension headers", shape: shape{from: h6, to: n6, ext: []byte{hop, 60, 43, 44, 51, 60, 135, 139}}, counts: "lan", bytes: 190},
		{name: "IPv4 in a frame of IPv6", shape: shape{from: h6, to: n6, nibble: 4}, reason: none},
		{name: "IPv6 in a frame of IPv4", shape: shape{from: h4, to: n4, nibble: 6}, reason: none},
		{name: "version 0", shape: shape{from: h4, to: n4, nibble: 15}, reason: none},

		{name: "GSO TCP", shape: shape{from: h4, to: n4, tcp: 20, payload: 3000}, segs: 3, size: 1000, counts: "lan", bytes: 3054 + 2*54, packets: 3},
		{name: "GSO TCP with options", shape: shape{from: h4, to: n4, tcp: 32, payload: 3000}, segs: 3, size: 1000, counts: "lan", bytes: 3066 + 2*66, packets: 3},
		{name: "GSO TCP, IPv4 options", shape: shape{from: h4, to: n4, tcp: 32, options: 8, payload: 3000}, segs: 3, size: 1000, counts: "lan", bytes: 3074 + 2*74, packets: 3},
		{name: "GSO TCP, tag", shape: shape{from: guest, to: n4, tcp: 20, tags: []uint16{20}, payload: 3000}, segs: 3, size: 1000, counts: "guest", bytes: 3058 + 2*58, packets: 3},
		{name: "GSO TCP, two tags, IPv6", shape: shape{from: h6, to: n6, tcp: 20, tags: []uint16{20, 8}, payload: 3000}, segs: 3, size: 1000, counts: "lan", bytes: 3082 + 2*82, packets: 3},
		{name: "GRO TCP down, IPv6", shape: shape{from: n6, to: h6, tcp: 32, payload: 3000, download: true}, segs: 3, size: 1000, counts: "lan", bytes: 3086 + 2*86, packets: 3},
		{name: "GSO TCP, IPv6 extension headers", shape: shape{from: h6, to: n6, tcp: 20, ext: []byte{hop, 60}, payload: 3000}, segs: 3, size: 1000, counts: "lan", bytes: 3090 + 2*90, packets: 3},
		{name: "GSO UDP", shape: shape{from: h4, to: n4, payload: 2400}, segs: 2, size: 1200, counts: "lan", bytes: 2442 + 42, packets: 2},
		{name: "GSO UDP, IPv6 and routing header", shape: shape{from: h6, to: n6, ext: []byte{43}, payload: 2400}, segs: 2, size: 1200, counts: "lan", bytes: 2470 + 70, packets: 2},
		{name: "GSO of one segment", shape: shape{from: h4, to: n4, tcp: 20, payload: 900}, segs: 1, size: 1000, counts: "lan", bytes: 954, packets: 1},
		{name: "segments not counted yet", shape: shape{from: h4, to: n4, tcp: 20, payload: 3001}, size: 1000, counts: "lan", bytes: 3055 + 3*54, packets: 4},
		{name: "segments not counted yet, even", shape: shape{from: h4, to: n4, tcp: 20, payload: 3000}, size: 1000, counts: "lan", bytes: 3054 + 2*54, packets: 3},
		{name: "segments without a size", shape: shape{from: h4, to: n4, tcp: 20, payload: 3000}, segs: 3, counts: "lan", bytes: 3054, packets: 1},
		{name: "GSO, LAN to LAN", shape: shape{from: h4, to: "192.168.1.30", tcp: 20, payload: 3000}, segs: 3, size: 1000, reason: none},
		{name: "GSO, unknown prefix", shape: shape{from: "8.8.8.8", to: n4, tcp: 20, payload: 3000}, segs: 3, size: 1000, reason: NoPrefix, bytes: 3054 + 2*54, packets: 3},

		{name: "/9, inside", shape: shape{from: "44.127.255.255", to: n4}, counts: "upper"},
		{name: "/9, outside", shape: shape{from: "44.128.0.0", to: n4}, reason: NoPrefix},
		{name: "/9, far inside", shape: shape{from: h4, to: "44.127.255.255"}, reason: none},
		{name: "/9, far outside", shape: shape{from: h4, to: "44.128.0.0"}, counts: "lan"},
		{name: "/7, first", shape: shape{from: "46.0.0.0", to: n4}, counts: "upper"},
		{name: "/7, last", shape: shape{from: "47.255.255.255", to: n4}, counts: "upper"},
		{name: "/7, behind", shape: shape{from: "48.0.0.0", to: n4}, reason: NoPrefix},
		{name: "IPv6 /9, inside", shape: shape{from: "2a7f:ffff::1", to: n6}, counts: "upper"},
		{name: "IPv6 /9, outside", shape: shape{from: "2a80::1", to: n6}, reason: NoPrefix},
		{name: "100.64/10, far", shape: shape{from: h4, to: "100.127.255.255"}, reason: none},
		{name: "100.64/10, behind", shape: shape{from: h4, to: "100.128.0.0"}, counts: "lan"},
		{name: "172.16/12, before", shape: shape{from: h4, to: "172.15.255.255"}, counts: "lan"},
		{name: "172.16/12, last", shape: shape{from: h4, to: "172.31.255.255"}, reason: none},
		{name: "fe80::/10, last", shape: shape{from: h6, to: "febf::1"}, reason: none},
		{name: "fe80::/10, behind", shape: shape{from: h6, to: "fec0::1"}, counts: "lan"},
		{name: "::1", shape: shape{from: h6, to: "::1"}, reason: none},
		{name: "::2", shape: shape{from: h6, to: "::2"}, counts: "lan"},

		{name: "raw IPv4 up", shape: shape{from: h4, to: n4, raw: true}, counts: "lan", bytes: 92},
		{name: "raw IPv4 down", shape: shape{from: n4, to: h4, raw: true, download: true}, counts: "lan", bytes: 92},
		{name: "raw IPv6 up", shape: shape{from: h6, to: n6, raw: true}, counts: "lan", bytes: 112},
		{name: "raw IPv6 down", shape: shape{from: n6, to: h6, raw: true, download: true}, counts: "lan", bytes: 112},
		{name: "raw, LAN to LAN", shape: shape{from: h4, to: "192.168.1.9", raw: true}, reason: none},
		{name: "raw, unknown prefix", shape: shape{from: "8.8.8.8", to: n4, raw: true}, reason: NoPrefix},
		{name: "raw, to a group", shape: shape{from: n4, to: "239.1.1.1", raw: true, download: true}, reason: Multicast},
		{name: "raw, neither version", shape: shape{from: h4, to: n4, raw: true, nibble: 5}, reason: none},
		{name: "raw GSO TCP", shape: shape{from: h4, to: n4, tcp: 32, payload: 3000, raw: true}, segs: 3, size: 1000, counts: "lan", bytes: 3052 + 2*52, packets: 3},
		{name: "raw IPv4, header cut", shape: shape{from: h4, to: n4, raw: true, cut: 19}, reason: none},
		{name: "raw IPv4, header whole", shape: shape{from: h4, to: n4, raw: true, cut: 20}, counts: "lan"},
		{name: "raw IPv6, header cut", shape: shape{from: h6, to: n6, raw: true, cut: 39}, reason: none},
		{name: "raw IPv6, header whole", shape: shape{from: h6, to: n6, raw: true, cut: 40}, counts: "lan"},
	}
	// Tagged frames that end after each byte; those without a tag come over a wire in TestWire.
	for cut := 14; cut <= 70; cut++ {
		v4 := vector{name: fmt.Sprintf("IPv4 with a tag, %d bytes", cut), shape: shape{from: h4, to: n4, tags: []uint16{20}, cut: cut}, reason: none}
		v6 := vector{name: fmt.Sprintf("IPv6 with two tags, %d bytes", cut), shape: shape{from: h6, to: n6, tags: []uint16{20, 6}, cut: cut}, reason: none}
		if cut >= 18+20 {
			v4.counts = "lan"
		}
		if cut >= 22+40 {
			v6.counts = "lan"
		}
		list = append(list, v4, v6)
	}
	return list
}

func (v vector) hook() hook {
	h := hook{upload, v.segment}
	switch {
	case v.shape.raw && v.shape.download:
		h.variant = downloadRaw
	case v.shape.raw:
		h.variant = uploadRaw
	case v.shape.download:
		h.variant = download
	}
	return h
}

func (v vector) tally() tally {
	t := tally{hosts: map[hostKey]total{}}
	length := len(v.shape.build())
	traffic := Traffic{uint64(length), 1}
	if v.bytes != 0 {
		traffic.Bytes = uint64(v.bytes)
	}
	if v.packets != 0 {
		traffic.Packets = uint64(v.packets)
	}
	switch {
	case v.counts != "":
		k := hostKey{addr: netip.MustParseAddr(v.shape.from), segment: v.segment, mac: [6]byte{2, 0, 0, 0, 0, 0x20}}
		if v.shape.download {
			k.addr = netip.MustParseAddr(v.shape.to)
		}
		if v.shape.raw {
			k.mac = [6]byte{}
		}
		if v.shape.download {
			t.hosts[k] = total{network: v.counts, download: traffic}
		} else {
			t.hosts[k] = total{network: v.counts, upload: traffic}
		}
	case v.reason != none:
		if v.shape.download {
			t.reasons[v.reason].Download = traffic
		} else {
			t.reasons[v.reason].Upload = traffic
		}
	}
	return t
}

// TestVectors runs each vector through the program, twice so that known hosts take their own path, and through the model.
func TestVectors(t *testing.T) {
	tables := newTables(t, Size{Addresses: 256, CPUs: possibleCPUs(t)})
	mustApply(t, tables, vectorRules())
	onCPU(t, onlineCPUs(t)[0])
	runners := map[hook]*runner{}
	for _, v := range vectors() {
		h := v.hook()
		if runners[h] == nil {
			runners[h] = loaded(t, tables, h)
		}
		t.Run(v.name, func(t *testing.T) {
			p := packet{frame: v.shape.build(), gsoSegs: v.segs, gsoSize: v.size}
			if !runnable(p.frame) {
				t.Fatalf("the kernel does not run this frame")
			}
			want := v.tally()
			b := newBook(vectorRules())
			b.count(h, p)
			for _, line := range differences(b.tally(), want) {
				t.Errorf("model: %s", line)
			}
			tables.wipe(t)
			mustRun(t, runners[h], p)
			for _, line := range differences(tallyOf(mustRead(t, tables)), want) {
				t.Errorf("program: %s", line)
			}
			mustRun(t, runners[h], p)
			b.count(h, p)
			for _, line := range differences(tallyOf(mustRead(t, tables)), b.tally()) {
				t.Errorf("program, second time: %s", line)
			}
		})
	}
}

// TestPrefixLengths watches, and keeps from the internet, prefixes of every length, and looks at the addresses on both
// sides of their borders.
func TestPrefixLengths(t *testing.T) {
	tables := newTables(t, Size{Addresses: 256, CPUs: possibleCPUs(t)})
	onCPU(t, onlineCPUs(t)[0])
	h := hook{variant: upload}
	run := loaded(t, tables, h)
	for _, base := range []string{"93.170.85.170", "2a55:aa55:aa55:aa55:aa55:aa55:aa55:aa55"} {
		addr := netip.MustParseAddr(base)
		near, far := "192.168.1.20", "8.8.8.8"
		home := mustPrefix("192.168.1.0/24")
		if addr.Is6() {
			near, far, home = "fd00:1::20", "fd00:9::1", mustPrefix("fd00:1::/64")
		}
		for bits := 0; bits <= addr.BitLen(); bits++ {
			if addr.Is6() && bits > 16 && bits < 120 && bits%8 > 1 && bits%8 < 7 {
				continue // each change of rules waits for the kernel twice
			}
			p := netip.PrefixFrom(addr, bits).Masked()
			tables.names = nil
			r := &Rules{Networks: []Network{{Name: "home", Prefixes: home}}, Internal: []netip.Prefix{p}}
			if bits%2 == 0 { // watched instead
				r = &Rules{Networks: []Network{{Name: "home", Prefixes: []netip.Prefix{p}}}}
			}
			mustApply(t, tables, r)
			tables.wipe(t)
			b := newBook(r)
			last := lastOf(p)
			for _, a := range []netip.Addr{p.Addr(), p.Addr().Prev(), last, last.Next(), addr} {
				if !a.IsValid() {
					continue
				}
				for _, s := range []shape{{from: near, to: a.String()}, {from: a.String(), to: far}} {
					pk := packet{frame: s.build()}
					b.count(h, pk)
					mustRun(t, run, pk)
				}
			}
			for _, line := range differences(tallyOf(mustRead(t, tables)), b.tally()) {
				t.Errorf("%s: %s", p, line)
			}
		}
	}
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// TestManyPrefixes fills the rules: as many watched and internal prefixes of each family as there may be.
func TestManyPrefixes(t *testing.T) {
	tables := newTables(t, Size{Addresses: 2048, CPUs: possibleCPUs(t)})
	onCPU(t, onlineCPUs(t)[0])
	h := hook{variant: upload}
	run := loaded(t, tables, h)
	for name, spread := range map[string]func(i int) (byte, byte){
		"one first byte":    func(i int) (byte, byte) { return 0x26, byte(i) },
		"many first bytes":  func(i int) (byte, byte) { return byte(0x40 + i), 7 },
		"a few first bytes": func(i int) (byte, byte) { return byte(0x40 + i%5), byte(i) },
	} {
		t.Run(name, func(t *testing.T) {
			r := &Rules{}
			tables.names = nil
			const each = MaxPrefixes / 2
			for i := range each {
				a, b := spread(2 * i)
				c, d := spread(2*i + 1)
				r.Networks = append(r.Networks, Network{Name: fmt.Sprintf("n%d", i), Prefixes: []netip.Prefix{
					netip.PrefixFrom(netip.AddrFrom4([4]byte{a, b, 0, 0}), 24),
					netip.PrefixFrom(netip.AddrFrom16([16]byte{a, b}), 64),
				}})
				r.Internal = append(r.Internal,
					netip.PrefixFrom(netip.AddrFrom4([4]byte{c, d, 0, 0}), 24), netip.PrefixFrom(netip.AddrFrom16([16]byte{c, d}), 64))
			}
			mustApply(t, tables, r)
			tables.wipe(t)
			b := newBook(r)
			for i := range 2 * each {
				a, c := spread(i)
				in, out := netip.AddrFrom4([4]byte{a, c, 0, 9}), netip.AddrFrom4([4]byte{a, c, 1, 9})
				in6, out6 := netip.AddrFrom16([16]byte{a, c, 15: 9}), netip.AddrFrom16([16]byte{a, c, 7: 1, 15: 9})
				for _, s := range []shape{
					{from: in.String(), to: "203.0.113.1"}, {from: out.String(), to: "203.0.113.1"},
					{from: in6.String(), to: "fd00::9"}, {from: out6.String(), to: "fd00::9"},
					{from: r.Networks[0].Prefixes[0].Addr().Next().String(), to: in.String()},
					{from: r.Networks[0].Prefixes[0].Addr().Next().String(), to: out.String()},
					{from: r.Networks[0].Prefixes[1].Addr().Next().String(), to: in6.String()},
					{from: r.Networks[0].Prefixes[1].Addr().Next().String(), to: out6.String()},
				} {
					p := packet{frame: s.build()}
					b.count(h, p)
					mustRun(t, run, p)
				}
			}
			for _, line := range differences(tallyOf(mustRead(t, tables)), b.tally()) {
				t.Error(line)
			}
			if len(b.hosts) < 2*each {
				t.Errorf("only %d hosts", len(b.hosts))
			}
		})
	}
}
