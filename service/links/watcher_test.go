// SPDX-License-Identifier: GPL-2.0-only

package links_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/links"
)

func TestWatcherFollows(t *testing.T) {
	n := newNamespace(t)
	n.ip("link add lan1 type veth peer name far1", "link add br-lan type bridge")
	w := n.watch()

	if l := mustName(t, w.Table(), "br-lan"); l.Kind != "bridge" || l.RawIP || l.Up || l.VLANFiltering {
		t.Errorf("br-lan: %+v", l)
	}
	a, b := mustName(t, w.Table(), "lan1"), mustName(t, w.Table(), "far1")
	if a.Kind != "veth" || a.Peer != b.Index || b.Peer != a.Index || a.Lower != 0 {
		t.Errorf("ends of a veth: %+v and %+v", a, b)
	}
	if l := mustName(t, w.Table(), "lo"); l.Type != links.TypeLoopback || l.Index != 1 {
		t.Errorf("lo: %+v", l)
	}

	steps := []struct {
		name string
		ip   []string
		ok   func(*links.Table) bool
	}{
		{"port joins", []string{"link set lan1 master br-lan"}, ports("br-lan", "lan1")},
		{"device appears", []string{"link add lan2 type veth peer name far2"}, has("lan2")},
		{"second port joins", []string{"link set lan2 master br-lan"}, ports("br-lan", "lan1", "lan2")},
		{"port leaves", []string{"link set lan1 nomaster"}, ports("br-lan", "lan2")},
		{"device comes up", []string{"link set br-lan up"}, func(t *links.Table) bool {
			l, _ := t.ByName("br-lan")
			return l.Up
		}},
		{"address", []string{"addr add 192.168.1.1/24 dev br-lan"}, func(t *links.Table) bool {
			l, _ := t.ByName("br-lan")
			return slices.Contains(l.Addrs, netip.MustParsePrefix("192.168.1.1/24"))
		}},
		{"prefix renumbered", []string{"addr del 192.168.1.1/24 dev br-lan", "addr add 10.9.8.1/23 dev br-lan"},
			func(t *links.Table) bool {
				l, _ := t.ByName("br-lan")
				return slices.Contains(l.Addrs, netip.MustParsePrefix("10.9.8.1/23")) &&
					!slices.Contains(l.Addrs, netip.MustParsePrefix("192.168.1.1/24"))
			}},
		{"IPv6 address", []string{"addr add 2001:db8:1::1/64 dev br-lan nodad"}, func(t *links.Table) bool {
			l, _ := t.ByName("br-lan")
			return slices.Contains(l.Addrs, netip.MustParsePrefix("2001:db8:1::1/64"))
		}},
		{"point-to-point address", []string{"addr add 10.0.0.1 peer 10.0.0.2/32 dev lan1"},
			func(t *links.Table) bool {
				l, _ := t.ByName("lan1")
				return slices.Equal(l.Addrs, []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}) &&
					slices.Equal(l.Peers, []netip.Prefix{netip.MustParsePrefix("10.0.0.2/32")})
			}},
		{"rename", []string{"link set lan1 name port1"}, func(t *links.Table) bool {
			return has("port1")(t) && !has("lan1")(t)
		}},
		{"device vanishes", []string{"link del lan2"}, func(t *links.Table) bool {
			return !has("lan2")(t) && ports("br-lan")(t)
		}},
		{"bridge vanishes", []string{"link del br-lan"}, func(t *links.Table) bool { return !has("br-lan")(t) }},
	}
	for _, s := range steps {
		n.ip(s.ip...)
		if took := await(t, w, s.name, s.ok); took > prompt {
			t.Errorf("%s: seen after %v, want %v at most", s.name, took, prompt)
		} else {
			t.Logf("%s: seen after %v", s.name, took)
		}
	}
	if n := w.Resyncs(); n != 0 {
		t.Errorf("%d resynchronisations, want none", n)
	}
}

