// SPDX-License-Identifier: GPL-2.0-only

package ubus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/mezoura/mezoura/ubus/blobmsg"
	"github.com/mezoura/mezoura/ubus/internal/proto"
)

// Options of a connection. The zero value is right on a router.
type Options struct {
	// Socket is the broker's; "" is the system's: /var/run/ubus/ubus.sock,
	// else /var/run/ubus.sock.
	Socket string
	// Transport is "wire" or "libubus"; "" is libubus where it was built in.
	Transport string
	// Lazy makes Dial succeed without a broker: the Conn waits for one.
	Lazy bool
	// Timeout bounds calls whose context has no deadline. Default 30 s, as
	// the ubus tool.
	Timeout time.Duration
	// MaxPause bounds the pause between two attempts to connect. Default 30 s.
	MaxPause time.Duration
	// Changed is told when the link comes (nil) and goes (why), once each, not
	// per attempt; and when the broker refuses to take a registration up again.
	// It must not block, nor call the Conn.
	Changed func(err error)
	// Rand spreads the pauses: a number in [0, 1). Default math/rand.
	Rand func() float64
}

// Conn is a connection to the broker that outlives the broker.
type Conn struct {
	opt       Options
	transport string
	dial      dialer
	ctx       context.Context // until Close
	cancel    context.CancelFunc
	handlers  sync.WaitGroup
	stopped   chan struct{} // the keeper returned

	mu       sync.Mutex
	link     transport // nil while there is none
	entries  []*entry  // in the order they are to be registered
	adds     *Listener // of ubus.object.add, for subscriptions
	builders []*blobmsg.Builder
}

// Dial connects to the broker.
func Dial(ctx context.Context, opt Options) (*Conn, error) {
	name, dial, err := findTransport(opt.Transport)
	if err != nil {
		return nil, fmt.Errorf("dial ubus: %w", err)
	}
	if opt.Timeout <= 0 {
		opt.Timeout = 30 * time.Second
	}
	if opt.MaxPause <= 0 {
		opt.MaxPause = 30 * time.Second
	}
	if opt.Rand == nil {
		opt.Rand = rand.Float64
	}
	if opt.Changed == nil {
		opt.Changed = func(error) {}
	}
	c := &Conn{opt: opt, transport: name, dial: dial, stopped: make(chan struct{})}
	link, err := c.connect(ctx)
	if err != nil && !opt.Lazy {
		return nil, fmt.Errorf("dial ubus: %w", err)
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.link = link
	go c.keep(link, err)
	return c, nil
}

// Transport names the transport in use.
func (c *Conn) Transport() string { return c.transport }

// Connected tells whether there is a link at the moment.
func (c *Conn) Connected() bool {
	_, err := c.up()
	return err == nil
}

// Close ends the connection and waits for handlers to return; their contexts
// are cancelled.
func (c *Conn) Close() error {
	c.cancel()
	<-c.stopped
	c.mu.Lock()
	for _, e := range c.entries {
		e.queue.close()
	}
	c.mu.Unlock()
	c.handlers.Wait()
	return nil
}

// Call calls a method and returns what it answers; without an answer that is
// the empty table. args is what blobmsg.Marshal takes. An answer in several
// messages comes as one.
func (c *Conn) Call(ctx context.Context, object, method string, args any) (blobmsg.Table, error) {
	reply, err := c.call(ctx, object, method, args)
	return reply, wrap("call", object+" "+method, err)
}

func (c *Conn) call(ctx context.Context, object, method string, args any) (blobmsg.Table, error) {
	table, err := blobmsg.Marshal(args)
	if err != nil {
		return blobmsg.Table{}, err
	}
	link, err := c.up()
	if err != nil {
		return blobmsg.Table{}, err
	}
	ctx, cancel := c.deadline(ctx)
	defer cancel()
	found, err := link.lookup(ctx, object)
	if err != nil {
		return blobmsg.Table{}, err
	}
	if len(found) != 1 || found[0].Path != object { // a pattern, or an object that may not be seen
		return blobmsg.Table{}, ErrNotFound
	}
	return invoke(ctx, link, found[0].ID, method, table)
}

// Lookup lists the objects whose path is pattern, or starts with what pattern
// has before a final "*"; "" lists all.
func (c *Conn) Lookup(ctx context.Context, pattern string) ([]ObjectInfo, error) {
	link, err := c.up()
	if err == nil {
		var cancel context.CancelFunc
		ctx, cancel = c.deadline(ctx)
		defer cancel()
		var found []ObjectInfo
		if found, err = link.lookup(ctx, pattern); err == nil {
			return found, nil
		}
	}
	return nil, wrap("look up", pattern, err)
}

// Send sends an event to everybody who listens for it, except this Conn.
func (c *Conn) Send(ctx context.Context, event string, payload any) error {
	data, err := blobmsg.Marshal(payload)
	if err == nil {
		_, err = c.system(ctx, proto.ObjectEvent, "send", blobmsg.Fields{{Name: "id", Value: event}, {Name: "data", Value: data}})
	}
	return wrap("send", event, err)
}

// system calls one of the broker's own objects.
func (c *Conn) system(ctx context.Context, object uint32, method string, args any) (blobmsg.Table, error) {
	table, err := blobmsg.Marshal(args)
	if err != nil {
		return blobmsg.Table{}, err
	}
	link, err := c.up()
	if err != nil {
		return blobmsg.Table{}, err
	}
	ctx, cancel := c.deadline(ctx)
	defer cancel()
	return invoke(ctx, link, object, method, table)
}

func invoke(ctx context.Context, link transport, object uint32, method string, args blobmsg.Table) (blobmsg.Table, error) {
	body, err := link.invoke(ctx, object, method, args.Bytes())
	if err != nil {
		return blobmsg.Table{}, err
	}
	reply, err := blobmsg.Parse(body)
	if err != nil {
		return blobmsg.Table{}, fmt.Errorf("%w: %w", ErrParse, err)
	}
	return reply, nil
}

func (c *Conn) up() (transport, error) {
	if c.ctx.Err() != nil {
		return nil, ErrClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link == nil {
		return nil, ErrDisconnected
	}
	return c.link, nil
}

func (c *Conn) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.opt.Timeout)
}

