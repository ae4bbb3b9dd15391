// SPDX-License-Identifier: GPL-2.0-only

package hosts_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/hosts"
)

// neighbour is a message of the kernel's, attributes given as kind and value.
func neighbour(family byte, state uint16, attributes ...any) []byte {
	b := append([]byte{family, 0, 0, 0}, 2, 0, 0, 0)
	b = append(binary.NativeEndian.AppendUint16(b, state), 0, unix.RTN_UNICAST)
	for i := 0; i < len(attributes); i += 2 {
		value := attributes[i+1].([]byte)
		b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
		b = binary.NativeEndian.AppendUint16(b, uint16(attributes[i].(int)))
		b = append(b, value...)
		b = append(b, make([]byte, -len(value)&3)...)
	}
	return b
}

// FuzzNeighbour has the kernel say anything at all of its neighbour table: what is taken over is a host with an address.
func FuzzNeighbour(f *testing.F) {
	four, six := []byte{192, 168, 1, 7}, netip.MustParseAddr("2001:db8::7").AsSlice()
	mac := []byte{2, 0, 0, 0, 0, 7}
	times := make([]byte, 16)
	good := neighbour(unix.AF_INET, unix.NUD_REACHABLE, unix.NDA_DST, four, unix.NDA_LLADDR, mac, unix.NDA_CACHEINFO, times)
	f.Add(good, neighbour(unix.AF_INET6, unix.NUD_STALE, unix.NDA_DST, six, unix.NDA_LLADDR, mac))
	f.Add(good, neighbour(unix.AF_INET, unix.NUD_FAILED, unix.NDA_DST, four))
	f.Add(good, neighbour(unix.AF_BRIDGE, unix.NUD_PERMANENT, unix.NDA_LLADDR, mac))
	f.Add(neighbour(unix.AF_INET6, unix.NUD_NOARP, unix.NDA_DST, netip.MustParseAddr("::ffff:1.2.3.4").AsSlice(), unix.NDA_LLADDR, mac), good[:9])
	f.Add(neighbour(unix.AF_INET, unix.NUD_PERMANENT, unix.NDA_DST, four[:3], unix.NDA_LLADDR, mac[:4]), good[:len(good)-3])
	if table, err := hosts.Neighbours(good); err != nil || len(table) != 1 {
		f.Fatalf("%v, %v", table, err)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		table, err := hosts.Neighbours(first, second)
		if err != nil {
			return
		}
		total := 0
		for mac, addrs := range table {
			for _, a := range addrs {
				total++
				if mac.IsZero() || !a.IsValid() || a.Is4In6() || mac[0]&1 != 0 {
					t.Errorf("%s has %s", mac, a)
				}
			}
		}
		if total > 2 {
			t.Errorf("two messages, %d neighbours", total)
		}
	})
}
