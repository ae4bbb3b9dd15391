// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// cable is a device of the router, and the other end of its cable. All in a namespace of the test's own; no subtests there,
// since they run on other threads.
type cable struct {
	ifindex, peer int
	fd            int
}

func newCable(t *testing.T, name string, index int) *cable {
	t.Helper()
	args := []string{"link", "add", name}
	if index != 0 {
		args = append(args, "index", fmt.Sprint(index))
	}
	command(t, "ip", append(args, "type", "veth", "peer", "name", name+"p")...)
	for _, d := range []string{name, name + "p"} {
		command(t, "ip", "link", "set", d, "addrgenmode", "none")
		command(t, "ip", "link", "set", d, "up")
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return &cable{indexOf(t, name), indexOf(t, name+"p"), fd}
}

func (c *cable) send(ifindex int, f []byte) error {
	return unix.Sendto(c.fd, f, 0, &unix.SockaddrLinklayer{Ifindex: ifindex})
}

// pass sends a frame of a host in by the cable and one to it out, n times.
func (c *cable) pass(t *testing.T, n int) {
	t.Helper()
	up, down := shape{from: "192.168.1.20", to: "8.8.8.8"}.build(), shape{from: "8.8.8.8", to: "192.168.1.20", download: true}.build()
	for range n {
		if err := errors.Join(c.send(c.peer, up), c.send(c.ifindex, down)); err != nil {
			t.Fatalf("send: %v", err)
		}
	}
}

// expect waits until all tables together have counted so many packets each way, and sees that there are no more.
func expect(t *testing.T, what string, packets uint64, all ...*Tables) {
	t.Helper()
	var up, down uint64
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		up, down = 0, 0
		for _, tables := range all {
			u, d := sum(mustRead(t, tables))
			up, down = up+u.Packets, down+d.Packets
		}
		if up >= packets && down >= packets {
			break
		}
	}
	if up != packets || down != packets {
		t.Errorf("%s: %d packets up, %d down, expected %d", what, up, down, packets)
	}
}

