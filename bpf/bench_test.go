// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"crypto/rand"
	"encoding/binary"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// pinRoot is a directory of bpffs for one test.
func pinRoot(tb testing.TB) string {
	tb.Helper()
	needBPF(tb)
	dir, err := os.MkdirTemp("/sys/fs/bpf", "mezoura-test-")
	if err != nil {
		tb.Fatalf("bpffs: %v", err)
	}
	tb.Cleanup(func() {
		ids, _ := Find(dir)
		for _, id := range ids {
			removePins(filepath.Join(dir, tablesPrefix+id))
		}
		os.Remove(dir)
	})
	return dir
}

// needBPF skips where a test can not run, and fails where it has to.
func needBPF(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() == 0 {
		if err := unix.Statfs("/sys/fs/bpf", new(unix.Statfs_t)); err == nil {
			mountBPFFS(tb)
		}
		return
	}
	if os.Getenv("MEZOURA_REQUIRE_ROOT") != "" {
		tb.Fatal("not root, and MEZOURA_REQUIRE_ROOT is set")
	}
	tb.Skip("needs root to load programs")
}

func mountBPFFS(tb testing.TB) {
	var fs unix.Statfs_t
	if unix.Statfs("/sys/fs/bpf", &fs) == nil && uint32(fs.Type) == unix.BPF_FS_MAGIC {
		return
	}
	if err := unix.Mount("bpf", "/sys/fs/bpf", "bpf", 0, ""); err != nil {
		tb.Fatalf("mount bpffs: %v", err)
	}
}

func newTables(tb testing.TB, size Size) *Tables {
	tb.Helper()
	t, err := Create(pinRoot(tb), size, rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { t.Remove() })
	return t
}

