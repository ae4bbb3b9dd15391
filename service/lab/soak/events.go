// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

// event is something that happens to a daemon; when it is over, the daemon runs and is attached.
type event struct {
	name string
	run  func(*soak) error
}

// kills end the daemon.
func kills() []event {
	return []event{{"kill", (*soak).kill}, {"kill at start", (*soak).killAtStart}, {"end", (*soak).end}}
}

// others leave it alive.
func others() []event {
	return []event{{"port", (*soak).port}, {"visitor", (*soak).visitor}, {"prefix", (*soak).prefix},
		{"broker", (*soak).restartBroker}, {"reload", (*soak).reload}, {"bad reload", (*soak).badReload}, {"full disk", (*soak).fullDisk}}
}

// staying is the host whose port never goes.
const staying = hosts - 1

// moment is a random time, up to a number of milliseconds.
func (s *soak) moment(most int) { time.Sleep(time.Duration(s.random.IntN(most)) * time.Millisecond) }

func (s *soak) kill() error {
	s.daemon.Kill()
	s.moment(1000)
	return s.start()
}

func (s *soak) killAtStart() error {
	s.daemon.Kill()
	for range 1 + s.random.IntN(3) {
		half, err := s.home.Start(s.setup)
		if err != nil {
			return err
		}
		s.moment(400)
		half.Kill()
	}
	return s.start()
}

func (s *soak) end() error {
	if err := s.daemon.Terminate(); err != nil {
		return err
	}
	s.moment(1000)
	return s.start()
}

// port removes a silent host's port and makes it again; the others talk on.
func (s *soak) port() error {
	g := s.guests[s.random.IntN(staying)]
	if err := s.pause(g); err != nil {
		return err
	}
	seen, err := g.meter.Settled()
	if err != nil {
		return fmt.Errorf("%s: %w", g.Name, err)
	}
	for _, f := range lab.Families {
		g.earlier[f] = g.earlier[f].Add(seen.Sum(f))
	}
	if err := g.Unplug(); err != nil {
		return err
	}
	if _, err := g.meter.Stop(); err != nil && !errors.Is(err, syscall.ENETDOWN) {
		return fmt.Errorf("%s: %w", g.Name, err)
	}
	s.moment(500)
	if err := g.Replug("br-lan"); err != nil {
		return err
	}
	if err := s.wire(g); err != nil {
		return err
	}
	time.Sleep(time.Second) // by then a port is counted
	s.resume(g)
	return s.daemon.Ready(context.Background(), s.home.Attached...)
}

// visitor is a machine that is plugged in for a moment.
func (s *soak) visitor() error {
	if err := s.home.Router.IP("link add visitor type veth peer name visitor-end", "link set visitor master br-lan",
		"link set visitor up", "link set visitor-end up"); err != nil {
		return err
	}
	s.moment(1500)
	return s.home.Router.IP("link del visitor")
}

// lastNetwork is the number of the last network that is made; a soak of many hours makes no more.
const lastNetwork = 250

// prefix gives the LAN more prefixes, has a host use them, and takes them away.
func (s *soak) prefix() error {
	if s.net == lastNetwork {
		return nil
	}
	s.net++
	w, err := s.home.Router.Network("br-lan", s.net)
	if err != nil {
		return err
	}
	if err := s.known(w); err != nil {
		return err
	}
	g := s.guests[staying]
	if err := s.pause(g); err != nil {
		return err
	}
	other, err := w.Host(&lab.Wire{Namespace: g.Namespace, Device: g.Device, Port: g.Port, MAC: g.MAC})
	if err != nil {
		return err
	}
	s.resume(g)
	for range 3 {
		if err := talk(s.random, other, s.home.Internet.Namespace, s.home.Internet.Addr); err != nil {
			return fmt.Errorf("from %s and %s: %w", other.IPv4, other.IPv6, err)
		}
	}
	if err := s.pause(g); err != nil {
		return err
	}
	if _, err := g.meter.Settled(); err != nil { // nothing is on its way any more
		return err
	}
	if err := other.IP(fmt.Sprintf("addr del %s/24 dev %s", other.IPv4, other.Device), fmt.Sprintf("addr del %s/64 dev %s", other.IPv6, other.Device)); err != nil {
		return err
	}
	s.resume(g)
	return s.home.Router.IP(fmt.Sprintf("addr del %s/24 dev br-lan", w.Gateway4), fmt.Sprintf("addr del %s/64 dev br-lan", w.Gateway6))
}

// known waits until the daemon has a network's prefixes.
func (s *soak) known(w *lab.Network) error {
	return s.soon("the daemon does not know "+w.Prefix4.String(), func() bool {
		text, err := s.setup.Ask("status")
		return err == nil && strings.Contains(text, w.Prefix4.String()) && strings.Contains(text, w.Prefix6.String())
	})
}

// soon waits for what has to be so in a moment.
func (s *soak) soon(what string, so func() bool) error {
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			return errors.New(what)
		}
	}
	return nil
}

// restartBroker takes ubus away and gives it back. The daemon's object has to return.
func (s *soak) restartBroker() error {
	if err := s.broker.close(); err != nil {
		return err
	}
	s.moment(1500)
	if err := s.broker.open(); err != nil {
		return err
	}
	return s.soon("the daemon's object is not back on ubus", func() bool {
		_, err := s.setup.Ask("stats", "-json")
		return err == nil
	})
}

// reload changes the configuration.
func (s *soak) reload() error {
	sizes := []int{256, 1024, 4096}
	options := fmt.Sprintf("\toption table_size '%d'\n\toption expire '%dd'\n\toption idle '%dm'\n", sizes[s.random.IntN(len(sizes))], 1+s.random.IntN(40), 1+s.random.IntN(20))
	if err := s.configure(options); err != nil {
		return err
	}
	return s.daemon.Signal(syscall.SIGHUP)
}

// badReload breaks the configuration, and mends it.
func (s *soak) badReload() error {
	if err := s.configure("\toption table_size 'huge'\n"); err != nil {
		return err
	}
	if err := s.daemon.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	s.moment(1000)
	return s.reload()
}

// fullDisk fills the disk of the textfile or of the state for some seconds.
func (s *soak) fullDisk() error {
	disk := s.disks[s.random.IntN(len(s.disks))]
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, diskSize), 0o644); err == nil {
		return fmt.Errorf("%s is not full", disk)
	}
	time.Sleep(time.Second)
	s.moment(2000)
	if err := os.Remove(ballast); err != nil {
		return err
	}
	before, err := s.setup.Scrape(context.Background())
	if err != nil {
		return err
	}
	return s.soon("the textfile is not written again", func() bool {
		r, err := s.setup.ReadTextfile()
		return err == nil && r.Backwards(before) == nil
	})
}
