// SPDX-License-Identifier: GPL-2.0-only

package ubus

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// entry is what a Conn registers again on every link: a published object, a
// listener, a subscription, a watch, a monitor. It is the sink of its binding.
type entry struct {
	conn *Conn
	op   string // for errors
	what string
	// bind makes the binding of one link; finish does what must follow once
	// the broker knows it. Either may be nil.
	bind   func() *binding
	finish func(ctx context.Context, link transport, b *binding) error
	undo   func(ctx context.Context, link transport) // instead of removing the object
	// added hears of every object that appears while the link is up.
	added func(ctx context.Context, path string, id uint32)
	// monitor hears every monitor message.
	monitor func(seq uint16, body []byte)
	queue   queue

	mu      sync.Mutex // held while registering: not for upcalls
	link    transport  // where it is registered
	binding *binding
	closed  bool
}

// register makes e known to the broker now, if there is one, and on every link
// from now on. A broker that refuses makes it fail; one that is not there, not.
func (c *Conn) register(ctx context.Context, e *entry) error {
	c.mu.Lock()
	c.adopt(e)
	if c.ctx.Err() != nil {
		c.mu.Unlock()
		return wrap(e.op, e.what, ErrClosed)
	}
	link := c.link
	c.mu.Unlock()
	if link == nil {
		return nil
	}
	ctx, cancel := c.deadline(ctx)
	defer cancel()
	err := e.ensure(ctx, link)
	if err == nil || errors.Is(err, ErrDisconnected) {
		return nil
	}
	_ = e.close(context.WithoutCancel(ctx))
	return err
}

// adopt makes e one of c's entries; c.mu is held.
func (c *Conn) adopt(e *entry) {
	e.conn = c
	e.queue.handlers = &c.handlers
	c.entries = append(c.entries, e)
}

// ensure registers e on the link unless it is there already.
func (e *entry) ensure(ctx context.Context, link transport) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.link == link {
		return nil
	}
	ctx, cancel := e.conn.deadline(ctx)
	defer cancel()
	var b *binding
	if e.bind != nil {
		b = e.bind()
		if err := link.addObject(ctx, b); err != nil {
			return wrap(e.op, e.what, err)
		}
	}
	if e.finish != nil {
		if err := e.finish(ctx, link, b); err != nil {
			if b != nil {
				_ = link.removeObject(ctx, b)
			}
			return wrap(e.op, e.what, err)
		}
	}
	e.link, e.binding = link, b
	return nil
}

// current returns the link and binding that e has there now.
func (e *entry) current() (transport, *binding, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	link, err := e.conn.up()
	switch {
	case e.closed:
		return nil, nil, ErrClosed
	case err != nil:
		return nil, nil, err
	case e.link != link:
		return nil, nil, ErrDisconnected
	}
	return e.link, e.binding, nil
}

// close takes e off the Conn and the broker. It may be called again.
func (e *entry) close(ctx context.Context) error {
	c := e.conn
	c.mu.Lock()
	c.entries = slices.DeleteFunc(c.entries, func(x *entry) bool { return x == e })
	link := c.link
	c.mu.Unlock()

	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	e.queue.close()
	if link == nil || e.link != link {
		return nil // the broker has forgotten it with the link
	}
	ctx, cancel := c.deadline(ctx)
	defer cancel()
	if e.undo != nil {
		e.undo(ctx, link)
		return nil
	}
	err := link.removeObject(ctx, e.binding)
	if errors.Is(err, ErrDisconnected) {
		err = nil
	}
	return wrap("remove", e.what, err)
}
