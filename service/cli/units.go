// SPDX-License-Identifier: GPL-2.0-only

package cli

import (
	"strconv"
	"time"
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

// rateText is bytes in a second, below a title that says so.
func rateText(n int64) string {
	if n == 0 {
		return "-"
	}
	return bytesText(n)
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

// durationText is a span of time with its two largest units: "42 s", "3 min 10 s", "2 d 4 h".
func durationText(seconds int64) string {
	units := []struct {
		name string
		size int64
	}{{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}}
	for i, u := range units {
		n := seconds / u.size
		if n == 0 && u.size > 1 {
			continue
		}
		text := strconv.FormatInt(n, 10) + " " + u.name
		if i+1 < len(units) {
			if rest := seconds % u.size / units[i+1].size; rest > 0 {
				text += " " + strconv.FormatInt(rest, 10) + " " + units[i+1].name
			}
		}
		return text
	}
	return ""
}

// dateText is a time of the daemon's where we are.
func dateText(unix int64) string {
	if unix == 0 {
		return "-"
	}
	return time.Unix(unix, 0).Format("2006-01-02 15:04")
}

// count is "1 host", "2 hosts".
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}
