// SPDX-License-Identifier: GPL-2.0-only

package export_test

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/export"
)

func update() bool { return flag.Lookup("update").Value.String() == "true" }

func TestMain(m *testing.M) {
	flag.Bool("update", false, "rewrite the golden files")
	flag.Parse()
	os.Exit(m.Run())
}

var epoch = time.Unix(1_700_000_000, 0)

func counters(downBytes, downPackets, upBytes, upPackets uint64) account.Counters {
	return account.Counters{Download: account.Traffic{Bytes: downBytes, Packets: downPackets}, Upload: account.Traffic{Bytes: upBytes, Packets: upPackets}}
}

func flows(c account.Counters) account.Family {
	return account.Family{
		Download: account.Flow{Bytes: c.Download.Bytes, Packets: c.Download.Packets},
		Upload:   account.Flow{Bytes: c.Upload.Bytes, Packets: c.Upload.Packets},
	}
}

// host makes a host whose totals are its addresses'.
func host(network, name string, mac account.MAC, addrs ...account.Address) account.Host {
	h := account.Host{MAC: mac, Hostname: name, Network: network, Addresses: addrs, LastSeen: epoch}
	for _, a := range addrs {
		f := &h.IPv4
		if a.IP.Is6() {
			f = &h.IPv6
		}
		*f = flows(counters(f.Download.Bytes+a.Download.Bytes, f.Download.Packets+a.Download.Packets,
			f.Upload.Bytes+a.Upload.Bytes, f.Upload.Packets+a.Upload.Packets))
	}
	return h
}

func address(ip string, c account.Counters) account.Address {
	return account.Address{IP: netip.MustParseAddr(ip), Counters: c, LastSeen: epoch}
}

// readme is what counts as the README's example configuration: -4
// 192.168.3.1/24/br-lan -6 ..., and the host koko in /etc/config/dhcp.
func readme() *account.Snapshot {
	koko := account.MAC{0xa8, 0x5e, 0x45, 0x0c, 0xd1, 0x02}
	guest := account.MAC{0x02, 0, 0, 0, 0, 0x09}
	return &account.Snapshot{
		Time: epoch, Started: epoch,
		Hosts: []account.Host{
			host("lan", "", guest, address("192.168.3.77", counters(5000, 50, 4000, 40))),
			host("lan", "koko", koko, address("192.168.3.200", counters(297794, 3006, 257410, 3005)), address("2a02::", counters(1205089727, 30000, 1205089, 50000))),
		},
		Networks: []account.NetworkTotal{{Name: "lan", Device: "br-lan", Counters: counters(1205392521, 33056, 1466499, 53045)}},
		Unattributed: []account.ReasonTotal{
			{Reason: "limit"}, {Reason: "malformed"}, {Reason: "multicast", Counters: counters(100, 1, 20, 1)},
			{Reason: "no_prefix"}, {Reason: "table_full"},
		},
		Status: account.Status{
			Version: "1.0.0", Interval: 10 * time.Second,
			Attachments: []account.Attachment{{Network: "lan", Device: "lan1", Mode: "tcx", Direction: "both"}, {Network: "lan", Device: "lan2", Mode: "waiting", Direction: "both"}},
			Table:       account.Table{Entries: 3, Capacity: 4096},
			Offload:     account.Offload{Software: true, Source: "uci"},
		},
	}
}

