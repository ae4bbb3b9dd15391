// SPDX-License-Identifier: GPL-2.0-only

// Package broker is a ubus broker: what ubusd is on OpenWrt, for hosts that
// have none, for tests and for demonstrations. Clients of ubusd, the ubus tool
// among them, work with it unchanged.
//
// It follows ubusd message by message: ids, paths, patterns, the order of
// answers, events about objects, and a queue for each client that drops what a
// client does not read. It differs where it says so:
//
//   - Access files (/usr/share/acl.d) are not read. Root and the broker's own
//     user may do everything, others what Options.Allow says; nobody else can
//     open the socket unless Options.Mode lets them.
//   - Descriptors that accompany a message are closed, not passed on.
//   - A frame with a version other than 0 ends the connection.
//
// # Lifetime and concurrency
//
// [Listen] acquires the socket, Serve accepts clients until Close, which ends
// all of them, removes the socket and may be called again. Each client has a
// goroutine that reads and one that writes; a single lock makes the handling of
// messages what it is in ubusd: one at a time. Nothing waits for a client while
// the lock is held.
package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Access is what a client asks to do with a path.
type Access int

// The kinds of access of ubusd.
const (
	Call Access = iota
	Publish
	Subscribe
	Listening // for events
	Send      // events
)

// Cred is who a client is, as the kernel says.
type Cred struct {
	PID      int32
	UID, GID uint32
}

// Options of a broker. The zero value is right for root.
type Options struct {
	// Mode of the socket, default 0600.
	Mode fs.FileMode
	// Allow decides for clients that are neither root nor the broker's own
	// user. name is an object's path or an event, method is "" except for Call.
	// nil refuses them everything, as ubusd does without access files.
	Allow func(who Cred, access Access, name, method string) bool
	// Names tells the user and group of a client, which objects see with each
	// call. nil looks into the system's database.
	Names func(who Cred) (user, group string)
	// MaxClients bounds the connections, default 4096.
	MaxClients int
	// Rand is where ids come from, default crypto/rand.
	Rand io.Reader
}

// Broker serves one socket.
type Broker struct {
	opt      Options
	path     string
	listener *net.UnixListener
	self     uint32 // our own user
	clients  sync.WaitGroup
	accept   sync.Mutex // one Serve

	mu     sync.Mutex
	closed bool
	bus    bus
}

// DefaultSocket is where ubusd listens on OpenWrt.
const DefaultSocket = "/var/run/ubus/ubus.sock"

// Listen makes the socket. The folder it is in is made as well if it is not
// there; a socket that nobody listens on is replaced, one in use is an error.
func Listen(path string, opt Options) (*Broker, error) {
	if opt.Mode == 0 {
		opt.Mode = 0o600
	}
	if opt.MaxClients <= 0 {
		opt.MaxClients = 4096
	}
	if opt.Rand == nil {
		opt.Rand = rand.Reader
	}
	if opt.Names == nil {
		opt.Names = systemNames
	}
	listener, err := listen(path, opt.Mode)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	b := &Broker{opt: opt, path: path, listener: listener, self: uint32(os.Geteuid())}
	b.bus.init(b)
	return b, nil
}

// listen binds next to the path and moves the socket there, so that it never
// is there with another mode than its own.
func listen(path string, mode fs.FileMode) (*net.UnixListener, error) {
	if probe, err := net.Dial("unix", path); err == nil {
		probe.Close()
		return nil, syscall.EADDRINUSE
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	private, err := os.MkdirTemp(dir, ".ubus-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(private)
	temporary := filepath.Join(private, "sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: temporary, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(temporary, mode), os.Rename(temporary, path)); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Path is the socket's.
func (b *Broker) Path() string { return b.path }

// Serve accepts clients until ctx ends or Close; then it returns nil.
func (b *Broker) Serve(ctx context.Context) error {
	b.accept.Lock()
	defer b.accept.Unlock()
	defer context.AfterFunc(ctx, func() { b.Close() })()
	pause := time.Millisecond
	for {
		sock, err := b.listener.AcceptUnix()
		switch {
		case err == nil:
			pause = time.Millisecond
			b.admit(sock)
		case errors.Is(err, net.ErrClosed):
			return nil
		default: // out of descriptors, say: clients that leave free some
			time.Sleep(pause)
			pause = min(2*pause, time.Second)
		}
	}
}

// Close ends all connections and waits for them.
func (b *Broker) Close() error {
	b.mu.Lock()
	first := !b.closed
	b.closed = true
	for _, c := range b.bus.clients {
		c.drop()
	}
	b.mu.Unlock()
	if first {
		b.listener.Close()
		if err := os.Remove(b.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	b.clients.Wait()
	return nil
}

// Clients counts the connections.
func (b *Broker) Clients() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.bus.clients)
}

// admit greets a new client and starts its goroutines.
func (b *Broker) admit(sock *net.UnixConn) {
	who, err := credentials(sock)
	if err != nil {
		sock.Close()
		return
	}
	c := newClient(b, sock, who)
	c.user, c.group = b.opt.Names(who)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(b.bus.clients) >= b.opt.MaxClients || !b.bus.join(c) {
		sock.Close()
		return
	}
	b.clients.Add(1)
	go c.serve()
}

// privileged tells whether a client may do everything.
func (b *Broker) privileged(who Cred) bool { return who.UID == 0 || who.UID == b.self }

// may tells whether a client may do that. Nameless objects are everybody's who
// knows their id, as in ubusd.
func (b *Broker) may(c *client, access Access, name, method string, named bool) bool {
	return !named || b.privileged(c.who) || b.opt.Allow != nil && b.opt.Allow(c.who, access, name, method)
}
