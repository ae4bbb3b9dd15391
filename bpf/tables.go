// SPDX-License-Identifier: GPL-2.0-only

package bpf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

const (
	mapRows      = ".data.rows"
	mapOverflow0 = "overflow0"
	mapOverflow1 = "overflow1"
	mapControl   = ".data.control"
	mapLocals    = "locals"

	tablesPrefix = "tables-"
	minSlots     = 256
	rowsLimit    = 64 << 20 // bytes that all rows may take: they are memory whether they are used or not
)

// ErrExists is returned where another process has made what this one wants to make.
var ErrExists = os.ErrExist

// Size is how much tables are made for.
type Size struct {
	Addresses int // that are counted at a time; each CPU gets a row for each, and as many again overflow
	CPUs      int // possible CPUs of the kernel
}

// Tables are the maps of one daemon's life: rows by CPU in two halves, an overflow table for each
// half, and the control map. Pinned below a directory of bpffs of their own.
type Tables struct {
	dir      string
	id       string
	header   *header // in the control map
	cpus     uint32
	slots    uint32
	names    map[string]int
	rowMap   *ebpf.Map
	overflow [2]*ebpf.Map
	control  *ebpf.Map
	locals   *ebpf.Map     // not pinned: the programs keep it
	localOf  [2][]localKey // what is in it, for each of the rules
	wait     *barrier
	rowMem   []byte
	ctrlMem  []byte
	reader   reader
}

// Create makes tables and pins them below root, a directory in bpffs. random gives the hash's multipliers and the
// tables' name.
func Create(root string, size Size, random io.Reader) (*Tables, error) {
	if size.CPUs < 1 {
		return nil, fmt.Errorf("create tables: %d CPUs", size.CPUs)
	}
	if _, _, errno := unix.Syscall(unix.SYS_BPF, ^uintptr(0), 0, 0); errno == unix.ENOSYS {
		return nil, fmt.Errorf("create tables: %w", ErrNoBPF)
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, fmt.Errorf("create tables: lift the limit on locked memory: %w", explain(err))
	}
	spec, err := loadObject()
	if err != nil {
		return nil, fmt.Errorf("create tables: %w", err)
	}
	var seed [32]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return nil, fmt.Errorf("create tables: random numbers: %w", err)
	}
	id := fmt.Sprintf("%x", seed[24:])
	var multiplier [6]uint32
	for i := range multiplier {
		multiplier[i] = binary.NativeEndian.Uint32(seed[4*i:]) | 1
	}
	head := newHeader(uint32(size.CPUs), slotsFor(size), multiplier)
	for _, name := range []string{mapOverflow0, mapOverflow1} {
		spec.Maps[name].MaxEntries = uint32(max(size.Addresses, 64) * size.CPUs)
	}
	ctrl := spec.Maps[mapControl]
	ctrl.Flags |= unix.BPF_F_MMAPABLE
	ctrl.Contents = nil

	t := &Tables{dir: filepath.Join(root, tablesPrefix+id), id: id}
	if err = os.Mkdir(t.dir, 0o700); err != nil {
		return nil, fmt.Errorf("create tables: %w: is bpffs mounted there?", err)
	}
	defer func() {
		if err != nil {
			t.Remove()
		}
	}()
	if err = t.createRows(spec.Maps[mapRows], &head); err != nil {
		return nil, fmt.Errorf("create table rows: %w", explain(err))
	}
	for _, m := range []struct {
		spec *ebpf.MapSpec
		to   **ebpf.Map
	}{{spec.Maps[mapOverflow0], &t.overflow[0]}, {spec.Maps[mapOverflow1], &t.overflow[1]}, {ctrl, &t.control}, {spec.Maps[mapLocals], &t.locals}} {
		m.spec.Pinning = ebpf.PinNone
		if *m.to, err = ebpf.NewMap(m.spec); err != nil {
			return nil, fmt.Errorf("create table %s: %w", m.spec.Name, explain(err))
		}
	}
	if err = t.open(); err != nil {
		return nil, fmt.Errorf("create tables: %w", err)
	}
	*t.header = head
	t.cpus, t.slots = head.CPUs, head.Slots
	if err = t.pin(); err != nil {
		return nil, fmt.Errorf("create tables: %w", err)
	}
	return t, nil
}

// createRows makes the rows, and fewer where the kernel refuses so many: 4 MiB in one value is what old ones allow.
func (t *Tables) createRows(spec *ebpf.MapSpec, head *header) (err error) {
	spec.Flags |= unix.BPF_F_MMAPABLE
	spec.Contents, spec.Key, spec.Value = nil, nil, nil
	for {
		spec.ValueSize = uint32(head.size())
		t.rowMap, err = ebpf.NewMap(spec)
		if tooMuch := errors.Is(err, unix.E2BIG) || errors.Is(err, unix.ENOMEM); !tooMuch || head.Slots <= minSlots {
			return err
		}
		*head = newHeader(head.CPUs, head.Slots/2, head.Multiplier)
	}
}