func TestWatcherRecreated(t *testing.T) {
	n := newNamespace(t)
	n.ip("link add br-lan type bridge", "link add lan1 type veth peer name far1", "link set lan1 master br-lan")
	w := n.watch()
	first := mustName(t, w.Table(), "lan1")

	// Same name, other index: one batch, so that the absence between is likely never seen.
	n.ip("link del lan1", "link add lan1 type veth peer name far1", "link set lan1 master br-lan")
	await(t, w, "same name, new index", func(t *links.Table) bool {
		l, ok := t.ByName("lan1")
		return ok && l.Index != first.Index && ports("br-lan", "lan1")(t)
	})

	// Same name and same index.
	second := mustName(t, w.Table(), "lan1")
	n.ip("link del lan1", fmt.Sprintf("link add lan1 index %d type veth peer name far1", second.Index))
	await(t, w, "same name, same index", func(t *links.Table) bool {
		l, ok := t.ByName("lan1")
		return ok && l.Index == second.Index && l.Generation != second.Generation
	})

	// A port that leaves its bridge is no new device.
	third := mustName(t, w.Table(), "lan1")
	n.ip("link set lan1 master br-lan", "link set lan1 nomaster", "addr add 192.0.2.1/24 dev lan1")
	await(t, w, "join and leave", func(t *links.Table) bool {
		l, _ := t.ByName("lan1")
		return len(l.Addrs) == 1 && l.Master == 0
	})
	if l := mustName(t, w.Table(), "lan1"); l.Generation != third.Generation {
		t.Errorf("generation %d after leaving a bridge, want %d", l.Generation, third.Generation)
	}
}

func TestWatcherVLAN(t *testing.T) {
	n := newNamespace(t)
	n.ip("link add lan1 type veth peer name far1")
	if !n.offers("VLAN devices", "link add link lan1 name lan1.20 type vlan id 20") {
		return
	}
	w := n.watch()
	v, lower := mustName(t, w.Table(), "lan1.20"), mustName(t, w.Table(), "lan1")
	if v.Kind != "vlan" || v.VLAN != 20 || v.Lower != lower.Index || !v.IsVLAN() {
		t.Errorf("lan1.20: %+v on %+v", v, lower)
	}
	if up := w.Table().Uppers(lower.Index); len(up) != 1 || up[0].Name != "lan1.20" {
		t.Errorf("uppers of lan1: %+v", up)
	}
}

func TestWatcherVLANFiltering(t *testing.T) {
	n := newNamespace(t)
	if !n.offers("VLAN filtering", "link add br-lan type bridge vlan_filtering 1 vlan_default_pvid 7") {
		return
	}
	n.ip("link add lan1 type veth peer name far1", "link set lan1 master br-lan")
	w := n.watch()
	if l := mustName(t, w.Table(), "br-lan"); !l.VLANFiltering || l.PVID != 7 {
		t.Errorf("br-lan: %+v", l)
	}
	if l := mustName(t, w.Table(), "lan1"); l.PVID != 7 {
		t.Errorf("lan1: %+v", l)
	}
	n.ip("link set br-lan up") // of a bridge that is down, the kernel reports no such thing
	await(t, w, "up", func(t *links.Table) bool { l, _ := t.ByName("br-lan"); return l.Up })
	n.ip("link set br-lan type bridge vlan_filtering 0")
	await(t, w, "filtering switched off", func(t *links.Table) bool {
		l, _ := t.ByName("br-lan")
		return !l.VLANFiltering
	})
}

