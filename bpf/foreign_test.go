// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"crypto/rand"
	"encoding/binary"
	mrand "math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// foreign are maps as a daemon of another version may have left them: rows of 128 bytes, an account of 72, everything
// elsewhere.
type foreign struct {
	root, id string
	header   header
	rows     *ebpf.Map
	control  *ebpf.Map
	overflow [2]*ebpf.Map
}

const (
	foreignRow      = 128
	foreignKeyAt    = 96
	foreignAccount  = 72
	foreignSlots    = 16
	foreignNames    = 4096
	foreignKeySize  = 40
	foreignControls = foreignNames + MaxNetworks*nameSize
)

func foreignHeader() header {
	h := header{
		Magic: layoutMagic, Version: 2, CPUs: 3, Slots: foreignSlots, Reasons: 12,
		RowSize: foreignRow, KeyOffset: foreignKeyAt, AccountOffset: 8, AccountSize: foreignAccount,
		NetworkOffset: 5, SeenOffset: 10, UploadOffset: 40, DownloadOffset: 16, OverflowCPUOffset: 32,
		NetworksOffset: foreignNames, Generation: 7, Clock: 5000,
	}
	h.First = h.first(7)
	return h
}

func makeForeign(t *testing.T, h header) *foreign {
	t.Helper()
	f := &foreign{root: pinRoot(t), id: "feed", header: h}
	dir := filepath.Join(f.root, tablesPrefix+f.id)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	create := func(name string, s *ebpf.MapSpec) *ebpf.Map {
		m, err := ebpf.NewMap(s)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Cleanup(func() { m.Close() })
		if err := m.Pin(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		return m
	}
	good := foreignHeader()
	f.rows = create("rows", &ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: uint32(good.size()), MaxEntries: 1, Flags: unix.BPF_F_MMAPABLE})
	f.control = create("control", &ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: foreignControls, MaxEntries: 1, Flags: unix.BPF_F_MMAPABLE})
	for i, name := range []string{"overflow0", "overflow1"} {
		f.overflow[i] = create(name, &ebpf.MapSpec{Type: ebpf.Hash, KeySize: foreignKeySize, ValueSize: foreignAccount, MaxEntries: 64, Flags: unix.BPF_F_NO_PREALLOC})
	}

	control := make([]byte, foreignControls)
	copy(control, (*[unsafe.Sizeof(header{})]byte)(unsafe.Pointer(&h))[:])
	copy(control[foreignNames:], "lan")
	copy(control[foreignNames+nameSize:], "guest")
	rows := make([]byte, good.size())
	for i := range 8 { // host i has i+1 packets on each CPU, in both halves; the second half is generation 7's
		for cpu := range 3 {
			for half := range 2 {
				f.fill(rows, half, cpu, int(good.Reasons)+i, keyOfHost(i), uint64(i+1)*uint64(half+1), byte(i%2))
			}
		}
	}
	for reason := range int(good.Reasons) {
		f.fill(rows, 1, 2, reason, key{}, 100, 0)
	}
	if err := f.rows.Put(uint32(0), rows); err != nil {
		t.Fatal(err)
	}
	if err := f.control.Put(uint32(0), control); err != nil {
		t.Fatal(err)
	}
	for i := 6; i < 10; i++ { // two have rows on other CPUs, two have none
		k := make([]byte, foreignKeySize)
		copyKeyTo(k, keyOfHost(i))
		k[32] = 1
		v := make([]byte, foreignAccount)
		fillAccount(v, 1000, byte(i%2))
		if err := f.overflow[1].Put(k, v); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func keyOfHost(i int) key {
	k := key{MAC: [6]byte{2, 0, 0, 0, 0, byte(i)}, Segment: 1, Family: familyIPv4}
	copy(k.Addr[12:], []byte{192, 168, 1, byte(i)})
	return k
}

func copyKeyTo(b []byte, k key) { copy(b, (*[keySize]byte)(unsafe.Pointer(&k))[:]) }

func fillAccount(b []byte, packets uint64, network byte) {
	b[5] = network
	binary.NativeEndian.PutUint16(b[10:], 4990)
	binary.NativeEndian.PutUint64(b[40:], 100*packets)
	binary.NativeEndian.PutUint64(b[48:], packets)
	binary.NativeEndian.PutUint64(b[16:], 1000*packets)
	binary.NativeEndian.PutUint64(b[24:], 2*packets)
}

func (f *foreign) fill(rows []byte, half, cpu, row int, k key, packets uint64, network byte) {
	h := foreignHeader()
	r := rows[((half*3+cpu)*int(h.area())+row)*foreignRow:][:foreignRow]
	copyKeyTo(r[foreignKeyAt:], k)
	fillAccount(r[8:], packets, network)
}

// TestForeignLayout: tables of a later version are read by what their header says of them.
func TestForeignLayout(t *testing.T) {
	f := makeForeign(t, foreignHeader())
	tables, err := Open(f.root, f.id)
	if err != nil {
		t.Fatal(err)
	}
	defer tables.Close()
	for generation, want := range map[uint32]func(i int) uint64{
		6: func(i int) uint64 { return map[bool]uint64{true: 3 * uint64(i+1)}[i < 8] },
		7: func(i int) uint64 {
			n := uint64(0)
			if i < 8 {
				n = 6 * uint64(i+1)
			}
			if i >= 6 {
				n += 1000
			}
			return n
		},
	} {
		c, err := tables.ReadGeneration(generation)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			k := keyOfHost(i)
			e, ok := entryOf(c, k.addr().String())
			n := want(i)
			if ok != (n > 0) {
				t.Errorf("generation %d, host %d: there is %v, expected %d packets", generation, i, ok, n)
			}
			if !ok {
				continue
			}
			if e.Upload != (Traffic{100 * n, n}) || e.Download != (Traffic{1000 * n, 2 * n}) || e.MAC != k.MAC ||
				e.Network != []string{"lan", "guest"}[i%2] || e.Seen != 4990 {
				t.Errorf("generation %d, host %d: %+v, expected %d packets", generation, i, e, n)
			}
		}
		if generation == 7 {
			var un uint64
			for _, u := range c.Unattributed {
				un += u.Upload.Packets
			}
			if un != 1200 || c.Conflicts != 4 {
				t.Errorf("%d packets unattributed, expected all 1200; %d conflicts, expected 4", un, c.Conflicts)
			}
		}
	}
	if tables.Generation() != 7 {
		t.Errorf("generation is %d", tables.Generation())
	}
}

