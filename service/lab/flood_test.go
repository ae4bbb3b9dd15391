// SPDX-License-Identifier: GPL-2.0-only

package lab_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/lab"
	"github.com/mezoura/mezoura/ubus"
)

// TestSpoofedSources floods the router with uploads from a million IPv6 sources that do not exist, while a known host
// talks. Memory stays bounded, the known host exact, and every byte of the flood is somewhere: with hosts or with
// nobody.
func TestSpoofedSources(t *testing.T) {
	for _, c := range []struct {
		name string
		macs bool // every source has a MAC of its own
	}{{"each with its own MAC", true}, {"all from one MAC", false}} {
		t.Run(c.name, func(t *testing.T) {
			const sources = 1_000_000
			h := try(open(t).Home(2))(t)
			known, spoofer := h.Hosts[0], h.Hosts[1]
			sinkHole(t, h)
			check(t, h.Router.Bridge("link set dev "+spoofer.Port+" learning off")) // a million MACs are not the bridge's test
			d := start(t, h, setup(t, h))
			m := try(known.Meter())(t)
			check(t, everyWay(known, h.Internet, 0))

			talk := lab.InBackground(func(stop <-chan struct{}) error {
				dg := lab.Datagrams{Client: known.Namespace, Server: h.Internet.Namespace, Listen: h.Internet.IPv6,
					Upload: lab.Until, Download: lab.Until, Stop: stop, Pause: time.Millisecond, Size: 900}
				_, err := dg.Run(context.Background())
				return err
			})
			sent := flood(t, h, spoofer, sources, c.macs)
			check(t, talk.Stop())

			list := try(lab.Expect([]*lab.Host{known}, []*lab.Meter{m}))(t)
			total := sent.Bytes
			for _, e := range list {
				total += e.Counts.Upload.Bytes + e.Counts.Download.Bytes
			}
			var r *lab.Report
			var got uint64
			deadline := time.Now().Add(20 * time.Second)
			for {
				r = try(d.Scrape(context.Background()))(t)
				got = r.Sum("mezoura_host_bytes_total")
				for _, bytes := range r.Unattributed() {
					got += bytes
				}
				if got == total || time.Now().After(deadline) {
					break
				}
				time.Sleep(200 * time.Millisecond)
			}
			if got != total {
				t.Errorf("hosts and unattributed together have %d bytes, %d were sent (%d by the flood)", got, total, sent.Bytes)
			}
			for _, e := range list {
				if counted := r.Host(known, e.Family); counted != e.Counts {
					t.Errorf("known host, %s: counted %s, sent %s", e.Family, counted, e.Counts)
				}
			}
			if c.macs && len(r.Unattributed()) == 0 {
				t.Error("a million hosts and none unattributed: the bound is not one")
			}
			now, peak, err := d.Memory()
			check(t, err)
			t.Logf("resident %d KiB, peak %d KiB, unattributed %v, series %d", now>>10, peak>>10, r.Unattributed(), len(r.Samples))
			if peak > 64<<20 {
				t.Errorf("the daemon took %d MiB", peak>>20)
			}
		})
	}
}

// sinkHole has the router swallow what the floods send, once the classifier has seen it.
func sinkHole(t *testing.T, h *lab.Home) {
	t.Helper()
	check(t, h.Router.NFT(`table inet sink {
	chain prerouting {
		type filter hook prerouting priority -500
		udp dport 9 drop
	}
}`))
}

// flood injects one datagram from each of so many IPv6 sources of the host's network, and returns what that was.
func flood(t *testing.T, h *lab.Home, from *lab.Host, sources int, macs bool) lab.Traffic {
	t.Helper()
	inject := try(h.Inject(from.Namespace, from.Device))(t)
	frame := datagramFrame(t, h, from)
	before := try(h.Router.ReadDevice(from.Port))(t)
	random := rand.New(rand.NewPCG(1, 2))
	start := time.Now()
	for i := range sources {
		binary.BigEndian.PutUint32(frame[14+8+8:], 0xf0000000|uint32(i)) // interface identifiers that no host has
		binary.BigEndian.PutUint32(frame[14+8+12:], random.Uint32())
		if macs {
			binary.BigEndian.PutUint32(frame[8:], uint32(i))
		}
		check(t, inject.Send(frame))
	}
	arrived := try(h.Router.ReadDevice(from.Port))(t).Sub(before)
	t.Logf("%d frames in %s", sources, time.Since(start).Round(time.Millisecond))
	if arrived.RxPackets < uint64(sources) || arrived.RxDropped > 0 {
		t.Fatalf("the router's port received %+v of %d frames", arrived, sources)
	}
	return lab.Traffic{Bytes: uint64(len(frame) * sources), Packets: uint64(sources)}
}

// datagramFrame is a UDP frame from a host to the internet that ends in the sink hole.
func datagramFrame(t testing.TB, h *lab.Home, from *lab.Host) []byte {
	t.Helper()
	payload := make([]byte, 8+64)
	binary.BigEndian.PutUint16(payload[2:], 9)
	binary.BigEndian.PutUint16(payload[4:], uint16(len(payload)))
	return lab.Packet{To: try(from.RouterMAC())(t), From: try(parseMAC(from.MAC))(t), Source: from.IPv6, Dest: h.Internet.IPv6,
		Protocol: 17, Payload: payload}.Bytes()
}

