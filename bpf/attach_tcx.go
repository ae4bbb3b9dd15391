// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

const linksDir = "links"

// tcx keeps a pinned link for each hook. The kernel lets a link go with its device and leaves the pin.
type tcx struct{ dir string }

func newTCX(root string) (*tcx, error) {
	dir := filepath.Join(root, linksDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory for links: %w: is bpffs mounted there?", err)
	}
	return &tcx{dir: dir}, nil
}

// sweep removes the pins of links whose devices have gone since a process that is no more attached them. Each would keep
// that process's program, and with it its tables, until the next boot.
func (t *tcx) sweep() error {
	pins, err := os.ReadDir(t.dir)
	if err != nil {
		return fmt.Errorf("look for stale links: %w", err)
	}
	for _, pin := range pins {
		var ifindex int
		if _, err := fmt.Sscanf(pin.Name(), "%d-", &ifindex); err != nil {
			continue // not ours
		}
		for _, dir := range []direction{ingress, egress} {
			if _, err := t.has(ifindex, dir); err != nil { // opening it removes what is stale
				return err
			}
		}
	}
	return nil
}

func (t *tcx) pin(ifindex int, dir direction) string {
	return filepath.Join(t.dir, fmt.Sprintf("%d-%s", ifindex, dir))
}

// open opens the pinned link of a hook, or gives nil if there is none that still holds the device.
func (t *tcx) open(ifindex int, dir direction) (link.Link, error) {
	path := t.pin(ifindex, dir)
	l, err := link.LoadPinnedLink(path, nil)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open pinned link %s: %w", path, err)
	}
	info, err := l.Info()
	if err == nil {
		if i := info.TCX(); i != nil && int(i.Ifindex) == ifindex {
			return l, nil
		}
	}
	l.Close()
	if err := os.Remove(path); err != nil {
		return nil, fmt.Errorf("remove stale link: %w", err)
	}
	return nil, nil
}

func (t *tcx) has(ifindex int, dir direction) (bool, error) {
	l, err := t.open(ifindex, dir)
	if l == nil {
		return false, err
	}
	return true, l.Close()
}

func (t *tcx) attach(ifindex int, dir direction, prog *ebpf.Program) error {
	l, err := t.open(ifindex, dir)
	if err != nil {
		return err
	}
	if l != nil {
		defer l.Close()
		if err := l.Update(prog); err != nil {
			return fmt.Errorf("update link: %w", err)
		}
		return nil
	}
	at := ebpf.AttachTCXIngress
	if dir == egress {
		at = ebpf.AttachTCXEgress
	}
	// First in line: a program before us could end the line, ours never does.
	l, err = link.AttachTCX(link.TCXOptions{Interface: ifindex, Program: prog, Attach: at, Anchor: link.Head()})
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.Pin(t.pin(ifindex, dir)); err != nil {
		return fmt.Errorf("pin link: %w", err)
	}
	return nil
}

func (t *tcx) detach(ifindex int, dir direction) error {
	l, err := t.open(ifindex, dir)
	if l == nil {
		return err
	}
	defer l.Close()
	if err := detachLink(l); err != nil {
		return fmt.Errorf("detach link: %w", err)
	}
	if err := l.Unpin(); err != nil {
		return fmt.Errorf("remove pin of link: %w", err)
	}
	return nil
}

// detachLink takes a link's program off its hook at once. Without its last reference it would go, too, but some time
// later, and until then count what is counted elsewhere by then.
func detachLink(l link.Link) error {
	held, ok := l.(interface{ FD() int })
	if !ok {
		return fmt.Errorf("%T has no descriptor", l)
	}
	attr := struct{ fd uint32 }{uint32(held.FD())}
	_, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_LINK_DETACH, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 && errno != unix.ENOLINK {
		return errno
	}
	return nil
}

func (t *tcx) close() error { return nil }
