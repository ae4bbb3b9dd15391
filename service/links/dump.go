// SPDX-License-Identifier: GPL-2.0-only

package links

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	dumpTimeout  = 5 * time.Second
	dumpAttempts = 5 // while the kernel says that the answer is not consistent
)

var errInterrupted = errors.New("devices keep changing")

// dumper asks the kernel for everything over a socket of its own, which hears no reports.
type dumper struct {
	conn *netlink.Conn
}

// table reads all devices and addresses. generation tells devices with one index apart.
func (d *dumper) table(generation func(index int) uint32) (*Table, error) {
	messages, err := d.dump(unix.RTM_GETLINK, linkRequest(unix.AF_UNSPEC, extFilterSkipStats))
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	list := make([]Link, 0, len(messages))
	filtering := false
	for _, m := range messages {
		// What cannot be read is left out: no reason to know nothing of all others.
		if l, err := decodeLink(m.Data); m.Header.Type == unix.RTM_NEWLINK && err == nil {
			l.Generation = generation(l.Index)
			filtering = filtering || l.VLANFiltering
			list = append(list, l)
		}
	}

	if messages, err = d.dump(unix.RTM_GETADDR, make([]byte, sizeofIfAddrmsg)); err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	local, peers := map[int][]netip.Prefix{}, map[int][]netip.Prefix{}
	for _, m := range messages {
		a, ok, err := decodeAddress(m.Data)
		if m.Header.Type != unix.RTM_NEWADDR || err != nil || !ok {
			continue
		}
		local[a.index] = append(local[a.index], a.local)
		if a.peer.IsValid() {
			peers[a.index] = append(peers[a.index], a.peer)
		}
	}

	pvid := map[int]uint16{}
	if filtering {
		// A kernel without bridges in it has nothing to say; then the default must do.
		messages, err = d.dump(unix.RTM_GETLINK, linkRequest(unix.AF_BRIDGE, extFilterBridgeVLAN))
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
			return nil, fmt.Errorf("list bridge VLANs: %w", err)
		}
		for _, m := range messages {
			if index, id, err := decodePVID(m.Data); m.Header.Type == unix.RTM_NEWLINK && err == nil {
				pvid[index] = id
			}
		}
	}

	for i := range list {
		l := &list[i]
		l.Addrs, l.Peers = sorted(local[l.Index]), sorted(peers[l.Index])
		if id, ok := pvid[l.Index]; ok {
			l.PVID = id
		}
	}
	return NewTable(list), nil
}

func (d *dumper) dump(kind netlink.HeaderType, request []byte) ([]netlink.Message, error) {
	for range dumpAttempts {
		// A deadline is a guard against a kernel that never says done, no pace.
		if err := d.conn.SetDeadline(time.Now().Add(dumpTimeout)); err != nil {
			return nil, err
		}
		messages, err := d.conn.Execute(netlink.Message{
			Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Dump},
			Data:   request,
		})
		if err != nil {
			return nil, err
		}
		if !interrupted(messages) {
			return messages, nil
		}
	}
	return nil, errInterrupted
}

// linkRequest is a struct ifinfomsg and the IFLA_EXT_MASK that asks for more or for less.
func linkRequest(family byte, mask uint32) []byte {
	b := make([]byte, sizeofIfInfomsg, sizeofIfInfomsg+8)
	b[0] = family
	b = binary.NativeEndian.AppendUint16(b, 8)
	b = binary.NativeEndian.AppendUint16(b, unix.IFLA_EXT_MASK)
	return binary.NativeEndian.AppendUint32(b, mask)
}

func sorted(list []netip.Prefix) []netip.Prefix {
	slices.SortFunc(list, comparePrefix)
	return slices.Compact(list)
}

func comparePrefix(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}