// TestNeverBackwards reads the totals again and again, over HTTP and from the file, while a small table is overrun and
// its halves change places all the time. No total may ever go back, and in the end all are exact.
func TestNeverBackwards(t *testing.T) {
	h := try(open(t).Home(2))(t)
	sinkHole(t, h)
	steady, crowd := h.Hosts[0], h.Hosts[1]
	s := setup(t, h, "-table-size", "256", "-idle", "10s")
	d := start(t, h, s)
	m := try(steady.Meter())(t)
	talk := lab.InBackground(func(stop <-chan struct{}) error {
		dg := lab.Datagrams{Client: steady.Namespace, Server: h.Internet.Namespace, Listen: h.Internet.IPv4,
			Upload: lab.Until, Download: lab.Until, Stop: stop, Pause: 200 * time.Microsecond, Size: 600}
		_, err := dg.Run(context.Background())
		return err
	})
	turns := 0
	turning := lab.InBackground(func(stop <-chan struct{}) error {
		bus, err := ubus.Dial(context.Background(), ubus.Options{Socket: s.Ubus, Transport: "wire"})
		if err != nil {
			return err
		}
		defer bus.Close()
		for {
			select {
			case <-stop:
				return nil
			case <-time.After(50 * time.Millisecond):
			}
			// To reset nobody changes no total, but ends a generation as idle time or a full table do.
			_, err := bus.Call(context.Background(), "mezoura", "reset", map[string]any{"host": "02:00:00:00:00:01"})
			if !errors.Is(err, ubus.ErrNotFound) {
				return fmt.Errorf("reset nobody: %w", err)
			}
			turns++
		}
	})
	// The crowd: 200 addresses at a time, others every quarter of a second.
	inject := try(h.Inject(crowd.Namespace, crowd.Device))(t)
	frame := datagramFrame(t, h, crowd)
	var sent lab.Traffic
	web, file := try(d.Scrape(context.Background()))(t), &lab.Report{}
	reads := 0
	for round := range 60 {
		for end := time.Now().Add(250 * time.Millisecond); time.Now().Before(end); {
			for i := range 200 {
				binary.BigEndian.PutUint32(frame[14+8+12:], uint32(round*1000+i))
				check(t, inject.Send(frame))
				sent = sent.Add(lab.Traffic{Bytes: uint64(len(frame)), Packets: 1})
			}
			web = forward(t, web, try(d.Scrape(context.Background()))(t))
			reads++
			if text, err := s.ReadTextfile(); err == nil {
				file = forward(t, file, text)
			} else if round > 8 {
				t.Fatal(err)
			}
		}
	}
	check(t, turning.Stop())
	check(t, talk.Stop())
	t.Logf("%d readings, %d generations, %d frames of a crowd of 12000 addresses", reads, turns, sent.Packets)
	if turns < 20 || reads < 60 {
		t.Error("too few to tell anything")
	}
	list := try(lab.Expect([]*lab.Host{steady}, []*lab.Meter{m}))(t)
	time.Sleep(3 * s.Interval)
	r := forward(t, web, try(d.Scrape(context.Background()))(t))
	for _, e := range list {
		if got := r.Host(steady, e.Family); got != e.Counts {
			t.Errorf("steady host, %s: counted %s, sent %s", e.Family, got, e.Counts)
		}
	}
	crowded := r.Host(crowd, lab.IPv6).Upload.Bytes
	for _, bytes := range r.Unattributed() {
		crowded += bytes
	}
	if crowded != sent.Bytes {
		t.Errorf("the crowd's host and unattributed have %d bytes, %d were sent", crowded, sent.Bytes)
	}
}

// TestManyHosts has more hosts than fit a small table; the rest goes through the overflow, and all stay exact.
func TestManyHosts(t *testing.T) {
	const hosts = 1000
	h := try(open(t).Home(1))(t)
	sinkHole(t, h)
	host := h.Hosts[0]
	check(t, h.Router.Bridge("link set dev "+host.Port+" learning off"))
	d := start(t, h, setup(t, h, "-table-size", "2048"))
	inject := try(h.Inject(host.Namespace, host.Device))(t)
	frame := datagramFrame(t, h, host)
	want := map[netip.Addr]uint64{}
	random := rand.New(rand.NewPCG(3, 4))
	for i := range hosts * 20 {
		n := uint16(random.IntN(hosts))
		binary.BigEndian.PutUint16(frame[10:], n) // MAC and address
		binary.BigEndian.PutUint16(frame[14+8+14:], 0x8000|n)
		check(t, inject.Send(frame))
		addr, _ := netip.AddrFromSlice(frame[14+8 : 14+24])
		want[addr] += uint64(len(frame))
		if i%4000 == 0 {
			try(d.Scrape(context.Background()))(t)
		}
	}
	deadline := time.Now().Add(15 * time.Second)
	for {
		r := try(d.Scrape(context.Background()))(t)
		rows := map[uint64]int{}
		for _, s := range r.Find("mezoura_host_bytes_total", "direction", "upload", "family", "ipv6") {
			rows[uint64(s.Value)]++
		}
		sums := map[uint64]int{}
		for _, bytes := range want {
			sums[bytes]++
		}
		wrong := 0
		for bytes, n := range sums {
			if rows[bytes] != n {
				wrong++
			}
		}
		if wrong == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d different totals are not as sent; unattributed %v", wrong, len(sums), r.Unattributed())
		}
		time.Sleep(200 * time.Millisecond)
	}
}
