// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// keyOf is the key of an untagged frame's source.
func keyOf(f []byte) key {
	k := key{MAC: [6]byte(f[6:12]), Family: familyIPv4}
	if f[12] == 0x86 {
		k.Family = familyIPv6
		copy(k.Addr[:], f[22:38])
	} else {
		copy(k.Addr[12:], f[26:30])
	}
	return k
}

// TestTwoCPUs: one host, counted by every CPU, is one entry with all of it.
func TestTwoCPUs(t *testing.T) {
	tables := newTables(t, Size{Addresses: 256, CPUs: possibleCPUs(t)})
	mustApply(t, tables, vectorRules())
	run := loaded(t, tables, hook{variant: upload})
	p := packet{frame: shape{from: "192.168.1.20", to: "8.8.8.8"}.build()}
	cpus, want := onlineCPUs(t), uint64(0)
	for _, cpu := range cpus {
		onCPU(t, cpu)
		for range 10 + cpu {
			mustRun(t, run, p)
			want++
		}
	}
	c := mustRead(t, tables)
	if len(c.Entries) != 1 || c.Entries[0].Upload != (Traffic{want * uint64(len(p.frame)), want}) {
		t.Fatalf("entries %+v, expected one with %d packets", c.Entries, want)
	}
	k := keyOf(p.frame)
	rows := 0
	for cpu := range int(tables.cpus) {
		if tables.rows(0, cpu)[reasonCount+tables.header.slot(&k)].Key == k {
			rows++
		}
	}
	if rows != len(cpus) || c.Conflicts != 0 {
		t.Errorf("%d rows, %d conflicts; %d CPUs counted", rows, c.Conflicts, len(cpus))
	}
}

// TestSlot: the daemon and the program look for a key in the same places.
func TestSlot(t *testing.T) {
	tables := newTables(t, Size{Addresses: 1024, CPUs: possibleCPUs(t)})
	mustApply(t, tables, vectorRules())
	onCPU(t, onlineCPUs(t)[0])
	for _, h := range []hook{{upload, 0}, {uploadRaw, 0}, {upload, 1}} {
		run := loaded(t, tables, h)
		for i := range 50 {
			for _, from := range []string{"192.168.1.0", "2001:db8:1::", "192.168.50.0", "2001:db8:50::"} {
				a := netip.MustParseAddr(from).AsSlice()
				a[len(a)-1] = byte(i)
				addr, _ := netip.AddrFromSlice(a)
				to := "8.8.8.8"
				if addr.Is6() {
					to = "2606::1"
				}
				tables.wipe(t)
				mustRun(t, run, packet{frame: shape{from: addr.String(), to: to, raw: h.raw()}.build()})
				for _, e := range mustRead(t, tables).Entries {
					found := false
					for cpu := range int(tables.cpus) {
						found = found || tables.rows(0, cpu)[reasonCount+tables.header.slot(&e.key)].Key == e.key
					}
					if !found {
						t.Errorf("%+v is not in slot %d", e.key, tables.header.slot(&e.key))
					}
				}
			}
		}
	}
}

// TestConflict: a host whose two rows are others' is counted in the overflow table, and the others in theirs.
func TestConflict(t *testing.T) {
	tables := newTables(t, Size{Addresses: 256, CPUs: possibleCPUs(t)})
	mustApply(t, tables, vectorRules())
	onCPU(t, onlineCPUs(t)[0])
	up, down := loaded(t, tables, hook{variant: upload}), loaded(t, tables, hook{variant: download})
	b := newBook(vectorRules())
	// More addresses than rows: in nearly every pair of rows somebody comes too late.
	var frames [][]byte
	for i := range 600 {
		s := shape{from: netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)}).String(), to: "8.8.8.8", payload: 20 + i%50}
		if i%2 == 1 {
			var a [16]byte
			copy(a[:], netip.MustParseAddr("2001:db8:1::").AsSlice())
			binary.BigEndian.PutUint16(a[14:], uint16(i))
			s.from, s.to = netip.AddrFrom16(a).String(), "2606::1"
		}
		frames = append(frames, s.build())
		s.from, s.to, s.download = s.to, s.from, true
		frames = append(frames, s.build())
	}
	for round := range 3 {
		for i, f := range frames {
			h, run := hook{variant: upload}, up
			if i%2 == 1 {
				h, run = hook{variant: download}, down
			}
			p := packet{frame: f}
			if i%7 == round {
				p.gsoSegs, p.gsoSize = 3, 100
			}
			b.count(h, p)
			mustRun(t, run, p)
		}
		c := mustRead(t, tables)
		for _, line := range differences(tallyOf(c), b.tally()) {
			t.Errorf("round %d: %s", round, line)
		}
		if c.Conflicts < 600-256 {
			t.Errorf("round %d: %d conflicts among 600 addresses and 256 rows", round, c.Conflicts)
		}
	}
}

