// SPDX-License-Identifier: GPL-2.0-only

package object_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/object"
	"github.com/mezoura/mezoura/ubus"
	"github.com/mezoura/mezoura/ubus/blobmsg"
	"github.com/mezoura/mezoura/ubus/broker"
)

// TestOverUbus publishes the object at a broker and reads 10,000 hosts of it
// as any program would.
func TestOverUbus(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	socket := filepath.Join(t.TempDir(), "ubus.sock")
	b, err := broker.Listen(socket, broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	go b.Serve(ctx)
	t.Cleanup(func() { b.Close() })
	dial := func() *ubus.Conn {
		c, err := ubus.Dial(ctx, ubus.Options{Socket: socket, Transport: "wire"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	server, client := dial(), dial()
	d := run(fleet(0, 10_000))
	published, err := server.Publish(ctx, d.object.Describe())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for total, listing := 1, int64(0); len(seen) < total; {
		reply, err := client.Call(ctx, object.Path, "stats", map[string]any{"offset": len(seen), "listing": listing})
		if err != nil {
			t.Fatal(err)
		}
		total, listing = int(reply.Int("total")), reply.Int("listing")
		for _, m := range listed(t, reply) {
			if seen[m] {
				t.Fatalf("%s is listed twice", m)
			}
			seen[m] = true
		}
	}
	if len(seen) != 10_000 {
		t.Errorf("%d hosts, want 10000", len(seen))
	}
	for args, want := range map[string]ubus.Status{"offset": ubus.ErrInvalidArgument, "host": ubus.ErrInvalidArgument} {
		if _, err := client.Call(ctx, object.Path, "stats", map[string]any{args: true, "network": 1}); err == nil {
			t.Errorf("wrong argument %s: %v, want %v", args, err, want)
		}
	}

	heard := make(chan string, 10)
	if _, err := client.Subscribe(ctx, object.Path, func(n ubus.Notification) { heard <- fmt.Sprint(n.Type, " ", n.Data.Text("mac")) }); err != nil {
		t.Fatal(err)
	}
	after := fleet(0, 10_000)
	after.Hosts = append(after.Hosts, host(account.MAC{0x3d}, "new", "lan", 1, "10.1.1.1"))
	// The subscription may still be on its way to the publisher's side.
	for !published.Subscribed() {
		select {
		case <-ctx.Done():
			t.Fatal("nobody subscribed")
		case <-time.After(5 * time.Millisecond):
		}
	}
	if err := object.Notify(ctx, published, fleet(0, 10_000), after); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-heard:
		if want := "host.new 3d:00:00:00:00:00"; got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
	case <-ctx.Done():
		t.Error("no notification")
	}
}

// FuzzHost asks for hosts by whatever a user may type.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"", "laptop", "3C-52-A1-00-00-01", "3c52.a100.0001", "2001:db8::2", "192.168.1.2", "fe80::1%lan", "\xff", "00:00:00:00:00:00:00:00"} {
		f.Add(s, "lan")
	}
	f.Fuzz(func(t *testing.T, host, network string) {
		d := run(small())
		for _, m := range d.object.Describe().Methods {
			if m.Name != "hosts" {
				continue
			}
			reply, err := m.Handler(context.Background(), &ubus.Request{Args: table(t, map[string]any{"host": host, "network": network})})
			if err != nil || reply == nil {
				t.Fatalf("%q: %v", host, err)
			}
		}
	})
}

func table(t *testing.T, args map[string]any) blobmsg.Table {
	t.Helper()
	encoded, err := blobmsg.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}
