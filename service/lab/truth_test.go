// SPDX-License-Identifier: GPL-2.0-only

package lab_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

// TestTruth holds the lab's own measure against three others: the device's counters, the kernel's segment counts and
// the sum of the frames that were asked for; with offloads on and off.
func TestTruth(t *testing.T) {
	for _, o := range []lab.Offloads{{}, {GSO: true}, {GSO: true, TSO: true}, {GSO: true, GRO: true}, {GSO: true, TSO: true, GRO: true}} {
		t.Run(fmt.Sprintf("tso=%v,gso=%v,gro=%v", o.TSO, o.GSO, o.GRO), func(t *testing.T) {
			h := try(open(t).Home(1))(t)
			host := h.Hosts[0]
			check(t, host.SetOffloads("eth0", o))
			check(t, h.Router.SetOffloads("lan1", o))
			time.Sleep(50 * time.Millisecond) // the last words about the addresses just given
			before := try(host.ReadDevice("eth0"))(t)
			segments := try(host.TCPSegments())(t)
			remote := try(h.Internet.TCPSegments())(t)
			m := try(host.Meter())(t)

			const up, down = 3_000_000, 5_000_000
			var want lab.Counts
			for _, f := range lab.Families {
				s := lab.Stream{Client: host.Namespace, Server: h.Internet.Namespace, Listen: h.Internet.Addr(f),
					Upload: up, Download: down, Buffer: 64 << 10}
				if _, _, err := s.Run(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			tcp := try(m.Settled())(t)
			segments = try(host.TCPSegments())(t).Sub(segments)
			remote = try(h.Internet.TCPSegments())(t).Sub(remote)
			total := tcp.Sum(lab.IPv4).Add(tcp.Sum(lab.IPv6))
			if total.Upload.Packets != segments.Sent() {
				t.Errorf("meter saw %d packets up, the host's TCP sent %d segments", total.Upload.Packets, segments.Sent())
			}
			if total.Download.Packets != remote.Sent() {
				t.Errorf("meter saw %d packets down, the internet's TCP sent %d segments", total.Download.Packets, remote.Sent())
			}

			for _, f := range lab.Families {
				d := lab.Datagrams{Client: host.Namespace, Server: h.Internet.Namespace, Listen: h.Internet.Addr(f),
					Upload: 1000, Download: 1500, Size: 1200, Batch: map[bool]int{false: 1, true: 20}[o.GSO]}
				sent := try(d.Run(context.Background()))(t)
				want = want.Add(sent)
			}
			all := try(m.Settled())(t)
			if got := all.Sum(lab.IPv4).Add(all.Sum(lab.IPv6)).Sub(total); got != want {
				t.Errorf("datagrams: meter saw %+v, sent %+v", got, want)
			}

			device := try(host.ReadDevice("eth0"))(t).Sub(before)
			skbs := lab.Counts{Download: lab.Traffic{Bytes: device.RxBytes, Packets: device.RxPackets},
				Upload: lab.Traffic{Bytes: device.TxBytes, Packets: device.TxPackets}}
			frames := all.Sum(lab.IPv4).Add(all.Sum(lab.IPv6)).Add(all.Rest)
			if o.GRO && !o.TSO {
				// veths that merge count without the Ethernet header, and before merging; the meter sees merged packets.
				skbs.Upload.Bytes += 14 * skbs.Upload.Packets
				skbs.Download.Bytes += 14 * skbs.Download.Packets
				if frames != skbs {
					t.Errorf("meter made out %+v frames, the device counted %+v", frames, skbs)
				}
				return
			}
			if all.Skbs != skbs {
				t.Errorf("meter saw %+v cross the device, the device itself %+v", all.Skbs, skbs)
			}
			if !o.TSO && frames.Upload != skbs.Upload {
				t.Errorf("without TSO, the frames %+v are not what the device sent: %+v", frames.Upload, skbs.Upload)
			}
			if o.TSO && all.Super == 0 {
				t.Error("TSO is on and no super-packet was seen")
			}
		})
	}
}

// TestTruthByNFT counts the same traffic with nftables, in the router and packet by packet.
func TestTruthByNFT(t *testing.T) {
	h := try(open(t).Home(2))(t)
	for _, host := range h.Hosts {
		check(t, host.SetOffloads("eth0", lab.Offloads{}))
		check(t, h.Router.SetOffloads(host.Port, lab.Offloads{}))
	}
	check(t, h.Router.SetOffloads("wan", lab.Offloads{}))
	check(t, h.Internet.SetOffloads("net1", lab.Offloads{}))
	var rules string
	for i, host := range h.Hosts {
		rules += fmt.Sprintf("add counter netdev truth up%d\nadd counter netdev truth down%d\n", i, i) +
			fmt.Sprintf("add chain netdev truth in%d { type filter hook ingress device %s priority 0; }\n", i, host.Port) +
			fmt.Sprintf("add chain netdev truth out%d { type filter hook egress device %s priority 0; }\n", i, host.Port)
		for _, f := range lab.Families {
			ip := map[lab.Family]string{lab.IPv4: "ip", lab.IPv6: "ip6"}[f]
			rules += fmt.Sprintf("add rule netdev truth in%d %s daddr %s counter name up%d\n", i, ip, h.Internet.Addr(f), i) +
				fmt.Sprintf("add rule netdev truth out%d %s saddr %s counter name down%d\n", i, ip, h.Internet.Addr(f), i)
		}
	}
	check(t, h.Router.NFT("add table netdev truth\n"+rules))
	m := meters(t, h.Hosts)
	for i, host := range h.Hosts {
		check(t, everyWay(host, h.Internet, i))
	}
	for i := range h.Hosts {
		seen := try(m[i].Settled())(t)
		sum := seen.Sum(lab.IPv4).Add(seen.Sum(lab.IPv6))
		// At ingress nftables counts from layer 3, at egress from layer 2.
		up, down := nftCounter(t, h.Router, fmt.Sprintf("up%d", i)), nftCounter(t, h.Router, fmt.Sprintf("down%d", i))
		up.Bytes += 14 * up.Packets
		if up != sum.Upload || down != sum.Download {
			t.Errorf("host %d: nftables counted up %+v down %+v, the meter %+v", i, up, down, sum)
		}
	}
}

func nftCounter(t *testing.T, r *lab.Router, name string) lab.Traffic {
	t.Helper()
	text := try(r.Run("nft", "-j", "list", "counter", "netdev", "truth", name))(t)
	var reply struct {
		Nftables []struct {
			Counter *struct{ Packets, Bytes uint64 }
		}
	}
	check(t, json.Unmarshal([]byte(text), &reply))
	for _, item := range reply.Nftables {
		if item.Counter != nil {
			return lab.Traffic{Bytes: item.Counter.Bytes, Packets: item.Counter.Packets}
		}
	}
	t.Fatalf("no counter %s in %s", name, text)
	return lab.Traffic{}
}
