// SPDX-License-Identifier: GPL-2.0-only

package hosts_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/hosts"
)

// relay asks a DHCP server for addresses on behalf of any number of clients.
type relay struct {
	t    *testing.T
	conn net.PacketConn
	id   uint32
}

// relay opens a socket inside; giaddr is an address of the namespace.
func (n *namespace) relay(giaddr string) *relay {
	n.t.Helper()
	type result struct {
		conn net.PacketConn
		err  error
	}
	results := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			results <- result{err: err}
			return
		}
		conn, err := net.ListenPacket("udp4", giaddr+":67")
		results <- result{conn, err}
	}()
	r := <-results
	if r.err != nil {
		n.t.Fatal(r.err)
	}
	n.t.Cleanup(func() { r.conn.Close() })
	return &relay{t: n.t, conn: r.conn}
}

const (
	discover = 1
	offer    = 2
	request  = 3
	ack      = 5
)

// exchange sends a message of a kind and returns the address in the reply.
func (r *relay) exchange(kind, want byte, m account.MAC, name string, server, requested net.IP) (addr, from net.IP) {
	r.t.Helper()
	r.id++
	b := make([]byte, 240, 512)
	b[0], b[1], b[2] = 1, 1, 6
	binary.BigEndian.PutUint32(b[4:], r.id)
	copy(b[24:28], r.conn.LocalAddr().(*net.UDPAddr).IP.To4())
	copy(b[28:34], m[:])
	copy(b[236:], []byte{99, 130, 83, 99})
	b = append(b, 53, 1, kind)
	if name != "" {
		b = append(append(b, 12, byte(len(name))), name...)
	}
	if requested != nil {
		b = append(append(b, 50, 4), requested.To4()...)
		b = append(append(b, 54, 4), server.To4()...)
	}
	b = append(b, 255)
	reply := make([]byte, 1500)
	for attempt := range 20 {
		if _, err := r.conn.WriteTo(b, &net.UDPAddr{IP: net.IPv4(10, 77, 0, 1), Port: 67}); err != nil && attempt > 15 {
			r.t.Fatal(err)
		}
		if err := r.conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
			r.t.Fatal(err)
		}
		for {
			n, _, err := r.conn.ReadFrom(reply)
			if err != nil {
				break // and again: the server may not be up yet
			}
			if n < 240 || binary.BigEndian.Uint32(reply[4:]) != r.id {
				continue
			}
			for o := reply[240:n]; len(o) > 2 && o[0] != 255; o = o[2+int(o[1]):] {
				switch {
				case o[0] == 53 && o[2] != want:
					r.t.Fatalf("the server answers %d to %v", o[2], m)
				case o[0] == 54:
					from = net.IP(bytes.Clone(o[2:6]))
				}
			}
			return net.IP(bytes.Clone(reply[16:20])), from
		}
	}
	r.t.Fatalf("no answer for %v", m)
	return nil, nil
}

// join takes a lease as a client does.
func (r *relay) join(m account.MAC, name string) {
	r.t.Helper()
	addr, server := r.exchange(discover, offer, m, name, nil, nil)
	r.exchange(request, ack, m, name, server, addr)
}

// dnsmasq runs the real server inside until the test ends.
func (n *namespace) dnsmasq(leases string) *exec.Cmd {
	n.t.Helper()
	tool, err := exec.LookPath("dnsmasq")
	if err != nil {
		n.t.Skip("no dnsmasq on PATH")
	}
	cmd := exec.Command("ip", "netns", "exec", n.name, tool, "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root",
		"--pid-file=", "--interface=veth0", "--bind-interfaces", "--no-ping", "--dhcp-lease-max=5000", "--dhcp-authoritative",
		"--dhcp-range=10.77.1.0,10.77.100.255,255.255.0.0,1h", "--dhcp-leasefile="+leases, "--log-facility="+filepath.Join(filepath.Dir(leases), "dnsmasq.log"), "--quiet-dhcp")
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended with the test's folder
		_ = cmd.Wait()
	})
	return cmd
}

// Clients of the real dnsmasq: hostile names, and two thousand of them at once.
func TestDnsmasq(t *testing.T) {
	server, clients := newNamespace(t, "s"), newNamespace(t, "c")
	server.connect(clients, "10.77.0.1/16", "10.77.0.2/16")
	r := newRouter(t)
	res := r.open(hosts.InNamespace(int(server.file.Fd())))
	server.dnsmasq(filepath.Join(r.root, "tmp/dhcp.leases"))
	dhcp := clients.relay("10.77.0.2")

	dhcp.join(mac(m1), "laptop")
	r.await(res, m1, "", "laptop dnsmasq")
	for i, name := range []string{
		"<img src=x onerror=alert(1)>", "a\x1b[31mb", "x\u202egnp", "two words", "back\\slash\"quote'", "bad\xff\xfe", "1700000000 02:00 spoof\n0 " + m1 + " 10.77.1.1 forged *",
	} {
		m := account.MAC{2, 0, 0, 0, 1, byte(i)}
		dhcp.join(m, name)
		dhcp.join(mac(m2), fmt.Sprintf("after%d", i)) // so that we know the file was read
		r.await(res, m2, "", fmt.Sprintf("after%d dnsmasq", i))
		safe(t, res.Identify("lan", m, addr("")).Hostname)
	}
	if got := who(res, m1, ""); got != "laptop dnsmasq" {
		t.Errorf("another client made %s %q", m1, got)
	}
	// The name of a client changes with its lease.
	dhcp.join(mac(m1), "renamed")
	r.await(res, m1, "", "renamed dnsmasq")

	const n = 2000
	began, used, loads := time.Now(), cpu(t), res.Loads()
	for i := range n {
		dhcp.join(account.MAC{2, 0, 0, 2, byte(i >> 8), byte(i)}, fmt.Sprintf("host%d", i))
	}
	eventually(t, "all are named", func() bool {
		for i := range n {
			if who(res, fmt.Sprintf("02:00:00:02:%02x:%02x", i>>8, i&255), "") != fmt.Sprintf("host%d dnsmasq", i) {
				return false
			}
		}
		return true
	})
	t.Logf("%d hosts joined in %v: files read %d times, %v of CPU including the clients", n, time.Since(began).Round(time.Millisecond),
		res.Loads()-loads, (cpu(t) - used).Round(time.Millisecond))
	if info, err := os.Stat(filepath.Join(r.root, "tmp/dhcp.leases")); err != nil || info.Size() < n*40 {
		t.Errorf("the file of leases: %v, %v", info, err)
	}
}