func slotsFor(size Size) uint32 {
	slots := uint32(minSlots)
	for slots < uint32(size.Addresses) {
		slots *= 2
	}
	for slots > minSlots && 2*size.CPUs*int(slots+reasonCount)*rowSize > rowsLimit {
		slots /= 2
	}
	return slots
}

// pinned are the maps by their file names below the tables' directory.
func (t *Tables) pinned() map[string]**ebpf.Map {
	return map[string]**ebpf.Map{
		"rows": &t.rowMap, "overflow0": &t.overflow[0], "overflow1": &t.overflow[1], "control": &t.control,
	}
}

func (t *Tables) pin() error {
	for name, m := range t.pinned() {
		if err := (*m).Pin(filepath.Join(t.dir, name)); err != nil {
			return fmt.Errorf("pin %s: %w: is bpffs mounted there?", filepath.Join(t.dir, name), err)
		}
	}
	return nil
}

// open maps the memory and makes the barrier.
func (t *Tables) open() (err error) {
	if t.ctrlMem, err = mapMemory(t.control); err != nil {
		return fmt.Errorf("map control: %w", err)
	}
	if t.rowMem, err = mapMemory(t.rowMap); err != nil {
		return fmt.Errorf("map rows: %w", err)
	}
	if len(t.ctrlMem) < int(unsafe.Sizeof(header{})) {
		return fmt.Errorf("control map of %d bytes is too small", len(t.ctrlMem))
	}
	t.header = (*header)(unsafe.Pointer(&t.ctrlMem[0]))
	if t.wait, err = newBarrier(); err != nil {
		return err
	}
	return nil
}

