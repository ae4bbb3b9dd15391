// SPDX-License-Identifier: GPL-2.0-only

package iproute

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// What x/sys has no names for.
const (
	peerInfo      = 1 // VETH_INFO_PEER
	bridgeDelay   = 1 // IFLA_BR_FORWARD_DELAY
	bridgeAgeing  = 4
	bridgeSTP     = 5
	bridgeSnoops  = 23
	addrGenMode   = 8 // IFLA_INET6_ADDR_GEN_MODE
	addrGenNone   = 1
	interfaceSize = unix.SizeofIfInfomsg
)

// device are the properties that a link is made with.
type device struct {
	name, kind string
	index      int
	address    net.HardwareAddr
	netns      string
	peer       *device
	options    map[uint16]uint64 // of the kind
}

// interfaceMessage is struct ifinfomsg.
func interfaceMessage(index int, flags, change uint32) []byte {
	b := make([]byte, interfaceSize)
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	binary.NativeEndian.PutUint32(b[8:], flags)
	binary.NativeEndian.PutUint32(b[12:], change)
	return b
}

func (d *device) parse(w *words) error {
	for {
		word, ok := w.next()
		if !ok {
			return w.err
		}
		var err error
		switch word {
		case "name":
			d.name = w.value(word)
		case "index":
			d.index, err = strconv.Atoi(w.value(word))
		case "address":
			d.address, err = net.ParseMAC(w.value(word))
		case "netns":
			d.netns = w.value(word)
		case "type":
			d.kind = w.value(word)
		case "peer":
			d.peer = &device{}
			err = d.peer.parse(w)
		case "stp_state", "forward_delay", "mcast_snooping", "ageing_time":
			option := map[string]uint16{"stp_state": bridgeSTP, "forward_delay": bridgeDelay, "mcast_snooping": bridgeSnoops, "ageing_time": bridgeAgeing}[word]
			if d.options == nil {
				d.options = map[uint16]uint64{}
			}
			d.options[option], err = strconv.ParseUint(w.value(word), 10, 32)
		default:
			if d.name != "" {
				return fmt.Errorf("what is %q", word)
			}
			d.name = word
		}
		if err != nil {
			return err
		}
	}
}

// encode writes the attributes; namespace is the descriptor of the peer's.
func (d *device) encode(e *netlink.AttributeEncoder, namespace int) {
	e.String(unix.IFLA_IFNAME, d.name)
	if d.address != nil {
		e.Bytes(unix.IFLA_ADDRESS, d.address)
	}
	if namespace >= 0 {
		e.Uint32(unix.IFLA_NET_NS_FD, uint32(namespace))
	}
}

func (d *device) information(e *netlink.AttributeEncoder, namespace int) {
	e.String(unix.IFLA_INFO_KIND, d.kind)
	if d.peer == nil && d.options == nil {
		return
	}
	e.Nested(unix.IFLA_INFO_DATA, func(e *netlink.AttributeEncoder) error {
		for option, value := range d.options {
			if option == bridgeSnoops {
				e.Uint8(option, uint8(value))
			} else {
				e.Uint32(option, uint32(value))
			}
		}
		if d.peer == nil {
			return nil
		}
		inner := netlink.NewAttributeEncoder()
		d.peer.encode(inner, namespace)
		attributes, err := inner.Encode()
		if err != nil {
			return err
		}
		e.Bytes(peerInfo, append(interfaceMessage(0, 0, 0), attributes...))
		return nil
	})
}

func (s *session) linkAdd(w *words) error {
	var d device
	if err := d.parse(w); err != nil {
		return err
	}
	namespace := -1
	if d.peer != nil && d.peer.netns != "" {
		f, err := os.Open(d.peer.netns)
		if err != nil {
			return err
		}
		defer f.Close()
		namespace = int(f.Fd())
	}
	return s.request(unix.RTM_NEWLINK, netlink.Create|netlink.Excl, interfaceMessage(d.index, 0, 0), func(e *netlink.AttributeEncoder) {
		d.encode(e, -1)
		e.Nested(unix.IFLA_LINKINFO, func(e *netlink.AttributeEncoder) error {
			d.information(e, namespace)
			return nil
		})
	})
}

func (s *session) linkDelete(w *words) error {
	index, err := indexOf(w.value("del"))
	if err != nil {
		return err
	}
	return s.request(unix.RTM_DELLINK, 0, interfaceMessage(index, 0, 0), nil)
}

func (s *session) linkSet(w *words) error {
	index, err := indexOf(w.value("set"))
	if err != nil {
		return err
	}
	var flags, change uint32
	var options device
	encoder := func(*netlink.AttributeEncoder) {}
	word, _ := w.next()
	switch word {
	case "up", "down":
		change = unix.IFF_UP
		if word == "up" {
			flags = unix.IFF_UP
		}
	case "master":
		master, err := indexOf(w.value(word))
		if err != nil {
			return err
		}
		encoder = func(e *netlink.AttributeEncoder) { e.Uint32(unix.IFLA_MASTER, uint32(master)) }
	case "addrgenmode":
		if mode := w.value(word); mode != "none" {
			return fmt.Errorf("addrgenmode %q", mode)
		}
		encoder = func(e *netlink.AttributeEncoder) {
			e.Nested(unix.IFLA_AF_SPEC, func(e *netlink.AttributeEncoder) error {
				e.Nested(unix.AF_INET6, func(e *netlink.AttributeEncoder) error {
					e.Uint8(addrGenMode, addrGenNone)
					return nil
				})
				return nil
			})
		}
	case "type":
		options.name = "-" // what follows are options only
		if err := options.parse(&words{rest: append([]string{"type"}, w.rest...)}); err != nil {
			return err
		}
		encoder = func(e *netlink.AttributeEncoder) {
			e.Nested(unix.IFLA_LINKINFO, func(e *netlink.AttributeEncoder) error {
				options.information(e, -1)
				return nil
			})
		}
	default:
		return fmt.Errorf("what is %q", word)
	}
	return s.request(unix.RTM_NEWLINK, 0, interfaceMessage(index, flags, change), encoder)
}

func indexOf(name string) (int, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return 0, fmt.Errorf("device %s: %w", name, err)
	}
	return ifi.Index, nil
}
