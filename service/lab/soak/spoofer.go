// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

// spoofer is a machine on br-lan that invents hosts. It does not talk otherwise.
type spoofer struct {
	*lab.Host
	wire   *lab.Injector
	router net.HardwareAddr
}

// newSpoofer has the router swallow what a host sends to port 9 of anybody, once it has been counted.
func newSpoofer(h *lab.Home, host *lab.Host) (*spoofer, error) {
	if err := h.Router.NFT("table inet sink { chain prerouting { type filter hook prerouting priority -500; udp dport 9 drop; }; }"); err != nil {
		return nil, err
	}
	if err := h.Router.Bridge("link set dev " + host.Port + " learning off"); err != nil {
		return nil, err
	}
	wire, err := h.Inject(host.Namespace, host.Device)
	if err != nil {
		return nil, err
	}
	mac, err := host.RouterMAC()
	return &spoofer{host, wire, mac}, err
}

// flood invents hosts: machines with addresses of their own, addresses of one machine, strangers whose prefix is not the
// LAN's, or members of a VLAN that is not there, who are not to be counted. It is small enough to leave the talkers room in
// the tables; then the tables turn, so that it does not keep what it took.
func (s *soak) flood() error {
	kind := []string{"machines", "addresses", "strangers", "tagged"}[s.random.IntN(4)]
	n := maxHosts/2 + s.random.IntN(maxHosts)
	if !s.flooded {
		s.flooded = true
		kind, n = "machines", 2*maxHosts
	}
	s.journal.note("of %d %s", n, kind)
	if err := s.noted(); err != nil {
		return err
	}
	packet := lab.Packet{To: s.spoofer.router, From: net.HardwareAddr{2, 0, 0, 0, 0, 1}, Dest: s.home.Internet.IPv6, Protocol: 17}
	packet.Payload = make([]byte, 8+s.random.IntN(64))
	binary.BigEndian.PutUint16(packet.Payload[2:], 9)
	binary.BigEndian.PutUint16(packet.Payload[4:], uint16(len(packet.Payload)))
	prefix := s.spoofer.Network.Prefix6
	switch kind {
	case "strangers":
		prefix = netip.MustParsePrefix("2001:db8:dead::/64")
	case "tagged":
		packet.Tags = []lab.Tag{{ID: 99}}
	}
	before, err := s.dropped()
	if err != nil {
		return err
	}
	var frame []byte
	for i := range n {
		if kind == "machines" {
			packet.From = net.HardwareAddr{2, 1, 0, 0, 0, 0}
			binary.BigEndian.PutUint32(packet.From[2:], s.random.Uint32())
		}
		addr := prefix.Addr().As16()
		addr[8] = 0xf0 // which no host has
		binary.BigEndian.PutUint32(addr[12:], s.random.Uint32())
		packet.Source = netip.AddrFrom16(addr)
		frame = packet.Bytes()
		if err := s.spoofer.wire.Send(frame); err != nil {
			return err
		}
		if i%32 == 31 {
			time.Sleep(time.Millisecond)
		}
	}
	after, err := s.dropped()
	if err != nil {
		return err
	}
	if kind != "tagged" {
		s.ledger.others += (uint64(n) - (after - before)) * uint64(len(frame))
	}
	return s.turn()
}

// noted waits until all talkers are in the tables and in the book: who comes with a flood may not find room.
func (s *soak) noted() error {
	for _, t := range s.talkers {
		for _, f := range lab.Families {
			d := lab.Datagrams{Client: t.Namespace, From: t.Addr(f), Server: s.home.Internet.Namespace, Listen: s.home.Internet.Addr(f), Upload: 1, Download: 1, Size: 10}
			if _, err := d.Run(context.Background()); err != nil {
				return fmt.Errorf("%s: %w", t.Name, err)
			}
		}
	}
	return s.soon("the daemon does not list all talkers", func() bool {
		r, err := s.setup.Scrape(context.Background())
		for _, t := range s.talkers {
			for _, f := range lab.Families {
				if err != nil || len(r.Find("mezoura_host_bytes_total", "mac", strings.ToUpper(t.MAC), "network", t.bridge, "family", f.String())) == 0 {
					return false
				}
			}
		}
		return true
	})
}

// dropped is how many of the spoofer's frames have not reached the router's port.
func (s *soak) dropped() (uint64, error) {
	near, err := s.spoofer.ReadDevice(s.spoofer.Device)
	if err != nil {
		return 0, err
	}
	port, err := s.home.Router.ReadDevice(s.spoofer.Port)
	return near.TxDropped + port.RxDropped, err
}
