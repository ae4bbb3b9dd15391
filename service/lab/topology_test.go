// SPDX-License-Identifier: GPL-2.0-only

package lab_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/mezoura/mezoura/service/lab"
)

// TestTopology runs the daemon in every home that the design warns of. In each, every host has a conversation with the
// internet and one with another host; each packet of the first counts once, under its own network, and the second not
// at all.
func TestTopology(t *testing.T) {
	for _, c := range homes {
		t.Run(c.name, func(t *testing.T) {
			if elsewhere(t, c.needs...) {
				return
			}
			for _, attach := range attachModes(t) {
				t.Run(attach, func(t *testing.T) {
					h := try(c.build(open(t)))(t)
					d := start(t, h, setup(t, h, "-attach", attach))
					m := meters(t, h.Hosts)
					for i, host := range h.Hosts {
						check(t, everyWay(host, h.Internet, 10*i))
						neighbourly(t, host, h.Hosts[(i+1)%len(h.Hosts)])
					}
					expect(t, d, h.Hosts, m)
				})
			}
		})
	}
}

// neighbourly has two hosts of one home talk to each other, with public IPv6 addresses too.
func neighbourly(t *testing.T, a, b *lab.Host) {
	t.Helper()
	for _, f := range lab.Families {
		s := lab.Stream{Client: a.Namespace, From: a.Addr(f), Server: b.Namespace, Listen: b.Addr(f), Upload: 100_000, Download: 100_000, Buffer: 64 << 10}
		if _, _, err := s.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNATLoopback has a host call the router's WAN address, which leads back to another host: nobody used the internet.
func TestNATLoopback(t *testing.T) {
	h := try(open(t).Home(2))(t)
	client, server := h.Hosts[0], h.Hosts[1]
	const port = 8080
	check(t, h.Router.NFT(fmt.Sprintf(`add rule ip nat prerouting ip daddr %s tcp dport %d dnat to %s
add rule ip nat postrouting ip saddr %s ip daddr %s masquerade`, h.Router.WAN4, port, server.IPv4, client.Network.Prefix4, server.IPv4)))
	d := start(t, h, setup(t, h))
	m := meters(t, h.Hosts)
	loop := lab.Stream{Client: client.Namespace, Server: server.Namespace, Listen: server.IPv4, Port: port,
		To: netip.AddrPortFrom(h.Router.WAN4, port), Upload: 500_000, Download: 500_000, Buffer: 64 << 10}
	if _, _, err := loop.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	// And what the router itself serves on its WAN addresses.
	for f, address := range map[lab.Family]netip.Addr{lab.IPv4: h.Router.WAN4, lab.IPv6: h.Router.WAN6} {
		s := lab.Stream{Client: client.Namespace, From: client.Addr(f), Server: h.Router.Namespace, Listen: address, Upload: 500_000, Download: 500_000}
		if _, _, err := s.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	// The same host's real internet traffic counts, and only that. The forwarded port is used from outside, too.
	check(t, everyWay(client, h.Internet, 0))
	outside := lab.Stream{Client: h.Internet.Namespace, Server: server.Namespace, Listen: server.IPv4, Port: port,
		To: netip.AddrPortFrom(h.Router.WAN4, port), Upload: 200_000, Download: 200_000, Buffer: 64 << 10}
	if _, _, err := outside.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	expect(t, d, h.Hosts, m)
}

// TestNeighbours runs two routers with a daemon each. The one's hosts are on the other's internet.
func TestNeighbours(t *testing.T) {
	first, second, err := open(t).Neighbours()
	check(t, err)
	homes := []*lab.Home{first, second}
	var daemons []*lab.Daemon
	var m [][]*lab.Meter
	for _, h := range homes {
		daemons = append(daemons, start(t, h, setup(t, h)))
		m = append(m, meters(t, h.Hosts))
	}
	for i, h := range homes {
		for j, host := range h.Hosts {
			check(t, everyWay(host, h.Internet, 20*i+j))
		}
	}
	across := lab.Stream{Client: first.Hosts[0].Namespace, Server: second.Hosts[1].Namespace, Listen: second.Hosts[1].IPv6, Upload: 800_000, Download: 400_000, Buffer: 64 << 10}
	if _, _, err := across.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i, h := range homes {
		expect(t, daemons[i], h.Hosts, m[i])
	}
}

// TestFloodedOnceUnderLoad downloads to all hosts of a flooding bridge at the same time.
func TestFloodedOnceUnderLoad(t *testing.T) {
	h := try(open(t).FloodingHome())(t)
	d := start(t, h, setup(t, h))
	m := meters(t, h.Hosts)
	done := make(chan error, len(h.Hosts))
	for i, host := range h.Hosts {
		go func() { done <- everyWay(host, h.Internet, i) }()
	}
	for range h.Hosts {
		check(t, <-done)
	}
	expect(t, d, h.Hosts, m)
	if seen := try(m[0].Counts())(t); seen.Foreign == 0 {
		t.Error("nothing was flooded: the home is not what the test needs")
	}
}