func newAttacher(t *testing.T, root string, tables *Tables, mode Mode) *Attacher {
	t.Helper()
	a, err := NewAttacher(root, tables, mode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func mustAttach(t *testing.T, a *Attacher, d Device) Mode {
	t.Helper()
	mode, err := a.Attach(d)
	if errors.Is(err, ebpf.ErrNotSupported) {
		t.Skipf("this kernel: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return mode
}

// modes are those that this kernel has: tcx came with 6.6.
func modes(t *testing.T) []Mode {
	t.Helper()
	if !kernelAtLeast(t, 6, 6) {
		return []Mode{Clsact}
	}
	return []Mode{TCX, Clsact}
}

func mustDetach(t *testing.T, a *Attacher, ifindex int) {
	t.Helper()
	if err := a.Detach(ifindex); err != nil {
		t.Fatal(err)
	}
}

// attachRoot is a pin directory, and tables in it with rules in force.
func attachRoot(t *testing.T) (string, *Tables) {
	t.Helper()
	root := pinRoot(t)
	t.Cleanup(func() { removePins(filepath.Join(root, linksDir)) })
	return root, moreTables(t, root)
}

func moreTables(t *testing.T, root string) *Tables {
	t.Helper()
	tables, err := Create(root, Size{Addresses: 64, CPUs: possibleCPUs(t)}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tables.Remove() })
	mustApply(t, tables, vectorRules())
	return tables
}

// TestAttach counts on a device, no longer, and again, in both modes.
func TestAttach(t *testing.T) {
	privateNetns(t)
	for _, mode := range modes(t) {
		root, tables := attachRoot(t)
		c := newCable(t, "mz"+string(mode), 0)
		a := newAttacher(t, root, tables, mode)
		c.pass(t, 3)
		if got := mustAttach(t, a, Device{Ifindex: c.ifindex}); got != mode {
			t.Errorf("attached by %s, expected %s", got, mode)
		}
		c.pass(t, 5)
		expect(t, string(mode)+": attached", 5, tables)
		mustAttach(t, a, Device{Ifindex: c.ifindex})
		c.pass(t, 5)
		expect(t, string(mode)+": attached twice", 10, tables)
		if list, err := a.Attached(); err != nil || !slices.Equal(list, []int{c.ifindex}) {
			t.Errorf("%s: attached are %v, %v", mode, list, err)
		}
		a.Close()
		c.pass(t, 5)
		expect(t, string(mode)+": closed", 15, tables)
		b := newAttacher(t, root, tables, mode) // another process
		mustDetach(t, b, c.ifindex)
		mustDetach(t, b, c.ifindex)
		mustDetach(t, b, 9999)
		c.pass(t, 5)
		expect(t, string(mode)+": detached", 15, tables)
		if list, err := b.Attached(); err != nil || len(list) != 0 {
			t.Errorf("%s: still attached are %v, %v", mode, list, err)
		}
		if got := strings.Contains(command(t, "tc", "qdisc", "show"), "clsact"); got != (mode == Clsact) {
			t.Errorf("%s: clsact is there: %v", mode, got)
		}
		mustAttach(t, b, Device{Ifindex: c.ifindex})
		c.pass(t, 5)
		expect(t, string(mode)+": attached again", 20, tables)
		if _, err := b.Attach(Device{Ifindex: 9999}); err == nil {
			t.Errorf("%s: attached to a device that is not there", mode)
		}
		command(t, "ip", "link", "del", "mz"+string(mode))
	}
}

// TestReplaceWithoutGap: daemon after daemon takes a device over under traffic. Each packet is in the tables of one of them.
func TestReplaceWithoutGap(t *testing.T) {
	privateNetns(t)
	for _, mode := range modes(t) {
		root, first := attachRoot(t)
		c := newCable(t, "mz"+string(mode), 0)
		all := []*Tables{first}
		a := newAttacher(t, root, first, mode)
		mustAttach(t, a, Device{Ifindex: c.ifindex})

		var stop atomic.Bool
		sent := make(chan uint64)
		go func() {
			up, down := shape{from: "192.168.1.20", to: "8.8.8.8"}.build(), shape{from: "8.8.8.8", to: "192.168.1.20", download: true}.build()
			n := uint64(0)
			for ; !stop.Load(); n++ {
				if err := errors.Join(c.send(c.peer, up), c.send(c.ifindex, down)); err != nil {
					t.Error(err)
					break
				}
			}
			sent <- n
		}()
		for i := range 12 {
			tables := moreTables(t, root)
			all = append(all, tables)
			next := newAttacher(t, root, tables, mode)
			mustAttach(t, next, Device{Ifindex: c.ifindex, BridgePort: i%2 == 0})
			a.Close()
			a = next
			time.Sleep(10 * time.Millisecond)
		}
		stop.Store(true)
		n := <-sent
		expect(t, string(mode), n, all...)
		if n < 1000 {
			t.Errorf("%s: %d packets: too few to prove anything", mode, n)
		}
		t.Logf("%s: %d packets each way through %d tables", mode, n, len(all))
		mustDetach(t, a, c.ifindex)
		command(t, "ip", "link", "del", "mz"+string(mode))
	}
}

// bystander is somebody else's program: it counts what it sees.
type bystander struct {
	prog *ebpf.Program
	seen *ebpf.Map
	pin  string
}

func newBystander(t *testing.T, verdict int32) *bystander {
	t.Helper()
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{
		asm.StoreImm(asm.R10, -4, 0, asm.Word),
		asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, m.FD()), asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Imm(asm.R1, 1), asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.Mov.Imm32(asm.R0, verdict).WithSymbol("out"), asm.Return(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	b := &bystander{p, m, filepath.Join(pinRoot(t), "bystander")}
	if err := p.Pin(b.pin); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(b.pin); p.Close(); m.Close() })
	return b
}

func (b *bystander) expect(t *testing.T, what string, want uint64) {
	t.Helper()
	var got uint64
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline) && got < want; time.Sleep(5 * time.Millisecond) {
		if err := b.seen.Lookup(uint32(0), &got); err != nil {
			t.Fatal(err)
		}
	}
	if got != want {
		t.Errorf("%s: somebody else's program has seen %d packets, expected %d", what, got, want)
	}
}

// TestForeignFilters: filters that tc has made, before and behind ours, keep their places and see every packet.
func TestForeignFilters(t *testing.T) {
	privateNetns(t)
	for _, mode := range append(modes(t), Auto) {
		root, tables := attachRoot(t)
		c := newCable(t, "mz"+string(mode), 0)
		dev := "mz" + string(mode)
		before, behind := newBystander(t, -1), newBystander(t, 0)
		command(t, "tc", "qdisc", "add", "dev", dev, "clsact")
		for _, dir := range []string{"ingress", "egress"} {
			command(t, "tc", "filter", "add", "dev", dev, dir, "protocol", "all", "pref", "5", "bpf", "da", "object-pinned", before.pin)
			command(t, "tc", "filter", "add", "dev", dev, dir, "protocol", "ip", "pref", "272", "bpf", "da", "object-pinned", behind.pin)
		}
		show := func() string {
			return command(t, "tc", "filter", "show", "dev", dev, "ingress") + command(t, "tc", "filter", "show", "dev", dev, "egress")
		}
		was := show()
		a := newAttacher(t, root, tables, mode)
		mustAttach(t, a, Device{Ifindex: c.ifindex})
		c.pass(t, 4)
		expect(t, string(mode), 4, tables)
		before.expect(t, string(mode)+", before ours", 8)
		behind.expect(t, string(mode)+", behind ours", 8)
		for _, line := range strings.Split(strings.TrimSpace(was), "\n") {
			if !strings.Contains(show(), line) {
				t.Errorf("%s: attached, and this filter is not there: %s", mode, line)
			}
		}
		mustDetach(t, a, c.ifindex)
		c.pass(t, 4)
		expect(t, string(mode)+", detached", 4, tables)
		before.expect(t, string(mode)+", before ours, detached", 16)
		behind.expect(t, string(mode)+", behind ours, detached", 16)
		if now := show(); now != was {
			t.Errorf("%s: filters were\n%s\nand are\n%s", mode, was, now)
		}
		mustAttach(t, a, Device{Ifindex: c.ifindex})
		a.Close()
		tables.Close()
		if err := DetachAll(root); err != nil {
			t.Error(err)
		}
		if now := show(); now != was {
			t.Errorf("%s: after DetachAll, filters were\n%s\nand are\n%s", mode, was, now)
		}
		if _, err := os.Stat(root); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: DetachAll leaves %s: %v", mode, root, err)
		}
		if err := DetachAll(root); err != nil {
			t.Errorf("%s: DetachAll once more: %v", mode, err)
		}
		os.Remove(filepath.Join(root, linksDir))
		command(t, "ip", "link", "del", dev)
	}
}

