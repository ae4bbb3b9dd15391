// SPDX-License-Identifier: GPL-2.0-only

package service_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mezoura/mezoura/ubus"
	"github.com/mezoura/mezoura/ubus/blobmsg"
)

const byFlags = "192.168.1.1/24/br-lan"

// held is how many descriptors and threads a process has.
func held(t *testing.T, pid int) (files, threads int) {
	t.Helper()
	f, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	check(t, err)
	n, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	check(t, err)
	return len(f), len(n)
}

// TestUbusdRestarts kills ubusd 20 times under load: the object is back within two seconds each time, calls fail at once, and
// nothing piles up.
func TestUbusdRestarts(t *testing.T) {
	r := newRouter(t, "", "-4", byFlags)
	r.up()
	stop := make(chan struct{})
	var calls, failed atomic.Int64
	var longest atomic.Int64 // of a call that failed
	var workers sync.WaitGroup
	for range 4 {
		c := r.dial()
		workers.Add(1)
		go func() {
			defer workers.Done()
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
				began := time.Now()
				_, err := c.Call(context.Background(), "mezoura", "stats", nil)
				calls.Add(1)
				if err != nil {
					failed.Add(1)
					if took := int64(time.Since(began)); took > longest.Load() {
						longest.Store(took)
					}
				}
			}
		}()
	}
	sent := int64(0)
	restart := func() {
		t.Helper()
		r.system.stop()
		r.send(50, 10)
		sent += 10
		r.system.start()
		eventually(t, 2*time.Second, "the object is back", r.there)
		time.Sleep(20 * time.Millisecond) // calls are in flight again
	}
	for range 3 { // what grows to its working size does so now
		restart()
	}
	files, threads := held(t, r.daemon.PID())
	for range 20 {
		restart()
	}
	close(stop)
	workers.Wait()
	eventually(t, 5*time.Second, "descriptors are as many as before", func() error {
		f, n := held(t, r.daemon.PID())
		if f > files || n > threads+2 {
			return fmt.Errorf("%d descriptors and %d threads, were %d and %d", f, n, files, threads)
		}
		return nil
	})
	if took := time.Duration(longest.Load()); took > 2*time.Second {
		t.Errorf("a call in flight had its error after %s", took)
	}
	t.Logf("%d calls, %d failed, the longest of those after %s", calls.Load(), failed.Load(), time.Duration(longest.Load()))
	r.sent(50, sent)
}

// TestUbusTool asks with the real tool.
func TestUbusTool(t *testing.T) {
	r := newRouter(t, "", "-4", byFlags)
	r.up()
	r.send(50, 100)
	r.sent(50, 100)
	for _, c := range []struct {
		method, args string
		status       int // of ubus; the tool ends with its negative
		want         string
	}{
		{"stats", "", 0, `"mac": "02:00:00:00:01:32"`},
		{"stats", `{"host":"02-00-00-00-01-32","limit":1}`, 0, `"packets": 100`},
		{"stats", `{"host":"nobody"}`, 0, `"total": 0`},
		{"stats", `{"host":5}`, 2, "Invalid argument"},
		{"stats", `{"host":["a"]}`, 2, "Invalid argument"},
		{"stats", `{"offset":"1"}`, 2, "Invalid argument"},
		{"stats", `{"offset":-1}`, 2, "Invalid argument"},
		{"stats", `{"limit":true,"network":{}}`, 2, "Invalid argument"},
		{"stats", `{"listing":77}`, 5, "No response"},
		{"stats", `{"something":"else"}`, 0, `"total": 1`},
		{"status", "", 0, `"mode": `},
		{"status", `{"any":1}`, 0, `"prefixes": [`},
		{"hosts", "", 0, `"192.168.1.50"`},
		{"frobnicate", "", 3, "Method not found"},
		{"reset", `{"host":7}`, 2, "Invalid argument"},
		{"reset", `{"host":""}`, 2, "Invalid argument"},
		{"reset", `{"host":"nobody"}`, 4, "Not found"},
		{"reset", `{"host":"192.168.1.50"}`, 0, `"reset": 1`},
	} {
		args := []string{"call", "mezoura", c.method}
		if c.args != "" {
			args = append(args, c.args)
		}
		out, code := r.tool(args...)
		if code != -c.status&0xff || !strings.Contains(out, c.want) || c.status == 0 && !json.Valid([]byte(out)) {
			t.Errorf("ubus call mezoura %s '%s': %d, want %d and %q:\n%s", c.method, c.args, code, -c.status&0xff, c.want, out)
		}
	}
	r.sent(50, 0)
	r.send(50, 7)
	r.sent(50, 7)
	if out, _ := r.tool("-v", "list", "mez*"); !strings.Contains(out, `"stats":{"host":"String","network":"String","offset":"Integer"`) {
		t.Errorf("ubus list:\n%s", out)
	}
	if out, code := r.mezoura("stats", "-host", "192.168.1.50"); code != 0 || !strings.Contains(out, "02:00:00:00:01:32") {
		t.Errorf("mezoura stats: %d\n%s", code, out)
	}
	if out, code := r.mezoura("status"); code != 0 || !strings.Contains(out, "lan1 by ") || !strings.Contains(out, "192.168.1.0/24") {
		t.Errorf("mezoura status: %d\n%s", code, out)
	}
	if out, code := r.mezoura("top", "-n", "1"); code != 0 || !strings.Contains(out, "Total of 1 host") {
		t.Errorf("mezoura top: %d\n%s", code, out)
	}
	check(t, r.daemon.Terminate())
	if out, code := r.mezoura("stats"); code != 1 || !strings.HasPrefix(out, "mezoura: the daemon is not on ubus: is it running?") || strings.Count(out, "\n") != 1 {
		t.Errorf("mezoura stats without a daemon: %d\n%s", code, out)
	}
}