func write(t testing.TB, s *account.Snapshot, compat bool, f export.Format) string {
	t.Helper()
	var b bytes.Buffer
	if err := export.New(func() *account.Snapshot { return s }, compat).Write(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// original is the output in the original's README, the MAC filled in.
const original = `# TYPE node_nat_traffic_download gauge
# HELP node_nat_traffic_download Total ingress bandwidth per-host
node_nat_traffic_download{mac="A8:5E:45:0C:D1:02",hostname="koko",ip="192.168.3.200"} 297794
node_nat_traffic_download{mac="A8:5E:45:0C:D1:02",hostname="koko-v6",ip="2a02::"} 1205089727
# TYPE node_nat_traffic_download_pkts gauge
# HELP node_nat_traffic_download_pkts Total ingress packets per-host
node_nat_traffic_download_pkts{mac="A8:5E:45:0C:D1:02",hostname="koko",ip="192.168.3.200"} 3006
node_nat_traffic_download_pkts{mac="A8:5E:45:0C:D1:02",hostname="koko-v6",ip="2a02::"} 30000
# TYPE node_nat_traffic_upload gauge
# HELP node_nat_traffic_upload Total egress bandwidth per-host
node_nat_traffic_upload{mac="A8:5E:45:0C:D1:02",hostname="koko",ip="192.168.3.200"} 257410
node_nat_traffic_upload{mac="A8:5E:45:0C:D1:02",hostname="koko-v6",ip="2a02::"} 1205089
# TYPE node_nat_traffic_upload_pkts gauge
# HELP node_nat_traffic_upload_pkts Total egress packets per-host
node_nat_traffic_upload_pkts{mac="A8:5E:45:0C:D1:02",hostname="koko",ip="192.168.3.200"} 3005
node_nat_traffic_upload_pkts{mac="A8:5E:45:0C:D1:02",hostname="koko-v6",ip="2a02::"} 50000
`

func TestReadmeExample(t *testing.T) {
	for _, c := range []struct {
		file   string
		format export.Format
	}{{"testdata/readme.prom", export.Text}, {"testdata/readme.om", export.OpenMetrics}} {
		got := write(t, readme(), true, c.format)
		if !strings.HasPrefix(got, original) {
			t.Errorf("%s: begins with\n%s", c.file, got[:min(len(got), len(original))])
		}
		got = strings.Replace(got, runtime.Version(), "GOVERSION", 1)
		if update() {
			if err := os.WriteFile(c.file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", c.file, got, want)
		}
		if off := write(t, readme(), false, c.format); off == "" || strings.Contains(off, "node_nat") || !strings.HasSuffix(got, strings.Replace(off, runtime.Version(), "GOVERSION", 1)) {
			t.Errorf("%s: without the original's families:\n%s", c.file, off)
		}
	}
}

func TestLint(t *testing.T) {
	problems, err := promlint.New(strings.NewReader(write(t, readme(), false, export.Text))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// hostile has everything in it that could end up wrong in an exposition.
func hostile() *account.Snapshot {
	s := readme()
	m := func(b byte) account.MAC { return account.MAC{0x10, 0, 0, 0, 0, b} }
	one := counters(1<<52, 1<<40, 3, 1)
	s.Hosts = append(s.Hosts,
		host("guest", "same", m(1), address("192.168.9.1", one)),
		host("lan", "same", m(1), address("192.168.9.1", one), address("192.168.9.2", one)),
		host("lan", "two\nlines\"} 1\n# EOF", m(2), address("10.0.0.1", one)),
		host("lan", `back\slash\n`, m(3), address("10.0.0.2", one)),
		host("lan", "invalid \xff\xc0 \x01 bytes", m(4), address("10.0.0.3", one)),
		host("lan", strings.Repeat("é", 127), m(5), address("2001:db8::1", one), address("2001:db8::2", one)),
		host("wg", "phone", account.MAC{}, address("fd00::2", one)),
		host("wg", "", account.MAC{}, address("10.9.0.2", one)),
		host("wg", "", account.MAC{}, address("fd00::1:1", one)),
		host("wg", "", account.MAC{}, address("fd00::2:1", one)),
		host("wg", "", account.MAC{}, address("fd00:1::2:1", one)),
		host("wg2", "", account.MAC{}, address("fd00:1::2:1", one)),
		host("lan", "silent", m(6)),
	)
	s.Hosts[len(s.Hosts)-4].LastSeen = epoch.Add(time.Hour)
	s.Networks = append(s.Networks, account.NetworkTotal{Name: "a\"b", Counters: one})
	s.Status.Attachments = append(s.Status.Attachments, s.Status.Attachments[0], account.Attachment{Network: "lan", Device: "lan3", Mode: "clsact", Error: "no"})
	return s
}

func TestAgainstClientGolang(t *testing.T) {
	for name, s := range map[string]*account.Snapshot{"readme": readme(), "hostile": hostile(), "empty": {}} {
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(oracle{s})
		families, err := registry.Gather()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, f := range []struct {
			format export.Format
			expfmt expfmt.FormatType
		}{{export.Text, expfmt.TypeTextPlain}, {export.OpenMetrics, expfmt.TypeOpenMetrics}} {
			var want bytes.Buffer
			format := expfmt.NewFormat(f.expfmt)
			e := expfmt.NewEncoder(&want, format)
			for _, mf := range families {
				if err := e.Encode(mf); err != nil {
					t.Fatal(err)
				}
			}
			if c, ok := e.(expfmt.Closer); ok {
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
			}
			got := write(t, s, true, f.format)
			a, b := normal(t, got), normal(t, want.String())
			for line := range b {
				if !a[line] {
					t.Errorf("%s, format %v: missing %s", name, f.format, line)
				}
			}
			for line := range a {
				// client_golang leaves out families without series.
				if !b[line] && !(strings.HasPrefix(line, "#") && !strings.Contains(want.String(), strings.Fields(line)[2])) {
					t.Errorf("%s, format %v: unexpected %s", name, f.format, line)
				}
			}
			if f.format == export.Text {
				p := expfmt.NewTextParser(model.UTF8Validation)
				if _, err := p.TextToMetricFamilies(strings.NewReader(got)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			} else if !strings.HasSuffix(got, "\n# EOF\n") || strings.Count(got, "\n# EOF\n") != 1 {
				t.Errorf("%s: no end", name)
			}
		}
	}
}

var (
	line  = regexp.MustCompile(`^([a-z_0-9]+)(?:\{(.*)\})? ([^ ]+)$`)
	label = regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)
)

// normal is the lines of an exposition, labels sorted and numbers in one form.
// A line that is there twice is an error.
func normal(t *testing.T, text string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, l := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if m := line.FindStringSubmatch(l); m != nil {
			rest := m[2]
			labels := label.FindAllString(rest, -1)
			if strings.Join(labels, ",") != rest {
				t.Errorf("labels of %s", l)
			}
			sort.Strings(labels)
			var v float64
			if _, err := fmt.Sscan(m[3], &v); err != nil {
				t.Errorf("%s: %v", l, err)
			}
			l = fmt.Sprintf("%s{%s} %g", m[1], strings.Join(labels, ","), v)
		} else if !strings.HasPrefix(l, "# ") {
			t.Errorf("no line: %q", l)
		}
		if all[l] {
			t.Errorf("twice: %s", l)
		}
		all[l] = true
	}
	return all
}

func TestNoSeriesPerPrivacyAddress(t *testing.T) {
	few := readme()
	many := readme()
	for i := range 500 {
		a := netip.AddrFrom16([16]byte{0x2a, 2, 15: byte(i), 14: byte(i >> 8), 13: 1})
		many.Hosts[1].Addresses = append(many.Hosts[1].Addresses, account.Address{IP: a})
		many.Hosts = append(many.Hosts, host("wg", "", account.MAC{}, account.Address{IP: a}))
	}
	few.Hosts = append(few.Hosts, host("wg", "", account.MAC{}, address("2a02::1:1", account.Counters{})))
	a, b := write(t, few, false, export.Text), write(t, many, false, export.Text)
	if strings.Count(a, "\n") != strings.Count(b, "\n") {
		t.Errorf("%d lines with one address, %d with 500", strings.Count(a, "\n"), strings.Count(b, "\n"))
	}
}

func TestNothingYet(t *testing.T) {
	m := export.New(func() *account.Snapshot { return nil }, true)
	var b bytes.Buffer
	if err := m.Write(&b, export.Text); err == nil || b.Len() > 0 || !reflect.DeepEqual(err.Error(), "write metrics: nothing counted yet") {
		t.Errorf("%v, %d bytes", err, b.Len())
	}
}

// failing is a writer that fails after so many bytes.
type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, os.ErrDeadlineExceeded
	}
	return len(p), nil
}

func TestWriteFails(t *testing.T) {
	s := fleet(1000)
	m := export.New(func() *account.Snapshot { return s }, true)
	for _, left := range []int{0, 100_000} {
		if err := m.Write(&failing{left}, export.Text); err == nil || !strings.HasPrefix(err.Error(), "write metrics: ") {
			t.Errorf("after %d bytes: %v", left, err)
		}
	}
	m.SetCompat(false)
	var b bytes.Buffer
	if err := m.Write(&b, export.Text); err != nil || strings.Contains(b.String(), "node_nat") {
		t.Error("the switch does not switch")
	}
}
