// SPDX-License-Identifier: GPL-2.0-only

package object_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/object"
	"github.com/mezoura/mezoura/ubus"
	"github.com/mezoura/mezoura/ubus/blobmsg"
)

// recorder is a Notifier that writes down.
type recorder struct {
	t    *testing.T
	said []string
	fail int // after so many
}

var errGone = errors.New("gone")

func (r *recorder) Notify(_ context.Context, kind string, payload any) error {
	r.t.Helper()
	if r.fail > 0 && len(r.said) == r.fail {
		return errGone
	}
	table, err := blobmsg.Marshal(payload)
	if err != nil {
		r.t.Fatal(err)
	}
	subject := table.Text("mac")
	if subject == "" {
		subject = table.Text("network")
	}
	r.said = append(r.said, kind+" "+subject)
	return nil
}

func TestNotifications(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*account.Snapshot)
		want   []string
	}{
		"nothing": {func(*account.Snapshot) {}, nil},
		"counters": {func(s *account.Snapshot) {
			s.Hosts[1].Download.Bytes++
			s.Hosts[1].Addresses = s.Hosts[1].Addresses[:1]
		}, nil},
		"a new host": {func(s *account.Snapshot) {
			s.Hosts = slices.Insert(s.Hosts, 1, host(mac(0), "tv", "lan", 1, "192.168.1.7"))
		}, []string{"host.new 3c:52:a1:00:00:00"}},
		"first and last": {func(s *account.Snapshot) {
			s.Hosts = slices.Insert(s.Hosts, 0, host(mac(1), "tv", "a", 1, "192.168.1.7"))
			s.Hosts = append(s.Hosts, host(account.MAC{}, "", "wg", 1, "10.9.0.3"))
		}, []string{"host.new 3c:52:a1:00:00:01", "host.new wg"}},
		"raw IP hosts are told apart": {func(s *account.Snapshot) {
			s.Hosts[3].Addresses = []account.Address{{IP: netip.MustParseAddr("10.9.0.1")}}
		}, []string{"host.new wg"}},
		"offline and online": {func(s *account.Snapshot) {
			s.Hosts[1].Online, s.Hosts[2].Online = false, true
		}, []string{"host.offline 3c:52:a1:00:00:01", "host.online 3e:00:00:00:00:05"}},
		"a host expired": {func(s *account.Snapshot) { s.Hosts = s.Hosts[1:] }, nil},
		"prefixes": {func(s *account.Snapshot) {
			s.Status.Networks[0].Prefixes = append(s.Status.Networks[0].Prefixes, netip.MustParsePrefix("2001:db8:1::/64"))
		}, []string{"network.changed lan"}},
		"a prefix renumbered": {func(s *account.Snapshot) {
			s.Status.Networks[0].Prefixes = []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24"), netip.MustParsePrefix("2001:db8:9::/64")}
		}, []string{"network.changed lan"}},
		"prefixes in another order": {func(s *account.Snapshot) {
			p := s.Status.Networks[0].Prefixes
			s.Status.Networks[0].Prefixes = []netip.Prefix{p[1], p[0]}
		}, nil},
		"down": {func(s *account.Snapshot) { s.Status.Networks[0].Up = false }, []string{"network.changed lan"}},
		"another network": {func(s *account.Snapshot) {
			s.Status.Networks = []account.NetworkInfo{{Name: "guest", Device: "br-guest"}}
		}, []string{"network.changed guest", "network.changed lan"}},
	} {
		before, after := small(), small()
		before.Hosts[2].Online = false
		after.Hosts[2].Online = false
		c.change(after)
		r := &recorder{t: t}
		if err := object.Notify(context.Background(), r, before, after); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(r.said, c.want) {
			t.Errorf("%s: %q, want %q", name, r.said, c.want)
		}
		r.said = nil
		for _, nothing := range []*account.Snapshot{nil, after} {
			if object.Notify(context.Background(), r, nothing, after); len(r.said) > 0 {
				t.Errorf("%s: from nothing came %q", name, r.said)
			}
		}
	}
	r := &recorder{t: t, fail: 1}
	after := small()
	for i := range after.Hosts {
		after.Hosts[i].Online = false
	}
	if err := object.Notify(context.Background(), r, small(), after); err != errGone || len(r.said) != 1 {
		t.Errorf("%v after %q", err, r.said)
	}
}

func TestPayloads(t *testing.T) {
	s := small()
	for _, c := range []struct {
		event object.Event
		want  string
	}{
		{object.Event{Kind: object.HostNew, Host: &s.Hosts[0]}, `{"mac":"3c:52:a1:00:00:09","hostname":"camera","name_source":"uci","network":"guest","device":"br-guest","online":true,"random":false,"addresses":["192.168.9.9"],"first_seen":1699996400,"last_seen":1700000000}`},
		{object.Event{Kind: object.NetworkChanged, Network: s.Status.Networks[0]}, `{"network":"lan","device":"br-lan","up":true,"prefixes":["192.168.1.0/24","2001:db8::/64"]}`},
		{object.Event{Kind: object.NetworkChanged, Network: account.NetworkInfo{Name: "lan"}, Gone: true}, `{"network":"lan","device":"","up":false,"prefixes":[],"removed":true}`},
	} {
		table, err := blobmsg.Marshal(c.event)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(table.AppendJSON(nil)); got != c.want {
			t.Errorf("got %s\nwant %s", got, c.want)
		}
	}
}

// BenchmarkStats encodes a reply as the ubus connection does, into a Builder
// that is used again.
func BenchmarkStats(b *testing.B) {
	for name, s := range map[string]*account.Snapshot{"250": fleet(0, 250), "10000-first-page": fleet(0, 10_000)} {
		b.Run(name, func(b *testing.B) {
			d := run(s)
			var stats func(context.Context) (any, error)
			request := requestOf(b, "{}")
			for _, m := range d.object.Describe().Methods {
				if m.Name == "stats" {
					stats = func(ctx context.Context) (any, error) { return m.Handler(ctx, request) }
				}
			}
			var builder blobmsg.Builder
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				reply, err := stats(context.Background())
				if err != nil {
					b.Fatal(err)
				}
				builder.Reset()
				builder.Fields(reply)
				table, err := builder.Table()
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(table.Bytes())))
			}
		})
	}
}

func requestOf(t testing.TB, args string) *ubus.Request {
	t.Helper()
	table, err := blobmsg.ParseJSON([]byte(args))
	if err != nil {
		t.Fatal(err)
	}
	return &ubus.Request{Args: table}
}
