// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"fmt"
	"regexp"
	"sort"
	"strings"
	"syscall"
	"time"
)

// goroutines are a daemon's, by who started them.
type goroutines map[string]int

// quit ends the daemon so that the Go runtime lists its goroutines.
func (s *soak) quit() (goroutines, error) {
	time.Sleep(2 * s.setup.Interval) // what the last question needed has gone by then
	before := len(s.daemon.Output())
	if err := s.daemon.Signal(syscall.SIGQUIT); err != nil {
		return nil, err
	}
	if err := s.daemon.Wait(s.Patience); err == nil {
		return nil, fmt.Errorf("the daemon took SIGQUIT for an ordinary end")
	}
	g := parseGoroutines(s.daemon.Output()[before:])
	if g.sum() == 0 {
		return nil, fmt.Errorf("the daemon listed no goroutines")
	}
	return g, nil
}

var (
	goroutineLine = regexp.MustCompile(`^goroutine \d+ .*\[.*\]:$`)
	creatorLine   = regexp.MustCompile(`^created by (.*?)( in goroutine \d+)?$`)
)

// parseGoroutines reads what the runtime prints.
func parseGoroutines(lines []string) goroutines {
	g := goroutines{}
	open := false
	for _, line := range lines {
		switch {
		case goroutineLine.MatchString(line):
			if open {
				g["the runtime"]++
			}
			open = true
		case open && creatorLine.MatchString(line):
			g[creatorLine.FindStringSubmatch(line)[1]]++
			open = false
		}
	}
	if open {
		g["the runtime"]++
	}
	return g
}

func (g goroutines) sum() (n int) {
	for _, c := range g {
		n += c
	}
	return n
}

// grown tells whether there are more than before, and more than chance: some last only as long as a task.
func (g goroutines) grown(before goroutines) error {
	const slack = 2
	if g.sum() <= before.sum()+slack {
		return nil
	}
	var more []string
	for by, n := range g {
		if n > before[by] {
			more = append(more, fmt.Sprintf("%d by %s, %d before", n, by, before[by]))
		}
	}
	sort.Strings(more)
	return fmt.Errorf("there are %d goroutines, %d before: %s", g.sum(), before.sum(), strings.Join(more, "; "))
}
