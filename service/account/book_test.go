// SPDX-License-Identifier: GPL-2.0-only

package account_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/mezoura/mezoura/service/account"
)

var epoch = time.Unix(1_700_000_000, 0)

func at(d time.Duration) time.Time { return epoch.Add(d) }

func mac(last byte) account.MAC { return account.MAC{0x00, 0x11, 0x22, 0x33, 0x44, last} }

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

// traffic is so many bytes down and half as many up. It is linear, so that
// amounts of it add up.
func traffic(bytes uint64) account.Counters {
	return account.Counters{
		Download: account.Traffic{Bytes: bytes, Packets: bytes * 3},
		Upload:   account.Traffic{Bytes: bytes / 2, Packets: bytes * 5},
	}
}

func sample(m account.MAC, addr string, bytes uint64, seen time.Time) account.Sample {
	return account.Sample{
		Key:      account.Key{Network: "lan", MAC: m, Addr: ip(addr)},
		Counters: traffic(bytes), Seen: seen,
	}
}

func total(f ...account.Flow) (t account.Traffic) {
	for _, f := range f {
		t.Bytes += f.Bytes
		t.Packets += f.Packets
	}
	return t
}

// onlyHost returns the one host of the snapshot.
func onlyHost(t *testing.T, s *account.Snapshot) *account.Host {
	t.Helper()
	if len(s.Hosts) != 1 {
		t.Fatalf("%d hosts, want 1: %+v", len(s.Hosts), s.Hosts)
	}
	return &s.Hosts[0]
}

func wantDownload(t *testing.T, h *account.Host, want uint64) {
	t.Helper()
	if h.Download.Bytes != want || h.Upload.Bytes != want/2 {
		t.Errorf("host %s: download %d, upload %d, want %d, %d", h.MAC, h.Download.Bytes, h.Upload.Bytes, want, want/2)
	}
	if sum := total(h.IPv4.Download, h.IPv6.Download); sum != total(h.Download) {
		t.Errorf("host %s: families add up to %+v, want %+v", h.MAC, sum, h.Download)
	}
}

func reasonOf(t *testing.T, s *account.Snapshot, name string) account.Counters {
	t.Helper()
	for _, r := range s.Unattributed {
		if r.Reason == name {
			return r.Counters
		}
	}
	t.Fatalf("reason %q is missing", name)
	return account.Counters{}
}

// names is a Namer made of maps.
type names struct {
	identity map[account.MAC]account.Identity
	byAddr   map[netip.Addr]account.Identity
	online   map[account.MAC]bool
}

func (n names) Identify(_ string, m account.MAC, a netip.Addr) account.Identity {
	if id, ok := n.byAddr[a]; ok {
		return id
	}
	return n.identity[m]
}

func (n names) Online(_ string, m account.MAC, _ netip.Addr) (bool, bool) {
	online, known := n.online[m]
	return online, known
}

func TestMAC(t *testing.T) {
	for _, c := range []struct {
		mac          account.MAC
		lower, upper string
		local        bool
	}{
		{account.MAC{}, "", "", false},
		{account.MAC{0x00, 0x1a, 0xff, 0, 9, 0xc0}, "00:1a:ff:00:09:c0", "00:1A:FF:00:09:C0", false},
		{account.MAC{0x02, 0, 0, 0, 0, 1}, "02:00:00:00:00:01", "02:00:00:00:00:01", true},
	} {
		if got := c.mac.String(); got != c.lower {
			t.Errorf("String %q, want %q", got, c.lower)
		}
		if got := string(c.mac.AppendUpper(nil)); got != c.upper {
			t.Errorf("upper %q, want %q", got, c.upper)
		}
		if c.mac.LocallyAdministered() != c.local || c.mac.IsZero() != (c.lower == "") {
			t.Errorf("%v: locally administered %v, zero %v", c.mac, c.mac.LocallyAdministered(), c.mac.IsZero())
		}
	}
}

