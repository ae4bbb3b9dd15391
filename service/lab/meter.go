// SPDX-License-Identifier: GPL-2.0-only

package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Meter counts every packet of one device of a host by a packet socket: the truth that the daemon's numbers are held
// against. It sees what the device's own counters see, frame by frame, and tells internet traffic from the rest;
// super-packets it counts as the frames they become.
type Meter struct {
	fd       int
	raw      bool // the device carries bare IP packets
	internal func(netip.Addr) bool
	done     chan struct{}
	stopped  chan struct{}

	mu     sync.Mutex
	count  MeterCounts
	read   uint64 // packets taken from the socket
	queued uint64 // packets the kernel has put there
	failed error
}

// MeterCounts are a meter's readings.
type MeterCounts struct {
	Internet map[netip.Addr]Counts // by the host's address
	Rest     Counts                // all else that crossed the device: ARP, neighbour discovery, LAN to LAN
	Skbs     Counts                // everything as the device itself counts it, super-packets uncut
	Super    uint64                // super-packets among them
	Tagged   uint64                // packets of VLAN devices on top; counted nowhere else but in Skbs
	Foreign  uint64                // packets for other machines, flooded here; counted nowhere else but in Skbs
}

// Sum adds up what an address family's addresses sent to and received from the internet.
func (c MeterCounts) Sum(f Family) Counts {
	var sum Counts
	for addr, counts := range c.Internet {
		if FamilyOf(addr) == f {
			sum = sum.Add(counts)
		}
	}
	return sum
}

// Meter starts counting on a host's device.
func (h *Host) Meter() (*Meter, error) {
	return h.Network.router.lab.Meter(h.Namespace, h.Device, h.MAC == "", h.Network.router.Internal)
}

// Meter starts counting on a device of a namespace; raw tells that it carries bare IP packets, internal which
// addresses are not the internet's.
func (l *Lab) Meter(n *Namespace, device string, raw bool, internal func(netip.Addr) bool) (*Meter, error) {
	m := &Meter{raw: raw, internal: internal, done: make(chan struct{}), stopped: make(chan struct{})}
	m.count.Internet = map[netip.Addr]Counts{}
	if err := n.Do(func() error { return m.open(device) }); err != nil {
		return nil, fmt.Errorf("%s: meter %s: %w", n.Name, device, err)
	}
	go m.run()
	l.onClose(func() error { m.Stop(); return nil })
	return m, nil
}

// meterBuffer is the packet socket's receive buffer: large enough that nothing is dropped while the reader is off the
// processor. A drop is an error all the same.
const meterBuffer = 256 << 20

func (m *Meter) open(device string) error {
	ifi, err := net.InterfaceByName(device)
	if err != nil {
		return err
	}
	// Protocol 0 until bound: nothing of other devices may slip in.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open packet socket: %w", err)
	}
	timeout := unix.NsecToTimeval(int64(20 * time.Millisecond))
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, meterBuffer),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout))
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: ifi.Index})
	}
	if err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	m.fd = fd
	return nil
}

func (m *Meter) run() {
	defer close(m.stopped)
	// Of each packet the headers suffice; its true length comes back all the same.
	var packet [256]byte
	var control [64]byte
	for {
		n, controls, _, from, err := unix.Recvmsg(m.fd, packet[:], control[:], unix.MSG_TRUNC)
		switch {
		case err == unix.EAGAIN:
			select {
			case <-m.done:
				return
			default:
			}
		case err == unix.EINTR:
		case err != nil:
			m.fail(fmt.Errorf("read packet socket: %w", err))
			return
		default:
			link, _ := from.(*unix.SockaddrLinklayer)
			m.see(packet[:min(n, len(packet))], n, control[:controls], link)
		}
	}
}

func (m *Meter) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed = errors.Join(m.failed, err)
}

// vnetHeader is the size of struct virtio_net_hdr, which precedes each packet.
const vnetHeader = 10