// TestFlood: a million forged sources fill the tables and no more. Hosts that were there are counted exactly, and so is
// the sum.
func TestFlood(t *testing.T) {
	const forged = 1_000_000
	tables := newTables(t, Size{Addresses: 1024, CPUs: possibleCPUs(t)})
	mustApply(t, tables, homeRules())
	onCPU(t, onlineCPUs(t)[0])
	run := loaded(t, tables, hook{variant: upload})
	known := [][]byte{
		frameUDP("192.168.1.20", "8.8.8.8", nil), frameUDP("2001:db8:1::20", "2606::1", nil), frameUDP("fd00:1::7", "2606::1", nil),
	}
	f := frameUDP("2001:db8:1::ffff", "2606::1", nil)
	want := Traffic{}
	send := func(f []byte) {
		mustRun(t, run, packet{frame: f})
		want.Bytes += uint64(len(f))
		want.Packets++
	}
	for _, k := range known {
		send(k)
	}
	for i := range forged {
		binary.BigEndian.PutUint64(f[30:], uint64(i)*0x9e3779b97f4a7c15|1<<63)
		binary.BigEndian.PutUint32(f[8:], uint32(i)) // and another MAC
		send(f)
		if i%1000 == 0 {
			for _, k := range known {
				send(k)
			}
		}
	}
	c := mustRead(t, tables)
	up, down := sum(c)
	if up != want || down != (Traffic{}) {
		t.Errorf("sum is %+v up, %+v down, expected %+v up", up, down, want)
	}
	for i, addr := range []string{"192.168.1.20", "2001:db8:1::20", "fd00:1::7"} {
		e, _ := entryOf(c, addr)
		n := uint64(1 + forged/1000)
		if e.Upload != (Traffic{n * uint64(len(known[i])), n}) {
			t.Errorf("%s: %+v, expected %d packets", addr, e.Upload, n)
		}
	}
	full := c.Unattributed[TableFull].Upload.Packets
	if full < forged/2 || full+uint64(len(c.Entries)) > forged+3+3 {
		t.Errorf("%d packets found the table full, %d entries", full, len(c.Entries))
	}
	if limit := int(tables.slots) + int(tables.overflow[0].MaxEntries()); len(c.Entries) > limit {
		t.Errorf("%d entries, room for %d", len(c.Entries), limit)
	}
	if c.Conflicts > int(tables.overflow[0].MaxEntries()) {
		t.Errorf("%d conflicts, room for %d", c.Conflicts, tables.overflow[0].MaxEntries())
	}

	// The next generation has room again, first of all for those that keep theirs.
	var keep []Entry
	for _, addr := range []string{"192.168.1.20", "2001:db8:1::20", "fd00:1::7"} {
		e, _ := entryOf(c, addr)
		keep = append(keep, e)
	}
	ended, err := tables.Rotate(keep)
	if err != nil {
		t.Fatal(err)
	}
	old, err := tables.ReadGeneration(ended)
	if err != nil {
		t.Fatal(err)
	}
	if up, _ := sum(old); up != want {
		t.Errorf("ended generation has %+v, expected %+v", up, want)
	}
	if err := tables.Clear(); err != nil {
		t.Fatal(err)
	}
	if c := mustRead(t, tables); len(c.Entries) != 3 {
		t.Errorf("%d entries keep a row, expected 3", len(c.Entries))
	}
	if c, err := tables.ReadGeneration(ended); err != nil || len(c.Entries) != 0 && c.Entries[0].Upload.Packets != 0 {
		t.Errorf("cleared generation has %d entries: %v", len(c.Entries), err)
	}
}

// TestStrictAlignment: the programs load on a machine that cannot read words at odd places.
func TestStrictAlignment(t *testing.T) {
	const strict = 1 // BPF_F_STRICT_ALIGNMENT
	tables := newTables(t, Size{Addresses: 256, CPUs: possibleCPUs(t)})
	for _, v := range []variant{upload, download, downloadPort, uploadRaw, downloadRaw} {
		p, err := tables.load(v, 3, strict)
		if err != nil {
			t.Errorf("%s: %+v", v, err)
			continue
		}
		p.Close()
	}
}