func TestTotalsAcrossGenerations(t *testing.T) {
	b := account.NewBook(account.Limits{})
	observe := func(d time.Duration, bytes uint64) *account.Snapshot {
		b.Observe(at(d), []account.Sample{sample(mac(1), "192.168.1.2", bytes, at(d))}, nil)
		return b.Snapshot(at(d), nil, account.Status{})
	}
	wantDownload(t, onlyHost(t, observe(0, 1000)), 1000)
	wantDownload(t, onlyHost(t, observe(10*time.Second, 3000)), 3000)
	// The live view is replaced, not added.
	wantDownload(t, onlyHost(t, observe(20*time.Second, 3000)), 3000)
	b.Close([]account.Sample{sample(mac(1), "192.168.1.2", 4000, at(25*time.Second))}, nil)
	h := onlyHost(t, b.Snapshot(at(25*time.Second), nil, account.Status{}))
	wantDownload(t, h, 4000)
	wantDownload(t, onlyHost(t, observe(30*time.Second, 600)), 4600)
	if b.Generation() != 1 {
		t.Errorf("generation %d, want 1", b.Generation())
	}
	if !h.FirstSeen.Equal(at(0)) || !h.LastSeen.Equal(at(20*time.Second)) && !h.LastSeen.Equal(at(25*time.Second)) {
		t.Errorf("seen %v to %v", h.FirstSeen, h.LastSeen)
	}
}

func TestMissedCounterDoesNotGoBackwards(t *testing.T) {
	b := account.NewBook(account.Limits{})
	one, two := sample(mac(1), "192.168.1.2", 1000, at(0)), sample(mac(1), "192.168.1.3", 500, at(0))
	b.Observe(at(0), []account.Sample{one, two}, account.Unattributed{"no_prefix": traffic(100)})
	b.Observe(at(time.Second), []account.Sample{one}, nil)
	s := b.Snapshot(at(time.Second), nil, account.Status{})
	wantDownload(t, onlyHost(t, s), 1500)
	if got := reasonOf(t, s, "no_prefix"); got != traffic(100) {
		t.Errorf("no_prefix %+v", got)
	}
	// And the exact total is unharmed.
	two.Counters = traffic(600)
	b.Close([]account.Sample{one, two}, account.Unattributed{"no_prefix": traffic(200)})
	s = b.Snapshot(at(2*time.Second), nil, account.Status{})
	wantDownload(t, onlyHost(t, s), 1600)
	if s.Networks[0].Counters != traffic(1600) || reasonOf(t, s, "no_prefix") != traffic(200) {
		t.Errorf("network %+v, unattributed %+v", s.Networks, s.Unattributed)
	}
}

func TestSamplesOfOneKeyAddUp(t *testing.T) {
	b := account.NewBook(account.Limits{})
	one := sample(mac(1), "192.168.1.2", 1000, at(0))
	mapped := sample(mac(1), "::ffff:192.168.1.2", 200, at(0))
	b.Observe(at(0), []account.Sample{one, one, mapped}, nil)
	h := onlyHost(t, b.Snapshot(at(0), nil, account.Status{}))
	wantDownload(t, h, 2200)
	if len(h.Addresses) != 1 || h.Addresses[0].IP != ip("192.168.1.2") || h.IPv6.Download.Bytes != 0 {
		t.Errorf("addresses %v, IPv6 %+v", h.Addresses, h.IPv6)
	}
}

