// SPDX-License-Identifier: GPL-2.0-only

package ubus

import (
	"context"
	"sync/atomic"

	"github.com/mezoura/mezoura/ubus/blobmsg"
	"github.com/mezoura/mezoura/ubus/internal/proto"
)

// Object is what a program publishes under a path.
type Object struct {
	Path    string
	Methods []Method
	// Subscribed is told when the first subscriber comes and the last goes.
	// It runs as handlers do.
	Subscribed func(bool)
}

// Method is one method of an Object. The broker shows its arguments to those
// who list the object; calls that break them never reach the handler.
type Method struct {
	Name string
	Args []Arg
	// Handler answers a call with what blobmsg.Marshal takes, nil for no
	// answer but success, or with an error: a Status as it is, any other as
	// ErrUnknown. The context ends with the Conn.
	Handler func(ctx context.Context, r *Request) (any, error)
}

// Arg is one argument a method knows.
//
// A call is refused with ErrInvalidArgument when a required one is missing or
// one has another type; further arguments are passed over. That is what
// blobmsg_parse and the handlers around it do with required arguments. An
// optional one of a wrong type they take for absent, which hides mistakes; it
// is refused here, as by rpcd's own checks.
type Arg struct {
	Name     string
	Type     blobmsg.Type // blobmsg.AnyInt for integers of any width, Unspec for anything
	Required bool
}

// Request is a call of a method.
type Request struct {
	Method string
	Args   blobmsg.Table
	// User and Group of the caller, as the broker knows them; "" if it does not say.
	User, Group string
}

// Published is an object the broker knows, on this link and the next ones.
type Published struct {
	entry      entry
	object     Object
	subscribed atomic.Bool
}

// Publish makes an object known. It fails if the broker refuses it: another
// has that path (ErrInvalidArgument), or we may not. While there is no broker it
// succeeds, and the object appears with the broker.
func (c *Conn) Publish(ctx context.Context, o Object) (*Published, error) {
	p := &Published{object: o}
	p.entry = entry{op: "publish", what: o.Path, bind: func() *binding {
		p.subscribed.Store(false)
		return &binding{path: o.Path, methods: o.Methods, sink: p}
	}}
	if o.Path == "" {
		return nil, wrap("publish", "object", ErrInvalidArgument)
	}
	if err := c.register(ctx, &p.entry); err != nil {
		return nil, err
	}
	return p, nil
}

// Notify sends a notification to all subscribers and waits for none. Without a
// broker it returns ErrDisconnected; nobody is subscribed then.
func (p *Published) Notify(_ context.Context, kind string, payload any) error {
	table, err := blobmsg.Marshal(payload)
	if err == nil {
		var link transport
		var b *binding
		if link, b, err = p.entry.current(); err == nil {
			err = link.notify(b, kind, table.Bytes())
		}
	}
	return wrap("notify", p.object.Path+" "+kind, err)
}

// Subscribed tells whether there are subscribers. ubus does not say how many.
func (p *Published) Subscribed() bool { return p.subscribed.Load() }

// Close takes the object off the broker.
func (p *Published) Close() error { return p.entry.close(p.entry.conn.ctx) }

func (p *Published) removed(uint32) {}

func (p *Published) active(subscribed bool) {
	if p.subscribed.Swap(subscribed) != subscribed && p.object.Subscribed != nil {
		p.entry.queue.push(func(int) { p.object.Subscribed(subscribed) })
	}
}

func (p *Published) invoked(in *incoming) {
	if !p.entry.queue.push(func(int) { p.answer(in) }) {
		_ = in.link.reply(in, nil, ErrNoMemory)
	}
}

func (p *Published) answer(in *incoming) {
	c, link := p.entry.conn, in.link
	result, err := p.handle(in)
	if err != nil || result == nil {
		_ = link.reply(in, nil, statusOf(err)) // the caller may be gone with the link: nothing to do
		return
	}
	b := c.builder()
	defer c.release(b)
	b.Fields(result)
	table, err := b.Table()
	if err == nil && len(table.Bytes()) > proto.MaxMessage-64 {
		err = ErrTooLarge
	}
	if err != nil {
		_ = link.reply(in, nil, statusOf(err))
		return
	}
	data := table.Bytes()
	if data == nil {
		data = []byte{}
	}
	_ = link.reply(in, data, 0)
}

func (p *Published) handle(in *incoming) (any, error) {
	for i := range p.object.Methods {
		m := &p.object.Methods[i]
		if m.Name != in.method {
			continue
		}
		if in.args == nil {
			return nil, ErrInvalidArgument
		}
		args, err := blobmsg.Parse(in.args)
		if err != nil {
			return nil, ErrInvalidArgument
		}
		if err := m.check(args); err != nil {
			return nil, err
		}
		return m.Handler(p.entry.conn.ctx, &Request{Method: in.method, Args: args, User: in.user, Group: in.group})
	}
	return nil, ErrMethodNotFound
}

func (m *Method) check(args blobmsg.Table) error {
	for _, a := range m.Args {
		v := args.Get(a.Name)
		switch {
		case !v.Exists() && a.Required, v.Exists() && !a.accepts(v):
			return ErrInvalidArgument
		}
	}
	return nil
}

func (a *Arg) accepts(v blobmsg.Value) bool {
	switch a.Type {
	case blobmsg.Unspec:
		return true
	case blobmsg.AnyInt:
		_, ok := v.Int()
		return ok
	}
	return v.Type() == a.Type
}

// wireType is the type the broker is told: tools know no AnyInt.
func (a *Arg) wireType() uint32 {
	if a.Type == blobmsg.AnyInt {
		return uint32(blobmsg.Int32)
	}
	return uint32(a.Type)
}

// signature is how an object's methods are told to the broker: a table for
// each, of the types of its arguments.
func signature(methods []Method) []byte {
	var b blobmsg.Builder
	for _, m := range methods {
		b.OpenTable(m.Name)
		for _, a := range m.Args {
			b.Int32(a.Name, int32(a.wireType()))
		}
		b.Close()
	}
	table, err := b.Table()
	if err != nil {
		return nil // names of 64 KiB: the broker refuses an object without signature to nobody
	}
	return table.Bytes()
}

// builder lends memory for an answer; large ones are frequent where there are any.
func (c *Conn) builder() *blobmsg.Builder {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.builders); n > 0 {
		b := c.builders[n-1]
		c.builders = c.builders[:n-1]
		return b
	}
	return new(blobmsg.Builder)
}

func (c *Conn) release(b *blobmsg.Builder) {
	b.Reset()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.builders) < maxFree {
		c.builders = append(c.builders, b)
	}
}

func (c *Conn) linkNow() transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link
}