// TestCorruptHeader: whatever a header says, opening and reading ends with an error or with numbers, never with a panic.
func TestCorruptHeader(t *testing.T) {
	h := foreignHeader()
	for name, spoil := range map[string]func(*header){
		"magic":           func(h *header) { h.Magic++ },
		"no CPU":          func(h *header) { h.CPUs = 0 },
		"too many CPUs":   func(h *header) { h.CPUs = 1 << 20 },
		"odd slots":       func(h *header) { h.Slots = 15 },
		"no slots":        func(h *header) { h.Slots = 0 },
		"reasons":         func(h *header) { h.Reasons = 11 },
		"no row":          func(h *header) { h.RowSize = 0 },
		"key outside":     func(h *header) { h.KeyOffset = 120 },
		"key far outside": func(h *header) { h.KeyOffset = 0xfffffff0 },
		"account outside": func(h *header) { h.AccountOffset = 0xfffffff8 },
		"upload outside":  func(h *header) { h.UploadOffset = 64 },
		"upload far away": func(h *header) { h.UploadOffset = 0xfffffff8 },
		"download":        func(h *header) { h.DownloadOffset = 0xfffffff8 },
		"unaligned":       func(h *header) { h.UploadOffset = 20 },
		"seen outside":    func(h *header) { h.SeenOffset = 0xfffffffe },
		"network":         func(h *header) { h.NetworkOffset = 72 },
		"names":           func(h *header) { h.NetworksOffset = 0xfffffff0 },
		"larger accounts": func(h *header) { h.AccountSize = 80 },
		"first":           func(h *header) { h.First = 99 },
	} {
		bad := h
		spoil(&bad)
		f := makeForeign(t, bad)
		if tables, err := Open(f.root, f.id); err == nil {
			tables.Close()
			t.Errorf("%s: opened", name)
		}
	}

	random := mrand.New(mrand.NewPCG(1, 2))
	f := makeForeign(t, h)
	opened := 0
	for range 3000 {
		bad := h
		words := (*[unsafe.Sizeof(header{}) / 4]uint32)(unsafe.Pointer(&bad))
		for range 1 + random.IntN(3) {
			w := &words[1+random.IntN(len(words)-1)]
			switch random.IntN(4) {
			case 0:
				*w = random.Uint32()
			case 1:
				*w = -random.Uint32N(64)
			case 2:
				*w = random.Uint32N(128)
			case 3:
				*w ^= 1 << random.IntN(32)
			}
		}
		control := make([]byte, foreignControls)
		copy(control, (*[unsafe.Sizeof(header{})]byte)(unsafe.Pointer(&bad))[:])
		if err := f.control.Put(uint32(0), control); err != nil {
			t.Fatal(err)
		}
		tables, err := Open(f.root, f.id)
		if err != nil {
			continue
		}
		opened++
		for _, g := range []uint32{tables.Generation(), tables.Generation() - 1} {
			tables.ReadGeneration(g)
		}
		tables.Close()
	}
	if opened == 0 || opened == 3000 {
		t.Errorf("%d of 3000 spoilt headers were opened: the test tries too little", opened)
	}
}

