// SPDX-License-Identifier: GPL-2.0-only

package account

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"time"
	"unicode/utf8"
)

// The persisted form is
//
//	"MZBK", version byte, payload, CRC-32C of all before (little endian)
//
// and the payload, all numbers as varints, signed ones zigzag:
//
//	saved (Unix ms), started, generation, refused (0, 1)
//	reasons:  count, { name, counters }
//	networks: count, { name, gone, other,
//	  hosts: count, { MAC (6 bytes), first, last, refused (0, 1), has-rest (0, 1), [ 2 x counters ],
//	    addresses: count, { 4 or 6, the address (4 or 16 bytes), counters, last } } }
//
// counters are four signed numbers; times are ms before saved. What is live is
// left out: the kernel's tables still have it. No name of a host is ever written.
const (
	magic   = "MZBK"
	version = 1

	maxName = 255
)

// What UnmarshalBinary refuses.
var (
	ErrVersion = errors.New("unknown version")
	ErrCorrupt = errors.New("corrupt")
)

// MarshalBinary returns the book without what is live. It never fails.
func (b *Book) MarshalBinary() ([]byte, error) {
	return b.AppendBinary(make([]byte, 0, 256+48*b.hosts+40*b.addresses))
}

// AppendBinary appends what MarshalBinary returns.
func (b *Book) AppendBinary(p []byte) ([]byte, error) {
	start := len(p)
	p = append(p, magic...)
	p = append(p, version)
	saved := max(unixNano(b.now), 0) / int64(time.Millisecond)
	ago := func(p []byte, nano int64) []byte {
		return binary.AppendVarint(p, saved-max(nano, 0)/int64(time.Millisecond))
	}
	p = binary.AppendVarint(p, saved)
	p = ago(p, unixNano(b.started))
	p = binary.AppendUvarint(p, b.generation)
	p = appendBool(p, b.refused == b.epoch)

	p = binary.AppendUvarint(p, uint64(len(b.reasons)))
	for _, r := range b.reasons {
		p = appendString(p, r.name)
		p = appendCounters(p, r.closed)
	}
	p = binary.AppendUvarint(p, uint64(len(b.networks)))
	for _, n := range b.networks {
		p = appendString(p, n.name)
		p = appendCounters(p, n.gone)
		p = appendCounters(p, n.other.closed)
		p = binary.AppendUvarint(p, uint64(len(n.list)))
		for _, d := range n.list {
			p = append(p, d.key.mac[:]...)
			p = ago(p, d.first)
			p = ago(p, d.last)
			p = appendBool(p, d.refused == b.epoch)
			p = appendBool(p, d.rest != nil)
			if d.rest != nil {
				for f := range d.rest {
					p = appendCounters(p, d.rest[f].closed)
				}
			}
			p = binary.AppendUvarint(p, uint64(len(d.addrs)))
			for _, a := range d.addrs {
				if a.is6 {
					p = append(p, 6)
					p = append(p, a.ip[:]...)
				} else {
					p = append(p, 4)
					p = append(p, a.ip[12:]...)
				}
				p = appendCounters(p, a.closed)
				p = ago(p, a.last)
			}
		}
	}
	return binary.LittleEndian.AppendUint32(p, crc32.Checksum(p[start:], castagnoli())), nil
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func appendBool(p []byte, v bool) []byte {
	if v {
		return append(p, 1)
	}
	return append(p, 0)
}

func appendString(p []byte, s string) []byte {
	return append(binary.AppendUvarint(p, uint64(len(s))), s...)
}

func appendCounters(p []byte, c Counters) []byte {
	for _, v := range [...]uint64{c.Download.Bytes, c.Download.Packets, c.Upload.Bytes, c.Upload.Packets} {
		p = binary.AppendVarint(p, int64(v))
	}
	return p
}

// UnmarshalBinary replaces the book's content, not its limits, by what
// MarshalBinary wrote. On error the book is as it was. The first Observe after
// it adds what is live: publish nothing before.
//
// What is beyond the limits folds as it would have while running.
func (b *Book) UnmarshalBinary(p []byte) error {
	if len(p) < len(magic)+1+4 || string(p[:len(magic)]) != magic {
		return fmt.Errorf("read book: no book: %w", ErrCorrupt)
	}
	body, sum := p[:len(p)-4], binary.LittleEndian.Uint32(p[len(p)-4:])
	if p[len(magic)] != version {
		return fmt.Errorf("read book: version %d: %w", p[len(magic)], ErrVersion)
	}
	if crc32.Checksum(body, castagnoli()) != sum {
		return fmt.Errorf("read book: checksum differs: %w", ErrCorrupt)
	}
	n := NewBook(b.limits)
	r := reader{p: body[len(magic)+1:]}
	r.book(n)
	if r.err == nil && len(r.p) > 0 {
		r.fail("%d bytes too many", len(r.p))
	}
	if r.err != nil {
		return fmt.Errorf("read book: %w", r.err)
	}
	*b = *n
	return nil
}

// reader takes values off the front of p. After the first error it returns
// zeros, and no loop goes on.
type reader struct {
	p     []byte
	saved int64
	err   error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format+": %w", append(args, ErrCorrupt)...)
		r.p = nil
	}
}

