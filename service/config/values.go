// SPDX-License-Identifier: GPL-2.0-only

package config

import (
	"errors"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// errValue says that a value is not one of those allowed; the option's own
// words say which are.
var errValue = errors.New("value not allowed")

// parseBool takes what OpenWrt's scripts take.
func parseBool(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "1", "yes", "on", "true", "enabled":
		return true, nil
	case "0", "no", "off", "false", "disabled":
		return false, nil
	}
	return false, errValue
}

func parseInt(v string, low, high int) (int, error) {
	n, err := strconv.ParseUint(v, 10, 31)
	if err != nil || int(n) < low || int(n) > high {
		return 0, errValue
	}
	return int(n), nil
}

// parseDuration takes seconds ("90") or numbers with units ("1d12h", "500ms").
func parseDuration(v string) (time.Duration, error) {
	if v == "" {
		return 0, errValue
	}
	if last := v[len(v)-1]; last >= '0' && last <= '9' && strings.Trim(v, "0123456789.") == "" {
		v += "s"
	}
	total := 0.0
	for v != "" {
		n := len(v) - len(strings.TrimLeft(v, "0123456789."))
		number, err := strconv.ParseFloat(v[:n], 64)
		if err != nil {
			return 0, errValue
		}
		v = v[n:]
		n = len(v) - len(strings.TrimLeft(v, "dhmsw"))
		unit := time.Duration(0)
		switch v[:n] {
		case "ms":
			unit = time.Millisecond
		case "s":
			unit = time.Second
		case "m":
			unit = time.Minute
		case "h":
			unit = time.Hour
		case "d":
			unit = 24 * time.Hour
		case "w":
			unit = 7 * 24 * time.Hour
		default:
			return 0, errValue
		}
		v = v[n:]
		total += number * float64(unit)
	}
	if total > math.MaxInt64/2 {
		return 0, errValue
	}
	return time.Duration(total), nil
}

func parseDurationIn(v string, low, high time.Duration) (time.Duration, error) {
	d, err := parseDuration(v)
	if err != nil || d < low || d > high {
		return 0, errValue
	}
	return d, nil
}

// parseSubnet takes address/mask/device, the mask as bits or as an address,
// and a device alone.
func parseSubnet(v string) (Subnet, error) {
	parts := strings.Split(v, "/")
	device := parts[len(parts)-1]
	if !validDevice(device) {
		return Subnet{}, errValue
	}
	if len(parts) == 1 {
		if _, err := netip.ParseAddr(device); err == nil {
			return Subnet{}, errValue
		}
		return Subnet{Device: device}, nil
	}
	if len(parts) != 3 {
		return Subnet{}, errValue
	}
	addr, err := netip.ParseAddr(parts[0])
	if err != nil || !addr.Is4() {
		return Subnet{}, errValue
	}
	bits, err := parseMask(parts[1])
	if err != nil {
		return Subnet{}, errValue
	}
	return Subnet{Addr: addr, Prefix: netip.PrefixFrom(addr, bits).Masked(), Device: device}, nil
}

// parseMask takes 24 as well as 255.255.255.0.
func parseMask(v string) (int, error) {
	if !strings.Contains(v, ".") {
		return parseInt(v, 1, 32)
	}
	mask, err := netip.ParseAddr(v)
	if err != nil || !mask.Is4() {
		return 0, errValue
	}
	b := mask.As4()
	word := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	if inverse := ^word; inverse&(inverse+1) != 0 || word == 0 {
		return 0, errValue
	}
	bits := 0
	for ; word != 0; word <<= 1 {
		bits++
	}
	return bits, nil
}

func parsePrefix6(v string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(v)
	if err != nil || !p.Addr().Is6() || p.Addr().Is4In6() || p.Bits() == 0 {
		return netip.Prefix{}, errValue
	}
	return p.Masked(), nil
}

// parsePrefix takes a prefix of either family, or one address. A prefix that holds
// every address is a mistake: nothing would be counted.
func parsePrefix(v string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(v); err == nil && addr.Zone() == "" && !addr.Is4In6() {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(v)
	if err != nil || p.Addr().Is4In6() || p.Bits() == 0 {
		return netip.Prefix{}, errValue
	}
	return p.Masked(), nil
}

// ParseMAC takes the six bytes of an address in hexadecimal, in either case,
// separated by colons, dashes or dots, or not at all.
func ParseMAC(v string) ([6]byte, bool) {
	var mac [6]byte
	switch {
	case len(v) == 12:
		for i := range mac {
			b, err := strconv.ParseUint(v[2*i:2*i+2], 16, 8)
			if err != nil {
				return [6]byte{}, false
			}
			mac[i] = byte(b)
		}
		return mac, true
	case len(v) == 14 && v[4] == '.' && v[9] == '.':
		return ParseMAC(v[0:4] + v[5:9] + v[10:14])
	}
	// A leading zero may be left out between separators, as in /etc/ethers.
	rest := v
	for i := range mac {
		end := len(rest)
		if i < 5 {
			end = strings.IndexAny(rest, ":-.")
		}
		if end < 1 || end > 2 {
			return [6]byte{}, false
		}
		b, err := strconv.ParseUint(rest[:end], 16, 8)
		if err != nil {
			return [6]byte{}, false
		}
		mac[i] = byte(b)
		if i < 5 {
			rest = rest[end+1:]
		}
	}
	return mac, true
}

// validDevice is the kernel's rule for names of devices.
func validDevice(v string) bool {
	return v != "" && len(v) <= 15 && v != "." && v != ".." && !strings.ContainsAny(v, "/: \t\n\v\f\r\x00")
}

// validNetwork is UCI's rule for names of sections, which netifd's networks are.
func validNetwork(v string) bool {
	for _, c := range []byte(v) {
		if c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return v != ""
}

func validPath(v string) bool {
	return strings.HasPrefix(v, "/") && len(v) < 4096 && !strings.ContainsAny(v, "\x00\n")
}

// sortPrefixes puts prefixes in order and drops the second of two equal ones.
func sortPrefixes(ps []netip.Prefix) []netip.Prefix {
	slices.SortFunc(ps, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	return slices.Compact(ps)
}
