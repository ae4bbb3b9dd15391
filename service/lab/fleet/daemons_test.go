// SPDX-License-Identifier: GPL-2.0-only

package fleet_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

// house is a home of the lab with a real daemon in its router.
type house struct {
	t      *testing.T
	name   string
	home   *lab.Home
	setup  *lab.Setup
	daemon *lab.Daemon
	meters []*lab.Meter
}

func newHouse(t *testing.T, name, binary string) *house {
	t.Helper()
	l, err := lab.Open()
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	home, err := l.Home(2)
	must(t, err)
	setup, err := home.Setup(binary, home.Router.Namespace, home.Flags()...)
	must(t, err)
	h := &house{t: t, name: name, home: home, setup: setup}
	h.meter()
	h.start()
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// meter begins to meter what the hosts exchange with the internet.
func (h *house) meter() {
	h.t.Helper()
	h.meters = nil
	for _, host := range h.home.Hosts {
		m, err := host.Meter()
		must(h.t, err)
		h.meters = append(h.meters, m)
	}
}

func (h *house) start() {
	h.t.Helper()
	d, err := h.home.Start(h.setup)
	must(h.t, err)
	h.daemon = d
	h.t.Cleanup(func() {
		if h.t.Failed() {
			h.t.Logf("%s: %s", h.name, strings.Join(d.Output(), "\n"))
		}
	})
	must(h.t, d.Ready(context.Background(), h.home.Attached...))
}

func (h *house) traffic(bytes int64) {
	h.t.Helper()
	for i, host := range h.home.Hosts {
		for _, f := range lab.Families {
			_, _, err := lab.Stream{
				Client: host.Namespace, From: host.Addr(f), Server: h.home.Internet.Namespace, Listen: h.home.Internet.Addr(f),
				Upload: bytes + int64(i), Download: 2 * bytes, Buffer: 64 << 10,
			}.Run(context.Background())
			must(h.t, err)
		}
	}
}

// downloaded is what the hosts' meters saw.
func (h *house) downloaded() (sum float64) {
	h.t.Helper()
	list, err := lab.Expect(h.home.Hosts, h.meters)
	must(h.t, err)
	for _, e := range list {
		sum += float64(e.Counts.Download.Bytes)
	}
	return sum
}

// door leads from an address of this machine to the daemon's in its namespace.
func (h *house) door() string {
	h.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(h.t, err)
	h.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			outside, err := l.Accept()
			if err != nil {
				return
			}
			go h.pass(outside)
		}
	}()
	return l.Addr().String()
}

func (h *house) pass(outside net.Conn) {
	defer outside.Close()
	var inside net.Conn
	err := h.home.Router.Do(func() (err error) {
		inside, err = net.DialTimeout("tcp4", fmt.Sprintf("127.0.0.1:%d", lab.Port), time.Second)
		return err
	})
	if err != nil {
		return // no daemon: nobody answers
	}
	defer inside.Close()
	go func() {
		_, _ = io.Copy(inside, outside)
		inside.Close()
	}()
	_, _ = io.Copy(outside, inside)
}

// Three routers with real daemons. What Prometheus sums up is to the byte what
// went over the hosts' wires: through a kill, a reboot and a new name.
func TestFleetOfDaemons(t *testing.T) {
	if os.Geteuid() != 0 {
		unable(t, "makes network namespaces: needs root")
	}
	tool(t, "prometheus", "prometheus")
	binary, err := lab.Binary(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	home, office, cabin := newHouse(t, "home", binary), newHouse(t, "office", binary), newHouse(t, "cabin", binary)
	houses := []*house{home, office, cabin}
	doors := make(map[string]string)
	for i, h := range houses {
		h.traffic(100_000 * int64(i+1))
		doors[h.name] = h.door()
	}
	p := startPrometheus(t, doors, nil)

	await(t, time.Minute, "all of it", func() bool { return p.agrees(houses) })
	lint(t, home)

	// A daemon is killed; its kernel counts on.
	office.daemon.Kill()
	office.traffic(150_000)
	office.start()
	// A router reboots: its totals begin anew.
	must(t, cabin.daemon.Terminate())
	must(t, cabin.setup.Detach())
	cabin.meter()
	cabin.start()
	cabin.traffic(50_000)
	// A host gets a name.
	mac := home.home.Hosts[0].MAC
	write(t, filepath.Join(home.setup.Config, "dhcp"), "config host\n\toption name 'television'\n\toption mac '"+mac+"'\n")
	must(t, home.daemon.Signal(syscall.SIGHUP))
	home.traffic(70_000)

	await(t, time.Minute, "all of it again", func() bool { return p.agrees(houses) })
	await(t, time.Minute, "the name", func() bool {
		list, err := p.query(`mezoura_host_info{instance="home", mac="` + strings.ToUpper(mac) + `", hostname="television"}`)
		return err == nil && len(list) == 1
	})
	for _, s := range p.mustQuery(`resets(mezoura_host_bytes_total[5m])`) {
		if s.Value != 0 && s.Labels["instance"] != "cabin" {
			t.Errorf("%v went backwards", s.Labels)
		}
	}
	if n := p.one(`count(count by (mac) (last_over_time(mezoura_host_bytes_total{instance="home"}[5m])))`); n != 2 {
		t.Errorf("%v hosts in the home, want 2: a name is no new host", n)
	}
	checkDashboard(t, p)
}

// agrees tells whether Prometheus has what the meters saw, of hosts and of networks.
func (p prometheus) agrees(houses []*house) bool {
	p.t.Helper()
	for _, h := range houses {
		want := h.downloaded()
		for _, metric := range []string{"mezoura_host_bytes_total", "mezoura_network_bytes_total"} {
			list, err := p.query(`sum(` + metric + `{instance="` + h.name + `", direction="download"})`)
			if err != nil || len(list) != 1 || list[0].Value != want {
				return false
			}
		}
	}
	return true
}

// lint is promtool's opinion of a real daemon's own families.
func lint(t *testing.T, h *house) {
	t.Helper()
	report, err := h.setup.Scrape(context.Background())
	must(t, err)
	var own bytes.Buffer
	for _, line := range strings.SplitAfter(report.Text, "\n") {
		if !strings.Contains(line, "node_nat_traffic_") {
			own.WriteString(line)
		}
	}
	cmd := exec.Command(tool(t, "promtool", "prometheus"), "check", "metrics")
	cmd.Stdin = &own
	if output, err := cmd.CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, output)
	}
}