func (r *reader) book(b *Book) {
	r.saved = r.varint()
	if r.saved < 0 || r.saved > 1<<43 {
		r.fail("saved at %d ms", r.saved)
		return
	}
	if r.saved > 0 {
		b.now = time.UnixMilli(r.saved)
	}
	if started := r.time(); started > 0 {
		b.started = time.Unix(0, started)
	}
	b.generation = r.uvarint()
	if r.bool() {
		b.refused = b.epoch
	}
	for i := r.count(5); i > 0 && r.err == nil; i-- {
		t := b.reason(r.name())
		if t.closed != (Counters{}) {
			r.fail("reason %q twice", t.name)
		}
		t.closed = r.counters()
		t.settle()
	}
	for i := r.count(10); i > 0 && r.err == nil; i-- {
		name, networks := r.name(), len(b.networks)
		n := b.network(name)
		if len(b.networks) == networks {
			r.fail("network %q twice", name)
		}
		r.network(b, n)
	}
	b.restored = true
	b.sum()
}

func (r *reader) network(b *Book, n *network) {
	n.gone = r.counters()
	n.other.closed = r.counters()
	n.other.settle()
	for i := r.count(10); i > 0 && r.err == nil; i-- {
		var key hostKey
		copy(key.mac[:], r.bytes(len(key.mac)))
		d := &device{net: n, key: key, first: r.time(), last: r.time()}
		if r.bool() {
			d.refused = b.epoch
		}
		if r.bool() {
			for f := range families {
				*d.remainder(f) = tally{closed: r.counters()}
			}
		}
		for j := r.count(10); j > 0 && r.err == nil; j-- {
			r.address(b, d)
		}
		if r.err != nil {
			return
		}
		if key.mac.IsZero() {
			if len(d.addrs) != 1 {
				r.fail("raw IP host with %d addresses", len(d.addrs))
				return
			}
			d.key.ip = d.addrs[0].ip
		}
		if n.devices[d.key] != nil {
			r.fail("host %s twice", d.key.mac)
			return
		}
		d.settle()
		b.addresses += len(d.addrs)
		if b.hosts >= b.limits.Hosts {
			b.addresses -= len(d.addrs)
			d.each(func(t *tally) { n.gone.add(t.closed) })
			continue
		}
		n.devices[d.key] = d
		n.list = append(n.list, d)
		b.hosts++
		n.messy = true
	}
	n.sort()
}

func (r *reader) address(b *Book, d *device) {
	a := &address{dev: d, is6: true}
	switch kind := r.byte(); kind {
	case 6:
		copy(a.ip[:], r.bytes(16))
		if bytes.HasPrefix(a.ip[:], []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}) {
			r.fail("IPv4 address %x as IPv6", a.ip)
			return
		}
	case 4:
		a.is6 = false
		a.ip[10], a.ip[11] = 0xff, 0xff
		copy(a.ip[12:], r.bytes(4))
	default:
		r.fail("address of kind %d", kind)
		return
	}
	a.closed = r.counters()
	a.last = r.time()
	if r.err != nil {
		return
	}
	a.settle()
	i, twice := d.find(a.ip, a.is6)
	switch {
	case twice:
		r.fail("address %s twice", a.addr())
	case !d.key.mac.IsZero() && (len(d.addrs) >= b.limits.AddressesPerHost || b.addresses+len(d.addrs) >= b.limits.Addresses):
		d.remainder(a.family()).closed.add(a.closed)
	default:
		d.addrs = slices.Insert(d.addrs, i, a)
	}
}

func (r *reader) bytes(n int) []byte {
	if len(r.p) < n {
		r.fail("cut short")
		return nil
	}
	v := r.p[:n]
	r.p = r.p[n:]
	return v
}

func (r *reader) byte() byte {
	if v := r.bytes(1); v != nil {
		return v[0]
	}
	return 0
}

func (r *reader) bool() bool {
	v := r.byte()
	if v > 1 {
		r.fail("truth value %d", v)
	}
	return v == 1
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.p)
	if n <= 0 {
		r.fail("cut short")
		return 0
	}
	r.p = r.p[n:]
	return v
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.p)
	if n <= 0 {
		r.fail("cut short")
		return 0
	}
	r.p = r.p[n:]
	return v
}

// count reads how many items of at least size bytes follow.
func (r *reader) count(size int) int {
	n := r.uvarint()
	if n > uint64(len(r.p)/size) {
		r.fail("count %d", n)
		return 0
	}
	return int(n)
}

func (r *reader) name() string {
	n := r.uvarint()
	if n > maxName {
		r.fail("name of %d bytes", n)
		return ""
	}
	s := string(r.bytes(int(n)))
	if !utf8.ValidString(s) {
		r.fail("name %q", s)
	}
	return s
}

func (r *reader) counters() (c Counters) {
	for _, v := range [...]*uint64{&c.Download.Bytes, &c.Download.Packets, &c.Upload.Bytes, &c.Upload.Packets} {
		*v = uint64(r.varint())
	}
	return c
}

// time reads an instant as Unix nanoseconds; one outside 1970 to 2248 is refused.
func (r *reader) time() int64 {
	ago := r.varint()
	ms := r.saved - ago
	if ago > r.saved || ago < r.saved-1<<43 {
		r.fail("time %d ms before %d", ago, r.saved)
		return 0
	}
	return ms * int64(time.Millisecond)
}
