// SPDX-License-Identifier: GPL-2.0-only

package netifd_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/networks"
	"github.com/mezoura/mezoura/service/networks/netifd"
	"github.com/mezoura/mezoura/ubus/blobmsg"
)

const patience = 5 * time.Second

func table(t testing.TB, text string) blobmsg.Table {
	t.Helper()
	b, err := blobmsg.ParseJSON([]byte(text))
	if err != nil {
		t.Fatalf("parse %s: %v", text, err)
	}
	return b
}

func recorded(t testing.TB) blobmsg.Table {
	t.Helper()
	text, err := os.ReadFile("testdata/dump.json")
	if err != nil {
		t.Fatal(err)
	}
	return table(t, string(text))
}

func show(list []netip.Prefix) string {
	var out []string
	for _, p := range list {
		out = append(out, p.String())
	}
	return strings.Join(out, " ")
}

func TestSource(t *testing.T) {
	all := netifd.Interfaces(recorded(t))
	s := netifd.Source(all, []string{"lan", "guest", "vpn", "dialin", "down", "later", "nowhere", "lan"})
	want := []struct{ name, device, prefixes, routes string }{
		{"lan", "br-lan.1", "192.168.1.0/24 2001:db8:1200::/60 fd12:3456:789a::/60", ""},
		{"guest", "br-lan.10", "192.168.10.0/24 2001:db8:1200:10::/64 fd12:3456:789a:10::/64", ""},
		{"vpn", "wg0", "fd08::/64", "10.8.0.2/32 10.20.0.0/16 fd09::/64"},
		{"dialin", "ppp0", "10.64.0.2/32", ""},
		{"down", "", "", ""},
		{"later", "br-later", "", ""},
		{"nowhere", "", "", ""},
	}
	if len(s.Networks) != len(want) {
		t.Fatalf("%d networks, want %d: %+v", len(s.Networks), len(want), s.Networks)
	}
	for i, w := range want {
		d := s.Networks[i]
		if d.Name != w.name || d.Device != w.device || show(d.Prefixes) != w.prefixes || show(d.Routes) != w.routes || !d.Follow {
			t.Errorf("got  %s on %q %s routes %s\nwant %s on %q %s routes %s", d.Name, d.Device, show(d.Prefixes), show(d.Routes),
				w.name, w.device, w.prefixes, w.routes)
		}
	}
	// All that was delegated, in use or not; assignments are parts of it.
	if got := show(s.Internal); got != "2001:db8:1200::/56" {
		t.Errorf("internal: %s", got)
	}
	if len(s.Warnings) != 2 || !strings.Contains(s.Warnings[0], "down is down") || !strings.Contains(s.Warnings[1], "nowhere is not known") {
		t.Errorf("warnings: %q", s.Warnings)
	}
	// ULA of a network that is not watched is no host's of ours, nor the internet.
	if got := show(netifd.Source(all, []string{"lan"}).Internal); got != "2001:db8:1200::/56 fd12:3456:789a:10::/64" {
		t.Errorf("internal with only lan watched: %s", got)
	}
}

