// SPDX-License-Identifier: GPL-2.0-only

package lab_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/lab"
	"github.com/mezoura/mezoura/ubus"
)

// attackers is how many clients there are at once, each with an address of its own on the LAN.
const attackers = 200

// places is the exporter's bound on connections.
const places = 64

// attacks are what each of the clients does with a connection. It is closed at the latest when the attack ends; then the
// next one is made.
var attacks = []struct {
	name  string
	once  bool // no next one before the end of the attack, unless the daemon hangs up
	visit func(c net.Conn)
}{
	{"scrape", false, func(c net.Conn) {
		io.WriteString(c, "GET /metrics HTTP/1.0\r\n\r\n")
		io.Copy(io.Discard, c)
		time.Sleep(100 * time.Millisecond)
	}},
	{"read nothing", true, func(c net.Conn) {
		io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
	}},
	{"read a byte a second", true, func(c net.Conn) {
		io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
		for {
			if _, err := c.Read(make([]byte, 1)); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}},
	{"read something ten times a second", true, func(c net.Conn) {
		io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
		for {
			if _, err := io.ReadFull(c, make([]byte, 4096)); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}},
	{"say nothing", true, func(net.Conn) {}},
	{"say half of it", true, func(c net.Conn) { io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: x\r\nAcc") }},
	{"headers without end", false, func(c net.Conn) {
		io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: x\r\n")
		for lines := bytes.Repeat([]byte("X-Header: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n"), 100); ; {
			if _, err := c.Write(lines); err != nil {
				return
			}
		}
	}},
	{"a request line of 1 MB", false, func(c net.Conn) {
		io.WriteString(c, "GET /"+strings.Repeat("a", 1<<20)+" HTTP/1.1\r\nHost: x\r\n\r\n")
		io.Copy(io.Discard, c)
	}},
	{"a hundred requests at once, no reading", true, func(c net.Conn) {
		io.WriteString(c, strings.Repeat("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 100))
	}},
	{"ask and reset", false, func(c net.Conn) {
		io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
		c.(*net.TCPConn).SetLinger(0)
	}},
}

// TestLoad has 200 clients do what they can to the exporter of a daemon that knows 250 hosts, and 10,000. Its memory and
// descriptors stay bounded, who scrapes as one should is answered, the ubus object answers, and a host that talks all
// the while is counted exactly.
func TestLoad(t *testing.T) {
	for _, c := range []struct {
		hosts  int
		memory int64         // MiB at most above what the daemon has before; the process's peak
		answer time.Duration // on a busy machine; on an idle one a tenth of it
	}{
		{250, 8, 10 * time.Second},
		{10_000, 24, 30 * time.Second},
	} {
		t.Run(fmt.Sprint(c.hosts, " hosts"), func(t *testing.T) { load(t, c.hosts, c.memory<<20, c.answer) })
	}
}

func load(t *testing.T, hosts int, memory int64, answer time.Duration) {
	h := try(open(t).Home(3))(t)
	sinkHole(t, h)
	known, hostile, crowd := h.Hosts[0], h.Hosts[1], h.Hosts[2]
	s := try(h.Setup(daemonBinary(t), h.Router.Namespace))(t)
	w := known.Network
	check(t, os.WriteFile(filepath.Join(s.Config, "mezoura"), []byte(fmt.Sprintf("config mezoura\n\tlist subnet '%s/24/%s'\n\tlist prefix6 '%s/64'\n"+
		"\toption memory_limit %d\n\toption table_size %d\n\toption max_hosts 20000\n\toption max_addresses 20000\n", w.Gateway4, w.Device, w.Gateway6, max(12, hosts/160), max(4096, 3*hosts))), 0o644))
	d := start(t, h, s)
	bus := try(ubus.Dial(context.Background(), ubus.Options{Socket: s.Ubus, Transport: "wire"}))(t)
	defer bus.Close()
	populate(t, h, crowd, hosts)
	exporter := &exporter{t: t, d: d, from: known, address: netip.AddrPortFrom(w.Gateway4, lab.Port).String(), limit: answer}
	addresses := join(t, hostile)

	m := try(known.Meter())(t)
	check(t, everyWay(known, h.Internet, 0))
	for i := range 10 { // the first are older than the hosts, the others show what a scrape takes
		time.Sleep(300 * time.Millisecond)
		if n := exporter.scrape(); i > 5 && n != hosts+1 {
			t.Fatalf("%d hosts, want %d", n, hosts+1)
		}
	}
	idle, _, err := d.Memory()
	check(t, err)
	idleFiles := descriptors(t, d)
	t.Logf("before: %.1f MiB resident, %d descriptors", mebi(idle), idleFiles)

	talk := lab.InBackground(func(stop <-chan struct{}) error {
		dg := lab.Datagrams{Client: known.Namespace, Server: h.Internet.Namespace, Listen: h.Internet.IPv6,
			Upload: lab.Until, Download: lab.Until, Stop: stop, Pause: time.Millisecond, Size: 900}
		_, err := dg.Run(context.Background())
		return err
	})
	for _, a := range attacks {
		check(t, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", d.PID()), []byte("5"), 0)) // the peak begins anew
		attack := begin(hostile, addresses, exporter.address, a.once, a.visit)
		var scrapes, calls slowest
		files := 0
		for end := time.Now().Add(time.Second); time.Now().Before(end) || attack.count() < attackers/2; {
			// 200 readers of all of 10,000 hosts are 2 GB, which takes its time; nobody is to come first there.
			if a.name != "scrape" || hosts <= 1000 {
				scrapes.time(func() { exporter.scrape() })
			}
			calls.time(func() {
				_, err := bus.Call(context.Background(), "mezoura", "status", nil)
				check(t, err)
			})
			files = max(files, descriptors(t, d))
			time.Sleep(50 * time.Millisecond)
		}
		made := attack.stop()
		_, peak, err := d.Memory()
		check(t, err)
		t.Logf("%-40s %6d connections; peak %.1f MiB, %d descriptors; %d scrapes, the slowest %s; ubus %s",
			a.name, made, mebi(peak), files, scrapes.n, scrapes.worst.Round(time.Millisecond), calls.worst.Round(time.Millisecond))
		if peak > idle+memory {
			t.Errorf("%s: the daemon took %.1f MiB more than before", a.name, mebi(peak-idle))
		}
		if files > idleFiles+places+4 {
			t.Errorf("%s: %d descriptors, %d before", a.name, files, idleFiles)
		}
		if calls.worst > answer {
			t.Errorf("%s: ubus took %s", a.name, calls.worst)
		}
	}
	check(t, talk.Stop())

	var after slowest
	after.time(func() { exporter.scrape() })
	for _, e := range try(lab.Expect([]*lab.Host{known}, []*lab.Meter{m}))(t) {
		var counted lab.Counts
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end) && counted != e.Counts; time.Sleep(200 * time.Millisecond) {
			counted = try(d.Scrape(context.Background()))(t).Host(known, e.Family)
		}
		if counted != e.Counts {
			t.Errorf("%s: counted %s, sent %s", e.Family, counted, e.Counts)
		}
	}
	for end := time.Now().Add(10 * time.Second); descriptors(t, d) > idleFiles+2; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after it all: %d descriptors, %d before", descriptors(t, d), idleFiles)
		}
	}
	now, _, err := d.Memory()
	check(t, err)
	t.Logf("after: %.1f MiB resident, %d descriptors; a scrape takes %s", mebi(now), descriptors(t, d), after.worst.Round(time.Millisecond))
}

func mebi(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// populate makes so many hosts known, with a packet each.
func populate(t *testing.T, h *lab.Home, from *lab.Host, hosts int) {
	t.Helper()
	check(t, h.Router.Bridge("link set dev "+from.Port+" learning off"))
	inject := try(h.Inject(from.Namespace, from.Device))(t)
	frame := datagramFrame(t, h, from)
	frame[8] = 0xff // hardware addresses that nobody has
	for i := range hosts {
		binary.BigEndian.PutUint16(frame[10:], uint16(i))
		binary.BigEndian.PutUint16(frame[14+8+14:], 0x8000|uint16(i))
		check(t, inject.Send(frame))
	}
}

// join gives a host an address for each attacker.
func join(t *testing.T, h *lab.Host) (addresses []netip.Addr) {
	t.Helper()
	four := h.IPv4.As4()
	var lines []string
	for i := range attackers {
		four[3] = byte(50 + i)
		addresses = append(addresses, netip.AddrFrom4(four))
		lines = append(lines, fmt.Sprintf("addr add %s/24 dev %s", addresses[i], h.Device))
	}
	check(t, h.IP(lines...))
	return addresses
}

func descriptors(t *testing.T, d *lab.Daemon) int {
	t.Helper()
	return len(try(os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.PID())))(t))
}

// slowest keeps how long something took at most.
type slowest struct {
	n     int
	worst time.Duration
}

func (s *slowest) time(f func()) {
	began := time.Now()
	f()
	s.n, s.worst = s.n+1, max(s.worst, time.Since(began))
}

// exporter is scraped as one should.
type exporter struct {
	t       *testing.T
	d       *lab.Daemon
	from    *lab.Host
	address string
	limit   time.Duration
}

// scrape returns how many hosts there are. It may take several tries, all of them within the limit.
func (e *exporter) scrape() (hosts int) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), e.limit)
	defer cancel()
	for {
		body, err := e.try(ctx)
		if err == nil {
			return bytes.Count(body, []byte("\nmezoura_host_info{"))
		}
		if ctx.Err() != nil {
			e.t.Fatalf("no answer within %s: %v; the daemon says: %s", e.limit, err, strings.Join(e.d.Output(), "; "))
		}
	}
}

