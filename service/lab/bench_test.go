// SPDX-License-Identifier: GPL-2.0-only

package lab_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"testing"
	"time"
)

// BenchmarkForward forwards IPv6 datagrams between a LAN host and the internet: without a daemon, and with one
// attached by tcx and by clsact. One operation is a short run through each in turn, so that what else the machine does
// falls on all alike; reported is the fastest run of each, and what the classifier adds to a packet.
func BenchmarkForward(b *testing.B) {
	for _, direction := range []string{"upload", "download"} {
		b.Run(direction, func(b *testing.B) {
			const frames = 1000 // 2 ms: now and then one runs undisturbed on a busy machine, too
			modes := append([]string{"without"}, attachModes(b)...)
			runs := map[string]func() time.Duration{}
			for _, mode := range modes {
				runs[mode] = forwarder(b, mode, direction, frames)
			}
			best := map[string]time.Duration{}
			b.ResetTimer()
			for round := range b.N {
				for i := range modes {
					mode := modes[(round+i)%len(modes)]
					took := runs[mode]()
					if best[mode] == 0 || took < best[mode] {
						best[mode] = took
					}
				}
			}
			b.ReportMetric(0, "ns/op") // an operation is of no interest
			for _, mode := range modes {
				b.ReportMetric(frames/best[mode].Seconds(), mode+"-pkts/s")
				if mode != "without" {
					b.ReportMetric(float64(best[mode]-best["without"])/frames, mode+"-added-ns/pkt")
				}
			}
		})
	}
}

// forwarder builds a home and returns what times one run through it.
func forwarder(b *testing.B, mode, direction string, frames int) func() time.Duration {
	b.Helper()
	h := try(open(b).Home(1))(b)
	host := h.Hosts[0]
	const drop = "table inet sink {\n\tchain prerouting {\n\t\ttype filter hook prerouting priority -500\n\t\tudp dport 9 counter drop\n\t}\n}"
	check(b, h.Internet.NFT(drop))
	check(b, host.NFT(drop))
	if mode != "without" {
		start(b, h, setup(b, h, "-attach", mode))
	}
	check(b, everyWay(host, h.Internet, 0)) // neighbours are known from here on
	frame, from, device, sink, port := datagramFrame(b, h, host), host.Namespace, "eth0", h.Internet.Namespace, "net1"
	if direction == "download" {
		from, device, sink, port = h.Internet.Namespace, "net1", host.Namespace, "eth0"
		copy(frame, try(h.Router.DeviceMAC("wan"))(b))
		copy(frame[6:], try(h.Internet.DeviceMAC("net1"))(b))
		source, dest := h.Internet.IPv6.As16(), host.IPv6.As16()
		copy(frame[14+8:], source[:])
		copy(frame[14+24:], dest[:])
	}
	inject := try(h.Inject(from, device))(b)
	return func() time.Duration {
		before := try(sink.ReadDevice(port))(b)
		start := time.Now()
		for range frames {
			check(b, inject.Send(frame))
		}
		took := time.Since(start)
		if n := try(sink.ReadDevice(port))(b).Sub(before).RxPackets; n < uint64(frames) {
			b.Fatalf("%d of %d frames arrived", n, frames)
		}
		return took
	}
}

// BenchmarkStart starts the daemon again and again; reported is the fastest start until all is attached.
func BenchmarkStart(b *testing.B) {
	h := try(open(b).Home(4))(b)
	s := setup(b, h)
	best := math.Inf(1)
	for range b.N {
		began := time.Now()
		d := start(b, h, s)
		best = min(best, float64(time.Since(began).Microseconds())/1000)
		check(b, d.Terminate())
	}
	b.ReportMetric(best, "attached-ms")
}

// BenchmarkMemory reports the daemon's resident memory with 250 hosts of two addresses, after they were scraped a while.
func BenchmarkMemory(b *testing.B) {
	h := try(open(b).Home(1))(b)
	host := h.Hosts[0]
	check(b, h.Router.Bridge("link set dev "+host.Port+" learning off"))
	check(b, h.Router.NFT("table inet sink {\n\tchain prerouting {\n\t\ttype filter hook prerouting priority -500\n\t\tudp dport 9 drop\n\t}\n}"))
	d := start(b, h, setup(b, h))
	inject := try(h.Inject(host.Namespace, "eth0"))(b)
	frame := datagramFrame(b, h, host)
	for i := range 500 {
		binary.BigEndian.PutUint16(frame[10:], uint16(i/2))
		binary.BigEndian.PutUint16(frame[14+8+14:], uint16(0x8000+i))
		check(b, inject.Send(frame))
	}
	time.Sleep(2 * time.Second)
	b.ResetTimer()
	for range b.N {
		for range 20 {
			r := try(d.Scrape(context.Background()))(b)
			if n := len(r.Find("mezoura_host_info")); n != 250 {
				b.Fatal(fmt.Errorf("%d hosts, want 250", n))
			}
		}
	}
	now, peak, err := d.Memory()
	check(b, err)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(now)/(1<<20), "resident-MiB")
	b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
}
