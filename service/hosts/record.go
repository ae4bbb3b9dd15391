// SPDX-License-Identifier: GPL-2.0-only

package hosts

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/netip"
	"strings"

	"github.com/mezoura/mezoura/service/account"
	"github.com/mezoura/mezoura/service/config"
)

// record is what one line or section says of one host. A name without anything
// to know the host by is no record, and the other way round only where another
// source's DUID may give it a name.
type record struct {
	name    string // cleaned
	macs    []account.MAC
	addrs   []netip.Addr
	duid    string // lower-case hexadecimal, "" none
	suffix  uint64 // low half of the IPv6 address, 0 none
	expires int64  // Unix seconds, 0 never
}

// The bounds of what one source may cost, whatever is in its file.
const (
	maxRecords   = 32768
	maxBytes     = 16 << 20
	maxLine      = 4096
	maxPerRecord = 64  // MACs or addresses of one record
	maxDUID      = 260 // letters; RFC 8415 allows 130 bytes
)

// lines calls each with the fields of every line that has any, until it has seen
// as many as a source may have. Lines that are too long are left out.
func lines(r io.Reader, each func(fields []string)) error {
	b := bufio.NewReaderSize(io.LimitReader(r, maxBytes), maxLine)
	for long := false; ; {
		line, err := b.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			long = true
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return err
		case !long && bytes.IndexByte(line, 0) < 0:
			if fields := strings.Fields(string(line)); len(fields) > 0 {
				each(fields)
			}
		}
		if long = false; err != nil {
			return nil
		}
	}
}

// hostMAC is the address of a single host in any usual way of writing.
func hostMAC(s string) (account.MAC, bool) {
	mac, ok := config.ParseMAC(s)
	m := account.MAC(mac)
	return m, ok && usable(m)
}

// usable leaves out what is no host: zero, groups and broadcast.
func usable(m account.MAC) bool { return !m.IsZero() && m[0]&1 == 0 }

// hostAddr is the address of a single host.
func hostAddr(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, false
	}
	a = a.Unmap().WithZone("")
	return a, !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// hostDUID is a DUID in hexadecimal, with or without separators and IAID.
func hostDUID(s string) string {
	s, _, _ = strings.Cut(s, "%")
	s = strings.ToLower(strings.NewReplacer(":", "", "-", "").Replace(s))
	if len(s) < 6 || len(s) > maxDUID || len(s)%2 != 0 || strings.Trim(s, "0123456789abcdef") != "" {
		return ""
	}
	return s
}

// duidMAC is the Ethernet address that DUIDs of type 1 (with time) and 3 hold: that
// of one of the device's interfaces.
func duidMAC(duid string) (account.MAC, bool) {
	switch {
	case len(duid) == 28 && strings.HasPrefix(duid, "00010001"):
		return hostMAC(duid[16:])
	case len(duid) == 20 && strings.HasPrefix(duid, "00030001"):
		return hostMAC(duid[8:])
	}
	return account.MAC{}, false
}
