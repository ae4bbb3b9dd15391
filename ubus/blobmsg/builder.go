// SPDX-License-Identifier: GPL-2.0-only

package blobmsg

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Builder writes one table, attribute after attribute. The zero Builder is
// ready for use. The first error sticks and is reported by Table; inside an
// array names are left empty.
type Builder struct {
	buf  []byte
	open []int // offsets of the headers of the open tables and arrays
	err  error
}

// NewBuilder returns a Builder that appends to buf, to reuse its memory.
func NewBuilder(buf []byte) *Builder { return &Builder{buf: buf[:0]} }

// Reset forgets what was written and keeps the memory. Tables taken from the
// Builder before are overwritten by what follows.
func (b *Builder) Reset() { b.buf, b.open, b.err = b.buf[:0], b.open[:0], nil }

// Len returns the number of bytes written so far.
func (b *Builder) Len() int { return len(b.buf) }

// Table returns what was written. It shares the Builder's memory.
func (b *Builder) Table() (Table, error) {
	switch {
	case b.err != nil:
		return Table{}, b.err
	case len(b.open) != 0:
		return Table{}, fmt.Errorf("build table: %d tables or arrays left open", len(b.open))
	}
	return Table{b.buf}, nil
}

// Null writes an attribute without value.
func (b *Builder) Null(name string) { b.start(Unspec, name, 0) }

// Bool writes an int8 of 0 or 1.
func (b *Builder) Bool(name string, v bool) {
	var n int8
	if v {
		n = 1
	}
	b.Int8(name, n)
}

// Int8 writes an int8, which the ubus tool prints as a boolean.
func (b *Builder) Int8(name string, v int8) {
	if b.start(Int8, name, 1) {
		b.buf = append(b.buf, byte(v), 0, 0, 0)
	}
}

// Int16 writes an int16.
func (b *Builder) Int16(name string, v int16) {
	if b.start(Int16, name, 2) {
		b.buf = append(b.buf, byte(uint16(v)>>8), byte(v), 0, 0)
	}
}

// Int32 writes an int32.
func (b *Builder) Int32(name string, v int32) {
	if b.start(Int32, name, 4) {
		b.buf = binary.BigEndian.AppendUint32(b.buf, uint32(v))
	}
}

// Int64 writes an int64.
func (b *Builder) Int64(name string, v int64) {
	if b.start(Int64, name, 8) {
		b.buf = binary.BigEndian.AppendUint64(b.buf, uint64(v))
	}
}

// Uint64 writes an int64. A number beyond an int64 is an error: the reader
// would take it for a negative one.
func (b *Builder) Uint64(name string, v uint64) {
	if v > math.MaxInt64 {
		b.fail(fmt.Errorf("write %q: %d overflows int64", name, v))
		return
	}
	b.Int64(name, int64(v))
}

// Double writes a double.
func (b *Builder) Double(name string, v float64) {
	if b.start(Double, name, 8) {
		b.buf = binary.BigEndian.AppendUint64(b.buf, math.Float64bits(v))
	}
}

// String writes a string, cleaned as the package comment says.
func (b *Builder) String(name, v string) {
	v = clean(v)
	if b.start(String, name, len(v)+1) {
		b.buf = append(append(b.buf, v...), 0)
		b.pad()
	}
}

// OpenTable starts a table within this one; Close ends it.
func (b *Builder) OpenTable(name string) { b.openNamed(TypeTable, name) }

// OpenArray starts an array; Close ends it.
func (b *Builder) OpenArray(name string) { b.openNamed(TypeArray, name) }

// Close ends the table or array opened last.
func (b *Builder) Close() {
	if b.err != nil {
		return
	}
	if len(b.open) == 0 {
		b.fail(fmt.Errorf("build table: close without open"))
		return
	}
	at := b.open[len(b.open)-1]
	b.open = b.open[:len(b.open)-1]
	n := len(b.buf) - at
	if n > lenMask {
		b.fail(ErrTooLong)
		return
	}
	head := binary.BigEndian.Uint32(b.buf[at:])
	binary.BigEndian.PutUint32(b.buf[at:], head&^lenMask|uint32(n))
}

// AddTable writes an encoded table under a name.
func (b *Builder) AddTable(name string, t Table) {
	if b.start(TypeTable, name, len(t.body)) {
		b.buf = append(b.buf, t.body...)
	}
}

