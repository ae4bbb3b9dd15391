// SPDX-License-Identifier: GPL-2.0-only

package export

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/mezoura/mezoura/service/account"
)

// ErrNothing is returned while there is no Snapshot yet.
var ErrNothing = errors.New("nothing counted yet")

// Metrics writes the current Snapshot.
type Metrics struct {
	current func() *account.Snapshot
	compat  atomic.Bool
	buffers sync.Pool
	search  sync.Mutex
}

// New returns Metrics over the Snapshot that current returns, which may be nil
// as long as there is none. compat writes the original's families too.
func New(current func() *account.Snapshot, compat bool) *Metrics {
	m := &Metrics{current: current}
	m.buffers.New = func() any { b := make([]byte, 0, flushAt+1024); return &b }
	m.SetCompat(compat)
	return m
}

// SetCompat switches the original's families on or off.
func (m *Metrics) SetCompat(on bool) { m.compat.Store(on) }

// Write writes the current Snapshot: one Snapshot, whatever is published
// meanwhile. It needs some 20 KB of memory, however many hosts there are.
func (m *Metrics) Write(to io.Writer, f Format) error {
	s := m.current()
	if s == nil {
		return fmt.Errorf("write metrics: %w", ErrNothing)
	}
	return m.write(to, f, s)
}

func (m *Metrics) write(to io.Writer, f Format, s *account.Snapshot) error {
	b := m.buffers.Get().(*[]byte)
	w := &writer{to: to, format: f, buf: (*b)[:0]}
	defer func() {
		*b = w.buf
		m.buffers.Put(b)
	}()
	if m.compat.Load() {
		w.originals(s, m.repeats(s))
	}
	w.hosts(s)
	w.networks(s)
	w.state(s)
	if err := w.end(); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}

// repeats looks for repeated rows. One scrape at a time does: it takes memory
// by the host, unlike all else here.
func (m *Metrics) repeats(s *account.Snapshot) map[row][]place {
	m.search.Lock()
	defer m.search.Unlock()
	return repeats(s)
}

// networks writes what belongs to no single host.
func (w *writer) networks(s *account.Snapshot) {
	w.family("mezoura_network_bytes", "Bytes exchanged with the internet by all hosts of a network, former ones included.", counter)
	for i := range s.Networks {
		n := &s.Networks[i]
		for _, d := range directions {
			w.series()
			w.label("network", n.Name)
			w.label("direction", d.name)
			w.value(d.of(&n.Counters).Bytes)
		}
	}
	w.family("mezoura_unattributed_bytes", "Bytes counted that belong to no listed host, by reason.", counter)
	for i := range s.Unattributed {
		r := &s.Unattributed[i]
		w.series()
		w.label("reason", r.Reason)
		w.value(r.Download.Bytes + r.Upload.Bytes)
	}
}

// state writes how the daemon is doing.
func (w *writer) state(s *account.Snapshot) {
	w.family("mezoura_table_entries", "Addresses in the classifier's tables.", gauge)
	w.series()
	w.value(s.Status.Table.Entries)
	w.family("mezoura_table_capacity", "Addresses the classifier's tables have room for.", gauge)
	w.series()
	w.value(s.Status.Table.Capacity)
	w.family("mezoura_attached", "Whether the classifier is attached to a device, 1, or waits for it, 0.", gauge)
	for i := range s.Status.Attachments {
		a := &s.Status.Attachments[i]
		if repeated(s.Status.Attachments[:i], a) {
			continue
		}
		w.series()
		w.label("network", a.Network)
		w.label("device", a.Device)
		w.label("mode", a.Mode)
		w.value(truth(a.Mode != "waiting" && a.Error == ""))
	}
	w.family("mezoura_offload", "Whether flow offloading is on; with hardware offloading the totals are incomplete.", gauge)
	for _, o := range []struct {
		kind string
		on   bool
	}{{"hardware", s.Status.Offload.Hardware}, {"software", s.Status.Offload.Software}} {
		w.series()
		w.label("kind", o.kind)
		w.value(truth(o.on))
	}
	w.family("mezoura_build_info", "The version of the daemon, always 1.", gauge)
	w.series()
	w.label("version", s.Status.Version)
	w.label("goversion", runtime.Version())
	w.value(1)
}

// repeated tells whether the same series has been written already.
func repeated(before []account.Attachment, a *account.Attachment) bool {
	for i := range before {
		b := &before[i]
		if b.Network == a.Network && b.Device == a.Device && b.Mode == a.Mode {
			return true
		}
	}
	return false
}

func truth(v bool) uint64 {
	if v {
		return 1
	}
	return 0
}
