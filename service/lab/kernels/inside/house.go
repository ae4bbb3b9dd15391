// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

// house is a home with one daemon after the other, each ended as no daemon would end itself. Every packet has to be
// counted once, whoever of them was there.
type house struct {
	*lab.Home
	meters []*lab.Meter
	daemon *lab.Daemon // killed or running; nil before the first
	mode   string      // how it was attached
	report *lab.Report // its last
	broken error       // after which nothing more can be said
}

// The first host talks all the time, the other one only when the first daemon is there.
const talker, quiet = 0, 1

func newHouse(l *lab.Lab) (*house, error) {
	home, err := l.PlainHome(2)
	if err != nil {
		return nil, err
	}
	h := &house{Home: home}
	for _, host := range h.Hosts {
		if err := introduce(h.Home, host); err != nil {
			return nil, err
		}
		meter, err := host.Meter()
		if err != nil {
			return nil, err
		}
		h.meters = append(h.meters, meter)
	}
	return h, nil
}

// serve starts the next daemon and sees that it has everything its predecessors had, and what went by meanwhile.
func (h *house) serve(mode string, c compiler, flags ...string) (remark string, err error) {
	if h.broken != nil {
		return "", h.broken
	}
	defer func() {
		if err != nil {
			h.broken = errors.New("not run after what failed before")
		}
	}()
	before, err := h.packets()
	if err != nil {
		return "", err
	}
	between, err := h.start(mode, flags...)
	if err != nil {
		return "", err
	}
	if remark, err = asCompiled(c); err != nil {
		return "", err
	}
	if err := talk(h.Home, h.Hosts[talker]); err != nil {
		return "", err
	}
	if before == 0 {
		if err := talk(h.Home, h.Hosts[quiet]); err != nil {
			return "", err
		}
	}
	if err := h.exact(); err != nil {
		return "", err
	}
	after, err := h.packets()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d packets%s, %s", after-before, between, remark), nil
}

// start starts a daemon while the talker talks: until it is there its predecessor's programs count. Changing from one
// way of attaching to the other takes a moment without any; then the talking is done before.
func (h *house) start(mode string, flags ...string) (between string, err error) {
	setup := &lab.Setup{}
	if h.daemon == nil {
		if setup, err = h.Setup("/mezoura", h.Router.Namespace); err != nil {
			return "", err
		}
	} else {
		*setup = *h.daemon.Setup
		traffic := h.trickle()
		stop := func() {
			if traffic != nil {
				err = errors.Join(err, traffic.Stop())
				traffic = nil
			}
		}
		defer stop()
		time.Sleep(100 * time.Millisecond) // with nobody there
		between = ", a new daemon under traffic"
		if mode != h.mode {
			stop()
			between = ", " + h.mode + " before"
		}
	}
	setup.Args = append(append(h.Flags(), "-attach", mode), flags...)
	if h.daemon, err = h.Start(setup); err != nil {
		return "", err
	}
	h.mode = mode
	return between, h.daemon.Ready(context.Background(), h.Attached...)
}

// end kills the daemon.
func (h *house) end() {
	if h.daemon != nil {
		h.daemon.Kill()
	}
}

// close takes the last daemon's programs out of the kernel.
func (h *house) close() error {
	if h.broken != nil || h.daemon == nil {
		return nil
	}
	h.end()
	if err := h.daemon.Setup.Detach(); err != nil {
		return err
	}
	all := 0
	for deadline := time.Now().Add(goneTime); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var err error
		if all, _, err = compiled(); err != nil || all == 0 {
			return err
		}
	}
	return fmt.Errorf("%d programs are left after mezoura -detach", all)
}

// goneTime is how long the kernel may take to free programs that nothing refers to any more.
const goneTime = 20 * time.Second

// packets is what the meters have seen.
func (h *house) packets() (n uint64, err error) {
	for _, m := range h.meters {
		seen, err := m.Settled()
		if err != nil {
			return 0, err
		}
		for _, f := range lab.Families {
			c := seen.Sum(f)
			n += c.Upload.Packets + c.Download.Packets
		}
	}
	return n, nil
}