// see counts one packet: its start, its length with the vnet header, the socket's control data and link address.
func (m *Meter) see(b []byte, length int, control []byte, from *unix.SockaddrLinklayer) {
	if len(b) < vnetHeader || from == nil {
		m.fail(errors.New("packet without vnet header or link address"))
		return
	}
	gso, segment := b[1]&^0x80, int(binary.NativeEndian.Uint16(b[4:]))
	f := dissect(b[vnetHeader:], m.raw)
	length -= vnetHeader
	t := Traffic{Bytes: uint64(length), Packets: 1}
	tagged := hasTag(control)
	out := from.Pkttype == unix.PACKET_OUTGOING

	m.mu.Lock()
	defer m.mu.Unlock()
	m.read++
	addTo(&m.count.Skbs, out, t)
	if from.Pkttype == unix.PACKET_OTHERHOST {
		m.count.Foreign++
		return
	}
	if gso != 0 {
		if f.headers == 0 || segment == 0 {
			m.failed = errors.Join(m.failed, fmt.Errorf("super-packet of unknown form (gso type %d)", gso))
			return
		}
		m.count.Super++
		t.Packets = uint64((length - f.headers + segment - 1) / segment)
		t.Bytes += (t.Packets - 1) * uint64(f.headers)
	}
	if tagged {
		m.count.Tagged += t.Packets
		return
	}
	local, remote := f.dst, f.src
	if out {
		local, remote = f.src, f.dst
	}
	if !f.ip || m.internal(remote) || local.IsMulticast() {
		addTo(&m.count.Rest, out, t)
		return
	}
	counts := m.count.Internet[local]
	addTo(&counts, out, t)
	m.count.Internet[local] = counts
}

func addTo(c *Counts, out bool, t Traffic) {
	if out {
		c.Upload = c.Upload.Add(t)
	} else {
		c.Download = c.Download.Add(t)
	}
}

// hasTag looks for the tag that the kernel took out of the frame.
func hasTag(control []byte) bool {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return false
	}
	for _, c := range messages {
		if c.Header.Level == unix.SOL_PACKET && c.Header.Type == unix.PACKET_AUXDATA &&
			len(c.Data) >= int(unsafe.Sizeof(unix.TpacketAuxdata{})) {
			return binary.NativeEndian.Uint32(c.Data)&unix.TP_STATUS_VLAN_VALID != 0
		}
	}
	return false
}

// Counts returns the readings so far. An error means they are not the truth.
func (m *Meter) Counts() (MeterCounts, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.count
	c.Internet = make(map[netip.Addr]Counts, len(m.count.Internet))
	for addr, counts := range m.count.Internet {
		c.Internet[addr] = counts
	}
	m.statistics()
	return c, m.failed
}

// statistics asks the kernel how many packets it has queued and dropped. Asking clears them there.
func (m *Meter) statistics() {
	if m.failed != nil || m.fd < 0 {
		return
	}
	stats, err := unix.GetsockoptTpacketStats(m.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		m.failed = fmt.Errorf("read packet socket statistics: %w", err)
		return
	}
	m.queued += uint64(stats.Packets)
	if stats.Drops > 0 {
		m.failed = fmt.Errorf("meter dropped %d packets", stats.Drops)
	}
}

// behind tells whether packets wait in the socket.
func (m *Meter) behind() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.statistics()
	return m.failed == nil && m.fd >= 0 && m.read < m.queued
}

// settleTime bounds how long a meter may have to catch up.
const settleTime = time.Minute

// Settled waits until nothing more arrives and all that has arrived is counted, and returns the readings.
func (m *Meter) Settled() (MeterCounts, error) {
	deadline := time.Now().Add(settleTime)
	for {
		before, err := m.Counts()
		if err != nil {
			return before, err
		}
		time.Sleep(100 * time.Millisecond)
		behind := m.behind()
		after, err := m.Counts()
		if err != nil || !behind && after.Skbs == before.Skbs {
			return after, err
		}
		if time.Now().After(deadline) {
			return after, fmt.Errorf("traffic does not end: meter has not settled in %s", settleTime)
		}
	}
}

// Stop ends counting and returns the final readings.
func (m *Meter) Stop() (MeterCounts, error) {
	m.mu.Lock()
	if m.fd < 0 {
		m.mu.Unlock()
		return m.Counts()
	}
	select {
	case <-m.done:
	default:
		close(m.done)
	}
	m.mu.Unlock()
	<-m.stopped
	counts, err := m.Counts()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fd >= 0 {
		err = errors.Join(err, unix.Close(m.fd))
		m.fd = -1
	}
	return counts, err
}
