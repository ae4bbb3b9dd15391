// SPDX-License-Identifier: GPL-2.0-only

package service

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf"

	"github.com/mezoura/mezoura/bpf"
	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/config"
	"github.com/mezoura/mezoura/service/networks"
)

const (
	// An early turn, when the tables fill up, not more often than this: each costs a write of the book.
	rotateMin = 30 * time.Second
	// Share of the rows that addresses may keep over a turn; what a flood has taken is free again after one.
	keepShare = 2
)

// counter is the kernel's tables and the book together: it counts, reads and keeps.
type counter struct {
	log      *slog.Logger
	root     string
	tables   *bpf.Tables
	attacher *bpf.Attacher
	book     *account.Book
	state    *state
	samples  []account.Sample
	table    account.Table
	plan     networks.Plan
	modes    map[int]attached // by ifindex
	failures []error          // of attaching, not yet told
	rotated  time.Duration    // since boot
	unsaved  bool             // a generation is in the book but not in the file: its half can not be cleared
	toClear  bool             // a half is waiting to be cleared
	toRemove []string         // tables of earlier daemons that are in the book, and go when it is in the file
	moved    bool             // networks are not what rows were taken for: the tables have to turn
}

type attached struct {
	want networks.Attachment
	mode bpf.Mode
	err  error
}

// newCounter makes tables. Nothing counts into them before apply.
func newCounter(c config.Config, log *slog.Logger) (*counter, error) {
	if err := bpffs(c.BPFFS); err != nil {
		return nil, err
	}
	k := &counter{log: log, root: c.BPFFS, book: account.NewBook(limits(c)), modes: map[int]attached{}, rotated: sinceBoot()}
	var err error
	if k.state, err = readState(c.StateDir, k.book); err != nil {
		log.Warn(err.Error())
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("count CPUs: %w", err)
	}
	if k.tables, err = bpf.Create(c.BPFFS, bpf.Size{Addresses: c.TableSize, CPUs: cpus}, rand.Reader); err != nil {
		return nil, err
	}
	if k.attacher, err = bpf.NewAttacher(c.BPFFS, k.tables, bpf.Mode(c.Attach)); err != nil {
		k.tables.Remove()
		return nil, err
	}
	k.tables.SetClock(uint32(sinceBoot() / time.Second))
	return k, nil
}

func limits(c config.Config) account.Limits {
	return account.Limits{
		Hosts: c.MaxHosts, AddressesPerHost: c.MaxHostAddresses, Addresses: c.MaxAddresses, Idle: c.Idle, Expire: c.Expire,
	}
}

// failed hands out, once, what could not be attached; all tells that nothing could.
func (k *counter) failed() (failures []error, all bool) {
	failures, k.failures = k.failures, nil
	for _, a := range k.modes {
		if a.err == nil {
			return failures, false
		}
	}
	return failures, len(k.modes) > 0
}

// close lets go; what is attached counts on.
func (k *counter) close() {
	k.attacher.Close()
	k.tables.Close()
}

// apply makes the plan true: rules, then devices. What can not be attached is tried again with the next plan.
func (k *counter) apply(plan networks.Plan, internal []netip.Prefix) error {
	rules := bpf.Rules{Internal: append(slices.Clone(internal), plan.Internal...), Own: plan.Own, Foreign: plan.Foreign}
	for _, n := range plan.Networks {
		rules.Networks = append(rules.Networks, bpf.Network{Name: n.Name, Segment: n.Segment, VLAN: n.VLAN, Prefixes: n.Prefixes})
	}
	if err := k.tables.Apply(&rules); err != nil {
		return err
	}
	moved := !slices.EqualFunc(k.plan.Networks, plan.Networks, func(a, b networks.Network) bool {
		return a.Name == b.Name && a.Segment == b.Segment && slices.Equal(a.Prefixes, b.Prefixes)
	})
	first := k.plan.Networks == nil
	for _, name := range plan.Missing {
		if !slices.Contains(k.plan.Missing, name) {
			k.log.Warn("device does not exist; waiting for it", "device", name)
		}
	}
	k.plan = plan
	k.attach()
	if moved && !first {
		// Rows know the network they were taken for: addresses that belong elsewhere now have to take new ones.
		k.moved = true
		return k.rotate()
	}
	return nil
}