func possibleCPUs(tb testing.TB) int {
	tb.Helper()
	n, err := ebpf.PossibleCPU()
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

func mustPrefix(s ...string) (out []netip.Prefix) {
	for _, p := range s {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// internals is the default of what is not the internet.
func internals() []netip.Prefix {
	return mustPrefix("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
		"192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "::/128", "::1/128", "fc00::/7", "fe80::/10", "ff00::/8")
}

// homeRules is a usual router: one LAN with a public IPv6 prefix, addresses of its own.
func homeRules() *Rules {
	return &Rules{
		Networks: []Network{{Name: "lan", VLAN: 7, Prefixes: mustPrefix("192.168.1.0/24", "2001:db8:1::/64", "fd00:1::/64")}},
		Internal: internals(),
		Own: []netip.Addr{netip.MustParseAddr("192.168.1.1"), netip.MustParseAddr("203.0.113.7"),
			netip.MustParseAddr("2001:db8:1::1"), netip.MustParseAddr("2001:db8:ffff::7")},
	}
}

// BenchmarkClassifier measures what the program costs above an empty one, and for comparison one look-up in a
// per-CPU hash. Each figure is the minimum of many short runs, all programs taking turns.
func BenchmarkClassifier(b *testing.B) {
	t := newTables(b, Size{Addresses: 4096, CPUs: possibleCPUs(b)})
	if err := t.Apply(homeRules()); err != nil {
		b.Fatal(err)
	}
	progs := map[variant]*ebpf.Program{}
	for _, v := range []variant{upload, download, downloadPort} {
		p, err := t.load(v, 0, 0)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { p.Close() })
		progs[v] = p
	}
	empty, hash := emptyProgram(b), hashProgram(b)

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	host, host6, net4, net6 := "192.168.1.20", "2001:db8:1::20", "93.184.216.34", "2606:2800:220:1::1"
	cases := []struct {
		name  string
		prog  variant
		frame []byte
	}{
		{"v4-upload", upload, frameUDP(host, net4, nil)},
		{"v4-download", download, frameUDP(net4, host, nil)},
		{"v4-download-port", downloadPort, frameUDP(net4, host, nil)},
		{"v6-upload", upload, frameUDP(host6, net6, nil)},
		{"v6-download", download, frameUDP(net6, host6, nil)},
		{"v6-download-port", downloadPort, frameUDP(net6, host6, nil)},
		{"lan-to-lan", upload, frameUDP(host, "192.168.1.30", nil)},
		{"lan-to-lan6", upload, frameUDP(host6, "2001:db8:1::30", nil)},
		{"foreign", upload, frameUDP("8.8.8.8", net4, nil)},
		{"arp", upload, append(make([]byte, 12), append([]byte{8, 6}, make([]byte, 46)...)...)},
		{"vlan", upload, frameUDP(host, net4, []uint16{7})},
		{"conflict", upload, frameUDP(host, net4, nil)},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			if c.name == "conflict" {
				occupy(b, t, c.frame)
			}
			least := [3]float64{math.Inf(1), math.Inf(1), math.Inf(1)}
			for range max(b.N, 400) {
				for i, p := range []*ebpf.Program{empty, progs[c.prog], hash} {
					least[i] = min(least[i], timeRun(b, p, c.frame, 2000))
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(least[1]-least[0], "net-ns/pkt")
			b.ReportMetric(least[2]-least[0], "hash-ns")
			b.ReportMetric(least[0], "empty-ns")
			b.ReportMetric((least[2]-least[0])/(least[1]-least[0]), "hash/pkt")
		})
	}
}

// occupy gives the two rows of a frame's source to others.
func occupy(b *testing.B, t *Tables, frame []byte) {
	k := key{MAC: [6]byte(frame[6:12]), Family: familyIPv4}
	copy(k.Addr[12:], frame[26:30])
	slot := t.header.slot(&k)
	for cpu := 0; cpu < int(t.cpus); cpu++ {
		for _, s := range []uint32{slot, slot ^ 1} {
			t.rows(int(t.Generation()&1), cpu)[reasonCount+s].Key = key{Family: familyIPv4, Segment: 9}
		}
	}
}

// timeRun is nanoseconds for one run of the program, of a batch.
func timeRun(b *testing.B, p *ebpf.Program, frame []byte, repeat int) float64 {
	start := time.Now()
	ret, _, err := p.Benchmark(frame, repeat, nil)
	took := time.Since(start)
	if err != nil {
		b.Fatal(err)
	}
	if ret != math.MaxUint32 {
		b.Fatalf("verdict %d", int32(ret))
	}
	return float64(took.Nanoseconds()) / float64(repeat)
}

func assemble(b *testing.B, insns asm.Instructions) *ebpf.Program {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: insns})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { p.Close() })
	return p
}

func emptyProgram(b *testing.B) *ebpf.Program {
	return assemble(b, asm.Instructions{asm.Mov.Imm32(asm.R0, -1), asm.Return()})
}

// hashProgram does what a classifier without rows of its own has to do at the least: it looks a host up, among
// as many as an office has.
func hashProgram(b *testing.B) *ebpf.Program {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.PerCPUHash, KeySize: keySize, ValueSize: 40, MaxEntries: 4096})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Close() })
	k := key{MAC: [6]byte{2, 0, 0, 0, 1, 0}, Family: familyIPv4}
	for i := range 250 {
		copy(k.Addr[12:], []byte{192, 168, 1, byte(i)})
		k.MAC[5] = byte(i)
		if err := m.Put(&k, make([][40]byte, possibleCPUs(b))); err != nil {
			b.Fatal(err)
		}
	}
	load := asm.Instructions{}
	raw := (*[keySize]byte)(unsafe.Pointer(&k))
	for at := 0; at < keySize; at += 8 {
		word := binary.NativeEndian.Uint64(raw[at:])
		load = append(load, asm.LoadImm(asm.R1, int64(word), asm.DWord), asm.StoreMem(asm.R10, int16(at-keySize), asm.R1, asm.DWord))
	}
	return assemble(b, append(load,
		asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, -keySize),
		asm.LoadMapPtr(asm.R1, m.FD()), asm.FnMapLookupElem.Call(),
		asm.Mov.Imm32(asm.R0, -1), asm.Return(),
	))
}
