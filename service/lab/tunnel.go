// SPDX-License-Identifier: GPL-2.0-only

package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Tunnel is a VPN of tun devices: the router has one that carries bare IP packets, each road warrior one of its own,
// and this process carries the packets between them.
type Tunnel struct {
	Network *Network

	lab    *Lab
	device *os.File // the router's
	mu     sync.Mutex
	peers  map[netip.Addr]*os.File
}

// Tunnel makes a tunnel device on the router, with the addresses of LAN network number index.
func (r *Router) Tunnel(device string, index int) (*Tunnel, error) {
	f, err := r.lab.tun(r.Namespace, device)
	if err != nil {
		return nil, err
	}
	w, err := r.Network(device, index)
	if err != nil {
		return nil, err
	}
	t := &Tunnel{Network: w, lab: r.lab, device: f, peers: map[netip.Addr]*os.File{}}
	go carry(f, func(dst netip.Addr) *os.File {
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.peers[dst]
	})
	return t, nil
}

// Warrior makes a machine at the far end of the tunnel.
func (t *Tunnel) Warrior(name string) (*Host, error) {
	n, err := t.lab.Namespace(name)
	if err != nil {
		return nil, err
	}
	f, err := t.lab.tun(n, "tun0")
	if err != nil {
		return nil, err
	}
	h, err := t.Network.Host(&Wire{Namespace: n, Device: "tun0", Port: t.Network.Device})
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	t.peers[h.IPv4], t.peers[h.IPv6] = f, f
	t.mu.Unlock()
	go carry(f, func(netip.Addr) *os.File { return t.device })
	return h, nil
}

// tun makes a tun device; it lives as long as its file.
func (l *Lab) tun(n *Namespace, device string) (*os.File, error) {
	var f *os.File
	err := n.Do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("open /dev/net/tun: %w", err)
		}
		request, err := unix.NewIfreq(device)
		if err == nil {
			request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("make tun device %s: %w", device, err), unix.Close(fd))
		}
		f = os.NewFile(uintptr(fd), "/dev/net/tun")
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Name, err)
	}
	l.onClose(f.Close)
	return f, nil
}

// carry passes packets on until its file closes. What has no way goes nowhere, as in any network.
func carry(from *os.File, way func(dst netip.Addr) *os.File) {
	packet := make([]byte, 64<<10)
	for {
		n, err := from.Read(packet)
		if err != nil {
			return
		}
		if to := way(dissect(packet[:n], true).dst); to != nil {
			_, _ = to.Write(packet[:n])
		}
	}
}
