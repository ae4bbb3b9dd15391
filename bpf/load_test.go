// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load runs frames on every CPU until it is stopped, each in turn, and knows how often each has run.
type load struct {
	stop    atomic.Bool
	workers sync.WaitGroup
	ran     []atomic.Uint64 // by frame
	err     atomic.Pointer[error]
}

// startLoad runs h's program on the frames. Each worker has one CPU.
func startLoad(t *testing.T, tables *Tables, h hook, frames [][]byte) *load {
	t.Helper()
	l := &load{ran: make([]atomic.Uint64, len(frames))}
	for _, cpu := range onlineCPUs(t) {
		run := loaded(t, tables, h)
		l.workers.Add(1)
		go func() {
			defer l.workers.Done()
			onCPU(t, cpu)
			for !l.stop.Load() {
				for i, f := range frames {
					if err := run.run(packet{frame: f}); err != nil {
						l.err.CompareAndSwap(nil, &err)
						return
					}
					l.ran[i].Add(1)
				}
			}
		}()
	}
	t.Cleanup(func() { l.end(t) })
	return l
}

// pass waits until each frame has run some times more, at least once from beginning to end.
func (l *load) pass(t *testing.T) {
	t.Helper()
	var targets []uint64
	for i := range l.ran {
		targets = append(targets, l.ran[i].Load()+16)
	}
	deadline := time.Now().Add(20 * time.Second)
	for i, target := range targets {
		for ; l.ran[i].Load() < target; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the load does not run")
			}
		}
	}
}

func (l *load) end(t *testing.T) {
	t.Helper()
	l.stop.Store(true)
	l.workers.Wait()
	if err := l.err.Load(); err != nil {
		t.Errorf("run under load: %v", *err)
	}
}

// totals is a small book: what the daemon does with generations.
type totals struct {
	closed, live map[hostKey]Traffic
	published    map[hostKey]Traffic
}

func newTotals() *totals {
	return &totals{map[hostKey]Traffic{}, map[hostKey]Traffic{}, map[hostKey]Traffic{}}
}

func (b *totals) observe(t *testing.T, c Counts) {
	clear(b.live)
	for _, e := range c.Entries {
		b.live[hostKey{e.Addr, e.MAC, 0}] = e.Upload
	}
	b.publish(t)
}

func (b *totals) close(t *testing.T, c Counts) {
	clear(b.live)
	for _, e := range c.Entries {
		k := hostKey{e.Addr, e.MAC, 0}
		b.closed[k] = Traffic{b.closed[k].Bytes + e.Upload.Bytes, b.closed[k].Packets + e.Upload.Packets}
	}
	b.publish(t)
}

func (b *totals) publish(t *testing.T) {
	for k, last := range b.published {
		now := b.total(k)
		if now.Bytes < last.Bytes || now.Packets < last.Packets {
			t.Errorf("%v goes from %+v back to %+v", k.addr, last, now)
		}
	}
	for _, m := range []map[hostKey]Traffic{b.closed, b.live} {
		for k := range m {
			b.published[k] = b.total(k)
		}
	}
}

func (b *totals) total(k hostKey) Traffic {
	return Traffic{b.closed[k].Bytes + b.live[k].Bytes, b.closed[k].Packets + b.live[k].Packets}
}

// refuses tells that the kernel may have no memory for a new entry of the overflow table: since 6.1 a program takes it from
// a small stock, which kernels for MIPS refill with the next tick only. The packet is counted as table_full then.
const refuses = runtime.GOARCH == "mips" || runtime.GOARCH == "mipsle" || runtime.GOARCH == "mips64le"

func more(a, b Traffic) Traffic { return Traffic{a.Bytes + b.Bytes, a.Packets + b.Packets} }

