// SPDX-License-Identifier: GPL-2.0-only

package iproute

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// queueKind is TCA_KIND, which x/sys has no name for.
const queueKind = 1

func familyOf(a netip.Addr) byte {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func (s *session) addressAdd(w *words) error {
	prefix, err := netip.ParsePrefix(w.value("add"))
	if err != nil {
		return err
	}
	index, flags := 0, byte(0)
	for word, ok := w.next(); ok; word, ok = w.next() {
		switch word {
		case "dev":
			if index, err = indexOf(w.value(word)); err != nil {
				return err
			}
		case "nodad":
			flags = unix.IFA_F_NODAD
		default:
			return fmt.Errorf("what is %q", word)
		}
	}
	message := []byte{familyOf(prefix.Addr()), byte(prefix.Bits()), flags, 0, 0, 0, 0, 0} // struct ifaddrmsg
	binary.NativeEndian.PutUint32(message[4:], uint32(index))
	return s.request(unix.RTM_NEWADDR, netlink.Create|netlink.Excl, message, func(e *netlink.AttributeEncoder) {
		e.Bytes(unix.IFA_LOCAL, prefix.Addr().AsSlice())
		e.Bytes(unix.IFA_ADDRESS, prefix.Addr().AsSlice())
	})
}

// routeMessage is struct rtmsg, and struct fib_rule_hdr, which is alike.
func routeMessage(family byte, to, from int, table uint32, protocol, scope, kind byte) []byte {
	if table > 255 {
		table = unix.RT_TABLE_UNSPEC // the attribute says
	}
	return []byte{family, byte(to), byte(from), 0, byte(table), protocol, scope, kind, 0, 0, 0, 0}
}

func (s *session) routeAdd(w *words, how netlink.HeaderFlags) error {
	var to netip.Prefix
	var via netip.Addr
	var index, metric int
	table := uint64(unix.RT_TABLE_MAIN)
	destination := w.value("add")
	var err error
	if destination != "default" {
		if to, err = netip.ParsePrefix(destination); err != nil {
			return err
		}
	}
	for word, ok := w.next(); ok; word, ok = w.next() {
		value := w.value(word)
		switch word {
		case "via":
			via, err = netip.ParseAddr(value)
		case "dev":
			index, err = indexOf(value)
		case "metric":
			metric, err = strconv.Atoi(value)
		case "table":
			table, err = strconv.ParseUint(value, 10, 32)
		default:
			err = fmt.Errorf("what is %q", word)
		}
		if err != nil {
			return err
		}
	}
	family := familyOf(to.Addr())
	if !to.IsValid() {
		family = familyOf(via)
	}
	scope := byte(unix.RT_SCOPE_UNIVERSE)
	if !via.IsValid() && family == unix.AF_INET {
		scope = unix.RT_SCOPE_LINK
	}
	message := routeMessage(family, max(to.Bits(), 0), 0, uint32(table), unix.RTPROT_BOOT, scope, unix.RTN_UNICAST)
	return s.request(unix.RTM_NEWROUTE, netlink.Create|how, message, func(e *netlink.AttributeEncoder) {
		if to.IsValid() {
			e.Bytes(unix.RTA_DST, to.Masked().Addr().AsSlice())
		}
		if via.IsValid() {
			e.Bytes(unix.RTA_GATEWAY, via.AsSlice())
		}
		if index != 0 {
			e.Uint32(unix.RTA_OIF, uint32(index))
		}
		if metric != 0 {
			e.Uint32(unix.RTA_PRIORITY, uint32(metric))
		}
		e.Uint32(unix.RTA_TABLE, uint32(table))
	})
}

func (s *session) ruleAdd(w *words) error {
	var from netip.Addr
	var table uint64
	for word, ok := w.next(); ok; word, ok = w.next() {
		value := w.value(word)
		var err error
		switch word {
		case "from":
			from, err = netip.ParseAddr(value)
		case "table":
			table, err = strconv.ParseUint(value, 10, 32)
		default:
			err = fmt.Errorf("what is %q", word)
		}
		if err != nil {
			return err
		}
	}
	message := routeMessage(familyOf(from), 0, from.BitLen(), uint32(table), 0, 0, unix.FR_ACT_TO_TBL)
	return s.request(unix.RTM_NEWRULE, netlink.Create|netlink.Excl, message, func(e *netlink.AttributeEncoder) {
		e.Bytes(unix.FRA_SRC, from.AsSlice())
		e.Uint32(unix.FRA_TABLE, uint32(table))
	})
}

func (s *session) neighbourAdd(w *words) error {
	addr, err := netip.ParseAddr(w.value("add"))
	if err != nil {
		return err
	}
	var mac net.HardwareAddr
	index := 0
	for word, ok := w.next(); ok; word, ok = w.next() {
		value := w.value(word)
		switch word {
		case "lladdr":
			mac, err = net.ParseMAC(value)
		case "dev":
			index, err = indexOf(value)
		default:
			err = fmt.Errorf("what is %q", word)
		}
		if err != nil {
			return err
		}
	}
	message := make([]byte, 12) // struct ndmsg
	message[0] = familyOf(addr)
	binary.NativeEndian.PutUint32(message[4:], uint32(index))
	binary.NativeEndian.PutUint16(message[8:], unix.NUD_PERMANENT)
	return s.request(unix.RTM_NEWNEIGH, netlink.Create|netlink.Replace, message, func(e *netlink.AttributeEncoder) {
		e.Bytes(unix.NDA_DST, addr.AsSlice())
		e.Bytes(unix.NDA_LLADDR, mac)
	})
}

// qdiscShow prints the kind of every queueing discipline.
func (s *session) qdiscShow(*words) error {
	const size = 20 // struct tcmsg
	answers, err := s.conn.Execute(netlink.Message{Header: netlink.Header{Type: unix.RTM_GETQDISC, Flags: netlink.Request | netlink.Dump}, Data: make([]byte, size)})
	if err != nil {
		return err
	}
	for _, m := range answers {
		if len(m.Data) < size {
			return fmt.Errorf("answer of %d bytes", len(m.Data))
		}
		attributes, err := netlink.NewAttributeDecoder(m.Data[size:])
		if err != nil {
			return err
		}
		for attributes.Next() {
			if attributes.Type() == queueKind {
				fmt.Fprintf(s.out, "qdisc %s dev %d\n", attributes.String(), int32(binary.NativeEndian.Uint32(m.Data[4:])))
			}
		}
		if err := attributes.Err(); err != nil {
			return err
		}
	}
	return nil
}
