// SPDX-License-Identifier: GPL-2.0-only

package cli

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// column is a column of the table of hosts.
type column struct {
	title string
	right bool
	least int // columns it may be clipped to in a narrow terminal
	drop  int // the order in which columns go when that is not enough; 0 stays
	text  func(h *host, now int64) string
	total func(hosts []host, rest *pair) string
}

func columns() []column {
	sum := func(of func(*host) int64, rest func(*pair) int64, text func(int64) string) func([]host, *pair) string {
		return func(hosts []host, p *pair) string {
			n := rest(p)
			for i := range hosts {
				n += of(&hosts[i])
			}
			return text(n)
		}
	}
	flowColumn := func(title string, drop int, of func(*host) int64, rest func(*pair) int64, text func(int64) string) column {
		return column{title: title, right: true, least: 6, drop: drop,
			text:  func(h *host, _ int64) string { return text(of(h)) },
			total: sum(of, rest, text)}
	}
	none := func(*pair) int64 { return 0 }
	return []column{
		{title: "Host", least: 12, text: func(h *host, _ int64) string { return printable(h.name()) },
			total: func(hosts []host, _ *pair) string { return "Total of " + strconv.Itoa(len(hosts)) }},
		{title: "Network", least: 4, drop: 2, text: func(h *host, _ int64) string { return printable(h.Network) }},
		{title: "Address", least: 9, drop: 1, text: func(h *host, _ int64) string { return printable(h.address()) }},
		flowColumn("Down/s", 0, func(h *host) int64 { return h.Download.Rate }, none, rateText),
		flowColumn("Up/s", 0, func(h *host) int64 { return h.Upload.Rate }, none, rateText),
		flowColumn("Download", 0, func(h *host) int64 { return h.Download.Bytes }, none, bytesText),
		flowColumn("Upload", 0, func(h *host) int64 { return h.Upload.Bytes }, none, bytesText),
		flowColumn("Packets", 3, func(h *host) int64 { return h.Download.Packets + h.Upload.Packets }, none, func(n int64) string { return strconv.FormatInt(n, 10) }),
		{title: "Seen", right: true, least: 3, drop: 4, text: func(h *host, now int64) string { return agoText(now, h.LastSeen) }},
	}
}

// order is what rows are sorted by.
type order int

const (
	byRate order = iota
	byTotal
	byName
	orders
)

func (o order) String() string { return [...]string{"rate", "total", "name"}[o] }

func sortHosts(hosts []host, by order) {
	slices.SortStableFunc(hosts, func(a, b host) int {
		rate := cmp.Compare(b.Download.Rate+b.Upload.Rate, a.Download.Rate+a.Upload.Rate)
		total := cmp.Compare(b.Download.Bytes+b.Upload.Bytes, a.Download.Bytes+a.Upload.Bytes)
		name := cmp.Compare(strings.ToLower(a.name()), strings.ToLower(b.name()))
		switch by {
		case byName:
			return cmp.Or(name, total)
		case byTotal:
			return cmp.Or(total, name)
		}
		return cmp.Or(rate, total, name)
	})
}

// table lays the hosts out in lines of at most so many columns (0: as many as it takes), with a line of totals. At most
// rows hosts are shown (0: all); the totals are of all.
func table(l *listing, wide, rows int) []string {
	shown := l.Hosts
	if rows > 0 && len(shown) > rows {
		shown = shown[:rows]
	}
	cols := columns()
	cells := make([][]string, len(cols))
	widths := make([]int, len(cols))
	for i, c := range cols {
		cells[i] = append(cells[i], c.title)
		for j := range shown {
			cells[i] = append(cells[i], c.text(&shown[j], l.Time))
		}
		total := ""
		if c.total != nil {
			total = c.total(l.Hosts, &l.Unattributed)
		}
		cells[i] = append(cells[i], total)
		for _, s := range cells[i] {
			widths[i] = max(widths[i], width(s))
		}
	}
	fit(cols, widths, wide)
	lines := make([]string, len(shown)+2)
	for row := range lines {
		var b strings.Builder
		for i, c := range cols {
			if widths[i] == 0 {
				continue
			}
			s := clip(cells[i][row], widths[i])
			pad := strings.Repeat(" ", widths[i]-width(s))
			if b.Len() > 0 {
				b.WriteString("  ")
			}
			if c.right {
				b.WriteString(pad + s)
			} else {
				b.WriteString(s + pad)
			}
		}
		lines[row] = strings.TrimRight(b.String(), " ")
	}
	return lines
}

// fit narrows the widths to a line of so many columns: first what may be clipped, then what may go.
func fit(cols []column, widths []int, wide int) {
	if wide <= 0 {
		return
	}
	over := func() int {
		n := -2
		for _, w := range widths {
			if w > 0 {
				n += w + 2
			}
		}
		return n - wide
	}
	for i := range cols {
		if n := over(); n > 0 && !cols[i].right && widths[i] > cols[i].least {
			widths[i] = max(cols[i].least, widths[i]-n)
		}
	}
	for _, next := range []int{1, 2, 3, 4} {
		for i := range cols {
			if over() > 0 && cols[i].drop == next {
				widths[i] = 0
			}
		}
	}
}
