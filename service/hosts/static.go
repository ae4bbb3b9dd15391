// SPDX-License-Identifier: GPL-2.0-only

package hosts

import (
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/mezoura/mezoura/service/account"
)

// Tree is what we need of a UCI reader. Package uci has one, and so has
// github.com/digineo/go-uci.
type Tree interface {
	LoadConfig(name string, forceReload bool) error
	GetSections(config, sectionType string) ([]string, bool)
	Get(config, section, option string) ([]string, bool)
}

// dhcpConfig is what /etc/config/dhcp says.
type dhcpConfig struct {
	hosts  []record
	leases []string // files of dnsmasq
	states []string // files of odhcpd
}

const (
	defaultLeases = "/tmp/dhcp.leases"
	maxLeaseFiles = 16
)

// readDHCP reads the static hosts and where the leases are.
func readDHCP(tree Tree) (dhcpConfig, error) {
	var c dhcpConfig
	if err := tree.LoadConfig("dhcp", true); err != nil {
		return c, err
	}
	get := func(section, option string) []string {
		values, _ := tree.Get("dhcp", section, option)
		return values
	}
	files := func(typ string) (list []string) {
		sections, _ := tree.GetSections("dhcp", typ)
		for _, s := range sections {
			for _, path := range get(s, "leasefile") {
				if strings.HasPrefix(path, "/") && len(list) < maxLeaseFiles {
					list = append(list, path)
				}
			}
		}
		return list
	}
	c.leases, c.states = files("dnsmasq"), files("odhcpd")

	sections, _ := tree.GetSections("dhcp", "host")
	for _, s := range sections {
		if len(c.hosts) == maxRecords {
			break
		}
		var rec record
		if names := get(s, "name"); len(names) > 0 {
			rec.name = Clean(names[len(names)-1])
		}
		for _, word := range words(get(s, "mac")) {
			// Wildcards, which dnsmasq takes, name no single host.
			if mac, ok := hostMAC(word); ok && len(rec.macs) < maxPerRecord {
				rec.macs = append(rec.macs, mac)
			}
		}
		for _, word := range words(get(s, "ip")) {
			if addr, ok := hostAddr(word); ok && len(rec.addrs) < maxPerRecord {
				rec.addrs = append(rec.addrs, addr)
			}
		}
		for _, word := range words(get(s, "duid")) {
			rec.duid = hostDUID(word)
		}
		for _, word := range words(get(s, "hostid")) {
			rec.suffix, _ = strconv.ParseUint(word, 16, 64)
		}
		if rec.name != "" {
			c.hosts = append(c.hosts, rec)
		}
	}
	return c, nil
}

func words(values []string) (list []string) {
	for _, v := range values {
		list = append(list, strings.FieldsFunc(v, func(c rune) bool { return unicode.IsSpace(c) || c == ',' })...)
	}
	return list
}

// parseEthers reads /etc/ethers: a MAC, and a name or an address.
func parseEthers(r io.Reader) ([]record, error) {
	var records []record
	err := lines(r, func(f []string) {
		f = uncomment(f)
		if len(f) < 2 || len(records) == maxRecords {
			return
		}
		mac, ok := hostMAC(f[0])
		if _, isAddr := hostAddr(f[1]); !ok || isAddr {
			return
		}
		if name := Clean(f[1]); name != "" {
			records = append(records, record{name: name, macs: []account.MAC{mac}})
		}
	})
	return records, err
}

// parseHosts reads /etc/hosts: an address and its names, of which the first counts.
func parseHosts(r io.Reader) ([]record, error) {
	var records []record
	err := lines(r, func(f []string) {
		if rec, ok := hostsRecord(f); ok && len(records) < maxRecords {
			records = append(records, rec)
		}
	})
	return records, err
}

func hostsRecord(f []string) (rec record, ok bool) {
	f = uncomment(f)
	if len(f) < 2 {
		return rec, false
	}
	addr, ok := hostAddr(f[0])
	if !ok {
		return rec, false
	}
	rec.name = Clean(f[1])
	rec.addrs = append(rec.addrs, addr)
	return rec, rec.name != ""
}

// uncomment drops what follows a #.
func uncomment(fields []string) []string {
	for i, f := range fields {
		if before, _, found := strings.Cut(f, "#"); found {
			if before != "" {
				fields[i] = before
				i++
			}
			return fields[:i]
		}
	}
	return fields
}