func TestRates(t *testing.T) {
	b := account.NewBook(account.Limits{})
	for _, c := range []struct {
		name     string
		after    time.Duration
		v4, v6   uint64
		down, up uint64
	}{
		{"totals from before the start are no rate", 0, 1e9, 1e6, 0, 0},
		{"one interval", 10 * time.Second, 1e9 + 10_000, 1e6 + 40_000, 5000, 2500},
		{"too soon for another", 10*time.Second + 100*time.Millisecond, 1e9 + 20_000, 1e6 + 40_000, 5000, 2500},
		{"which the next makes up for", 11 * time.Second, 1e9 + 20_000, 1e6 + 40_000, 10_000, 5000},
		{"silence", 21 * time.Second, 1e9 + 20_000, 1e6 + 40_000, 0, 0},
		{"the clock went backwards", 5 * time.Second, 1e9 + 30_000, 1e6 + 40_000, 0, 0},
		{"and on", 6 * time.Second, 1e9 + 31_000, 1e6 + 40_000, 1000, 500},
	} {
		b.Observe(at(c.after), []account.Sample{
			sample(mac(1), "192.168.1.2", c.v4, at(c.after)),
			sample(mac(1), "2001:db8::2", c.v6, at(c.after)),
		}, nil)
		h := onlyHost(t, b.Snapshot(at(c.after), nil, account.Status{}))
		if h.Download.Rate != c.down || h.Upload.Rate != c.up {
			t.Errorf("%s: %d, %d bytes/s, want %d, %d", c.name, h.Download.Rate, h.Upload.Rate, c.down, c.up)
		}
		if h.IPv4.Download.Rate+h.IPv6.Download.Rate != h.Download.Rate {
			t.Errorf("%s: families' rates %d + %d, want %d", c.name, h.IPv4.Download.Rate, h.IPv6.Download.Rate, h.Download.Rate)
		}
	}
	// A host that appears has sent all it has sent within the interval.
	b.Observe(at(16*time.Second), []account.Sample{sample(mac(2), "192.168.1.9", 5000, at(16*time.Second))}, nil)
	for _, h := range b.Snapshot(at(16*time.Second), nil, account.Status{}).Hosts {
		if h.MAC == mac(2) && h.Download.Rate != 500 {
			t.Errorf("new host: %d bytes/s, want 500", h.Download.Rate)
		}
	}
}

func TestIdleAddressesFold(t *testing.T) {
	b := account.NewBook(account.Limits{Idle: time.Minute})
	// Eight privacy addresses one after the other, one generation each.
	addrs := []string{"2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4", "2001:db8::5", "2001:db8::6", "2001:db8::7", "2001:db8::8"}
	for i, a := range addrs {
		now := at(time.Duration(i) * 10 * time.Minute)
		b.Observe(now, []account.Sample{sample(mac(1), a, 1000, now)}, nil)
		s := b.Snapshot(now, nil, account.Status{})
		h := onlyHost(t, s)
		wantDownload(t, h, uint64(i+1)*1000)
		if len(h.Addresses) != 1 || h.Addresses[0].IP != ip(a) || h.Addresses[0].Counters != traffic(1000) {
			t.Errorf("after %d: addresses %v", i, h.Addresses)
		}
		b.Close([]account.Sample{sample(mac(1), a, 1000, now)}, nil)
	}
	// A recent one comes back and goes on; one long gone begins again.
	now := at(2 * time.Hour)
	b.Observe(now, []account.Sample{sample(mac(1), addrs[6], 100, now), sample(mac(1), addrs[0], 200, now)}, nil)
	h := onlyHost(t, b.Snapshot(now, nil, account.Status{}))
	wantDownload(t, h, 8300)
	want := []account.Address{{IP: ip(addrs[0]), Counters: traffic(200), LastSeen: now}, {IP: ip(addrs[6]), Counters: traffic(1100), LastSeen: now}}
	if !slices.EqualFunc(h.Addresses, want, func(a, b account.Address) bool {
		return a.IP == b.IP && a.Counters == b.Counters && a.LastSeen.Equal(b.LastSeen)
	}) {
		t.Errorf("addresses %+v, want %+v", h.Addresses, want)
	}
}

