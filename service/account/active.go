// SPDX-License-Identifier: GPL-2.0-only

package account

import (
	"cmp"
	"slices"
	"time"
)

// Active lists the keys worth a place in the next generation's table, at most
// max of them: those heard within Idle, by the minute of the last packet, the
// latest first, and within a minute by bytes.
func (b *Book) Active(now time.Time, max int) []Key {
	type candidate struct {
		a       *address
		minutes int64
		bytes   uint64
	}
	idle := now.UnixNano() - int64(b.limits.Idle)
	var all []candidate
	for _, n := range b.networks {
		for _, d := range n.list {
			for _, a := range d.addrs {
				if a.last >= idle {
					silent := time.Duration(now.UnixNano() - a.last)
					all = append(all, candidate{a, int64(silent / time.Minute), a.shown.Download.Bytes + a.shown.Upload.Bytes})
				}
			}
		}
	}
	slices.SortStableFunc(all, func(x, y candidate) int {
		return cmp.Or(cmp.Compare(x.minutes, y.minutes), cmp.Compare(y.bytes, x.bytes))
	})
	if max < 0 {
		max = 0
	}
	if len(all) > max {
		all = all[:max]
	}
	keys := make([]Key, len(all))
	for i, c := range all {
		keys[i] = Key{c.a.dev.net.name, c.a.dev.key.mac, c.a.addr()}
	}
	return keys
}
