// SPDX-License-Identifier: GPL-2.0-only

package export_test

import (
	"fmt"
	"io"
	"net/netip"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/export"
)

// fleet is n named hosts with an IPv4 address and an IPv6 one each.
func fleet(n int) *account.Snapshot {
	s := readme()
	s.Hosts = nil
	for i := range n {
		v4 := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		v6 := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 8: byte(i * 7), 9: 0xfe, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)})
		s.Hosts = append(s.Hosts, host("lan", fmt.Sprintf("host-%d", i), account.MAC{0x3c, 0x52, 0, byte(i >> 16), byte(i >> 8), byte(i)},
			account.Address{IP: v4, Counters: counters(uint64(i)*12345, uint64(i)*11, uint64(i)*999, uint64(i)*3)},
			account.Address{IP: v6, Counters: counters(uint64(i)*1234567, uint64(i)*1100, uint64(i)*99900, uint64(i)*300)}))
	}
	return s
}

// BenchmarkScrape writes everything, the original's families too. B/op is
// the garbage of a scrape.
func BenchmarkScrape(b *testing.B) {
	for _, hosts := range []int{250, 10000, 65000} {
		b.Run(fmt.Sprint(hosts), func(b *testing.B) {
			s := fleet(hosts)
			m := export.New(func() *account.Snapshot { return s }, true)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if err := m.Write(io.Discard, export.OpenMetrics); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkScrapeByClientGolang is why the package writes by hand.
func BenchmarkScrapeByClientGolang(b *testing.B) {
	for _, hosts := range []int{250, 10000} {
		b.Run(fmt.Sprint(hosts), func(b *testing.B) {
			s := fleet(hosts)
			registry := prometheus.NewRegistry()
			registry.MustRegister(lean(s))
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				families, err := registry.Gather()
				if err != nil {
					b.Fatal(err)
				}
				e := expfmt.NewEncoder(io.Discard, expfmt.NewFormat(expfmt.TypeOpenMetrics))
				for _, f := range families {
					if err := e.Encode(f); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// lean is a collector as fast as client_golang allows: descriptors made once,
// nothing looked up, and only the families of hosts.
func lean(s *account.Snapshot) prometheus.Collector {
	labels := []string{"mac", "network", "family", "direction"}
	c := &leanCollector{s: s}
	for _, name := range []string{"mezoura_host_bytes_total", "mezoura_host_packets_total"} {
		c.host = append(c.host, prometheus.NewDesc(name, "help", labels, nil))
	}
	for _, name := range []string{"download", "download_pkts", "upload", "upload_pkts"} {
		c.original = append(c.original, prometheus.NewDesc("node_nat_traffic_"+name, "help", []string{"mac", "hostname", "ip"}, nil))
	}
	c.info = prometheus.NewDesc("mezoura_host_info", "help", []string{"mac", "network", "hostname"}, nil)
	c.seen = prometheus.NewDesc("mezoura_host_last_seen_timestamp_seconds", "help", []string{"mac", "network"}, nil)
	return c
}

type leanCollector struct {
	s              *account.Snapshot
	host, original []*prometheus.Desc
	info, seen     *prometheus.Desc
}

func (c *leanCollector) Describe(chan<- *prometheus.Desc) {}

func (c *leanCollector) Collect(ch chan<- prometheus.Metric) {
	one := prometheus.MustNewConstMetric
	for i := range c.s.Hosts {
		h := &c.s.Hosts[i]
		mac := string(h.MAC.AppendUpper(nil))
		for f, family := range []*account.Family{&h.IPv4, &h.IPv6} {
			name := []string{"ipv4", "ipv6"}[f]
			ch <- one(c.host[0], prometheus.CounterValue, float64(family.Download.Bytes), mac, h.Network, name, "download")
			ch <- one(c.host[0], prometheus.CounterValue, float64(family.Upload.Bytes), mac, h.Network, name, "upload")
			ch <- one(c.host[1], prometheus.CounterValue, float64(family.Download.Packets), mac, h.Network, name, "download")
			ch <- one(c.host[1], prometheus.CounterValue, float64(family.Upload.Packets), mac, h.Network, name, "upload")
		}
		ch <- one(c.info, prometheus.GaugeValue, 1, mac, h.Network, h.Hostname)
		ch <- one(c.seen, prometheus.GaugeValue, float64(h.LastSeen.Unix()), mac, h.Network)
		for _, a := range h.Addresses {
			ip := a.IP.String()
			for j, v := range []uint64{a.Download.Bytes, a.Download.Packets, a.Upload.Bytes, a.Upload.Packets} {
				ch <- one(c.original[j], prometheus.GaugeValue, float64(v), mac, h.Hostname, ip)
			}
		}
	}
}
