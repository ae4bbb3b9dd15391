// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
)

// Mode is the way a program hangs on a device.
type Mode string

// The modes. Auto stays with what a device has already, else it is tcx where the kernel has it (6.6) and clsact elsewhere:
// both at once would count every packet twice.
const (
	Auto   Mode = "auto"
	TCX    Mode = "tcx"
	Clsact Mode = "clsact"
)

// Device is where to count.
type Device struct {
	Ifindex    int
	Segment    int  // of the networks that are counted there, see [Network]
	RawIP      bool // packets begin with the IP header: WireGuard, tun, ppp
	BridgePort bool // a packet may leave by this and other ports at once
}

// direction is a hook of a device.
type direction int

const (
	ingress direction = iota
	egress
)

func (d direction) String() string { return [...]string{"ingress", "egress"}[d] }

// variant is the program for one hook of the device.
func (d *Device) variant(dir direction) variant {
	switch {
	case dir == ingress && d.RawIP:
		return uploadRaw
	case dir == ingress:
		return upload
	case d.RawIP:
		return downloadRaw
	case d.BridgePort:
		return downloadPort
	}
	return download
}

// attachment is one of the two ways. Ours is what an earlier process of ours has left, too.
type attachment interface {
	// has tells whether there is something of ours on the hook.
	has(ifindex int, dir direction) (bool, error)
	// attach puts the program on the hook, in place of what is ours there, without a gap.
	attach(ifindex int, dir direction, prog *ebpf.Program) error
	// detach takes what is ours off the hook. A device that is gone is no error.
	detach(ifindex int, dir direction) error
	close() error
}

// Attacher attaches the programs of a Tables to devices of the network namespace it was made in.
type Attacher struct {
	tables   *Tables
	mode     Mode
	tcx      attachment
	clsact   attachment
	programs map[programKey]*ebpf.Program
}

type programKey struct {
	variant variant
	segment int
}

// NewAttacher makes an attacher. Links are pinned below root, where the tables are.
func NewAttacher(root string, t *Tables, mode Mode) (*Attacher, error) {
	tcx, err := newTCX(root)
	if err != nil {
		return nil, err
	}
	if err := tcx.sweep(); err != nil {
		return nil, err
	}
	clsact, err := newClsact()
	if err != nil {
		return nil, err
	}
	return &Attacher{tables: t, mode: mode, tcx: tcx, clsact: clsact, programs: map[programKey]*ebpf.Program{}}, nil
}

// Attach counts on a device from now on, and tells in which mode. A device that is attached already, by
// this process or an earlier one, changes over without a packet lost or counted twice.
func (a *Attacher) Attach(d Device) (Mode, error) {
	mode := a.mode
	if mode == Auto {
		mode = TCX
		if old, err := a.clsact.has(d.Ifindex, ingress); err != nil {
			return "", fmt.Errorf("attach: %w", explain(err))
		} else if old {
			mode = Clsact
		}
	}
	err := a.attachBoth(mode, d)
	if a.mode == Auto && mode == TCX && errors.Is(err, ebpf.ErrNotSupported) {
		mode = Clsact
		err = a.attachBoth(mode, d)
	}
	if err != nil {
		return "", fmt.Errorf("attach by %s: %w", mode, explain(err))
	}
	if a.mode != Auto { // what the other mode has there is from another configuration
		other := a.tcx
		if mode == TCX {
			other = a.clsact
		}
		for _, dir := range []direction{ingress, egress} {
			if err := other.detach(d.Ifindex, dir); err != nil {
				return "", fmt.Errorf("attach by %s instead: %w", mode, explain(err))
			}
		}
	}
	return mode, nil
}

func (a *Attacher) attachBoth(mode Mode, d Device) error {
	way := a.clsact
	if mode == TCX {
		way = a.tcx
	}
	for _, dir := range []direction{ingress, egress} {
		prog, err := a.program(d.variant(dir), d.Segment)
		if err != nil {
			return err
		}
		if err := way.attach(d.Ifindex, dir, prog); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	return nil
}

// program loads a program, or gives the one that is loaded.
func (a *Attacher) program(v variant, segment int) (*ebpf.Program, error) {
	k := programKey{v, segment}
	if p := a.programs[k]; p != nil {
		return p, nil
	}
	p, err := a.tables.load(v, segment, 0)
	if err == nil {
		a.programs[k] = p
	}
	return p, err
}

// Detach stops counting on a device. One that is gone is no error.
func (a *Attacher) Detach(ifindex int) error {
	return detach(ifindex, a.tcx, a.clsact)
}

func detach(ifindex int, ways ...attachment) error {
	var err error
	for _, way := range ways {
		for _, dir := range []direction{ingress, egress} {
			err = errors.Join(err, way.detach(ifindex, dir))
		}
	}
	if err != nil {
		return fmt.Errorf("detach: %w", explain(err))
	}
	return nil
}

// Attached lists the interfaces that have something of ours, from earlier processes too.
func (a *Attacher) Attached() ([]int, error) { return attached(a.tcx, a.clsact) }

func attached(ways ...attachment) ([]int, error) {
	devices, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var out []int
	for _, d := range devices {
		ours := false
		for _, way := range ways {
			for _, dir := range []direction{ingress, egress} {
				has, err := way.has(d.Index, dir)
				if err != nil {
					return nil, fmt.Errorf("look at %s of %s: %w", dir, d.Name, explain(err))
				}
				ours = ours || has
			}
		}
		if ours {
			out = append(out, d.Index)
		}
	}
	return out, nil
}

// Close lets go of programs and sockets. What is attached counts on.
func (a *Attacher) Close() error {
	for k, p := range a.programs {
		p.Close()
		delete(a.programs, k)
	}
	return errors.Join(a.tcx.close(), a.clsact.close())
}

// DetachAll takes everything of ours out of the kernel: programs off all devices of this network namespace, pins
// below root, and root itself if nothing else is there. What others have put on the same hooks stays, and so does clsact.
func DetachAll(root string) error {
	tcx, err := newTCX(root)
	if err != nil {
		return err
	}
	clsact, err := newClsact()
	if err != nil {
		return err
	}
	defer clsact.close()
	devices, err := attached(tcx, clsact)
	for _, ifindex := range devices {
		err = errors.Join(err, detach(ifindex, tcx, clsact))
	}
	err = errors.Join(err, removePins(filepath.Join(root, linksDir)))
	ids, findErr := Find(root)
	err = errors.Join(err, findErr)
	for _, id := range ids {
		err = errors.Join(err, removePins(filepath.Join(root, tablesPrefix+id)))
	}
	if err == nil {
		if rm := os.Remove(root); rm != nil && !errors.Is(rm, os.ErrNotExist) {
			return fmt.Errorf("detach: %w", rm)
		}
	}
	return err
}
