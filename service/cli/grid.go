// SPDX-License-Identifier: GPL-2.0-only

package cli

import "strings"

// most is what a column takes at most where nothing else bounds it; JSON and CSV have the whole name.
const most = 64

// track is one column of a grid: its cells from the title down.
type track struct {
	cells []string
	right bool
	least int // columns it may be clipped to in a narrow terminal; 0: it is shown whole or not at all
	drop  int // when that is not enough, tracks go in this order; 0 stays
}

// grid lays tracks out in lines of at most so many columns; 0: as many as it takes.
func grid(tracks []track, columns int) []string {
	widths := fit(tracks, columns)
	lines := make([]string, len(tracks[0].cells))
	for row := range lines {
		var b strings.Builder
		for i, t := range tracks {
			if widths[i] == 0 {
				continue
			}
			if b.Len() > 0 {
				b.WriteString("  ")
			}
			s := clip(t.cells[row], widths[i])
			pad := strings.Repeat(" ", widths[i]-width(s))
			if t.right {
				s, pad = pad, s
			}
			b.WriteString(s + pad)
		}
		lines[row] = strings.TrimRight(b.String(), " ")
		if columns > 0 {
			lines[row] = clip(lines[row], columns)
		}
	}
	return lines
}

// fit tells how wide each track is to be; 0 is gone.
func fit(tracks []track, columns int) []int {
	natural, widths := make([]int, len(tracks)), make([]int, len(tracks))
	last := 0
	for i, t := range tracks {
		for _, s := range t.cells {
			natural[i] = max(natural[i], width(s))
		}
		natural[i] = min(natural[i], most)
		widths[i] = natural[i]
		if t.least > 0 {
			widths[i] = min(natural[i], t.least)
		}
		last = max(last, t.drop)
	}
	if columns <= 0 {
		return natural
	}
	left := func() int {
		n := columns + 2
		for _, w := range widths {
			if w > 0 {
				n -= w + 2
			}
		}
		return n
	}
	for next := 1; next <= last; next++ {
		for i := range tracks {
			if tracks[i].drop == next && left() < 0 {
				widths[i] = 0
			}
		}
	}
	// What room is left goes round, a column at a time, to those that want it.
	for room, given := left(), true; room > 0 && given; {
		given = false
		for i := range tracks {
			if room > 0 && widths[i] > 0 && widths[i] < natural[i] {
				widths[i]++
				room--
				given = true
			}
		}
	}
	return widths
}
