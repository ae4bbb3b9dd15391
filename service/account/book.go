// SPDX-License-Identifier: GPL-2.0-only

package account

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// What a zero field of Limits means.
const (
	defaultHosts            = 16384
	defaultAddressesPerHost = 64
	defaultAddresses        = 131072
	defaultIdle             = 10 * time.Minute
	defaultExpire           = 30 * 24 * time.Hour
)

// minInterval is the shortest interval a rate is taken over. Observations that
// follow sooner (a call of `stats` right after the regular one) update totals
// and leave the rates alone.
const minInterval = 250 * time.Millisecond

// maxStep is how far the wall clock may drift from the monotonic one between
// two instants before it counts as having been set.
const maxStep = 30 * time.Second

// Book keeps every total of every host. One goroutine owns it.
type Book struct {
	limits     Limits
	networks   []*network // sorted by name
	reasons    []*reason  // sorted by name
	hosts      int        // devices in all networks
	addresses  int        // addresses with totals of their own
	epoch      uint64     // which live generation, counted within this process; from 1
	refused    uint64     // the epoch in which a host found no room
	restored   bool       // and nothing has been observed since
	generation uint64     // of the kernel's tables, as the loop counts them
	started    time.Time
	now        time.Time // the latest instant handed in
	observed   time.Time // beginning of the observation interval; zero before the first
	order      []*address
	last       *Snapshot
	view       []viewed
}

// reason is the tally of one kind of unattributed traffic.
type reason struct {
	tally
	name string
}

// NewBook returns an empty book.
func NewBook(l Limits) *Book {
	if l.Hosts <= 0 {
		l.Hosts = defaultHosts
	}
	if l.AddressesPerHost <= 0 {
		l.AddressesPerHost = defaultAddressesPerHost
	}
	if l.Addresses <= 0 {
		l.Addresses = defaultAddresses
	}
	if l.Idle <= 0 {
		l.Idle = defaultIdle
	}
	if l.Expire <= 0 {
		l.Expire = defaultExpire
	}
	b := &Book{limits: l, epoch: 1}
	for _, name := range []string{ReasonLimit, ReasonMalformed, ReasonMulticast, ReasonNoPrefix, ReasonTableFull} {
		b.reason(name)
	}
	return b
}

// SetLimits changes the limits of a running book, as a reload of the
// configuration does. Hosts already listed stay, whatever the new limits say.
func (b *Book) SetLimits(l Limits) { b.limits = NewBook(l).limits }

// Generation is a number of the loop's that is persisted with the book: which
// generation of the kernel's tables is the live one. Close increments it. After a
// crash between Close and the emptying of the ended tables it tells the two
// cases apart: tables of an older generation have been closed already.
func (b *Book) Generation() uint64 { return b.generation }

// SetGeneration sets the number of the live generation.
func (b *Book) SetGeneration(g uint64) { b.generation = g }

// Observe takes over the live generation's totals so far; they replace those
// of the last call. Samples of one Key are added up.
func (b *Book) Observe(now time.Time, live []Sample, un Unattributed) {
	b.tick(now)
	b.apply(live, un)
	elapsed, first := now.Sub(b.observed), b.observed.IsZero()
	if first || elapsed >= minInterval || elapsed < 0 {
		b.observed = now
	}
	for _, n := range b.networks {
		n.other.settle()
		for _, d := range n.list {
			d.settle()
			switch {
			case first || elapsed < 0:
				d.measure(0) // the totals so far are no traffic of this interval
			case elapsed >= minInterval:
				d.measure(elapsed)
			}
		}
	}
	b.sweep()
	b.sum()
}

// Close takes over the final totals of the live generation, which has ended.
// The live view is empty afterwards, until the next Observe.
func (b *Book) Close(final []Sample, un Unattributed) {
	b.apply(final, un)
	for _, r := range b.reasons {
		r.end()
	}
	for _, n := range b.networks {
		n.other.end()
		n.other.settle()
		for _, d := range n.list {
			d.each((*tally).end)
			d.settle()
		}
	}
	refused := b.refused == b.epoch
	b.epoch++
	b.generation++
	b.order = b.order[:0]
	b.sweep()
	if refused {
		b.makeRoom()
	}
	b.sum()
}

// tick notes the instant, and moves every instant of the book along when the
// wall clock was set: a router without a battery starts in the past, and no
// host has been silent for as long as the clock then leaps.
func (b *Book) tick(now time.Time) {
	if b.started.IsZero() {
		b.started = now.Round(0) // by the wall clock, as all it is compared with
	}
	if !b.now.IsZero() {
		b.set(now.Round(0).Sub(b.now.Round(0)) - now.Sub(b.now))
	}
	b.now = now
}

