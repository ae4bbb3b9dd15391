// SPDX-License-Identifier: GPL-2.0-only

package export

import (
	"net/netip"

	"github.com/mezoura/mezoura/service/account"
)

// originals writes the four families of the original, as it wrote them: type
// before help, labels in its order, one row for each current address of each
// host that has a name. again is what repeats found.
func (w *writer) originals(s *account.Snapshot, again map[row][]place) {
	for _, f := range [...]struct {
		name, help string
		amount     func(*account.Counters) uint64
	}{
		{"node_nat_traffic_download", "Total ingress bandwidth per-host", func(c *account.Counters) uint64 { return c.Download.Bytes }},
		{"node_nat_traffic_download_pkts", "Total ingress packets per-host", func(c *account.Counters) uint64 { return c.Download.Packets }},
		{"node_nat_traffic_upload", "Total egress bandwidth per-host", func(c *account.Counters) uint64 { return c.Upload.Bytes }},
		{"node_nat_traffic_upload_pkts", "Total egress packets per-host", func(c *account.Counters) uint64 { return c.Upload.Packets }},
	} {
		w.original(f.name, f.help)
		for i := range s.Hosts {
			if w.err != nil {
				return
			}
			h := &s.Hosts[i]
			if h.Hostname == "" {
				continue
			}
			for j := range h.Addresses {
				a := &h.Addresses[j]
				amount := f.amount(&a.Counters)
				if places := again[row{h.MAC, a.IP, h.Hostname}]; places != nil {
					if places[0] != (place{i, j}) {
						continue
					}
					for _, p := range places[1:] {
						amount += f.amount(&s.Hosts[p.host].Addresses[p.address].Counters)
					}
				}
				w.series()
				w.mac("mac", h.MAC)
				w.open("hostname")
				w.escape(h.Hostname)
				if a.IP.Is6() {
					w.buf = append(w.buf, "-v6"...)
				}
				w.buf = append(w.buf, '"')
				w.ip("ip", a.IP)
				w.value(amount)
			}
		}
	}
}

type row struct {
	mac      account.MAC
	ip       netip.Addr
	hostname string
}

type place struct{ host, address int }

// repeats finds rows that would be written more than once, since the
// original's labels do not tell networks apart, and where they come from. nil:
// the usual case, there are none.
func repeats(s *account.Snapshot) (again map[row][]place) {
	if len(s.Networks) < 2 {
		return nil
	}
	first := map[row]place{}
	for i := range s.Hosts {
		h := &s.Hosts[i]
		if h.Hostname == "" {
			continue
		}
		for j := range h.Addresses {
			k, p := row{h.MAC, h.Addresses[j].IP, h.Hostname}, place{i, j}
			if q, ok := first[k]; ok {
				if again == nil {
					again = map[row][]place{}
				}
				if again[k] == nil {
					again[k] = []place{q}
				}
				again[k] = append(again[k], p)
				continue
			}
			first[k] = p
		}
	}
	return again
}