// TestUbusSubscribe listens with the real tool.
func TestUbusSubscribe(t *testing.T) {
	r := newRouter(t, "", "-4", byFlags)
	path, err := exec.LookPath("ubus")
	if err != nil {
		t.Skip("no ubus tool on PATH")
	}
	r.up()
	cmd := exec.Command(path, "-s", r.system.socket, "subscribe", "mezoura")
	out := new(lines)
	cmd.Stdout, cmd.Stderr = out, out
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	host := byte(60)
	eventually(t, 15*time.Second, "word of a new host", func() error {
		r.send(host, 1) // the tool takes its time to subscribe: a host each, until one is told of
		want := fmt.Sprintf("02:00:00:00:01:%02x", host)
		for range 150 {
			if text := out.String(); strings.Contains(text, `"host.new"`) && strings.Contains(text, want) {
				return nil
			}
			time.Sleep(10 * time.Millisecond)
		}
		host++
		return fmt.Errorf("heard %q", out.String())
	})
}

// lines is what a process prints, to be read meanwhile.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// netifd stands in for OpenWrt's: logical networks with a device and addresses.
type netifd struct {
	t    testing.TB
	conn *ubus.Conn
	pub  *ubus.Published

	mu   sync.Mutex
	dump string
}

func (r *router) netifd(dump string) *netifd {
	r.t.Helper()
	n := &netifd{t: r.t, conn: r.dial(), dump: dump}
	n.start()
	return n
}

func (n *netifd) start() {
	n.t.Helper()
	var err error
	n.pub, err = n.conn.Publish(context.Background(), ubus.Object{Path: "network.interface", Methods: []ubus.Method{
		{Name: "dump", Handler: func(context.Context, *ubus.Request) (any, error) {
			n.mu.Lock()
			defer n.mu.Unlock()
			return blobmsg.ParseJSON([]byte(n.dump))
		}},
	}})
	check(n.t, err)
}

func (n *netifd) stop() { check(n.t, n.pub.Close()) }

// set changes what it knows and says so, as netifd does for a changed prefix.
func (n *netifd) set(dump string) {
	n.t.Helper()
	n.mu.Lock()
	n.dump = dump
	n.mu.Unlock()
	check(n.t, n.pub.Notify(context.Background(), "interface.update", map[string]any{"interface": "lan"}))
}

func dump(interfaces ...string) string {
	return `{"interface":[` + strings.Join(interfaces, ",") + `]}`
}

func iface(name, device, v4, v6 string) string {
	return fmt.Sprintf(`{"interface":%q,"up":true,"l3_device":%q,"ipv4-address":[{"address":%q,"mask":24}],
		"ipv6-prefix-assignment":[{"address":%q,"mask":64}]}`, name, device, v4, v6)
}

// networks is what status says, as text.
func (r *router) networks() (string, error) {
	reply, err := r.call("status", nil)
	if err != nil {
		return "", err
	}
	var all []string
	for v := range reply.Array("networks").All() {
		n, _ := v.Table()
		text := n.Text("name") + " on " + n.Text("device") + ":"
		for p := range n.Array("prefixes").All() {
			s, _ := p.Text()
			text += " " + s
		}
		all = append(all, text)
	}
	return strings.Join(all, "; "), nil
}

// becomes wants status to say so within a second.
func (r *router) becomes(want string) {
	r.t.Helper()
	eventually(r.t, time.Second, "networks are "+want, func() error {
		got, err := r.networks()
		if err == nil && got != want {
			err = fmt.Errorf("they are %q", got)
		}
		return err
	})
}

const twoNetworks = "config mezoura\n\tlist network lan\n\tlist network guest\n"

