// SPDX-License-Identifier: GPL-2.0-only

package account

import (
	"bytes"
	"net/netip"
	"slices"
	"time"
)

// The two families, as indexes.
const (
	v4 = iota
	v6
	families
)

// keepIdle is how many idle addresses of a host keep totals of their own,
// unlisted. An address that comes back (a telephone that slept, a lease
// renewed) then goes on where it was; the endless row of IPv6 privacy
// addresses behind them folds into the host's total.
const keepIdle = 4

// network is one watched network and the hosts on it.
type network struct {
	name    string
	devices map[hostKey]*device
	list    []*device // sorted by MAC and address unless unsorted
	messy   bool
	gone    Counters // of hosts that left the listing, and what resets took away
	other   tally    // of hosts that found no room
	sum     Counters // everything
}

// hostKey is a MAC, or the address of a host without one.
type hostKey struct {
	ip  [16]byte
	mac MAC
}

func (k hostKey) compare(o hostKey) int {
	if c := bytes.Compare(k.mac[:], o.mac[:]); c != 0 {
		return c
	}
	return bytes.Compare(k.ip[:], o.ip[:])
}

func (n *network) sort() {
	if n.messy {
		slices.SortFunc(n.list, func(a, b *device) int { return a.key.compare(b.key) })
		n.messy = false
	}
}

// device is one MAC, or one address of a raw IP device, on one network.
type device struct {
	net     *network
	key     hostKey
	addrs   []*address       // sorted
	rest    *[families]tally // of addresses not told apart; nil while there are none
	first   int64            // Unix nanoseconds
	last    int64
	epoch   uint64 // the live generation it was last seen in
	refused uint64 // the live generation in which an address found no room
	removed bool
	sum     [families]Counters
	mark    [families]rate // bytes at the beginning of the observation interval
	rate    [families]rate // bytes per second
}

type rate struct{ download, upload uint64 }

// address is one address of a device with a total of its own.
type address struct {
	tally
	dev   *device
	ip    [16]byte
	last  int64
	epoch uint64
	is6   bool
}

func (a *address) family() int {
	if a.is6 {
		return v6
	}
	return v4
}

func (a *address) addr() netip.Addr {
	ip := netip.AddrFrom16(a.ip)
	if !a.is6 {
		return ip.Unmap()
	}
	return ip
}

func (a *address) compare(ip [16]byte, is6 bool) int {
	switch {
	case a.is6 == is6:
		return bytes.Compare(a.ip[:], ip[:])
	case is6:
		return -1
	}
	return 1
}

// find returns where the address is, or would have to be inserted.
func (d *device) find(ip [16]byte, is6 bool) (int, bool) {
	lo, hi := 0, len(d.addrs)
	for lo < hi {
		mid := (lo + hi) / 2
		switch c := d.addrs[mid].compare(ip, is6); {
		case c == 0:
			return mid, true
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return lo, false
}

// remainder is the tally for a family's addresses that are not told apart.
func (d *device) remainder(family int) *tally {
	if d.rest == nil {
		d.rest = new([families]tally)
	}
	return &d.rest[family]
}

// fold merges an address that is not live into the remainder.
func (d *device) fold(i int) {
	a := d.addrs[i]
	d.remainder(a.family()).take(a.shown)
	d.addrs = slices.Delete(d.addrs, i, i+1)
	a.dev = nil
}

// oldest returns the index of the longest silent address outside the live
// generation that was last seen before the given time, or -1; and how many
// such addresses there are.
func (d *device) oldest(epoch uint64, before int64) (index, count int) {
	index = -1
	for i, a := range d.addrs {
		if a.epoch == epoch || a.last >= before {
			continue
		}
		count++
		if index < 0 || a.last < d.addrs[index].last {
			index = i
		}
	}
	return index, count
}

// settle publishes every total of the device and sums them up.
func (d *device) settle() {
	d.sum = [families]Counters{}
	if d.rest != nil {
		for f := range d.rest {
			d.rest[f].settle()
			d.sum[f].add(d.rest[f].shown)
		}
	}
	for _, a := range d.addrs {
		a.settle()
		d.sum[a.family()].add(a.shown)
	}
}

// each calls f for every tally of the device.
func (d *device) each(f func(*tally)) {
	if d.rest != nil {
		for i := range d.rest {
			f(&d.rest[i])
		}
	}
	for _, a := range d.addrs {
		f(&a.tally)
	}
}

// measure computes the rates since the mark, and moves the mark here.
func (d *device) measure(elapsed time.Duration) {
	for f := range d.sum {
		down, up := d.sum[f].Download.Bytes, d.sum[f].Upload.Bytes
		d.rate[f] = rate{perSecond(down, d.mark[f].download, elapsed), perSecond(up, d.mark[f].upload, elapsed)}
		d.mark[f] = rate{down, up}
	}
}

func perSecond(now, before uint64, elapsed time.Duration) uint64 {
	if now <= before || elapsed <= 0 {
		return 0
	}
	return uint64(float64(now-before)/elapsed.Seconds() + 0.5)
}

// reset makes the device's published total zero and returns what it was.
func (d *device) reset() Counters {
	var was Counters
	d.each(func(t *tally) { was.add(t.reset()) })
	d.sum = [families]Counters{}
	d.mark = [families]rate{}
	return was
}