func TestIdleAddressInTheLiveGenerationIsOnlyHidden(t *testing.T) {
	b := account.NewBook(account.Limits{Idle: time.Minute, Expire: time.Hour})
	old := sample(mac(1), "192.168.1.2", 1000, at(0))
	for _, d := range []time.Duration{0, 10 * time.Minute, 2 * time.Hour} {
		b.Observe(at(d), []account.Sample{old}, nil)
	}
	s := b.Snapshot(at(10*time.Minute), nil, account.Status{})
	if h := onlyHost(t, s); len(h.Addresses) != 0 || h.Online {
		t.Errorf("idle host: online %v, addresses %v", h.Online, h.Addresses)
	}
	if s = b.Snapshot(at(2*time.Hour), nil, account.Status{}); len(s.Hosts) != 0 || s.Networks[0].Counters != traffic(1000) {
		t.Errorf("expired host: %+v, networks %+v", s.Hosts, s.Networks)
	}
	old.Counters, old.Seen = traffic(1500), at(3*time.Hour)
	b.Observe(at(3*time.Hour), []account.Sample{old}, nil)
	s = b.Snapshot(at(3*time.Hour), nil, account.Status{})
	wantDownload(t, onlyHost(t, s), 1500)
	if s.Networks[0].Counters != traffic(1500) {
		t.Errorf("network %+v, want 1500", s.Networks[0])
	}
}

func TestExpire(t *testing.T) {
	b := account.NewBook(account.Limits{Expire: time.Hour})
	b.Observe(at(0), []account.Sample{sample(mac(1), "192.168.1.2", 1000, at(0)), sample(mac(2), "192.168.1.3", 100, at(0))}, nil)
	b.Close([]account.Sample{sample(mac(1), "192.168.1.2", 1000, at(0)), sample(mac(2), "192.168.1.3", 100, at(0))}, nil)
	b.Observe(at(2*time.Hour), []account.Sample{sample(mac(2), "192.168.1.3", 100, at(2*time.Hour))}, nil)
	s := b.Snapshot(at(2*time.Hour), nil, account.Status{})
	if h := onlyHost(t, s); h.MAC != mac(2) {
		t.Errorf("left: %s", h.MAC)
	}
	if s.Networks[0].Counters != traffic(1200) {
		t.Errorf("network %+v, want 1200", s.Networks[0].Counters)
	}
	// It comes back as a new host; the network's total goes on.
	b.Observe(at(3*time.Hour), []account.Sample{sample(mac(1), "192.168.1.2", 200, at(3*time.Hour)), sample(mac(2), "192.168.1.3", 100, at(3*time.Hour))}, nil)
	s = b.Snapshot(at(3*time.Hour), nil, account.Status{})
	if len(s.Hosts) != 2 || s.Hosts[0].Download.Bytes != 200 || !s.Hosts[0].FirstSeen.Equal(at(3*time.Hour)) || s.Networks[0].Counters != traffic(1400) {
		t.Errorf("hosts %+v, network %+v", s.Hosts, s.Networks[0])
	}
}

func TestHostLimit(t *testing.T) {
	b := account.NewBook(account.Limits{Hosts: 8, Idle: time.Minute})
	var live []account.Sample
	for i := byte(1); i <= 20; i++ {
		live = append(live, sample(mac(i), netip.AddrFrom4([4]byte{192, 168, 1, i}).String(), 1000*uint64(i), at(0)))
	}
	check := func(s *account.Snapshot, hosts int) {
		t.Helper()
		var sum account.Traffic
		for _, h := range s.Hosts {
			sum.Bytes += h.Download.Bytes
		}
		limit := reasonOf(t, s, account.ReasonLimit)
		if len(s.Hosts) != hosts || limit.Download.Bytes == 0 {
			t.Errorf("%d hosts, want %d; limit %+v", len(s.Hosts), hosts, limit)
		}
		if got := sum.Bytes + limit.Download.Bytes; got != s.Networks[0].Download.Bytes {
			t.Errorf("hosts and others %d, network %d", got, s.Networks[0].Download.Bytes)
		}
	}
	b.Observe(at(0), live, nil)
	b.Observe(at(time.Second), live, nil)
	s := b.Snapshot(at(time.Second), nil, account.Status{})
	check(s, 8)
	if s.Networks[0].Counters != traffic(210_000) {
		t.Errorf("network %+v, want 210000", s.Networks[0].Counters)
	}
	// After the generation, idle hosts with the least traffic make room.
	b.Observe(at(time.Hour), live, nil)
	b.Close(live, nil)
	now := at(time.Hour + time.Second)
	b.Observe(now, []account.Sample{sample(mac(99), "192.168.1.99", 500, now)}, nil)
	s = b.Snapshot(now, nil, account.Status{})
	if len(s.Hosts) != 8 || s.Hosts[0].MAC != mac(2) || s.Hosts[7].MAC != mac(99) {
		t.Errorf("hosts %v", s.Hosts)
	}
	if s.Networks[0].Counters != traffic(210_500) {
		t.Errorf("network %+v, want 210500", s.Networks[0].Counters)
	}
}

