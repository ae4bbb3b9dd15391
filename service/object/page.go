// SPDX-License-Identifier: GPL-2.0-only

package object

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/ubus"
)

// maxPage is what a page takes at most: what ubus carries, less the rest of
// the reply and what the message is wrapped in.
const maxPage = 896 << 10

// Bounds of what is kept for callers that read page by page.
const (
	maxListings = 4
	keepListing = 30 * time.Second
)

// page is a part of a listing.
type page struct {
	snapshot *account.Snapshot
	hosts    []int // indexes of the hosts on it; nil: of all from first to end
	first    int   // index, in the listing, of the first
	end      int
	total    int
	listing  int32 // number to ask for the next page by; 0: it is the last
}

// host returns host i of the listing.
func (p *page) host(i int) *account.Host {
	if p.hosts != nil {
		i = p.hosts[i]
	}
	return &p.snapshot.Hosts[i]
}

// page selects what a call asks for: the hosts from offset, as many as limit
// says (0: all) and fit into a message. The caller goes on at offset plus the
// number of hosts it got.
func (o *Object) page(ctx context.Context, r *ubus.Request, size func(*account.Host) int) (*page, error) {
	offset, limit, listing := r.Args.Int("offset"), r.Args.Int("limit"), r.Args.Int("listing")
	if offset < 0 || limit < 0 || listing < 0 || listing > 1<<31-1 {
		return nil, ubus.ErrInvalidArgument
	}
	f := filterOf(r.Args.Text("host"), r.Args.Text("network"))
	key := listingKey{f.host, f.network, limit}
	var s *account.Snapshot
	number := int32(listing)
	now := o.daemon.Now()
	switch {
	case listing > 0:
		if s = o.listings.get(now, number); s == nil {
			return nil, ubus.ErrNoData
		}
	case offset > 0:
		number, s = o.listings.latest(now, key)
	}
	if s == nil {
		var err error
		if s, err = o.daemon.Snapshot(ctx); err != nil {
			return nil, fmt.Errorf("take snapshot: %w", err)
		}
		number = 0
	}
	p := &page{snapshot: s, total: len(s.Hosts)}
	if !f.all() {
		p.hosts = []int{}
		for i := range s.Hosts {
			if f.matches(&s.Hosts[i]) {
				p.hosts = append(p.hosts, i)
			}
		}
		p.total = len(p.hosts)
	}
	p.first = int(min(offset, int64(p.total)))
	p.end = p.first
	for left := maxPage; p.end < p.total && (limit == 0 || int64(p.end-p.first) < limit); p.end++ {
		if left -= size(p.host(p.end)); left < 0 {
			break
		}
	}
	if p.end < p.total {
		if number == 0 {
			number = o.listings.add(now, key, s)
		}
		p.listing = number
	}
	return p, nil
}

// listings are the Snapshots of which not all pages have been read. A page
// is of the listing whose number the caller gives; without one, of the latest
// listing begun for the same selection.
type listings struct {
	mu   sync.Mutex
	last int32
	kept []listing // oldest first
}

type listing struct {
	number   int32
	key      listingKey
	snapshot *account.Snapshot
	used     time.Time
	read     bool // beyond the first page
}

// listingKey is what is asked for: who asks for the next page asks for the
// same.
type listingKey struct {
	host, network string
	limit         int64
}

func (l *listings) add(now time.Time, key listingKey, s *account.Snapshot) int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	for i := range l.kept {
		// Several who begin at the same Snapshot share it.
		if l.kept[i].snapshot == s && l.kept[i].key == key {
			l.kept[i].used = now
			return l.kept[i].number
		}
	}
	if l.last++; l.last <= 0 {
		l.last = 1
	}
	if len(l.kept) == maxListings {
		// The oldest goes of those nobody has read on: who polls first pages must
		// not take away the listing of who reads it all.
		i := max(slices.IndexFunc(l.kept, func(x listing) bool { return !x.read }), 0)
		l.kept = slices.Delete(l.kept, i, i+1)
	}
	l.kept = append(l.kept, listing{number: l.last, key: key, snapshot: s, used: now})
	return l.last
}

func (l *listings) get(now time.Time, number int32) *account.Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	for i := range l.kept {
		if l.kept[i].number == number {
			l.kept[i].used, l.kept[i].read = now, true
			return l.kept[i].snapshot
		}
	}
	return nil
}

func (l *listings) latest(now time.Time, key listingKey) (int32, *account.Snapshot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	for i := len(l.kept) - 1; i >= 0; i-- {
		if l.kept[i].key == key {
			l.kept[i].used, l.kept[i].read = now, true
			return l.kept[i].number, l.kept[i].snapshot
		}
	}
	return 0, nil
}

// forget drops listings nobody has read from for a while.
func (l *listings) forget(now time.Time) {
	kept := l.kept[:0]
	for _, x := range l.kept {
		if age := now.Sub(x.used); age >= 0 && age < keepListing {
			kept = append(kept, x)
		}
	}
	clear(l.kept[len(kept):])
	l.kept = kept
}