// TestSizes makes tables of every size that a configuration may ask for; what is too large gets smaller ones and works.
func TestSizes(t *testing.T) {
	p := packet{frame: frameUDP("192.168.1.20", "8.8.8.8", nil)}
	for _, size := range []Size{{0, possibleCPUs(t)}, {1, possibleCPUs(t)}, {257, possibleCPUs(t)}, {65000, possibleCPUs(t)}, {4096, 64}, {100, 1024}} {
		tables := newTables(t, size)
		mustApply(t, tables, homeRules())
		mustRun(t, loaded(t, tables, hook{variant: upload}), p)
		c := mustRead(t, tables)
		if up, _ := sum(c); len(c.Entries) != 1 || up.Packets != 1 {
			t.Errorf("%+v: %d entries, %+v", size, len(c.Entries), up)
		}
		if tables.header.size() > rowsLimit+rowSize*2*size.CPUs*(reasonCount+2) {
			t.Errorf("%+v: rows take %d bytes", size, tables.header.size())
		}
		if tables.Capacity() < size.Addresses {
			t.Errorf("%+v: capacity is %d", size, tables.Capacity())
		}
		tables.Remove()
	}
	if _, err := Create(pinRoot(t), Size{Addresses: 10}, rand.Reader); err == nil {
		t.Error("tables for no CPU")
	}
}

// TestFindOpenRemove follows tables through the lives of two daemons.
func TestFindOpenRemove(t *testing.T) {
	root := pinRoot(t)
	if ids, err := Find(root); err != nil || len(ids) != 0 {
		t.Fatalf("Find on an empty directory: %v, %v", ids, err)
	}
	if ids, err := Find(filepath.Join(root, "none")); err != nil || len(ids) != 0 {
		t.Fatalf("Find on no directory: %v, %v", ids, err)
	}
	size := Size{Addresses: 256, CPUs: possibleCPUs(t)}
	first, err := Create(root, size, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Remove()
	mustApply(t, first, homeRules())
	onCPU(t, onlineCPUs(t)[0])
	run := loaded(t, first, hook{variant: upload})
	p := packet{frame: frameUDP("192.168.1.20", "8.8.8.8", nil)}
	mustRun(t, run, p)
	first.Close() // the program counts on
	first.Close()
	mustRun(t, run, p)

	second, err := Create(root, size, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Remove()
	ids, err := Find(root)
	if err != nil || len(ids) != 2 || first.ID() == second.ID() {
		t.Fatalf("Find: %v, %v", ids, err)
	}
	old, err := Open(root, first.ID())
	if err != nil {
		t.Fatal(err)
	}
	c := mustRead(t, old)
	if e, _ := entryOf(c, "192.168.1.20"); e.Upload.Packets != 2 || e.Network != "lan" {
		t.Errorf("opened tables have %+v", c.Entries)
	}
	if err := old.Remove(); err != nil {
		t.Error(err)
	}
	if err := RemoveTables(root, second.ID()); err != nil {
		t.Error(err)
	}
	if err := RemoveTables(root, second.ID()); err != nil {
		t.Errorf("removed twice: %v", err)
	}
	if ids, _ := Find(root); len(ids) != 0 {
		t.Errorf("left: %v", ids)
	}
}

// TestSameRandom: Create does not take away what another has made under the same name.
func TestSameRandom(t *testing.T) {
	root := pinRoot(t)
	seed := make([]byte, 32)
	size := Size{Addresses: 64, CPUs: possibleCPUs(t)}
	first, err := Create(root, size, bytes.NewReader(seed))
	if err != nil {
		t.Fatal(err)
	}
	defer first.Remove()
	if second, err := Create(root, size, bytes.NewReader(seed)); err == nil {
		second.Remove()
		t.Fatal("two tables of one name")
	}
	again, err := Open(root, first.ID())
	if err != nil {
		t.Fatalf("the first is gone: %v", err)
	}
	again.Close()
	if _, err := Create(root, size, bytes.NewReader(seed[:31])); err == nil {
		t.Error("tables without random numbers")
	}
	if ids, _ := Find(root); len(ids) != 1 {
		t.Errorf("left: %v", ids)
	}
}

// TestHalfPinned: a daemon that is killed while it makes tables leaves what nobody can open, and everybody can remove.
func TestHalfPinned(t *testing.T) {
	root := pinRoot(t)
	tables, err := Create(root, Size{Addresses: 64, CPUs: possibleCPUs(t)}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tables.Close()
	id := tables.ID()
	for _, name := range []string{"", "control", "overflow1", "overflow0", "rows"} {
		if name != "" {
			if err := os.Remove(filepath.Join(tables.dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		if ids, _ := Find(root); !reflect.DeepEqual(ids, []string{id}) {
			t.Errorf("without %s: found %v", name, ids)
		}
		opened, err := Open(root, id)
		if err == nil {
			opened.Close()
		}
		if (err == nil) != (name == "") {
			t.Errorf("without %s: %v", name, err)
		}
	}
	if err := RemoveTables(root, id); err != nil {
		t.Error(err)
	}
	if ids, _ := Find(root); len(ids) != 0 {
		t.Errorf("left: %v", ids)
	}
}
