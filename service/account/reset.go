// SPDX-License-Identifier: GPL-2.0-only

package account

// Reset makes the totals of every host that matches begin at zero again, and
// returns how many did; a nil match takes every host. match sees the hosts as
// the last Snapshot listed them, and must not change them.
//
// The networks' totals and the unattributed ones go on: they say what went over
// the line, whatever anybody chose to forget about a host.
func (b *Book) Reset(match func(*Host) bool) int {
	if b.last == nil {
		b.Snapshot(b.now, nil, Status{})
	}
	done, last, matches := 0, -1, false
	for i := range b.view {
		v := &b.view[i]
		if v.host != last {
			last = v.host
			matches = match == nil || match(&b.last.Hosts[last])
			if matches {
				done++
			}
		}
		// A device that left the listing since has left its totals behind already.
		if matches && !v.dev.removed {
			v.dev.net.gone.add(v.dev.reset())
		}
	}
	return done
}