// TestForeignTCX: others' programs in the line run, and stay when ours goes.
func TestForeignTCX(t *testing.T) {
	privateNetns(t)
	root, tables := attachRoot(t)
	c := newCable(t, "mz0", 0)
	early, late := newBystander(t, -1), newBystander(t, 0)
	hang := func(b *bystander) {
		for _, at := range []ebpf.AttachType{ebpf.AttachTCXIngress, ebpf.AttachTCXEgress} {
			l, err := link.AttachTCX(link.TCXOptions{Interface: c.ifindex, Program: b.prog, Attach: at, Anchor: link.Tail()})
			if errors.Is(err, ebpf.ErrNotSupported) {
				t.Skipf("this kernel: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
		}
	}
	hang(early)
	a := newAttacher(t, root, tables, TCX)
	mustAttach(t, a, Device{Ifindex: c.ifindex})
	hang(late)
	c.pass(t, 5)
	expect(t, "in line with others", 5, tables)
	early.expect(t, "early", 10)
	late.expect(t, "late", 10)
	mustAttach(t, a, Device{Ifindex: c.ifindex, BridgePort: true})
	mustDetach(t, a, c.ifindex)
	c.pass(t, 5)
	expect(t, "detached", 5, tables)
	early.expect(t, "early, detached", 20)
	late.expect(t, "late, detached", 20)
}

// TestDeviceComesBack: a device goes and comes again by the same name, with another number and with the same.
func TestDeviceComesBack(t *testing.T) {
	privateNetns(t)
	for _, mode := range modes(t) {
		root, tables := attachRoot(t)
		a := newAttacher(t, root, tables, mode)
		want := uint64(0)
		for _, index := range []int{0, 0, 77, 77, 77} {
			c := newCable(t, "mzback", index)
			if list, err := a.Attached(); err != nil || len(list) != 0 {
				t.Errorf("%s: a new device has %v, %v", mode, list, err)
			}
			mustAttach(t, a, Device{Ifindex: c.ifindex})
			c.pass(t, 5)
			want += 5
			expect(t, fmt.Sprintf("%s, number %d", mode, index), want, tables)
			command(t, "ip", "link", "del", "mzback")
			if index == 0 {
				mustDetach(t, a, c.ifindex) // of what is gone already
			}
		}
	}
}

// TestDeviceGoneMeanwhile: what was pinned of a device that went while nobody followed devices goes at the next start.
func TestDeviceGoneMeanwhile(t *testing.T) {
	privateNetns(t)
	if !slices.Contains(modes(t), TCX) {
		t.Skip("no tcx before 6.6, and clsact goes with its device")
	}
	root, tables := attachRoot(t)
	gone, stays := newCable(t, "mzgone", 0), newCable(t, "mzstays", 0)
	a := newAttacher(t, root, tables, TCX)
	mustAttach(t, a, Device{Ifindex: gone.ifindex})
	mustAttach(t, a, Device{Ifindex: stays.ifindex})
	a.Close()
	command(t, "ip", "link", "del", "mzgone")
	a = newAttacher(t, root, tables, TCX)
	pins, err := os.ReadDir(filepath.Join(root, linksDir))
	if err != nil {
		t.Fatal(err)
	}
	for _, pin := range pins {
		if !strings.HasPrefix(pin.Name(), fmt.Sprintf("%d-", stays.ifindex)) {
			t.Errorf("%s is still pinned", pin.Name())
		}
	}
	if len(pins) != 2 {
		t.Errorf("%d pins, want those of the device that stays", len(pins))
	}
	stays.pass(t, 3)
	expect(t, "the device that stays", 3, tables)
	mustDetach(t, a, stays.ifindex)
	command(t, "ip", "link", "del", "mzstays")
}

// TestChangeOfMode: Auto stays with what it finds; a mode that is asked for ends the other.
func TestChangeOfMode(t *testing.T) {
	privateNetns(t)
	root, tables := attachRoot(t)
	c := newCable(t, "mz0", 0)
	want := uint64(0)
	for _, step := range []struct{ ask, get Mode }{
		{Clsact, Clsact}, {Auto, Clsact}, {TCX, TCX}, {Auto, TCX}, {Clsact, Clsact}, {Clsact, Clsact}, {Auto, Clsact}, {TCX, TCX},
	} {
		a := newAttacher(t, root, tables, step.ask)
		if got := mustAttach(t, a, Device{Ifindex: c.ifindex}); got != step.get {
			t.Errorf("asked for %s: attached by %s, expected %s", step.ask, got, step.get)
		}
		c.pass(t, 5)
		want += 5
		expect(t, fmt.Sprintf("asked for %s", step.ask), want, tables)
		a.Close()
	}
}

// TestWire sends random frames over a cable: those that end within their headers, and those whose tag the kernel has
// moved to metadata, come in no other way.
func TestWire(t *testing.T) {
	privateNetns(t)
	root, tables := attachRoot(t)
	c := newCable(t, "mz0", 0)
	c.pass(t, 1)
	a := newAttacher(t, root, tables, Auto)
	mustAttach(t, a, Device{Ifindex: c.ifindex})
	up, down := hook{variant: upload}, hook{variant: download}
	b := newBook(vectorRules())
	var frames [][]byte
	for _, s := range []shape{
		{from: "192.168.1.20", to: "8.8.8.8"}, {from: "2001:db8:1::20", to: "2606::1"}, {from: "192.168.1.21", to: "8.8.8.8", options: 40},
		{from: "192.168.20.20", to: "8.8.8.8", tags: []uint16{20}}, {from: "10.9.0.30", to: "8.8.8.8", tags: []uint16{30}},
		{from: "192.168.1.20", to: "8.8.8.8", tags: []uint16{0}}, {from: "2001:db8:1::20", to: "2606::1", tags: []uint16{20, 7}, tpid: 0x88a8},
		{from: "8.8.4.4", to: "8.8.8.8", tags: []uint16{99}}, {from: "8.8.4.4", to: "8.8.8.8", tags: []uint16{20}},
	} {
		whole := s.build()
		for cut := 14; cut <= len(whole); cut++ {
			frames = append(frames, whole[:cut])
		}
	}
	g := &generator{Rand: mrand.New(mrand.NewPCG(3, 4)), hook: up, ports: []int{0}}
	g.newRules()
	g.rules = vectorRules()
	random := 4000
	if testing.Short() {
		random = 1000
	}
	for range random {
		// Of three tags a program sees two at the most; with one in metadata that is all of them.
		if p := g.packet(); len(p.frame) < 1500 && tagsOf(p.frame) < 3 {
			frames = append(frames, p.frame)
		}
	}
	for i, f := range frames {
		h, to := up, c.peer
		if i%4 == 3 { // out by it; tags stay where they are
			h, to = down, c.ifindex
		}
		b.count(h, packet{frame: f})
		if err := c.send(to, f); err != nil {
			t.Fatalf("send % x: %v", f, err)
		}
	}
	var lines []string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if lines = differences(tallyOf(mustRead(t, tables)), b.tally()); len(lines) == 0 {
			break
		}
	}
	for _, line := range lines {
		t.Error(line)
	}
	if len(b.hosts) < 5 {
		t.Errorf("%d hosts: too few to prove anything", len(b.hosts))
	}
}

func tagsOf(f []byte) (n int) {
	for at := 12; at+2 <= len(f); at += 4 {
		if t := [2]byte{f[at], f[at+1]}; t != [2]byte{0x81, 0} && t != [2]byte{0x88, 0xa8} {
			break
		}
		n++
	}
	return n
}
