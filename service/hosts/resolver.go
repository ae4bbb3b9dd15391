// SPDX-License-Identifier: GPL-2.0-only

// Package hosts knows who is who on the LAN: names by MAC and address from the
// router's own files, leases and the user's aliases, in an order that can be
// chosen, and from the kernel's neighbour table which MAC has which address and
// whether it is there.
//
// A Resolver reads everything once when it is opened, and Run keeps it up to date.
// Files are watched, not polled: in-place writes, renames, files and folders that
// appear later. Identify, Online and Seen may be called by any goroutine at any
// time; they read an immutable view and never block. Configure, Refresh, Problems
// and Close may be called by any goroutine too. Changed is for one receiver.
//
// Names come from clients and are hostile: what leaves here went through Clean.
package hosts

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/config"
)

// Leases asks odhcpd over ubus: the reply of its method ("ipv4leases",
// "ipv6leases") as the JSON that `ubus call dhcp` prints.
type Leases func(ctx context.Context, method string) ([]byte, error)

// Option changes how a Resolver is opened.
type Option func(*Resolver)

// InNamespace follows the neighbours of the network namespace of this open file
// instead of the thread's.
func InNamespace(fd int) Option { return func(r *Resolver) { r.namespace = fd } }

// WithLeases asks odhcpd over ubus too.
func WithLeases(l Leases) Option { return func(r *Resolver) { r.leases = l } }

// WithClock takes the time from elsewhere.
func WithClock(now func() time.Time) Option { return func(r *Resolver) { r.now = now } }

// WithTree reads /etc/config by another reader than package uci.
func WithTree(open func(dir string) Tree) Option { return func(r *Resolver) { r.tree = open } }

// Resolver answers who a host is. It implements account.Namer.
type Resolver struct {
	namespace int
	leases    Leases
	now       func() time.Time
	tree      func(dir string) Tree

	index      atomic.Pointer[index]
	neighbours atomic.Pointer[neighbours]
	changed    chan struct{}
	configure  chan struct{}
	refresh    chan struct{}
	replies    chan reply
	loads      atomic.Uint64

	mu       sync.Mutex
	config   config.Config // what Configure was last given
	problems []string
	closed   bool

	// Owned by Open, then by Run.
	active   config.Config
	sources  *sources
	watcher  *watcher
	follower *follower
}

// Open reads everything there is. It fails for nothing on its own account: what
// cannot be read or watched is in Problems, and the rest works.
func Open(c config.Config, opts ...Option) *Resolver {
	r := &Resolver{
		now:       time.Now,
		changed:   make(chan struct{}, 1),
		configure: make(chan struct{}, 1),
		refresh:   make(chan struct{}, 1),
		replies:   make(chan reply, 1),
		config:    c,
		active:    c,
	}
	for _, o := range opts {
		o(r)
	}
	r.sources = newSources(r.tree)
	watcher, err := newWatcher()
	if err != nil {
		r.sources.problems["watch"] = err.Error()
	}
	r.watcher = watcher
	r.follower = newFollower(r.namespace, r.now)
	if err := r.follower.open(); err != nil {
		r.sources.problems["neighbours"] = err.Error()
	}
	r.neighbours.Store(r.follower.view())
	r.sources.configure(c)
	r.read(nil)
	r.publish()
	return r
}

// Configure takes over another order of sources, aliases or paths.
func (r *Resolver) Configure(c config.Config) {
	r.mu.Lock()
	r.config = c
	r.mu.Unlock()
	hint(r.configure)
}

// Refresh asks odhcpd again: it appeared on ubus, or said that a lease changed.
func (r *Resolver) Refresh() { hint(r.refresh) }

// Changed receives after any answer may have changed. Several changes may come
// as one.
func (r *Resolver) Changed() <-chan struct{} { return r.changed }

// Problems says in whole sentences what cannot be read.
func (r *Resolver) Problems() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.problems)
}

// Identify says who a host is.
func (r *Resolver) Identify(_ string, mac account.MAC, addr netip.Addr) account.Identity {
	x := r.index.Load()
	id := account.Identity{Device: mac}
	if device, ok := x.devices[mac]; ok {
		id.Device = device
	}
	if e, ok := x.find(mac, addr.Unmap().WithZone(""), r.neighbours.Load()); ok {
		id.Hostname, id.Source = e.name, e.source
	}
	return id
}

// Online tells whether a host is there. known is false where the neighbour table
// cannot tell, as for hosts without a MAC.
func (r *Resolver) Online(_ string, mac account.MAC, _ netip.Addr) (online, known bool) {
	return r.neighbours.Load().online(mac, r.now())
}

// Seen is when a host last proved to be there, by the neighbour table.
func (r *Resolver) Seen(mac account.MAC) (time.Time, bool) { return r.neighbours.Load().seen(mac) }

// Close releases what Open acquired and ends Run. It may be called again.
func (r *Resolver) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	r.follower.close()
	if r.watcher != nil {
		r.watcher.close()
	}
	return nil
}

func hint(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
