// SPDX-License-Identifier: GPL-2.0-only

package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Injector puts frames on a device as they are, whatever they say.
type Injector struct{ fd int }

// Inject opens a device of the namespace for frames.
func (l *Lab) Inject(n *Namespace, device string) (*Injector, error) {
	i := &Injector{fd: -1}
	err := n.Do(func() error {
		ifi, err := net.InterfaceByName(device)
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0) // protocol 0: receives nothing
		if err != nil {
			return err
		}
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: ifi.Index}); err != nil {
			return errors.Join(err, unix.Close(fd))
		}
		i.fd = fd
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: open %s for injection: %w", n.Name, device, err)
	}
	l.onClose(func() error { return unix.Close(i.fd) })
	return i, nil
}

// Send puts one frame on the wire.
func (i *Injector) Send(frame []byte) error {
	for {
		_, err := unix.Write(i.fd, frame)
		if err == nil {
			return nil
		}
		if err != unix.ENOBUFS && err != unix.EINTR && err != unix.EAGAIN {
			return fmt.Errorf("inject frame: %w", err)
		}
	}
}

// Tag is an 802.1Q tag, or with Service an 802.1ad one.
type Tag struct {
	ID      uint16
	Service bool
}

// Packet is a frame to be injected. Only what a classifier reads is filled in: there are no checksums above layer 3.
type Packet struct {
	To, From         net.HardwareAddr // both nil: no Ethernet header
	Tags             []Tag
	Source, Dest     netip.Addr
	Protocol         byte
	Options          []byte // IPv4 options, or IPv6 extension headers; a multiple of 4 or 8
	FirstExtension   byte   // IPv6: the protocol number of Options' first header; the last one has to name Protocol itself
	FragmentOffset   int    // bytes
	MoreFragments    bool
	Payload          []byte // behind the IP header and options
	PayloadTruncated int    // bytes by which the header promises more than there is
}

// Bytes builds the frame.
func (p Packet) Bytes() []byte {
	var b []byte
	if p.To != nil {
		b = append(append(b, p.To...), p.From...)
		for _, t := range p.Tags {
			kind := uint16(etherVLAN)
			if t.Service {
				kind = etherService
			}
			b = binary.BigEndian.AppendUint16(b, kind)
			b = binary.BigEndian.AppendUint16(b, t.ID)
		}
		b = binary.BigEndian.AppendUint16(b, map[bool]uint16{true: etherIPv4, false: etherIPv6}[p.Source.Is4()])
	}
	if p.Source.Is4() {
		b = append(b, p.header4()...)
	} else {
		b = append(b, p.header6()...)
	}
	return append(b, p.Payload...)
}

func (p Packet) header4() []byte {
	h := make([]byte, 20, 60)
	h[0] = 4<<4 | byte(5+len(p.Options)/4)
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(p.Options)+len(p.Payload)+p.PayloadTruncated))
	fragment := uint16(p.FragmentOffset / 8)
	if p.MoreFragments {
		fragment |= 0x2000
	}
	binary.BigEndian.PutUint16(h[6:], fragment)
	h[8], h[9] = 64, p.Protocol
	copy(h[12:], p.Source.AsSlice())
	copy(h[16:], p.Dest.AsSlice())
	h = append(h, p.Options...)
	binary.BigEndian.PutUint16(h[10:], checksum(h))
	return h
}

func (p Packet) header6() []byte {
	extensions, next := p.Options, p.Protocol
	if len(extensions) > 0 {
		next = p.FirstExtension
	}
	if p.FragmentOffset > 0 || p.MoreFragments {
		fragment := make([]byte, 8)
		fragment[0] = next
		offset := uint16(p.FragmentOffset)
		if p.MoreFragments {
			offset |= 1
		}
		binary.BigEndian.PutUint16(fragment[2:], offset)
		extensions, next = append(fragment, extensions...), 44
	}
	h := make([]byte, 40, 40+len(extensions))
	h[0] = 6 << 4
	binary.BigEndian.PutUint16(h[4:], uint16(len(extensions)+len(p.Payload)+p.PayloadTruncated))
	h[6], h[7] = next, 64
	copy(h[8:], p.Source.AsSlice())
	copy(h[24:], p.Dest.AsSlice())
	return append(h, extensions...)
}

// checksum is that of an IPv4 header whose checksum field is 0.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
