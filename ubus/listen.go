// SPDX-License-Identifier: GPL-2.0-only

package ubus

import (
	"context"

	"github.com/mezoura/mezoura/ubus/blobmsg"
	"github.com/mezoura/mezoura/ubus/internal/proto"
)

// Event is something that happened, sent to whoever listens.
type Event struct {
	Name string
	Data blobmsg.Table
	// Missed counts the events lost before this one because the handler was
	// too slow.
	Missed int
}

// Listener receives events until it is closed.
type Listener struct {
	entry entry
	fn    func(Event)
}

// Listen calls fn for every event whose name is pattern, or starts with what
// pattern has before a final "*".
func (c *Conn) Listen(ctx context.Context, pattern string, fn func(Event)) (*Listener, error) {
	l := newListener(pattern, fn)
	if err := c.register(ctx, &l.entry); err != nil {
		return nil, err
	}
	return l, nil
}

func newListener(pattern string, fn func(Event)) *Listener {
	l := &Listener{fn: fn}
	l.entry = entry{op: "listen", what: pattern,
		bind:   func() *binding { return &binding{sink: l} },
		finish: func(ctx context.Context, link transport, b *binding) error { return listen(ctx, link, b, pattern) }}
	return l
}

// listen asks the broker for events on behalf of an object.
func listen(ctx context.Context, link transport, b *binding, pattern string) error {
	args, err := blobmsg.Marshal(blobmsg.Fields{{Name: "object", Value: int32(b.id)}, {Name: "pattern", Value: pattern}})
	if err != nil {
		return err
	}
	_, err = invoke(ctx, link, proto.ObjectEvent, "register", args)
	return err
}

// Close ends the listening.
func (l *Listener) Close() error { return l.entry.close(l.entry.conn.ctx) }

func (l *Listener) active(bool)    {}
func (l *Listener) removed(uint32) {}

func (l *Listener) invoked(in *incoming) {
	l.entry.queue.push(func(missed int) {
		if data, err := blobmsg.Parse(in.args); err == nil { // what nobody can read concerns nobody
			l.fn(Event{Name: in.method, Data: data, Missed: missed})
		}
	})
}
