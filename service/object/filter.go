// SPDX-License-Identifier: GPL-2.0-only

package object

import (
	"net"
	"net/netip"
	"strings"

	"github.com/mezoura/mezoura/service/account"
)

// filter selects hosts. Empty fields select all.
type filter struct {
	host, network string
	mac           account.MAC // what host is, if it is one
	ip            netip.Addr
}

// filterOf reads a host as a user writes it: a name, an address, or a MAC in
// any of its forms.
func filterOf(host, network string) filter {
	f := filter{host: strings.TrimSpace(host), network: network}
	if m, err := net.ParseMAC(f.host); err == nil && len(m) == len(f.mac) {
		f.mac = account.MAC(m)
	}
	if ip, err := netip.ParseAddr(f.host); err == nil {
		f.ip = ip.Unmap().WithZone("")
	}
	return f
}

func (f *filter) all() bool { return f.host == "" && f.network == "" }

func (f *filter) matches(h *account.Host) bool {
	if f.network != "" && f.network != h.Network {
		return false
	}
	if f.host == "" {
		return true
	}
	if h.Hostname != "" && strings.EqualFold(f.host, h.Hostname) {
		return true
	}
	if !f.mac.IsZero() {
		if f.mac == h.MAC {
			return true
		}
		for _, m := range h.MACs {
			if f.mac == m {
				return true
			}
		}
	}
	if f.ip.IsValid() {
		for i := range h.Addresses {
			if f.ip == h.Addresses[i].IP {
				return true
			}
		}
	}
	return false
}
