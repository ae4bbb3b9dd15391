// SPDX-License-Identifier: GPL-2.0-only

package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// frame is what the screen of top has besides hosts: a head, titles, totals, a foot.
const frame = 4

func tableRows(high int) int { return max(high-frame, 1) }

// view is what the screen of top shows.
type view struct {
	by      order
	reverse bool
	first   int // rows scrolled past
	listing *listing
	err     error // of the last attempt
}

func (v *view) take(a answer) {
	if v.err = a.err; a.err == nil {
		v.listing = a.listing
	}
}

func (v *view) key(k key, rows int) {
	switch k {
	case keySort:
		v.by, v.first = (v.by+1)%orders, 0
	case keyReverse:
		v.reverse, v.first = !v.reverse, 0
	case keyUp:
		v.first--
	case keyDown:
		v.first++
	case keyPageUp:
		v.first -= rows
	case keyPageDown:
		v.first += rows
	case keyHome:
		v.first = 0
	case keyEnd:
		v.first = len(v.listing.Hosts)
	}
	v.first = max(min(v.first, len(v.listing.Hosts)-rows), 0)
}

// screen is the whole screen as it is to be.
func (v *view) screen(wide, high int) string {
	var lines []string
	line := func(style, text string) {
		text = clip(text, wide)
		if style == inverse {
			text += strings.Repeat(" ", wide-width(text))
		}
		// The line is cleared first: after a text as wide as the screen that would take its last character.
		lines = append(lines, clearLine+style+text+plain)
	}
	l := *v.listing
	l.Hosts = slices.Clone(l.Hosts)
	sortHosts(l.Hosts, v.by)
	if v.reverse {
		slices.Reverse(l.Hosts)
	}
	online := 0
	for i := range l.Hosts {
		if l.Hosts[i].Online {
			online++
		}
	}
	rows := tableRows(high)
	v.first = max(min(v.first, len(l.Hosts)-rows), 0)
	last := min(v.first+rows, len(l.Hosts))
	sorted := "by " + v.by.String()
	if v.reverse {
		sorted += ", reversed"
	}
	line(bold, fmt.Sprintf("%s  %s, %d online, %s", time.Unix(l.Time, 0).Format(time.TimeOnly), count(len(l.Hosts), "host"), online, sorted))
	text := table(&l, wide, v.first, rows, v.by)
	line(inverse, text[0])
	for i, row := range text[1 : len(text)-1] {
		style := ""
		if !l.Hosts[v.first+i].Online {
			style = faint
		}
		line(style, row)
	}
	line(bold, text[len(text)-1])
	foot := "q quit  s sort  r reverse"
	if rows < len(l.Hosts) {
		foot += fmt.Sprintf("  arrows scroll: %d-%d of %d", v.first+1, last, len(l.Hosts))
	}
	if v.err != nil {
		line(inverse, printable(v.err.Error()))
	} else {
		line(faint, foot)
	}
	if len(lines) > high { // a terminal of very few lines
		lines = lines[:high]
	}
	return home + strings.Join(lines, "\r\n") + clearBelow
}
