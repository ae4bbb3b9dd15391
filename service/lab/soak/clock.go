// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/lab"
)

const (
	// clockShare is how often the clock is set for each other event: that is what a machine with a clock of its own is for.
	clockShare = 5
	// farthest is how far the wall clock is set from the true time: a router without a battery starts years behind.
	farthest = 9 * 365 * 24 * time.Hour
	// tolerance is how far what the daemon says of the time may be off: machines that can be asked for this are emulated.
	tolerance = 10 * time.Second
)

// clock sets the wall clock under a daemon that counts.
func (s *soak) clock() error {
	if err := s.setClock(); err != nil {
		return err
	}
	var wrong error
	if err := s.soon("what the daemon dates is not by the clock as it was set", func() bool {
		r, err := s.read()
		if err == nil {
			err = s.undated(r)
		}
		wrong = err
		return err == nil
	}); err != nil {
		return errors.Join(err, wrong)
	}
	return nil
}

// killAndClock sets the wall clock while there is no daemon.
func (s *soak) killAndClock() error {
	s.daemon.Kill()
	if err := s.setClock(); err != nil {
		return err
	}
	return s.start()
}

// setClock moves the wall clock by seconds, hours or years, or back to the true time.
func (s *soak) setClock() error {
	step := time.Duration(math.Pow(10, 10*s.random.Float64()) * float64(time.Millisecond) * 20) // 20 ms to 6 years
	if s.random.IntN(2) == 0 {
		step = -step
	}
	if next := s.ahead + step; s.ahead != 0 && s.random.IntN(3) == 0 || next.Abs() > farthest {
		step = -s.ahead
	}
	step = step.Round(time.Microsecond)
	s.journal.note("%s", step)
	// Rounded: what has been measured so far goes on from the monotonic clock.
	t := unix.NsecToTimeval(time.Now().Round(0).Add(step).UnixNano())
	if err := unix.Settimeofday(&t); err != nil {
		return fmt.Errorf("set clock by %s: %w", step, err)
	}
	s.ahead += step
	return nil
}

// undated tells of whom the daemon says that it was heard at a time at which there was no soak by the clock of now.
func (s *soak) undated(r *lab.Report) error {
	now := time.Now().Round(0)
	first := now.Add(-time.Since(s.journal.began) - tolerance)
	var wrong []string
	for _, t := range s.talkers {
		for _, sample := range r.Find("mezoura_host_last_seen_timestamp_seconds", "mac", strings.ToUpper(t.MAC)) {
			if last := time.Unix(int64(sample.Value), 0); last.Before(first) || last.After(now.Add(tolerance)) {
				wrong = append(wrong, fmt.Sprintf("%s was last seen at %s, they say", t.Name, last.UTC().Format(time.RFC3339)))
			}
		}
	}
	if wrong != nil {
		return fmt.Errorf("it is %s: %s", now.UTC().Format(time.RFC3339), strings.Join(wrong, "; "))
	}
	return nil
}
