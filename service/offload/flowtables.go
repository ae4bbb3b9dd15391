// SPDX-License-Identifier: GPL-2.0-only

package offload

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/nlattr"
)

const (
	subsystem        = unix.NFNL_SUBSYS_NFTABLES << 8
	newFlowtable     = netlink.HeaderType(subsystem | unix.NFT_MSG_NEWFLOWTABLE)
	getFlowtable     = netlink.HeaderType(subsystem | unix.NFT_MSG_GETFLOWTABLE)
	sizeofNfgenmsg   = 4 // family, version, resource u16
	dumpTimeout      = 5 * time.Second
	dumpAttempts     = 5
	maxName          = 255
	flagHardware     = 1
	flagCounter      = 2
	flowtableTable   = 1
	flowtableName    = 2
	flowtableHook    = 3
	flowtableFlags   = 7
	flowtableDevices = 3 // in flowtableHook
	deviceName       = 1 // in flowtableDevices
	devicePrefix     = 2 // the same as a pattern, since 6.16
)

var errInterrupted = errors.New("the ruleset keeps changing")

// Flowtables lists the flowtables of all families in the namespace of the calling thread.
// A kernel without nftables has none.
func Flowtables() ([]Flowtable, error) { return FlowtablesIn(0) }

// FlowtablesIn does the same in the network namespace of an open file.
func FlowtablesIn(namespace int) ([]Flowtable, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: namespace})
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open nfnetlink: %w", err)
	}
	defer conn.Close()
	// A guard against a kernel that never says done.
	if err := conn.SetDeadline(time.Now().Add(dumpTimeout)); err != nil {
		return nil, fmt.Errorf("open nfnetlink: %w", err)
	}
	for range dumpAttempts {
		messages, err := conn.Execute(netlink.Message{
			Header: netlink.Header{Type: getFlowtable, Flags: netlink.Request | netlink.Dump},
			Data:   make([]byte, sizeofNfgenmsg), // AF_UNSPEC: all families
		})
		if absent(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list flowtables: %w", err)
		}
		if slices.ContainsFunc(messages, func(m netlink.Message) bool { return m.Header.Flags&netlink.DumpInterrupted != 0 }) {
			continue
		}
		var tables []Flowtable
		for _, m := range messages {
			if m.Header.Type != newFlowtable {
				continue
			}
			t, err := decodeFlowtable(m.Data)
			if err != nil {
				return nil, err
			}
			tables = append(tables, t)
		}
		return tables, nil
	}
	return nil, fmt.Errorf("list flowtables: %w", errInterrupted)
}

// absent reports whether the kernel lacks what was asked for: the protocol, nftables, or
// flowtables in it.
func absent(err error) bool {
	return errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EAFNOSUPPORT) ||
		errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOENT)
}

// decodeFlowtable reads an NFT_MSG_NEWFLOWTABLE message. Numbers in attributes of nftables
// are in network byte order, lengths and types in the machine's.
func decodeFlowtable(data []byte) (Flowtable, error) {
	var t Flowtable
	if len(data) < sizeofNfgenmsg {
		return t, fmt.Errorf("decode flowtable: %w", nlattr.ErrShort)
	}
	err := nlattr.Each(data[sizeofNfgenmsg:], func(kind uint16, value []byte) error {
		switch kind {
		case flowtableTable:
			t.Table = nlattr.Text(value, maxName)
		case flowtableName:
			t.Name = nlattr.Text(value, maxName)
		case flowtableFlags:
			if len(value) >= 4 {
				flags := binary.BigEndian.Uint32(value)
				t.Hardware, t.Counter = flags&flagHardware != 0, flags&flagCounter != 0
			}
		case flowtableHook:
			return nlattr.Each(value, func(kind uint16, value []byte) error {
				if kind != flowtableDevices {
					return nil
				}
				return nlattr.Each(value, func(kind uint16, value []byte) error {
					switch name := nlattr.Text(value, maxName); {
					case kind == deviceName && name != "":
						t.Devices = append(t.Devices, name)
					case kind == devicePrefix:
						t.Devices = append(t.Devices, name+"*")
					}
					return nil
				})
			})
		}
		return nil
	})
	if err != nil {
		return Flowtable{}, fmt.Errorf("decode flowtable: %w", err)
	}
	slices.Sort(t.Devices)
	t.Devices = slices.Compact(t.Devices)
	return t, nil
}