// Resume tells a book that was read from where it was kept that it goes on at
// this instant, and by how much the wall clock was set since: what a monotonic
// clock, which no file keeps, tells a running one.
func (b *Book) Resume(now time.Time, step time.Duration) {
	if b.now.IsZero() {
		return // nothing was kept
	}
	b.set(step)
	b.now = now
}

// set moves every instant along with the wall clock.
func (b *Book) set(step time.Duration) {
	if step >= -maxStep && step <= maxStep {
		return
	}
	b.started = b.started.Add(step)
	for _, n := range b.networks {
		for _, d := range n.list {
			d.first += int64(step)
			d.last += int64(step)
			for _, a := range d.addrs {
				a.last += int64(step)
			}
		}
	}
}

// apply makes the samples the live view. It keeps to the order of the last
// call where it can, which saves nearly all lookups.
func (b *Book) apply(samples []Sample, un Unattributed) {
	for _, r := range b.reasons {
		r.live = Counters{}
	}
	for _, n := range b.networks {
		n.other.live = Counters{}
		for _, d := range n.list {
			if d.epoch != b.epoch {
				continue
			}
			d.each(func(t *tally) { t.live = Counters{} })
		}
	}
	for name, c := range un {
		r := b.reason(name)
		r.live.add(c)
	}
	for _, r := range b.reasons {
		r.settle()
	}
	var n *network
	for i := range samples {
		s := &samples[i]
		if n == nil || n.name != s.Network {
			n = b.network(s.Network)
		}
		ip, is6 := bytesOf(s.Addr)
		a := b.expected(i, n, s.MAC, ip)
		if a == nil {
			a = b.account(n, s, ip, is6)
			b.expect(i, a)
		}
		if a != nil {
			b.count(a, s)
		}
	}
	for _, n := range b.networks {
		n.sort()
	}
	b.restored = false
}

// expected returns the address that was at this place of the last live view,
// if it is the one asked for.
func (b *Book) expected(i int, n *network, mac MAC, ip [16]byte) *address {
	if i >= len(b.order) {
		return nil
	}
	a := b.order[i]
	if a == nil || a.dev == nil || a.dev.removed || a.ip != ip || a.dev.key.mac != mac || a.dev.net != n {
		return nil
	}
	return a
}

func (b *Book) expect(i int, a *address) {
	switch {
	case i < len(b.order):
		b.order[i] = a
	case i == len(b.order):
		b.order = append(b.order, a)
	}
}

// account finds or opens the account of a sample. Where the limits allow none,
// it counts the sample on the host's or the network's remainder and returns nil.
//
// Once a host (or an address of one) has been refused, no other is admitted
// until the generation ends: what the remainder counted must not move to an
// account of its own, or the remainder would go backwards.
func (b *Book) account(n *network, s *Sample, ip [16]byte, is6 bool) *address {
	key := hostKey{mac: s.MAC}
	if s.MAC.IsZero() {
		key.ip = ip
	}
	family := v4
	if is6 {
		family = v6
	}
	d := n.devices[key]
	if d == nil {
		if b.refused == b.epoch || b.hosts >= b.limits.Hosts || s.MAC.IsZero() && b.addresses >= b.limits.Addresses {
			b.refused = b.epoch
			n.other.live.add(s.Counters)
			return nil
		}
		d = b.open(n, key, b.instant(s))
	}
	i, ok := d.find(ip, is6)
	if ok {
		return d.addrs[i]
	}
	if d.refused != b.epoch && (len(d.addrs) >= b.limits.AddressesPerHost || b.addresses >= b.limits.Addresses) {
		// An idle address gives way to one in use; just after a restart it is not
		// known yet which are idle, and of what was reset a part may still be live.
		old := -1
		if !b.restored {
			old, _ = d.oldest(b.epoch, b.now.UnixNano()-int64(b.limits.Idle))
		}
		if old >= 0 {
			d.fold(old)
			b.addresses--
			i, _ = d.find(ip, is6)
		} else {
			d.refused = b.epoch
		}
	}
	if d.refused == b.epoch {
		d.remainder(family).live.add(s.Counters)
		b.seen(d, s)
		return nil
	}
	a := &address{dev: d, ip: ip, is6: is6}
	d.addrs = slices.Insert(d.addrs, i, a)
	b.addresses++
	return a
}

// open adds a host.
func (b *Book) open(n *network, key hostKey, first int64) *device {
	d := &device{net: n, key: key, first: first, last: first}
	n.devices[key] = d
	n.list = append(n.list, d)
	n.messy = true
	b.hosts++
	return d
}

