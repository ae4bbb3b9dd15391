// SPDX-License-Identifier: GPL-2.0-only

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/lab"
)

// clockFlags let a host go that was silent for an hour, which is less than any of the steps.
var clockFlags = []string{"-expire", "1h"}

// clockSteps are what the clock is set by while a daemon counts; together they are nothing. A router without a battery
// starts years behind.
var clockSteps = []time.Duration{5 * time.Hour, -9 * time.Hour, 8 * 365 * 24 * time.Hour, 4*time.Hour - 8*365*24*time.Hour}

// clock sets the wall clock, of which this machine has its own, under a running daemon with traffic and then
// between two. Totals stay exact and go forward, rates are those of the traffic, and nobody is taken for having been
// silent as long as the clock leapt.
func (h *house) clock(mode string) (remark string, err error) {
	if h.broken != nil {
		return "", h.broken
	}
	h.end()
	if _, err := h.start(mode, clockFlags...); err != nil {
		return "", err
	}
	traffic := h.trickle()
	stop := func() error {
		if traffic == nil {
			return nil
		}
		defer func() { traffic = nil }()
		return traffic.Stop()
	}
	defer func() { err = errors.Join(err, stop()) }()
	began := time.Now()
	for _, step := range clockSteps {
		if err := setClock(step); err != nil {
			return "", err
		}
		if _, err := h.consistent(began, false); err != nil {
			return "", fmt.Errorf("clock set by %s: %w", step, err)
		}
		time.Sleep(2 * h.daemon.Setup.Interval) // until there are new rates
		if err := h.measured(began); err != nil {
			return "", fmt.Errorf("clock set by %s a moment ago: %w", step, err)
		}
	}
	if err := stop(); err != nil {
		return "", err
	}
	if err := h.exact(); err != nil {
		return "", err
	}
	h.end()
	meanwhile := []time.Duration{5 * time.Hour, -5 * time.Hour}
	for _, step := range meanwhile {
		if err := setClock(step); err != nil {
			return "", err
		}
		if _, err := h.start(mode, clockFlags...); err != nil {
			return "", err
		}
		if err := h.exact(); err != nil {
			return "", fmt.Errorf("clock set by %s while there was no daemon: %w", step, err)
		}
		if _, err := h.consistent(began, true); err != nil {
			return "", fmt.Errorf("clock set by %s while there was no daemon: %w", step, err)
		}
		h.end()
	}
	return fmt.Sprintf("%d steps", len(clockSteps)+len(meanwhile)), nil
}

// setClock moves the wall clock.
func setClock(by time.Duration) error {
	// Rounded: what the machine has measured so far goes on from the monotonic clock.
	t := unix.NsecToTimeval(time.Now().Round(0).Add(by).UnixNano())
	if err := unix.Settimeofday(&t); err != nil {
		return fmt.Errorf("set clock: %w", err)
	}
	return nil
}

// stats is what the daemon tells over ubus, as much as can be wrong after the clock was set.
type stats struct {
	Time   int64
	Uptime int64
	Hosts  []struct {
		MAC              string
		Online           bool
		Download, Upload struct{ Bytes, Rate uint64 }
		Addresses        []struct{ IP string }
		First            int64 `json:"first_seen"`
		Last             int64 `json:"last_seen"`
	}
}

// known is how long the house may have been there: all checks of a guest take less.
const known = 15 * time.Minute

// measured waits until the daemon tells of the talker's traffic; all it tells until then has to be true.
func (h *house) measured(began time.Time) error {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(h.daemon.Setup.Interval / 2) {
		s, err := h.consistent(began, true)
		if err != nil {
			return err
		}
		for _, host := range s.Hosts {
			if h.talks(host.MAC) && host.Download.Rate > 0 && host.Upload.Rate > 0 {
				return nil
			}
		}
		if time.Now().After(deadline) {
			return errors.New("there is traffic, and no rate")
		}
	}
}

func (h *house) talks(mac string) bool { return strings.EqualFold(mac, h.Hosts[talker].MAC) }

// consistent sees that what the daemon says can be true; settled tells that it has read its counters since the clock was
// set: what it tells at once may be a second old.
func (h *house) consistent(began time.Time, settled bool) (*stats, error) {
	report, err := h.daemon.Scrape(context.Background())
	if err != nil {
		return nil, err
	}
	if err := h.forward(report); err != nil {
		return nil, err
	}
	text, err := h.daemon.Setup.Ask("stats", "-json")
	if err != nil {
		return nil, err
	}
	s := &stats{}
	if err := json.Unmarshal([]byte(text), s); err != nil {
		return nil, fmt.Errorf("stats: %w", err)
	}
	var wrong []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	const slack = 10 // seconds: emulated machines are slow
	now, running := time.Now().Unix(), int64(time.Since(began)/time.Second)
	check(!settled || s.Time <= now && s.Time >= now-slack, "it is %d, the daemon says %d", now, s.Time)
	check(s.Uptime >= running-slack && s.Uptime <= int64(known/time.Second), "up for %d s", s.Uptime)
	check(len(s.Hosts) == len(h.Hosts), "%d hosts are listed", len(s.Hosts))
	for _, host := range s.Hosts {
		check(host.First <= host.Last && host.Last <= s.Time+1 && s.Time-host.First <= int64(known/time.Second),
			"%s: first seen %d s ago, last seen %d s ago", host.MAC, s.Time-host.First, s.Time-host.Last)
		check(len(host.Addresses) == len(lab.Families), "%s: %d addresses are listed", host.MAC, len(host.Addresses))
		check(host.Online, "%s: not online", host.MAC)
		most := uint64(0)
		if h.talks(host.MAC) {
			most = uint64(4 * trickleFrame * time.Second / tricklePause)
		}
		rate := max(host.Download.Rate, host.Upload.Rate)
		check(rate <= most, "%s: %d B/s, at most %d can be", host.MAC, rate, most)
	}
	return s, errors.Join(wrong...)
}
