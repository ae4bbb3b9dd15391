// SPDX-License-Identifier: GPL-2.0-only

package export

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// client is who is at the other end: an IPv4 address, or an IPv6 /64, of which
// every host has as many addresses as it likes.
type client = netip.Prefix

func clientOf(address string) client {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return client{}
	}
	ip := ap.Addr().Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return client{}
	}
	return p
}

// quota bounds how many of something there are at once, in all and for each
// client.
type quota struct {
	mu        sync.Mutex
	all, each int
	total     int
	used      map[client]int
	freed     chan struct{} // closed, and made anew, when something is released
}

func newQuota(all, each int) *quota {
	return &quota{all: all, each: each, used: map[client]int{}, freed: make(chan struct{})}
}

// take returns nil, or what to wait for before another try.
func (q *quota) take(c client) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.total >= q.all || q.used[c] >= q.each {
		return q.freed
	}
	q.total++
	q.used[c]++
	return nil
}

func (q *quota) wait(ctx context.Context, c client) bool {
	for {
		freed := q.take(c)
		if freed == nil {
			return true
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return false
		}
	}
}

func (q *quota) release(c client) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.total--
	if q.used[c]--; q.used[c] == 0 {
		delete(q.used, c)
	}
	close(q.freed)
	q.freed = make(chan struct{})
}

// limited is a listener that hangs up on whoever is too much. It does not let
// them wait: those who hold the places may well be dead.
type limited struct {
	net.Listener
	quota *quota
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		who := clientOf(c.RemoteAddr().String())
		if l.quota.take(who) != nil {
			c.Close()
			continue
		}
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetKeepAlivePeriod(30 * time.Second)
			tcp.SetWriteBuffer(64 << 10) // what a reader that is gone leaves in the kernel
		}
		return &counted{Conn: c, release: sync.OnceFunc(func() { l.quota.release(who) })}, nil
	}
}

type counted struct {
	net.Conn
	release func()
}

func (c *counted) Close() error {
	err := c.Conn.Close()
	c.release()
	return err
}
