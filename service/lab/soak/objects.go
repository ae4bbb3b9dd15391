// SPDX-License-Identifier: GPL-2.0-only

package soak

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

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