// TestRotateUnderLoad: generations change while all CPUs count. No total ever goes backwards, and in the end each
// packet has been counted once.
func TestRotateUnderLoad(t *testing.T) {
	tables := newTables(t, Size{Addresses: 256, CPUs: possibleCPUs(t)})
	mustApply(t, tables, vectorRules())
	var frames [][]byte
	for i := range 300 { // more than rows, so that some are in the overflow table
		addr := netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)}).String()
		frames = append(frames, shape{from: addr, to: "8.8.8.8", payload: 20 + i}.build())
	}
	l := startLoad(t, tables, hook{variant: upload}, frames)
	b := newTotals()
	var refused, missing Traffic
	start, rotations, least := time.Now(), 0, 4*time.Second
	if testing.Short() {
		least = time.Second
	}
	enough := func() bool {
		packets := uint64(0)
		for i := range frames {
			packets += l.ran[i].Load()
		}
		return rotations >= 5 && packets >= 1000 || time.Since(start) > time.Minute // busy machines that are emulated
	}
	for (time.Since(start) < least || !enough()) && !t.Failed() {
		for range 3 {
			b.observe(t, mustRead(t, tables))
		}
		c := mustRead(t, tables)
		b.observe(t, c)
		var keep []Entry // a part, another each time
		for i, e := range c.Entries {
			if i%3 == rotations%3 {
				keep = append(keep, e)
			}
		}
		ended, err := tables.Rotate(keep)
		if err != nil {
			t.Fatal(err)
		}
		old, err := tables.ReadGeneration(ended)
		if err != nil {
			t.Fatal(err)
		}
		up, _ := sum(old)
		b.close(t, old)
		refused = more(refused, old.Unattributed[TableFull].Upload)
		b.observe(t, mustRead(t, tables))
		again, err := tables.ReadGeneration(ended)
		if err != nil {
			t.Fatal(err)
		}
		if up2, _ := sum(again); up2 != up {
			t.Errorf("generation %d has ended and goes from %+v to %+v", ended, up, up2)
		}
		if err := tables.Clear(); err != nil {
			t.Fatal(err)
		}
		rotations++
	}
	l.end(t)
	last := mustRead(t, tables)
	b.observe(t, last)
	refused = more(refused, last.Unattributed[TableFull].Upload)
	packets := uint64(0)
	for i, f := range frames {
		n := l.ran[i].Load()
		packets += n
		k := keyOf(f)
		want := Traffic{n * uint64(len(f)), n}
		got := b.total(hostKey{k.addr(), k.MAC, 0})
		if got != want && !refuses {
			t.Errorf("%v: %+v, expected %+v", k.addr(), got, want)
		}
		missing = more(missing, Traffic{want.Bytes - got.Bytes, want.Packets - got.Packets})
	}
	if missing != refused || missing.Packets > packets/50 {
		t.Errorf("%+v is missing of %d packets, %+v was counted as %s", missing, packets, refused, TableFull)
	}
	t.Logf("%d rotations, %d packets", rotations, packets)
	if rotations < 5 || packets < 1000 { // on emulated machines it is a few thousand
		t.Errorf("%d rotations, %d packets: too few to prove anything", rotations, packets)
	}
}

// TestSeeds: who keeps a row has it on every CPU before its first packet, and nobody else gets it.
func TestSeeds(t *testing.T) {
	tables := newTables(t, Size{Addresses: 256, CPUs: possibleCPUs(t)})
	mustApply(t, tables, vectorRules())
	cpus := onlineCPUs(t)
	onCPU(t, cpus[0])
	run := loaded(t, tables, hook{variant: upload})
	var frames [][]byte
	for i := range 400 {
		f := shape{from: fmt.Sprintf("10.9.%d.%d", i/256, i%256), to: "8.8.8.8"}.build()
		frames = append(frames, f)
		mustRun(t, run, packet{frame: f})
	}
	c := mustRead(t, tables)
	keep := append([]Entry(nil), c.Entries[:120]...)
	if _, err := tables.Rotate(keep); err != nil {
		t.Fatal(err)
	}
	c = mustRead(t, tables)
	if len(c.Entries) != len(keep) {
		t.Errorf("%d entries kept, expected %d", len(c.Entries), len(keep))
	}
	for _, e := range c.Entries {
		if e.Upload != (Traffic{}) || e.Seen != 0 || e.Network != "lan" {
			t.Errorf("%v is kept with %+v", e.Addr, e)
		}
	}
	for i := len(frames) - 1; i >= 0; i-- { // those that came last come first now
		mustRun(t, run, packet{frame: frames[i]})
	}
	inRow := map[key]bool{}
	for _, r := range tables.rows(1, cpus[0])[reasonCount:] {
		if r.Account.Upload.Packets != 0 {
			inRow[r.Key] = true
		}
	}
	kept := 0
	for i := range keep {
		if inRow[keep[i].key] {
			kept++
		}
	}
	// Where three kept ones have the same two rows, one of them is in the overflow table.
	if kept < len(keep)*8/10 {
		t.Errorf("%d of %d have kept a row", kept, len(keep))
	}
	c = mustRead(t, tables)
	if up, _ := sum(c); up.Packets != uint64(len(frames)) || len(c.Entries) != len(frames) {
		t.Errorf("%d packets in %d entries, expected %d", up.Packets, len(c.Entries), len(frames))
	}
}