func TestAddressLimits(t *testing.T) {
	for name, limits := range map[string]account.Limits{
		"per host": {AddressesPerHost: 4, Idle: time.Minute},
		"in all":   {Addresses: 4, Idle: time.Minute},
	} {
		b := account.NewBook(limits)
		var live []account.Sample
		for i := byte(1); i <= 10; i++ {
			live = append(live, sample(mac(1), netip.AddrFrom4([4]byte{192, 168, 1, i}).String(), 1000, at(0)))
		}
		b.Observe(at(0), live, nil)
		b.Observe(at(time.Second), live, nil)
		h := onlyHost(t, b.Snapshot(at(time.Second), nil, account.Status{}))
		wantDownload(t, h, 10_000)
		if len(h.Addresses) != 4 {
			t.Errorf("%s: %d addresses, want 4", name, len(h.Addresses))
		}
		b.Close(live, nil)
		// An idle address gives way in the next generation.
		now := at(time.Hour)
		b.Observe(now, []account.Sample{sample(mac(1), "10.0.0.1", 500, now)}, nil)
		h = onlyHost(t, b.Snapshot(now, nil, account.Status{}))
		wantDownload(t, h, 10_500)
		if len(h.Addresses) != 1 || h.Addresses[0].Counters != traffic(500) {
			t.Errorf("%s: addresses %v", name, h.Addresses)
		}
	}
}

func TestRawIPHostIsItsAddress(t *testing.T) {
	b := account.NewBook(account.Limits{Idle: time.Minute, Addresses: 2})
	live := []account.Sample{sample(account.MAC{}, "10.9.0.3", 300, at(0)), sample(account.MAC{}, "10.9.0.2", 200, at(0)), sample(account.MAC{}, "10.9.0.4", 400, at(0))}
	b.Observe(at(0), live, nil)
	n := names{byAddr: map[netip.Addr]account.Identity{ip("10.9.0.2"): {Hostname: "phone", Source: "alias"}}}
	s := b.Snapshot(at(time.Hour), n, account.Status{})
	if len(s.Hosts) != 2 || s.Hosts[0].Addresses[0].IP != ip("10.9.0.2") || s.Hosts[0].Hostname != "phone" || s.Hosts[1].Download.Bytes != 300 {
		t.Fatalf("hosts %+v", s.Hosts)
	}
	if len(s.Hosts[0].MACs) != 0 || !s.Hosts[0].MAC.IsZero() || s.Hosts[0].Random {
		t.Errorf("a MAC came out of nowhere: %+v", s.Hosts[0])
	}
	if got := reasonOf(t, s, account.ReasonLimit); got != traffic(400) {
		t.Errorf("limit %+v", got)
	}
}