// attach brings devices and plan together.
func (k *counter) attach() {
	wanted := map[int]bool{}
	for _, want := range k.plan.Attachments {
		wanted[want.Ifindex] = true
		now, ok := k.modes[want.Ifindex]
		if ok && now.err == nil && sameAttachment(now.want, want) {
			k.modes[want.Ifindex] = attached{want, now.mode, nil} // it may have another name
			continue
		}
		mode, err := k.attacher.Attach(bpf.Device{
			Ifindex: want.Ifindex, Segment: want.Segment, RawIP: want.RawIP, BridgePort: want.BridgePort,
		})
		if err != nil && (!ok || now.err == nil || now.err.Error() != err.Error()) {
			k.failures = append(k.failures, fmt.Errorf("device %s: %w", want.Device, err))
		} else if err == nil {
			k.log.Info("attached", "device", want.Device, "mode", string(mode))
		}
		k.modes[want.Ifindex] = attached{want, mode, err}
	}
	for ifindex, now := range k.modes {
		if wanted[ifindex] {
			continue
		}
		delete(k.modes, ifindex)
		if err := k.attacher.Detach(ifindex); err != nil {
			k.log.Warn("detach", "device", now.want.Device, "error", err)
			continue
		}
		k.log.Info("detached", "device", now.want.Device)
	}
}

func sameAttachment(a, b networks.Attachment) bool {
	return a.Ifindex == b.Ifindex && a.Generation == b.Generation && a.Segment == b.Segment && a.RawIP == b.RawIP && a.BridgePort == b.BridgePort
}

// takeOver brings what earlier daemons have left into the book; save takes it out of the kernel. Devices of the plan
// have changed over to the new tables before; others that still count into the old ones are let go.
func (k *counter) takeOver() error {
	devices, err := k.attacher.Attached()
	if err != nil {
		return err
	}
	for _, ifindex := range devices {
		if _, ok := k.modes[ifindex]; !ok {
			if err := k.attacher.Detach(ifindex); err != nil {
				return err
			}
		}
	}
	ids, err := bpf.Find(k.root)
	if err != nil {
		return err
	}
	if err := k.tables.Wait(); err != nil {
		return err
	}
	known := map[string]bool{}
	for _, id := range ids {
		known[id] = true
		if id == k.tables.ID() {
			continue
		}
		if !k.state.ended[id] {
			if err := k.fold(id); errors.Is(err, errUnfinished) {
				k.log.Info("an earlier mezoura was ended while it made tables; nothing was counted there", "tables", id)
			} else if err != nil {
				// Not readable now will not be readable later: keep it for whoever can, and count on.
				k.log.Error("what an earlier mezoura counted can not be read", "error", err)
				continue
			}
			k.state.ended[id] = true
		}
		k.toRemove = append(k.toRemove, id)
	}
	for id := range k.state.ended { // removed long ago
		if !known[id] {
			delete(k.state.ended, id)
		}
	}
	for id := range k.state.closed {
		if !known[id] || k.state.ended[id] {
			delete(k.state.closed, id)
		}
	}
	k.unsaved = true
	return nil
}

// errUnfinished means that not all of a daemon's tables are there. It ended before they were, and they are before the
// first device is attached; those that are being removed are in the file as ended.
var errUnfinished = errors.New("tables are not finished")

// fold adds tables of another daemon to the book.
func (k *counter) fold(id string) error {
	t, err := bpf.Open(k.root, id)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %w", errUnfinished, err)
	}
	if err != nil {
		return err
	}
	defer t.Close()
	generation := t.Generation()
	generations := []uint32{generation}
	if closed, ok := k.state.closed[id]; generation > 0 && (!ok || closed != generation-1) {
		generations = []uint32{generation - 1, generation}
	}
	for _, g := range generations {
		counts, err := t.ReadGeneration(g)
		if err != nil {
			return err
		}
		samples, un := k.convert(nil, counts)
		k.book.Close(samples, un)
	}
	return nil
}

// read brings the book up to date.
func (k *counter) read(now time.Time) error {
	k.tables.SetClock(uint32(sinceBoot() / time.Second))
	counts, err := k.tables.Read()
	if err != nil {
		return err
	}
	var un account.Unattributed
	k.samples, un = k.convert(k.samples[:0], counts)
	k.book.Observe(now, k.samples, un)
	k.table = account.Table{
		Entries: uint64(len(counts.Entries)), Capacity: uint64(k.tables.Capacity()), Conflicts: uint64(counts.Conflicts),
	}
	return nil
}

