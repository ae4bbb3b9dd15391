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
	t := s.talkers[staying]
	if err := s.pause(t); err != nil {
		return err
	}
	other, err := w.Host(&lab.Wire{Namespace: t.Namespace, Device: t.Device, Port: t.Port, MAC: t.MAC})
	if err != nil {
		return err
	}
	s.resume(t)
	for range 3 {
		if err := talk(s.random, other, s.home.Internet.Namespace, s.home.Internet.Addr); err != nil {
			return fmt.Errorf("from %s and %s: %w", other.IPv4, other.IPv6, err)
		}
	}
	if err := s.pause(t); err != nil {
		return err
	}
	if _, err := t.settled(); err != nil { // nothing is on its way any more
		return err
	}
	if err := other.IP(fmt.Sprintf("addr del %s/24 dev %s", other.IPv4, other.Device), fmt.Sprintf("addr del %s/64 dev %s", other.IPv6, other.Device)); err != nil {
		return err
	}
	s.resume(t)
	return s.home.Router.IP(fmt.Sprintf("addr del %s/24 dev br-lan", w.Gateway4), fmt.Sprintf("addr del %s/64 dev br-lan", w.Gateway6))
}

// known waits until the daemon has a network's prefixes.
func (s *soak) known(w *lab.Network) error {
	return s.soon("the daemon does not know "+w.Prefix4.String()+" and "+w.Prefix6.String(), func() bool {
		text, err := s.setup.Ask("status")
		return err == nil && strings.Contains(text, w.Prefix4.String()) && strings.Contains(text, w.Prefix6.String())
	})
}

// alone has the talkers of a bridge fall silent, and those that may talk to them. They are to be resumed.
func (s *soak) alone(bridge string) error {
	for _, t := range s.talkers {
		if t.bridge != bridge && bridge != s.talkers[staying].bridge {
			continue
		}
		if err := s.pause(t); err != nil {
			return err
		}
		if _, err := t.settled(); err != nil {
			return err
		}
	}
	return nil
}

// bridgeDown sets a bridge down and up again. The kernel drops its IPv6 addresses meanwhile; they come back as from
// netifd, a moment later.
func (s *soak) bridgeDown() error {
	t := s.talkers[[]int{staying, len(s.talkers) - 1}[s.random.IntN(2)]]
	s.journal.note("%s", t.bridge)
	if err := s.alone(t.bridge); err != nil {
		return err
	}
	if err := s.home.Router.IP(fmt.Sprintf("link set %s down", t.bridge)); err != nil {
		return err
	}
	s.moment(1000)
	if err := s.home.Router.IP(fmt.Sprintf("link set %s up", t.bridge)); err != nil {
		return err
	}
	s.moment(200)
	if err := s.home.Router.IP(fmt.Sprintf("addr replace %s/64 dev %s nodad", t.Network.Gateway6, t.bridge)); err != nil {
		return err
	}
	return s.again(t)
}

// bridgeGone removes the guests' bridge with all that is on it, and makes it anew.
func (s *soak) bridgeGone() error {
	t := s.talkers[len(s.talkers)-1]
	if err := s.alone(t.bridge); err != nil {
		return err
	}
	if err := t.unplug(); err != nil {
		return err
	}
	if err := s.home.Router.IP("link del " + t.bridge); err != nil {
		return err
	}
	if err := s.left(t.Port); err != nil {
		return err
	}
	s.moment(500)
	if err := s.home.Router.AddBridge(t.bridge, ""); err != nil {
		return err
	}
	if err := s.home.Router.IP(fmt.Sprintf("addr add %s/24 dev %s", t.Network.Gateway4, t.bridge), fmt.Sprintf("addr add %s/64 dev %s nodad", t.Network.Gateway6, t.bridge)); err != nil {
		return err
	}
	if err := s.plug(t); err != nil {
		return err
	}
	return s.again(t)
}

// again waits until a talker's network is counted as before, and has everybody talk on.
func (s *soak) again(t *talker) error {
	if err := s.known(t.Network); err != nil {
		return err
	}
	if err := s.ready(); err != nil {
		return err
	}
	for _, t := range s.talkers {
		s.resume(t)
	}
	return nil
}