// TestApplyUnderLoad: rules change while all CPUs count. What is LAN-to-LAN under both is never counted, what is the
// internet's under both always, and from the moment when Apply returns the new ones hold.
func TestApplyUnderLoad(t *testing.T) {
	tables := newTables(t, Size{Addresses: 256, CPUs: possibleCPUs(t)})
	with := func(second bool) *Rules {
		r := &Rules{
			Networks: []Network{{Name: "lan", Prefixes: mustPrefix("192.168.1.0/24", "2001:db8:1::/64")}},
			Internal: internals(),
			Own:      mustAddr("203.0.113.7"),
		}
		if second {
			r.Networks[0].Prefixes = append(r.Networks[0].Prefixes, mustPrefix("2001:db8:2::/64", "44.1.0.0/16")...)
			r.Internal = append(r.Internal, mustPrefix("45.0.0.0/8", "46.1.0.0/16")...)
			r.Own = mustAddr("203.0.113.8")
		}
		return r
	}
	mustApply(t, tables, with(false))
	const (
		always  = iota // internet under both
		never          // local under both
		before         // counted for the host under the first rules only
		renamed        // a host under the second rules only, no_prefix before
		both           // moves, or is new, in either
	)
	list := []struct {
		from, to string
		kind     int
	}{
		{"192.168.1.20", "8.8.8.8", always},
		{"192.168.1.21", "203.0.113.9", always},
		{"2001:db8:1::20", "2606::1", always},
		{"2001:db8:1::21", "2001:db8:3::1", always},
		{"192.168.1.22", "192.168.1.30", never},
		{"192.168.1.23", "10.0.0.1", never},
		{"2001:db8:1::22", "2001:db8:1::30", never},
		{"2001:db8:1::23", "fd00::1", never},
		{"2001:db8:1::24", "2001:db8:2::30", before},
		{"192.168.1.24", "44.1.2.3", before},
		{"192.168.1.25", "45.1.2.3", before},
		{"192.168.1.26", "46.1.2.3", before},
		{"192.168.1.27", "203.0.113.8", before},
		{"44.1.0.20", "8.8.8.8", renamed},
		{"2001:db8:2::20", "2606::1", renamed},
		// Never from a host to a host of the same prefix: watched or not, both sides are of one mind.
		{"2001:db8:2::21", "2001:db8:2::22", both},
		{"44.1.0.21", "44.1.0.22", both},
	}
	var frames [][]byte
	for _, c := range list {
		frames = append(frames, shape{from: c.from, to: c.to}.build())
	}
	l := startLoad(t, tables, hook{variant: upload}, frames)
	packets := func(c Counts, addr string) uint64 {
		e, _ := entryOf(c, addr)
		return e.Upload.Packets
	}
	deadline := time.Now().Add(5 * time.Second)
	changes := 0
	for second := true; time.Now().Before(deadline) && !t.Failed(); second = !second {
		mustApply(t, tables, with(second))
		changes++
		start := mustRead(t, tables)
		held := map[string]uint64{}
		for _, c := range list {
			held[c.from] = packets(start, c.from)
		}
		strangers := start.Unattributed[NoPrefix].Upload.Packets
		l.pass(t)
		end := mustRead(t, tables)
		for _, c := range list {
			n := packets(end, c.from) - held[c.from]
			switch {
			case c.kind == never && packets(end, c.from) != 0, c.kind == both && packets(end, c.from) != 0,
				c.kind == before && second && n != 0:
				t.Errorf("%s to %s: %d packets counted, second rules %v", c.from, c.to, n, second)
			case c.kind == always && n == 0, c.kind == before && !second && n == 0, c.kind == renamed && second && n == 0:
				t.Errorf("%s to %s: nothing counted, second rules %v", c.from, c.to, second)
			}
		}
		if n := end.Unattributed[NoPrefix].Upload.Packets - strangers; second != (n == 0) {
			t.Errorf("%d packets of nobody, second rules %v", n, second)
		}
	}
	l.end(t)
	c := mustRead(t, tables)
	var ran uint64
	for i, f := range list {
		n := l.ran[i].Load()
		ran += n
		if f.kind == always && packets(c, f.from) != n {
			t.Errorf("%s to %s: %d packets counted, %d ran", f.from, f.to, packets(c, f.from), n)
		}
	}
	var some uint64 // of those that are a host's or nobody's, each is one of the two
	for i, f := range list {
		if f.kind == renamed {
			some += l.ran[i].Load() - packets(c, f.from)
		}
	}
	if n := c.Unattributed[NoPrefix].Upload.Packets; n < some {
		t.Errorf("%d packets of nobody, expected %d and those to the second prefix", n, some)
	}
	t.Logf("%d changes of rules, %d packets", changes, ran)
	if changes < 4 || ran < 10000 {
		t.Errorf("%d changes, %d packets: too few to prove anything", changes, ran)
	}
}
