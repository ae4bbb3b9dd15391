// SPDX-License-Identifier: GPL-2.0-only

package lab_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

// chatter keeps every host talking to the internet, in all ways, until it is stopped.
func chatter(h *lab.Home) *lab.Background {
	return lab.InBackground(func(stop <-chan struct{}) error {
		var streams []func() error
		for _, host := range h.Hosts {
			for _, f := range lab.Families {
				s := lab.Stream{Client: host.Namespace, From: host.Addr(f), Server: h.Internet.Namespace, Listen: h.Internet.Addr(f),
					Upload: lab.Until, Download: lab.Until, Stop: stop, Pause: 2 * time.Millisecond, Buffer: 64 << 10}
				d := lab.Datagrams{Client: host.Namespace, From: host.Addr(f), Server: h.Internet.Namespace, Listen: h.Internet.Addr(f),
					Upload: lab.Until, Download: lab.Until, Stop: stop, Pause: 500 * time.Microsecond, Size: 700}
				streams = append(streams,
					func() error { _, _, err := s.Run(context.Background()); return err },
					func() error { _, err := d.Run(context.Background()); return err })
			}
		}
		ended := make(chan error, len(streams))
		for _, run := range streams {
			go func() { ended <- run() }()
		}
		var all error
		for range streams {
			all = errors.Join(all, <-ended)
		}
		return all
	})
}

// TestRestartUnderTraffic ends the daemon again and again while the hosts talk, at any moment of its life, and starts
// it again. Not one packet may be lost or doubled, and no total go backwards.
func TestRestartUnderTraffic(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*lab.Daemon) error
	}{
		{"kill -9", func(d *lab.Daemon) error { d.Kill(); return nil }},
		{"SIGTERM", (*lab.Daemon).Terminate},
	} {
		for _, attach := range attachModes(t) {
			t.Run(c.name+"/"+attach, func(t *testing.T) {
				h := try(open(t).Home(2))(t)
				s := setup(t, h, "-attach", attach)
				d := start(t, h, s)
				m := meters(t, h.Hosts)
				talk := chatter(h)
				last := try(d.Scrape(context.Background()))(t)
				for round := range 10 {
					if round%2 == 0 {
						time.Sleep(time.Duration(rand.IntN(1500)) * time.Millisecond)
						last = forward(t, last, try(d.Scrape(context.Background()))(t))
						check(t, c.end(d))
						d = start(t, h, s)
						last = forward(t, last, try(d.Scrape(context.Background()))(t))
						continue
					}
					// In the middle of starting.
					check(t, c.end(d))
					half := try(h.Lab.Start(s))(t)
					time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
					_ = c.end(half) // what a daemon that has not started yet makes of SIGTERM is its own affair
					d = start(t, h, s)
				}
				check(t, talk.Stop())
				expect(t, d, h.Hosts, m)
				check(t, c.end(d))
				// Counting goes on without a daemon at all.
				for i, host := range h.Hosts {
					check(t, everyWay(host, h.Internet, i))
				}
				d = start(t, h, s)
				expect(t, d, h.Hosts, m)
			})
		}
	}
}

// forward fails the test if a total of the second report is less than in the first, and returns the second.
func forward(t *testing.T, before, after *lab.Report) *lab.Report {
	t.Helper()
	if back := after.Backwards(before); back != nil {
		t.Errorf("went backwards: %s", strings.Join(back, "; "))
	}
	return after
}

// TestTwoInstances starts a second daemon on the same state. It has to refuse in one clear line, and leave the first
// counting.
func TestTwoInstances(t *testing.T) {
	h := try(open(t).Home(1))(t)
	s := setup(t, h)
	d := start(t, h, s)
	m := meters(t, h.Hosts)
	second := try(h.Lab.Start(s))(t)
	if err := second.Wait(10 * time.Second); err == nil || second.ExitCode() < 1 {
		t.Errorf("the second instance ended with %v, exit code %d", err, second.ExitCode())
	}
	lines := complaints(second)
	if len(lines) != 1 || !strings.Contains(lines[0], "another") && !strings.Contains(lines[0], "already") {
		t.Errorf("the second instance said: %q", lines)
	}
	check(t, everyWay(h.Hosts[0], h.Internet, 0))
	expect(t, d, h.Hosts, m)
}

// complaints are the daemon's lines that are not mere information.
func complaints(d *lab.Daemon) []string {
	var lines []string
	for _, line := range d.Output() {
		if !strings.Contains(line, "level=INFO") {
			lines = append(lines, line)
		}
	}
	return lines
}