// AddArray writes an encoded array under a name.
func (b *Builder) AddArray(name string, a Array) {
	if b.start(TypeArray, name, len(a.body)) {
		b.buf = append(b.buf, a.body...)
	}
}

// Append writes the attributes of t as attributes of this table.
func (b *Builder) Append(t Table) {
	if b.err == nil {
		b.buf = append(b.buf, t.body...)
	}
}

// start writes header and name of an attribute with n bytes of value.
func (b *Builder) start(t Type, name string, n int) bool {
	name = clean(name)
	if len(name) > maxName {
		b.fail(fmt.Errorf("write name of %d bytes: %w", len(name), ErrTooLong))
	}
	if !b.header(t, nameLen(len(name)), n) {
		return false
	}
	b.buf = appendName(b.buf, name)
	return true
}

// startEncoded is start with the name as it is on the wire.
func (b *Builder) startEncoded(t Type, head string, n int) bool {
	if !b.header(t, len(head), n) {
		return false
	}
	b.buf = append(b.buf, head...)
	return true
}

func (b *Builder) header(t Type, name, n int) bool {
	total := headerLen + name + n
	if total > lenMask {
		b.fail(fmt.Errorf("write %v: %w", t, ErrTooLong))
	} else if b.err == nil {
		if cap(b.buf)-len(b.buf) < pad(total) {
			b.grow(pad(total))
		}
		b.buf = binary.BigEndian.AppendUint32(b.buf, extended|uint32(t)<<typeShift|uint32(total))
	}
	return b.err == nil
}

// grow at least doubles the memory: append's own steps of a quarter would make
// several times the message's size in garbage.
func (b *Builder) grow(n int) {
	buf := make([]byte, len(b.buf), max(2*cap(b.buf), len(b.buf)+n, 512))
	copy(buf, b.buf)
	b.buf = buf
}

func appendName(dst []byte, name string) []byte {
	dst = append(dst, byte(len(name)>>8), byte(len(name)))
	dst = append(dst, name...)
	return append(dst, zeros[:nameLen(len(name))-2-len(name)]...)
}

// integer writes an integer of the width of t.
func (b *Builder) integer(t Type, head string, n int64) {
	if b.startEncoded(t, head, t.size()) {
		b.number(t.size(), n)
	}
}

// fixed writes an integer of that many bytes after what comes before it.
func (b *Builder) fixed(before string, size int, n int64) {
	if b.err != nil {
		return
	}
	if need := len(before) + 8; cap(b.buf)-len(b.buf) < need {
		b.grow(need)
	}
	b.buf = append(b.buf, before...)
	b.number(size, n)
}

func (b *Builder) number(size int, n int64) {
	switch size {
	case 1:
		b.buf = append(b.buf, byte(n), 0, 0, 0)
	case 2:
		b.buf = append(b.buf, byte(n>>8), byte(n), 0, 0)
	case 4:
		b.buf = binary.BigEndian.AppendUint32(b.buf, uint32(n))
	default:
		b.buf = binary.BigEndian.AppendUint64(b.buf, uint64(n))
	}
}

func (b *Builder) text(head, v string) {
	v = clean(v)
	if b.startEncoded(String, head, len(v)+1) {
		b.buf = append(append(b.buf, v...), 0)
		b.pad()
	}
}

func (b *Builder) openNamed(t Type, name string) {
	at := len(b.buf)
	if len(b.open) >= maxDepth {
		b.fail(ErrDepth)
	} else if b.start(t, name, 0) {
		b.open = append(b.open, at)
	}
}

// nest opens a table or array.
func (b *Builder) nest(t Type, head string) {
	if len(b.open) >= maxDepth {
		b.fail(ErrDepth)
		return
	}
	at := len(b.buf)
	if b.startEncoded(t, head, 0) {
		b.open = append(b.open, at)
	}
}

func (b *Builder) pad() { b.buf = append(b.buf, zeros[:pad(len(b.buf))-len(b.buf)]...) }

func (b *Builder) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

const zeros = "\x00\x00\x00\x00"

// clean makes s valid UTF-8 without NUL. It costs nothing where s is that
// already, the usual case.
func clean(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