func TestAliasesMerge(t *testing.T) {
	b := account.NewBook(account.Limits{})
	b.Observe(at(0), []account.Sample{sample(mac(1), "192.168.1.1", 100, at(0)), sample(mac(5), "2001:db8::5", 500, at(0)), sample(mac(3), "192.168.1.3", 300, at(0))}, nil)
	b.Observe(at(10*time.Second), []account.Sample{sample(mac(1), "192.168.1.1", 200, at(5*time.Second)), sample(mac(5), "2001:db8::5", 700, at(9*time.Second)), sample(mac(3), "192.168.1.3", 300, at(0))}, nil)
	laptop := account.Identity{Hostname: "laptop", Source: "alias", Device: mac(5)}
	n := names{
		identity: map[account.MAC]account.Identity{mac(1): laptop, mac(5): laptop, mac(3): {Device: mac(3)}},
		online:   map[account.MAC]bool{mac(5): true, mac(1): false, mac(3): false},
	}
	s := b.Snapshot(at(11*time.Second), n, account.Status{Networks: []account.NetworkInfo{{Name: "guest", Device: "br-guest"}, {Name: "lan", Device: "br-lan"}}})
	if len(s.Hosts) != 2 {
		t.Fatalf("hosts %+v", s.Hosts)
	}
	other, h := s.Hosts[0], s.Hosts[1]
	if h.MAC != mac(5) || h.Hostname != "laptop" || h.NameSource != "alias" || !slices.Equal(h.MACs, []account.MAC{mac(1), mac(5)}) || !h.Online || h.Device != "br-lan" {
		t.Errorf("merged host %+v", h)
	}
	wantDownload(t, &h, 900)
	if h.Download.Rate != 30 || h.IPv4.Download.Bytes != 200 || len(h.Addresses) != 2 || h.Addresses[0].IP != ip("192.168.1.1") || !h.LastSeen.Equal(at(9*time.Second)) {
		t.Errorf("merged host %+v", h)
	}
	if other.MAC != mac(3) || other.Online {
		t.Errorf("other host %+v", other)
	}
	if len(s.Networks) != 2 || s.Networks[0].Name != "guest" || s.Networks[0].Counters != (account.Counters{}) || s.Networks[1].Device != "br-lan" || s.Networks[1].Counters != traffic(1200) {
		t.Errorf("networks %+v", s.Networks)
	}
	// A reset by name takes all that was merged; the network goes on.
	if got := b.Reset(func(h *account.Host) bool { return h.Hostname == "laptop" }); got != 1 {
		t.Errorf("reset %d hosts, want 1", got)
	}
	s = b.Snapshot(at(12*time.Second), n, account.Status{})
	wantDownload(t, &s.Hosts[1], 0)
	wantDownload(t, &s.Hosts[0], 300)
	if s.Networks[0].Counters != traffic(1200) {
		t.Errorf("network %+v", s.Networks[0])
	}
	b.Observe(at(20*time.Second), []account.Sample{sample(mac(5), "2001:db8::5", 750, at(9*time.Second))}, nil)
	s = b.Snapshot(at(20*time.Second), n, account.Status{})
	wantDownload(t, &s.Hosts[1], 50)
	if s.Networks[0].Counters != traffic(1250) {
		t.Errorf("network %+v", s.Networks[0])
	}
}

func TestMergedMACsShareAnAddress(t *testing.T) {
	b := account.NewBook(account.Limits{})
	b.Observe(at(9*time.Second), []account.Sample{sample(mac(1), "192.168.1.1", 100, at(time.Second)), sample(mac(2), "192.168.1.1", 500, at(9*time.Second)), sample(mac(1), "192.168.1.7", 1, at(0))}, nil)
	dock := account.Identity{Hostname: "laptop", Device: mac(2)}
	h := onlyHost(t, b.Snapshot(at(9*time.Second), names{identity: map[account.MAC]account.Identity{mac(1): dock, mac(2): dock}}, account.Status{}))
	if len(h.Addresses) != 2 || h.Addresses[0].Counters != traffic(600) || !h.Addresses[0].LastSeen.Equal(at(9*time.Second)) || h.Addresses[1].IP != ip("192.168.1.7") {
		t.Errorf("addresses %+v", h.Addresses)
	}
}

