// SPDX-License-Identifier: GPL-2.0-only

package lab_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/lab"
)

// hostileNames are what a client may call itself, and how it is to be shown if the server takes it as it is. The
// server keeps its leases line by line with blanks between fields, so neither is in the names.
var hostileNames = []struct{ name, shown string }{
	{`<img/src=x/onerror=alert(1)>`, `<img/src=x/onerror=alert(1)>`},
	{`"};{'\n\"\\`, `"};{'\n\"\\`},
	{"a\x1b[31m\x07\x7fb\x01c", "a[31mbc"},
	{"left\u202egnp.exe\u200f", "leftgnp.exe"},
	{"=HYPERLINK(\"http://x\",\"y\")", "=HYPERLINK(\"http://x\",\"y\")"},
	{"bad\xff\xfe", "bad\ufffd\ufffd"},
}

// TestHostileNames has a client take leases from the real dnsmasq under such names. The server keeps most of it from its
// file; then the file has them as they were sent, as those of other servers do.
func TestHostileNames(t *testing.T) {
	if _, err := exec.LookPath("dnsmasq"); err != nil {
		unable(t, "no dnsmasq on PATH")
	}
	h := try(open(t).Home(1))(t)
	host := h.Hosts[0]
	leases := filepath.Join(try(h.Folder("dnsmasq"))(t), "dhcp.leases")
	server := exec.Command("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file=",
		"--interface=br-lan", "--bind-interfaces", "--no-ping", "--dhcp-authoritative", "--dhcp-range=192.168.1.100,192.168.1.150,1h",
		"--dhcp-leasefile="+leases, "--log-facility="+leases+".log")
	check(t, h.Router.Start(server))
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	s := setup(t, h, "-leases", leases)
	d := start(t, h, s)

	client := newClient(t, host)
	leased := client.lease("laptop")
	check(t, host.IP(fmt.Sprintf("addr add %s/24 dev %s", leased, host.Device)))
	m := meters(t, h.Hosts)
	stream := lab.Stream{Client: host.Namespace, From: leased, Server: h.Internet.Namespace, Listen: h.Internet.IPv4, Upload: 100_000, Download: 100_000}
	if _, _, err := stream.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	shownEverywhere(t, d, leased, "laptop")
	for _, c := range hostileNames {
		if again := client.lease(c.name); again != leased {
			t.Fatalf("%q was given %s after %s", c.name, again, leased)
		}
		// What the server made of it, if anything, is shown; a name it refused leaves the host without one.
		f := strings.Fields(leaseLine(t, leases, leased))
		name := f[3]
		if name == "*" {
			name = ""
		}
		t.Logf("%q is %q to dnsmasq", c.name, name)
		shownEverywhere(t, d, leased, name)
	}
	client.lease("laptop")
	shownEverywhere(t, d, leased, "laptop")
	line := leaseLine(t, leases, leased)
	check(t, server.Process.Kill())
	for _, c := range hostileNames {
		text := strings.Replace(line, " laptop ", " "+c.name+" ", 1) + "\n"
		check(t, os.WriteFile(leases+".new", []byte(text), 0o644))
		check(t, os.Rename(leases+".new", leases))
		shownEverywhere(t, d, leased, c.shown)
	}
	if seen := try(m[0].Settled())(t); seen.Internet[leased].Upload.Bytes < 100_000 {
		t.Errorf("the leased address was not used: %v", seen.Internet)
	}
}

// leaseLine is the server's line of an address.
func leaseLine(t *testing.T, file string, a netip.Addr) string {
	t.Helper()
	for _, line := range strings.Split(string(try(os.ReadFile(file))(t)), "\n") {
		if f := strings.Fields(line); len(f) >= 5 && f[2] == a.String() {
			return line
		}
	}
	t.Fatalf("the server has no lease of %s", a)
	return ""
}

// shownEverywhere waits until every output that names hosts names the one with an address so, and wants each to be
// readable by what reads it.
func shownEverywhere(t *testing.T, d *lab.Daemon, a netip.Addr, name string) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = shown(d, a, name); err == nil {
			return
		}
	}
	t.Errorf("%q is not shown as it should be: %v", name, err)
}

func shown(d *lab.Daemon, a netip.Addr, name string) error {
	for output, read := range map[string]func() (*lab.Report, error){
		"metrics":  func() (*lab.Report, error) { return d.Scrape(context.Background()) },
		"textfile": d.Setup.ReadTextfile,
	} {
		r, err := read()
		if err != nil {
			return fmt.Errorf("%s: %w", output, err)
		}
		if err := harmless(r.Text); err != nil {
			return fmt.Errorf("%s: %w", output, err)
		}
		for _, s := range r.Find("mezoura_host_info") {
			if s.Labels["hostname"] != name {
				return fmt.Errorf("%s: hostname %q", output, s.Labels["hostname"])
			}
		}
		if len(r.Find("mezoura_host_info")) == 0 {
			return fmt.Errorf("%s: no mezoura_host_info", output)
		}
	}
	table, err := d.Setup.Ask("stats")
	if err != nil {
		return err
	}
	if err := harmless(table); err != nil {
		return fmt.Errorf("table: %w", err)
	}
	// A name that is long may be cut, and what is no UTF-8 a question mark.
	if part := strings.SplitN(name, "\ufffd", 2)[0]; !strings.Contains(table, part[:min(len(part), 12)]) {
		return fmt.Errorf("table: no %q in\n%s", name, table)
	}
	if err := listed(d, name, "-json"); err != nil {
		return err
	}
	text, err := d.Setup.Ask("stats", "-csv")
	if err != nil {
		return err
	}
	if err := harmless(text); err != nil {
		return fmt.Errorf("csv: %w", err)
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return fmt.Errorf("csv: %w", err)
	}
	if len(rows) != 2 || strings.HasPrefix(rows[1][1], "=") || strings.ReplaceAll(strings.TrimPrefix(rows[1][1], "'"), "?", "\ufffd") != name || !strings.Contains(rows[1][4], a.String()) {
		return fmt.Errorf("csv: %q", rows)
	}
	return nil
}

