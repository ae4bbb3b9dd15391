// SPDX-License-Identifier: GPL-2.0-only

package account_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/account"
)

// fleet is n hosts with an IPv4 address and two IPv6 ones each, which have
// counted for a while.
func fleet(n int, now time.Time) (live []account.Sample) {
	for i := range n {
		m := account.MAC{0x3c, 0x52, byte(i >> 16), byte(i >> 8), byte(i), 7}
		for j := range 3 {
			addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
			if j > 0 {
				addr = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 1, 2, 3, 4, byte(i * 7), byte(i >> 3), 0xff, byte(j * 101), byte(i), 5, byte(i >> 8), byte(j)})
			}
			bytes := uint64(i+1) * 12_345_678 * uint64(3-j)
			live = append(live, account.Sample{
				Key: account.Key{Network: "lan", MAC: m, Addr: addr},
				Counters: account.Counters{
					Download: account.Traffic{Bytes: bytes, Packets: bytes / 1200},
					Upload:   account.Traffic{Bytes: bytes / 9, Packets: bytes / 2000},
				},
				Seen: now.Add(-time.Duration(i%60) * time.Second),
			})
		}
	}
	return live
}

func marshal(t testing.TB, b *account.Book) []byte {
	t.Helper()
	p, err := b.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPersistRoundTrip(t *testing.T) {
	b := account.NewBook(account.Limits{Hosts: 4})
	b.SetGeneration(41)
	closed := []account.Sample{
		sample(mac(1), "192.168.1.1", 100, at(time.Second)), sample(mac(1), "2001:db8::1", 1<<50, at(2*time.Second)),
		sample(account.MAC{}, "10.0.0.1", 300, at(0)), sample(mac(3), "192.168.1.3", 300, at(0)),
	}
	closed[2].Network = "wg"
	un := account.Unattributed{"no_prefix": traffic(10), "own": traffic(7)}
	b.Observe(at(10*time.Second), closed, un)
	b.Close(closed, un)
	live := []account.Sample{sample(mac(1), "192.168.1.1", 50, at(15*time.Second)), sample(mac(4), "192.168.1.4", 50, at(15*time.Second)), sample(mac(5), "192.168.1.5", 50, at(15*time.Second))}
	b.Observe(at(20*time.Second), live, un)
	b.Reset(func(h *account.Host) bool { return h.MAC == mac(1) })
	b.Snapshot(at(20*time.Second), nil, account.Status{})
	p := marshal(t, b)

	c := account.NewBook(account.Limits{Hosts: 4})
	if err := c.UnmarshalBinary(p); err != nil {
		t.Fatal(err)
	}
	if c.Generation() != 42 {
		t.Errorf("generation %d, want 42", c.Generation())
	}
	if !bytes.Equal(marshal(t, c), p) {
		t.Error("persisted again it differs")
	}
	for _, book := range []*account.Book{b, c} {
		live[0].Counters = traffic(60)
		book.Observe(at(30*time.Second), live, un)
	}
	// Rates aside, which the first observation has none of.
	want, got := b.Snapshot(at(30*time.Second), nil, account.Status{}), c.Snapshot(at(30*time.Second), nil, account.Status{})
	for i := range want.Hosts {
		h := &want.Hosts[i]
		for _, f := range []*account.Flow{&h.Download, &h.Upload, &h.IPv4.Download, &h.IPv4.Upload, &h.IPv6.Download, &h.IPv6.Upload} {
			f.Rate = 0
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("restored\n%+v, want\n%+v", got, want)
	}
}

func TestPersistedSize(t *testing.T) {
	b := account.NewBook(account.Limits{})
	live := fleet(250, at(time.Hour))
	b.Observe(at(time.Hour), live, nil)
	b.Close(live, nil)
	b.Observe(at(time.Hour), live, nil)
	if n := len(marshal(t, b)); n >= 64<<10 {
		t.Errorf("250 hosts take %d bytes, want less than 64 KiB", n)
	}
}

func TestEmptyBookPersists(t *testing.T) {
	p := marshal(t, account.NewBook(account.Limits{}))
	b := account.NewBook(account.Limits{})
	if err := b.UnmarshalBinary(p); err != nil {
		t.Fatal(err)
	}
	b.Observe(at(0), nil, nil)
	if s := b.Snapshot(at(0), nil, account.Status{}); len(s.Hosts) != 0 || len(s.Unattributed) != 5 || !s.Started.Equal(at(0)) {
		t.Errorf("%+v", s)
	}
}

func TestRestoreWithinLimits(t *testing.T) {
	b := account.NewBook(account.Limits{})
	live := fleet(20, at(0))
	b.Observe(at(0), live, nil)
	b.Close(live, nil)
	want := b.Snapshot(at(0), nil, account.Status{}).Networks[0].Counters
	for _, limits := range []account.Limits{{Hosts: 3}, {AddressesPerHost: 1}, {Addresses: 7}, {Hosts: 1, AddressesPerHost: 2}} {
		c := account.NewBook(limits)
		if err := c.UnmarshalBinary(marshal(t, b)); err != nil {
			t.Fatal(err)
		}
		s := c.Snapshot(at(0), nil, account.Status{})
		if limits.Hosts > 0 && len(s.Hosts) != limits.Hosts {
			t.Errorf("%+v: %d hosts", limits, len(s.Hosts))
		}
		addresses := 0
		for _, h := range s.Hosts {
			addresses += len(h.Addresses)
			if limits.AddressesPerHost > 0 && len(h.Addresses) > limits.AddressesPerHost {
				t.Errorf("%+v: %d addresses", limits, len(h.Addresses))
			}
		}
		if limits.Addresses > 0 && addresses != limits.Addresses {
			t.Errorf("%+v: %d addresses", limits, addresses)
		}
		if s.Networks[0].Counters != want {
			t.Errorf("%+v: network %+v, want %+v", limits, s.Networks[0].Counters, want)
		}
	}
}

// sealed appends the checksum, and so gets past it.
func sealed(payload string) []byte {
	p := []byte("MZBK\x01" + payload)
	return binary.LittleEndian.AppendUint32(p, crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli)))
}

