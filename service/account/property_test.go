// SPDX-License-Identifier: GPL-2.0-only

package account_test

import (
	"fmt"
	"math/rand"
	"net/netip"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/account"
)

type hostID struct {
	network string
	mac     account.MAC
	addr    netip.Addr // of a raw IP host
}

func idOf(k account.Key) hostID {
	id := hostID{network: k.Network, mac: k.MAC}
	if k.MAC.IsZero() {
		id.addr = k.Addr
	}
	return id
}

func plus(a, b account.Counters) account.Counters {
	a.Download.Bytes += b.Download.Bytes
	a.Download.Packets += b.Download.Packets
	a.Upload.Bytes += b.Upload.Bytes
	a.Upload.Packets += b.Upload.Packets
	return a
}

// backwards tells whether any number of b is below a's.
func backwards(a, b account.Counters) bool {
	return b.Download.Bytes < a.Download.Bytes || b.Download.Packets < a.Download.Packets ||
		b.Upload.Bytes < a.Upload.Bytes || b.Upload.Packets < a.Upload.Packets
}

// world is a kernel whose tables count, a book with its state file, and a
// naive model: plain sums of every packet ever sent.
type world struct {
	t      *testing.T
	rng    *rand.Rand
	limits account.Limits
	now    time.Time

	live map[account.Key]account.Counters // the kernel's live generation
	seen map[account.Key]time.Time
	un   account.Unattributed

	book *account.Book
	file []byte

	hosts    map[hostID]account.Counters // since the last reset of the host
	networks map[string]account.Counters
	reasons  map[string]account.Counters

	before *account.Snapshot
	reset  map[hostID]bool // since before
}

func (w *world) packet() {
	k := account.Key{Network: []string{"lan", "guest", "wg"}[w.rng.Intn(3)]}
	var a [16]byte
	a[0], a[15] = 0x20, byte(w.rng.Intn(12))
	k.Addr = netip.AddrFrom16(a)
	if w.rng.Intn(2) == 0 {
		k.Addr = netip.AddrFrom4([4]byte{10, 0, 0, byte(w.rng.Intn(4))})
	}
	if k.Network != "wg" {
		k.MAC = mac(byte(w.rng.Intn(8) + 1))
	}
	c := account.Counters{Upload: account.Traffic{Bytes: uint64(w.rng.Intn(1500)), Packets: 1}}
	if w.rng.Intn(2) == 0 {
		c = account.Counters{Download: account.Traffic{Bytes: uint64(w.rng.Int63n(1 << 40)), Packets: 7}}
	}
	w.live[k] = plus(w.live[k], c)
	w.seen[k] = w.now
	w.hosts[idOf(k)] = plus(w.hosts[idOf(k)], c)
	w.networks[k.Network] = plus(w.networks[k.Network], c)
	reason := []string{"no_prefix", "table_full"}[w.rng.Intn(2)]
	w.un[reason] = plus(w.un[reason], c)
	w.reasons[reason] = plus(w.reasons[reason], c)
}

func (w *world) samples() (s []account.Sample) {
	for k, c := range w.live { // in an order that is different every time
		s = append(s, account.Sample{Key: k, Counters: c, Seen: w.seen[k]})
	}
	return s
}

func (w *world) save() {
	p, err := w.book.MarshalBinary()
	if err != nil {
		w.t.Fatal(err)
	}
	w.file = p
}

// rotate ends the live generation: closed and persisted before its tables are
// emptied, as the loop does.
func (w *world) rotate() {
	w.book.Close(w.samples(), w.un)
	w.save()
	w.live, w.un = map[account.Key]account.Counters{}, account.Unattributed{}
}

// crash loses the book and keeps the file and the kernel's tables.
func (w *world) crash() {
	w.book = account.NewBook(w.limits)
	if err := w.book.UnmarshalBinary(w.file); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) resetOne() {
	id := hostID{network: "lan", mac: mac(byte(w.rng.Intn(8) + 1))}
	// Whatever the book has not seen of the live generation is not reset.
	w.observe()
	n := w.book.Reset(func(h *account.Host) bool { return h.Network == id.network && h.MAC == id.mac })
	if n > 0 {
		delete(w.hosts, id)
		w.reset[id] = true
	}
	w.save()
}

func (w *world) observe() {
	w.book.Observe(w.now, w.samples(), w.un)
	w.check(w.book.Snapshot(w.now, nil, account.Status{}), true)
}

