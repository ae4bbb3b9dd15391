// SPDX-License-Identifier: GPL-2.0-only

package lab_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/mezoura/mezoura/service/lab"
)

// TestExactUnderOffloads sends bulk TCP and UDP in super-packets past the classifier. Packets have to be the senders'
// TcpOutSegs, bytes the sum of the frames.
func TestExactUnderOffloads(t *testing.T) {
	all := lab.Offloads{TSO: true, GSO: true, GRO: true}
	for _, c := range []struct {
		name          string
		host, port    lab.Offloads
		wireIsFrames  bool // the wire between host and port carries single frames, which the devices count
		superExpected bool // super-packets cross the wire
	}{
		{name: "all on", host: all, port: all, superExpected: true},
		// As with a network card: frames on the wire, merged on arrival (upload), cut on departure (download).
		{name: "frames on the wire", host: lab.Offloads{GSO: true, GRO: false}, port: lab.Offloads{GSO: true, GRO: true}, wireIsFrames: true},
		{name: "all off", host: lab.Offloads{}, port: lab.Offloads{}, wireIsFrames: true},
	} {
		for _, attach := range attachModes(t) {
			t.Run(c.name+"/"+attach, func(t *testing.T) {
				h := try(open(t).Home(2))(t)
				for _, host := range h.Hosts {
					check(t, host.SetOffloads("eth0", c.host))
					check(t, h.Router.SetOffloads(host.Port, c.port))
				}
				d := start(t, h, setup(t, h, "-attach", attach))
				m := meters(t, h.Hosts)
				host := h.Hosts[0]
				before, segments := try(host.ReadDevice("eth0"))(t), try(host.TCPSegments())(t)
				remote := try(h.Internet.TCPSegments())(t)
				for _, f := range lab.Families {
					// The buffer bounds what is in flight: a veth that merges drops what its ring of 256 cannot hold.
					s := lab.Stream{Client: host.Namespace, Server: h.Internet.Namespace, Listen: h.Internet.Addr(f),
						Upload: 20_000_000, Download: 20_000_000, Buffer: 128 << 10}
					if _, _, err := s.Run(context.Background()); err != nil {
						t.Fatal(err)
					}
				}
				r := expect(t, d, h.Hosts, m)
				tcp := r.Host(host, lab.IPv4).Add(r.Host(host, lab.IPv6))
				segments = try(host.TCPSegments())(t).Sub(segments)
				remote = try(h.Internet.TCPSegments())(t).Sub(remote)
				if tcp.Upload.Packets != segments.Sent() {
					t.Errorf("counted %d packets up, the host's TCP sent %d segments", tcp.Upload.Packets, segments.Sent())
				}
				if tcp.Download.Packets != remote.Sent() {
					t.Errorf("counted %d packets down, the internet's TCP sent %d segments", tcp.Download.Packets, remote.Sent())
				}
				seen := try(m[0].Counts())(t)
				if c.superExpected != (seen.Super > 0) {
					t.Errorf("%d super-packets crossed the wire, expected some: %v", seen.Super, c.superExpected)
				}
				if device := try(host.ReadDevice("eth0"))(t).Sub(before); c.wireIsFrames {
					// What else crossed the wire is the meter's Rest.
					got := lab.Counts{Download: lab.Traffic{Packets: device.RxPackets}, Upload: lab.Traffic{Packets: device.TxPackets}}
					want := tcp.Add(seen.Rest)
					if got.Download.Packets != want.Download.Packets || got.Upload.Packets != want.Upload.Packets {
						t.Errorf("counted, with the rest: %v, the device counted %v", want, got)
					}
				}

				want := lab.Counts{}
				for _, f := range lab.Families {
					dg := lab.Datagrams{Client: host.Namespace, Server: h.Internet.Namespace, Listen: h.Internet.Addr(f),
						Upload: 3000, Download: 3000, Size: 1300, Batch: map[bool]int{false: 1, true: 16}[c.host.GSO]}
					want = want.Add(try(dg.Run(context.Background()))(t))
				}
				r = expect(t, d, h.Hosts, m)
				if got := r.Host(host, lab.IPv4).Add(r.Host(host, lab.IPv6)).Sub(tcp); got != want {
					t.Errorf("datagrams: counted %v, sent %v", got, want)
				}
			})
		}
	}
}

// attachModes lists the ways of attaching that this kernel has.
func attachModes(t testing.TB) []string {
	t.Helper()
	if kernelAtLeast(t, 6, 6) {
		return []string{"tcx", "clsact"}
	}
	return []string{"clsact"}
}

