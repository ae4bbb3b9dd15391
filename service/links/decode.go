// SPDX-License-Identifier: GPL-2.0-only

package links

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/nlattr"
)

// Bounds of what one message may claim; the kernel's own are lower.
const (
	maxName = 255
	maxKind = 64
)

const (
	sizeofIfInfomsg = 16 // family, pad, type u16, index s32, flags u32, change u32
	sizeofIfAddrmsg = 8  // family, prefix length, flags, scope, index u32

	iflaInfoKind          = 1
	iflaInfoData          = 2
	iflaVLANID            = 1
	iflaBridgeFiltering   = 7
	iflaBridgeDefaultPVID = 39
	iflaBridgeVLANInfo    = 2
	bridgeVLANInfoPVID    = 1 << 1
	vlanIDMask            = 0x0fff
	iflaLinkNetnsid       = 37
	extFilterBridgeVLAN   = 1 << 1
	extFilterSkipStats    = 1 << 3
	maxInterfaceNumber    = 1<<31 - 1
)

// decodeLink reads an RTM_NEWLINK message of the family AF_UNSPEC.
func decodeLink(data []byte) (Link, error) {
	var l Link
	if len(data) < sizeofIfInfomsg {
		return l, fmt.Errorf("decode link: %w", nlattr.ErrShort)
	}
	l.Type = binary.NativeEndian.Uint16(data[2:])
	index := binary.NativeEndian.Uint32(data[4:])
	if index == 0 || index > maxInterfaceNumber {
		return l, fmt.Errorf("decode link: index %d out of range", index)
	}
	l.Index = int(index)
	l.Up = binary.NativeEndian.Uint32(data[8:])&unix.IFF_UP != 0
	l.RawIP = rawIP(l.Type)

	var info linkInfo
	var lower int
	var elsewhere bool
	err := nlattr.Each(data[sizeofIfInfomsg:], func(kind uint16, value []byte) error {
		switch kind {
		case unix.IFLA_IFNAME:
			l.Name = nlattr.Text(value, maxName)
		case unix.IFLA_MASTER:
			l.Master = indexOf(value)
		case unix.IFLA_LINK:
			lower = indexOf(value)
		case iflaLinkNetnsid:
			elsewhere = true
		case unix.IFLA_LINKINFO:
			return info.decode(value)
		}
		return nil
	})
	if err != nil {
		return l, fmt.Errorf("decode link %d: %w", l.Index, err)
	}
	if l.Name == "" {
		return l, fmt.Errorf("decode link %d: no name", l.Index)
	}
	l.Kind = info.kind
	l.VLAN, l.VLANFiltering = info.vlan, info.filtering
	if l.VLANFiltering {
		l.PVID = info.pvid
	}
	// The index of a device in another namespace means nothing in this one.
	if !elsewhere && lower != l.Index {
		if l.Kind == "veth" {
			l.Peer = lower
		} else {
			l.Lower = lower
		}
	}
	return l, nil
}

// linkInfo is what of IFLA_LINKINFO matters.
type linkInfo struct {
	kind      string
	vlan      uint16
	filtering bool
	pvid      uint16
}

func (i *linkInfo) decode(data []byte) error {
	var details []byte
	err := nlattr.Each(data, func(kind uint16, value []byte) error {
		switch kind {
		case iflaInfoKind:
			i.kind = nlattr.Text(value, maxKind)
		case iflaInfoData:
			details = value
		}
		return nil
	})
	if err != nil || details == nil {
		return err
	}
	switch i.kind {
	case "vlan":
		return nlattr.Each(details, func(kind uint16, value []byte) error {
			if kind == iflaVLANID && len(value) >= 2 {
				i.vlan = binary.NativeEndian.Uint16(value) & vlanIDMask
			}
			return nil
		})
	case "bridge":
		return nlattr.Each(details, func(kind uint16, value []byte) error {
			switch {
			case kind == iflaBridgeFiltering && len(value) >= 1:
				i.filtering = value[0] != 0
			case kind == iflaBridgeDefaultPVID && len(value) >= 2:
				i.pvid = binary.NativeEndian.Uint16(value) & vlanIDMask
			}
			return nil
		})
	}
	return nil // data of other kinds has other meanings
}