func TestInterfacesHostile(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"interface": "lan"}`, `{"interface": [1, "x", {}, {"interface": 7}]}`,
		`{"interface": [{"interface": "lan", "l3_device": 5, "ipv4-address": [{"address": "x", "mask": 24}, {"address": "10.0.0.1", "mask": 33},
		  {"address": "10.0.0.1", "mask": -1}, {"address": "10.0.0.1"}, {"mask": 8}, 7], "route": {"target": "10.0.0.0", "mask": 8},
		  "ipv6-prefix-assignment": [{"address": "2001:db8::", "mask": 129}]}]}`,
	} {
		for _, i := range netifd.Interfaces(table(t, text)) {
			if i.Device != "" || len(i.Addrs)+len(i.Assignments)+len(i.Routes) != 0 {
				t.Errorf("%s: %+v", text, i)
			}
		}
	}
}

func FuzzInterfaces(f *testing.F) {
	f.Add(recorded(f).Bytes())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := blobmsg.Parse(body)
		if err != nil {
			return
		}
		all := netifd.Interfaces(b)
		names := []string{"lan"}
		for _, i := range all {
			names = append(names, i.Name)
		}
		s := netifd.Source(all, names)
		for _, p := range s.Internal {
			if !p.IsValid() || p != p.Masked() {
				t.Errorf("internal prefix %v", p)
			}
		}
		networks.Resolve(s, nil)
	})
}

// bus answers dump with what it is given.
type bus struct {
	mu    sync.Mutex
	reply blobmsg.Table
	err   error
	calls int
}

func (b *bus) Call(ctx context.Context, object, method string, args any) (blobmsg.Table, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if object != "network.interface" || method != "dump" {
		return blobmsg.Table{}, errors.New("not found")
	}
	return b.reply, b.err
}

func (b *bus) set(reply blobmsg.Table, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reply, b.err = reply, err
}

func start(t *testing.T, r *netifd.Reader) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func await(t *testing.T, r *netifd.Reader, what string, ok func(networks.Source) bool) time.Duration {
	t.Helper()
	start := time.Now()
	timeout := time.After(patience)
	for !ok(r.Source()) {
		select {
		case <-r.Changed():
		case <-timeout:
			t.Fatalf("%s: not seen within %v: %+v", what, patience, r.Source())
		}
	}
	return time.Since(start)
}

func on(device string) func(networks.Source) bool {
	return func(s networks.Source) bool { return len(s.Networks) > 0 && s.Networks[0].Device == device }
}

func TestReader(t *testing.T) {
	b := &bus{reply: recorded(t)}
	r := netifd.New(b, []string{"lan"})
	start(t, r)
	await(t, r, "first reply", on("br-lan.1"))
	if r.Err() != nil {
		t.Errorf("Err: %v", r.Err())
	}

	b.set(table(t, `{"interface": [{"interface": "lan", "l3_device": "br-new"}]}`), nil)
	r.Hint()
	if took := await(t, r, "hint", on("br-new")); took > time.Second {
		t.Errorf("a change took %v, want a second at most", took)
	}

	// What netifd said stays while it is away.
	b.set(blobmsg.Table{}, errors.New("not found"))
	r.Hint()
	for deadline := time.Now().Add(patience); r.Err() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the failing call was not noticed")
		}
	}
	if !on("br-new")(r.Source()) {
		t.Errorf("source while netifd is away: %+v", r.Source())
	}
	// Back: without a hint, since the report may be lost.
	b.set(recorded(t), nil)
	if took := await(t, r, "netifd is back", on("br-lan.1")); took > time.Second {
		t.Errorf("netifd's return took %v to see, want a second at most", took)
	}

	r.SetNames([]string{"guest"})
	await(t, r, "other names", on("br-lan.10"))
}

func TestReaderWithoutNetifd(t *testing.T) {
	b := &bus{err: errors.New("no such object")}
	r := netifd.New(b, []string{"lan", "guest"})
	if err := r.Read(context.Background()); err == nil {
		t.Error("no error")
	}
	s := r.Source()
	if len(s.Networks) != 2 || s.Networks[0].Device != "" || len(s.Warnings) != 1 {
		t.Errorf("source: %+v", s)
	}
	r.SetNames(nil)
	if s := r.Source(); len(s.Networks)+len(s.Warnings) != 0 {
		t.Errorf("source of nothing: %+v", s)
	}
}

// Hints come in bursts; netifd is asked a few times.
func TestReaderCoalesces(t *testing.T) {
	b := &bus{reply: recorded(t)}
	r := netifd.New(b, []string{"lan"})
	start(t, r)
	await(t, r, "first reply", on("br-lan.1"))
	for range 10000 {
		r.Hint()
	}
	time.Sleep(300 * time.Millisecond)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.calls < 2 || b.calls > 6 {
		t.Errorf("%d calls after a burst of hints, want 2 to 6", b.calls)
	}
}
