// SPDX-License-Identifier: GPL-2.0-only

package lab

import (
	"fmt"
	"strconv"
	"strings"
)

// DeviceCounters are a device's own counters. With segmentation offload on they count super-packets, not frames.
type DeviceCounters struct {
	RxBytes, RxPackets, RxDropped uint64
	TxBytes, TxPackets, TxDropped uint64
}

// Sub returns what was counted since an earlier reading.
func (c DeviceCounters) Sub(earlier DeviceCounters) DeviceCounters {
	return DeviceCounters{
		RxBytes: c.RxBytes - earlier.RxBytes, RxPackets: c.RxPackets - earlier.RxPackets, RxDropped: c.RxDropped - earlier.RxDropped,
		TxBytes: c.TxBytes - earlier.TxBytes, TxPackets: c.TxPackets - earlier.TxPackets, TxDropped: c.TxDropped - earlier.TxDropped,
	}
}

// ReadDevice reads the counters of a device of the namespace.
func (n *Namespace) ReadDevice(name string) (DeviceCounters, error) {
	table, err := n.read("/proc/thread-self/net/dev")
	if err != nil {
		return DeviceCounters{}, fmt.Errorf("%s: read device counters: %w", n.Name, err)
	}
	for _, line := range strings.Split(table, "\n") {
		device, rest, found := strings.Cut(strings.TrimSpace(line), ":")
		if !found || device != name {
			continue
		}
		// rx: bytes packets errs drop fifo frame compressed multicast, then tx: bytes packets errs drop ...
		f := strings.Fields(rest)
		if len(f) < 12 {
			return DeviceCounters{}, fmt.Errorf("%s: read device counters: short line %q", n.Name, line)
		}
		var v [12]uint64
		for i := range v {
			if v[i], err = strconv.ParseUint(f[i], 10, 64); err != nil {
				return DeviceCounters{}, fmt.Errorf("%s: read device counters: %w", n.Name, err)
			}
		}
		return DeviceCounters{RxBytes: v[0], RxPackets: v[1], RxDropped: v[3], TxBytes: v[8], TxPackets: v[9], TxDropped: v[11]}, nil
	}
	return DeviceCounters{}, fmt.Errorf("%s: read device counters: no device %s", n.Name, name)
}

// TCPSegments are the kernel's own counts of TCP segments of a namespace, both IP versions together. Out does not
// hold retransmissions.
type TCPSegments struct{ Out, Retransmitted, In uint64 }

// Sent is how many segments left the namespace's TCP.
func (s TCPSegments) Sent() uint64 { return s.Out + s.Retransmitted }

// Sub returns what was counted since an earlier reading.
func (s TCPSegments) Sub(earlier TCPSegments) TCPSegments {
	return TCPSegments{s.Out - earlier.Out, s.Retransmitted - earlier.Retransmitted, s.In - earlier.In}
}

// TCPSegments reads the namespace's segment counts (TcpOutSegs and its neighbours in /proc/net/snmp).
func (n *Namespace) TCPSegments() (TCPSegments, error) {
	snmp, err := n.read("/proc/thread-self/net/snmp")
	if err != nil {
		return TCPSegments{}, fmt.Errorf("%s: read segment counts: %w", n.Name, err)
	}
	values := map[string]uint64{}
	var names []string
	for _, line := range strings.Split(snmp, "\n") {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != "Tcp:" {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		for i := 1; i < len(f) && i < len(names); i++ {
			values[names[i]], _ = strconv.ParseUint(f[i], 10, 64) // MaxConn is -1; nobody asks for it
		}
	}
	for _, name := range []string{"OutSegs", "RetransSegs", "InSegs"} {
		if _, ok := values[name]; !ok {
			return TCPSegments{}, fmt.Errorf("%s: read segment counts: no %s in /proc/net/snmp", n.Name, name)
		}
	}
	return TCPSegments{Out: values["OutSegs"], Retransmitted: values["RetransSegs"], In: values["InSegs"]}, nil
}