func TestNameByAnotherAddress(t *testing.T) {
	b := account.NewBook(account.Limits{Idle: time.Minute})
	b.Observe(at(0), []account.Sample{sample(mac(2), "192.168.1.1", 100, at(0)), sample(mac(2), "2001:db8::1", 100, at(0))}, nil)
	n := names{byAddr: map[netip.Addr]account.Identity{ip("2001:db8::1"): {Hostname: "tv", Source: "odhcpd"}}}
	if h := onlyHost(t, b.Snapshot(at(0), n, account.Status{})); h.Hostname != "tv" || h.NameSource != "odhcpd" {
		t.Errorf("named %q by %q", h.Hostname, h.NameSource)
	}
	// Without a current address it is asked for by MAC alone.
	n = names{identity: map[account.MAC]account.Identity{mac(2): {Hostname: "tv2", Source: "uci"}}}
	if h := onlyHost(t, b.Snapshot(at(time.Hour), n, account.Status{})); h.Hostname != "tv2" || h.Online {
		t.Errorf("named %q, online %v", h.Hostname, h.Online)
	}
}

func TestResetBeforeAnySnapshot(t *testing.T) {
	b := account.NewBook(account.Limits{})
	b.Observe(at(0), []account.Sample{sample(mac(1), "192.168.1.1", 100, at(0)), sample(mac(2), "192.168.1.2", 100, at(0))}, nil)
	if got := b.Reset(nil); got != 2 {
		t.Errorf("reset %d hosts, want 2", got)
	}
	for _, h := range b.Snapshot(at(0), nil, account.Status{}).Hosts {
		wantDownload(t, &h, 0)
	}
}

// leap is ten seconds after t by the monotonic clock, and step more by the
// wall clock. No API of package time makes such a Time.
func leap(t *testing.T, from time.Time, step time.Duration) time.Time {
	t.Helper()
	to := from.Add(10*time.Second + step)
	(*struct {
		wall uint64
		ext  int64
		loc  *time.Location
	})(unsafe.Pointer(&to)).ext -= int64(step)
	if to.Sub(from) != 10*time.Second || to.Round(0).Sub(from.Round(0)) != 10*time.Second+step {
		t.Fatalf("cannot set a clock: %v, %v", to.Sub(from), to.Round(0).Sub(from.Round(0)))
	}
	return to
}

func TestClockSet(t *testing.T) {
	const years = 2 * 365 * 24 * time.Hour
	for _, step := range []time.Duration{years, -years} {
		start := time.Now()
		b := account.NewBook(account.Limits{Expire: time.Hour})
		live := []account.Sample{sample(mac(1), "192.168.1.1", 100, start)}
		b.Observe(start, live, nil)
		b.Close(live, nil)
		later := leap(t, start, step)
		b.Observe(later, nil, nil)
		s := b.Snapshot(later, nil, account.Status{})
		h := onlyHost(t, s)
		if got := s.Time.Round(0).Sub(h.LastSeen); got != 10*time.Second || s.Time.Round(0).Sub(s.Started) != 10*time.Second || len(h.Addresses) != 1 {
			t.Errorf("clock set by %v: last seen %v ago, started %v ago", step, got, s.Time.Sub(s.Started))
		}
	}
	// Without a monotonic clock two years are two years.
	b := account.NewBook(account.Limits{Expire: time.Hour})
	b.Close([]account.Sample{sample(mac(1), "192.168.1.1", 100, at(0))}, nil)
	b.Observe(at(years), nil, nil)
	if s := b.Snapshot(at(years), nil, account.Status{}); len(s.Hosts) != 0 || s.Networks[0].Counters != traffic(100) {
		t.Errorf("two years of silence, and still listed: %+v", s)
	}
}

// TestResume: what is known of earlier hosts goes on where the file ends, and by the clock as it is now.
func TestResume(t *testing.T) {
	const days = 40 * 24 * time.Hour
	for _, step := range []time.Duration{0, days, -days} {
		b := account.NewBook(account.Limits{})
		b.Observe(at(0), []account.Sample{sample(mac(1), "192.168.1.1", 100, at(0))}, nil)
		b.Close([]account.Sample{sample(mac(1), "192.168.1.1", 100, at(0))}, nil)
		kept, err := b.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		b = account.NewBook(account.Limits{})
		if err := b.UnmarshalBinary(kept); err != nil {
			t.Fatal(err)
		}
		now := at(5*time.Minute + step)
		b.Resume(now, step)
		// Tables of the daemon before have one that was heard after the file was written.
		b.Close([]account.Sample{sample(mac(2), "192.168.1.2", 100, at(4*time.Minute+step))}, nil)
		b.Observe(now, nil, nil)
		s := b.Snapshot(now, nil, account.Status{})
		if len(s.Hosts) != 2 {
			t.Fatalf("clock set by %v: %d hosts are listed", step, len(s.Hosts))
		}
		for i, want := range []time.Duration{5 * time.Minute, time.Minute} {
			if got := now.Sub(s.Hosts[i].LastSeen); got != want {
				t.Errorf("clock set by %v: host %d was last seen %v ago, want %v", step, i+1, got, want)
			}
		}
	}
}