func mapMemory(m *ebpf.Map) ([]byte, error) {
	size := int(m.ValueSize()+7) / 8 * 8 * int(m.MaxEntries())
	page := os.Getpagesize()
	return unix.Mmap(m.FD(), 0, (size+page-1)/page*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

// Find lists the tables pinned below root, in no order that means anything.
func Find(root string) ([]string, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("find tables: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if id, ok := strings.CutPrefix(e.Name(), tablesPrefix); ok && e.IsDir() {
			ids = append(ids, id)
		}
	}
	sort.Strings(ids)
	return ids, nil
}

// Open opens tables that an earlier daemon made, of any layout version, to read and remove them.
func Open(root, id string) (*Tables, error) {
	t := &Tables{dir: filepath.Join(root, tablesPrefix+id), id: id}
	fail := func(err error) (*Tables, error) {
		t.Close()
		return nil, fmt.Errorf("open tables %s: %w", t.dir, err)
	}
	for name, m := range t.pinned() {
		var err error
		if *m, err = ebpf.LoadPinnedMap(filepath.Join(t.dir, name), nil); err != nil {
			return fail(fmt.Errorf("%s: %w", name, explain(err)))
		}
	}
	if err := t.open(); err != nil {
		return fail(err)
	}
	h := t.header
	if err := h.check(int(t.rowMap.ValueSize())); err != nil {
		return fail(err)
	}
	if uint64(h.NetworksOffset)+MaxNetworks*nameSize > uint64(len(t.ctrlMem)) {
		return fail(errors.New("names lie outside the control map"))
	}
	for _, m := range t.overflow {
		if m.KeySize() < keySize || m.ValueSize() != h.AccountSize || m.MaxEntries() == 0 {
			return fail(fmt.Errorf("overflow table has keys of %d bytes and values of %d, expected %d and %d",
				m.KeySize(), m.ValueSize(), unsafe.Sizeof(overflowKey{}), h.AccountSize))
		}
	}
	t.cpus, t.slots = h.CPUs, h.Slots
	t.names = map[string]int{}
	for i := 0; i < MaxNetworks; i++ {
		if name := t.networkName(uint8(i)); name != "" {
			t.names[name] = i
		}
	}
	return t, nil
}

// ID names the tables; no two have the same.
func (t *Tables) ID() string { return t.id }

// Generation counts the turns of the two halves. One that has ended never changes any more.
func (t *Tables) Generation() uint32 {
	// The program goes by First. A daemon that was killed within Rotate has set that, and perhaps no more.
	g := atomic.LoadUint32(&t.header.Generation)
	if atomic.LoadUint32(&t.header.First) != t.header.first(g) {
		g++
	}
	return g
}

// Capacity is how many addresses have room: in rows, and behind them.
func (t *Tables) Capacity() int {
	return int(t.slots) + int(t.overflow[0].MaxEntries()/t.cpus)
}

// Apply puts rules in force, for every packet after it returns and for none before half of them.
func (t *Tables) Apply(r *Rules) error {
	compiled, locals, err := r.compile(t.number)
	if err != nil {
		return fmt.Errorf("apply rules: %w", err)
	}
	c := (*control)(unsafe.Pointer(&t.ctrlMem[0]))
	next := t.header.Rules&1 ^ 1
	c.Rules[next] = *compiled
	if err := t.setLocals(uint8(next), locals); err != nil {
		return fmt.Errorf("apply rules: %w", err)
	}
	var local4, local6 [256]uint8
	setLocal(locals, &local4, &local6)

	// First bytes are looked up before the rules: they have to be suspect under the old ones and the new ones
	// until no program is left that has the old.
	join(&c.Suspect4, &compiled.Class4)
	join(&c.Suspect6, &compiled.Class6)
	join(&c.Local4, &local4)
	join(&c.Local6, &local6)
	if err := t.wait.wait(); err != nil {
		return fmt.Errorf("apply rules: %w", err)
	}
	atomic.StoreUint32(&t.header.Rules, next)
	if err := t.wait.wait(); err != nil {
		return fmt.Errorf("apply rules: %w", err)
	}
	c.Suspect4, c.Suspect6, c.Local4, c.Local6 = compiled.Class4, compiled.Class6, local4, local6
	return nil
}

// join sets what is set in either.
func join(to, from *[256]uint8) {
	for i, b := range from {
		to[i] |= b
	}
}

// setLocals makes the watched prefixes of the rules not in force these.
func (t *Tables) setLocals(rules uint8, locals map[localKey]uint8) error {
	for _, k := range t.localOf[rules] {
		if err := t.locals.Delete(&k); err != nil && !isNotExist(err) {
			return fmt.Errorf("remove watched prefix: %w", err)
		}
	}
	t.localOf[rules] = t.localOf[rules][:0]
	for k, network := range locals {
		k.Rules = rules
		if err := t.locals.Put(&k, network); err != nil {
			return fmt.Errorf("set watched prefix: %w", explain(err))
		}
		t.localOf[rules] = append(t.localOf[rules], k)
	}
	return nil
}

// number gives a network its number, for good: rows that were counted under it are read under its name.
func (t *Tables) number(name string) (uint8, error) {
	if id, ok := t.names[name]; ok {
		return uint8(id), nil
	}
	if name == "" || len(name) >= nameSize || strings.IndexByte(name, 0) >= 0 {
		return 0, fmt.Errorf("network %q: a name has 1 to %d bytes", name, nameSize-1)
	}
	id := len(t.names)
	if id == MaxNetworks {
		return 0, fmt.Errorf("network %s: %w networks, at most %d until the next start", name, ErrTooMany, MaxNetworks)
	}
	if t.names == nil {
		t.names = map[string]int{}
	}
	t.names[name] = id
	copy(t.ctrlMem[int(t.header.NetworksOffset)+id*nameSize:], name)
	return uint8(id), nil
}

func (t *Tables) networkName(id uint8) string {
	at := int(t.header.NetworksOffset) + int(id%MaxNetworks)*nameSize
	name := t.ctrlMem[at : at+nameSize]
	if end := bytes.IndexByte(name, 0); end >= 0 {
		name = name[:end]
	}
	return string(name)
}

// Close lets go of the tables; they count on.
func (t *Tables) Close() error {
	for _, m := range t.pinned() {
		(*m).Close()
		*m = nil
	}
	t.locals.Close()
	t.locals = nil
	for _, mem := range []*[]byte{&t.rowMem, &t.ctrlMem} {
		if *mem != nil {
			unix.Munmap(*mem)
			*mem = nil
		}
	}
	if t.wait != nil {
		t.wait.close()
		t.wait = nil
	}
	return nil
}

// Remove closes the tables and takes away their pins. Programs that use them keep them alive.
func (t *Tables) Remove() error {
	t.Close()
	return removePins(t.dir)
}

// removePins removes the files of a directory in bpffs, and the directory.
func removePins(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
	}
	if err == nil {
		err = os.Remove(dir)
	}
	if err != nil {
		return fmt.Errorf("remove pins: %w", err)
	}
	return nil
}

// RemoveTables takes away the pins of tables.
func RemoveTables(root, id string) error { return removePins(filepath.Join(root, tablesPrefix+id)) }

// Wait returns when no program runs any more that was running.
func (t *Tables) Wait() error { return t.wait.wait() }
