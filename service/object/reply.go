// SPDX-License-Identifier: GPL-2.0-only

package object

import (
	"math"
	"net/netip"
	"time"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/ubus/blobmsg"
)

// maxAddresses is how many addresses of one host are listed. With more, so that
// nothing is cut in silence, `addresses_total` says how many there are.
const maxAddresses = 1000

// Upper bounds of what a host takes in a reply; a test holds replies against
// them. A MAC takes at most 28 bytes; a string is followed by NUL and padding.
func sizeOfStats(h *account.Host) int {
	return 1024 + len(h.MACs)*28 + texts(h) + min(len(h.Addresses), maxAddresses)*240
}

func sizeOfIdentity(h *account.Host) int {
	return 256 + len(h.MACs)*28 + texts(h) + min(len(h.Addresses), maxAddresses)*56
}

// texts is thrice what they are long: each byte that is not UTF-8 is replaced
// by three.
func texts(h *account.Host) int {
	return 3 * (len(h.Hostname) + len(h.NameSource) + len(h.Network) + len(h.Device))
}

type statsReply struct{ *page }

// MarshalBlobmsg writes the reply of stats.
func (r statsReply) MarshalBlobmsg(b *blobmsg.Builder) {
	w := writer{b}
	s := r.snapshot
	w.head(r.page)
	b.OpenArray("hosts")
	for i := r.first; i < r.end; i++ {
		h := r.host(i)
		b.OpenTable("")
		w.identity(h)
		w.flow("download", h.Download)
		w.flow("upload", h.Upload)
		w.family("ipv4", &h.IPv4)
		w.family("ipv6", &h.IPv6)
		b.OpenArray("addresses")
		for j := range h.Addresses[:min(len(h.Addresses), maxAddresses)] {
			a := &h.Addresses[j]
			b.OpenTable("")
			w.ip("ip", a.IP)
			w.counters(a.Counters)
			w.time("last_seen", a.LastSeen)
			b.Close()
		}
		b.Close()
		w.more(h)
		w.times(h)
		b.Close()
	}
	b.Close()
	b.OpenArray("networks")
	for i := range s.Networks {
		n := &s.Networks[i]
		b.OpenTable("")
		b.String("network", n.Name)
		b.String("device", n.Device)
		w.counters(n.Counters)
		b.Close()
	}
	b.Close()
	var un account.Counters
	for i := range s.Unattributed {
		c := &s.Unattributed[i].Counters
		un.Download.Bytes += c.Download.Bytes
		un.Download.Packets += c.Download.Packets
		un.Upload.Bytes += c.Upload.Bytes
		un.Upload.Packets += c.Upload.Packets
	}
	b.OpenTable("unattributed")
	w.counters(un)
	b.Close()
}

type hostsReply struct{ *page }

// MarshalBlobmsg writes the reply of hosts.
func (r hostsReply) MarshalBlobmsg(b *blobmsg.Builder) {
	w := writer{b}
	w.head(r.page)
	b.OpenArray("hosts")
	for i := r.first; i < r.end; i++ {
		h := r.host(i)
		b.OpenTable("")
		w.identity(h)
		b.OpenArray("addresses")
		for j := range h.Addresses[:min(len(h.Addresses), maxAddresses)] {
			w.ip("", h.Addresses[j].IP)
		}
		b.Close()
		w.more(h)
		w.times(h)
		b.Close()
	}
	b.Close()
}

type statusReply struct{ *account.Snapshot }