func TestNetifd(t *testing.T) {
	r := newRouter(t, twoNetworks)
	check(t, r.net.IP("link add br-guest type bridge", "link add lan2 type veth peer name host2", "link set lan2 master br-guest",
		"link set lan2 up", "link set host2 up", "link set br-guest up", "addr add 192.168.2.1/24 dev br-guest"))
	n := r.netifd(dump(iface("lan", "br-lan", "192.168.1.1", "2001:db8:1::")))
	r.up()
	r.becomes("lan on br-lan: 192.168.1.0/24 2001:db8:1::/64; guest on :")
	r.send(50, 20)
	r.sent(50, 20)

	n.set(dump(iface("lan", "br-lan", "192.168.1.1", "2001:db8:2::"))) // the provider gives another prefix
	r.becomes("lan on br-lan: 192.168.1.0/24 2001:db8:2::/64; guest on :")
	r.send(50, 20)
	n.set(dump(iface("lan", "br-lan", "192.168.1.1", "2001:db8:2::"), iface("guest", "br-guest", "192.168.2.1", "2001:db8:2:9::")))
	r.becomes("lan on br-lan: 192.168.1.0/24 2001:db8:2::/64; guest on br-guest: 192.168.2.0/24 2001:db8:2:9::/64")
	check(t, r.daemon.Ready(context.Background(), "lan1", "lan2"))

	n.stop() // netifd restarts; meanwhile what it said stays in force
	r.send(50, 20)
	time.Sleep(200 * time.Millisecond)
	r.becomes("lan on br-lan: 192.168.1.0/24 2001:db8:2::/64; guest on br-guest: 192.168.2.0/24 2001:db8:2:9::/64")
	n.mu.Lock()
	n.dump = dump(iface("lan", "br-lan", "192.168.1.1", "2001:db8:3::"))
	n.mu.Unlock()
	n.start()
	r.becomes("lan on br-lan: 192.168.1.0/24 2001:db8:3::/64; guest on :")
	r.sent(50, 60)

	r.system.stop() // and ubusd takes all of them along
	r.send(50, 20)
	n.mu.Lock()
	n.dump = dump(iface("lan", "br-lan", "192.168.1.1", "2001:db8:4::"))
	n.mu.Unlock()
	r.system.start()
	eventually(t, 3*time.Second, "ubus is back", r.there)
	r.becomes("lan on br-lan: 192.168.1.0/24 2001:db8:4::/64; guest on :")
	r.sent(50, 80)
}

// TestNetifdLate starts the daemon again where netifd is not there yet, as after an upgrade: what counts goes on, and is not
// let go for want of a plan.
func TestNetifdLate(t *testing.T) {
	r := newRouter(t, twoNetworks)
	n := r.netifd(dump(iface("lan", "br-lan", "192.168.1.1", "2001:db8:1::")))
	r.up()
	r.send(50, 30)
	r.sent(50, 30)
	n.stop()
	r.daemon.Kill()
	r.send(50, 30)
	r.start()
	time.Sleep(1500 * time.Millisecond)
	r.send(50, 30)
	if _, err := r.call("stats", nil); err == nil {
		t.Log("the daemon shows numbers before it knows its networks")
	}
	n.start()
	r.sent(50, 90)
	r.becomes("lan on br-lan: 192.168.1.0/24 2001:db8:1::/64; guest on :")

	// Told to end before netifd came, it has lost nothing either.
	n.stop()
	check(t, r.daemon.Terminate())
	r.send(50, 30)
	r.start()
	time.Sleep(500 * time.Millisecond)
	check(t, r.daemon.Signal(syscall.SIGTERM))
	check(t, r.daemon.Wait(10*time.Second))
	r.send(50, 30)
	n.start()
	r.up()
	r.sent(50, 150)
}

// TestLeases takes names from odhcpd, there before the daemon, new to it, and restarted.
func TestLeases(t *testing.T) {
	r := newRouter(t, "", "-4", byFlags)
	leases := func(name string) ubus.Object {
		reply := func(text string) func(context.Context, *ubus.Request) (any, error) {
			return func(context.Context, *ubus.Request) (any, error) { return blobmsg.ParseJSON([]byte(text)) }
		}
		return ubus.Object{Path: "dhcp", Methods: []ubus.Method{
			{Name: "ipv4leases", Handler: reply(fmt.Sprintf(`{"device":{"br-lan":{"leases":[{"mac":"020000000132","hostname":%q,"address":"192.168.1.50","valid":3000}]}}}`, name))},
			{Name: "ipv6leases", Handler: reply(`{"device":{}}`)},
		}}
	}
	named := func(want string) {
		t.Helper()
		eventually(t, 5*time.Second, "the host is "+want, func() error {
			_, name, err := r.uploaded(50)
			if err == nil && name != want {
				err = fmt.Errorf("it is %q", name)
			}
			return err
		})
	}
	c := r.dial()
	odhcpd, err := c.Publish(context.Background(), leases("telly"))
	check(t, err)
	r.up()
	r.send(50, 1)
	named("telly")
	check(t, odhcpd.Close())
	odhcpd, err = c.Publish(context.Background(), leases("radio"))
	check(t, err)
	named("radio")
	if out, code := r.mezoura("stats", "-host", "radio"); code != 0 || !strings.Contains(out, "radio") {
		t.Errorf("mezoura stats -host radio: %d\n%s", code, out)
	}
	check(t, odhcpd.Close())
}