// check compares a snapshot with the one before, and with the model.
func (w *world) check(s *account.Snapshot, exact bool) {
	w.t.Helper()
	past := map[hostID]account.Counters{}
	pastNetworks := map[string]account.Counters{}
	pastReasons := map[string]account.Counters{}
	if w.before != nil {
		for _, h := range w.before.Hosts {
			past[hostOf(h)] = countersOf(h)
		}
		for _, n := range w.before.Networks {
			pastNetworks[n.Name] = n.Counters
		}
		for _, r := range w.before.Unattributed {
			pastReasons[r.Reason] = r.Counters
		}
	}
	listed := map[string]account.Counters{}
	for _, h := range s.Hosts {
		id, c := hostOf(h), countersOf(h)
		if !w.reset[id] && backwards(past[id], c) {
			w.t.Fatalf("%v went backwards from %+v to %+v", id, past[id], c)
		}
		if exact && w.limits.Hosts == 0 && c != w.hosts[id] {
			w.t.Fatalf("%v: %+v, want %+v", id, c, w.hosts[id])
		}
		listed[h.Network] = plus(listed[h.Network], c)
		var sum account.Counters
		for _, a := range h.Addresses {
			sum = plus(sum, a.Counters)
		}
		if backwards(sum, c) {
			w.t.Fatalf("%v: addresses have %+v of %+v", id, sum, c)
		}
	}
	for _, n := range s.Networks {
		if backwards(pastNetworks[n.Name], n.Counters) {
			w.t.Fatalf("%s went backwards from %+v to %+v", n.Name, pastNetworks[n.Name], n.Counters)
		}
		if exact && n.Counters != w.networks[n.Name] {
			w.t.Fatalf("%s: %+v, want %+v", n.Name, n.Counters, w.networks[n.Name])
		}
		if backwards(listed[n.Name], n.Counters) {
			w.t.Fatalf("%s: hosts have %+v of %+v", n.Name, listed[n.Name], n.Counters)
		}
	}
	for _, r := range s.Unattributed {
		if backwards(pastReasons[r.Reason], r.Counters) {
			w.t.Fatalf("%s went backwards from %+v to %+v", r.Reason, pastReasons[r.Reason], r.Counters)
		}
		if exact && r.Reason != account.ReasonLimit && r.Counters != w.reasons[r.Reason] {
			w.t.Fatalf("%s: %+v, want %+v", r.Reason, r.Counters, w.reasons[r.Reason])
		}
	}
	w.before, w.reset = s, map[hostID]bool{}
}

func hostOf(h account.Host) hostID {
	id := hostID{network: h.Network, mac: h.MAC}
	if h.MAC.IsZero() {
		id.addr = h.Addresses[0].IP
	}
	return id
}

func countersOf(h account.Host) account.Counters {
	return account.Counters{Download: total(h.Download), Upload: total(h.Upload)}
}

// TestTotalsNeverGoBackwards plays random histories of traffic, observation,
// rotation, reset, silence and crash. Every total that is published is what the
// model says, and none is ever below what was published before.
func TestTotalsNeverGoBackwards(t *testing.T) {
	for name, limits := range map[string]account.Limits{
		"roomy":         {Idle: time.Minute},
		"few addresses": {Idle: time.Minute, AddressesPerHost: 5},
		"few hosts":     {Idle: time.Minute, Hosts: 10, Addresses: 30},
	} {
		for seed := range int64(30) {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				w := &world{
					t: t, rng: rand.New(rand.NewSource(seed)), limits: limits, now: at(0),
					live: map[account.Key]account.Counters{}, seen: map[account.Key]time.Time{}, un: account.Unattributed{},
					hosts: map[hostID]account.Counters{}, networks: map[string]account.Counters{}, reasons: map[string]account.Counters{},
					reset: map[hostID]bool{},
				}
				w.book = account.NewBook(w.limits)
				w.save()
				for range 400 {
					w.now = w.now.Add(time.Duration(w.rng.Intn(20)) * time.Second)
					switch w.rng.Intn(20) {
					case 0, 1, 2, 3:
						w.observe()
					case 4, 5:
						w.rotate()
						w.check(w.book.Snapshot(w.now, nil, account.Status{}), true)
					case 6:
						w.observe() // what was admitted must be in the file, or "other" could be refiled
						w.save()
						w.crash()
						w.observe()
					case 7:
						w.resetOne()
					case 8:
						w.now = w.now.Add(5 * time.Minute)
					case 9:
						w.save()
					default:
						for range w.rng.Intn(20) {
							w.packet()
						}
					}
				}
				w.observe()
			})
		}
	}
}

// TestCrashAtAnyMoment is the same with a file that may be older than the
// book: with room for all, nothing at all is lost.
func TestCrashAtAnyMoment(t *testing.T) {
	for seed := range int64(30) {
		w := &world{
			t: t, rng: rand.New(rand.NewSource(seed)), limits: account.Limits{Idle: time.Minute, AddressesPerHost: 5}, now: at(0),
			live: map[account.Key]account.Counters{}, seen: map[account.Key]time.Time{}, un: account.Unattributed{},
			hosts: map[hostID]account.Counters{}, networks: map[string]account.Counters{}, reasons: map[string]account.Counters{},
			reset: map[hostID]bool{},
		}
		w.book = account.NewBook(w.limits)
		w.save()
		for range 400 {
			w.now = w.now.Add(time.Duration(w.rng.Intn(20)) * time.Second)
			switch w.rng.Intn(12) {
			case 0, 1, 2:
				w.observe()
			case 3:
				w.rotate()
			case 4:
				w.crash()
				w.observe()
			case 5:
				w.resetOne()
			default:
				for range w.rng.Intn(20) {
					w.packet()
				}
			}
		}
	}
}
