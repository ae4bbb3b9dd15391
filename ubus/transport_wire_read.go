// SPDX-License-Identifier: GPL-2.0-only

package ubus

import (
	"bufio"

	"github.com/mezoura/mezoura/ubus/internal/proto"
)

// read takes frames apart until the link ends, whatever ends it.
func (w *wire) read(r *bufio.Reader) {
	defer w.workers.Done()
	defer w.drop()
	for {
		f, err := proto.Read(r)
		if err != nil {
			return
		}
		switch f.Type {
		case proto.Status:
			w.finished(f)
		case proto.Data:
			w.received(f)
		case proto.Invoke:
			w.invoked(f)
		case proto.Notify, proto.Unsubscribe:
			w.changed(f)
		case proto.Monitor:
			w.monitor(f.Seq, f.Body)
		}
	}
}

// find returns the request a frame answers. Both numbers must match, as in
// libubus: the sequence number alone may be an older request's.
func (w *wire) find(h proto.Header) *pending {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.pending[h.Seq]
	if p == nil || p.peer != h.Peer {
		return nil
	}
	return p
}

func (w *wire) received(f proto.Frame) {
	p := w.find(f.Header)
	if p == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock() // against abandon: the caller has left, data is nil
	if p.data != nil {
		p.data(f.Body)
	}
	if p.bind != nil { // known before the next frame, which may be a call of it
		a := proto.Parse(f.Body)
		if p.bind.id = a.Uint32(proto.AttrObjID); p.bind.id != 0 {
			w.objects[p.bind.id] = p.bind
		}
	}
}

func (w *wire) finished(f proto.Frame) {
	p := w.find(f.Header)
	if p == nil {
		return
	}
	a := proto.Parse(f.Body)
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.pending, f.Seq)
	p.status = int(ErrInvalidArgument)
	if a.Has(proto.AttrStatus) {
		p.status = int(int32(a.Uint32(proto.AttrStatus)))
	}
	if !p.abandoned {
		close(p.finished)
	}
}

func (w *wire) object(id uint32) *binding {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.objects[id]
}

func (w *wire) invoked(f proto.Frame) {
	a := proto.Parse(f.Body)
	if !a.Has(proto.AttrObjID) {
		return
	}
	in := &incoming{link: w, object: a.Uint32(proto.AttrObjID), peer: f.Peer, seq: f.Seq, method: a.Text(proto.AttrMethod),
		args: a[proto.AttrData], user: a.Text(proto.AttrUser), group: a.Text(proto.AttrGroup), noReply: a.Bool(proto.AttrNoReply)}
	b := w.object(in.object)
	switch {
	case b == nil:
		_ = w.reply(in, nil, ErrNotFound)
	case !a.Has(proto.AttrMethod):
		_ = w.reply(in, nil, ErrInvalidArgument)
	default:
		b.sink.invoked(in)
	}
}

// changed handles what the broker says of subscriptions: Notify to the object
// that is subscribed to, Unsubscribe to the one that subscribed.
func (w *wire) changed(f proto.Frame) {
	a := proto.Parse(f.Body)
	b := w.object(a.Uint32(proto.AttrObjID))
	switch {
	case b == nil:
	case f.Type == proto.Notify && a.Has(proto.AttrActive):
		b.sink.active(a.Bool(proto.AttrActive))
	case f.Type == proto.Unsubscribe && a.Has(proto.AttrTarget):
		b.sink.removed(a.Uint32(proto.AttrTarget))
	}
}