func TestZeroSeen(t *testing.T) {
	b := account.NewBook(account.Limits{})
	for i, c := range []struct {
		bytes uint64
		seen  time.Duration
	}{{100, 0}, {100, 0}, {200, 2 * time.Minute}, {200, 2 * time.Minute}} {
		now := at(time.Duration(i) * time.Minute)
		b.Observe(now, []account.Sample{sample(mac(1), "192.168.1.1", c.bytes, time.Time{})}, nil)
		if h := onlyHost(t, b.Snapshot(now, nil, account.Status{})); !h.LastSeen.Equal(at(c.seen)) {
			t.Errorf("%d: last seen %v, want %v", i, h.LastSeen, at(c.seen))
		}
	}
	// Nothing is seen in the future.
	b.Observe(at(time.Hour), []account.Sample{sample(mac(1), "192.168.1.1", 300, at(2*time.Hour))}, nil)
	if h := onlyHost(t, b.Snapshot(at(time.Hour), nil, account.Status{})); !h.LastSeen.Equal(at(time.Hour)) {
		t.Errorf("last seen %v", h.LastSeen)
	}
}

func TestActive(t *testing.T) {
	b := account.NewBook(account.Limits{Idle: 10 * time.Minute})
	now := at(time.Hour)
	live := []account.Sample{
		sample(mac(1), "192.168.1.1", 100, now),
		sample(mac(2), "192.168.1.2", 9000, now.Add(-5*time.Minute)),
		sample(mac(3), "2001:db8::3", 300, now.Add(-time.Second)),
		sample(mac(4), "192.168.1.4", 400, at(0)),
	}
	b.Observe(now, live, nil)
	want := []account.Key{live[2].Key, live[0].Key, live[1].Key}
	for _, limit := range []int{-1, 0, 1, 2, 3, 100} {
		if got := b.Active(now, limit); !slices.Equal(got, want[:min(max(limit, 0), 3)]) {
			t.Errorf("Active(%d) = %v", limit, got)
		}
	}
}

func TestSetLimits(t *testing.T) {
	b := account.NewBook(account.Limits{})
	b.SetLimits(account.Limits{Hosts: 1})
	b.Observe(at(0), []account.Sample{sample(mac(1), "192.168.1.1", 100, at(0)), sample(mac(2), "192.168.1.2", 100, at(0))}, nil)
	onlyHost(t, b.Snapshot(at(0), nil, account.Status{}))
}

func TestSnapshotIsImmutable(t *testing.T) {
	b := account.NewBook(account.Limits{})
	b.Observe(at(0), []account.Sample{sample(mac(1), "192.168.1.1", 100, at(0))}, account.Unattributed{"multicast": traffic(100)})
	s := b.Snapshot(at(0), nil, account.Status{})
	b.Observe(at(time.Second), []account.Sample{sample(mac(1), "192.168.1.1", 200, at(0)), sample(mac(1), "192.168.1.2", 200, at(0))}, account.Unattributed{"multicast": traffic(200)})
	b.Reset(nil)
	b.Snapshot(at(time.Second), nil, account.Status{})
	wantDownload(t, onlyHost(t, s), 100)
	if s.Hosts[0].Addresses[0].Counters != traffic(100) || reasonOf(t, s, "multicast") != traffic(100) || s.Networks[0].Counters != traffic(100) {
		t.Errorf("snapshot changed: %+v", s)
	}
}
