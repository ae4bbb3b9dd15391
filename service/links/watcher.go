// SPDX-License-Identifier: GPL-2.0-only

package links

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	// What belongs together arrives together: a device joins a bridge in five messages.
	settle = 5 * time.Millisecond
	// After a read, a rest of this many times what it took, so that a storm of changes among
	// thousands of devices costs a fifth of one CPU at most.
	restFactor = 4
	restMax    = 500 * time.Millisecond
	// A socket that fails is replaced soon; one that cannot be opened is tried at a slower pace.
	retryFirst = 10 * time.Millisecond
	retry      = 200 * time.Millisecond

	// What the kernel reports of no device that is down, as that a bridge filters VLANs, is
	// found this late.
	guard = 30 * time.Second

	maxGenerations = 1024
)

var watchedGroups = [...]uint32{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR}

// Option changes how a Watcher is opened.
type Option func(*options)

type options struct {
	namespace  int
	readBuffer int
}

// InNamespace watches the network namespace of this open file instead of the thread's.
func InNamespace(fd int) Option { return func(o *options) { o.namespace = fd } }

// ReadBuffer sets the size of the socket's receive buffer in bytes. The default of the
// system will do: when it overflows, everything is read anew.
func ReadBuffer(bytes int) Option { return func(o *options) { o.readBuffer = bytes } }

// Watcher keeps a Table up to date. Table, Resyncs and Close may be called by any goroutine
// at any time; Changed is for one receiver.
type Watcher struct {
	options options
	table   atomic.Pointer[Table]
	changed chan struct{}
	resyncs atomic.Uint64

	mu     sync.Mutex // guards what Close and Run share
	events *netlink.Conn
	closed bool

	generations generations
}

// Open starts to listen and reads the first Table. Run must be called for it to follow
// changes, Close to release the sockets.
func Open(opts ...Option) (*Watcher, error) {
	w := &Watcher{changed: make(chan struct{}, 1)}
	for _, o := range opts {
		o(&w.options)
	}
	w.generations.seen = make(map[int]uint32)
	// Listening comes first: what changes while we read is read again.
	if err := w.listen(); err != nil {
		return nil, err
	}
	if _, err := w.read(); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// Table returns the present view, never nil.
func (w *Watcher) Table() *Table { return w.table.Load() }

// Changed receives after the Table was replaced by one that differs. Several changes may
// come as one.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Resyncs counts how often messages were lost, and everything read anew for that reason.
func (w *Watcher) Resyncs() uint64 { return w.resyncs.Load() }

// Close releases the sockets and ends Run. It may be called again.
func (w *Watcher) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	return w.closeEvents()
}

// Run follows changes until the context ends or the Watcher is closed, and returns nil then.
// It never gives up on its own: while the sockets fail, it opens them again.
func (w *Watcher) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { w.Close() })()

	hints := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel() // ends only when the Watcher is closed
		w.receive(ctx, hints)
	}()
	defer func() { cancel(); w.Close(); <-done }()

	slow := time.NewTicker(guard)
	defer slow.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hints:
		case <-slow.C:
		}
		if !sleep(ctx, settle) {
			return nil
		}
		select { // what came meanwhile is covered by the read that follows
		case <-hints:
		default:
		}
		took, err := w.read()
		if err != nil {
			if !sleep(ctx, retry) {
				return nil
			}
			hint(hints)
			continue
		}
		if !sleep(ctx, min(restFactor*took, restMax)) {
			return nil
		}
	}
}

// receive turns messages into hints, and sockets that fail into new ones.
func (w *Watcher) receive(ctx context.Context, hints chan<- struct{}) {
	pause := retryFirst
	for {
		conn := w.current()
		if conn == nil {
			return
		}
		messages, err := conn.Receive()
		if err != nil {
			if w.isClosed() {
				return
			}
			w.resyncs.Add(1)
			// After an overrun the socket works on. Anything else: take a new one.
			for !errors.Is(err, unix.ENOBUFS) {
				if !sleep(ctx, pause) || w.isClosed() {
					return
				}
				if err = w.listen(); err == nil {
					break
				}
				pause = retry
			}
			pause = retryFirst
			hint(hints)
			continue
		}
		for _, m := range messages {
			w.generations.note(m)
		}
		if len(messages) > 0 {
			hint(hints)
		}
	}
}

// read replaces the Table if anything differs, and tells how long reading took.
func (w *Watcher) read() (time.Duration, error) {
	start := time.Now()
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{NetNS: w.options.namespace})
	if err != nil {
		return 0, fmt.Errorf("open rtnetlink: %w", err)
	}
	defer conn.Close()
	table, err := (&dumper{conn: conn}).table(w.generations.of)
	if err != nil {
		return 0, err
	}
	w.generations.prune(table)
	if old := w.table.Load(); old == nil {
		w.table.Store(table)
	} else if !table.Equal(old) {
		w.table.Store(table)
		hint(w.changed)
	}
	return time.Since(start), nil
}

// listen opens the socket that changes are reported on.
func (w *Watcher) listen() error {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{NetNS: w.options.namespace})
	if err != nil {
		return fmt.Errorf("open rtnetlink: %w", err)
	}
	if w.options.readBuffer > 0 {
		if err := conn.SetReadBuffer(w.options.readBuffer); err != nil {
			conn.Close()
			return fmt.Errorf("set receive buffer to %d: %w", w.options.readBuffer, err)
		}
	}
	for _, group := range watchedGroups {
		if err := conn.JoinGroup(group); err != nil {
			conn.Close()
			return fmt.Errorf("join rtnetlink group %d: %w", group, err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		conn.Close()
		return nil
	}
	w.closeEvents()
	w.events = conn
	return nil
}

func (w *Watcher) current() *netlink.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events
}

func (w *Watcher) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

func (w *Watcher) closeEvents() error {
	if w.events == nil {
		return nil
	}
	err := w.events.Close()
	w.events = nil
	return err
}

// generations counts devices that had one index. Indexes are reused only where somebody asks
// for it, but then nothing else tells that all attachments are gone.
type generations struct {
	mu   sync.Mutex
	next uint32
	seen map[int]uint32
}

// note looks for the removal of a device. The family AF_BRIDGE tells of ports that leave.
func (g *generations) note(m netlink.Message) {
	if m.Header.Type != unix.RTM_DELLINK || len(m.Data) < sizeofIfInfomsg || m.Data[0] != unix.AF_UNSPEC {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next++
	g.seen[int(int32(binary.NativeEndian.Uint32(m.Data[4:])))] = g.next
}

func (g *generations) of(index int) uint32 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.seen[index]
}

// prune forgets indexes that nobody has, when there are many of them.
func (g *generations) prune(t *Table) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.seen) <= maxGenerations {
		return
	}
	for index := range g.seen {
		if _, ok := t.ByIndex(index); !ok {
			delete(g.seen, index)
		}
	}
}

// hint makes sure that a token is in the channel.
func hint(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
