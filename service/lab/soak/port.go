// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// mobile is one of the talkers on br-lan whose port may go.
func (s *soak) mobile() *talker {
	t := s.talkers[s.random.IntN(staying)]
	s.journal.note("%s", t.Port)
	return t
}

// port removes a silent host's port and makes it again, often another one, as when a client roams; the others talk on.
func (s *soak) port() error {
	t := s.mobile()
	if err := s.pause(t); err != nil {
		return err
	}
	if err := t.unplug(); err != nil {
		return err
	}
	if err := s.left(t.Port); err != nil {
		return err
	}
	s.moment(500)
	if s.random.IntN(2) == 0 {
		t.Port = otherName(t.Port)
	}
	if err := s.plug(t); err != nil {
		return err
	}
	if err := s.ready(); err != nil {
		return err
	}
	s.resume(t)
	return nil
}

// plug gives a host a port again.
func (s *soak) plug(t *talker) error {
	if err := t.Replug(t.bridge); err != nil {
		return err
	}
	return s.wire(t)
}

// otherName is the second name of a port, or the first again.
func otherName(port string) string {
	if first, ok := strings.CutSuffix(port, "-b"); ok {
		return first
	}
	return port + "-b"
}

// left waits until the daemon is no longer attached to a port.
func (s *soak) left(port string) error {
	return s.soon("the daemon still says that it is attached to "+port, func() bool {
		r, err := s.setup.Scrape(context.Background())
		return err == nil && r.AttachedTo([]string{port}) != nil
	})
}

// portLeaves takes a port out of its bridge for a moment.
func (s *soak) portLeaves() error {
	t := s.mobile()
	if err := s.pause(t); err != nil {
		return err
	}
	if _, err := t.settled(); err != nil {
		return err
	}
	if err := s.home.Router.IP(fmt.Sprintf("link set %s nomaster", t.Port)); err != nil {
		return err
	}
	if err := s.left(t.Port); err != nil {
		return err
	}
	s.moment(500)
	if err := s.home.Router.IP(fmt.Sprintf("link set %s master %s", t.Port, t.bridge)); err != nil {
		return err
	}
	if err := s.ready(); err != nil {
		return err
	}
	s.resume(t)
	return nil
}

// portRenamed gives a port another name. It keeps its number, and what is attached to it.
func (s *soak) portRenamed() error {
	t := s.mobile()
	if err := s.pause(t); err != nil {
		return err
	}
	if _, err := t.settled(); err != nil {
		return err
	}
	name := otherName(t.Port)
	if err := s.home.Router.IP(fmt.Sprintf("link set %s down", t.Port), fmt.Sprintf("link set %s name %s", t.Port, name), fmt.Sprintf("link set %s up", name)); err != nil {
		return err
	}
	t.Port = name
	if err := s.ready(); err != nil {
		return err
	}
	s.resume(t)
	return nil
}

// mtu changes the MTU of both ends of a host's wire. What is larger than the new one must not be on its way then.
func (s *soak) mtu() error {
	t, mtu := s.mobile(), []int{1450, 1480, 1500, 4000, 9000}[s.random.IntN(5)]
	s.journal.note("%d", mtu)
	if err := s.pause(t); err != nil {
		return err
	}
	if _, err := t.settled(); err != nil {
		return err
	}
	if err := s.home.Router.IP(fmt.Sprintf("link set %s mtu %d", t.Port, mtu)); err != nil {
		return err
	}
	if err := t.IP(fmt.Sprintf("link set %s mtu %d", t.Device, mtu)); err != nil {
		return err
	}
	s.resume(t)
	return nil
}

// floodingBridge has the bridge forget where hosts are for a while: it sends every frame to all ports.
func (s *soak) floodingBridge() error {
	const learns = 300_00 // hundredths of a second
	if err := s.home.Router.IP("link set br-lan type bridge ageing_time 0"); err != nil {
		return err
	}
	time.Sleep(500 * time.Millisecond)
	s.moment(2000)
	return s.home.Router.IP(fmt.Sprintf("link set br-lan type bridge ageing_time %d", learns))
}
