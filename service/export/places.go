// SPDX-License-Identifier: GPL-2.0-only

package export

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mezoura/mezoura/service/account"
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

// places bounds the connections, and what their replies hold on to. When all
// are taken, whoever has kept us waiting longest makes room: for its request,
// for the next one, or for reading its reply. So those who do not read or say
// nothing keep nobody out, and who is quick is not interrupted. Where some
// clients have more than a share of the places, it is one of theirs.
type places struct {
	all, share int           // connections
	patience   time.Duration // that everybody may keep us waiting; newcomers wait in the kernel's queue meanwhile
	hosts      int           // in all Snapshots that replies are made of

	mu      sync.Mutex
	open    []*conn       // oldest first
	changed chan struct{} // closed, and made anew, when a place is free or somebody waits
	closed  bool
}

func newPlaces(all, share int, patience time.Duration, hosts int) *places {
	return &places{all: all, share: share, patience: patience, hosts: hosts, changed: make(chan struct{})}
}

// conn is a connection with a place. All but Conn is guarded by places.mu.
type conn struct {
	net.Conn
	places *places
	who    client

	since    time.Time // when waiting for the other end began; zero while it does not keep us waiting
	replying bool
	snapshot *account.Snapshot // that the present reply is made of
	cut      bool
}

// admit waits for a place. It is an error when the places are closed meanwhile.
func (p *places) admit(c net.Conn) (*conn, error) {
	n := &conn{Conn: c, places: p, who: clientOf(c.RemoteAddr().String())}
	for {
		changed, after, err := p.try(n)
		if err != nil {
			c.Close()
			return nil, err
		}
		if changed == nil {
			return n, nil
		}
		select {
		case <-changed:
		case <-time.After(after):
		}
	}
}

// try gives a connection a place, if need be somebody else's; or says what to
// wait for before another try, and how long.
func (p *places) try(n *conn) (changed <-chan struct{}, after time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, 0, net.ErrClosed
	}
	now := time.Now()
	if len(p.open) >= p.all {
		slowest := p.slowest(now)
		if slowest == nil {
			return p.changed, time.Second, nil
		}
		if left := p.patience - slowest.waiting(now); left > 0 {
			return p.changed, left, nil
		}
		p.cut(slowest)
	}
	n.since = now
	p.open = append(p.open, n)
	return nil, 0, nil
}

// slowest is whose place is the next to be taken, nil when nobody keeps us
// waiting.
func (p *places) slowest(now time.Time) *conn {
	used := map[client]int{}
	for _, c := range p.open {
		used[c.who]++
	}
	var slowest *conn
	for _, greedy := range []bool{true, false} {
		for _, c := range p.open {
			if c.since.IsZero() || greedy && used[c.who] <= p.share {
				continue
			}
			if slowest == nil || c.waiting(now) > slowest.waiting(now) {
				slowest = c
			}
		}
		if slowest != nil {
			break
		}
	}
	return slowest
}

// waiting is how long the other end has kept us waiting.
func (c *conn) waiting(now time.Time) time.Duration {
	if c.since.IsZero() {
		return 0
	}
	return now.Sub(c.since)
}

// cut hangs up.
func (p *places) cut(c *conn) {
	c.cut = true
	c.forget()
	c.Conn.Close()
	p.remove(c)
}

// forget has the kernel throw away what the reader has not fetched when the
// connection is closed; otherwise it would keep that for minutes.
func (c *conn) forget() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
}

func (p *places) remove(c *conn) {
	i := slices.Index(p.open, c)
	if i < 0 {
		return
	}
	c.snapshot = nil
	p.open = slices.Delete(p.open, i, i+1)
	p.tell()
}

// tell lets who waits for a place look again.
func (p *places) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// close lets nobody in any more.
func (p *places) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.tell()
}

// begin notes that a request has come, and that it is our turn.
func (c *conn) begin() {
	c.places.mu.Lock()
	defer c.places.mu.Unlock()
	c.replying, c.since = true, time.Time{}
}

// end notes that the reply is done, and that the next request is waited for.
func (c *conn) end() {
	c.places.mu.Lock()
	defer c.places.mu.Unlock()
	c.replying, c.since, c.snapshot = false, time.Now(), nil
	c.places.tell()
}

// hold notes what the reply is made of. Snapshots are large where there are
// thousands of hosts: when replies hold on to more of them than there is room
// for, those that are made of the oldest end.
func (c *conn) hold(s *account.Snapshot) {
	p := c.places
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.cut {
		return
	}
	c.snapshot = s
	for {
		held, hosts := map[*account.Snapshot]bool{}, 0
		var oldest *account.Snapshot
		for _, o := range p.open {
			if o.snapshot == nil || held[o.snapshot] {
				continue
			}
			held[o.snapshot] = true
			hosts += len(o.snapshot.Hosts)
			if o.snapshot != s && (oldest == nil || o.snapshot.Time.Before(oldest.Time)) {
				oldest = o.snapshot
			}
		}
		if hosts <= p.hosts || oldest == nil {
			return
		}
		for _, o := range slices.Clone(p.open) {
			if o.snapshot == oldest {
				p.cut(o)
			}
		}
	}
}

// Write counts as waiting for the reader, anew with each buffer: a long reply
// takes its time even if the reader is quick.
func (c *conn) Write(b []byte) (int, error) {
	c.places.mu.Lock()
	counts := c.replying
	if counts {
		c.since = time.Now()
	}
	c.places.mu.Unlock()
	n, err := c.Conn.Write(b)
	if counts {
		c.places.mu.Lock()
		if c.replying {
			c.since = time.Time{}
		}
		c.places.mu.Unlock()
	}
	return n, err
}

func (c *conn) Close() error {
	err := c.Conn.Close()
	c.places.mu.Lock()
	defer c.places.mu.Unlock()
	c.places.remove(c)
	if c.cut && errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// sendBuffer is what a reader that is gone leaves in the kernel.
const sendBuffer = 64 << 10

// limited is a listener whose connections have places.
type limited struct {
	net.Listener
	places  *places
	abandon time.Duration // a connection whose other end takes nothing for so long
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if tcp, ok := c.(*net.TCPConn); ok && !l.prepare(tcp) {
			c.Close()
			continue
		}
		n, err := l.places.admit(c)
		if err != nil {
			return nil, err
		}
		return n, nil
	}
}

// prepare bounds what the kernel does for a connection. It tells whether the
// other end is still there: many come and go before it is their turn.
func (l *limited) prepare(c *net.TCPConn) (there bool) {
	c.SetKeepAlivePeriod(30 * time.Second)
	c.SetWriteBuffer(sendBuffer)
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	err = raw.Control(func(fd uintptr) {
		// Also of a connection that we have closed and that has something left to send.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(l.abandon.Milliseconds()))
		const closed = 7 // TCP_CLOSE
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		there = err != nil || info.State != closed
	})
	return err == nil && there
}

func (l *limited) Close() error {
	l.places.close()
	return l.Listener.Close()
}
