// SPDX-License-Identifier: GPL-2.0-only

package hosts_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/hosts"
)

// namespace is a network namespace of the test's own.
type namespace struct {
	t    *testing.T
	name string
	file *os.File
}

func newNamespace(t *testing.T, name string) *namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	n := &namespace{t: t, name: fmt.Sprintf("mznames%d%s", os.Getpid(), name)}
	n.run("ip", "netns", "add", n.name)
	t.Cleanup(func() { n.run("ip", "netns", "del", n.name) })
	file, err := os.Open("/var/run/netns/" + n.name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	n.file = file
	n.ip("link set lo up")
	return n
}

func (n *namespace) run(args ...string) {
	n.t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		n.t.Fatalf("%v: %v: %s", args, err, out)
	}
}

// ip runs commands of ip inside.
func (n *namespace) ip(commands ...string) {
	n.t.Helper()
	cmd := exec.Command("ip", "-n", n.name, "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatalf("ip: %v: %s", err, out)
	}
}

// connect joins two namespaces by a pair of devices, called veth0 in both.
func (n *namespace) connect(other *namespace, addr, otherAddr string) {
	n.t.Helper()
	n.ip("link add veth0 type veth peer name veth0 netns " + other.name)
	for _, side := range []struct {
		*namespace
		addr string
	}{{n, addr}, {other, otherAddr}} {
		side.ip("link set veth0 up", "addr add "+side.addr+" dev veth0")
	}
}

func TestNeighbours(t *testing.T) {
	ns := newNamespace(t, "n")
	ns.ip("link add d0 type veth peer name d1", "link set d0 up", "link set d1 up", "addr add 192.168.7.1/24 dev d0", "addr add 2001:db8:7::1/64 dev d0 nodad",
		"neigh add 192.168.7.2 lladdr "+m1+" dev d0 nud reachable")
	r := newRouter(t)
	r.write("etc/hosts", "192.168.7.2 nas\n192.168.7.3 tv\n2001:db8:7::9 v6only\n")
	var skew atomic.Int64
	res := r.open(hosts.InNamespace(int(ns.file.Fd())), hosts.WithClock(func() time.Time { return time.Now().Add(time.Duration(skew.Load())) }))
	online := func(m string) string {
		online, known := res.Online("lan", mac(m), addr(""))
		return map[[2]bool]string{{true, true}: "online", {false, true}: "offline", {false, false}: "unknown"}[[2]bool{online, known}]
	}
	await := func(m, want string) {
		t.Helper()
		eventually(t, m+" is "+want+", it is "+online(m), func() bool { return online(m) == want })
	}

	// Of before the start: by MAC alone, for a packet of another address.
	if got := who(res, m1, "2001:db8:7::77"); got != "nas hosts" || online(m1) != "online" {
		t.Errorf("%s is %q, %s", m1, got, online(m1))
	}
	if seen, ok := res.Seen(mac(m1)); !ok || time.Since(seen) > time.Minute {
		t.Errorf("seen at %v, %v", seen, ok)
	}
	if _, ok := res.Seen(mac(m2)); ok || online(m2) != "unknown" {
		t.Error("a host that is not there was seen")
	}
	// Joins, and has only IPv6.
	ns.ip("neigh add 2001:db8:7::9 lladdr " + m2 + " dev d0 nud reachable")
	await(m2, "online")
	r.await(res, m2, "fe80::1", "v6only hosts")
	eventually(t, "told", func() bool {
		select {
		case <-res.Changed():
			return true
		default:
			return false
		}
	})
	// Leaves.
	ns.ip("neigh change 2001:db8:7::9 lladdr " + m2 + " dev d0 nud failed")
	await(m2, "offline")
	if got := who(res, m2, ""); got != "v6only hosts" {
		t.Errorf("its name left with it: %q", got)
	}
	// One of two addresses failed: an old privacy address, the host is there.
	ns.ip("neigh add 192.168.7.4 lladdr " + m2 + " dev d0 nud reachable")
	await(m2, "online")
	ns.ip("neigh change 192.168.7.4 lladdr " + m2 + " dev d0 nud stale")
	eventually(t, "stale", func() bool {
		skew.Store(int64(hosts.StaleOnline + time.Minute))
		defer skew.Store(0)
		return online(m2) == "unknown"
	})
	await(m2, "online") // confirmed a moment ago
	// An address moves to another MAC.
	ns.ip("neigh change 192.168.7.2 lladdr " + m3 + " dev d0 nud reachable")
	r.await(res, m3, "", "nas hosts")
	r.await(res, m1, "", "")
	await(m1, "unknown")
	// Fixed by hand: it has an address, but nobody knows whether it is there.
	ns.ip("neigh add 192.168.7.3 lladdr " + m4 + " dev d0 nud permanent")
	r.await(res, m4, "", "tv hosts")
	await(m4, "unknown")
	// Groups and zeroes are no hosts.
	ns.ip("neigh add 192.168.7.8 lladdr ff:ff:ff:ff:ff:ff dev d0 nud permanent", "neigh add 192.168.7.9 lladdr 00:00:00:00:00:00 dev d0 nud permanent",
		"neigh add 192.168.7.10 lladdr "+m5+" dev d0 nud reachable")
	await(m5, "online")
	if online("ff:ff:ff:ff:ff:ff") != "unknown" || online("") != "unknown" {
		t.Error("a group is a host")
	}
	// The device goes, and all with it.
	ns.ip("link del d0")
	await(m5, "unknown")
	r.await(res, m3, "", "")
}

