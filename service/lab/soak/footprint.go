// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// footprint is what a daemon takes of the machine.
type footprint struct {
	memory               int64 // resident bytes
	descriptors, threads int
	maps, programs       int // in the kernel, of all that this run's daemons ever had
	links                int
	pins                 int
}

func (f footprint) String() string {
	return fmt.Sprintf("%.1f MiB, %d descriptors, %d threads, %d maps, %d programs, %d links, %d pins",
		float64(f.memory)/(1<<20), f.descriptors, f.threads, f.maps, f.programs, f.links, f.pins)
}

// grown tells what is more than before, and more than chance.
func (f footprint) grown(before footprint) []string {
	return append(larger(
		size{"bytes of memory", int(f.memory), int(before.memory), int(before.memory/5) + 2<<20},
		size{"threads", f.threads, before.threads, 3}, // the Go runtime keeps those it once needed
	), f.left(before)...)
}

// left tells what is more than before of what every daemon has the same number of.
func (f footprint) left(before footprint) []string {
	return larger(size{"descriptors", f.descriptors, before.descriptors, 1}, size{"maps", f.maps, before.maps, 0}, size{"programs", f.programs, before.programs, 0},
		size{"links", f.links, before.links, 0}, size{"pins", f.pins, before.pins, 0})
}

type size struct {
	what             string
	now, then, slack int
}

func larger(sizes ...size) (more []string) {
	for _, c := range sizes {
		if c.now > c.then+c.slack {
			more = append(more, fmt.Sprintf("%d %s, %d before", c.now, c.what, c.then))
		}
	}
	return more
}

func (s *soak) footprint() (footprint, error) {
	var f footprint
	var err error
	if f.memory, _, err = s.daemon.Memory(); err != nil {
		return f, err
	}
	pid := s.daemon.PID()
	descriptors, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return f, err
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return f, err
	}
	f.descriptors, f.threads = len(descriptors), len(threads)
	if err := filepath.WalkDir(s.setup.BPFFS, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			f.pins++
		}
		return err
	}); err != nil {
		return f, err
	}
	f.maps, f.programs, f.links, err = s.ours.alive()
	return f, err
}

// flat waits until there is no more than before, in a sense of more: what is thrown away goes a moment later.
func (s *soak) flat(ctx context.Context, before footprint, more func(footprint, footprint) []string) (footprint, error) {
	for deadline := time.Now().Add(s.Patience); ; time.Sleep(200 * time.Millisecond) {
		now, err := s.footprint()
		if err != nil {
			return now, err
		}
		list := more(now, before)
		if list == nil {
			return now, nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return now, fmt.Errorf("grown: %s", strings.Join(list, "; "))
		}
	}
}
