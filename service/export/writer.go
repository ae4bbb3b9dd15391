// SPDX-License-Identifier: GPL-2.0-only

package export

import (
	"io"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mezoura/mezoura/service/account"
)

// Format is an exposition format.
type Format int

// The formats this package writes.
const (
	Text        Format = iota // Prometheus text 0.0.4
	OpenMetrics               // OpenMetrics 1.0.0
)

// ContentType is what goes into the HTTP header of the name.
func (f Format) ContentType() string {
	if f == OpenMetrics {
		return "application/openmetrics-text; version=1.0.0; charset=utf-8"
	}
	return "text/plain; version=0.0.4; charset=utf-8"
}

// flushAt is how much is collected before it is written.
const flushAt = 16 << 10

// writer writes an exposition. It needs no memory but its buffer. The first
// error sticks, and nothing is written after it.
type writer struct {
	to     io.Writer
	format Format
	buf    []byte
	name   string // of the series of the family begun last
	sep    byte
	err    error
}

// kind is the type of a family.
type kind string

const (
	counter kind = "counter"
	gauge   kind = "gauge"
)

// family begins a family of our own. A counter's name is without _total,
// as OpenMetrics wants the family called.
func (w *writer) family(name, help string, k kind) {
	w.name = name
	if k == counter {
		w.name += "_total"
	}
	header := w.name
	if w.format == OpenMetrics {
		header = name
	}
	w.meta("# HELP ", header, help)
	w.meta("# TYPE ", header, string(k))
}

// original begins a family of the original's, type first, as it did.
func (w *writer) original(name, help string) {
	w.name = name
	w.meta("# TYPE ", name, string(gauge))
	w.meta("# HELP ", name, help)
}

func (w *writer) meta(what, name, text string) {
	w.buf = append(w.buf, what...)
	w.buf = append(w.buf, name...)
	w.buf = append(w.buf, ' ')
	w.buf = append(w.buf, text...)
	w.buf = append(w.buf, '\n')
}

// series begins a series of the family; labels follow, and value ends it.
func (w *writer) series() {
	w.buf = append(w.buf, w.name...)
	w.sep = '{'
}

func (w *writer) open(label string) {
	w.buf = append(w.buf, w.sep)
	w.sep = ','
	w.buf = append(w.buf, label...)
	w.buf = append(w.buf, '=', '"')
}

func (w *writer) label(name, value string) {
	w.open(name)
	w.escape(value)
	w.buf = append(w.buf, '"')
}

// escape appends a label's value. Host names are chosen by the hosts: whatever
// is in them, the line stays a line and the file stays UTF-8.
func (w *writer) escape(s string) {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\\', '"':
			w.buf = append(w.buf, '\\', c)
		case '\n':
			w.buf = append(w.buf, '\\', 'n')
		default:
			w.buf = append(w.buf, c)
		}
	}
}

func (w *writer) mac(name string, m account.MAC) {
	w.open(name)
	w.buf = append(m.AppendUpper(w.buf), '"')
}

func (w *writer) ip(name string, a netip.Addr) {
	w.open(name)
	w.buf = append(a.AppendTo(w.buf), '"')
}

// value ends a series. Numbers are written whole, as the original did.
func (w *writer) value(v uint64) {
	if w.sep == ',' {
		w.buf = append(w.buf, '}')
	}
	w.buf = append(w.buf, ' ')
	w.buf = strconv.AppendUint(w.buf, v, 10)
	w.buf = append(w.buf, '\n')
	if len(w.buf) >= flushAt {
		w.flush()
	}
}

func (w *writer) flush() {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.to.Write(w.buf)
	}
	w.buf = w.buf[:0]
}

// end writes what is left and returns the first error.
func (w *writer) end() error {
	if w.format == OpenMetrics {
		w.buf = append(w.buf, "# EOF\n"...)
	}
	w.flush()
	return w.err
}