// TestKilledInRotate: the program counts in the half that First names, whatever Generation says.
func TestKilledInRotate(t *testing.T) {
	root := pinRoot(t)
	tables, err := Create(root, Size{Addresses: 64, CPUs: possibleCPUs(t)}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	defer tables.Remove()
	mustApply(t, tables, homeRules())
	onCPU(t, onlineCPUs(t)[0])
	run := loaded(t, tables, hook{variant: upload})
	p := packet{frame: frameUDP("192.168.1.20", "8.8.8.8", nil)}
	mustRun(t, run, p)
	tables.header.First = tables.header.first(1) // and then the daemon is gone
	mustRun(t, run, p)
	mustRun(t, run, p)

	next, err := Open(root, tables.ID())
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	g := next.Generation()
	for generation, want := range map[uint32]uint64{g: 2, g - 1: 1} {
		c, err := next.ReadGeneration(generation)
		if err != nil {
			t.Fatal(err)
		}
		if up, _ := sum(c); up.Packets != want {
			t.Errorf("generation %d has %d packets, expected %d", generation, up.Packets, want)
		}
	}
}

// TestRulesRefused: what the program cannot hold is an error that names it.
func TestRulesRefused(t *testing.T) {
	many := func(n, family int) (out []netip.Prefix) {
		for i := range n {
			if family == 4 {
				out = append(out, netip.PrefixFrom(netip.AddrFrom4([4]byte{11, byte(i >> 8), byte(i), 0}), 24))
			} else {
				out = append(out, netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, byte(i >> 8), byte(i)}), 64))
			}
		}
		return out
	}
	var vlans, names []Network
	for i := range maxVLANs + 1 {
		vlans = append(vlans, Network{Name: string(rune('a' + i)), VLAN: uint16(i + 1)})
	}
	for i := range MaxNetworks + 1 {
		names = append(names, Network{Name: "n" + string(rune('A'+i))})
	}
	lan := func(p ...netip.Prefix) []Network { return []Network{{Name: "lan", Prefixes: p}} }
	for name, c := range map[string]struct {
		rules Rules
		ok    bool
	}{
		"most watched":             {Rules{Networks: lan(append(many(MaxPrefixes, 4), many(MaxPrefixes, 6)...)...)}, true},
		"too many watched":         {Rules{Networks: lan(many(MaxPrefixes+1, 4)...)}, false},
		"too many watched of IPv6": {Rules{Networks: lan(many(MaxPrefixes+1, 6)...)}, false},
		"most internal":            {Rules{Internal: many(MaxPrefixes, 6)}, true},
		"too many internal":        {Rules{Internal: many(MaxPrefixes+1, 6)}, false},
		"internal within others":   {Rules{Internal: append(many(500, 4), netip.MustParsePrefix("11.0.0.0/8"))}, true},
		"too many VLANs":           {Rules{Networks: vlans}, false},
		"too many networks":        {Rules{Networks: names}, false},
		"no name":                  {Rules{Networks: []Network{{}}}, false},
		"long name":                {Rules{Networks: []Network{{Name: "abcdefghijklmnopqrstuvwxyz012345"}}}, false},
		"name with a zero":         {Rules{Networks: []Network{{Name: "a\x00"}}}, false},
		"negative segment":         {Rules{Networks: []Network{{Name: "a", Segment: -1}}}, false},
		"segment too high":         {Rules{Networks: []Network{{Name: "a", Segment: MaxSegments}}}, false},
		"no watched prefix":        {Rules{Networks: lan(netip.Prefix{})}, false},
		"IPv4 in IPv6":             {Rules{Networks: lan(netip.MustParsePrefix("::ffff:10.0.0.0/104"))}, false},
		"no internal prefix":       {Rules{Internal: make([]netip.Prefix, 1)}, false},
		"no foreign prefix":        {Rules{Foreign: make([]netip.Prefix, 1)}, false},
		"no address":               {Rules{Own: make([]netip.Addr, 1)}, false},
		"address with a zone":      {Rules{Own: mustAddr("fe80::1%br-lan", "::ffff:192.0.2.1")}, true},
		"nothing":                  {Rules{}, true},
	} {
		tables := &Tables{header: &header{NetworksOffset: 0}, ctrlMem: make([]byte, MaxNetworks*nameSize)}
		_, _, err := c.rules.compile(tables.number)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
