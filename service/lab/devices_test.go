// SPDX-License-Identifier: GPL-2.0-only

package lab_test

import (
	"context"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

// TestDeviceComesBack removes a port under traffic and makes it again, several times. A second later it is counted
// again, exactly; the other port's host notices nothing.
func TestDeviceComesBack(t *testing.T) {
	for _, attach := range attachModes(t) {
		t.Run(attach, func(t *testing.T) {
			h := try(open(t).Home(2))(t)
			d := start(t, h, setup(t, h, "-attach", attach))
			moving, staying := h.Hosts[0], h.Hosts[1]
			m := try(staying.Meter())(t)
			talk := chatter(&lab.Home{Lab: h.Lab, Internet: h.Internet, Router: h.Router, Hosts: []*lab.Host{staying}})
			sums := map[lab.Family]lab.Counts{}
			for round := range 4 {
				if round > 0 {
					// Pulled in the middle of a transfer: the host's counts up to then are unknown to the host itself,
					// whose device is gone; so it is quiet just then.
					check(t, moving.Unplug())
					check(t, moving.Replug("br-lan"))
					time.Sleep(time.Second)
				}
				meter := try(moving.Meter())(t)
				check(t, everyWay(moving, h.Internet, round))
				for _, e := range try(lab.Expect([]*lab.Host{moving}, []*lab.Meter{meter}))(t) {
					sums[e.Family] = sums[e.Family].Add(e.Counts)
				}
			}
			check(t, talk.Stop())
			list := try(lab.Expect([]*lab.Host{staying}, []*lab.Meter{m}))(t)
			for f, counts := range sums {
				list = append(list, lab.Expectation{Host: moving, Family: f, Counts: counts})
			}
			if _, err := d.Await(context.Background(), list); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDeviceAwaited starts the daemon before one of its networks exists. It waits for the device, and counts it from
// the second it is there.
func TestDeviceAwaited(t *testing.T) {
	h := try(open(t).Home(1))(t)
	s := setup(t, h, "-4", "192.168.2.1/24/br-guest", "-6", "2001:db8:1:2::1/64")
	d := start(t, h, s)
	m := meters(t, h.Hosts)
	check(t, everyWay(h.Hosts[0], h.Internet, 0))
	expect(t, d, h.Hosts, m)
	waiting := false
	for _, sample := range try(d.Scrape(context.Background()))(t).Find("mezoura_attached", "device", "br-guest") {
		waiting = waiting || sample.Labels["mode"] == "waiting" || sample.Value == 0
	}
	if !waiting {
		t.Error("mezoura_attached does not say that br-guest is waited for")
	}
	check(t, h.AddBridged("br-guest", "guest", 2, 2))
	time.Sleep(time.Second)
	m = append(m, meters(t, h.Hosts[1:])...)
	for i, host := range h.Hosts[1:] {
		check(t, everyWay(host, h.Internet, i))
	}
	expect(t, d, h.Hosts, m)
}

// TestPortChangesBridge moves a port from one network's bridge to another's while the daemon runs.
func TestPortChangesBridge(t *testing.T) {
	h := try(open(t).Home(1))(t)
	check(t, h.AddBridged("br-guest", "guest", 2, 1))
	d := start(t, h, setup(t, h))
	lan, guest := h.Hosts[0], h.Hosts[1]
	m := meters(t, h.Hosts)
	check(t, everyWay(lan, h.Internet, 0))
	check(t, everyWay(guest, h.Internet, 1))
	list := try(lab.Expect(h.Hosts, m))(t)
	check(t, h.Router.IP("link set guest1 nomaster", "link set guest1 master br-lan"))
	time.Sleep(time.Second)
	// The guest's machine is on the LAN now: it takes an address there.
	moved := try(h.Router.Networks[0].Host(&lab.Wire{Namespace: guest.Namespace, Device: guest.Device, Port: guest.Port, MAC: guest.MAC}))(t)
	again := try(moved.Meter())(t)
	check(t, everyWay(moved, h.Internet, 2))
	list = append(list, try(lab.Expect([]*lab.Host{moved}, []*lab.Meter{again}))(t)...)
	if _, err := d.Await(context.Background(), list); err != nil {
		t.Error(err)
	}
}
