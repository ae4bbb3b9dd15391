// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/mezoura/mezoura/service/lab"
)

// takeover has a host talk to the internet through a router with the daemon, kills the daemon as no daemon would end
// itself, has the host talk on with nobody there, and starts a second daemon. Every packet has to be counted once.
func takeover(mode string, c compiler) (remark string, err error) {
	l, err := lab.Open()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	h, err := l.PlainHome(1)
	if err != nil {
		return "", err
	}
	if err := introduce(h); err != nil {
		return "", err
	}
	setup, err := l.Setup("/mezoura", h.Router.Namespace, append(h.Flags(), "-attach", mode)...)
	if err != nil {
		return "", err
	}
	meter, err := h.Hosts[0].Meter()
	if err != nil {
		return "", err
	}
	var last *lab.Report
	var packets uint64
	for round := range 2 {
		d, err := l.Start(setup)
		if err != nil {
			return "", err
		}
		if err := d.Ready(context.Background(), h.Attached...); err != nil {
			return "", err
		}
		if round == 0 {
			if err := asCompiled(c); err != nil {
				return "", err
			}
			if err := talk(h); err != nil {
				return "", err
			}
		}
		expected, err := lab.Expect(h.Hosts, []*lab.Meter{meter})
		if err != nil {
			return "", err
		}
		report, err := d.Await(context.Background(), expected)
		if err != nil {
			return "", fmt.Errorf("daemon %d: %w; it says: %s", round+1, err, strings.Join(d.Output(), "; "))
		}
		if last != nil {
			if back := report.Backwards(last); back != nil {
				return "", fmt.Errorf("went backwards: %s", strings.Join(back, "; "))
			}
		}
		before := packets
		packets = 0
		for _, e := range expected {
			packets += e.Counts.Upload.Packets + e.Counts.Download.Packets
			if e.Counts.Upload.Packets < 10 || e.Counts.Download.Packets < 10 {
				return "", fmt.Errorf("the meter saw %s of %s: too little to prove anything", e.Counts, e.Family)
			}
		}
		if packets <= before {
			return "", errors.New("no traffic between the daemons")
		}
		last = report
		d.Kill()
		if round == 0 {
			if err := talk(h); err != nil {
				return "", err
			}
		}
	}
	return fmt.Sprintf("%d packets", packets), setup.Detach()
}

// talk sends TCP and UDP of both families both ways.
func talk(h *lab.Home) error {
	host := h.Hosts[0]
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

// asCompiled sees that the programs in the kernel are as the setting says.
func asCompiled(c compiler) error {
	all, native, err := compiled()
	switch {
	case err != nil:
		return err
	case all == 0:
		return errors.New("no programs in the kernel")
	case c.name == "jit" && native == 0 && os.Getenv("MEZOURA_JIT") == "1":
		return errors.New("the JIT compiler is on and has compiled nothing")
	case c.name == "interpreter" && native != 0:
		return fmt.Errorf("%d of %d programs are in machine code", native, all)
	}
	return nil
}

// introduce tells the machines of a home of each other's IPv6 addresses: qemu 7.2's s390x reckons the checksums of IPv6
// wrongly, so that none of them would find the other.
func introduce(h *lab.Home) error {
	host, router, in := h.Hosts[0], h.Router, h.Internet
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
