// SPDX-License-Identifier: GPL-2.0-only

package export_test

import (
	"net/netip"
	"runtime"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mezoura/mezoura/service/account"
)

// oracle is the same metrics as a collector for client_golang, written for
// clarity: what the package writes must be what client_golang writes.
type oracle struct{ s *account.Snapshot }

func (oracle) Describe(chan<- *prometheus.Desc) {}

type series struct {
	name, help string
	kind       prometheus.ValueType
	labels     string // "mac network": their names
	values     []string
	value      float64
}

func (o oracle) Collect(ch chan<- prometheus.Metric) {
	// Several hosts can be one series; their values add up, the latest time counts.
	type key struct{ name, values string }
	at := map[key]int{}
	var all []series
	add := func(s series, combine func(a, b float64) float64) {
		for i, v := range s.values {
			s.values[i] = strings.ToValidUTF8(v, "\uFFFD")
		}
		k := key{s.name, strings.Join(s.values, "\x00")}
		if i, ok := at[k]; ok {
			all[i].value = combine(all[i].value, s.value)
			return
		}
		at[k] = len(all)
		all = append(all, s)
	}
	sum := func(a, b float64) float64 { return a + b }
	latest := func(a, b float64) float64 { return max(a, b) }
	one := func(a, b float64) float64 { return a }

	const c, g = prometheus.CounterValue, prometheus.GaugeValue
	for _, h := range o.s.Hosts {
		upper := strings.ToUpper(h.MAC.String())
		if h.Hostname != "" {
			for _, a := range h.Addresses {
				name := h.Hostname
				if a.IP.Is6() {
					name += "-v6"
				}
				row := func(family, help string, v uint64) {
					add(series{family, help, g, "mac hostname ip", []string{upper, name, a.IP.String()}, float64(v)}, sum)
				}
				row("node_nat_traffic_download", "Total ingress bandwidth per-host", a.Download.Bytes)
				row("node_nat_traffic_download_pkts", "Total ingress packets per-host", a.Download.Packets)
				row("node_nat_traffic_upload", "Total egress bandwidth per-host", a.Upload.Bytes)
				row("node_nat_traffic_upload_pkts", "Total egress packets per-host", a.Upload.Packets)
			}
		}
		who := upper
		if who == "" {
			ip := h.Addresses[0].IP
			who = ip.String()
			if h.Hostname == "" && ip.Is6() {
				who = netip.PrefixFrom(ip, 64).Masked().String()
			}
		}
		for family, f := range map[string]account.Family{"ipv4": h.IPv4, "ipv6": h.IPv6} {
			for direction, d := range map[string]account.Flow{"download": f.Download, "upload": f.Upload} {
				labels := "mac network family direction"
				add(series{"mezoura_host_bytes_total", "Bytes a host has exchanged with the internet.", c, labels, []string{who, h.Network, family, direction}, float64(d.Bytes)}, sum)
				add(series{"mezoura_host_packets_total", "Packets a host has exchanged with the internet.", c, labels, []string{who, h.Network, family, direction}, float64(d.Packets)}, sum)
			}
		}
		add(series{"mezoura_host_info", "The name of a host, always 1.", g, "mac network hostname", []string{who, h.Network, h.Hostname}, 1}, one)
		add(series{"mezoura_host_last_seen_timestamp_seconds", "When the last packet of a host was counted.", g, "mac network", []string{who, h.Network}, float64(h.LastSeen.Unix())}, latest)
	}
	for _, n := range o.s.Networks {
		for direction, t := range map[string]account.Traffic{"download": n.Download, "upload": n.Upload} {
			add(series{"mezoura_network_bytes_total", "Bytes exchanged with the internet by all hosts of a network, former ones included.", c, "network direction", []string{n.Name, direction}, float64(t.Bytes)}, sum)
		}
	}
	for _, r := range o.s.Unattributed {
		add(series{"mezoura_unattributed_bytes_total", "Bytes counted that belong to no listed host, by reason.", c, "reason", []string{r.Reason}, float64(r.Download.Bytes + r.Upload.Bytes)}, sum)
	}
	st := o.s.Status
	add(series{"mezoura_table_entries", "Addresses in the classifier's tables.", g, "", nil, float64(st.Table.Entries)}, sum)
	add(series{"mezoura_table_capacity", "Addresses the classifier's tables have room for.", g, "", nil, float64(st.Table.Capacity)}, sum)
	for _, a := range st.Attachments {
		v := 1.0
		if a.Mode == "waiting" || a.Error != "" {
			v = 0
		}
		add(series{"mezoura_attached", "Whether the classifier is attached to a device, 1, or waits for it, 0.", g, "network device mode", []string{a.Network, a.Device, a.Mode}, v}, one)
	}
	for kind, on := range map[string]bool{"hardware": st.Offload.Hardware, "software": st.Offload.Software} {
		v := 0.0
		if on {
			v = 1
		}
		add(series{"mezoura_offload", "Whether flow offloading is on; with hardware offloading the totals are incomplete.", g, "kind", []string{kind}, v}, one)
	}
	add(series{"mezoura_build_info", "The version of the daemon, always 1.", g, "version goversion", []string{st.Version, runtime.Version()}, 1}, one)

	for _, s := range all {
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(s.name, s.help, strings.Fields(s.labels), nil), s.kind, s.value, s.values...)
	}
}
