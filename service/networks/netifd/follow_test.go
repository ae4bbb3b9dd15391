// SPDX-License-Identifier: GPL-2.0-only

package netifd_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/networks"
	"github.com/mezoura/mezoura/service/networks/netifd"
	"github.com/mezoura/mezoura/ubus"
	"github.com/mezoura/mezoura/ubus/blobmsg"
	"github.com/mezoura/mezoura/ubus/broker"
)

// standIn is as much of netifd as matters here: network.interface with its method dump, an
// event for up and down, a notification for everything else.
type standIn struct {
	t    *testing.T
	conn *ubus.Conn
	pub  *ubus.Published

	mu     sync.Mutex
	device string
	prefix string
}

func startNetifd(t *testing.T, socket, device, prefix string) *standIn {
	t.Helper()
	n := &standIn{t: t, device: device, prefix: prefix}
	n.conn = dial(t, socket)
	var err error
	n.pub, err = n.conn.Publish(context.Background(), ubus.Object{Path: "network.interface",
		Methods: []ubus.Method{{Name: "dump", Handler: n.dump}}})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *standIn) dump(context.Context, *ubus.Request) (any, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return blobmsg.ParseJSON([]byte(fmt.Sprintf(`{"interface": [{"interface": "lan", "up": true, "l3_device": %q,
		"ipv6-prefix-assignment": [{"address": %q, "mask": 64}]}]}`, n.device, n.prefix)))
}

func (n *standIn) set(device, prefix string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.device, n.prefix = device, prefix
}

func dial(t *testing.T, socket string) *ubus.Conn {
	t.Helper()
	c, err := ubus.Dial(context.Background(), ubus.Options{Socket: socket, Lazy: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func startBroker(t *testing.T, socket string) (stop func()) {
	t.Helper()
	b, err := broker.Listen(socket, broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); b.Serve(context.Background()) }()
	var once sync.Once
	stop = func() { once.Do(func() { b.Close(); <-done }) }
	t.Cleanup(stop)
	return stop
}

func lan(device, prefix string) func(networks.Source) bool {
	return func(s networks.Source) bool {
		return len(s.Networks) == 1 && s.Networks[0].Device == device && show(s.Networks[0].Prefixes) == prefix+"/64"
	}
}

// A second is what a change may take, with all that ubus does in between.
const promised = time.Second

func TestFollow(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "ubus.sock")
	stop := startBroker(t, socket)
	conn := dial(t, socket)
	r := netifd.New(conn, []string{"lan"})
	reports, err := netifd.Follow(context.Background(), conn, r)
	if err != nil {
		t.Fatal(err)
	}
	start(t, r)
	within := func(what string, limit time.Duration, ok func(networks.Source) bool) {
		t.Helper()
		if took := await(t, r, what, ok); took > limit {
			t.Errorf("%s: took %v, want %v at most", what, took, limit)
		} else {
			t.Logf("%s: took %v", what, took)
		}
	}

	// netifd comes later than we do.
	time.Sleep(300 * time.Millisecond)
	n := startNetifd(t, socket, "br-lan", "2001:db8:1::")
	within("netifd appears", promised, lan("br-lan", "2001:db8:1::"))

	n.set("br-lan", "2001:db8:2::")
	if err := n.pub.Notify(context.Background(), "interface.update", blobmsg.Fields{{Name: "interface", Value: "lan"}}); err != nil {
		t.Fatal(err)
	}
	within("prefix renumbered", promised, lan("br-lan", "2001:db8:2::"))

	n.set("br-other", "2001:db8:2::")
	if err := n.conn.Send(context.Background(), "network.interface",
		blobmsg.Fields{{Name: "action", Value: "ifup"}, {Name: "interface", Value: "lan"}}); err != nil {
		t.Fatal(err)
	}
	within("device changed", promised, lan("br-other", "2001:db8:2::"))

	// netifd goes: what it said stays. It comes back with something else.
	n.conn.Close()
	time.Sleep(200 * time.Millisecond)
	if s := r.Source(); !lan("br-other", "2001:db8:2::")(s) {
		t.Errorf("without netifd: %+v", s)
	}
	n = startNetifd(t, socket, "br-lan", "2001:db8:3::")
	within("netifd restarted", promised, lan("br-lan", "2001:db8:3::"))

	// ubusd restarts, and meanwhile things change; both sides find the new one by themselves.
	stop()
	n.set("br-lan", "2001:db8:4::")
	startBroker(t, socket)
	within("ubusd restarted", promised, lan("br-lan", "2001:db8:4::"))

	n.set("br-lan", "2001:db8:5::")
	for deadline := time.Now().Add(patience); !n.pub.Subscribed(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not subscribed again after ubusd restarted")
		}
	}
	if err := n.pub.Notify(context.Background(), "interface.update", nil); err != nil {
		t.Fatal(err)
	}
	within("notified after the restart", promised, lan("br-lan", "2001:db8:5::"))

	for range 2 {
		if err := reports.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	for deadline := time.Now().Add(patience); n.pub.Subscribed(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("still subscribed after Close")
		}
	}
}