// MarshalBlobmsg writes the reply of status.
func (r statusReply) MarshalBlobmsg(b *blobmsg.Builder) {
	w := writer{b}
	s := &r.Status
	b.String("version", s.Version)
	w.time("time", r.Time)
	w.uptime(r.Snapshot)
	b.String("transport", s.Transport)
	b.String("kernel", s.Kernel)
	if s.Interval%time.Second == 0 {
		b.Int64("interval", int64(s.Interval/time.Second))
	} else {
		b.Double("interval", s.Interval.Seconds())
	}
	b.OpenArray("attachments")
	for i := range s.Attachments {
		a := &s.Attachments[i]
		b.OpenTable("")
		b.String("network", a.Network)
		b.String("device", a.Device)
		b.String("mode", a.Mode)
		b.String("direction", a.Direction)
		if a.Error != "" {
			b.String("error", a.Error)
		}
		b.Close()
	}
	b.Close()
	b.OpenArray("networks")
	for i := range s.Networks {
		n := &s.Networks[i]
		b.OpenTable("")
		b.String("name", n.Name)
		b.String("device", n.Device)
		b.Bool("up", n.Up)
		w.prefixes("prefixes", n.Prefixes)
		b.Close()
	}
	b.Close()
	b.OpenTable("table")
	w.number("entries", s.Table.Entries)
	w.number("capacity", s.Table.Capacity)
	w.number("conflicts", s.Table.Conflicts)
	b.Close()
	b.OpenTable("unattributed")
	for i := range r.Unattributed {
		b.OpenTable(r.Unattributed[i].Reason)
		w.counters(r.Unattributed[i].Counters)
		b.Close()
	}
	b.Close()
	b.OpenTable("offload")
	b.Bool("software", s.Offload.Software)
	b.Bool("hardware", s.Offload.Hardware)
	b.String("source", s.Offload.Source)
	b.Close()
	b.OpenArray("warnings")
	for _, text := range s.Warnings {
		b.String("", text)
	}
	b.Close()
	if s.ConfigError != "" {
		b.String("config_error", s.ConfigError)
	}
}

// writer writes the parts that replies have in common.
type writer struct{ *blobmsg.Builder }

func (w writer) head(p *page) {
	w.time("time", p.snapshot.Time)
	w.uptime(p.snapshot)
	w.Int64("total", int64(p.total))
	w.Int64("offset", int64(p.first))
	if p.listing != 0 {
		w.Int64("listing", int64(p.listing))
	}
}

func (w writer) identity(h *account.Host) {
	var buf [17]byte
	w.String("mac", string(h.MAC.Append(buf[:0])))
	w.String("hostname", h.Hostname)
	w.String("name_source", h.NameSource)
	w.String("network", h.Network)
	w.String("device", h.Device)
	w.Bool("online", h.Online)
	w.Bool("random", h.Random)
	if len(h.MACs) > 1 {
		w.OpenArray("macs")
		for _, m := range h.MACs {
			w.String("", string(m.Append(buf[:0])))
		}
		w.Close()
	}
}

func (w writer) more(h *account.Host) {
	if len(h.Addresses) > maxAddresses {
		w.Int64("addresses_total", int64(len(h.Addresses)))
	}
}

func (w writer) times(h *account.Host) {
	w.time("first_seen", h.FirstSeen)
	w.time("last_seen", h.LastSeen)
}

func (w writer) flow(name string, f account.Flow) {
	w.OpenTable(name)
	w.number("bytes", f.Bytes)
	w.number("packets", f.Packets)
	w.number("rate", f.Rate)
	w.Close()
}

func (w writer) family(name string, f *account.Family) {
	w.OpenTable(name)
	w.flow("download", f.Download)
	w.flow("upload", f.Upload)
	w.Close()
}

func (w writer) counters(c account.Counters) {
	w.traffic("download", c.Download)
	w.traffic("upload", c.Upload)
}

func (w writer) traffic(name string, t account.Traffic) {
	w.OpenTable(name)
	w.number("bytes", t.Bytes)
	w.number("packets", t.Packets)
	w.Close()
}

// number writes a number as an int64, which ubus has no unsigned form of. It
// would take 290 years at 1 Tbit/s to get beyond; then it stays there.
func (w writer) number(name string, v uint64) { w.Int64(name, int64(min(v, math.MaxInt64))) }

func (w writer) time(name string, t time.Time) {
	if t.IsZero() {
		w.Int64(name, 0)
		return
	}
	w.Int64(name, t.Unix())
}

func (w writer) uptime(s *account.Snapshot) {
	w.Int64("uptime", max(int64(s.Time.Round(0).Sub(s.Started.Round(0))/time.Second), 0))
}

func (w writer) ip(name string, a netip.Addr) {
	var buf [64]byte
	w.String(name, string(a.AppendTo(buf[:0])))
}

func (w writer) prefixes(name string, all []netip.Prefix) {
	w.OpenArray(name)
	for _, p := range all {
		w.String("", p.String())
	}
	w.Close()
}