// TestOddFrames sends what a client's kernel would hardly send: fragments, options, extension headers, protocols
// without ports, the smallest and the largest frames.
func TestOddFrames(t *testing.T) {
	h := try(open(t).Home(1))(t)
	d := start(t, h, setup(t, h))
	m := meters(t, h.Hosts)
	host := h.Hosts[0]
	router := try(host.RouterMAC())(t)
	inject := try(h.Inject(host.Namespace, "eth0"))(t)
	// The frames cross the classifier and end in the router: no answers.
	check(t, h.Router.NFT(`table inet sink {
	chain prerouting {
		type filter hook prerouting priority -400
		iifname "br-lan" meta l4proto != { tcp, icmpv6 } drop
	}
}`))
	own := try(parseMAC(host.MAC))(t)
	var want [2]lab.Traffic
	for i, f := range lab.Families {
		base := lab.Packet{To: router, From: own, Source: host.Addr(f), Dest: h.Internet.Addr(f), Protocol: 17, Payload: make([]byte, 100)}
		packets := []lab.Packet{base}
		add := func(change func(*lab.Packet)) {
			p := base
			change(&p)
			packets = append(packets, p)
		}
		add(func(p *lab.Packet) { p.Payload = nil })
		add(func(p *lab.Packet) { p.Payload = make([]byte, 1440) })
		add(func(p *lab.Packet) { p.MoreFragments = true; p.Payload = make([]byte, 1232) })
		add(func(p *lab.Packet) { p.FragmentOffset = 1232; p.MoreFragments = true; p.Payload = make([]byte, 1232) })
		add(func(p *lab.Packet) { p.FragmentOffset = 2464; p.Payload = make([]byte, 8) })
		for _, protocol := range []byte{1, 2, 47, 50, 51, 58, 89, 132, 253, 255} {
			add(func(p *lab.Packet) { p.Protocol = protocol })
		}
		if f == lab.IPv4 {
			add(func(p *lab.Packet) { p.Options = []byte{7, 39, 4, 38: 0, 39: 0} }) // record route, the longest header
			add(func(p *lab.Packet) { p.Options = []byte{1, 1, 1, 0} })
		} else {
			add(func(p *lab.Packet) { p.FirstExtension, p.Options = 0, []byte{17, 0, 1, 4, 0, 0, 0, 0} })   // hop by hop
			add(func(p *lab.Packet) { p.FirstExtension, p.Options = 60, []byte{17, 0, 1, 4, 0, 0, 0, 0} })  // destination
			add(func(p *lab.Packet) { p.FirstExtension, p.Options = 43, []byte{17, 0, 99, 0, 0, 0, 0, 0} }) // routing
			add(func(p *lab.Packet) {
				p.FirstExtension, p.Options = 0, append([]byte{60, 0, 1, 4, 0, 0, 0, 0}, append([]byte{51, 0, 1, 4, 0, 0, 0, 0}, make([]byte, 24)...)...)
			})
		}
		for _, p := range packets {
			frame := p.Bytes()
			check(t, inject.Send(frame))
			want[i] = want[i].Add(lab.Traffic{Bytes: uint64(len(frame)), Packets: 1})
		}
	}
	r := expect(t, d, h.Hosts, m)
	for i, f := range lab.Families {
		if got := r.Host(host, f).Upload; got != want[i] {
			t.Errorf("%s: counted %+v, injected %+v", f, got, want[i])
		}
	}
}

// TestFragmentsOfRealDatagrams has the kernels cut datagrams that are larger than a frame, both ways.
func TestFragmentsOfRealDatagrams(t *testing.T) {
	h := try(open(t).Home(1))(t)
	d := start(t, h, setup(t, h))
	m := meters(t, h.Hosts)
	for _, f := range lab.Families {
		dg := lab.Datagrams{Client: h.Hosts[0].Namespace, Server: h.Internet.Namespace, Listen: h.Internet.Addr(f), Upload: 50, Download: 70, Size: 4000}
		if _, err := dg.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	r := expect(t, d, h.Hosts, m)
	for _, f := range lab.Families {
		if got := r.Host(h.Hosts[0], f); got.Upload.Packets != 150 || got.Download.Packets != 210 {
			t.Errorf("%s: counted %s, sent 150 and 210 fragments", f, got)
		}
	}
}

// TestTwoProcessorsCountOneHost runs many connections of one host at once.
func TestTwoProcessorsCountOneHost(t *testing.T) {
	h := try(open(t).Home(1))(t)
	d := start(t, h, setup(t, h))
	m := meters(t, h.Hosts)
	const connections = 8
	done := make(chan error, connections)
	for i := range connections {
		go func() {
			s := lab.Stream{Client: h.Hosts[0].Namespace, Server: h.Internet.Namespace, Listen: h.Internet.Addr(lab.Families[i%2]),
				Upload: 5_000_000, Download: 5_000_000, Buffer: 64 << 10}
			_, _, err := s.Run(context.Background())
			if err != nil {
				err = fmt.Errorf("connection %d: %w", i, err)
			}
			done <- err
		}()
	}
	for range connections {
		check(t, <-done)
	}
	expect(t, d, h.Hosts, m)
}
