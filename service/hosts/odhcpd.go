// SPDX-License-Identifier: GPL-2.0-only

package hosts

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// parseOdhcpd reads odhcpd's state file:
//
//	# device duid iaid name expiry id length address/length...
//	# device mac ipv4 name expiry id 32 address/32
//	address name...                        older versions: it is a hosts file as well
//
// A dash stands for no name, and \x20 for a blank in one. A name that is not fit
// for DNS has "broken\x20" before it.
func parseOdhcpd(r io.Reader) ([]record, error) {
	var records []record
	err := lines(r, func(f []string) {
		if len(records) == maxRecords {
			return
		}
		if f[0] != "#" {
			if rec, ok := hostsRecord(f); ok {
				records = append(records, rec)
			}
			return
		}
		if len(f) < 8 {
			return
		}
		expires, err := strconv.ParseInt(f[5], 10, 64)
		if err != nil {
			return
		}
		rec := record{name: odhcpdName(f[4]), expires: max(expires, 0)} // -1: never
		if f[3] == "ipv4" {
			mac, ok := hostMAC(f[2])
			if !ok || rec.name == "" {
				return
			}
			rec.macs = append(rec.macs, mac)
		} else {
			rec.duid = hostDUID(f[2])
		}
		for _, s := range f[8:] {
			// Only whole addresses name a host: a shorter prefix was delegated to a router.
			s, bits, _ := strings.Cut(s, "/")
			if addr, ok := hostAddr(s); ok && bits == strconv.Itoa(addr.BitLen()) && len(rec.addrs) < maxPerRecord {
				rec.addrs = append(rec.addrs, addr)
			}
		}
		if rec.name != "" || rec.duid != "" {
			records = append(records, rec)
		}
	})
	return records, err
}

// odhcpdName undoes the escapes of odhcpd's state file.
func odhcpdName(s string) string {
	if s == "-" {
		return ""
	}
	s = strings.TrimPrefix(s, `broken\x20`)
	var b strings.Builder
	for {
		i := strings.Index(s, `\x`)
		if i < 0 || len(s) < i+4 {
			b.WriteString(s)
			return Clean(b.String())
		}
		c, err := strconv.ParseUint(s[i+2:i+4], 16, 8)
		if err != nil {
			b.WriteString(s[:i+2])
			s = s[i+2:]
			continue
		}
		b.WriteString(s[:i])
		b.WriteByte(byte(c))
		s = s[i+4:]
	}
}

// parseLeases reads the reply of odhcpd's ubus methods ipv4leases and ipv6leases,
// as JSON. Hosts whose name is "" are kept for their DUID.
func parseLeases(data []byte, now int64) ([]record, error) {
	type address struct {
		Address string `json:"address"`
		Length  int    `json:"prefix-length"`
	}
	var reply struct {
		Device map[string]struct {
			Leases []struct {
				MAC      string    `json:"mac"`
				DUID     string    `json:"duid"`
				Hostname string    `json:"hostname"`
				Address  string    `json:"address"`
				Addrs    []address `json:"ipv6-addr"`
				Valid    int64     `json:"valid"`
			} `json:"leases"`
		} `json:"device"`
	}
	if err := json.Unmarshal(data, &reply); err != nil {
		return nil, fmt.Errorf("decode leases: %w", err)
	}
	var devices []string
	for name := range reply.Device {
		devices = append(devices, name)
	}
	slices.Sort(devices)
	var records []record
	for _, name := range devices {
		for _, l := range reply.Device[name].Leases {
			if len(records) == maxRecords {
				return records, nil
			}
			rec := record{name: Clean(l.Hostname), duid: hostDUID(l.DUID)}
			if l.Valid > 0 && l.Valid < 1<<31 { // all ones, as either sign has it, is for ever
				rec.expires = now + l.Valid
			}
			if mac, ok := hostMAC(l.MAC); ok {
				rec.macs = append(rec.macs, mac)
			}
			for _, a := range append([]address{{Address: l.Address}}, l.Addrs...) {
				addr, ok := hostAddr(a.Address)
				if ok && (a.Length == 0 || a.Length == addr.BitLen()) && len(rec.addrs) < maxPerRecord {
					rec.addrs = append(rec.addrs, addr)
				}
			}
			if rec.name != "" || rec.duid != "" {
				records = append(records, rec)
			}
		}
	}
	return records, nil
}
