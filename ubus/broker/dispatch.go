// SPDX-License-Identifier: GPL-2.0-only

package broker

import (
	"strings"

	"github.com/mezoura/mezoura/ubus/internal/proto"
)

// Beside a status, a message may have been answered already, or be answered
// by the object it went to.
const answered = -1

// handle does what a client's message asks, one message of all clients at a
// time.
func (b *Broker) handle(c *client, f proto.Frame) {
	a := proto.Parse(f.Body)
	if f.Type == proto.Lookup && !a.Has(proto.AttrObjPath) {
		b.listAll(c, f)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.bus
	if s.clients[c.id] != c {
		return
	}
	s.monitored(c, f.Header, f.Body, false)
	if status := s.dispatch(c, f, &a); status != answered {
		s.status(c, f.Header, status)
	}
}

func (s *bus) dispatch(c *client, f proto.Frame, a *proto.Attrs) int {
	switch f.Type {
	case proto.Ping:
		s.tell(c, proto.Header{Type: proto.Data, Seq: f.Seq, Peer: f.Peer}, func(w *proto.Writer) { w.Raw(f.Body) })
		return proto.OK
	case proto.AddObject:
		return s.addObject(c, f, a)
	case proto.RemoveObject:
		return s.removeObject(c, f, a)
	case proto.Lookup:
		return s.lookup(c, f, a)
	case proto.Invoke:
		return s.invoke(c, f, a)
	case proto.Status, proto.Data:
		s.respond(c, f, a)
		return answered
	case proto.Subscribe:
		return s.addWatch(c, a)
	case proto.Unsubscribe:
		return s.removeWatch(c, a)
	case proto.Notify:
		return s.notify(c, f, a)
	}
	return proto.InvalidCommand
}

func (s *bus) status(c *client, h proto.Header, status int) {
	s.tell(c, proto.Header{Type: proto.Status, Seq: h.Seq, Peer: h.Peer}, func(w *proto.Writer) {
		w.Uint32(proto.AttrStatus, uint32(status))
	})
}

// data answers a message, before its status.
func (s *bus) data(c *client, h proto.Header, build func(*proto.Writer)) {
	s.tell(c, proto.Header{Type: proto.Data, Seq: h.Seq, Peer: h.Peer}, build)
}

func (s *bus) addObject(c *client, f proto.Frame, a *proto.Attrs) int {
	o := s.add(c, a)
	if o == nil {
		return proto.InvalidArgument
	}
	s.data(c, f.Header, func(w *proto.Writer) {
		w.Uint32(proto.AttrObjID, o.id)
		if a.Has(proto.AttrSignature) && o.typ != nil {
			w.Uint32(proto.AttrObjType, o.typ.id)
		}
	})
	return proto.OK
}

func (s *bus) removeObject(c *client, f proto.Frame, a *proto.Attrs) int {
	if !a.Has(proto.AttrObjID) {
		return proto.InvalidArgument
	}
	o := s.objects[a.Uint32(proto.AttrObjID)]
	switch {
	case o == nil:
		return systemOr(a.Uint32(proto.AttrObjID), proto.PermissionDenied, proto.NotFound)
	case o.client != c:
		return proto.PermissionDenied
	}
	s.data(c, f.Header, func(w *proto.Writer) {
		w.Uint32(proto.AttrObjID, o.id)
		if o.typ != nil && o.typ.references == 1 {
			w.Uint32(proto.AttrObjType, o.typ.id)
		}
	})
	s.remove(o)
	return proto.OK
}

// systemOr tells the broker's own objects, which nobody owns, from none at all.
func systemOr(id uint32, system, other int) int {
	if id >= proto.ObjectEvent && id <= proto.ObjectMonitor {
		return system
	}
	return other
}

// listAll answers a lookup of everything. It may be longer than a client's
// queue, so it goes on when the client has read what it was sent; the lock is
// free meanwhile, and the list goes on after the path it had come to.
func (b *Broker) listAll(c *client, f proto.Frame) {
	last, first := "", true
	for {
		b.mu.Lock()
		s := &b.bus
		if s.clients[c.id] != c {
			b.mu.Unlock()
			return
		}
		if first {
			s.monitored(c, f.Header, f.Body, false)
		}
		at, exact := 0, false
		if !first {
			if at, exact = s.find(last); exact {
				at++
			}
		}
		for n := 0; at < len(s.paths) && n < 32<<10; at++ {
			last = s.paths[at].path
			n += s.show(c, f.Header, s.paths[at])
		}
		first = false
		done := at == len(s.paths)
		if done {
			s.status(c, f.Header, proto.OK)
		}
		b.mu.Unlock()
		if done || !c.wait() {
			return
		}
	}
}

// show sends one object of a lookup, with the methods that the client may call.
func (s *bus) show(c *client, h proto.Header, o *object) int {
	if o.typ == nil {
		return 0
	}
	var methods []byte
	shown := 0
	for i, m := range o.typ.methods {
		if s.broker.may(c, Call, o.path, o.typ.names[i], true) {
			methods = append(methods, m...)
			shown++
		}
	}
	if shown == 0 && len(o.typ.methods) > 0 {
		return 0
	}
	s.data(c, h, func(w *proto.Writer) {
		w.Text(proto.AttrObjPath, o.path)
		w.Uint32(proto.AttrObjID, o.id)
		w.Uint32(proto.AttrObjType, o.typ.id)
		w.Bytes(proto.AttrSignature, methods)
	})
	return len(methods) + len(o.path) + proto.PrefixLen
}

func (s *bus) lookup(c *client, f proto.Frame, a *proto.Attrs) int {
	path := a.Text(proto.AttrObjPath)
	if path == "" {
		return proto.InvalidArgument
	}
	prefix, partial := strings.CutSuffix(path, "*")
	at, exact := s.find(prefix)
	if !partial {
		if !exact {
			return proto.NotFound
		}
		s.show(c, f.Header, s.paths[at])
		return proto.OK
	}
	found := false
	for ; at < len(s.paths) && strings.HasPrefix(s.paths[at].path, prefix); at++ {
		s.show(c, f.Header, s.paths[at])
		found = true
	}
	if !found {
		return proto.NotFound
	}
	return proto.OK
}

func (s *bus) invoke(c *client, f proto.Frame, a *proto.Attrs) int {
	if !a.Has(proto.AttrMethod) || !a.Has(proto.AttrObjID) {
		return proto.InvalidArgument
	}
	id, method := a.Uint32(proto.AttrObjID), a.Text(proto.AttrMethod)
	switch id {
	case proto.ObjectEvent:
		return s.eventObject(c, method, a[proto.AttrData])
	case proto.ObjectACL:
		return s.aclObject(c, f, method)
	case proto.ObjectMonitor:
		return s.monitorObject(c, method)
	}
	o := s.objects[id]
	if o == nil {
		return proto.NotFound
	}
	if !s.broker.may(c, Call, o.path, method, o.named) {
		return proto.PermissionDenied
	}
	s.forward(c, o, f.Seq, method, a, false)
	return answered
}

// forward passes a call or notification on to the object it is for.
func (s *bus) forward(c *client, o *object, seq uint16, method string, a *proto.Attrs, noReply bool) {
	s.tell(o.client, proto.Header{Type: proto.Invoke, Seq: seq, Peer: c.id}, func(w *proto.Writer) {
		if noReply {
			w.Bool(proto.AttrNoReply, true)
		}
		w.Uint32(proto.AttrObjID, o.id)
		w.Text(proto.AttrMethod, method)
		w.Text(proto.AttrUser, c.user)
		w.Text(proto.AttrGroup, c.group)
		if a.Has(proto.AttrData) {
			w.Bytes(proto.AttrData, a[proto.AttrData])
		}
	})
}

func (s *bus) notify(c *client, f proto.Frame, a *proto.Attrs) int {
	if !a.Has(proto.AttrMethod) || !a.Has(proto.AttrObjID) {
		return proto.InvalidArgument
	}
	o := s.objects[a.Uint32(proto.AttrObjID)]
	switch {
	case o == nil:
		return systemOr(a.Uint32(proto.AttrObjID), proto.PermissionDenied, proto.NotFound)
	case o.client != c:
		return proto.PermissionDenied
	}
	noReply := a.Bool(proto.AttrNoReply)
	if !noReply {
		var w proto.Writer
		w.Start(proto.Header{})
		for _, sub := range o.subscribers {
			w.Uint32(proto.AttrUnspec, sub.id)
		}
		list, _ := w.Finish()
		s.tell(c, proto.Header{Type: proto.Status, Seq: f.Seq, Peer: f.Peer}, func(w *proto.Writer) {
			w.Uint32(proto.AttrObjID, o.id)
			w.Bytes(proto.AttrSubscribers, list[proto.PrefixLen:])
			w.Uint32(proto.AttrStatus, proto.OK)
		})
	}
	for _, sub := range o.subscribers {
		s.forward(c, sub, f.Seq, a.Text(proto.AttrMethod), a, noReply)
	}
	return answered
}

// respond passes an object's answer on to the caller, if both are still there.
func (s *bus) respond(c *client, f proto.Frame, a *proto.Attrs) {
	if !a.Has(proto.AttrObjID) || f.Type == proto.Status && !a.Has(proto.AttrStatus) || f.Type == proto.Data && !a.Has(proto.AttrData) {
		return
	}
	o := s.objects[a.Uint32(proto.AttrObjID)]
	if o == nil || o.client != c {
		return
	}
	if caller := s.clients[f.Peer]; caller != nil {
		s.tell(caller, proto.Header{Type: f.Type, Seq: f.Seq, Peer: o.id}, func(w *proto.Writer) { w.Raw(f.Body) })
	}
}

func (s *bus) addWatch(c *client, a *proto.Attrs) int {
	if !a.Has(proto.AttrObjID) || !a.Has(proto.AttrTarget) {
		return proto.InvalidArgument
	}
	o, target := s.objects[a.Uint32(proto.AttrObjID)], s.objects[a.Uint32(proto.AttrTarget)]
	switch {
	case o == nil:
		return systemOr(a.Uint32(proto.AttrObjID), proto.InvalidArgument, proto.NotFound)
	case o.client != c:
		return proto.InvalidArgument
	case target == nil:
		return proto.NotFound
	case target.client == c:
		return proto.InvalidArgument
	case !target.named && target.client.user != c.user && target.client.group != c.group:
		return proto.NotFound
	case !s.broker.may(c, Subscribe, target.path, "", target.named):
		return proto.NotFound
	}
	s.subscribe(o, target)
	return proto.OK
}

func (s *bus) removeWatch(c *client, a *proto.Attrs) int {
	if !a.Has(proto.AttrObjID) || !a.Has(proto.AttrTarget) {
		return proto.InvalidArgument
	}
	o := s.objects[a.Uint32(proto.AttrObjID)]
	switch {
	case o == nil:
		return systemOr(a.Uint32(proto.AttrObjID), proto.InvalidArgument, proto.NotFound)
	case o.client != c:
		return proto.InvalidArgument
	}
	for _, target := range o.targets {
		if target.id == a.Uint32(proto.AttrTarget) {
			s.unsubscribe(o, target)
			return proto.OK
		}
	}
	return proto.NotFound
}