func (c *Conn) connect(ctx context.Context) (transport, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return c.dial(ctx, c.opt.Socket, c.monitored)
}

// errLost is what Changed hears when an established link ends.
var errLost = errors.New("ubus broker closed the connection")

// keep keeps the link up until Close. It alone replaces c.link.
func (c *Conn) keep(link transport, err error) {
	defer close(c.stopped)
	var down time.Time // since when, zero while the link is up
	for link != nil || c.ctx.Err() == nil {
		if link == nil {
			if down.IsZero() {
				down = time.Now()
				c.opt.Changed(err)
			}
			if !c.sleep(c.pause(time.Since(down))) {
				return
			}
			if link, err = c.connect(c.ctx); err != nil {
				link = nil
				continue
			}
			c.setLink(link)
		}
		down = time.Time{}
		if c.ctx.Err() == nil { // else closed before it was served
			c.serve(link)
		}
		c.setLink(nil)
		link.close()
		link, err = nil, errLost
	}
}

// pause is how long to wait before the next attempt when there has been no
// broker for so long: a third of that, so that a broker which was away for a
// moment is found within a moment, and one that never comes costs nothing.
// Spread by a quarter, lest all clients of a broker come at once.
func (c *Conn) pause(down time.Duration) time.Duration {
	p := min(max(down/3, 40*time.Millisecond), c.opt.MaxPause)
	return time.Duration(float64(p) * (0.75 + 0.5*c.opt.Rand()))
}

func (c *Conn) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.ctx.Done():
		return false
	}
}

func (c *Conn) setLink(link transport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link = link
}

// serve takes up all registrations and returns when the link is gone. What the
// broker refuses is tried again: a path may still be another's for a moment.
func (c *Conn) serve(link transport) {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, link.close)()
	told := false
	for {
		err := c.takeUp(ctx, link)
		select {
		case <-link.done():
			return
		default:
		}
		if !told {
			c.opt.Changed(err)
			told = true
		} else if err == nil {
			c.opt.Changed(nil)
		}
		var again <-chan time.Time
		if err != nil {
			again = time.After(time.Second)
		}
		select {
		case <-link.done():
			return
		case <-again:
		}
	}
}

// takeUp registers everything that the link does not know yet.
func (c *Conn) takeUp(ctx context.Context, link transport) error {
	c.mu.Lock()
	entries := slices.Clone(c.entries)
	c.mu.Unlock()
	var failed error
	for _, e := range entries {
		if err := e.ensure(ctx, link); err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}
