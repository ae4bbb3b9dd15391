// SPDX-License-Identifier: GPL-2.0-only

package lab_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/lab"
	"github.com/mezoura/mezoura/ubus"
	"github.com/mezoura/mezoura/ubus/blobmsg"
)

// TestRenumbered gives the LAN other prefixes of both families while everybody talks, with each other and with the
// internet, moves the hosts over as clients move, and takes the old prefixes away. Every packet of the internet is a
// host's, or, from an address that is no longer the LAN's, counted as nobody's; none between hosts is counted at all.
func TestRenumbered(t *testing.T) {
	t.Run("followed", func(t *testing.T) {
		renumber(t, []string{"-4", "br-lan"}, func(*lab.Setup, *lab.Network) error { return nil })
	})
	t.Run("by netifd", func(t *testing.T) {
		n := &netifd{}
		renumber(t, nil, func(s *lab.Setup, w *lab.Network) error { return n.assign(t, s, w) })
	})
}

// renumber runs the test with a daemon that has flags; tell tells netifd of a new network before anybody uses it.
func renumber(t *testing.T, flags []string, tell func(*lab.Setup, *lab.Network) error) {
	const rounds, late = 3, 100
	h := try(open(t).Home(2))(t)
	s := try(h.Setup(daemonBinary(t), h.Router.Namespace, flags...))(t)
	check(t, os.WriteFile(filepath.Join(s.Config, "mezoura"), []byte("config mezoura\n\tlist network 'lan'\n"), 0o644)) // in force without flags
	d := try(h.Lab.Start(s))(t)
	now := h.Hosts
	check(t, tell(s, now[0].Network))
	check(t, d.Ready(context.Background(), h.Attached...))
	known(t, s, now[0].Network)

	// The meters know from the start what will be local.
	judge := *h.Router
	for i := range rounds {
		judge.Networks = append(slices.Clip(judge.Networks), &lab.Network{
			Prefix4: netip.MustParsePrefix(fmt.Sprintf("192.168.%d.0/24", 2+i)), Prefix6: netip.MustParsePrefix(fmt.Sprintf("2001:db8:1:%x::/64", 2+i))})
	}
	var m []*lab.Meter
	for _, host := range h.Hosts {
		m = append(m, try(h.Meter(host.Namespace, host.Device, false, judge.Internal))(t))
	}

	talk := chatter(h)
	among := gossip(now, now)
	for i := range rounds {
		time.Sleep(200 * time.Millisecond)
		w := try(h.Router.Network("br-lan", 2+i))(t)
		check(t, tell(s, w))
		known(t, s, w) // clients hear of it by router advertisements, and check that their address is free
		var next []*lab.Host
		for _, old := range now {
			next = append(next, try(w.Host(&lab.Wire{Namespace: old.Namespace, Device: old.Device, Port: old.Port, MAC: old.MAC}))(t))
		}
		newTalk := chatter(&lab.Home{Lab: h.Lab, Internet: h.Internet, Hosts: next})
		newAmong, across := gossip(next, next), gossip(next, now)
		time.Sleep(200 * time.Millisecond)
		check(t, across.Stop())
		check(t, among.Stop())
		check(t, talk.Stop())
		// The router gives the old prefixes up; a client does not know yet.
		check(t, h.Router.IP(fmt.Sprintf("addr del %s/24 dev br-lan", now[0].Network.Gateway4), fmt.Sprintf("addr del %s/64 dev br-lan", now[0].Network.Gateway6)))
		check(t, tell(s, w))
		for _, old := range now {
			check(t, unanswered(old, h.Internet, late))
			check(t, old.IP(fmt.Sprintf("addr del %s/24 dev %s", old.IPv4, old.Device), fmt.Sprintf("addr del %s/64 dev %s", old.IPv6, old.Device)))
		}
		talk, among, now = newTalk, newAmong, next
	}
	check(t, among.Stop())
	check(t, talk.Stop())

	var sent uint64
	of := map[string]lab.Counts{}
	for i, host := range h.Hosts {
		seen := try(m[i].Settled())(t)
		for _, c := range seen.Internet {
			of[host.MAC] = of[host.MAC].Add(c)
		}
		sent += both(of[host.MAC])
	}
	if len(complaints(d)) != 0 {
		t.Errorf("the daemon complained: %q", complaints(d))
	}
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		r := try(d.Scrape(context.Background()))(t)
		// What is sent to groups, such as neighbour solicitations, is not of the internet; it is counted apart.
		nobody := r.Sum("mezoura_unattributed_bytes_total", "reason", "no_prefix")
		if got := both(r.Counts()) + nobody; got != sent {
			if time.Now().After(deadline) {
				t.Fatalf("counted %d bytes, of those %d for nobody (%v), sent %d\ncounted %s\nsent %v", got, nobody, r.Unattributed(), sent, r.Rows(), of)
			}
			continue
		}
		for _, host := range h.Hosts {
			got, want := r.Counts("mac", strings.ToUpper(host.MAC)), of[host.MAC]
			if got.Upload.Bytes > want.Upload.Bytes || got.Download.Bytes > want.Download.Bytes {
				t.Errorf("%s: counted %s, sent %s", host.Name, got, want)
			}
		}
		if most := uint64(rounds * len(h.Hosts) * late * (14 + 20 + 14 + 40 + 2*(8+unansweredSize))); nobody > most {
			t.Errorf("%d bytes are nobody's, and %d were sent from old addresses", nobody, most)
		}
		return
	}
}

