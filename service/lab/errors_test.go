// SPDX-License-Identifier: GPL-2.0-only

package lab_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

// TestErrorsNameTheCulprit starts the daemon with what cannot work. It ends at once, with one line that names what is
// to blame.
func TestErrorsNameTheCulprit(t *testing.T) {
	self := try(os.Executable())(t)
	const uci = "config mezoura\n\toption enabled '1'\n\tlist subnet '192.168.1.1/24/br-lan'\n\toption interval 'often'\n"
	for _, c := range []struct {
		name    string
		args    []string
		bare    bool   // without the flags of the home's networks
		uci     string // /etc/config/mezoura
		wrapper []string
		code    int // 0: any but 0
		says    []string
	}{
		{name: "unknown flag", args: []string{"-frobnicate"}, code: 2, says: []string{"-frobnicate"}},
		{name: "bad subnet", args: []string{"-4", "192.168.1.300/24/br-lan"}, code: 2, says: []string{"-4", "192.168.1.300/24/br-lan"}},
		{name: "bad prefix", args: []string{"-6", "2001:db8::/129"}, code: 2, says: []string{"-6", "2001:db8::/129"}},
		{name: "bad interval", args: []string{"-t", "soon"}, code: 2, says: []string{"-t", "soon"}},
		{name: "bad port", args: []string{"-p", "70000"}, code: 2, says: []string{"-p", "70000"}},
		{name: "bad uci file", bare: true, uci: uci, code: 2, says: []string{"config/mezoura:4", "interval", "often"}},
		{name: "no configuration", bare: true, code: 2, says: []string{"config/mezoura"}},
		{name: "no CAP_BPF", wrapper: []string{"setpriv", "--bounding-set=-bpf,-sys_admin", "--"}, says: []string{"CAP_BPF"}},
		{name: "no CAP_NET_ADMIN", wrapper: []string{"setpriv", "--bounding-set=-net_admin,-sys_admin", "--"}, says: []string{"CAP_NET_ADMIN"}},
		{name: "no BPF in the kernel", wrapper: []string{self, withoutBPF}, says: []string{"BPF"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := try(open(t).Home(1))(t)
			s := setup(t, h)
			if c.bare {
				s.Args = nil
			}
			s.Args, s.Wrapper = append(s.Args, c.args...), c.wrapper
			if c.uci != "" {
				check(t, os.WriteFile(filepath.Join(s.Config, "mezoura"), []byte(c.uci), 0o644))
			}
			d := try(h.Lab.Start(s))(t)
			if err := d.Wait(15 * time.Second); err == nil || d.ExitCode() < 1 || c.code != 0 && d.ExitCode() != c.code {
				t.Errorf("ended with %v, exit code %d", err, d.ExitCode())
			}
			lines := complaints(d)
			if len(lines) != 1 {
				t.Errorf("%d lines, want one: %q", len(lines), lines)
			}
			for _, word := range c.says {
				if !strings.Contains(strings.Join(lines, "\n"), word) {
					t.Errorf("%q does not name %q", lines, word)
				}
			}
		})
	}
}

// TestUnknownDevice gives the daemon a device that does not exist beside one that does: one line says so, and the
// other is counted.
func TestUnknownDevice(t *testing.T) {
	h := try(open(t).Home(1))(t)
	s := setup(t, h, "-4", "192.168.9.1/24/nosuchdev")
	d := start(t, h, s)
	m := meters(t, h.Hosts)
	check(t, everyWay(h.Hosts[0], h.Internet, 0))
	expect(t, d, h.Hosts, m)
	time.Sleep(3 * s.Interval)
	named := 0
	for _, line := range d.Output() {
		if strings.Contains(line, "nosuchdev") {
			named++
		}
	}
	if named != 1 {
		t.Errorf("%d lines name the missing device, want one: %q", named, d.Output())
	}
}

// TestFullDisk lets the disk of the textfile run full. The old file stays whole, one line names the new one, counting
// goes on; and when there is room again, the file is written again.
func TestFullDisk(t *testing.T) {
	h := try(open(t).Home(1))(t)
	disk := try(h.Mount("disk", "tmpfs", "size=64k"))(t)
	s := setup(t, h)
	s.Textfile = filepath.Join(disk, "prom_c")
	d := start(t, h, s)
	m := meters(t, h.Hosts)
	check(t, everyWay(h.Hosts[0], h.Internet, 0))
	expect(t, d, h.Hosts, m)
	time.Sleep(2 * s.Interval)
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 64<<10), 0o644); err == nil {
		t.Fatal("the disk is not full")
	}
	old := try(s.ReadTextfile())(t)
	check(t, everyWay(h.Hosts[0], h.Internet, 1))
	r := expect(t, d, h.Hosts, m)
	time.Sleep(4 * s.Interval)
	if now := try(s.ReadTextfile())(t); now.Text != old.Text && now.Text == "" {
		t.Errorf("the old file is not whole: %q", now.Text)
	} else {
		forward(t, old, now)
	}
	lines := complaints(d)
	if len(lines) != 1 || !strings.Contains(lines[0], s.Textfile) {
		t.Errorf("a full disk is worth one line that names the file, not %q", lines)
	}
	left := try(os.ReadDir(disk))(t)
	if len(left) != 2 {
		t.Errorf("on the full disk there is more than the old file and the ballast: %v", left)
	}
	check(t, os.Remove(ballast))
	deadline := time.Now().Add(10 * s.Interval)
	for {
		now := try(s.ReadTextfile())(t)
		if now.Host(h.Hosts[0], lab.IPv4) == r.Host(h.Hosts[0], lab.IPv4) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the file is not written again")
		}
		time.Sleep(100 * time.Millisecond)
	}
	expect(t, d, h.Hosts, m)
	try(d.Scrape(context.Background()))(t)
}
