// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
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

// objects are the BPF objects that daemons of this run have been seen with, by kind and number. The kernel never gives
// a number twice, so that others on the machine do not disturb.
type objects map[string]map[uint32]bool

func newObjects() objects { return objects{"map": {}, "prog": {}, "link": {}} }

// note adds those that a process has open, and the links that are pinned below root.
func (o objects) note(pid int, root string) error {
	pins, err := filepath.Glob(filepath.Join(root, "links", "*"))
	if err != nil {
		return err
	}
	for _, pin := range pins {
		l, err := link.LoadPinnedLink(pin, nil)
		if errors.Is(err, os.ErrNotExist) {
			continue // gone meanwhile
		}
		if err != nil {
			return fmt.Errorf("look at pinned link: %w", err)
		}
		info, err := l.Info()
		l.Close()
		if err != nil {
			return fmt.Errorf("look at pinned link: %w", err)
		}
		o["link"][uint32(info.ID)] = true
	}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // closed meanwhile
		}
		for _, line := range strings.Split(string(text), "\n") {
			name, value, _ := strings.Cut(line, ":")
			kind, isID := strings.CutSuffix(name, "_id")
			id, err := strconv.ParseUint(strings.TrimSpace(value), 10, 32)
			if isID && err == nil && o[kind] != nil {
				o[kind][uint32(id)] = true
			}
		}
	}
	return nil
}

// alive counts those that are still in the kernel.
func (o objects) alive() (maps, programs, links int, err error) {
	count := func(kind string, open func(uint32) (interface{ Close() error }, error)) (n int) {
		for id := range o[kind] {
			object, e := open(id)
			switch {
			case errors.Is(e, os.ErrNotExist):
				delete(o[kind], id)
			case e != nil:
				err = fmt.Errorf("look for %s %d: %w", kind, id, e)
			default:
				object.Close()
				n++
			}
		}
		return n
	}
	maps = count("map", func(id uint32) (interface{ Close() error }, error) { return ebpf.NewMapFromID(ebpf.MapID(id)) })
	programs = count("prog", func(id uint32) (interface{ Close() error }, error) { return ebpf.NewProgramFromID(ebpf.ProgramID(id)) })
	links = count("link", func(id uint32) (interface{ Close() error }, error) { return link.NewFromID(link.ID(id)) })
	return maps, programs, links, err
}

// gone waits until none is left.
func (o objects) gone(ctx context.Context) error {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		maps, programs, links, err := o.alive()
		if err != nil || maps+programs+links == 0 {
			return err
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("%d maps, %d programs and %d links are left in the kernel", maps, programs, links)
		}
	}
}