func TestUnmarshalRefuses(t *testing.T) {
	b := account.NewBook(account.Limits{})
	b.Observe(at(0), []account.Sample{sample(mac(1), "192.168.1.1", 100, at(0))}, nil)
	good := marshal(t, b)
	flipped := bytes.Clone(good)
	flipped[20] ^= 1
	newer := bytes.Clone(good)
	newer[4] = 2
	const head = "\x00\x00\x00\x00" // saved, started, generation, refused
	const zero = "\x00\x00\x00\x00" // counters
	const host = "\x01\x01n" + zero + zero
	for name, c := range map[string]struct {
		p    []byte
		want error
	}{
		"nothing":              {nil, account.ErrCorrupt},
		"something else":       {[]byte("hello, world"), account.ErrCorrupt},
		"newer":                {newer, account.ErrVersion},
		"cut short":            {good[:len(good)-5], account.ErrCorrupt},
		"a flipped bit":        {flipped, account.ErrCorrupt},
		"no payload":           {sealed(""), account.ErrCorrupt},
		"too much":             {sealed(head + "\x00\x00\x00"), account.ErrCorrupt},
		"saved in the past":    {sealed("\x01\x00\x00\x00\x00\x00"), account.ErrCorrupt},
		"started in the past":  {sealed("\x00\x02\x00\x00\x00\x00"), account.ErrCorrupt},
		"a third truth value":  {sealed("\x00\x00\x00\x02\x00\x00"), account.ErrCorrupt},
		"endless reasons":      {sealed(head + "\xff\xff\xff\xff\x0f\x00\x00\x00\x00\x00"), account.ErrCorrupt},
		"a reason twice":       {sealed(head + "\x02\x01r\x02\x00\x00\x00\x01r\x02\x00\x00\x00\x00"), account.ErrCorrupt},
		"no text":              {sealed(head + "\x00\x01\x01\xff" + zero + zero + "\x00"), account.ErrCorrupt},
		"a long name":          {sealed(head + "\x00\x01\x80\x02" + string(make([]byte, 256)) + zero + zero + "\x00"), account.ErrCorrupt},
		"a network twice":      {sealed(head + "\x00\x02\x01n" + zero + zero + "\x00\x01n" + zero + zero + "\x00"), account.ErrCorrupt},
		"raw IP, no address":   {sealed(head + "\x00" + host + "\x01\x00\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00"), account.ErrCorrupt},
		"a host twice":         {sealed(head + "\x00" + host + "\x02" + "\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00"), account.ErrCorrupt},
		"an address twice":     {sealed(head + "\x00" + host + "\x01" + "\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x02" + "\x04\x0a\x00\x00\x01" + zero + "\x00" + "\x04\x0a\x00\x00\x01" + zero + "\x00"), account.ErrCorrupt},
		"an unknown family":    {sealed(head + "\x00" + host + "\x01" + "\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01" + "\x05\x0a\x00\x00\x01" + zero + "\x00"), account.ErrCorrupt},
		"IPv4 in IPv6":         {sealed(head + "\x00" + host + "\x01" + "\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01" + "\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x0a\x00\x00\x01" + zero + "\x00"), account.ErrCorrupt},
		"an address cut short": {sealed(head + "\x00" + host + "\x01" + "\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01" + "\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00"), account.ErrCorrupt},
	} {
		if err := b.UnmarshalBinary(c.p); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if !bytes.Equal(marshal(t, b), good) {
			t.Fatalf("%s: the book changed", name)
		}
	}
}

func FuzzBook(f *testing.F) {
	b := account.NewBook(account.Limits{})
	f.Add(marshal(f, b)[5:])
	live := fleet(3, at(0))
	b.Observe(at(0), append(live, sample(account.MAC{}, "10.9.0.1", 5, at(0))), account.Unattributed{"no_prefix": traffic(5)})
	b.Close(live, nil)
	b.Reset(nil)
	p := marshal(f, b)
	f.Add(p[5 : len(p)-4])
	f.Fuzz(func(t *testing.T, payload []byte) {
		b := account.NewBook(account.Limits{Hosts: 100, AddressesPerHost: 10})
		if err := b.UnmarshalBinary(payload); err == nil && len(payload) < 10 {
			t.Fatalf("a book of %d bytes", len(payload))
		}
		if err := b.UnmarshalBinary(sealed(string(payload))); err != nil {
			return
		}
		p := marshal(t, b)
		c := account.NewBook(account.Limits{Hosts: 100, AddressesPerHost: 10})
		if err := c.UnmarshalBinary(p); err != nil {
			t.Fatalf("what was written is refused: %v", err)
		}
		if !bytes.Equal(marshal(t, c), p) {
			t.Fatal("persisted again it differs")
		}
		// It is fit for use.
		c.Observe(at(0), fleet(5, at(0)), account.Unattributed{"no_prefix": traffic(1)})
		c.Snapshot(at(0), nil, account.Status{})
		c.Reset(nil)
		c.Close(fleet(5, at(0)), nil)
		c.Active(at(0), 10)
	})
}
