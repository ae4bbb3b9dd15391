// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"fmt"
	"strings"

	"github.com/mezoura/mezoura/service/lab"
)

// prefix gives the LAN more prefixes, has a host use them, and takes them away.
func (s *soak) prefix() error {
	if s.net == lastPrefix {
		return nil
	}
	s.net++
	s.journal.note("%d", s.net)
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
	if _, err := g.settled(); err != nil { // nothing is on its way any more
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
	return s.soon("the daemon does not know "+w.Prefix4.String()+" and "+w.Prefix6.String(), func() bool {
		text, err := s.setup.Ask("status")
		return err == nil && strings.Contains(text, w.Prefix4.String()) && strings.Contains(text, w.Prefix6.String())
	})
}

// alone has the guests of a bridge fall silent, and those that may talk to them. They are to be resumed.
func (s *soak) alone(bridge string) error {
	for _, g := range s.guests {
		if g.bridge != bridge && bridge != s.guests[staying].bridge {
			continue
		}
		if err := s.pause(g); err != nil {
			return err
		}
		if _, err := g.settled(); err != nil {
			return err
		}
	}
	return nil
}

// bridgeDown sets a bridge down and up again. The kernel drops its IPv6 addresses meanwhile; they come back as from
// netifd, a moment later.
func (s *soak) bridgeDown() error {
	g := s.guests[[]int{staying, len(s.guests) - 1}[s.random.IntN(2)]]
	s.journal.note("%s", g.bridge)
	if err := s.alone(g.bridge); err != nil {
		return err
	}
	if err := s.home.Router.IP(fmt.Sprintf("link set %s down", g.bridge)); err != nil {
		return err
	}
	s.moment(1000)
	if err := s.home.Router.IP(fmt.Sprintf("link set %s up", g.bridge)); err != nil {
		return err
	}
	s.moment(200)
	if err := s.home.Router.IP(fmt.Sprintf("addr replace %s/64 dev %s nodad", g.Network.Gateway6, g.bridge)); err != nil {
		return err
	}
	return s.again(g)
}

// bridgeGone removes the guests' bridge with all that is on it, and makes it anew.
func (s *soak) bridgeGone() error {
	g := s.guests[len(s.guests)-1]
	if err := s.alone(g.bridge); err != nil {
		return err
	}
	if err := g.unplug(); err != nil {
		return err
	}
	if err := s.home.Router.IP("link del " + g.bridge); err != nil {
		return err
	}
	if err := s.left(g.Port); err != nil {
		return err
	}
	s.moment(500)
	if err := s.home.Router.AddBridge(g.bridge, ""); err != nil {
		return err
	}
	if err := s.home.Router.IP(fmt.Sprintf("addr add %s/24 dev %s", g.Network.Gateway4, g.bridge), fmt.Sprintf("addr add %s/64 dev %s nodad", g.Network.Gateway6, g.bridge)); err != nil {
		return err
	}
	if err := s.plug(g); err != nil {
		return err
	}
	return s.again(g)
}

// again waits until a guest's network is counted as before, and has everybody talk on.
func (s *soak) again(g *guest) error {
	if err := s.known(g.Network); err != nil {
		return err
	}
	if err := s.ready(); err != nil {
		return err
	}
	for _, g := range s.guests {
		s.resume(g)
	}
	return nil
}