func (e *exporter) try(ctx context.Context) ([]byte, error) {
	c, err := dialFrom(e.from, e.from.IPv4, e.address, e.limit)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	c.SetDeadline(deadline)
	io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	reply, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(reply.Body)
	if err == nil && (reply.StatusCode != http.StatusOK || !bytes.HasSuffix(body, []byte("} 1\n"))) {
		err = fmt.Errorf("%s, %d bytes", reply.Status, len(body))
	}
	return body, err
}

func dialFrom(h *lab.Host, from netip.Addr, to string, timeout time.Duration) (c net.Conn, err error) {
	err = h.Do(func() error {
		c, err = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}, Timeout: timeout}).Dial("tcp4", to)
		return err
	})
	return c, err
}

// attack is a number of clients at work.
type attack struct {
	clients sync.WaitGroup
	ending  chan struct{}

	mu   sync.Mutex
	open map[net.Conn]bool // nil when the attack has ended
	made int
}

// begin starts an attack, one client for each address.
func begin(h *lab.Host, addresses []netip.Addr, to string, once bool, visit func(net.Conn)) *attack {
	a := &attack{ending: make(chan struct{}), open: map[net.Conn]bool{}}
	for _, from := range addresses {
		a.clients.Add(1)
		go func() {
			defer a.clients.Done()
			for a.visit(h, from, to, once, visit) {
			}
		}()
	}
	return a
}

// visit makes one connection, and tells whether to make another.
func (a *attack) visit(h *lab.Host, from netip.Addr, to string, once bool, visit func(net.Conn)) bool {
	c, err := dialFrom(h, from, to, time.Second)
	a.mu.Lock()
	ended := a.open == nil
	if err == nil && !ended {
		a.made++
		a.open[c] = true
	}
	a.mu.Unlock()
	if err != nil {
		return !ended
	}
	defer c.Close()
	if ended {
		return false
	}
	visit(c)
	if once {
		// Until the daemon hangs up: what has arrived is not read, as that would let it go on.
		for connected(c) {
			select {
			case <-a.ending:
				return false
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.open, c)
	return a.open != nil
}

// connected tells whether the other end has not hung up, without reading.
func connected(c net.Conn) (yes bool) {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return false
	}
	const established = 1
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		yes = err == nil && info.State == established
	})
	return err == nil && yes
}

// count is how many connections there were until now.
func (a *attack) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.made
}

// stop ends the attack and returns how many connections there were.
func (a *attack) stop() int {
	close(a.ending)
	a.mu.Lock()
	for c := range a.open {
		c.Close()
	}
	a.open = nil
	a.mu.Unlock()
	a.clients.Wait()
	return a.made
}
