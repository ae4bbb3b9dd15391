// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// start starts a daemon and waits until it counts everywhere.
func (s *soak) start() (err error) {
	if s.daemon, err = s.home.Start(s.setup); err != nil {
		return err
	}
	if err := s.ready(); err != nil {
		return err
	}
	return s.ours.note(s.daemon.PID(), s.setup.BPFFS)
}

// ready waits until every talker's port is counted.
func (s *soak) ready() error {
	ports := []string{s.spoofer.Port}
	for _, t := range s.talkers {
		ports = append(ports, t.Port)
	}
	return s.daemon.Ready(context.Background(), ports...)
}

func (s *soak) kill() error {
	s.daemon.Kill()
	s.moment(1000)
	return s.start()
}

// killAtStart kills daemons that have only just begun.
func (s *soak) killAtStart() error {
	s.daemon.Kill()
	for range 1 + s.random.IntN(3) {
		half, err := s.home.Start(s.setup)
		if err != nil {
			return err
		}
		wait := time.Duration(s.random.IntN(400)) * time.Millisecond
		s.journal.note("%s", wait)
		time.Sleep(wait)
		half.Kill()
	}
	return s.start()
}

// killAndPort has a port made anew while there is no daemon.
func (s *soak) killAndPort() error {
	t := s.mobile()
	if err := s.pause(t); err != nil {
		return err
	}
	s.daemon.Kill()
	if err := t.unplug(); err != nil {
		return err
	}
	s.moment(500)
	if err := s.plug(t); err != nil {
		return err
	}
	if err := s.start(); err != nil {
		return err
	}
	s.resume(t)
	return nil
}

func (s *soak) end() error {
	if err := s.daemon.Terminate(); err != nil {
		return fmt.Errorf("the daemon ended with %w", err)
	}
	s.moment(1000)
	return s.start()
}

// startInVain starts a daemon with a configuration that it has to refuse, and then one with a good one.
func (s *soak) startInVain() error {
	s.daemon.Kill()
	if err := s.configure(brokenOption); err != nil {
		return err
	}
	vain, err := s.home.Start(s.setup)
	if err != nil {
		return err
	}
	if err := vain.Wait(s.Patience); err == nil || vain.ExitCode() != 2 {
		return fmt.Errorf("started with a bad configuration, it ended with %v and says: %s", err, strings.Join(vain.Output(), "; "))
	}
	if err := s.configure(""); err != nil {
		return err
	}
	return s.start()
}

// freeze stops the process for a while, as a router that is short of time does.
func (s *soak) freeze() error {
	if err := s.daemon.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	s.moment(3000)
	return s.daemon.Signal(syscall.SIGCONT)
}

// second starts another daemon beside the first; it has to go at once.
func (s *soak) second() error {
	d, err := s.home.Start(s.setup)
	if err != nil {
		return err
	}
	if err := d.Wait(s.Patience); err == nil || d.ExitCode() < 1 {
		d.Kill()
		return errors.New("a second daemon runs beside the first: " + strings.Join(d.Output(), "; "))
	}
	return nil
}
