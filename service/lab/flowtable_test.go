// SPDX-License-Identifier: GPL-2.0-only

package lab_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mezoura/mezoura/service/lab"
)

// flowtables are what fw4 puts into its flow table: bridge ports until 2024-06 and with hardware offloading, logical
// devices since.
var flowtables = []struct {
	name    string
	devices string
	around  bool // whether an offloaded packet passes the bridge device by
}{
	{"ports and wan", "lan1, lan2, wan", true},
	{"logical devices", "br-lan, wan", false},
	{"off", "", false},
}

// TestFlowtable turns software flow offloading on and off under one daemon, and sees that offloaded packets, which
// are really offloaded, count once each.
func TestFlowtable(t *testing.T) {
	if elsewhere(t, lab.Flowtable) {
		return
	}
	for _, attach := range attachModes(t) {
		t.Run(attach, func(t *testing.T) {
			h := try(open(t).Home(2))(t)
			// Frames, not super-packets: the counters of packets are to be compared.
			check(t, h.Internet.SetOffloads("net1", lab.Offloads{}))
			for _, host := range h.Hosts {
				check(t, host.SetOffloads(host.Device, lab.Offloads{}))
			}
			d := start(t, h, setup(t, h, "-attach", attach))
			m := meters(t, h.Hosts)
			for i, c := range flowtables {
				t.Run(c.name, func(t *testing.T) {
					check(t, h.Router.NFT(firewall(c.devices)))
					told(t, d, "software", c.devices != "")
					bridge := try(h.Router.ReadDevice("br-lan"))(t)
					sent := map[string]uint64{}
					for j, host := range h.Hosts {
						check(t, toAndFro(host, h.Internet, 10*i+j, sent))
					}
					bridge = try(h.Router.ReadDevice("br-lan"))(t).Sub(bridge)
					expect(t, d, h.Hosts, m)
					total := uint64(0)
					for kind, slow := range forwarded(t, h) {
						// A conversation begins, and one of TCP ends, on the slow path.
						if off := slow < sent[kind]/2; off != (c.devices != "") {
							t.Errorf("%s: %d packets were forwarded past the flow table, %d were sent", kind, slow, sent[kind])
						}
						total += sent[kind]
					}
					if around := bridge.RxPackets+bridge.TxPackets < total/2; around != c.around {
						t.Errorf("%d packets up and %d down crossed the bridge device, %d were sent", bridge.RxPackets, bridge.TxPackets, total)
					}
				})
			}
			if len(complaints(d)) != 0 {
				t.Errorf("the daemon complained: %q", complaints(d))
			}
		})
	}
	t.Run("hardware", func(t *testing.T) {
		h := try(open(t).Home(1))(t)
		d := start(t, h, setup(t, h))
		if err := h.Router.NFT("table inet fw4 { flowtable ft { hook ingress priority 0; devices = { lan1, wan }; flags offload; }; }"); err != nil {
			t.Logf("these devices have no hardware to offload to, TestHardwareOffloading has to do: %v", err)
			return
		}
		hardwareTold(t, d)
	})
}

// TestHardwareOffloading has the firewall configured to let the hardware forward: numbers are incomplete, and every
// output that is for humans says so.
func TestHardwareOffloading(t *testing.T) {
	h := try(open(t).Home(1))(t)
	s := setup(t, h)
	d := start(t, h, s)
	told(t, d, "hardware", false)
	file := filepath.Join(s.Config, "firewall")
	check(t, os.WriteFile(file, []byte("config defaults\n\toption flow_offloading '1'\n\toption flow_offloading_hw '1'\n"), 0o644))
	hardwareTold(t, d)
	check(t, os.Remove(file))
	told(t, d, "hardware", false)
	if text := try(s.Ask("status"))(t); strings.Contains(text, "incomplete") {
		t.Errorf("offloading is off, and status says:\n%s", text)
	}
}

// hardwareTold reloads the daemon, and sees that it warns of hardware offloading wherever it can.
func hardwareTold(t *testing.T, d *lab.Daemon) {
	t.Helper()
	told(t, d, "hardware", true)
	const warning = "Hardware flow offloading is active"
	// The table of status wraps its lines.
	if text := strings.Join(strings.Fields(try(d.Setup.Ask("status"))(t)), " "); !strings.Contains(text, warning) || !strings.Contains(text, "incomplete") {
		t.Errorf("status does not warn:\n%s", text)
	}
	check(t, d.Signal(syscall.SIGHUP))
	told(t, d, "hardware", true)
	if n := strings.Count(strings.Join(d.Output(), "\n"), warning); n != 1 {
		t.Errorf("the log warns %d times:\n%s", n, strings.Join(d.Output(), "\n"))
	}
}