func both(c lab.Counts) uint64 { return c.Download.Bytes + c.Upload.Bytes }

// known waits until the daemon has a network's prefixes, which has to be soon.
func known(t *testing.T, s *lab.Setup, w *lab.Network) {
	t.Helper()
	var text string
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(20 * time.Millisecond) {
		var err error
		if text, err = s.Ask("status"); err == nil && strings.Contains(text, w.Prefix4.String()) && strings.Contains(text, w.Prefix6.String()) {
			return
		}
	}
	t.Fatalf("the daemon does not know %s and %s:\n%s", w.Prefix4, w.Prefix6, text)
}

// gossip has the first of some hosts talk to the last of others, of the same or another network, until it is stopped.
func gossip(some, others []*lab.Host) *lab.Background {
	from, to := some[0], others[len(others)-1]
	return lab.InBackground(func(stop <-chan struct{}) error {
		ended := make(chan error, len(lab.Families))
		for _, f := range lab.Families {
			go func() {
				s := lab.Stream{Client: from.Namespace, From: from.Addr(f), Server: to.Namespace, Listen: to.Addr(f),
					Upload: lab.Until, Download: lab.Until, Stop: stop, Pause: time.Millisecond, Buffer: 64 << 10}
				_, _, err := s.Run(context.Background())
				ended <- err
			}()
		}
		var all error
		for range lab.Families {
			all = errors.Join(all, <-ended)
		}
		return all
	})
}

const unansweredSize = 500

// unanswered sends datagrams to the internet that nobody there waits for.
func unanswered(h *lab.Host, in *lab.Internet, n int) error {
	for _, f := range lab.Families {
		kind := map[lab.Family]int{lab.IPv4: syscall.AF_INET, lab.IPv6: syscall.AF_INET6}[f]
		var from, to syscall.Sockaddr = &syscall.SockaddrInet6{Addr: h.IPv6.As16()}, &syscall.SockaddrInet6{Addr: in.IPv6.As16(), Port: 9}
		if f == lab.IPv4 {
			from, to = &syscall.SockaddrInet4{Addr: h.IPv4.As4()}, &syscall.SockaddrInet4{Addr: in.IPv4.As4(), Port: 9}
		}
		if err := h.Do(func() error {
			s, err := syscall.Socket(kind, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer syscall.Close(s)
			if err := syscall.Bind(s, from); err != nil {
				return err
			}
			for range n {
				if err := syscall.Sendto(s, make([]byte, unansweredSize), 0, to); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return fmt.Errorf("%s: send %s: %w", h.Name, f, err)
		}
	}
	return nil
}

// netifd is as much of OpenWrt's as the daemon asks for: network.interface with its method dump, and the notification
// of other addresses. Networks that it was told of one after the other are on the interface lan together; told of the
// last one again, it keeps only that.
type netifd struct {
	published *ubus.Published

	mu       sync.Mutex
	networks []*lab.Network
}

func (n *netifd) assign(t *testing.T, s *lab.Setup, w *lab.Network) error {
	n.mu.Lock()
	if slices.Contains(n.networks, w) {
		n.networks = nil
	}
	n.networks = append(n.networks, w)
	n.mu.Unlock()
	if n.published == nil {
		bus, err := ubus.Dial(context.Background(), ubus.Options{Socket: s.Ubus, Lazy: true})
		if err != nil {
			return err
		}
		t.Cleanup(func() { check(t, bus.Close()) })
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			n.published, err = bus.Publish(context.Background(), ubus.Object{Path: "network.interface", Methods: []ubus.Method{{Name: "dump", Handler: n.dump}}})
			if err == nil || time.Now().After(deadline) {
				return err // the broker is the daemon's own, and comes with it
			}
		}
	}
	return n.published.Notify(context.Background(), "interface.update", map[string]any{"interface": "lan"})
}

func (n *netifd) dump(context.Context, *ubus.Request) (any, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var four, six []string
	for _, w := range n.networks {
		four = append(four, fmt.Sprintf(`{"address": %q, "mask": 24}`, w.Gateway4))
		six = append(six, fmt.Sprintf(`{"address": %q, "mask": 64, "local-address": {"address": %q, "mask": 64}}`, w.Prefix6.Addr(), w.Gateway6))
	}
	return blobmsg.ParseJSON([]byte(fmt.Sprintf(`{"interface": [{"interface": "lan", "up": true, "device": "br-lan", "l3_device": "br-lan",
		"ipv4-address": [%s], "ipv6-prefix-assignment": [%s]}]}`, strings.Join(four, ","), strings.Join(six, ","))))
}