// When messages are lost everything is read anew.
func TestNeighboursAfterOverrun(t *testing.T) {
	ns := newNamespace(t, "o")
	ns.ip("link add d0 type veth peer name d1", "link set d0 up", "link set d1 up", "addr add 10.7.0.1/16 dev d0")
	r := newRouter(t)
	res := r.open(hosts.InNamespace(int(ns.file.Fd())))
	const n = 3000
	var add, del []string
	for i := range n {
		a := fmt.Sprintf("neigh replace 10.7.%d.%d lladdr 02:00:00:02:%02x:%02x dev d0 nud permanent", 1+i>>8, i&255, i>>8, i&255)
		add = append(add, a)
		if i%2 == 0 {
			del = append(del, fmt.Sprintf("neigh del 10.7.%d.%d dev d0", 1+i>>8, i&255))
		}
	}
	before := res.Resyncs()
	release := res.Stall()
	ns.ip(add...)
	ns.ip(del...)
	ns.ip("neigh replace 10.7.1.1 lladdr " + m1 + " dev d0 nud reachable")
	release()
	eventually(t, "the last of all changes is known", func() bool {
		online, _ := res.Online("lan", mac(m1), addr(""))
		return online
	})
	if res.Resyncs() == before {
		t.Error("nothing was lost: the test proves nothing")
	}
	r.write("etc/hosts", "10.7.1.0 deleted\n10.7.1.3 there\n")
	r.await(res, "02:00:00:02:00:03", "", "there hosts")
	if got := who(res, "02:00:00:02:00:00", ""); got != "" {
		t.Errorf("a neighbour that is gone is %q", got)
	}
	used := cpu(t)
	for range 5 {
		ns.ip(add...)
	}
	t.Logf("%d changes of neighbours: %v of CPU", 5*n, cpu(t)-used)
}

// The table of a host that opens and closes leaves nothing behind.
func TestNeighbourSocketsAreReleased(t *testing.T) {
	r := newRouter(t)
	fds := descriptors(t)
	for range 20 {
		res := hosts.Open(r.c)
		res.Identify("lan", account.MAC{}, addr("192.168.1.1"))
		if err := res.Close(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all descriptors are released", func() bool { return descriptors(t) <= fds })
}