func TestWatcherKinds(t *testing.T) {
	tests := []struct {
		kind string
		raw  bool
	}{
		{"wireguard", true}, {"dummy", false}, {"ifb", false}, {"macvlan", false}, {"bond", false},
		{"sit", true}, {"gre", true}, {"vrf", false},
	}
	n := newNamespace(t)
	n.ip("link add base type veth peer name other")
	w := n.watch()
	seen := 0
	for _, tt := range tests {
		line := "link add dev0 type " + tt.kind
		switch tt.kind {
		case "macvlan":
			line = "link add link base name dev0 type macvlan"
		case "sit", "gre":
			line += " local 192.0.2.1 remote 192.0.2.2"
		case "vrf":
			line += " table 10"
		}
		if !n.offers(tt.kind+" devices", line) {
			continue
		}
		await(t, w, tt.kind, has("dev0"))
		if l := mustName(t, w.Table(), "dev0"); l.Kind != tt.kind || l.RawIP != tt.raw {
			t.Errorf("kind %q raw IP %v, want %q %v", l.Kind, l.RawIP, tt.kind, tt.raw)
		}
		n.ip("link del dev0")
		await(t, w, tt.kind+" gone", func(t *links.Table) bool { return !has("dev0")(t) })
		seen++
	}
	if seen == 0 {
		t.Error("this kernel has none of the kinds, so this tested nothing")
	}
}

// A tun device belongs to whoever holds it open, as those of VPN daemons.
func TestWatcherTun(t *testing.T) {
	n := newNamespace(t)
	w := n.watch()
	for _, tt := range []struct {
		name  string
		flags uint16
		raw   bool
	}{{"tun7", unix.IFF_TUN, true}, {"tap7", unix.IFF_TAP, false}} {
		var fd int
		var err error
		n.do(n.file, func() {
			if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
				return
			}
			var req struct {
				name  [unix.IFNAMSIZ]byte
				flags uint16
				_     [22]byte
			}
			copy(req.name[:], tt.name)
			req.flags = tt.flags | unix.IFF_NO_PI
			if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNSETIFF, uintptr(unsafe.Pointer(&req))); errno != 0 {
				unix.Close(fd)
				err = errno
			}
		})
		if err != nil {
			t.Skipf("this machine has no tun devices: %v", err)
		}
		await(t, w, tt.name, has(tt.name))
		if l := mustName(t, w.Table(), tt.name); l.RawIP != tt.raw {
			t.Errorf("%s: %+v", tt.name, l)
		}
		unix.Close(fd)
		await(t, w, tt.name+" closed", func(t *links.Table) bool { return !has(tt.name)(t) })
	}
}

// With the smallest receive buffer there is, messages are lost all the time.
func TestWatcherOverrun(t *testing.T) {
	n := newNamespace(t)
	n.ip("link add br-lan type bridge")
	w := n.watch(links.ReadBuffer(1))
	const pairs = 150
	var want []string
	var lines []string
	for i := range pairs {
		name := fmt.Sprintf("p%03d", i)
		want = append(want, name)
		lines = append(lines,
			fmt.Sprintf("link add %s type veth peer name q%03d", name, i),
			fmt.Sprintf("link set %s up", name),
			fmt.Sprintf("link set q%03d up", i),
			fmt.Sprintf("link set %s master br-lan", name))
	}
	for round := 0; round < 5 && w.Resyncs() == 0; round++ {
		n.ip(lines...)
		await(t, w, "all ports", ports("br-lan", want...))
		n.ip("link set br-lan up", "addr add 10.0.0.1/24 dev br-lan")
		await(t, w, "address", func(t *links.Table) bool {
			l, _ := t.ByName("br-lan")
			return slices.Contains(l.Addrs, netip.MustParsePrefix("10.0.0.1/24"))
		})
		n.ip("addr del 10.0.0.1/24 dev br-lan")
		var away []string
		for _, name := range want {
			away = append(away, "link del "+name)
		}
		n.ip(away...)
		await(t, w, "no ports", ports("br-lan"))
	}
	t.Logf("%d resynchronisations", w.Resyncs())
	if w.Resyncs() == 0 {
		t.Error("the socket was never overrun, so this tested nothing")
	}
}

func TestWatcherClose(t *testing.T) {
	n := newNamespace(t)
	w, err := links.Open(links.InNamespace(int(n.file.Fd())))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- w.Run(context.Background()) }()
	for range 3 {
		if err := w.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Run after Close: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Run goes on after Close")
	}
	if w.Table().Len() == 0 {
		t.Error("the last table is gone with Close")
	}
}
