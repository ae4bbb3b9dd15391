// SPDX-License-Identifier: GPL-2.0-only

package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Datagrams is a UDP conversation: the client sends Upload datagrams, then the server answers with Download. Neither end runs
// ahead of what has arrived, so that no queue overflows and every datagram sent is one counted everywhere.
type Datagrams struct {
	Client *Namespace
	From   netip.Addr // the client's address; the zero value leaves it to the kernel
	Server *Namespace
	Listen netip.Addr
	Port   uint16
	To     netip.AddrPort // whom the client calls, where that is not the server itself

	Upload, Download int // datagrams; Upload at least 1. Until: both directions in turn, until Stop closes
	Size             int // payload bytes of each
	Batch            int // more than 1: so many datagrams leave in one super-packet (UDP segmentation offload)
	Stop             <-chan struct{}
	Pause            time.Duration // between datagrams
}

// inFlight bounds the datagrams that are sent and not yet received; the smallest queue on the way holds 256.
const inFlight = 64

// udpStall is how long a datagram may take before it is taken for lost.
const udpStall = 5 * time.Second

// Run holds the conversation and returns what went over an untagged Ethernet wire; nothing may be lost.
func (d Datagrams) Run(ctx context.Context) (Counts, error) {
	family := FamilyOf(d.Listen)
	network := family.transport("udp")
	var server, client *net.UDPConn
	if err := d.Server.Do(func() (err error) {
		server, err = net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(d.Listen, d.Port)))
		return err
	}); err != nil {
		return Counts{}, fmt.Errorf("%s: listen: %w", d.Server.Name, err)
	}
	defer server.Close()
	to := d.To
	if !to.IsValid() {
		to = server.LocalAddr().(*net.UDPAddr).AddrPort()
	}
	var from *net.UDPAddr
	if d.From.IsValid() {
		from = net.UDPAddrFromAddrPort(netip.AddrPortFrom(d.From, 0))
	}
	if err := d.Client.Do(func() (err error) {
		client, err = net.DialUDP(network, from, net.UDPAddrFromAddrPort(to))
		return err
	}); err != nil {
		return Counts{}, fmt.Errorf("%s: dial: %w", d.Client.Name, err)
	}
	defer client.Close()
	release := context.AfterFunc(ctx, func() { client.Close(); server.Close() })
	defer release()

	atServer, atClient := receive(server), receive(client)
	up := sender{d: d, conn: client, arrived: atServer}
	down := sender{d: d, conn: server, arrived: atClient, to: func() netip.AddrPort { return *atServer.peer.Load() }}
	var err error
	switch {
	case d.Upload >= 0:
		if err = up.send(d.Upload); err == nil {
			err = down.send(d.Download)
		}
	default:
		for err == nil && !closed(d.Stop) {
			if err = up.send(inFlight / 4); err == nil {
				err = down.send(inFlight / 4)
			}
		}
	}
	if err != nil {
		return Counts{}, fmt.Errorf("datagrams %s to %s: %w", client.LocalAddr(), to, err)
	}
	return Counts{Download: d.frames(family, down.sent), Upload: d.frames(family, up.sent)}, nil
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// frames tells what n datagrams are on an untagged Ethernet wire; they must fit its MTU.
func (d Datagrams) frames(f Family, n int) Traffic {
	header := map[Family]int{IPv4: 14 + 20 + 8, IPv6: 14 + 40 + 8}[f]
	return Traffic{Bytes: uint64(n) * uint64(header+d.Size), Packets: uint64(n)}
}

// arrivals counts what an end has received.
type arrivals struct {
	count atomic.Int64
	peer  atomic.Pointer[netip.AddrPort] // who sent last
}

// receive reads an end until it is closed.
func receive(c *net.UDPConn) *arrivals {
	a := &arrivals{}
	_ = c.SetReadBuffer(4 << 20)
	go func() {
		b := make([]byte, 64<<10)
		for {
			_, from, err := c.ReadFromUDPAddrPort(b)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue // an ICMP error told to the socket: the sender notices by what is missing
			}
			from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
			a.peer.Store(&from)
			a.count.Add(1)
		}
	}()
	return a
}

// sender is one direction of the conversation.
type sender struct {
	d       Datagrams
	conn    *net.UDPConn
	to      func() netip.AddrPort // nil on a connected socket
	arrived *arrivals
	sent    int
}

// send sends n datagrams more and waits until all have arrived.
func (s *sender) send(n int) error {
	batch := max(s.d.Batch, 1)
	var control []byte
	if batch > 1 {
		control = segmentControl(s.d.Size)
	}
	payload := make([]byte, s.d.Size*batch)
	for end := s.sent + n; s.sent < end; {
		now := min(batch, end-s.sent)
		if err := s.await(int64(s.sent + now - inFlight)); err != nil {
			return err
		}
		// As those of real programs, no two are the same: over IPv6 nothing else tells one from a copy.
		for i := range now {
			var number [4]byte
			binary.BigEndian.PutUint32(number[:], uint32(s.sent+i))
			copy(payload[i*s.d.Size:(i+1)*s.d.Size], number[max(0, len(number)-s.d.Size):])
		}
		var to netip.AddrPort
		if s.to != nil {
			to = s.to()
		}
		var err error
		if to.IsValid() {
			_, _, err = s.conn.WriteMsgUDPAddrPort(payload[:now*s.d.Size], control, to)
		} else {
			_, _, err = s.conn.WriteMsgUDP(payload[:now*s.d.Size], control, nil)
		}
		if err != nil {
			return err
		}
		s.sent += now
		if s.d.Pause > 0 {
			time.Sleep(s.d.Pause)
		}
	}
	return s.await(int64(s.sent))
}

// await waits until the other end has received so many.
func (s *sender) await(count int64) error {
	var since time.Time
	last := int64(-1)
	for spin := 0; ; spin++ {
		now := s.arrived.count.Load()
		switch {
		case now >= count:
			return nil
		case now != last:
			last, since = now, time.Now()
		case time.Since(since) > udpStall:
			return fmt.Errorf("%d of %d datagrams arrived", now, s.sent)
		}
		time.Sleep(min(time.Duration(spin)*10*time.Microsecond, time.Millisecond))
	}
}

// segmentControl asks the kernel to cut a send into datagrams of size bytes.
func segmentControl(size int) []byte {
	control := make([]byte, unix.CmsgSpace(2))
	header, data := unix.Cmsghdr{Level: unix.SOL_UDP, Type: unix.UDP_SEGMENT}, control[unix.CmsgLen(0):]
	header.SetLen(unix.CmsgLen(2))
	putHeader(control, &header)
	data[0], data[1] = nativeShort(uint16(size))
	return control
}
