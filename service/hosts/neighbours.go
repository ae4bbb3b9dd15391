// SPDX-License-Identifier: GPL-2.0-only

package hosts

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/account"
)

const (
	// maxNeighbours bounds what we keep. The kernel's own limit is 1024 of each
	// family unless somebody raised it.
	maxNeighbours = 65536
	// maxPerHost bounds the addresses that are looked up for one MAC.
	maxPerHost = 64
	// clockTick is the unit of the ages the kernel tells.
	clockTick = 10 * time.Millisecond
	// retryPause is how long a socket that cannot be opened is left alone.
	retryPause = 500 * time.Millisecond

	sure   = unix.NUD_REACHABLE | unix.NUD_DELAY | unix.NUD_PROBE
	static = unix.NUD_PERMANENT | unix.NUD_NOARP
	known  = sure | static | unix.NUD_STALE
)

// neighbour is one address of a host, as the kernel has it.
type neighbour struct {
	addr      netip.Addr
	state     uint16
	confirmed time.Time // when the host last proved to be there
}

// neighbours is the table by MAC. It is immutable.
type neighbours struct {
	hosts map[account.MAC][]neighbour
}

// neighbourKey is an address on a link; link-local ones are on many.
type neighbourKey struct {
	link uint32
	addr netip.Addr
}

type neighbourEntry struct {
	mac account.MAC
	neighbour
}

// follower keeps the kernel's neighbour table. view may be called by any
// goroutine; changed is for one receiver.
type follower struct {
	namespace int // of this open file; 0 the thread's
	now       func() time.Time
	changed   chan struct{}

	mu      sync.Mutex
	events  *rtnetlink.Conn
	closed  bool
	table   map[neighbourKey]neighbourEntry
	resyncs uint64
}

func newFollower(namespace int, now func() time.Time) *follower {
	return &follower{
		namespace: namespace, now: now, changed: make(chan struct{}, 1), table: make(map[neighbourKey]neighbourEntry),
	}
}

// open listens and then reads the whole table, so that nothing is missed between.
func (f *follower) open() error {
	events, err := rtnetlink.Dial(&netlink.Config{NetNS: f.namespace, Groups: 1 << (unix.RTNLGRP_NEIGH - 1)})
	if err != nil {
		return fmt.Errorf("listen to neighbours: %w", err)
	}
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		events.Close()
		return nil
	}
	f.events = events
	f.mu.Unlock()
	return f.resync()
}

// resync reads the whole table.
func (f *follower) resync() error {
	conn, err := rtnetlink.Dial(&netlink.Config{NetNS: f.namespace})
	if err != nil {
		return fmt.Errorf("read neighbours: %w", err)
	}
	defer conn.Close()
	list, err := conn.Neigh.List()
	if err != nil {
		return fmt.Errorf("read neighbours: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resyncs++
	clear(f.table)
	for i := range list {
		f.apply(unix.RTM_NEWNEIGH, &list[i])
	}
	f.hint()
	return nil
}

func (f *follower) hint() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// run follows the table until close.
func (f *follower) run(ctx context.Context) {
	for {
		f.mu.Lock()
		events, closed := f.events, f.closed
		f.mu.Unlock()
		if closed || ctx.Err() != nil {
			return
		}
		var err error
		if events == nil {
			err = f.open()
		} else {
			err = f.receive(events)
		}
		if err == nil {
			continue
		}
		f.mu.Lock()
		if f.events != nil {
			f.events.Close()
			f.events = nil
		}
		f.mu.Unlock()
		if errors.Is(err, unix.ENOBUFS) {
			// Messages were lost, and nobody says which. Those still waiting are older
			// than the lost ones: a new socket forgets them, and the table is read anew.
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryPause):
		}
	}
}

// receive takes one message over.
func (f *follower) receive(events *rtnetlink.Conn) error {
	messages, headers, err := events.Receive()
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	changed := false
	for i, m := range messages {
		if n, ok := m.(*rtnetlink.NeighMessage); ok && i < len(headers) {
			changed = f.apply(uint16(headers[i].Header.Type), n) || changed
		}
	}
	if changed {
		f.hint()
	}
	return nil
}

// apply takes one entry over and tells whether that changed anything. The caller
// holds the lock.
func (f *follower) apply(kind uint16, m *rtnetlink.NeighMessage) bool {
	if m.Family != unix.AF_INET && m.Family != unix.AF_INET6 || m.Attributes == nil {
		return false // a bridge's forwarding table comes by the same group
	}
	addr, ok := netip.AddrFromSlice(m.Attributes.Address)
	if !ok {
		return false
	}
	key := neighbourKey{m.Index, addr.Unmap()}
	old, exists := f.table[key]
	switch {
	case kind == unix.RTM_DELNEIGH:
		delete(f.table, key)
		return exists
	case kind != unix.RTM_NEWNEIGH:
		return false
	case m.State&known == 0:
		// Being asked for, or failed: the address is still that host's.
		if !exists || m.State != unix.NUD_FAILED {
			return false
		}
		old.state = m.State
		f.table[key] = old
		return true
	}
	var mac account.MAC
	copy(mac[:], m.Attributes.LLAddress)
	if len(m.Attributes.LLAddress) != len(mac) || !usable(mac) || !exists && len(f.table) >= maxNeighbours {
		return false
	}
	e := neighbourEntry{mac, neighbour{addr: key.addr, state: m.State}}
	if m.Attributes.CacheInfo != nil && m.State&static == 0 {
		e.confirmed = f.now().Add(-time.Duration(m.Attributes.CacheInfo.Confirmed) * clockTick)
	}
	f.table[key] = e
	return !exists || old.mac != mac || old.state != e.state
}

// view copies the table.
func (f *follower) view() *neighbours {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := &neighbours{hosts: make(map[account.MAC][]neighbour)}
	for _, e := range f.table {
		if list := n.hosts[e.mac]; len(list) < maxPerHost {
			n.hosts[e.mac] = append(list, e.neighbour)
		}
	}
	return n
}

// close ends run. It may be called again.
func (f *follower) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.events != nil {
		f.events.Close()
		f.events = nil
	}
}

// online tells whether a host is there. A host that was confirmed some minutes ago
// and not asked since may be asleep or gone: then we do not know.
func (n *neighbours) online(mac account.MAC, now time.Time) (online, isKnown bool) {
	for _, h := range n.hosts[mac] {
		switch {
		case h.state&sure != 0, h.state == unix.NUD_STALE && now.Sub(h.confirmed) < staleOnline:
			return true, true
		case h.state == unix.NUD_FAILED:
			isKnown = true
		}
	}
	if isKnown {
		for _, h := range n.hosts[mac] {
			if h.state != unix.NUD_FAILED {
				return false, false
			}
		}
	}
	return false, isKnown
}

// staleOnline is how long a host counts as online after it last proved to be.
const staleOnline = 5 * time.Minute

// seen is when a host last proved to be there.
func (n *neighbours) seen(mac account.MAC) (last time.Time, ok bool) {
	for _, h := range n.hosts[mac] {
		if h.confirmed.After(last) {
			last = h.confirmed
		}
	}
	return last, !last.IsZero()
}
