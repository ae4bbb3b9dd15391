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
	var more []string
	for _, c := range []struct {
		what             string
		now, then, slack int
	}{
		{"bytes of memory", int(f.memory), int(before.memory), int(before.memory/5) + 2<<20},
		{"descriptors", f.descriptors, before.descriptors, 1},
		{"threads", f.threads, before.threads, 3}, // the Go runtime keeps those it once needed
		{"maps", f.maps, before.maps, 0},
		{"programs", f.programs, before.programs, 0},
		{"links", f.links, before.links, 0},
		{"pins", f.pins, before.pins, 0},
	} {
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

// flat waits until the daemon takes no more than before: what is thrown away goes a moment later.
func (s *soak) flat(ctx context.Context, before footprint) error {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		now, err := s.footprint()
		if err != nil {
			return err
		}
		more := now.grown(before)
		if more == nil {
			s.Logf("end:  %s", now)
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("the daemon has grown: %s", strings.Join(more, "; "))
		}
	}
}