// told has the daemon look at the firewall now, and waits until metrics and status say whether flows are offloaded so.
func told(t *testing.T, d *lab.Daemon, kind string, on bool) {
	t.Helper()
	check(t, d.Signal(syscall.SIGHUP))
	want := map[bool]uint64{true: 1}[on]
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var r *lab.Report
		if r, err = d.Scrape(context.Background()); err != nil {
			continue
		}
		if found := r.Find("mezoura_offload", "kind", kind); len(found) != 1 || r.Sum("mezoura_offload", "kind", kind) != want {
			err = fmt.Errorf("mezoura_offload %+v, want %s %d", found, kind, want)
			continue
		}
		text, failed := d.Setup.Ask("status")
		if err = failed; err != nil {
			continue
		}
		line := regexp.MustCompile(`(?m)^Offloading.*$`).FindString(text)
		if strings.Contains(line, kind) == on {
			return
		}
		err = fmt.Errorf("status: %q, want %s: %v", line, kind, on)
	}
	t.Fatal(err)
}

// firewall is a ruleset that counts what is forwarded the slow way, and with devices named offloads as fw4 does.
func firewall(devices string) string {
	table, rule := "", ""
	if devices != "" {
		table = "flowtable ft { hook ingress priority 0; devices = { " + devices + " }; counter; }"
		rule = "meta l4proto { tcp, udp } flow add @ft;"
	}
	var counters, rules strings.Builder
	for _, kind := range forwardedKinds {
		fmt.Fprintf(&counters, "\tcounter %s { }\n", kind)
		fmt.Fprintf(&rules, "\t\tmeta nfproto %s meta l4proto %s counter name %s;\n", kind[3:], kind[:3], kind)
	}
	return fmt.Sprintf(`table inet fw4
delete table inet fw4
table inet fw4 {
	%s
%s	chain forward {
		type filter hook forward priority 0; policy accept;
%s		%s
	}
}
`, table, counters.String(), rules.String(), rule)
}

var (
	forwardedKinds = [...]string{"tcpipv4", "udpipv4", "tcpipv6", "udpipv6"}
	counterListed  = regexp.MustCompile(`counter (\w+) \{\s*packets (\d+)`)
)

// forwarded reads the ruleset's counters.
func forwarded(t *testing.T, h *lab.Home) map[string]uint64 {
	t.Helper()
	counts := map[string]uint64{}
	for _, found := range counterListed.FindAllStringSubmatch(try(h.Router.Run("nft", "list", "counters", "table", "inet", "fw4"))(t), -1) {
		counts[found[1]], _ = strconv.ParseUint(found[2], 10, 64)
	}
	if len(counts) != len(forwardedKinds) {
		t.Fatalf("counters of the forward chain: %v", counts)
	}
	return counts
}

// toAndFro holds conversations long enough for a flow table to take them over: of TCP with data both ways until both
// end, since the first to end ends the offloading; of UDP with question and answer in turn. It adds to sent, by kind,
// how many packets that were at least.
func toAndFro(h *lab.Host, in *lab.Internet, n int, sent map[string]uint64) error {
	for _, f := range lab.Families {
		talks := map[string]func(stop <-chan struct{}) (uint64, error){
			"tcp": func(stop <-chan struct{}) (uint64, error) {
				s := lab.Stream{Client: h.Namespace, From: h.Addr(f), Server: in.Namespace, Listen: in.Addr(f),
					Upload: lab.Until, Download: lab.Until, Stop: stop, Buffer: 32 << 10}
				up, down, err := s.Run(context.Background())
				return uint64(up+down) / 1448, err
			},
			"udp": func(stop <-chan struct{}) (uint64, error) {
				d := lab.Datagrams{Client: h.Namespace, From: h.Addr(f), Server: in.Namespace, Listen: in.Addr(f),
					Upload: lab.Until, Download: lab.Until, Stop: stop, Size: 900 + n}
				c, err := d.Run(context.Background())
				return c.Upload.Packets + c.Download.Packets, err
			},
		}
		for protocol, packets := range map[string]uint64{"tcp": 500, "udp": 200} {
			before, err := h.ReadDevice(h.Device)
			if err != nil {
				return err
			}
			talk := lab.InBackground(func(stop <-chan struct{}) error {
				n, err := talks[protocol](stop)
				sent[protocol+f.String()] += n
				return err
			})
			for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline) && err == nil; time.Sleep(2 * time.Millisecond) {
				var now lab.DeviceCounters
				if now, err = h.ReadDevice(h.Device); min(now.Sub(before).TxPackets, now.Sub(before).RxPackets) > packets {
					break
				}
			}
			if err := errors.Join(err, talk.Stop()); err != nil {
				return fmt.Errorf("%s %s: %w", protocol, f, err)
			}
		}
	}
	return nil
}
