// SPDX-License-Identifier: GPL-2.0-only

package lab_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

// TestDeviceComesBack removes a port in the middle of its host's sending and makes it again, several times. A second
// later it is counted again, exactly; the host of the other port, who talks all along, notices nothing.
func TestDeviceComesBack(t *testing.T) {
	for _, attach := range attachModes(t) {
		t.Run(attach, func(t *testing.T) {
			h := try(open(t).Home(2))(t)
			d := start(t, h, setup(t, h, "-attach", attach))
			sinkHole(t, h)
			moving, staying := h.Hosts[0], h.Hosts[1]
			m := try(staying.Meter())(t)
			talk := chatter(&lab.Home{Lab: h.Lab, Internet: h.Internet, Router: h.Router, Hosts: []*lab.Host{staying}})
			for round := range 4 {
				pull(t, h, moving)
				check(t, moving.Replug("br-lan"))
				time.Sleep(time.Second)
				// What was on the wire when it was pulled is known to nobody; from here on all is.
				base := try(d.Scrape(context.Background()))(t)
				meter := try(moving.Meter())(t)
				check(t, everyWay(moving, h.Internet, round))
				list := try(lab.Expect([]*lab.Host{moving}, []*lab.Meter{meter}))(t)
				awaitCounts(t, d, list, base)
			}
			check(t, talk.Stop())
			awaitCounts(t, d, try(lab.Expect([]*lab.Host{staying}, []*lab.Meter{m}))(t), &lab.Report{})
		})
	}
}

// pull removes a host's port in the middle of its sending.
func pull(t *testing.T, h *lab.Home, host *lab.Host) {
	t.Helper()
	inject := try(h.Inject(host.Namespace, host.Device))(t)
	frame := datagramFrame(t, h, host)
	broken := make(chan int)
	go func() {
		for sent := 0; ; sent++ {
			if inject.Send(frame) != nil { // the device is gone
				broken <- sent
				return
			}
		}
	}()
	time.Sleep(50 * time.Millisecond)
	check(t, host.Unplug())
	if sent := <-broken; sent == 0 {
		t.Fatal("nothing was sent before the device went")
	}
}

// awaitCounts waits until the daemon has counted what is expected of these hosts, on top of an earlier report.
func awaitCounts(t *testing.T, d *lab.Daemon, list []lab.Expectation, base *lab.Report) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for {
		r := try(d.Scrape(context.Background()))(t)
		wrong := ""
		for _, e := range list {
			if got := r.Host(e.Host, e.Family).Sub(base.Host(e.Host, e.Family)); got != e.Counts {
				wrong += fmt.Sprintf("%s %s: counted %s, sent %s\n", e.Host.Name, e.Family, got, e.Counts)
			}
		}
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(wrong)
		}
		time.Sleep(100 * time.Millisecond)
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
