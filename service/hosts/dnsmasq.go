// SPDX-License-Identifier: GPL-2.0-only

package hosts

import (
	"io"
	"strconv"
)

// parseDnsmasq reads dnsmasq's leases:
//
//	expiry mac address name client-id     IPv4; the MAC of another medium has its type before it
//	duid server-duid                      what follows is IPv6
//	expiry iaid address name duid         T before the IAID of a temporary address
//
// A star stands for what is not known.
func parseDnsmasq(r io.Reader) ([]record, error) {
	var records []record
	err := lines(r, func(f []string) {
		if len(f) < 4 || len(records) == maxRecords {
			return
		}
		expires, err := strconv.ParseInt(f[0], 10, 64)
		addr, ok := hostAddr(f[2])
		if err != nil || !ok {
			return
		}
		rec := record{expires: expires}
		rec.addrs = append(rec.addrs, addr)
		if f[3] != "*" {
			rec.name = Clean(f[3])
		}
		if addr.Is4() {
			mac, ok := hostMAC(f[1])
			if !ok || rec.name == "" {
				return
			}
			rec.macs = append(rec.macs, mac)
		} else if len(f) > 4 {
			rec.duid = hostDUID(f[4])
		}
		if rec.name != "" || rec.duid != "" {
			records = append(records, rec)
		}
	})
	return records, err
}
