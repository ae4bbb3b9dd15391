// SPDX-License-Identifier: GPL-2.0-only

package cli_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/mezoura/mezoura/service/cli"
)

func TestBytesText(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1: "1 B", 999: "999 B", 1000: "0.98 KiB", 1024: "1.00 KiB", 1500: "1.46 KiB", 10_239: "10.0 KiB", 102_348: "99.9 KiB",
		102_400: "100 KiB", 1_022_975: "999 KiB", 1_022_976: "999 KiB", 1_023_488: "0.98 MiB", 1 << 20: "1.00 MiB", 1 << 40: "1.00 TiB", 1<<63 - 1: "8.00 EiB",
	} {
		if got := cli.BytesText(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
		if got := cli.BytesText(n); len(got) > len("99.9 KiB") {
			t.Errorf("%d is %q: too long for its column", n, got)
		}
	}
}

func TestAgoText(t *testing.T) {
	for ago, want := range map[int64]string{
		-5: "now", 0: "now", 14: "now", 15: "15 s", 89: "89 s", 90: "1 min", 5399: "89 min", 5400: "1 h", 129_599: "35 h", 129_600: "1 d", 86400 * 400: "400 d",
	} {
		if got := cli.AgoText(1_700_000_000, 1_700_000_000-ago); got != want {
			t.Errorf("%d s ago is %q, want %q", ago, got, want)
		}
	}
	if got := cli.AgoText(1_700_000_000, 0); got != "-" {
		t.Errorf("never is %q", got)
	}
}

func TestDurationText(t *testing.T) {
	for s, want := range map[int64]string{0: "0 s", 59: "59 s", 60: "1 min", 61: "1 min 1 s", 3600: "1 h", 3661: "1 h 1 min", 86400 * 3: "3 d", 86400*3 + 7200 + 5: "3 d 2 h"} {
		if got := cli.DurationText(s); got != want {
			t.Errorf("%d s are %q, want %q", s, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"laptop":                           "laptop",
		"Anna's iPhone":                    "Anna's iPhone",
		"\x1b[2J\x1b]0;title\x07":          "?[2J?]0;title?",
		"two\nlines\tand\rmore":            "two?lines?and?more",
		"a\u202eb\u2066c\u200fd":           "a?b?c?d",
		"zero\u200bwidth\ufeff":            "zero?width?",
		"c1\u009b31m":                      "c1?31m",
		"bad\xff\xfeutf8":                  "bad?utf8",
		"\u0301leading":                    "?leading",
		"cafe\u0301":                       "cafe\u0301",
		"\u2764\ufe0f":                     "\u2764",
		"\u3164\u2800\u00a0":               "???",
		"z" + strings.Repeat("\u0300", 40): "z" + strings.Repeat("\u0300", 4),
		"电视":                               "电视",
		"\x7f\x00":                         "??",
		"\U000e0041tag":                    "?tag",
		"\ue000private":                    "?private",
	} {
		if got := cli.Printable(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

func TestWidthAndClip(t *testing.T) {
	for s, want := range map[string]int{"": 0, "abc": 3, "é": 1, "cafe\u0301": 4, "电视": 4, "ｆｕｌｌ": 8, "한국": 4, "한": 2, "😀": 2, "∑": 1, "日本x": 5, "⌚": 2} {
		if got := cli.Width(s); got != want {
			t.Errorf("%q is %d columns wide, want %d", s, got, want)
		}
	}
	for _, c := range []struct {
		in      string
		columns int
		want    string
	}{{"laptop", 6, "laptop"}, {"laptop", 5, "lapt…"}, {"laptop", 1, "…"}, {"laptop", 0, ""}, {"电视机", 5, "电视…"}, {"电视机", 4, "电…"}, {"电视机", 2, "…"}} {
		if got := cli.Clip(c.in, c.columns); got != c.want {
			t.Errorf("%q in %d columns is %q, want %q", c.in, c.columns, got, c.want)
		}
	}
}

func TestWrap(t *testing.T) {
	got := cli.Wrap("software offloading is on and may hide some traffic", 20)
	want := []string{"software offloading", "is on and may hide", "some traffic"}
	if !slices.Equal(got, want) {
		t.Errorf("wrapped to %q, want %q", got, want)
	}
	if got := cli.Wrap("any length", 0); len(got) != 1 {
		t.Errorf("without a width: %q", got)
	}
	if got := cli.Wrap("", 10); len(got) != 1 {
		t.Errorf("nothing: %q", got)
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"laptop", "\x1b[31m", "a\u202eb", "\xff", strings.Repeat("\u0300", 255), "电视", "=cmd|' /C calc'!A0", " +1", "＝1"} {
		f.Add(s, 12)
	}
	f.Fuzz(func(t *testing.T, s string, columns int) {
		columns = max(columns, 0) % 200
		shown := cli.Clip(cli.Printable(s), columns)
		if !utf8.ValidString(shown) {
			t.Errorf("%q is shown as %q: no UTF-8", s, shown)
		}
		for _, r := range shown {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.In(r, unicode.Zl, unicode.Zp) {
				t.Errorf("%q is shown as %q: %U gets through", s, shown, r)
			}
		}
		if cli.Width(shown) > columns {
			t.Errorf("%q is %d columns wide, want at most %d", shown, cli.Width(shown), columns)
		}
		for _, line := range cli.Wrap(cli.Printable(s), columns) {
			if strings.Contains(line, "\n") {
				t.Errorf("%q wraps to %q", s, line)
			}
		}
		if c := strings.TrimLeft(cli.Cell(s), " "); c != "" {
			if first, _ := utf8.DecodeRuneInString(c); strings.ContainsRune("=+-@\t\r＝＋－＠", first) {
				t.Errorf("%q is the formula %q", s, c)
			}
		}
	})
}