// count adds the sample to the live view of its account.
func (b *Book) count(a *address, s *Sample) {
	if a.epoch != b.epoch {
		a.epoch = b.epoch
		a.live = Counters{}
	}
	a.live.add(s.Counters)
	b.seen(a.dev, s)
	if t := s.Seen; !t.IsZero() {
		a.last = max(a.last, b.instant(s))
	} else if a.last == 0 || a.advanced() {
		a.last = b.now.UnixNano()
		a.dev.last = max(a.dev.last, a.last)
	}
}

// seen notes that the live generation knows the device, and since when.
func (b *Book) seen(d *device, s *Sample) {
	d.epoch = b.epoch
	if s.Seen.IsZero() {
		return
	}
	t := b.instant(s)
	d.last = max(d.last, t)
	d.first = min(d.first, t)
}

// instant is when the sample was last seen. Nothing is seen in the future.
func (b *Book) instant(s *Sample) int64 {
	switch {
	case s.Seen.IsZero():
		return unixNano(b.now)
	case b.now.IsZero():
		return unixNano(s.Seen)
	}
	return min(s.Seen.UnixNano(), b.now.UnixNano())
}

func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// sweep folds what has been silent for long and is not in the live generation,
// where its counters would otherwise turn up as traffic of a new host.
func (b *Book) sweep() {
	if b.now.IsZero() {
		return
	}
	now := b.now.UnixNano()
	idle, expire := now-int64(b.limits.Idle), now-int64(b.limits.Expire)
	for _, n := range b.networks {
		expired := false
		for _, d := range n.list {
			if d.epoch != b.epoch && d.last < expire {
				expired = true
				d.removed = true
				continue
			}
			if len(d.addrs) <= keepIdle || d.key.mac.IsZero() {
				continue
			}
			for i, count := d.oldest(b.epoch, idle); count > keepIdle; i, count = d.oldest(b.epoch, idle) {
				d.fold(i)
				b.addresses--
			}
		}
		if expired {
			b.remove(n)
		}
	}
}

// makeRoom removes an eighth of the hosts, or as many as are idle, after a
// generation in which some found no room: those with the least traffic, so that
// a flood of invented MACs cannot shut out real hosts until it expires.
func (b *Book) makeRoom() {
	if b.now.IsZero() {
		return
	}
	want := b.hosts - b.limits.Hosts + max(1, b.limits.Hosts/8)
	idle := b.now.UnixNano() - int64(b.limits.Idle)
	var candidates []*device
	for _, n := range b.networks {
		for _, d := range n.list {
			if d.last < idle {
				candidates = append(candidates, d)
			}
		}
	}
	bytes := func(d *device) (sum uint64) {
		for _, c := range d.sum {
			sum += c.Download.Bytes + c.Upload.Bytes
		}
		return sum
	}
	slices.SortStableFunc(candidates, func(a, b *device) int {
		switch x, y := bytes(a), bytes(b); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	for _, d := range candidates[:min(max(want, 0), len(candidates))] {
		d.removed = true
	}
	for _, n := range b.networks {
		b.remove(n)
	}
}

// remove takes the devices so marked out of a network; their totals stay in
// the network's.
func (b *Book) remove(n *network) {
	n.list = slices.DeleteFunc(n.list, func(d *device) bool {
		if !d.removed {
			return false
		}
		for _, c := range d.sum {
			n.gone.add(c)
		}
		delete(n.devices, d.key)
		b.hosts--
		b.addresses -= len(d.addrs)
		return true
	})
}

// sum adds up the networks' totals.
func (b *Book) sum() {
	for _, n := range b.networks {
		n.sum = n.gone
		n.sum.add(n.other.shown)
		for _, d := range n.list {
			for f := range d.sum {
				n.sum.add(d.sum[f])
			}
		}
	}
}

func (b *Book) network(name string) *network {
	i, ok := slices.BinarySearchFunc(b.networks, name, func(n *network, name string) int { return strings.Compare(n.name, name) })
	if !ok {
		b.networks = slices.Insert(b.networks, i, &network{name: name, devices: map[hostKey]*device{}})
	}
	return b.networks[i]
}

func (b *Book) reason(name string) *reason {
	i, ok := slices.BinarySearchFunc(b.reasons, name, func(r *reason, name string) int { return strings.Compare(r.name, name) })
	if !ok {
		b.reasons = slices.Insert(b.reasons, i, &reason{name: name})
	}
	return b.reasons[i]
}

// bytesOf is the address in 16 bytes, an IPv4 one as ::ffff:a.b.c.d.
func bytesOf(a netip.Addr) (ip [16]byte, is6 bool) {
	return a.As16(), a.Is6() && !a.Is4In6()
}