// decodePVID reads an RTM_NEWLINK message of the family AF_BRIDGE: the VLAN of untagged
// frames on a bridge or one of its ports.
func decodePVID(data []byte) (index int, pvid uint16, err error) {
	if len(data) < sizeofIfInfomsg {
		return 0, 0, fmt.Errorf("decode bridge port: %w", nlattr.ErrShort)
	}
	n := binary.NativeEndian.Uint32(data[4:])
	if n == 0 || n > maxInterfaceNumber {
		return 0, 0, fmt.Errorf("decode bridge port: index %d out of range", n)
	}
	err = nlattr.Each(data[sizeofIfInfomsg:], func(kind uint16, value []byte) error {
		if kind != unix.IFLA_AF_SPEC {
			return nil
		}
		return nlattr.Each(value, func(kind uint16, value []byte) error {
			if kind == iflaBridgeVLANInfo && len(value) >= 4 &&
				binary.NativeEndian.Uint16(value)&bridgeVLANInfoPVID != 0 {
				pvid = binary.NativeEndian.Uint16(value[2:]) & vlanIDMask
			}
			return nil
		})
	})
	if err != nil {
		return 0, 0, fmt.Errorf("decode bridge port %d: %w", n, err)
	}
	return int(n), pvid, nil
}

// address is one address of one device.
type address struct {
	index       int
	local, peer netip.Prefix // peer is not valid unless it differs
}

// decodeAddress reads an RTM_NEWADDR message. ok is false for what is no IP address.
func decodeAddress(data []byte) (a address, ok bool, err error) {
	if len(data) < sizeofIfAddrmsg {
		return a, false, fmt.Errorf("decode address: %w", nlattr.ErrShort)
	}
	family, bits := data[0], int(data[1])
	if family != unix.AF_INET && family != unix.AF_INET6 {
		return a, false, nil
	}
	index := binary.NativeEndian.Uint32(data[4:])
	if index == 0 || index > maxInterfaceNumber {
		return a, false, fmt.Errorf("decode address: index %d out of range", index)
	}
	a.index = int(index)

	var near, far netip.Addr
	err = nlattr.Each(data[sizeofIfAddrmsg:], func(kind uint16, value []byte) error {
		switch kind {
		case unix.IFA_LOCAL:
			near = addrOf(family, value)
		case unix.IFA_ADDRESS:
			far = addrOf(family, value)
		}
		return nil
	})
	if err != nil {
		return a, false, fmt.Errorf("decode address of link %d: %w", a.index, err)
	}
	// Of a point-to-point address the prefix length is the other end's. IPv6 sends
	// IFA_LOCAL for these only.
	switch {
	case !near.IsValid():
		near = far
	case far.IsValid() && far != near:
		a.peer = netip.PrefixFrom(far, bits)
		bits = near.BitLen()
	}
	a.local = netip.PrefixFrom(near, bits)
	if !a.local.IsValid() || (a.peer != netip.Prefix{} && !a.peer.IsValid()) {
		return a, false, fmt.Errorf("decode address of link %d: no address, or %d bits of it", a.index, bits)
	}
	return a, true, nil
}

func rawIP(arphrd uint16) bool {
	switch arphrd {
	case TypeNone, TypePPP, TypeTunnel, TypeTunnel6, TypeSIT, TypeIPGRE, TypeIP6GRE, TypeRawIP:
		return true
	}
	return false
}

func indexOf(value []byte) int {
	if len(value) < 4 {
		return 0
	}
	n := binary.NativeEndian.Uint32(value)
	if n > maxInterfaceNumber {
		return 0
	}
	return int(n)
}

func addrOf(family byte, value []byte) netip.Addr {
	if (family == unix.AF_INET) != (len(value) == 4) {
		return netip.Addr{}
	}
	a, _ := netip.AddrFromSlice(value) // other sizes: the zero Addr
	return a
}

// interrupted reports whether the kernel says that a dump is not consistent.
func interrupted(messages []netlink.Message) bool {
	for _, m := range messages {
		if m.Header.Flags&netlink.DumpInterrupted != 0 {
			return true
		}
	}
	return false
}