// exact waits until the daemon has counted what the meters have seen, no more, and nothing went backwards.
func (h *house) exact() error {
	expected, err := lab.Expect(h.Hosts, h.meters)
	if err != nil {
		return err
	}
	for _, e := range expected {
		if e.Counts.Upload.Packets < 10 || e.Counts.Download.Packets < 10 {
			return fmt.Errorf("the meter saw %s of %s %s: too little to prove anything", e.Counts, e.Host.Name, e.Family)
		}
	}
	report, err := h.daemon.Await(context.Background(), expected)
	if err != nil {
		return fmt.Errorf("%w; the daemon says: %s", err, strings.Join(h.daemon.Output(), "; "))
	}
	return h.forward(report)
}

// forward takes a report in which nothing may be less than in the one before.
func (h *house) forward(r *lab.Report) error {
	if h.report != nil {
		if back := r.Backwards(h.report); back != nil {
			return fmt.Errorf("went backwards: %s", strings.Join(back, "; "))
		}
	}
	h.report = r
	return nil
}

// talk sends TCP and UDP of both families both ways.
func talk(h *lab.Home, host *lab.Host) error {
	for _, f := range lab.Families {
		s := lab.Stream{Client: host.Namespace, From: host.Addr(f), Server: h.Internet.Namespace, Listen: h.Internet.Addr(f),
			Upload: 100_000, Download: 200_000, Buffer: 64 << 10}
		if _, _, err := s.Run(context.Background()); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
		d := lab.Datagrams{Client: host.Namespace, From: host.Addr(f), Server: h.Internet.Namespace, Listen: h.Internet.Addr(f),
			Upload: 30, Download: 40, Size: 900}
		if _, err := d.Run(context.Background()); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
	}
	return nil
}

// The trickle is a datagram each way in turn, with a pause after each.
const (
	tricklePause = 5 * time.Millisecond
	trickleSize  = 700
	trickleFrame = 14 + 20 + 8 + trickleSize
)

// trickle has the talker talk until it is told to stop.
func (h *house) trickle() *lab.Background {
	host := h.Hosts[talker]
	return lab.InBackground(func(stop <-chan struct{}) error {
		d := lab.Datagrams{Client: host.Namespace, From: host.IPv4, Server: h.Internet.Namespace, Listen: h.Internet.IPv4,
			Upload: lab.Until, Download: lab.Until, Stop: stop, Size: trickleSize, Pause: tricklePause}
		_, err := d.Run(context.Background())
		return err
	})
}

// asCompiled sees that the programs in the kernel are as the setting says. Those replaced last may be there a moment longer.
func asCompiled(c compiler) (remark string, err error) {
	var all, native int
	for deadline := time.Now().Add(goneTime); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		all, native, err = compiled()
		switch {
		case err != nil:
			return "", err
		case all == 0:
			return "", errors.New("no programs in the kernel")
		case native == 0 && c.name == "interpreter", native == all && c.name == "jit":
			return fmt.Sprintf("%d of %d programs in machine code", native, all), nil
		}
	}
	if c.name == "jit" && os.Getenv("MEZOURA_JIT") == "" {
		return "not compiled", nil // the setting is there, and the compiler can not do these programs
	}
	return "", fmt.Errorf("%s, and %d of %d programs are in machine code", c.name, native, all)
}

// introduce tells the machines of a home of each other's IPv6 addresses: qemu 7.2's s390x reckons the checksums of IPv6
// wrongly, so that none of them would find the other.
func introduce(h *lab.Home, host *lab.Host) error {
	router, in := h.Router, h.Internet
	const wan, link = "wan", "net1"
	for _, n := range []struct {
		to     *lab.Namespace
		device string
		of     *lab.Namespace
		its    string
		addr   netip.Addr
	}{
		{host.Namespace, host.Device, router.Namespace, host.Network.Device, host.Network.Gateway6},
		{router.Namespace, host.Network.Device, host.Namespace, host.Device, host.IPv6},
		{router.Namespace, wan, in.Namespace, link, router.WAN6.Prev()},
		{in.Namespace, link, router.Namespace, wan, router.WAN6},
	} {
		if host != h.Hosts[0] && n.device != host.Device && n.device != host.Network.Device {
			continue // known from the first host
		}
		mac, err := n.of.DeviceMAC(n.its)
		if err != nil {
			return err
		}
		if err := n.to.IP(fmt.Sprintf("neigh add %s lladdr %s dev %s", n.addr, mac, n.device)); err != nil {
			return err
		}
	}
	return nil
}
