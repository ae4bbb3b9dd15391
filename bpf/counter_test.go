// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"encoding/binary"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// halves is a counter as a 32-bit machine writes it: two stores, and time between them.
type halves struct {
	word    [2]uint32
	loFirst bool
}

func (h *halves) at(low bool) *uint32 {
	first := binary.NativeEndian.Uint16([]byte{1, 0}) == 1
	if low == first {
		return &h.word[0]
	}
	return &h.word[1]
}

func (h *halves) store(v uint64, pause func()) {
	lo, hi := h.at(true), h.at(false)
	if h.loFirst {
		atomic.StoreUint32(lo, uint32(v))
		pause()
		atomic.StoreUint32(hi, uint32(v>>32))
	} else {
		atomic.StoreUint32(hi, uint32(v>>32))
		pause()
		atomic.StoreUint32(lo, uint32(v))
	}
}

// TestTornCounter stops a writer between its stores. What is read then may be wrong, but only if it is called torn.
func TestTornCounter(t *testing.T) {
	for _, loFirst := range []bool{true, false} {
		for _, c := range [][2]uint64{
			{0, 60}, {60, 120}, {1<<32 - 1500, 1<<32 + 14}, {1<<32 - 1, 1 << 32}, {3<<32 - 60000, 3<<32 + 5500},
			{1 << 32, 1<<32 + 1500}, {5<<32 + 1<<31, 5<<32 + 1<<31 + 1500}, {7<<32 - 9000, 7<<32 - 7500},
		} {
			h := &halves{loFirst: loFirst}
			h.store(c[0], func() {})
			p := unsafe.Pointer(&h.word)
			if v, _ := loadHalves(p); v != c[0] {
				t.Errorf("%#x is read as %#x", c[0], v)
			}
			h.store(c[1], func() {
				v, torn := loadHalves(p)
				if !torn && v != c[0] && v != c[1] && v != 0 {
					t.Errorf("between %#x and %#x, %#x is called whole", c[0], c[1], v)
				}
			})
			if v, _ := loadHalves(p); v != c[1] {
				t.Errorf("%#x is read as %#x", c[1], v)
			}
		}
	}
}

// TestTornCounterUnderLoad reads a counter that a goroutine writes in halves as fast as it can, by the largest steps.
func TestTornCounterUnderLoad(t *testing.T) {
	for _, loFirst := range []bool{true, false} {
		h := &halves{loFirst: loFirst}
		var begun, done atomic.Uint64 // the writer's value, before and after its stores
		var stop atomic.Bool
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for v := uint64(1) << 33; !stop.Load(); v += nearEnd - 1 {
				begun.Store(v)
				h.store(v, func() {})
				done.Store(v)
			}
		}()
		whole, torn := 0, 0
		start := time.Now()
		for reads := 0; ; reads++ {
			if took := time.Since(start); took > 10*time.Second || took > 300*time.Millisecond && torn > 0 && whole > 100 {
				break
			}
			if reads%64 == 0 {
				runtime.Gosched()
			}
			low := done.Load()
			v, is := loadHalves(unsafe.Pointer(&h.word))
			if high := begun.Load(); is {
				torn++
			} else if whole++; v != 0 && (v < low || v > high) {
				t.Errorf("low first %v: read %#x, the writer was between %#x and %#x", loFirst, v, low, high)
				break
			}
		}
		stop.Store(true)
		<-ended
		if whole < 100 || torn == 0 {
			t.Errorf("%d readings whole, %d torn: too few to prove anything", whole, torn)
		}
	}
}

// TestTornCounterIsMended goes through the stores of many packets one by one, and reads at every one of them. Whatever
// it begins with, it ends with what the writer had at the last reading or was just writing.
func TestTornCounterIsMended(t *testing.T) {
	for _, loFirst := range []bool{true, false} {
		for _, start := range []uint64{1<<32 - 20*1500 + 7, 7<<32 - 20*1500 + 1, 1000} {
			var memory []halves // after each store
			var before, after []uint64
			h := halves{loFirst: loFirst}
			h.store(start, func() {})
			for v := start; len(memory) < 120; v += 1500 {
				note := func(b uint64) func() {
					return func() { memory, before, after = append(memory, h), append(before, b), append(after, v) }
				}
				h.store(v, note(max(v, start+1500)-1500))
				memory, before, after = append(memory, h), append(before, v), append(after, v)
			}
			for first := range memory[:60] {
				for _, step := range []int{2, 3, 7} { // a reader's pause is longer than a writer's
					m := memory[first]
					value, torn := loadHalves(unsafe.Pointer(&m.word))
					sum, at := value, first
					c := tornCounter{unsafe.Pointer(&m.word), value, &sum}
					for whole := !torn; !whole; whole = c.again() {
						at += step
						m = memory[at]
					}
					if sum < before[at] || sum > after[at] {
						t.Fatalf("low first %v, from store %d by %d: ends with %#x, the writer was between %#x and %#x",
							loFirst, first, step, sum, before[at], after[at])
					}
				}
			}
		}
	}
}

// TestReaderMends: the reader adds what a writer leaves half done, and is right once that is whole, also where both
// counters of a pair need it more than once.
func TestReaderMends(t *testing.T) {
	var account [4]uint32
	var memory = (*[16]byte)(unsafe.Pointer(&account))
	set := func(bytes, packets uint64) {
		binary.NativeEndian.PutUint64(memory[0:], bytes)
		binary.NativeEndian.PutUint64(memory[8:], packets)
	}
	var to Traffic
	r := &reader{}
	for i, at := range []int{0, 8} {
		sum := []*uint64{&to.Bytes, &to.Packets}[i]
		*sum = 100 // upper half still to come
		r.torn = append(r.torn, tornCounter{unsafe.Pointer(&memory[at]), 100, sum})
	}
	set(1<<32+100, 1<<32+200)
	done := make(chan struct{})
	go func() { r.settle(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("never whole")
	}
	if to != (Traffic{1<<32 + 100, 1<<32 + 200}) {
		t.Errorf("%+v", to)
	}
	if len(r.torn) != 0 {
		t.Errorf("%d are left", len(r.torn))
	}
}

// TestOverflowIsMended: what was copied half written is looked up again; the sum has what the other CPUs have, too.
func TestOverflowIsMended(t *testing.T) {
	tables := newTables(t, Size{Addresses: 64, CPUs: possibleCPUs(t)})
	whole := account{Upload: Traffic{1<<32 + 60, 3000000}, Download: Traffic{500, 5}}
	k := overflowKey{Key: keyOfHost(3)}
	if err := tables.overflow[0].Put(&k, &whole); err != nil {
		t.Fatal(err)
	}
	copied := whole
	copied.Upload.Bytes = 60
	if !copied.Upload.torn() || copied.Download.torn() || !(&Traffic{5<<32 + 9, 1 << 30}).torn() || (&Traffic{1 << 31, 1 << 22}).torn() {
		t.Error("torn counters are not told from whole ones")
	}
	r := &reader{
		entries: []Entry{{}, {Upload: Traffic{1000 + 60, 10 + 3000000}, Download: Traffic{500, 5}}},
		unsure:  []unsure{{k, 1, copied}},
	}
	if err := r.settleOverflow(tables.overflow[0]); err != nil {
		t.Fatal(err)
	}
	e := r.entries[1]
	if e.Upload != (Traffic{1<<32 + 1060, 3000010}) || e.Download != whole.Download {
		t.Errorf("%+v", e)
	}
}
