// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"sort"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// privateNetns moves the calling goroutine to a thread and a network namespace of its own. The thread ends with
// the goroutine, and the namespace with it.
func privateNetns(tb testing.TB) {
	tb.Helper()
	needBPF(tb)
	runtime.LockOSThread() // never unlocked: nobody else shall come to run in the namespace
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		tb.Fatalf("make a network namespace: %v", err)
	}
	command(tb, "ip", "link", "set", "lo", "up")
}

// command runs a program in the namespace of the calling thread.
func command(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		tb.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// devices makes devices that packets can be said to leave by, and gives their numbers.
func devices(tb testing.TB, n int) (ifindexes []int) {
	tb.Helper()
	for i := range n {
		name := fmt.Sprintf("mzt%d", i)
		command(tb, "ip", "link", "add", name, "type", "veth", "peer", "name", name+"p")
		ifindexes = append(ifindexes, indexOf(tb, name))
	}
	return ifindexes
}

func indexOf(tb testing.TB, name string) int {
	tb.Helper()
	d, err := net.InterfaceByName(name)
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return d.Index
}

// where the fields of struct __sk_buff are that a test may set.
const (
	skbSize    = 192
	skbIfindex = 40
	skbGSOSegs = 164
	skbGSOSize = 176
)

// runner runs one program on packets. One goroutine at a time.
type runner struct {
	prog    *ebpf.Program
	context [skbSize]byte
	opts    ebpf.RunOptions
}

func newRunner(p *ebpf.Program) *runner {
	r := &runner{prog: p}
	r.opts.Context = r.context[:]
	return r
}

func (r *runner) run(p packet) error {
	binary.NativeEndian.PutUint32(r.context[skbIfindex:], uint32(p.ifindex))
	binary.NativeEndian.PutUint32(r.context[skbGSOSegs:], uint32(p.gsoSegs))
	binary.NativeEndian.PutUint32(r.context[skbGSOSize:], uint32(p.gsoSize))
	r.opts.Data = p.frame
	verdict, err := r.prog.Run(&r.opts)
	if err == nil && verdict != math.MaxUint32 {
		err = fmt.Errorf("verdict is %d, not -1", int32(verdict))
	}
	return err
}

// loaded loads a program for the length of a test.
func loaded(tb testing.TB, t *Tables, h hook) *runner {
	tb.Helper()
	p, err := t.load(h.variant, h.segment, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { p.Close() })
	return newRunner(p)
}

func mustRun(tb testing.TB, r *runner, p packet) {
	tb.Helper()
	if err := r.run(p); err != nil {
		tb.Fatalf("run: %v\n% x", err, p.frame)
	}
}

func mustApply(tb testing.TB, t *Tables, r *Rules) {
	tb.Helper()
	if err := t.Apply(r); err != nil {
		tb.Fatal(err)
	}
}

func mustRead(tb testing.TB, t *Tables) Counts {
	tb.Helper()
	c, err := t.Read()
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// onCPU binds the calling goroutine to a CPU until the test ends.
func onCPU(tb testing.TB, cpu int) {
	tb.Helper()
	runtime.LockOSThread()
	bindCPU(tb, cpu)
}

func bindCPU(tb testing.TB, cpu int) {
	tb.Helper()
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		tb.Fatalf("bind to CPU %d: %v", cpu, err)
	}
}

// onlineCPUs are those that this process may run on.
func onlineCPUs(tb testing.TB) (cpus []int) {
	tb.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		tb.Fatal(err)
	}
	for cpu := range possibleCPUs(tb) {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}

// wipe makes tables as new, at once. Only where no program runs.
func (t *Tables) wipe(tb testing.TB) {
	tb.Helper()
	clear(t.rowMem)
	for _, m := range t.overflow {
		var k overflowKey
		for m.NextKey(nil, &k) == nil {
			if err := m.Delete(&k); err != nil {
				tb.Fatal(err)
			}
		}
	}
	t.reader.reset(t.Generation(), int(t.cpus*t.slots))
}

// tally is all that is counted, in a form to compare.
type tally struct {
	hosts   map[hostKey]total
	reasons [Reasons]struct{ Upload, Download Traffic }
}

type total struct {
	network          string
	upload, download Traffic
}

func tallyOf(c Counts) tally {
	t := tally{hosts: map[hostKey]total{}, reasons: c.Unattributed}
	for _, e := range c.Entries {
		t.hosts[hostKey{e.Addr, e.MAC, int(e.key.Segment)}] = total{e.Network, e.Upload, e.Download}
	}
	return t
}

func (b *book) tally() tally {
	t := tally{hosts: map[hostKey]total{}}
	for k, a := range b.hosts {
		t.hosts[k] = total{a.network, a.upload, a.download}
	}
	for i := range b.reasons {
		t.reasons[i].Upload, t.reasons[i].Download = b.reasons[i].upload, b.reasons[i].download
	}
	return t
}

// differences tells where two tallies differ, at most ten lines.
func differences(got, want tally) (lines []string) {
	for k, w := range want.hosts {
		if g, ok := got.hosts[k]; !ok {
			lines = append(lines, fmt.Sprintf("%v: not counted, expected %+v", k, w))
		} else if g != w {
			lines = append(lines, fmt.Sprintf("%v: %+v, expected %+v", k, g, w))
		}
	}
	for k, g := range got.hosts {
		if _, ok := want.hosts[k]; !ok {
			lines = append(lines, fmt.Sprintf("%v: %+v, expected nothing", k, g))
		}
	}
	for i := range want.reasons {
		if got.reasons[i] != want.reasons[i] {
			lines = append(lines, fmt.Sprintf("%s: %+v, expected %+v", Reason(i), got.reasons[i], want.reasons[i]))
		}
	}
	sort.Strings(lines)
	return lines[:min(len(lines), 10)]
}

// sum is all that a reading has.
func sum(c Counts) (up, down Traffic) {
	add := func(to *Traffic, t Traffic) { to.Bytes += t.Bytes; to.Packets += t.Packets }
	for _, e := range c.Entries {
		add(&up, e.Upload)
		add(&down, e.Download)
	}
	for _, u := range c.Unattributed {
		add(&up, u.Upload)
		add(&down, u.Download)
	}
	return up, down
}

func entryOf(c Counts, addr string) (found Entry, ok bool) {
	a := netip.MustParseAddr(addr)
	for _, e := range c.Entries {
		if e.Addr == a {
			return e, true
		}
	}
	return Entry{}, false
}

func kernelAtLeast(tb testing.TB, major, minor int) bool {
	tb.Helper()
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		tb.Fatal(err)
	}
	var a, b int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &a, &b); err != nil {
		tb.Fatal(err)
	}
	return a > major || a == major && b >= minor
}