func (k *counter) convert(samples []account.Sample, counts bpf.Counts) ([]account.Sample, account.Unattributed) {
	boot := time.Now().Add(-sinceBoot())
	for i := range counts.Entries {
		e := &counts.Entries[i]
		s := account.Sample{
			Key:      account.Key{Network: e.Network, MAC: e.MAC, Addr: e.Addr},
			Counters: account.Counters{Download: account.Traffic(e.Download), Upload: account.Traffic(e.Upload)},
		}
		if e.Download.Packets|e.Upload.Packets == 0 {
			continue // keeps a row, but has not been heard of since
		}
		s.Seen = boot.Add(time.Duration(e.Seen) * time.Second)
		samples = append(samples, s)
	}
	un := account.Unattributed{}
	for r, u := range counts.Unattributed {
		un[bpf.Reason(r).String()] = account.Counters{Download: account.Traffic(u.Download), Upload: account.Traffic(u.Upload)}
	}
	return samples, un
}

// turn lets the halves of the tables change places when it is time: idle addresses make room for others.
func (k *counter) turn(idle time.Duration) error {
	if k.saving() {
		return k.save()
	}
	age := sinceBoot() - k.rotated
	full := k.table.Entries*4 > k.table.Capacity*3
	if k.moved || age >= idle && k.table.Entries > 0 || full && age >= rotateMin {
		return k.rotate()
	}
	return nil
}

// rotate ends a generation: its counts go to the book, and with it to the file; then its half is cleared.
func (k *counter) rotate() error {
	if err := k.save(); err != nil {
		return fmt.Errorf("tables can not turn: %w", err)
	}
	counts, err := k.tables.Read()
	if err != nil {
		return err
	}
	active := make(map[account.Key]bool)
	for _, key := range k.book.Active(time.Now(), k.tables.Capacity()/keepShare) {
		active[key] = true
	}
	var keep []bpf.Entry
	for _, e := range counts.Entries {
		if active[account.Key{Network: e.Network, MAC: e.MAC, Addr: e.Addr}] && k.planned(e) {
			keep = append(keep, e)
		}
	}
	ended, err := k.tables.Rotate(keep)
	if err != nil {
		return err
	}
	if counts, err = k.tables.ReadGeneration(ended); err != nil {
		return err
	}
	samples, un := k.convert(nil, counts)
	k.book.Close(samples, un)
	k.state.closed[k.tables.ID()] = ended
	k.rotated = sinceBoot()
	k.unsaved, k.toClear, k.moved = true, true, false
	return k.save()
}

// planned tells whether an entry is still of the network it was counted under.
func (k *counter) planned(e bpf.Entry) bool {
	for _, n := range k.plan.Networks {
		if n.Name != e.Network {
			continue
		}
		for _, p := range n.Prefixes {
			if p.Contains(e.Addr) {
				return true
			}
		}
	}
	return false
}

// saving tells whether something waits for the book to be in the file.
func (k *counter) saving() bool { return k.unsaved || k.toClear || len(k.toRemove) > 0 }

// save writes the book, and clears the half and removes the tables whose counts are in it then. Where it can not, it is
// to be called again; nothing is lost meanwhile, since the next start finds both the old file and the tables.
func (k *counter) save() error {
	if k.unsaved {
		if err := k.state.write(k.book); err != nil {
			return err
		}
		k.unsaved = false
	}
	if k.toClear {
		if err := k.tables.Clear(); err != nil {
			return err
		}
		k.toClear = false
	}
	for len(k.toRemove) > 0 {
		if err := bpf.RemoveTables(k.root, k.toRemove[0]); err != nil {
			return err
		}
		k.toRemove = k.toRemove[1:]
	}
	return nil
}

// Detach takes everything of ours out of the kernel and forgets the totals.
func Detach(c config.Config) error {
	held, err := lock(c.StateDir)
	if err != nil {
		return err
	}
	defer held.Close()
	err = bpf.DetachAll(c.BPFFS)
	for _, name := range []string{stateName, stateName + newSuffix, lockName} {
		if rm := os.Remove(c.StateDir + "/" + name); rm != nil && !errors.Is(rm, os.ErrNotExist) {
			err = errors.Join(err, rm)
		}
	}
	if rm := os.Remove(c.StateDir); rm != nil && !errors.Is(rm, os.ErrNotExist) {
		err = errors.Join(err, rm)
	}
	return err
}
