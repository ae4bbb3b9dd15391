// SPDX-License-Identifier: GPL-2.0-only

package cli

import (
	"strconv"
	"strings"
	"time"
	"unicode"
)

// bytesText is an amount in IEC units, three figures: "999 B", "1.46 KiB", "12.3 MiB".
func bytesText(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	value, unit := float64(n), 0
	for value >= 999.5 && unit < 6 {
		value /= 1024
		unit++
	}
	digits := 2
	switch {
	case value >= 99.95:
		digits = 0
	case value >= 9.995:
		digits = 1
	}
	return strconv.FormatFloat(value, 'f', digits, 64) + " " + [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}[unit]
}

func rateText(n int64) string {
	if n == 0 {
		return "-"
	}
	return bytesText(n) + "/s"
}

// agoText is how long ago that was: "now", "45 s", "12 min", "3 h", "5 d".
func agoText(now, then int64) string {
	if then == 0 {
		return "-"
	}
	switch s := now - then; {
	case s < 15:
		return "now"
	case s < 90:
		return strconv.FormatInt(s, 10) + " s"
	case s < 90*60:
		return strconv.FormatInt(s/60, 10) + " min"
	case s < 36*3600:
		return strconv.FormatInt(s/3600, 10) + " h"
	default:
		return strconv.FormatInt(s/86400, 10) + " d"
	}
}

func durationText(seconds int64) string {
	return (time.Duration(seconds) * time.Second).String()
}

// printable replaces what could move a cursor, hide or reorder text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// width is how many columns a text takes in a terminal.
func width(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case r >= 0x1100 && unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana), r >= 0x1f300 && r <= 0x1faff, r >= 0xff01 && r <= 0xff60:
			n += 2
		default:
			n++
		}
	}
	return n
}

// clip cuts a text to columns, with a mark where something is missing.
func clip(s string, columns int) string {
	if width(s) <= columns {
		return s
	}
	var b strings.Builder
	n := 0
	for _, r := range s {
		w := width(string(r))
		if n+w > columns-1 {
			break
		}
		b.WriteRune(r)
		n += w
	}
	return b.String() + "…"
}
