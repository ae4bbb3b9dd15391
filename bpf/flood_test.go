// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"encoding/binary"
	"testing"
)

// TestFlooding: a bridge that does not know where a MAC is sends a frame out by every port. It is one download.
func TestFlooding(t *testing.T) {
	privateNetns(t)
	ports := devices(t, 4)
	tables := newTables(t, Size{Addresses: 256, CPUs: possibleCPUs(t)})
	mustApply(t, tables, vectorRules())
	bindCPU(t, onlineCPUs(t)[0])
	run := loaded(t, tables, hook{variant: downloadPort})

	tcp := func(id uint16, to string) []byte {
		f := shape{from: "93.184.216.34", to: to, tcp: 20, download: true}.build()
		binary.BigEndian.PutUint16(f[18:], id)
		return f
	}
	tcp6 := func(seq uint32) []byte {
		f := shape{from: "2606:2800::1", to: "2001:db8:1::20", tcp: 20, download: true}.build()
		binary.BigEndian.PutUint32(f[14+40+4:], seq)
		return f
	}
	// A datagram with a number at the start of its data, and the right checksum.
	numbered := func(n uint16) []byte {
		f := shape{from: "2606:2800::1", to: "2001:db8:1::20", download: true}.build()
		binary.BigEndian.PutUint16(f[14+40+6:], ^(0x1234 + n))
		binary.BigEndian.PutUint16(f[14+40+8:], n)
		return f
	}
	group := shape{from: "93.184.216.34", to: "239.1.2.3", mac: "01:00:5e:01:02:03", download: true}.build()
	stranger := shape{from: "93.184.216.34", to: "8.8.8.8", download: true}.build()

	type sent struct {
		frame []byte
		port  int // index
		clock uint32
		gso   bool
	}
	flood := func(f []byte, clock uint32, gso bool, ports ...int) (out []sent) {
		for _, p := range ports {
			out = append(out, sent{f, p, clock, gso})
		}
		return out
	}
	a, b := tcp(1, "192.168.1.20"), tcp(2, "192.168.1.20")
	for _, c := range []struct {
		name    string
		sent    [][]sent
		packets uint64
		reason  Reason
	}{
		{"one frame by four ports", [][]sent{flood(a, 7, false, 0, 1, 2, 3)}, 1, none},
		{"two frames by four ports", [][]sent{flood(a, 7, false, 0, 1, 2, 3), flood(b, 7, false, 0, 1, 2, 3)}, 2, none},
		{"the same frame again", [][]sent{flood(a, 7, false, 0, 1, 2, 3), flood(a, 7, false, 0, 1, 2, 3)}, 2, none},
		{"the same frame again by the one port", [][]sent{flood(a, 7, false, 2, 2, 2)}, 3, none},
		{"a clock that ticks among the copies", [][]sent{flood(a, 7, false, 0, 1), flood(a, 8, false, 2, 3)}, 1, none},
		{"a clock that ticks past its 16 bits", [][]sent{flood(a, 0xffff, false, 0, 1), flood(a, 0x10000, false, 2, 3)}, 1, none},
		{"a host that moves", [][]sent{flood(a, 7, false, 0), flood(b, 7, false, 3), flood(a, 7, false, 3)}, 3, none},
		{"a host that moves, and the frame is as long ago", [][]sent{flood(a, 7, false, 0), flood(a, 9, false, 3)}, 2, none},
		{"flooded, then learned", [][]sent{flood(a, 7, false, 0, 1, 2, 3), flood(b, 7, false, 2), flood(a, 7, false, 2)}, 3, none},
		{"two hosts in turns", [][]sent{flood(a, 7, false, 0, 1), flood(tcp(1, "192.168.1.21"), 7, false, 0, 1), flood(b, 7, false, 0, 1)}, 3, none},
		{"IPv6", [][]sent{flood(tcp6(1), 7, false, 0, 1, 2, 3), flood(tcp6(2), 7, false, 0, 1, 2, 3)}, 2, none},
		{"a host that moves between numbered datagrams", [][]sent{flood(numbered(1), 7, false, 0), flood(numbered(2), 7, false, 1),
			flood(numbered(3), 7, false, 0), flood(numbered(0x100), 7, false, 1)}, 4, none},
		{"a super-packet", [][]sent{flood(a, 7, true, 0, 1, 2, 3)}, 3, none},
		{"a group", [][]sent{flood(group, 7, false, 0, 1, 2, 3)}, 1, Multicast},
		{"a stranger", [][]sent{flood(stranger, 7, false, 0, 1, 2, 3)}, 1, NoPrefix},
	} {
		// No subtests: they would run on threads outside of the namespace.
		tables.wipe(t)
		model := newBook(vectorRules())
		for _, burst := range c.sent {
			for _, s := range burst {
				p := packet{frame: s.frame, ifindex: ports[s.port]}
				if s.gso {
					p.gsoSegs, p.gsoSize = 3, 30
				}
				tables.SetClock(s.clock)
				model.clock = s.clock
				model.count(hook{variant: downloadPort}, p)
				mustRun(t, run, p)
			}
		}
		counts := mustRead(t, tables)
		if _, down := sum(counts); down.Packets != c.packets {
			t.Errorf("%s: %d packets, expected %d", c.name, down.Packets, c.packets)
		}
		if c.reason != none && counts.Unattributed[c.reason].Download.Packets != c.packets {
			t.Errorf("%s: %s: %+v", c.name, c.reason, counts.Unattributed[c.reason].Download)
		}
		for _, line := range differences(tallyOf(counts), model.tally()) {
			t.Errorf("%s: %s", c.name, line)
		}
	}
}