// listed reads the hosts as JSON, from the command and, where there is one, the ubus tool.
func listed(d *lab.Daemon, name, form string) error {
	text, err := d.Setup.Ask("stats", form)
	if err != nil {
		return err
	}
	texts := map[string]string{"stats " + form: text}
	if path, err := exec.LookPath("ubus"); err == nil {
		if texts["ubus call"], err = d.Setup.Namespace.Run(path, "-s", d.Setup.Ubus, "call", "mezoura", "stats"); err != nil {
			return err
		}
	}
	for output, text := range texts {
		var reply struct {
			Hosts []struct {
				Hostname string `json:"hostname"`
			} `json:"hosts"`
		}
		if err := harmless(text); err != nil {
			return fmt.Errorf("%s: %w", output, err)
		}
		if err := json.Unmarshal([]byte(text), &reply); err != nil {
			return fmt.Errorf("%s: %w", output, err)
		}
		if len(reply.Hosts) != 1 || reply.Hosts[0].Hostname != name {
			return fmt.Errorf("%s: %+v", output, reply.Hosts)
		}
	}
	return nil
}

// harmless finds what would move a terminal's cursor or turn the text around.
func harmless(text string) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("not UTF-8: %q", text)
	}
	for _, c := range text {
		if c != '\n' && c != '\t' && (unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c)) {
			return fmt.Errorf("%U in %q", c, text)
		}
	}
	return nil
}

// client is a host's DHCP client.
type client struct {
	t    *testing.T
	conn net.PacketConn
	mac  net.HardwareAddr
	id   uint32
}

func newClient(t *testing.T, h *lab.Host) *client {
	t.Helper()
	c := &client{t: t, mac: try(parseMAC(h.MAC))(t)}
	listen := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		if failed := raw.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), h.Device) }); failed != nil {
			return failed
		}
		return err
	}}
	check(t, h.Do(func() (err error) {
		c.conn, err = listen.ListenPacket(context.Background(), "udp4", ":68")
		return err
	}))
	t.Cleanup(func() { c.conn.Close() })
	return c
}

// DHCP's messages.
const (
	dhcpDiscover = 1
	dhcpOffer    = 2
	dhcpRequest  = 3
	dhcpAck      = 5
)

// lease takes, or takes again, a lease under a name.
func (c *client) lease(name string) netip.Addr {
	c.t.Helper()
	address, server := c.ask(dhcpDiscover, dhcpOffer, name, nil)
	address, _ = c.ask(dhcpRequest, dhcpAck, name, append(append([]byte{50, 4}, address...), append([]byte{54, 4}, server...)...))
	a, _ := netip.AddrFromSlice(address)
	return a
}

// ask sends a message by broadcast until it is answered.
func (c *client) ask(kind, want byte, name string, options []byte) (address, server []byte) {
	c.t.Helper()
	c.id++
	b := make([]byte, 240, 600)
	b[0], b[1], b[2], b[10] = 1, 1, 6, 0x80 // a request, of Ethernet; to be answered by broadcast
	binary.BigEndian.PutUint32(b[4:], c.id)
	copy(b[28:], c.mac)
	copy(b[236:], []byte{99, 130, 83, 99})
	b = append(append(b, 53, 1, kind, 12, byte(len(name))), name...)
	b = append(append(b, options...), 255)
	reply := make([]byte, 1500)
	for range 30 {
		if _, err := c.conn.WriteTo(b, &net.UDPAddr{IP: net.IPv4bcast, Port: 67}); err != nil {
			c.t.Fatal(err)
		}
		check(c.t, c.conn.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
		for {
			n, _, err := c.conn.ReadFrom(reply)
			if err != nil {
				break // and again: the server may not be up yet
			}
			if n < 240 || binary.BigEndian.Uint32(reply[4:]) != c.id {
				continue
			}
			var got byte
			for o := reply[240:n]; len(o) > 2 && o[0] != 255 && len(o) > 1+int(o[1]); o = o[2+int(o[1]):] {
				switch o[0] {
				case 53:
					got = o[2]
				case 54:
					server = bytes.Clone(o[2:6])
				}
			}
			if got != want {
				c.t.Fatalf("the server answers %d to %q, want %d", got, name, want)
			}
			return bytes.Clone(reply[16:20]), server
		}
	}
	c.t.Fatalf("no answer to %q", name)
	return nil, nil
}
