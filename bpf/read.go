// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
)

// Entry is what one address of one host has had since the generation began, all CPUs together.
type Entry struct {
	Network  string
	MAC      [6]byte // zero on a raw IP device
	Addr     netip.Addr
	Seen     uint32 // clock at the last packet, see [Tables.SetClock]; 0 before the first
	Upload   Traffic
	Download Traffic

	key key
}

// Counts are what a reading finds.
type Counts struct {
	Entries      []Entry // valid until the next reading
	Unattributed [Reasons]struct{ Upload, Download Traffic }
	Conflicts    int // entries, of one CPU each, that are in the overflow table
}

const overflowBatch = 256 // entries asked of the kernel at a time

// settle is how long a store of one CPU may take to be seen by another; generously.
const settle = 100 * time.Microsecond

// reader keeps, over the readings of a generation, which entry each row belongs to: a row in use
// keeps its key.
type reader struct {
	generation uint32
	entries    []Entry
	byKey      map[key]int32
	byRow      []int32 // row -> entry + 1
	fresh      []int   // rows seen for the first time in this reading
	torn       []tornCounter
	keys       []overflowKey
	values     []account
	unsure     []unsure
}

func (r *reader) reset(generation uint32, rows int) {
	r.generation = generation
	clear(r.entries)
	r.entries = r.entries[:0]
	if r.byKey == nil || len(r.byKey) > 4096 {
		r.byKey = make(map[key]int32)
	}
	clear(r.byKey)
	if len(r.byRow) != rows {
		r.byRow = make([]int32, rows)
	}
	clear(r.byRow)
}

// SetClock tells the program the time, in seconds since boot, that it stamps rows with.
func (t *Tables) SetClock(seconds uint32) { atomic.StoreUint32(&t.header.Clock, seconds) }

// Read reads the half in use. Packets are counted on meanwhile: no counter is older than the call, and none is
// ever less than in the last reading of the same generation.
func (t *Tables) Read() (Counts, error) { return t.read(t.Generation()) }

// ReadGeneration reads a generation that has ended, exactly. There is one such, that before the one in use, until
// its half is cleared.
func (t *Tables) ReadGeneration(generation uint32) (Counts, error) { return t.read(generation) }

func (t *Tables) read(generation uint32) (Counts, error) {
	var c Counts
	r, h := &t.reader, t.header
	if r.byRow == nil || r.generation != generation {
		r.reset(generation, int(t.cpus*t.slots))
	}
	for i := range r.entries {
		e := &r.entries[i]
		e.Upload, e.Download, e.Seen = Traffic{}, Traffic{}, 0
	}
	r.fresh, r.torn = r.fresh[:0], r.torn[:0]
	clock := atomic.LoadUint32(&h.Clock)

	areaSize := int(h.area() * h.RowSize)
	half := int(generation & 1)
	for cpu := 0; cpu < int(t.cpus); cpu++ {
		area := t.rowMem[(half*int(t.cpus)+cpu)*areaSize:][:areaSize]
		for reason := 0; reason < int(h.Reasons); reason++ {
			u := &c.Unattributed[min(reason, len(c.Unattributed)-1)]
			a := t.account(area, reason)
			r.add(&u.Upload, a, h.UploadOffset)
			r.add(&u.Download, a, h.DownloadOffset)
		}
		for slot := 0; slot < int(t.slots); slot++ {
			at := (int(h.Reasons) + slot) * int(h.RowSize)
			if area[at+int(h.KeyOffset)+keySize-1] == 0 {
				continue
			}
			n := cpu*int(t.slots) + slot
			if i := r.byRow[n]; i != 0 {
				t.addAccount(&r.entries[i-1], area[at+int(h.AccountOffset):], clock)
			} else {
				r.fresh = append(r.fresh, n)
			}
		}
	}
	r.settle() // before entries are added: it knows them by where they are
	if len(r.fresh) > 0 {
		time.Sleep(settle)
		for _, n := range r.fresh {
			var k key
			row := t.rowMem[t.rowOf(half, n):]
			copyKey(&k, row[h.KeyOffset:])
			r.byRow[n] = t.entry(k, row[h.AccountOffset+h.NetworkOffset]) + 1
		}
		for _, n := range r.fresh {
			t.addAccount(&r.entries[r.byRow[n]-1], t.rowMem[t.rowOf(half, n)+int(h.AccountOffset):], clock)
		}
		r.settle()
	}
	err := t.readOverflow(&c, half, clock)
	c.Entries = r.entries
	return c, err
}

// rowOf is where the n-th host row of a half is, counted without those for reasons.
func (t *Tables) rowOf(half, n int) int {
	cpu, slot := n/int(t.slots), n%int(t.slots)
	h := t.header
	return ((half*int(t.cpus)+cpu)*int(h.area()) + int(h.Reasons) + slot) * int(h.RowSize)
}

func (t *Tables) account(area []byte, row int) []byte {
	return area[row*int(t.header.RowSize)+int(t.header.AccountOffset):]
}

