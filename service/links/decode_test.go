// SPDX-License-Identifier: GPL-2.0-only

package links_test

import (
	"encoding/binary"
	"net/netip"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/links"
)

// attr is one netlink attribute, padded, in the byte order of the machine.
func attr(kind uint16, value ...byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func u16(v uint16) []byte  { return binary.NativeEndian.AppendUint16(nil, v) }
func u32(v uint32) []byte  { return binary.NativeEndian.AppendUint32(nil, v) }
func cstr(s string) []byte { return append([]byte(s), 0) }

func join(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// ifinfo is a struct ifinfomsg.
func ifinfo(family byte, arphrd uint16, index, flags uint32) []byte {
	return join([]byte{family, 0}, u16(arphrd), u32(index), u32(flags), u32(0))
}

func linkinfo(kind string, data ...[]byte) []byte {
	return attr(unix.IFLA_LINKINFO|unix.NLA_F_NESTED,
		join(attr(1, cstr(kind)...), attr(2, join(data...)...))...)
}

func TestDecodeLink(t *testing.T) {
	name := func(s string) []byte { return attr(unix.IFLA_IFNAME, cstr(s)...) }
	tests := []struct {
		name string
		data []byte
		want links.Link
		bad  bool
	}{
		{"hardware", join(ifinfo(0, 1, 2, unix.IFF_UP), name("eth0")),
			links.Link{Index: 2, Name: "eth0", Type: 1, Up: true}, false},
		{"port of a switch", join(ifinfo(0, 1, 3, 0), name("lan1"), attr(unix.IFLA_LINK, u32(2)...),
			attr(unix.IFLA_MASTER, u32(9)...), linkinfo("dsa")),
			links.Link{Index: 3, Name: "lan1", Kind: "dsa", Type: 1, Lower: 2, Master: 9}, false},
		{"VLAN", join(ifinfo(0, 1, 4, 1), name("lan1.20"), attr(unix.IFLA_LINK, u32(3)...),
			linkinfo("vlan", attr(5, 0x81, 0), attr(1, u16(20)...))),
			links.Link{Index: 4, Name: "lan1.20", Kind: "vlan", Type: 1, Lower: 3, VLAN: 20, Up: true}, false},
		{"VLAN on a device elsewhere", join(ifinfo(0, 1, 4, 1), name("v"), attr(unix.IFLA_LINK, u32(3)...),
			attr(37, u32(0)...), linkinfo("vlan", attr(1, u16(20)...))),
			links.Link{Index: 4, Name: "v", Kind: "vlan", Type: 1, VLAN: 20, Up: true}, false},
		{"filtering bridge", join(ifinfo(0, 1, 5, 1), name("br-lan"), linkinfo("bridge", attr(7, 1), attr(39, u16(1)...))),
			links.Link{Index: 5, Name: "br-lan", Kind: "bridge", Type: 1, VLANFiltering: true, PVID: 1, Up: true}, false},
		{"plain bridge", join(ifinfo(0, 1, 5, 1), name("br-lan"), linkinfo("bridge", attr(7, 0), attr(39, u16(1)...))),
			links.Link{Index: 5, Name: "br-lan", Kind: "bridge", Type: 1, Up: true}, false},
		{"veth", join(ifinfo(0, 1, 6, 0), name("v"), attr(unix.IFLA_LINK, u32(7)...), linkinfo("veth")),
			links.Link{Index: 6, Name: "v", Kind: "veth", Type: 1, Peer: 7}, false},
		{"veth into a container", join(ifinfo(0, 1, 6, 0), name("v"), attr(unix.IFLA_LINK, u32(7)...),
			attr(37, u32(1)...), linkinfo("veth")),
			links.Link{Index: 6, Name: "v", Kind: "veth", Type: 1}, false},
		{"wireguard", join(ifinfo(0, links.TypeNone, 8, 1), name("wg0"), linkinfo("wireguard")),
			links.Link{Index: 8, Name: "wg0", Kind: "wireguard", Type: links.TypeNone, RawIP: true, Up: true}, false},
		{"ppp", join(ifinfo(0, links.TypePPP, 8, 1), name("ppp0"), linkinfo("ppp")),
			links.Link{Index: 8, Name: "ppp0", Kind: "ppp", Type: links.TypePPP, RawIP: true, Up: true}, false},
		{"data of another kind", join(ifinfo(0, 1, 8, 0), name("bond0"), linkinfo("bond", attr(1, u16(20)...), attr(7, 1))),
			links.Link{Index: 8, Name: "bond0", Kind: "bond", Type: 1}, false},
		{"name without its zero", join(ifinfo(0, 1, 2, 0), attr(unix.IFLA_IFNAME, []byte("eth0")...)),
			links.Link{Index: 2, Name: "eth0", Type: 1}, false},
		{"short values", join(ifinfo(0, 1, 2, 0), name("x"), attr(unix.IFLA_MASTER, 1), attr(unix.IFLA_LINK),
			linkinfo("vlan", attr(1, 20))), links.Link{Index: 2, Name: "x", Kind: "vlan", Type: 1}, false},

		{"nothing", nil, links.Link{}, true},
		{"half a header", make([]byte, 15), links.Link{}, true},
		{"no index", join(ifinfo(0, 1, 0, 0), name("x")), links.Link{}, true},
		{"negative index", join(ifinfo(0, 1, 1<<31, 0), name("x")), links.Link{}, true},
		{"no name", ifinfo(0, 1, 2, 0), links.Link{}, true},
		{"attribute longer than the message", join(ifinfo(0, 1, 2, 0), name("x"), u16(64), u16(3)), links.Link{}, true},
		{"attribute shorter than itself", join(ifinfo(0, 1, 2, 0), name("x"), u16(3), u16(3)), links.Link{}, true},
		{"bad inside", join(ifinfo(0, 1, 2, 0), name("x"), attr(unix.IFLA_LINKINFO, 9, 9, 9, 9)), links.Link{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := links.DecodeLink(tt.data)
			if (err != nil) != tt.bad {
				t.Fatalf("error %v, want one: %v", err, tt.bad)
			}
			if err == nil && !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestDecodePVID(t *testing.T) {
	info := func(flags, id uint16) []byte { return attr(2, join(u16(flags), u16(id))...) }
	data := join(ifinfo(unix.AF_BRIDGE, 1, 3, 0), attr(unix.IFLA_AF_SPEC, join(
		info(4, 10), info(2|4, 7), info(0, 20))...))
	index, pvid, err := links.DecodePVID(data)
	if index != 3 || pvid != 7 || err != nil {
		t.Errorf("index %d PVID %d error %v, want 3, 7 and none", index, pvid, err)
	}
	if _, _, err := links.DecodePVID(data[:len(data)-3]); err == nil {
		t.Error("a cut message was accepted")
	}
}

func TestDecodeAddress(t *testing.T) {
	head := func(family, bits byte, index uint32) []byte { return join([]byte{family, bits, 0, 0}, u32(index)) }
	v6 := netip.MustParseAddr("2001:db8::1").As16()
	far6 := netip.MustParseAddr("2001:db8::2").As16()
	tests := []struct {
		name        string
		data        []byte
		local, peer string
		ok, bad     bool
	}{
		{"v4", join(head(unix.AF_INET, 24, 2), attr(unix.IFA_ADDRESS, 192, 168, 1, 1), attr(unix.IFA_LOCAL, 192, 168, 1, 1)),
			"192.168.1.1/24", "", true, false},
		{"v4 with a peer", join(head(unix.AF_INET, 32, 2), attr(unix.IFA_ADDRESS, 10, 0, 0, 2), attr(unix.IFA_LOCAL, 10, 0, 0, 1)),
			"10.0.0.1/32", "10.0.0.2/32", true, false},
		{"v4 with a peer's network", join(head(unix.AF_INET, 24, 2), attr(unix.IFA_ADDRESS, 10, 0, 0, 2), attr(unix.IFA_LOCAL, 10, 9, 0, 1)),
			"10.9.0.1/32", "10.0.0.2/24", true, false},
		{"v6", join(head(unix.AF_INET6, 64, 2), attr(unix.IFA_ADDRESS, v6[:]...)), "2001:db8::1/64", "", true, false},
		{"v6 with a peer", join(head(unix.AF_INET6, 128, 2), attr(unix.IFA_ADDRESS, far6[:]...), attr(unix.IFA_LOCAL, v6[:]...)),
			"2001:db8::1/128", "2001:db8::2/128", true, false},
		{"another family", head(unix.AF_BRIDGE, 24, 2), "", "", false, false},
		{"no address", head(unix.AF_INET, 24, 2), "", "", false, true},
		{"too many bits", join(head(unix.AF_INET, 33, 2), attr(unix.IFA_LOCAL, 10, 0, 0, 1)), "", "", false, true},
		{"size of the other family", join(head(unix.AF_INET, 24, 2), attr(unix.IFA_LOCAL, v6[:]...)), "", "", false, true},
		{"odd size", join(head(unix.AF_INET6, 64, 2), attr(unix.IFA_ADDRESS, 1, 2, 3)), "", "", false, true},
		{"short", []byte{unix.AF_INET, 24}, "", "", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			index, local, peer, ok, err := links.DecodeAddress(tt.data)
			if ok != tt.ok || (err != nil) != tt.bad {
				t.Fatalf("ok %v error %v, want %v and error: %v", ok, err, tt.ok, tt.bad)
			}
			if !ok {
				return
			}
			if index != 2 || local.String() != tt.local {
				t.Errorf("index %d local %v, want 2 %s", index, local, tt.local)
			}
			if peer.IsValid() != (tt.peer != "") || (peer.IsValid() && peer.String() != tt.peer) {
				t.Errorf("peer %v, want %q", peer, tt.peer)
			}
		})
	}
}

// Whatever arrives: no panic, and nothing accepted that the rest of the program cannot bear.
func FuzzDecode(f *testing.F) {
	f.Add(join(ifinfo(0, 1, 4, 1), attr(unix.IFLA_IFNAME, cstr("lan1.20")...), attr(unix.IFLA_LINK, u32(3)...),
		linkinfo("vlan", attr(1, u16(20)...))))
	f.Add(join(ifinfo(0, 1, 5, 1), attr(unix.IFLA_IFNAME, cstr("br-lan")...), linkinfo("bridge", attr(7, 1), attr(39, u16(1)...))))
	f.Add(join([]byte{unix.AF_INET, 24, 0, 0}, u32(2), attr(unix.IFA_LOCAL, 10, 0, 0, 1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if l, err := links.DecodeLink(data); err == nil {
			if l.Index <= 0 || l.Name == "" || len(l.Name) > 255 || l.Master < 0 || l.Lower < 0 || l.VLAN > 4095 || l.PVID > 4095 {
				t.Errorf("accepted %+v", l)
			}
		}
		if index, pvid, err := links.DecodePVID(data); err == nil && (index <= 0 || pvid > 4095) {
			t.Errorf("accepted index %d PVID %d", index, pvid)
		}
		if index, local, _, ok, err := links.DecodeAddress(data); err == nil && ok && (index <= 0 || !local.IsValid()) {
			t.Errorf("accepted address %v of %d", local, index)
		}
	})
}

func TestTable(t *testing.T) {
	list := []links.Link{
		{Index: 5, Name: "lan1", Master: 9, Lower: 2}, {Index: 2, Name: "eth0"}, {Index: 9, Name: "br-lan", Kind: "bridge"},
		{Index: 4, Name: "lan2", Master: 9, Lower: 2}, {Index: 7, Name: "ppp10"}, {Index: 8, Name: "ppp0"},
	}
	table := links.NewTable(list)
	list[0].Name = "changed"
	names := func(ls []links.Link) (s []string) {
		for _, l := range ls {
			s = append(s, l.Name)
		}
		return s
	}
	for _, tt := range []struct {
		what string
		got  []links.Link
		want []string
	}{
		{"links", table.Links(), []string{"eth0", "lan2", "lan1", "ppp10", "ppp0", "br-lan"}},
		{"ports", table.Ports(9), []string{"lan2", "lan1"}},
		{"uppers", table.Uppers(2), []string{"lan2", "lan1"}},
		{"no ports", table.Ports(2), nil},
		{"a name", table.Match("lan1"), []string{"lan1"}},
		{"an absent name", table.Match("lan3"), nil},
		{"a pattern", table.Match("ppp+"), []string{"ppp0", "ppp10"}},
		{"the other pattern", table.Match("lan*"), []string{"lan1", "lan2"}},
		{"only a plus", table.Match("+"), nil},
	} {
		if got := names(tt.got); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.what, got, tt.want)
		}
	}
	if l, ok := table.ByIndex(8); !ok || l.Name != "ppp0" {
		t.Errorf("by index 8: %+v %v", l, ok)
	}
	if _, ok := table.ByIndex(3); ok {
		t.Error("found index 3, which nobody has")
	}
	same := links.NewTable(table.Links())
	if !table.Equal(same) || !same.Equal(table) {
		t.Error("a table differs from its copy")
	}
	more := table.Links()
	more[0].Addrs = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")}
	if table.Equal(links.NewTable(more)) {
		t.Error("an address makes no difference")
	}
	var none *links.Table
	if _, ok := none.ByName("x"); ok || none.Len() != 0 || none.Links() != nil || none.Match("x+") != nil || !none.Equal(&links.Table{}) {
		t.Error("no table is not empty")
	}
}
