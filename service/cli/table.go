// SPDX-License-Identifier: GPL-2.0-only

package cli

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

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

// table lays the hosts from first on out in lines of at most so many columns (0: as many as it takes), with titles above and
// a line of totals below. At most rows hosts are shown (0: all); the totals are of all. In a narrow
// terminal what they are sorted by stays.
func table(l *listing, columns, first, rows int, by order) []string {
	shown := l.Hosts[min(max(first, 0), len(l.Hosts)):]
	if rows > 0 && len(shown) > rows {
		shown = shown[:rows]
	}
	text := func(title string, least, drop int, of func(*host) string, total string) track {
		t := track{cells: []string{title}, least: least, drop: drop}
		for i := range shown {
			t.cells = append(t.cells, of(&shown[i]))
		}
		t.cells = append(t.cells, total)
		return t
	}
	number := func(title string, drop int, of func(*host) int64, show func(int64) string) track {
		sum := int64(0)
		for i := range l.Hosts {
			sum += of(&l.Hosts[i])
		}
		t := text(title, 0, drop, func(h *host) string { return show(of(h)) }, show(sum))
		t.right = true
		return t
	}
	rates, totals := 5, 6
	if by == byRate {
		rates, totals = 6, 5
	}
	network := 3
	if !slices.ContainsFunc(l.Hosts, func(h host) bool { return h.Network != l.Hosts[0].Network }) {
		network = 1 // says the same of everybody
	}
	seen := text("Seen", 0, 2, func(h *host) string { return agoText(l.Time, h.LastSeen) }, "")
	seen.right = true
	return grid([]track{
		text("Host", 16, 0, func(h *host) string { return printable(h.name()) }, "Total of "+count(len(l.Hosts), "host")),
		text("Net", 4, network, func(h *host) string { return printable(h.Network) }, ""),
		text("Address", 13, 4, func(h *host) string { return printable(h.address()) }, ""),
		number("Down/s", rates, func(h *host) int64 { return h.Download.Rate }, rateText),
		number("Up/s", rates, func(h *host) int64 { return h.Upload.Rate }, rateText),
		number("Download", totals, func(h *host) int64 { return h.Download.Bytes }, bytesText),
		number("Upload", totals, func(h *host) int64 { return h.Upload.Bytes }, bytesText),
		number("Packets", 1, func(h *host) int64 { return h.Download.Packets + h.Upload.Packets }, func(n int64) string { return strconv.FormatInt(n, 10) }),
		seen,
	}, columns)
}

// details are all addresses of one host, for who has asked for it.
func details(h *host, now int64, columns int) []string {
	about := printable(h.name())
	if h.MAC != "" && h.MAC != h.name() {
		about += ", " + h.MAC
	}
	if h.Random {
		about += " (made up by the host)"
	}
	about += ", on " + printable(h.Network)
	if h.Device != "" {
		about += " (" + printable(h.Device) + ")"
	}
	state := "offline, last seen " + dateText(h.LastSeen)
	if h.Online {
		state = "online"
	}
	lines := append(wrap(about+": "+state+", first seen "+dateText(h.FirstSeen), columns), "")
	address, down, up := track{cells: []string{"Address"}, least: 16}, track{cells: []string{"Download"}, right: true}, track{cells: []string{"Upload"}, right: true}
	seen := track{cells: []string{"Seen"}, right: true, drop: 1}
	row := func(text string, d, u int64, ago string) {
		address.cells, down.cells = append(address.cells, text), append(down.cells, bytesText(d))
		up.cells, seen.cells = append(up.cells, bytesText(u)), append(seen.cells, ago)
	}
	d, u := h.Download.Bytes, h.Upload.Bytes
	for i := range h.Addresses {
		a := &h.Addresses[i]
		row(printable(a.IP), a.Download.Bytes, a.Upload.Bytes, agoText(now, a.LastSeen))
		d, u = d-a.Download.Bytes, u-a.Upload.Bytes
	}
	if d > 0 || u > 0 {
		row("earlier addresses", d, u, "")
	}
	row("all IPv4", h.IPv4.Download.Bytes, h.IPv4.Upload.Bytes, "")
	row("all IPv6", h.IPv6.Download.Bytes, h.IPv6.Upload.Bytes, "")
	return append(lines, grid([]track{address, down, up, seen}, columns)...)
}