// entry finds or makes the entry of a key.
func (t *Tables) entry(k key, network uint8) int32 {
	r := &t.reader
	i, ok := r.byKey[k]
	if !ok {
		i = int32(len(r.entries))
		r.byKey[k] = i
		r.entries = append(r.entries, Entry{Network: t.networkName(network), MAC: k.MAC, Addr: k.addr(), key: k})
	}
	return i
}

// addAccount adds what a row or an overflow entry has.
func (t *Tables) addAccount(e *Entry, a []byte, clock uint32) {
	h, r := t.header, &t.reader
	r.add(&e.Upload, a, h.UploadOffset)
	r.add(&e.Download, a, h.DownloadOffset)
	if e.Upload.Packets|e.Download.Packets != 0 {
		e.see(binary.NativeEndian.Uint16(a[h.SeenOffset:]), clock)
	}
}

// see takes a stamp of 16 bits for the latest time that it can mean.
func (e *Entry) see(stamp uint16, clock uint32) {
	age := uint32(uint16(clock) - stamp)
	if age > clock {
		age = clock
	}
	if seen := clock - age; seen > e.Seen {
		e.Seen = seen
	}
}

// add adds counters that their program may be writing to.
func (r *reader) add(to *Traffic, account []byte, offset uint32) {
	p := unsafe.Pointer(&account[offset])
	q := unsafe.Add(p, 8)
	bytes, torn := loadCounter(p)
	packets, torn2 := loadCounter(q)
	if tears && (bytes == 0) != (packets == 0) { // one may have just passed its end
		torn, torn2 = true, true
	}
	to.Bytes += bytes
	to.Packets += packets
	if torn {
		r.torn = append(r.torn, tornCounter{at: p, read: bytes, sum: &to.Bytes})
	}
	if torn2 {
		r.torn = append(r.torn, tornCounter{at: q, read: packets, sum: &to.Packets})
	}
}

// settle reads counters again that may have been torn, until they are whole.
func (r *reader) settle() {
	for len(r.torn) > 0 {
		time.Sleep(settle)
		left := r.torn[:0]
		for i := range r.torn {
			if c := &r.torn[i]; !c.again() {
				left = append(left, *c)
			}
		}
		r.torn = left
	}
}

func (t *Tables) readOverflow(c *Counts, half int, clock uint32) error {
	m, r := t.overflow[half], &t.reader
	visit := func(k *key, network uint8, v []byte) {
		i := t.entry(*k, network)
		t.addCopied(&r.entries[i], v, clock)
		c.Conflicts++
	}
	r.unsure = r.unsure[:0]
	if m.KeySize() != uint32(unsafe.Sizeof(overflowKey{})) || m.ValueSize() != uint32(unsafe.Sizeof(account{})) {
		return t.readForeignOverflow(m, visit)
	}
	if r.keys == nil {
		r.keys, r.values = make([]overflowKey, overflowBatch), make([]account, overflowBatch)
	}
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookup(&cursor, r.keys, r.values, nil)
		for i := 0; i < n; i++ {
			v := (*[unsafe.Sizeof(account{})]byte)(unsafe.Pointer(&r.values[i]))
			visit(&r.keys[i].Key, r.values[i].Network, v[:])
			if tears && (r.values[i].Upload.torn() || r.values[i].Download.torn()) {
				r.unsure = append(r.unsure, unsure{r.keys[i], r.byKey[r.keys[i].Key], r.values[i]})
			}
		}
		switch {
		case err == nil:
			continue
		case errors.Is(err, ebpf.ErrKeyNotExist):
			return r.settleOverflow(m)
		}
		return fmt.Errorf("read overflow table: %w", err)
	}
}

// readForeignOverflow reads the overflow table of another layout, which nothing writes to any more.
func (t *Tables) readForeignOverflow(m *ebpf.Map, visit func(*key, uint8, []byte)) error {
	var kb, vb []byte
	var k key
	entries := m.Iterate()
	for entries.Next(&kb, &vb) {
		copyKey(&k, kb)
		visit(&k, vb[t.header.NetworkOffset], vb)
	}
	if err := entries.Err(); err != nil {
		return fmt.Errorf("read overflow table: %w", err)
	}
	return nil
}

// addCopied adds the counters of a value that the kernel has copied out.
func (t *Tables) addCopied(e *Entry, v []byte, clock uint32) {
	h := t.header
	for i, to := range []*Traffic{&e.Upload, &e.Download} {
		at := h.UploadOffset
		if i == 1 {
			at = h.DownloadOffset
		}
		to.Bytes += binary.NativeEndian.Uint64(v[at:])
		to.Packets += binary.NativeEndian.Uint64(v[at+8:])
	}
	if e.Upload.Packets|e.Download.Packets != 0 {
		e.see(binary.NativeEndian.Uint16(v[h.SeenOffset:]), clock)
	}
}

func copyKey(k *key, from []byte) {
	copy(k.Addr[:], from[0:16])
	copy(k.MAC[:], from[16:22])
	k.Segment, k.Family = from[22], from[23]
}

func (k *key) addr() netip.Addr {
	if k.Family == familyIPv4 {
		return netip.AddrFrom4([4]byte(k.Addr[12:]))
	}
	return netip.AddrFrom16(k.Addr)
}
