// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"context"
	"fmt"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

// visitor is a machine that is plugged in for a moment, each time with another MAC and with the same addresses.
type visitor struct {
	*lab.Host
}

func newVisitor(h *lab.Host) (*visitor, error) {
	return &visitor{Host: h}, h.Unplug()
}

// visit has somebody new come, talk, and go. What it has sent and received stays in the sums.
func (s *soak) visit() error {
	v := s.visitor
	v.MAC = fmt.Sprintf("00:16:3e:77:%02x:%02x", s.random.IntN(256), s.random.IntN(256))
	s.journal.note("%s", v.MAC)
	// Nobody is to go on sending to the last visitor's MAC.
	if err := s.home.Router.IP("neigh flush dev br-lan to "+v.IPv4.String(), "neigh flush dev br-lan to "+v.IPv6.String()); err != nil {
		return err
	}
	if err := v.Replug("br-lan"); err != nil {
		return err
	}
	meter, err := s.home.Meter(v.Namespace, v.Device, false, s.internal())
	if err != nil {
		return err
	}
	if err := s.daemon.Ready(context.Background(), v.Port); err != nil {
		return err
	}
	before, err := s.read()
	if err != nil {
		return err
	}
	for range 2 + s.random.IntN(4) {
		if err := talk(s.random, v.Host, s.home.Internet.Namespace, s.home.Internet.Addr); err != nil {
			return err
		}
	}
	seen, err := meter.Settled()
	if err != nil {
		return err
	}
	sent := sumsOf(seen)
	s.ledger.others += sent.bytes()
	if err := s.welcome(sent, before); err != nil {
		return err
	}
	if err := v.Unplug(); err != nil {
		return err
	}
	_, _ = meter.Stop() // its device is gone
	return s.left(v.Port)
}

// welcome waits until the daemon has counted a visitor exactly, under its MAC if hosts are admitted at the time.
func (s *soak) welcome(sent sums, before *lab.Report) error {
	visitor := &talker{Host: s.visitor.Host}
	for deadline := time.Now().Add(s.Patience); ; time.Sleep(50 * time.Millisecond) {
		r, err := s.read()
		if err != nil {
			return err
		}
		got := counted(r, visitor).sub(counted(before, visitor))
		if got == sent || r.Unattributed()["limit"] > before.Unattributed()["limit"] && within(got, sent) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("visitor %s: counted %s, sent %s", s.visitor.MAC, got, sent)
		}
	}
}
