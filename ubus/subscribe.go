// SPDX-License-Identifier: GPL-2.0-only

package ubus

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/mezoura/mezoura/ubus/blobmsg"
)

// Notification is what an object tells its subscribers.
type Notification struct {
	Object string // the path subscribed to
	Type   string
	Data   blobmsg.Table
	// Missed counts the notifications lost before this one because the
	// handler was too slow.
	Missed int
}

// Subscription receives an object's notifications until it is closed.
type Subscription struct {
	entry entry
	path  string
	fn    func(Notification)

	mu     sync.Mutex // held while subscribing: not for upcalls
	link   transport
	target uint32 // id of the object we are subscribed to, 0 if there is none
}

// Subscribe calls fn for every notification of the object with that path. It
// waits for an object that is not there yet, and for one that went to come
// back: Active tells. An object of this very Conn is refused by the broker.
func (c *Conn) Subscribe(ctx context.Context, path string, fn func(Notification)) (*Subscription, error) {
	s := &Subscription{path: path, fn: fn}
	s.entry = entry{op: "subscribe", what: path,
		bind:   func() *binding { return &binding{subscriber: true, sink: s} },
		finish: s.find, added: s.added}
	if err := c.watchAdds(ctx); err != nil {
		return nil, wrap("subscribe", path, err)
	}
	if err := c.register(ctx, &s.entry); err != nil {
		return nil, err
	}
	return s, nil
}

// Active tells whether the object is there and we are subscribed.
func (s *Subscription) Active() bool {
	link := s.entry.conn.linkNow()
	s.mu.Lock()
	defer s.mu.Unlock()
	return link != nil && s.link == link && s.target != 0
}

// Close ends the subscription.
func (s *Subscription) Close() error { return s.entry.close(s.entry.conn.ctx) }

// find subscribes to the object if it is there.
func (s *Subscription) find(ctx context.Context, link transport, b *binding) error {
	found, err := link.lookup(ctx, s.path)
	if errors.Is(err, ErrNotFound) || err == nil && (len(found) != 1 || found[0].Path != s.path) {
		return nil // watchAdds will tell
	}
	if err != nil {
		return err
	}
	return s.attach(ctx, link, b, found[0].ID)
}

// attach subscribes to the object with that id, once.
func (s *Subscription) attach(ctx context.Context, link transport, b *binding, id uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == link && s.target == id {
		return nil
	}
	err := link.subscribe(ctx, b, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil // gone again; another of that path will be told of
	case err == nil:
		s.link, s.target = link, id
	}
	return err
}

// added hears of every object that appears while the link is up.
func (s *Subscription) added(ctx context.Context, path string, id uint32) {
	if path != s.path {
		return
	}
	if link, b, err := s.entry.current(); err == nil {
		_ = s.attach(ctx, link, b, id) // refused: Active stays false
	}
}

func (s *Subscription) active(bool) {}

func (s *Subscription) removed(target uint32) {
	s.entry.queue.push(func(int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.target == target {
			s.target = 0
		}
	})
}

func (s *Subscription) invoked(in *incoming) {
	s.entry.queue.push(func(missed int) {
		if data, err := blobmsg.Parse(in.args); err == nil {
			s.fn(Notification{Object: s.path, Type: in.method, Data: data, Missed: missed})
		}
	})
	_ = in.link.reply(in, nil, 0) // for a publisher that waits
}

// watchAdds listens for new objects, once for all subscriptions. It comes
// before them in the order of registration, so that none is overlooked.
func (c *Conn) watchAdds(ctx context.Context) error {
	c.mu.Lock()
	if c.adds == nil {
		c.adds = newListener("ubus.object.add", c.objectAdded)
		c.adopt(&c.adds.entry)
	}
	l, link := c.adds, c.link
	c.mu.Unlock()
	if link == nil {
		return nil
	}
	if err := l.entry.ensure(ctx, link); !errors.Is(err, ErrDisconnected) {
		return err
	}
	return nil
}

func (c *Conn) objectAdded(e Event) {
	path, id := e.Data.Text("path"), uint32(e.Data.Int("id"))
	c.mu.Lock()
	entries := slices.Clone(c.entries)
	c.mu.Unlock()
	ctx, cancel := c.deadline(c.ctx)
	defer cancel()
	for _, e := range entries {
		if e.added != nil {
			e.added(ctx, path, id)
		}
	}
}
